"""The charts of the overview and of the features, which the browser draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from connectors.mongo_overview import Tally
from console.spread import DEVIATIONS_AT_PERCENTILE, Feature
from console.text import plain

Chart = alt.LayerChart | alt.FacetChart
_RED, _BLUE, _GREY = "#c0392b", "#4c6a92", "#b8c4d6"
#: Deviations beyond which a feature is drawn at the edge.
_EDGE = 8.0
_BAR = 20


def _data(rows: Sequence[Mapping[str, object]]) -> alt.InlineData:
    return alt.InlineData(values=[dict(row) for row in rows])


def by_date(tallies: Sequence[Tally]) -> Chart:
    """Return the judged and the flagged of each date."""
    rows = [
        {
            "date": plain(one.value),
            "judged": one.judged,
            "flagged": one.flagged,
            "share": one.share,
        }
        for one in tallies
    ]
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("date:N", title=None, axis=alt.Axis(labelAngle=0)),
        tooltip=[
            "date:N",
            "judged:Q",
            "flagged:Q",
            alt.Tooltip("share:Q", format=".1%"),
        ],
    )
    judged = base.mark_bar(color=_GREY, size=_BAR * 2).encode(
        y=alt.Y("judged:Q", title="recordings")
    )
    flagged = base.mark_bar(color=_RED, size=_BAR * 2).encode(y="flagged:Q")
    return alt.layer(judged, flagged).properties(height=260)


def by_reason(counts: Mapping[str, int]) -> Chart:
    """Return how many recordings each reason has."""
    rows = [{"reason": plain(name), "flagged": n} for name, n in counts.items()]
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y(
            "reason:N",
            sort=[plain(name) for name in counts],
            title=None,
            axis=alt.Axis(labelLimit=320),
        ),
        x=alt.X(
            "flagged:Q",
            title="flagged",
            axis=alt.Axis(tickMinStep=1),
            # Room for the numbers beside the bars.
            scale=alt.Scale(domain=[0, 1.1 * max(counts.values(), default=1)]),
        ),
    )
    bars = base.mark_bar(color=_RED, size=_BAR)
    numbers = base.mark_text(align="left", dx=4).encode(text="flagged:Q")
    return alt.layer(bars, numbers).properties(height=260)


def deviations(features: Sequence[Feature]) -> Chart:
    """Return features against the middle 80 % of the training recordings."""
    edge = DEVIATIONS_AT_PERCENTILE
    band = (
        alt.Chart(_data([{"low": -edge, "high": edge}]))
        .mark_rect(color=_GREY, opacity=0.45)
        .encode(x="low:Q", x2="high:Q")
    )
    base = alt.Chart(_data([_deviation(one) for one in features])).encode(
        y=alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=240)),
        tooltip=[
            "feature:N",
            alt.Tooltip("value:Q", format=".3f"),
            alt.Tooltip("median:Q", format=".3f"),
            alt.Tooltip("deviations:Q", format="+.1f"),
        ],
    )
    scale = alt.Scale(domain=[-_EDGE, _EDGE])
    x = alt.X("drawn:Q", scale=scale, title="deviations from the training's median")
    lines = base.mark_rule(color=_BLUE).encode(x=x, x2="zero:Q")
    dots = base.mark_point(color=_BLUE, filled=True, size=70, opacity=1).encode(x=x)
    return alt.layer(band, lines, dots).properties(height=24 * len(features) + 50)


def _deviation(feature: Feature) -> dict[str, object]:
    return {
        "feature": feature.name,
        "value": feature.value,
        "median": feature.middle,
        "deviations": feature.deviations,
        "drawn": max(-_EDGE, min(_EDGE, feature.deviations)),
        "zero": 0,
    }
