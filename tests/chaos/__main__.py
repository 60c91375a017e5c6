"""``python -m tests.chaos --seconds 300 --records 2000 --workers 3 --seed N``.

Prints the run's ledger as one line of JSON; exit 1 when anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Plan, run


def main() -> int:
    """Run once and print the ledger."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    plan = Plan.of(options.seconds, options.records, options.workers, options.seed)
    with tempfile.TemporaryDirectory(prefix="earshot-chaos-") as folder:
        ledger, chaos = run(plan, Path(folder))
    for fault in chaos.workers.faults:
        print(fault, file=sys.stderr)
    print(
        ledger.as_json(
            seed=plan.seed,
            seconds=plan.seconds,
            workers=plan.workers,
            faults=chaos.workers.faults,
            done=dict(chaos.done),
        )
    )
    return 0 if ledger.clean else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
