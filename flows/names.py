"""Settings that say what a source calls its columns or fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from connectors.pages import suggestion


def names_of(known: Sequence[str]) -> Callable[[object], object]:
    """Return a validator of a JSON object from known names to a source's own.

    Raises
    ------
    ValueError
        From the validator, with the closest known name for one that is not known.
    """

    def validate(value: object) -> object:
        names = _parsed(value) if isinstance(value, str) else value
        if not isinstance(names, dict):
            raise ValueError(_EXPECTED)
        for name, own in names.items():
            if name not in known:
                raise ValueError(f"unknown name {name!r}{suggestion(name, known)}")
            if not isinstance(own, str) or not own:
                raise ValueError(f"expected a name for {name!r}, got {own!r}")
        return names

    return validate


_EXPECTED = 'expected a JSON object such as {"audio_url": "recording_link"}'


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except ValueError:
        raise ValueError(_EXPECTED) from None
