"""Discovery's figures: ``python -m bench.discovery``.

Records in the embedded PostgreSQL and documents in the Mongo-wire server, a fifth of
them with results. Read and checked without sending; then sent, all of them, in turn
with a bare loop of ``send_message_batch`` with as many threads. Each run is a process
as users start it; memory is that of it and of its children. The last line of stdout is
one JSON object; exits 1 if a figure misses its goal.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench.discovery_stage import Run, Stage
from connectors import aws
from connectors.local import local_services
from connectors.queues import create_queue


def scan(stage: Stage, table: str, count: int) -> Run:
    """Read and check a table of so many rows."""
    print(f"{count:,} rows: made", file=sys.stderr)
    stage.add_rows(table, count)
    print(f"{count:,} rows: read and checked", file=sys.stderr)
    return stage.discover("--dry-run", POSTGRES_TABLE=table)


def sending(stage: Stage, count: int, rounds: int, mode: str) -> dict[str, Any]:
    """Send in turn by discovery and by a bare loop; medians of messages a second."""
    ours, bare, peaks = [], [], []
    for _ in range(rounds):
        print(f"{count:,} records: sent, {mode}", file=sys.stderr)
        bare.append(stage.bare_loop(count))
        stage.clear()
        run = stage.discover("--mode", mode, POSTGRES_TABLE="sent")
        ours.append(run.summary["sent"] / run.seconds)
        peaks.append(run.peak_mib)
        stage.clear()
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return {
        "sent_per_second": round(median(ours)),
        "bare_loop_per_second": round(median(bare)),
        "ratio": round(median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in sorted(ratios)],
        "peak_mib": max(peaks),
    }


def run(rows: int, documents: int, sent: int, rounds: int) -> dict[str, Any]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        with local_services(Path(name) / "services") as services:
            os.environ.update(services.environment())
            queue = create_queue(aws.sqs_client(), "bench")
            stage = Stage(services, queue.url, Path(name))
            small = scan(stage, "small", rows // 10)
            large = scan(stage, "records", rows)
            stage.add_rows("sent", sent, results=False)
            modes = {mode: sending(stage, sent, rounds, mode) for mode in MODES}
            stage.add_documents(documents)
            print(f"{documents:,} documents: read and checked", file=sys.stderr)
            mongo = stage.discover("--source", "mongo", "--dry-run", *_LARGE_PAGES)
    return {
        "postgres_rows": rows,
        "postgres_scanned_per_second": large.scanned_per_second,
        "peak_mib": {str(rows // 10): small.peak_mib, str(rows): large.peak_mib},
        "sending": modes,
        "mongo_documents": documents,
        "mongo_scanned": mongo.summary["scanned"],
        "mongo_scanned_per_second": mongo.scanned_per_second,
        "mongo_peak_mib": mongo.peak_mib,
    }


#: What moves no watermark, and what moves one.
MODES = ("one_time", "backfill")
#: The emulated Mongo has no index that a page could use: it reads all for each. Four
#: such pages are held; the peak says nothing of a run with pages as they are meant.
_LARGE_PAGES = ("--batch-size", "10000")


def misses(figures: dict[str, Any]) -> list[str]:
    """Return the names of the goals that figures miss."""
    small, large = figures["peak_mib"].values()
    sent = figures["sending"].values()
    peaks = [large, *(one["peak_mib"] for one in sent)]
    goals = {
        "5,000 scanned a second": figures["postgres_scanned_per_second"] >= 5000,
        "flat within 20 %": large <= 1.2 * small,
        "below 250 MB": max(peaks) * 1.048576 < 250,
        "0.8 of a bare loop": all(one["ratio"] >= 0.8 for one in sent),
    }
    return [name for name, met in goals.items() if not met]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--sent", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    figures = run(asked.rows, asked.documents, asked.sent, asked.rounds)
    missed = misses(figures)
    print(json.dumps(figures | {"missed": missed}))
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
