"""``python -m bench.simulate``: a school day, pods that KEDA scales, and the backlog.

Recordings come over the day; discovery puts what has come on the queue every few
minutes; pods take it at the rate that the benchmark measured; KEDA's SQS scaler looks
at the queue and sets the number of pods. Seeded. One JSON line on stdout; ``--plot
FILE`` draws the day.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import orjson
import simpy

from bench.capacity import RECORDINGS_A_SECOND

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

#: Seconds; arrivals and work are counted in steps.
HOUR, DAY, STEP = 3_600.0, 86_400.0, 5.0


@dataclass(frozen=True)
class Plan:
    """A day and a cluster.

    Attributes
    ----------
    recordings
        A day's.
    rate
        Recordings a second and pod, from the benchmark.
    first, last
        Hours between which the schools send; most around the middle.
    late_share
        Share that comes in the hour after `last`: phones without a network at school.
    every
        Seconds between two runs of discovery.
    per_pod
        KEDA's ``queueLength``: messages that one pod is to have, those in flight too.
    least, most
        KEDA's ``minReplicaCount`` and ``maxReplicaCount``.
    look, cool_down
        KEDA's ``pollingInterval`` and the autoscaler's stabilisation, in seconds.
    pod_start
        Seconds from the decision to a pod's first recording.
    """

    recordings: int = 1_000_000
    rate: float = RECORDINGS_A_SECOND
    first: float = 8.0
    last: float = 14.0
    late_share: float = 0.1
    every: float = 600.0
    per_pod: int = 6_000
    least: int = 1
    most: int = 50
    look: float = 30.0
    cool_down: float = 300.0
    pod_start: float = 30.0
    seed: int = 1


@dataclass
class Day:
    """What was seen of a day, a sample each minute."""

    hours: list[float] = field(default_factory=list)
    backlog: list[int] = field(default_factory=list)
    age: list[float] = field(default_factory=list)
    pods: list[int] = field(default_factory=list)
    waits: list[tuple[float, int]] = field(default_factory=list)
    arrived: int = 0
    done: int = 0


class Cluster:
    """The queue, its pods and the scaler, as simpy processes."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.day = plan, Day()
        self._env = simpy.Environment()
        self._chance = np.random.default_rng(plan.seed)
        #: When messages came, and how many of them are left.
        self._queue: deque[list[float]] = deque()
        self._wanted = plan.least
        self._pods = 0

    def run(self) -> Day:
        """Return the day, from midnight to midnight."""
        for process in (self._arrivals, self._scaler, self._observer):
            self._env.process(process())
        for number in range(self.plan.least):
            self._start(number, after=0)
        self._env.run(until=DAY)
        return self.day

    @property
    def backlog(self) -> int:
        """Messages on the queue."""
        return int(sum(count for _, count in self._queue))

    def _arrivals(self) -> Generator[simpy.Event]:
        weights = arrivals_of(self.plan)
        found = 0
        while True:
            step = int(self._env.now // STEP)
            found += int(self._chance.poisson(self.plan.recordings * weights[step]))
            if found and step % max(1, round(self.plan.every / STEP)) == 0:
                self._queue.append([self._env.now, found])
                self.day.arrived += found
                found = 0
            yield self._env.timeout(STEP)

    def _start(self, number: int, after: float) -> None:
        self._pods += 1
        self._env.process(self._pod(number, after))

    def _pod(self, number: int, after: float) -> Generator[simpy.Event]:
        """Work until the scaler wants fewer pods than this one's number."""
        yield self._env.timeout(after)
        while number < self._wanted:
            # One machine is not like another: a tenth more or less.
            most = self.plan.rate * STEP * self._chance.normal(1, 0.1)
            self._take(max(0, round(most)))
            yield self._env.timeout(STEP)
        self._pods -= 1

    def _take(self, most: int) -> None:
        while most > 0 and self._queue:
            came, count = self._queue[0]
            taken = min(most, int(count))
            self.day.waits.append((self._env.now - came, taken))
            self.day.done += taken
            most -= taken
            self._queue[0][1] -= taken
            if not self._queue[0][1]:
                self._queue.popleft()

    def _scaler(self) -> Generator[simpy.Event]:
        lately: deque[int] = deque(maxlen=ceil(self.plan.cool_down / self.plan.look))
        while True:
            lately.append(desired(self.plan, self.backlog, self._pods))
            # The autoscaler goes down to the most that was wanted lately.
            self._wanted = max(lately)
            for number in range(self._pods, self._wanted):
                self._start(number, self.plan.pod_start)
            yield self._env.timeout(self.plan.look)

    def _observer(self) -> Generator[simpy.Event]:
        while True:
            age = self._env.now - self._queue[0][0] if self._queue else 0.0
            self.day.hours.append(self._env.now / HOUR)
            self.day.backlog.append(self.backlog)
            self.day.age.append(age)
            self.day.pods.append(self._pods)
            yield self._env.timeout(60)


def desired(plan: Plan, backlog: int, pods: int) -> int:
    """Return how many pods KEDA and the autoscaler want.

    ``ceil(messages / queueLength)`` as Kubernetes' HorizontalPodAutoscaler has it for
    an average value, no more than twice the pods or four more at once (its default
    policies), within the bounds.
    """
    wanted = ceil(backlog / plan.per_pod)
    fastest = max(2 * pods, pods + 4)
    return max(plan.least, min(plan.most, wanted, fastest))


def arrivals_of(plan: Plan) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the share of the day's recordings in each step; shape (17280,), sum 1."""
    hours = np.arange(0, DAY, STEP) / HOUR
    middle, half = (plan.first + plan.last) / 2, (plan.last - plan.first) / 2
    school = np.clip(1 - ((hours - middle) / half) ** 2, 0, None)
    late = ((hours >= plan.last) & (hours < plan.last + 1)).astype(float)
    shares = (1 - plan.late_share) * school / school.sum()
    return np.asarray(shares + plan.late_share * late / late.sum())


def summary(plan: Plan, day: Day) -> dict[str, Any]:
    """Return a day's figures: seconds on the queue, messages, pods and pod hours."""
    seconds, counts = (np.array(column) for column in zip(*day.waits, strict=True))
    order = np.argsort(seconds)
    share = np.cumsum(counts[order]) / counts.sum()
    cuts = {
        f"wait_p{cut}": float(seconds[order][np.searchsorted(share, cut / 100)])
        for cut in (50, 99)
    }
    return {
        "plan": asdict(plan),
        "arrived": day.arrived,
        "done": day.done,
        **cuts,
        "oldest": max(day.age),
        "backlog_most": max(day.backlog),
        "pods_most": max(day.pods),
        "pod_hours": round(sum(day.pods) / 60, 1),
    }


def draw(plan: Plan, day: Day, path: Path) -> None:
    """Draw backlog, age and pods over the day."""
    figure, axes = plt.subplots(3, 1, figsize=(8, 6), sharex=True)
    labels = ("messages on the queue", "age of the oldest, s", "pods")
    panels = zip(axes, labels, (day.backlog, day.age, day.pods), strict=True)
    for axis, label, values in panels:
        axis.plot(day.hours, values, color="tab:blue", linewidth=1.2)
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_title(f"{plan.recordings:,} recordings, {plan.rate:g} a second and pod")
    axes[-1].set_xlim(plan.first - 2, plan.last + 6)
    axes[-1].set_xlabel("hour of the day")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Simulate a day and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in asdict(Plan()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value)
    parser.add_argument("--plot", type=Path, help="draw the day into this file")
    asked = vars(parser.parse_args())
    path = asked.pop("plot")
    plan = Plan(**asked)
    day = Cluster(plan).run()
    if path:
        draw(plan, day, path)
    print(orjson.dumps(summary(plan, day)).decode())


if __name__ == "__main__":
    main()
