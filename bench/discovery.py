"""Discovery's figures: ``python -m bench.discovery``.

Records in the embedded PostgreSQL and documents in the Mongo-wire server, a fifth of
them with results. Read and checked without sending; then sent, in turn with a bare loop
of ``send_message_batch`` with as many threads. Each run is a process as users start it.
The last line of stdout is one JSON object.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

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


def sending(stage: Stage, count: int, rounds: int) -> dict[str, object]:
    """Send in turn by discovery and by a bare loop; medians of messages a second."""
    ours, bare = [], []
    for _ in range(rounds):
        print(f"{count:,} records: sent", file=sys.stderr)
        bare.append(stage.bare_loop(count))
        stage.empty_queue()
        run = stage.discover("--mode", "backfill", POSTGRES_TABLE="sent")
        ours.append(run.summary["sent"] / run.seconds)
        stage.empty_queue()
    return {
        "sent_per_second": round(median(ours)),
        "bare_loop_per_second": round(median(bare)),
        "ratio": round(median(ours) / median(bare), 2),
    }


def run(rows: int, documents: int, sent: int, rounds: int) -> dict[str, object]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        with local_services(Path(name) / "services") as services:
            os.environ.update(services.environment())
            queue = create_queue(aws.sqs_client(), "bench")
            stage = Stage(services, queue.url, Path(name))
            small = scan(stage, "small", rows // 10)
            large = scan(stage, "records", rows)
            stage.add_rows("sent", sent)
            figures = sending(stage, sent, rounds)
            stage.add_documents(documents)
            print(f"{documents:,} documents: read and checked", file=sys.stderr)
            mongo = stage.discover("--source", "mongo", "--dry-run", *_LARGE_PAGES)
    return {
        "postgres_rows": rows,
        "postgres_scanned_per_second": large.scanned_per_second,
        "peak_mib": {str(rows // 10): small.peak_mib, str(rows): large.peak_mib},
        **figures,
        "mongo_documents": documents,
        "mongo_scanned": mongo.summary["scanned"],
        "mongo_scanned_per_second": mongo.scanned_per_second,
        "mongo_peak_mib": mongo.peak_mib,
    }


#: The emulated Mongo has no index that a page could use: it reads all for each.
_LARGE_PAGES = ("--batch-size", "10000")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--sent", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(json.dumps(run(asked.rows, asked.documents, asked.sent, asked.rounds)))


if __name__ == "__main__":
    main()
