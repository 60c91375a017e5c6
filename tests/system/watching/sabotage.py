"""A real worker of which one thread hangs or dies: ``python -m … PART``.

No service brings this about on command, so the part is replaced in the process; what
looks at it is as it always is, with shorter limits.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, NoReturn

from connectors.sqs import poller, settlement
from flows import children, downloads, inference, settle, triage
from flows.processes import run_one
from flows.watching import probes


def hang(*args: Any, **more: Any) -> NoReturn:
    threading.Event().wait()
    raise AssertionError("never")


def die(*args: Any, **more: Any) -> NoReturn:
    raise SystemExit  # ends the thread that it is raised in, without a word


PARTS = {
    "poller hangs": (poller.Poller, "_poll", hang),
    "poller dies": (poller.Poller, "_poll", die),
    "triage hangs": (triage.Triage, "__call__", hang),
    "download hangs": (downloads.Downloads, "_end", hang),
    "inference hangs": (inference.Extraction, "_ended", hang),
    "settle hangs": (settle.Settle, "settle", hang),
    "settle dies": (settle.Settle, "settle", die),
    "sqs settlement hangs": (settlement.Settlement, "turn", hang),
    "sqs settlement dies": (settlement.Settlement, "turn", die),
    "flow hangs": (inference.Score, "__call__", hang),
    "nothing": (probes.Probes, "unused", hang),
}


def main(part: str) -> None:
    setattr(*PARTS[part])
    probes.TAKE_SECONDS = probes.BATCH_SECONDS = probes.SQS_SECONDS = 4.0
    children.GRACE_SECONDS = 1.0
    poller.ANSWER_SECONDS = 3.0
    run_one()


if __name__ == "__main__":
    main(sys.argv[1])
