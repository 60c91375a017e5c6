"""How many were judged and flagged, where and why, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st

from connectors.errors import Unavailable
from connectors.mongo_overview import Field, Tally
from connectors.mongo_reviews import Verdict
from console.charts import by_date, by_reason
from console.frame import desk
from console.outcomes import csv_files, outcomes
from console.text import literal, plain

#: Seconds for which counts are shown again before they are taken anew: on a large
#: collection each reads all of it.
_COUNTS_SECONDS = 60
_QUEUES_SECONDS = 10
_PLACES = {"queue": "In the queue", "dlq": "Dead letters", "quarantine": "Quarantine"}


@st.cache_data(ttl=_COUNTS_SECONDS, show_spinner="Counting")
def _tallies(field: Field, test_date: str | None) -> list[Tally]:
    return desk().overview.tallies(field, test_date)


@st.cache_data(ttl=_COUNTS_SECONDS, show_spinner="Counting")
def _reasons(test_date: str | None) -> dict[str, int]:
    return desk().overview.reasons(test_date)


@st.cache_data(ttl=_QUEUES_SECONDS, show_spinner=False)
def _depths() -> list[dict[str, Any]] | str:
    try:
        return [asdict(depth) for depth in desk().depths()]
    except Unavailable as error:
        return str(error)


@st.cache_data(ttl=_COUNTS_SECONDS, show_spinner=False)
def _verdicts() -> dict[Verdict, int]:
    return desk().reviews.counts()


@st.cache_data(show_spinner="Counting outcomes")
def _outcomes(stamps: tuple[tuple[str, int], ...]) -> dict[tuple[str, str], int]:
    """Count anew when a file has grown; `stamps` are the files' names and sizes."""
    return outcomes(csv_files(desk().settings.csv_output_path))


def show() -> None:
    """Show the page."""
    st.title("Overview", anchor=False)
    dates = _tallies("test_date", None)
    if not dates:
        st.info("No recording has been judged yet.")
        _show_queues()
        return
    test_date = st.selectbox(
        "Test date",
        [None, *(one.value for one in reversed(dates))],
        format_func=lambda date: plain(date) or "all dates",
        width=260,
    )
    shown = [one for one in dates if test_date in (None, one.value)]
    _show_numbers(shown)
    _show_queues()
    _show_counts(dates, test_date)


def _show_counts(dates: Sequence[Tally], test_date: str | None) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("By date", anchor=False)
        st.altair_chart(by_date(dates))
    with right:
        st.subheader("By reason", anchor=False)
        st.altair_chart(by_reason(_reasons(test_date)))
    with left:
        _show_tallies("By school", "school", _tallies("udise", test_date))
    with right:
        _show_tallies("By subject", "subject", _tallies("subject_name", test_date))
        _show_outcomes(test_date)


def _show_numbers(tallies: Sequence[Tally]) -> None:
    judged = sum(one.judged for one in tallies)
    flagged = sum(one.flagged for one in tallies)
    verdicts = _verdicts()
    numbers = {
        "Judged": f"{judged:,}",
        "Flagged": f"{flagged:,}",
        "Share flagged": f"{flagged / judged:.1%}" if judged else "0 %",
        "Confirmed": f"{verdicts['confirmed']:,}",
        "False alarms": f"{verdicts['false_alarm']:,}",
        "Unsure": f"{verdicts['unsure']:,}",
    }
    for column, (label, value) in zip(st.columns(6), numbers.items(), strict=True):
        column.metric(label, value, border=True)


def _show_tallies(title: str, name: str, tallies: Sequence[Tally]) -> None:
    st.subheader(title, anchor=False)
    rows = [
        {
            name: plain(one.value) or "none",
            "judged": one.judged,
            "flagged": one.flagged,
            "share": one.share,
        }
        for one in sorted(tallies, key=lambda one: (-one.share, one.value))
    ]
    share = st.column_config.ProgressColumn(
        "share flagged", format="percent", min_value=0.0, max_value=1.0
    )
    st.dataframe(rows, hide_index=True, column_config={"share": share})


def _show_outcomes(test_date: str | None) -> None:
    files = csv_files(desk().settings.csv_output_path)
    if not files:
        return
    counts = _outcomes(tuple((str(path), path.stat().st_size) for path in files))
    st.subheader("Deliveries by outcome", anchor=False)
    rows = [
        {"date": plain(date), "outcome": plain(status), "deliveries": count}
        for (date, status), count in sorted(counts.items())
        if test_date in (None, date)
    ]
    st.dataframe(rows, hide_index=True)


def _show_queues() -> None:
    depths = _depths()
    if isinstance(depths, str):
        st.warning(literal(depths))
        return
    for column, depth in zip(st.columns(6), depths, strict=False):
        hint = f"{depth['in_flight']} with workers, {depth['delayed']} delayed"
        column.metric(_PLACES[depth["place"]], depth["waiting"], help=hint, border=True)


if __name__ == "__main__":
    show()
