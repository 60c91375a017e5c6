"""One recording: to hear, to see, and to say whether it can be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from connectors.mongo import Document
from connectors.mongo_flagged import Spot
from connectors.mongo_reviews import NOTE_LENGTH, Review, Verdict
from console.choices import Sitting
from console.details import show_details, show_facts
from console.frame import PAGES, desk, reviewer
from console.listening import CannotPlay
from console.text import literal, plain, reasons_of

_BUTTONS: dict[Verdict, tuple[str, str, str]] = {
    "confirmed": ("Confirmed", "Y", "It cannot be used."),
    "false_alarm": ("False alarm", "N", "It can be used."),
    "unsure": ("Unsure", "U", "Somebody else should listen."),
}
#: In the session's state: the recordings that were looked at before this one, how many
#: were reviewed, and how often one was played.
_TRAIL, _DONE, _PLAYED = "trail", "reviewed-now", "played"


def show() -> None:
    """Show the page."""
    sitting = Sitting.of(st.query_params)
    result = _result(sitting)
    if result is None:
        st.title("Recording", anchor=False)
        gone = "There is no such recording."
        st.info(gone if sitting.id else "No recording is left to review here.")
        if st.button("Back to the list"):
            st.switch_page(
                PAGES / "flagged.py", query_params=sitting.at(None).parameters()
            )
        return
    following = desk().following(sitting.choice, sitting.state, Spot.of(result))
    _show_head(result)
    _show_buttons(sitting, result, following)
    left, right = st.columns([5, 2], gap="medium")
    with right:
        show_facts(desk(), result)
    with left:
        _show_sound(result)
    if following is not None:
        desk().listening.prepare(following)
    show_details(desk(), result)


def _result(sitting: Sitting) -> Document | None:
    """Return the recording that is asked for, or the worst of those to review."""
    if sitting.id is not None:
        return desk().flagged.one(sitting.id)
    first = desk().page(sitting.choice, sitting.state, None, 1)
    if not first:
        return None
    st.query_params["id"] = str(first[0]["_id"])
    return desk().flagged.one(str(first[0]["_id"]))


def _show_head(result: Document) -> None:
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.subheader(literal(reasons_of(result)) or "Not flagged", anchor=False)
    done = st.session_state.get(_DONE, 0)
    right.text(f"{done} reviewed in this sitting")


def _show_buttons(
    sitting: Sitting, result: Document, following: Document | None
) -> None:
    id = str(result["_id"])
    # Keys by recording: a key pressed twice is not the verdict on the next one.
    note = st.text_input("Note", max_chars=NOTE_LENGTH, key=f"note-{id}")
    columns = st.columns(6)
    verdict = _said(columns, id)
    if verdict is not None:
        desk().reviews.add(Review.of(result, verdict, reviewer(), note or ""))
        st.session_state[_DONE] = st.session_state.get(_DONE, 0) + 1
        _go(sitting, id, following)
    if columns[3].button("Hear again", f"again-{id}", shortcut="P", width="stretch"):
        _play_again()
    trail: list[str] = st.session_state.setdefault(_TRAIL, [])
    if columns[4].button(
        "Back", f"back-{id}", shortcut="Left", disabled=not trail, width="stretch"
    ):
        _turn_to(sitting.at(trail.pop()))
    if columns[5].button(
        *("Skip", f"skip-{id}"),
        shortcut="Right",
        disabled=following is None,
        width="stretch",
    ):
        _go(sitting, id, following)


def _said(columns: Sequence[DeltaGenerator], id: str) -> Verdict | None:
    """Show the verdicts in the first columns; return the one that was pressed."""
    said = None
    for column, (verdict, (label, key, hint)) in zip(
        columns, _BUTTONS.items(), strict=False
    ):
        if column.button(
            label, f"{verdict}-{id}", shortcut=key, help=hint, width="stretch"
        ):
            said = verdict
    return said


def _go(sitting: Sitting, id: str, following: Document | None) -> None:
    """Go on to the next recording, or to where it is said that there is none."""
    st.session_state[_TRAIL].append(id)
    _turn_to(sitting.at(str(following["_id"]) if following else None))


def _turn_to(sitting: Sitting) -> None:
    _play_again()
    st.query_params.from_dict(sitting.parameters())
    st.rerun()


def _play_again() -> None:
    st.session_state[_PLAYED] = st.session_state.get(_PLAYED, 0) + 1


def _show_sound(result: Document) -> None:
    at_once = st.sidebar.toggle("Play at once", value=True)
    try:
        with st.spinner("Fetching the recording"):
            exhibit = desk().listening.exhibit(result)
    except CannotPlay as error:
        st.warning(literal(error))
        return
    # A player of another name is a new one: one that was shown before does not play.
    name = f"The recording, play {st.session_state.get(_PLAYED, 0) + 1}"
    st.audio(exhibit.sound, format="audio/wav", autoplay=at_once, alt=name)
    st.image(exhibit.picture, width="stretch", alt=_described(result, exhibit.seconds))


def _described(result: Document, seconds: Any) -> str:
    return f"Waveform and mel spectrogram, {seconds:.1f} s: {plain(reasons_of(result))}"


if __name__ == "__main__":
    show()
