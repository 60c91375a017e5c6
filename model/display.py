"""Text from outside on a person's terminal."""

from __future__ import annotations

import re
from datetime import timedelta

from model.redaction import redact

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def printable(text: str) -> str:
    """Return a text that moves no cursor: each control character is a ``?``.

    So are those that turn the direction of writing, and half surrogate pairs. Line
    ends and tabs become spaces; secrets of URLs are masked.
    """
    line = redact(text).replace("\n", " ").replace("\r", " ").replace("\t", " ")
    return "".join(one if one.isprintable() else "?" for one in line)


def escaped(json: str) -> str:
    """Return JSON text with all that is not printable as its escape, secrets masked.

    It is still the same JSON: what it says can be copied. Line ends between its
    values stay.
    """
    return "".join(
        one if one.isprintable() or one == "\n" else _escape(one)
        for one in redact(json)
    )


def duration(text: str) -> timedelta:
    """Return a span of time from a text such as ``90s``, ``30m``, ``2h`` or ``7d``.

    Raises
    ------
    ValueError
        When it is none.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    try:
        return timedelta(**{_UNITS[found[2]]: float(found[1])}) if found else _none()
    except OverflowError:
        return _none()


def age(span: timedelta) -> str:
    """Return a span of time in its two largest units: ``3d 4h``, ``12m 5s``."""
    left = max(0, int(span.total_seconds()))
    parts: list[str] = []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def _none() -> timedelta:
    raise ValueError("expected a number and s, m, h, d or w, such as 30m or 7d")


def _escape(one: str) -> str:
    units = one.encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(f"\\u{pair.hex()}" for pair in pairs)
