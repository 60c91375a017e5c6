"""What every connector raises about the system behind it.

Exception
├── Unavailable        out of reach for now: wait, try again, lose nothing
└── Misconfigured      there, but not what was expected: a person must mend it
"""

from __future__ import annotations

from model.redaction import redact


class Unavailable(Exception):
    """An outside system is out of reach or refuses work for now.

    Attributes
    ----------
    system
        Its name, such as ``mongo``.
    """

    def __init__(self, system: str, cause: object) -> None:
        reason = redact(" ".join(str(cause).split()))
        super().__init__(f"{system} is unavailable: {reason}"[:400])
        self.system = system


class Misconfigured(Exception):
    """An outside system is there but not as the settings say."""
