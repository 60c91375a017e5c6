"""What every page stands in: sign-in, navigation, and one desk for all."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from console.desk import Desk
from console.settings import ConsoleSettings
from console.signing_in import configured, refusal, reviewer_of
from console.text import literal, plain
from flows.settings import SettingsError
from model.errors import Expected

#: Not named `pages`: Streamlit serves a folder of that name past this file.
PAGES = Path(__file__).parent / "views"
#: Whose reviews they are, in the session's state.
REVIEWER = "reviewer"


@st.cache_resource(show_spinner=False, on_release=Desk.close)
def desk() -> Desk:
    """Return the desk that all sessions share."""
    opened = Desk(ConsoleSettings.load())
    try:
        opened.reviews.prepare()
    except BaseException:
        opened.close()
        raise
    return opened


def reviewer() -> str:
    """Return whose reviews they are."""
    return str(st.session_state[REVIEWER])


def show() -> None:
    """Show the page that is asked for, to those who may see it."""
    st.set_page_config(page_title="Earshot", layout="wide")
    try:
        if _admitted():
            _navigation()
    except SettingsError as error:
        _fail("\n".join(error.faults))
    except Expected as error:
        _fail(str(error))


def _admitted() -> bool:
    """Tell whether a page may be shown; else say what is missing."""
    # Also for who starts Streamlit by hand, past the command.
    why = refusal(str(st.get_option("server.address") or "every interface"))
    if why:
        _fail(why)
        return False
    ways = configured()
    known = reviewer_of(st.user.to_dict(), desk().settings, bool(ways))
    if known is None:
        _sign_in(ways)
        return False
    st.session_state[REVIEWER] = known
    with st.sidebar:
        st.text(f"You review as {plain(known)}")
        if ways and st.button("Sign out"):
            st.logout()
    return True


def _sign_in(ways: list[str]) -> None:
    st.title("Earshot")
    if st.user.to_dict().get("is_logged_in"):
        st.text(f"{plain(st.user.get('email'))} may not use this console.")
        if st.button("Sign out"):
            st.logout()
        return
    for way in ways:
        name = "" if way == "default" else f" with {literal(way)}"
        if st.button(f"Sign in{name}", key=f"sign-in-{way}"):
            st.login(None if way == "default" else way)


def _navigation() -> None:
    st.navigation(
        [
            st.Page(PAGES / "overview.py", title="Overview", default=True),
            st.Page(PAGES / "flagged.py", title="Flagged"),
            st.Page(PAGES / "recording.py", title="Recording"),
            st.Page(PAGES / "labels.py", title="Labels"),
        ]
    ).run()


def _fail(message: str) -> None:
    st.error(literal(message))
