"""Messages that were put aside, sent round again.

Each is deleted where it lay only after the work queue has confirmed it: whatever is
cut short leaves it there, at worst in both places, and the worker knows a record that
comes twice.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import Unavailable
from connectors.quarantine import original
from connectors.sqs import UNREACHABLE, Letter, Look, Message, Sender
from connectors.sqs.batches import FIFO_SUFFIX
from flows.steering.letters import Case, Statuses, cases
from flows.steering.pace import Pace

#: Messages that one receive brings.
BATCH = 10
#: Seconds for which what is not meant stays hidden, so that it does not come again
#: and again; a run that is killed leaves it hidden for so long.
HIDE_SECONDS = 900


@dataclass(slots=True)
class Redriven:
    """What a run has done.

    Attributes
    ----------
    sent
        Messages that the work queue has confirmed.
    failed
        Messages that it has not, or that are still where they lay besides.
    left
        Messages that were not meant.
    looked_at
        All of them.
    unseen
        Messages that were there and were not received, about: others held them, or
        SQS hid no more at once.
    reasons
        Those that were meant, by stage and reason.
    """

    sent: int = 0
    failed: int = 0
    left: int = 0
    looked_at: int = 0
    unseen: int = 0
    dry_run: bool = False
    reasons: Counter[str] = field(default_factory=Counter)

    def line(self) -> dict[str, Any]:
        """Return it as JSON values."""
        done = {"would_send" if self.dry_run else "sent": self.sent}
        counts = {**done, "failed": self.failed, "left": self.left}
        if self.unseen:
            counts["unseen"] = self.unseen
        return {**counts, "reasons": dict(self.reasons.most_common())}


class Redrive:
    """Moves messages from one queue to another.

    Parameters
    ----------
    sender
        To the work queue; None in a dry run.
    meant
        Tells which messages go.
    pace
        Bounds how fast.
    """

    def __init__(
        self,
        look: Look,
        sender: Sender | None,
        *,
        statuses: Statuses,
        meant: Callable[[Case], bool],
        pace: Pace,
    ) -> None:
        self._look, self._sender = look, sender
        self._statuses, self._meant, self._pace = statuses, meant, pace
        self.done = Redriven(dry_run=sender is None)

    def run(self) -> Iterator[int]:
        """Move messages; yields how many were looked at, after each receive.

        Raises
        ------
        Unavailable, QueueGone
            When a queue, or Mongo, cannot be reached; what was sent is counted.
        """
        at_once = self._pace.at_once(BATCH)
        seconds = math.inf if self._sender else HIDE_SECONDS - 60
        for letters in self._look.letters(at_once=at_once, seconds=seconds):
            self.done.looked_at += len(letters)
            found = cases(letters, self._statuses)
            chosen = [case for case in found if self._meant(case)]
            self.done.left += len(found) - len(chosen)
            self.done.reasons.update(case.why for case in chosen)
            if chosen:
                self._move([case.letter for case in chosen])
                self._pace.wait(len(chosen))
            yield len(letters)

    def _move(self, letters: Sequence[Letter]) -> None:
        if self._sender is None:
            self.done.sent += len(letters)
            return
        fifo = self._sender.fifo
        failed = self._sender.send([_message(one, fifo=fifo) for one in letters])
        sent = [one for index, one in enumerate(letters) if index not in failed]
        kept = self._look.delete(sent)
        self.done.sent += len(sent)
        self.done.failed += len(failed) + len(kept)
        if UNREACHABLE in failed.values():
            raise Unavailable("sqs", "the work queue took no message")


def unseen(done: Redriven, before: int, now: Callable[[], int]) -> int:
    """Return how many messages a run to the end has not received, about.

    Parameters
    ----------
    before, now
        What the queue had at the beginning and has now. SQS's counts are late by up
        to a minute, so the lower number is believed.
    """
    missing = before - done.looked_at
    if missing <= 0:
        return 0
    held = done.left + done.failed + (done.sent if done.dry_run else 0)
    return max(0, min(missing, now() - held))


def unseen_line(count: int, queue: str) -> str:
    """Return what is said of messages that were not received, and what to do."""
    if queue.endswith(FIFO_SUFFIX):
        why = "one that is kept holds up its group: choose more of them"
    else:
        minutes = HIDE_SECONDS // 60
        why = f"others hold them or too many are hidden: try again in {minutes} min"
    return f"messages of {queue} that were not seen: {count}; {why}"


def _message(letter: Letter, *, fifo: bool) -> Message:
    """Return a message as it was before it was put aside."""
    return Message(
        letter.body,
        original(letter.attributes),
        group_id=letter.group_id or (letter.message_id if fifo else None),
        deduplication_id=letter.message_id if fifo else None,
    )
