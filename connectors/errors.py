"""What every connector raises about the system behind it.

Expected
├── Unavailable        out of reach for now: wait, try again, lose nothing
│   └── TooSlow        a query took longer than it may: so may the same again
├── Misconfigured      there, but not what was expected: a person must mend it
└── QueueGone          not there any more: end
"""

from __future__ import annotations

from typing import Any

from model.errors import Expected
from model.redaction import redact


class Unavailable(Expected):
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

    def __reduce__(self) -> tuple[Any, ...]:
        # A child's error comes as it is, not made anew of its text.
        return _again, (type(self), self.args, vars(self))


class TooSlow(Unavailable):
    """A query took longer than it may, though its system answers.

    Attributes
    ----------
    seconds
        How long it may take.
    """

    def __init__(self, system: str, seconds: float) -> None:
        super().__init__(system, f"a query took longer than {seconds:g} s")
        self.seconds = seconds


class Misconfigured(Expected):
    """An outside system is there but not as the settings say."""


class QueueGone(Expected):
    """The queue does not exist: nothing that this process does can succeed."""


def _again(
    kind: type[Unavailable], args: tuple[Any, ...], state: dict[str, Any]
) -> Unavailable:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error
