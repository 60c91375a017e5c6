"""How much of each part is done, in the full form and in the short one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes
    ----------
    rounds
        Pairs of each part.
    recordings, plain
        Of a run of ours and of a plain worker's.
    messages, celery
        Of a run of ours and the plain worker's, and of Celery's, transport alone.
    formats, plain_formats
        Recordings of a run of another format or another number of children, and of a
        plain worker's.
    windows, window_seconds
        In which an idle worker is watched, and the length of one.
    singles
        Recordings that an idle worker is given one by one.
    depths, pairs
        Depths of a queue with the messages that each run takes there, fewer where the
        emulated SQS is slow; and pairs at each.
    soak
        Short recordings for the memory.
    """

    rounds: int = 5
    recordings: int = 2_600
    plain: int = 240
    messages: int = 20_000
    celery: int = 5_000
    formats: int = 1_800
    plain_formats: int = 100
    windows: int = 5
    window_seconds: float = 60.0
    singles: int = 100
    depths: tuple[tuple[int, int], ...] = (
        (1_000, 8_000),
        (10_000, 3_000),
        (100_000, 400),
    )
    pairs: int = 5
    soak: int = 50_000


FULL = Sizes()
SHORT = Sizes(
    rounds=2,
    recordings=800,
    plain=70,
    messages=3_000,
    celery=800,
    formats=700,
    plain_formats=40,
    windows=3,
    window_seconds=10.0,
    singles=10,
    depths=((500, 1_000), (1_000, 1_000), (5_000, 500)),
    pairs=1,
    soak=2_000,
)
