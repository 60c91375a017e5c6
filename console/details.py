"""What a page says of a recording beside its sound."""

from __future__ import annotations

from typing import Any

import streamlit as st

from connectors.mongo import Document
from connectors.mongo_reviews import Review
from console.charts import deviations
from console.desk import Desk
from console.spread import Feature, features_of, share_below
from console.text import plain, reasons_of
from model.redaction import redact

#: Features that are drawn; the rest is in the table below.
_DRAWN = 12


def show_facts(desk: Desk, result: Document) -> None:
    """Show what the result says in a few lines."""
    audio = result.get("audio") if isinstance(result.get("audio"), dict) else {}
    assert isinstance(audio, dict)
    score = result.get("anomaly_score")
    facts = {
        "score": f"{score:.2f}" if isinstance(score, int | float) else "",
        "subject": result.get("subject_name"),
        "school": result.get("udise"),
        "student": result.get("student_id"),
        "date": result.get("test_date"),
        "recorded as": result.get("record_type"),
        "audio": _audio_line(audio),
        "model": _model(result),
        "judged": result.get("processed_at"),
        "from": redact(str(result.get("audio_s3_url") or "")),
        "trace id": result.get("trace_id"),
    }
    lines = [f"{name}: {plain(value)}" for name, value in facts.items()]
    st.code("\n".join(lines), language=None, wrap_lines=True)
    if isinstance(score, int | float):
        share = share_below(desk.model, score)
        st.text(f"{share:.1%} of the training recordings score lower.")


def show_details(desk: Desk, result: Document) -> None:
    """Show the features against the training's spread, and what was said before."""
    features = features_of(desk.model, result.get("features") or {})
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Unusual features", anchor=False)
        _show_features(desk, result, features)
    with right:
        st.subheader("Reviews", anchor=False)
        _show_reviews(desk.reviews.of(str(result["_id"])))
        st.subheader("Earlier results", anchor=False)
        _show_history(result)


def _model(result: dict[str, Any]) -> str:
    return f"{plain(result.get('model_name'))} {plain(result.get('model_version'))}"


def _audio_line(audio: dict[str, Any]) -> str:
    seconds = audio.get("duration_seconds")
    length = f"{seconds:.1f} s" if isinstance(seconds, int | float) else ""
    parts = (length, audio.get("codec"), f"{audio.get('sample_rate')} Hz")
    return ", ".join(str(part) for part in parts if part)


def _show_features(desk: Desk, result: Document, features: list[Feature]) -> None:
    if not features:
        st.text("The result has no features.")
        return
    if result.get("model_version") != desk.model.version:
        own = f"{desk.model.name} {desk.model.version}"
        st.text(f"The spread is that of {own}, which is not the model that judged.")
    st.altair_chart(deviations(features[:_DRAWN]))
    st.caption("Grey: the middle 80 % of the training recordings.")
    with st.expander(f"All {len(features)} features"):
        _show_table(features)


def _show_table(features: list[Feature]) -> None:
    rows = [
        {
            "feature": one.name,
            "value": one.value,
            "10 %": one.low,
            "median": one.middle,
            "90 %": one.high,
            "deviations": one.deviations,
        }
        for one in features
    ]
    number = st.column_config.NumberColumn(format="%.3f")
    numbers = ("value", "10 %", "median", "90 %", "deviations")
    st.dataframe(rows, hide_index=True, column_config=dict.fromkeys(numbers, number))


def _show_reviews(reviews: list[Review]) -> None:
    if not reviews:
        st.text("Nobody has reviewed it yet.")
        return
    rows = [
        {
            "when": plain(one.reviewed_at),
            "who": plain(one.reviewer),
            "verdict": one.verdict.replace("_", " "),
            "note": plain(one.note),
            "of model": plain(one.model_version),
        }
        for one in reviews
    ]
    st.dataframe(rows, hide_index=True)


def _show_history(result: Document) -> None:
    history = result.get("history")
    kept = [one for one in history if isinstance(one, dict)] if history else []
    if not kept:
        st.text("No other model has judged it.")
        return
    rows = [
        {
            "judged": plain(one.get("processed_at")),
            "model": _model(one),
            "score": one.get("anomaly_score"),
            "label": plain(one.get("prediction_label")),
            "reasons": reasons_of(one),
        }
        for one in reversed(kept)
    ]
    st.dataframe(
        rows,
        hide_index=True,
        column_config={"score": st.column_config.NumberColumn(format="%.2f")},
    )
