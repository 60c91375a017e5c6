"""What an idle worker costs, and how soon it has done a single recording."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from bench.load import Load
from bench.measure import Running, sqs_requests
from bench.programs import EARSHOT, expect_proof, start
from bench.sizes import Sizes
from bench.supply import Supply

#: Seconds after the first recording in which a worker becomes idle.
_SETTLE_SECONDS = 5.0
#: Seconds at most between two single recordings; by chance, so that none comes always
#: at the same moment of a long poll.
_PAUSE_SECONDS = 1.5
_LATENCY_LOOK_SECONDS = 0.01
_SEED = 6


@dataclass(frozen=True)
class Idle:
    """An idle worker.

    Attributes
    ----------
    cpu_shares
        Of one core, in each window.
    requests_per_minute
        To SQS, in each window.
    latencies
        Seconds from the message's sending to its delete, of each single recording.
    """

    cpu_shares: list[float]
    requests_per_minute: list[float]
    latencies: list[float]


def idle(load: Load, sizes: Sizes, urls: list[str]) -> Idle:
    """Leave a worker idle, then give it one recording after another."""
    supply = load.supply(sizes.singles + 1, urls, depth=0)
    chance = random.Random(_SEED)
    with start(load, supply, EARSHOT) as running:
        supply.send(1)
        running.until(supply, 1)
        time.sleep(_SETTLE_SECONDS)
        windows = [_window(running, sizes.window_seconds) for _ in range(sizes.windows)]
        pauses = [chance.uniform(0, _PAUSE_SECONDS) for _ in range(sizes.singles)]
        latencies = [_latency(running, supply, pause) for pause in pauses]
        expect_proof(load, supply, running, supply.count)
    shares, requests = zip(*windows, strict=True)
    return Idle(list(shares), list(requests), latencies)


def _window(running: Running, seconds: float) -> tuple[float, float]:
    """Return the share of a core and the requests a minute in a window."""
    cpu, asked, began = running.cpu, sqs_requests(running), time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    used, requests = running.cpu - cpu, sqs_requests(running) - asked
    return used / passed, requests * 60 / passed


def _latency(running: Running, supply: Supply, pause: float) -> float:
    time.sleep(pause)
    began = time.monotonic()
    supply.send(1)
    while supply.deleted() < supply.sent:
        running.expect_life()
        time.sleep(_LATENCY_LOOK_SECONDS)
    return time.monotonic() - began
