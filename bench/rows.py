"""The parts of the benchmark: each measures, and returns its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median, quantiles

from bench import depth, parts
from bench.depth import Pair
from bench.idle import idle
from bench.load import Load
from bench.parts import Run
from bench.report import Row
from bench.sizes import Sizes
from bench.soak import soak

#: The row that docs/scale.md goes by.
RATE_ROW = "recordings a second, ours over two plain workers"
#: What each program did, for each round.
Rounds = Sequence[dict[str, Run]]
#: Ours among them.
EARSHOT = "Earshot"


def ratios(rounds: Rounds, over: str, under: str, what: str) -> list[float]:
    """Return one program's figure over another's, for each round."""
    return [getattr(one[over], what) / getattr(one[under], what) for one in rounds]


def each(rounds: Rounds, who: str, what: str) -> list[float]:
    """Return one program's figure of each round."""
    return [getattr(one[who], what) for one in rounds]


def middle(rounds: Rounds, who: str, what: str) -> float:
    """Return the median over the rounds of one program's figure."""
    return median(each(rounds, who, what))


def cpu_row(
    name: str, runs: Rounds, other: str, goal: float | None = None, ours: str = EARSHOT
) -> Row:
    """Return another program's CPU a message over ours."""
    own, theirs = (1e3 * middle(runs, who, "cpu") for who in (ours, other))
    words = f"{own:.2f} ms, {other} {theirs:.2f} ms"
    return Row(name, ratios(runs, other, ours, "cpu"), goal, partner=words)


def rate_row(
    name: str, runs: Rounds, other: str, goal: float | None = None, ours: str = EARSHOT
) -> Row:
    """Return our messages a second over another program's."""
    own, theirs = (middle(runs, who, "rate") for who in (ours, other))
    words = f"{own:.0f}, {other} {theirs:.0f}"
    return Row(name, ratios(runs, ours, other, "rate"), goal, partner=words)


def pipeline_rows(load: Load, sizes: Sizes) -> list[Row]:
    """Measure whole recordings against one plain worker, and against two."""
    urls = load.put_audio(10, "wav")
    runs = [parts.pipeline(load, sizes, urls) for _ in range(sizes.rounds)]
    later = f"plain {middle(runs, 'plain', 'first'):.1f} s"
    return [
        cpu_row("CPU a recording, plain over ours", runs, "plain", 9),
        rate_row(RATE_ROW, runs, "two plain", 7),
        Row("start to first result, s", each(runs, EARSHOT, "first"), 2, False, later),
        *_memory(each(runs, EARSHOT, "parent"), each(runs, EARSHOT, "child")),
    ]


def _memory(
    parents: Sequence[float], children: Sequence[float], when: str = ""
) -> list[Row]:
    return [
        Row(f"memory of the parent{when}, MiB", parents, 180, at_least=False),
        Row(f"memory of a child{when}, MiB", children, 110, at_least=False),
    ]


def transport_rows(load: Load, sizes: Sizes) -> list[Row]:
    """Measure messages without work against Celery's empty tasks and plain's."""
    runs = [parts.transport(load, sizes) for _ in range(sizes.rounds)]
    rate, cpu = "transport, messages a second", "transport, CPU a message"
    return [
        rate_row(f"{rate}, ours over Celery", runs, "Celery", 3),
        cpu_row(f"{cpu}, Celery over ours", runs, "Celery", 3),
        rate_row(f"{rate}, ours over plain", runs, "plain"),
        cpu_row(f"{cpu}, plain over ours", runs, "plain"),
    ]


def format_rows(load: Load, sizes: Sizes) -> list[Row]:
    """Measure what phones send, against the plain worker where that can read it."""
    formats = {name: load.put_audio(10, name) for name in ("mp3", "m4a")}
    runs = [
        {
            "mp3": parts.earshot(load, sizes.formats, formats["mp3"]),
            "plain": parts.plain(load, sizes.plain_formats, formats["mp3"]),
            "m4a": parts.earshot(load, sizes.formats, formats["m4a"]),
        }
        for _ in range(sizes.rounds)
    ]
    names = (
        "CPU a recording, mp3 of 44.1 kHz, plain over ours",
        "CPU a recording, m4a over mp3, both of 44.1 kHz, ours",
    )
    return [
        cpu_row(names[0], runs, "plain", ours="mp3"),
        cpu_row(names[1], runs, "m4a", ours="mp3"),
    ]


def process_rows(load: Load, sizes: Sizes) -> list[Row]:
    """Measure what a second child brings where the services take the same cores."""
    urls = load.put_audio(10, "wav")
    children = {"one child": "1", "two": "2"}
    runs = [
        {
            name: parts.earshot(load, sizes.formats, urls, INFERENCE_PROCESSES=count)
            for name, count in children.items()
        }
        for _ in range(sizes.rounds)
    ]
    name = "recordings a second, INFERENCE_PROCESSES 2 over 1"
    return [rate_row(name, runs, "one child", ours="two")]


def idle_rows(load: Load, sizes: Sizes) -> list[Row]:
    """Measure an idle worker, and single recordings that it is given."""
    found = idle(load, sizes, load.put_audio(10, "wav"))
    singles = f"{len(found.latencies)} recordings, after pauses by chance"
    windows = f"windows of {sizes.window_seconds:g} s"
    shares = [100 * share for share in found.cpu_shares]
    asked = found.requests_per_minute
    late = "one recording at an idle worker, p{}, s"
    return [
        Row(late.format(50), found.latencies, 0.4, False, singles),
        Row(late.format(99), found.latencies, 1.5, False, singles, _p99),
        Row("idle: share of one core, %", shares, 2, False, windows),
        # Windows follow one another: their mean counts the requests of all the time.
        Row("idle: SQS requests a minute", asked, 4, False, windows, fmean),
    ]


def _p99(samples: Sequence[float]) -> float:
    return quantiles(samples, n=100, method="inclusive")[98]


def depth_rows(load: Load, sizes: Sizes) -> list[Row]:
    """Measure what a deep queue costs."""
    rounds = depth.at_depths(load, sizes.depths, sizes.pairs)
    depths = [deep for deep, _ in sizes.depths]
    found = dict(zip(depths, zip(*rounds, strict=True), strict=True))
    least, *others = found
    asked = [pair.ours.requests for deep in others[:1] for pair in found[deep]]
    rows = [Row("SQS requests a message, deep queue", asked, 0.25, False)]
    for deep in others:
        goal = 0.9 if deep == others[-1] else None
        name = f"throughput at {deep:,} queued over {least:,}"
        rows += _depth_rows(name, found[least], found[deep], goal)
    return rows


def _depth_rows(
    name: str, shallow: Sequence[Pair], deep: Sequence[Pair], goal: float | None
) -> list[Row]:
    """Return what of the throughput is left, raw and where a bare loop's is all."""
    both = list(zip(deep, shallow, strict=True))
    ours, bare = (
        [median(getattr(pair, who).rate for pair in pairs) for pairs in (deep, shallow)]
        for who in ("ours", "bare")
    )
    words = f"{ours[0]:.0f} and {ours[1]:.0f} messages a second"
    loop = f"a bare loop {bare[0]:.0f} and {bare[1]:.0f}"
    return [
        Row(
            f"{name}, raw", [a.ours.rate / b.ours.rate for a, b in both], partner=words
        ),
        Row(
            f"{name}, beside a bare loop's",
            [a.share / b.share for a, b in both],
            goal,
            partner=f"{words}, {loop}",
        ),
    ]


def soak_rows(load: Load, sizes: Sizes) -> list[Row]:
    """Measure the memory over very many short recordings."""
    found = soak(load, sizes.soak)
    words = (
        f"{median(found.early):.0f} to {median(found.late):.0f} MiB, all processes; "
        "the spread is of single sights"
    )
    name = f"growth of memory over a soak of {sizes.soak:,}, %"
    return [
        Row(name, found.growth, 5, False, words),
        *_memory([found.parent], [found.child], " over the soak"),
    ]


PARTS: dict[str, Callable[[Load, Sizes], list[Row]]] = {
    "pipeline": pipeline_rows,
    "transport": transport_rows,
    "formats": format_rows,
    "processes": process_rows,
    "idle": idle_rows,
    "depth": depth_rows,
    "soak": soak_rows,
}
