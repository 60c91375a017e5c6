"""What a signal does before there is anything to drain."""

from __future__ import annotations

import signal
import sys


def exit_at_signal() -> None:
    """End the process with 0 at SIGTERM or SIGINT, until a drain takes them over."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def interrupt_at_sigterm() -> None:
    """Let SIGTERM end a command as Ctrl-C does, so that what it holds is given back."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
