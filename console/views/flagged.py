"""The flagged recordings, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from connectors.mongo import Document
from connectors.mongo_flagged import Choice, Spot
from connectors.mongo_overview import Field
from connectors.mongo_reviews import Review
from console.choices import STATES, Sitting
from console.frame import PAGES, desk
from console.text import plain, reasons_of

_ROWS = 25
_OPTIONS_SECONDS = 60
#: The spots that the pages before this one began after, in the session's state.
_TURNED = "turned"
VERDICTS = {
    "confirmed": "confirmed",
    "false_alarm": "false alarm",
    "unsure": "unsure",
}


@st.cache_data(ttl=_OPTIONS_SECONDS, show_spinner=False)
def _values(field: Field) -> list[str]:
    return [one.value for one in desk().overview.tallies(field) if one.flagged]


@st.cache_data(ttl=_OPTIONS_SECONDS, show_spinner=False)
def _reasons() -> list[str]:
    return sorted(desk().overview.reasons())


def show() -> None:
    """Show the page."""
    st.title("Flagged recordings", anchor=False)
    sitting = _chosen(Sitting.of(st.query_params))
    turned = _turned(sitting)
    after = turned[-1] if turned else None
    # One more than is shown tells whether there is a next page.
    found = desk().page(sitting.choice, sitting.state, after, _ROWS + 1)
    page = found[:_ROWS]
    if not page:
        st.info("No recording is left here.")
    else:
        _show_page(sitting, page)
    _show_turning(turned, page, more=len(found) > _ROWS)


def _chosen(sitting: Sitting) -> Sitting:
    """Show the filters; return the sitting that they say."""
    columns = st.columns([2, 2, 2, 3, 4])
    options = {
        "test_date": ("Date", _values("test_date")),
        "subject_name": ("Subject", _values("subject_name")),
        "udise": ("School", _values("udise")),
        "reason": ("Reason", _reasons()),
    }
    chosen = {}
    for column, (name, (label, known)) in zip(columns, options.items(), strict=False):
        with column:
            chosen[name] = _select(name, label, known, getattr(sitting.choice, name))
    with columns[-1]:
        st.session_state.setdefault("state", sitting.state)
        state = st.segmented_control(
            "Reviews",
            list(STATES),
            key="state",
            required=True,
            format_func=lambda one: STATES[one],
        )
    now = Sitting(Choice(**chosen), state or sitting.state)
    if now.parameters() != dict(st.query_params):
        st.query_params.from_dict(now.parameters())
    return now


def _select(
    name: str, label: str, options: Sequence[str], first: str | None
) -> str | None:
    """Show a filter; what the page's address says is chosen at first."""
    # By a key: a filter with another default would be another filter, and forget.
    chosen = st.session_state.setdefault(name, first)
    known = [None, *options]
    return st.selectbox(
        label,
        known if chosen in known else [*known, chosen],
        key=name,
        placeholder="any",
        format_func=lambda one: "any" if one is None else plain(one) or "none",
    )


def _turned(sitting: Sitting) -> list[Spot]:
    """Return the spots of this choice's pages so far; another choice begins anew."""
    kept = st.session_state.get(_TURNED)
    if kept is None or kept[0] != sitting:
        kept = st.session_state[_TURNED] = (sitting, [])
    spots: list[Spot] = kept[1]
    return spots


def _show_page(sitting: Sitting, page: Sequence[Document]) -> None:
    count = desk().flagged.count(sitting.choice.without_reason())
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.text(f"{count:,} flagged in all for this date, subject and school")
    if right.button(
        "Review, worst first", type="primary", shortcut="Enter", width="stretch"
    ):
        _open(sitting, page[0])
    reviews = desk().reviews.newest([str(one["_id"]) for one in page])
    picked = st.dataframe(
        [_row(one, reviews.get(str(one["_id"]))) for one in page],
        hide_index=True,
        height=35 * (len(page) + 1) + 3,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "score": st.column_config.NumberColumn(format="%.2f", width="small"),
            "reasons": st.column_config.TextColumn(width=310),
            "review": st.column_config.TextColumn(width=95),
            "seconds": st.column_config.NumberColumn(format="%.1f", width="small"),
        },
    )
    rows = picked["selection"]["rows"]
    if rows:
        _open(sitting, page[rows[0]])


def _row(result: Document, review: Review | None) -> dict[str, Any]:
    audio = result.get("audio")
    seconds = audio.get("duration_seconds") if isinstance(audio, dict) else None
    return {
        "score": result.get("anomaly_score"),
        "reasons": reasons_of(result),
        "subject": plain(result.get("subject_name")),
        "school": plain(result.get("udise")),
        "student": plain(result.get("student_id")),
        "date": plain(result.get("test_date")),
        "seconds": seconds,
        "review": VERDICTS[review.verdict] if review else "",
        "by": plain(review.reviewer) if review else "",
    }


def _open(sitting: Sitting, result: Document) -> None:
    here = sitting.at(str(result["_id"]))
    st.switch_page(PAGES / "recording.py", query_params=here.parameters())


def _show_turning(turned: list[Spot], page: Sequence[Document], *, more: bool) -> None:
    left, right, _ = st.columns([1, 1, 4])
    if left.button(
        "Page before", shortcut="Left", disabled=not turned, width="stretch"
    ):
        turned.pop()
        st.rerun()
    if right.button("Next page", shortcut="Right", disabled=not more, width="stretch"):
        turned.append(Spot.of(page[-1]))
        st.rerun()


if __name__ == "__main__":
    show()
