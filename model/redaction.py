"""What must not be read by whoever reads a log or a table."""

from __future__ import annotations

import re

_SECRET_PARAMETER = re.compile(
    r"(?i)([?&;](?:x-amz-(?:signature|credential|security-token)|x-goog-signature"
    r"|x-goog-credential|awsaccesskeyid|signature|sig|token|access_token|key-pair-id"
    r"|policy|password|secret|api_?key)=)[^&;#\s\"'\\]+"
)
_USER_INFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/@\s\"']+@")


def redact(text: str) -> str:
    """Return `text` with the credentials in any URL it holds replaced by ``***``.

    Covers user information (``https://user:password@host``) and the query parameters
    that sign a URL on S3, CloudFront, Google and Azure storage; the rest of the
    query stays, so that a recording can still be told from another.
    """
    return _SECRET_PARAMETER.sub(r"\1***", _USER_INFO.sub(r"\1***@", text))
