"""Errors whose one line says all there is to say: no traceback is shown for them.

Every layer derives its own, so that whoever ends a program needs to know one name::

    Expected
    ├── ModelError         a model that cannot be used
    ├── Unavailable        connectors: out of reach for now
    ├── Misconfigured      connectors: there, but not what was expected
    ├── QueueGone          connectors: the queue does not exist (any more)
    ├── LeaseHeld, …       discovery: another run is at this date of this source
    └── CommandFailed      commands: a command could not do what it was asked
"""

from __future__ import annotations


class Expected(Exception):
    """Something outside the program is not as it has to be; the text is one line."""


class ModelError(Expected):
    """A model that cannot be used."""
