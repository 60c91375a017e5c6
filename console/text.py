"""Text from outside on a page: plain, whatever it holds."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from model.display import printable

_ADDRESS = re.compile(r"(:(?=//)|www|@|mailto|xmpp)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def plain(value: object) -> str:
    """Return a value as text for what renders text as it is; secrets are masked."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return printable(str(value))


def literal(value: object) -> str:
    """Return a value as Markdown that shows it letter by letter.

    Each mark of punctuation is escaped, so that none begins a link, an image, a
    colour, a formula or a tag (CommonMark 0.31, 2.4). Addresses become links even so
    (GitHub's extension, 6.9), but not with a word joiner in them, which nobody sees.
    """
    apart = _ADDRESS.sub("\\1\u2060", plain(value))
    return _PUNCTUATION.sub(r"\\\1", apart)


def reasons_of(document: Any) -> str:
    """Return a result's reasons in one line."""
    return "; ".join(plain(reason) for reason in document.get("reasons") or ())
