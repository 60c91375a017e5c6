"""``make bench``: every row of docs/performance.md, in pairs, in one run.

The last line of stdout is one JSON object; the exit code is 1 when a row misses its
goal by more than a tenth. ``--short`` does the first four rows, ``--write`` writes
docs/performance.md and its plot.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import orjson

from bench import depth, parts
from bench.depth import Depth
from bench.load import Load
from bench.parts import Run
from bench.report import Row, write

#: By how much a row may miss its goal on a shared machine.
SLACK = 0.1


def is_ok(row: Row) -> bool:
    """Tell whether a goal was reached, or missed by no more than the slack."""
    return row.share >= 1 - SLACK


def middle(runs: list[dict[str, Run]], who: str, what: str) -> float:
    """Return the median over the runs of one program's figure."""
    return float(median(getattr(run[who], what) for run in runs))


def pipeline_rows(load: Load, rounds: int) -> list[Row]:
    """Measure whole recordings against two plain workers."""
    urls = load.put_audio(10, "wav")
    runs = [parts.pipeline(load, 400, 60, urls) for _ in range(rounds)]
    ours, plain = middle(runs, "earshot", "cpu"), middle(runs, "plain", "cpu")
    rate, theirs = middle(runs, "earshot", "rate"), middle(runs, "plain", "rate")
    first, later = middle(runs, "earshot", "first"), middle(runs, "plain", "first")
    return [
        Row(
            "CPU a recording, plain over ours",
            plain / ours,
            9,
            True,
            f"{1e3 * ours:.1f} ms, plain {1e3 * plain:.1f} ms",
        ),
        Row(
            "recordings a second, ours over two plain workers",
            rate / theirs,
            7,
            True,
            f"{rate:.0f}, plain {theirs:.0f}",
        ),
        Row("start to first result, s", first, 2, False, f"plain {later:.1f} s"),
        Row("memory of the parent, MiB", middle(runs, "earshot", "parent"), 180, False),
        Row("memory of a child, MiB", middle(runs, "earshot", "child"), 110, False),
    ]


def transport_rows(load: Load, rounds: int) -> list[Row]:
    """Measure messages without work against Celery's empty tasks."""
    runs = [parts.transport(load, 3000) for _ in range(rounds)]
    rate, theirs = middle(runs, "earshot", "rate"), middle(runs, "celery", "rate")
    ours, celery = middle(runs, "earshot", "cpu"), middle(runs, "celery", "cpu")
    plain = middle(runs, "plain", "rate")
    return [
        Row(
            "transport, messages a second, ours over Celery",
            rate / theirs,
            3,
            True,
            f"{rate:.0f}, Celery {theirs:.0f}, plain {plain:.0f}",
        ),
        Row(
            "transport, CPU a message, Celery over ours",
            celery / ours,
            3,
            True,
            f"{1e3 * ours:.2f} ms, Celery {1e3 * celery:.2f} ms",
        ),
    ]


def idle_rows(load: Load) -> list[Row]:
    """Measure an idle worker, and single recordings that it is given."""
    urls = load.put_audio(10, "wav")
    idle = parts.idle(load, urls, seconds=60, singles=60)
    cuts = quantiles(idle.latencies, n=100)
    return [
        Row("one recording at an idle worker, p50, s", cuts[49], 0.4, False),
        Row("one recording at an idle worker, p99, s", cuts[98], 1.5, False),
        Row("idle: share of one core, %", 100 * idle.cpu_share, 2, False),
        Row("idle: SQS requests a minute", idle.requests_per_minute, 4, False),
    ]


def format_rows(load: Load, rounds: int) -> list[Row]:
    """Measure what phones send, against the plain worker where that can read it."""
    mp3 = load.put_audio(10, "mp3")
    runs = [parts.pipeline(load, 300, 40, mp3) for _ in range(rounds)]
    ours, plain = middle(runs, "earshot", "cpu"), middle(runs, "plain", "cpu")
    m4a = load.put_audio(10, "m4a")
    alone = [{"earshot": parts.earshot(load, 300, m4a)} for _ in range(rounds)]
    cpu = middle(alone, "earshot", "cpu")
    return [
        Row(
            "CPU a recording, mp3 of 44.1 kHz, plain over ours",
            plain / ours,
            None,
            partner=f"{1e3 * ours:.1f} ms, plain {1e3 * plain:.1f} ms",
        ),
        Row(
            "CPU a recording, m4a of 16 kHz over mp3, ours",
            cpu / ours,
            None,
            partner=f"{1e3 * cpu:.1f} ms",
        ),
    ]


def process_rows(load: Load, rounds: int) -> list[Row]:
    """Measure what a second child brings where the services take the same cores."""
    urls = load.put_audio(10, "wav")
    runs = [
        {
            count: parts.earshot(load, 400, urls, INFERENCE_PROCESSES=count)
            for count in ("1", "2")
        }
        for _ in range(rounds)
    ]
    one, two = middle(runs, "1", "rate"), middle(runs, "2", "rate")
    return [
        Row(
            "recordings a second, INFERENCE_PROCESSES 2 over 1",
            two / one,
            None,
            partner=f"{two:.0f} and {one:.0f}",
        )
    ]


def depth_rows(load: Load) -> list[Row]:
    """Measure what a deep queue costs."""
    asked = depth.requests_per_message(load, 3_000)
    shallow = depth.at_depth(load, 1_000, 800)
    return [
        Row("SQS requests a message, deep queue", asked, 0.25, False),
        _depth_row(shallow, depth.at_depth(load, 10_000, 800), "10,000", None),
        _depth_row(shallow, depth.at_depth(load, 100_000, 800), "100,000", 0.9),
    ]


def _depth_row(shallow: Depth, deep: Depth, name: str, goal: float | None) -> Row:
    """Return what of the throughput is left, where a bare loop's counts as all."""
    ours, bare = deep.ours / shallow.ours, deep.bare / shallow.bare
    return Row(
        f"throughput at {name} queued over 1,000, beside a bare loop's",
        ours / bare,
        goal,
        partner=f"{deep.ours:.0f} and {shallow.ours:.0f} messages a second, "
        f"a bare loop {deep.bare:.0f} and {shallow.bare:.0f}",
    )


def soak_rows(load: Load) -> list[Row]:
    """Measure the growth of the memory over 50,000 short recordings."""
    found = parts.soak(load, 50_000)
    growth = 100 * (found["late_mib"] / found["early_mib"] - 1)
    memory = f"{found['early_mib']:.0f} to {found['late_mib']:.0f} MiB, all processes"
    return [Row("growth over a soak of 50,000, %", growth, 5, False, memory)]


PARTS: dict[str, Callable[[Load, int], list[Row]]] = {
    "pipeline": pipeline_rows,
    "transport": transport_rows,
    "formats": format_rows,
    "processes": process_rows,
    "idle": lambda load, _: idle_rows(load),
    "depth": lambda load, _: depth_rows(load),
    "soak": lambda load, _: soak_rows(load),
}


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="the first four rows")
    parser.add_argument("--part", choices=PARTS, help="one part alone")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of each part")
    parser.add_argument("--write", action="store_true", help="write the document")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Load(Path(folder)) as load:
        names = [asked.part] if asked.part else list(PARTS)
        names = names[:2] if asked.short else names
        rounds = 3 if asked.short else asked.rounds
        rows = [row for name in names for row in told(PARTS[name](load, rounds))]
    if asked.write:
        write(rows, Path("docs"))
    figures = {row.name: round(row.reached, 3) for row in rows}
    missed = [row.name for row in rows if not is_ok(row)]
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    line = {"figures": figures, "missed": missed, "machine": machine}
    print(orjson.dumps(line).decode())
    return 1 if missed else 0


def told(rows: list[Row]) -> list[Row]:
    """Say on stderr what was reached, as soon as it was."""
    for row in rows:
        print(
            f"{'ok  ' if is_ok(row) else 'MISS'} {row.name}: {row.reached:.3g} "
            f"({row.wanted or 'no goal'}) {row.partner}",
            file=sys.stderr,
        )
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
