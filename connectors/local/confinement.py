"""What a server gives up between fork and exec: a life of its own, and root.

PostgreSQL refuses to run as root, as which containers run. It becomes ``nobody``
there, but keeps the right to pass other people's folders: else it could reach
neither its program nor its data below a folder such as /root, and would need
their permissions changed.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import struct
import sys

# From linux/prctl.h and linux/capability.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def confine(*, refuses_root: bool) -> None:
    """Tie this process to its parent's life; leave root where it must.

    Outside Linux the first is left out: there the server outlives a guard (not a
    parent) that is killed with SIGKILL.
    """
    if refuses_root and os.geteuid() == 0:
        _leave_root()
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _leave_root() -> None:
    account = pwd.getpwnam("nobody")
    _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if sys.platform == "linux":
        _keep_passage()


def _keep_passage() -> None:
    """Keep CAP_DAC_OVERRIDE over the exec; do without where root itself lacks it."""
    kept = 1 << _CAP_DAC_OVERRIDE
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _libc.capset(header, struct.pack("6I", kept, kept, kept, 0, 0, 0))
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
