"""What must not be read by whoever reads a log or a table."""

from __future__ import annotations

import re
from urllib.parse import unquote

_PARAMETER = re.compile(r"([?&;])([^=?&;#\s\"'\\]+)=(\"?'?[^&;#\s\"'\\]+)")
#: Names of parameters that sign a URL or let somebody in, on S3, CloudFront, Google,
#: Azure and Akamai, and what others call theirs.
_TELLING = re.compile(
    r"signature|(?:^|[-_.])sig$|token|credential|accesskey|api[-_]?key|key-pair-id"
    r"|secret|passw|pwd|auth|jwt|hmac|policy|session|^hdn|^key$",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/?#\s\"']+@")
_MASK = "***"


def redact(text: str) -> str:
    """Return `text` with the credentials in any URL it holds replaced by ``***``.

    Covers user information (``https://user:password@host``) and the query parameters
    that sign a URL, also where a URL is itself a parameter of another; the rest of
    the query stays, so that a recording can still be told from another.
    """
    # Most of what is logged holds neither, and to look for a character costs little.
    if "@" in text and "://" in text:
        text = _USER_INFO.sub(rf"\1{_MASK}@", text)
    return _PARAMETER.sub(_masked, text) if "=" in text else text


def _masked(parameter: re.Match[str]) -> str:
    before, name, value = parameter.groups()
    inner = unquote(value)
    if _TELLING.search(unquote(name)) or (inner != value and redact(inner) != inner):
        return f"{before}{name}={_MASK}"
    return parameter.group()
