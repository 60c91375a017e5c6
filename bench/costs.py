"""``python -m bench.costs``: what a million recordings cost, by a formula.

dollars = requests x SQS's price + recordings x S3's price of a GET + hours of pods
x (cores x price of a core's hour + GiB x price of one's hour), where the hours are
recordings / rate / busy / 3600.

Databases, storage and traffic between regions are not in it: they are there anyway, or
cost nothing within a region. One JSON line on stdout; every input is an option.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass

import orjson

from bench.capacity import RECORDINGS_A_SECOND


@dataclass(frozen=True)
class Inputs:
    """What goes into the formula; prices in dollars, list prices of us-east-1.

    Attributes
    ----------
    rate
        Recordings a second and pod, from the benchmark.
    cores, gib
        Of a pod.
    requests
        Requests to SQS for each recording: receive, delete and discovery's send.
    sqs, s3_get
        A million requests. Source: the price pages of Amazon SQS (standard queues) and
        Amazon S3 (Standard, GET).
    core_hour, gib_hour
        Source: the price page of AWS Fargate (Linux, x86), where two cores come with
        4 GiB at least.
    busy
        Share of a pod's time in which it has work: of `bench.simulate`'s day with
        discovery every minute.
    """

    recordings: int = 1_000_000
    rate: float = RECORDINGS_A_SECOND
    cores: float = 2.0
    gib: float = 4.0
    requests: float = 0.3
    sqs: float = 0.40
    s3_get: float = 0.40
    core_hour: float = 0.04048
    gib_hour: float = 0.004445
    busy: float = 0.4


def dollars(given: Inputs) -> dict[str, float]:
    """Return the dollars by what they are for."""
    millions = given.recordings / 1e6
    hours = given.recordings / given.rate / given.busy / 3600
    parts = {
        "sqs": millions * given.requests * given.sqs,
        "s3": millions * given.s3_get,
        "pods": hours * (given.cores * given.core_hour + given.gib * given.gib_hour),
    }
    return {name: round(value, 4) for name, value in parts.items()}


def main() -> None:
    """Print the formula's inputs and result."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in asdict(Inputs()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value)
    given = Inputs(**vars(parser.parse_args()))
    parts = dollars(given)
    line = {"inputs": asdict(given), "dollars": parts, "sum": sum(parts.values())}
    print(orjson.dumps(line).decode())


if __name__ == "__main__":
    main()
