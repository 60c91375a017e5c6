"""What the depth of a queue costs: ours, and a bare loop on the same queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import BUCKET, Load
from bench.measure import sqs_requests
from bench.programs import BARE, EARSHOT, Program, expect_proof, start
from bench.supply import Supply

#: Messages that go before the measurement, of either.
WARM = 128
#: Messages beyond what a run takes that it may delete or receive.
_SPARE = 500


@dataclass(frozen=True)
class Taken:
    """What one program took from a queue.

    Attributes
    ----------
    rate
        Messages a second.
    requests
        Requests to SQS a message, 0 where they are not counted.
    """

    rate: float
    requests: float = 0.0


@dataclass(frozen=True)
class Pair:
    """The bare loop and the worker after it, at the same depth of the same queue."""

    bare: Taken
    ours: Taken

    @property
    def share(self) -> float:
        """The worker's rate, where the bare loop's is 1."""
        return self.ours.rate / self.bare.rate


def at_depths(
    load: Load, depths: Sequence[tuple[int, int]], pairs: int
) -> list[list[Pair]]:
    """Take messages from the top of queues that are kept so deep, transport alone.

    Parameters
    ----------
    depths
        Depth of each queue, and messages that a run takes there.

    Returns
    -------
    list
        For each round, a pair at each depth; a queue serves all of its pairs.
    """
    urls = [f"s3://{BUCKET}/none.wav"]
    counts = {
        depth: depth + 2 * pairs * (taken + WARM + _SPARE) for depth, taken in depths
    }
    # That with the most messages last: its records' results are those of all.
    supplies = {
        depth: load.supply(counts[depth], urls, done=True, depth=depth)
        for depth in sorted(counts, key=lambda depth: counts[depth])
    }
    return [
        [_pair(load, supplies[depth], taken) for depth, taken in depths]
        for _ in range(pairs)
    ]


def _pair(load: Load, supply: Supply, taken: int) -> Pair:
    bare = _take(load, supply, BARE, taken)
    return Pair(bare, _take(load, supply, EARSHOT, taken))


def _take(load: Load, supply: Supply, program: Program, count: int) -> Taken:
    """Let a program take some messages, after some more to warm up by."""
    before = supply.deleted()
    with start(load, supply, program) as running:
        begin = running.until(supply, before + WARM)
        asked = 0.0 if program is BARE else sqs_requests(running)
        end = running.until(supply, begin.deleted + count)
        took, seconds = end.deleted - begin.deleted, end.at - begin.at
        if program is BARE:
            return Taken(took / seconds)
        asked = sqs_requests(running) - asked
        expect_proof(load, supply, running, took)
    return Taken(took / seconds, asked / took)
