"""Every metric of a worker: its name, kind, labels and meaning.

docs/metrics.md is made from it: ``python -m flows.watching.catalogue``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prometheus_client.metrics_core import Metric

#: Seconds of work on one recording or batch, and of a message's way.
WORK_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
WAY_SECONDS = (
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0),
    *(3_600.0, 14_400.0, 43_200.0, 86_400.0, 345_600.0),
)
BATCH_SIZES = (1, 2, 5, 10, 20, 32, 50, 100, 200, 500)
#: 1 is the threshold.
SCORES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric.

    Attributes
    ----------
    name
        Without the suffix that its kind gives it in the exposition, such as
        ``_total``.
    values
        Of its label, where it has one, for a reader.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    values: str = ""

    def family(self) -> Metric:
        """Return the metric without samples, to be filled at a scrape."""
        return Metric(self.name, self.text, self.kind)

    @property
    def exposed(self) -> str:
        """The name as queries have it; a histogram's has further suffixes."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


RECEIVED = Spec("earshot_messages_received", "counter", "Messages received.")
REDELIVERED = Spec(
    "earshot_messages_redelivered",
    "counter",
    "Messages received that had been received before.",
)
COPIES = Spec(
    "earshot_messages_copies",
    "counter",
    "Messages received that were held already.",
)
EMPTY = Spec("earshot_receives_empty", "counter", "Receives that brought nothing.")
DELETED = Spec(
    "earshot_messages_deleted", "counter", "Messages deleted, confirmed by SQS."
)
RETURNED = Spec("earshot_messages_returned", "counter", "Messages made visible again.")
EXTENDED = Spec("earshot_leases_extended", "counter", "Leases extended.")
LOST = Spec(
    "earshot_leases_lost",
    "counter",
    "Leases lost: SQS gave the message to another, or will.",
)
DELETE_FAILURES = Spec(
    "earshot_delete_failures", "counter", "Deletes that failed and were tried again."
)
REQUESTS = Spec(
    "earshot_sqs_requests",
    "counter",
    "Requests to SQS.",
    ("operation",),
    values="receive, delete, change_visibility, get_attributes",
)
IN_FLIGHT = Spec("earshot_messages_in_flight", "gauge", "Messages held now.")
QUEUE = Spec(
    "earshot_queue_messages",
    "gauge",
    "Messages on the queue, as SQS says each minute: an approximation.",
    ("state",),
    values="waiting, in_flight, delayed",
)
AGE = Spec(
    "earshot_message_age_seconds",
    "histogram",
    "Age of messages when they are received, since they were first sent. SQS has no "
    "attribute for the age of the oldest: what comes stands for what waits.",
    buckets=WAY_SECONDS,
)
OUTCOMES = Spec(
    "earshot_outcomes",
    "counter",
    "Ended deliveries by status; what failed also by the stage where it did.",
    ("status", "reason"),
    values="completed, skipped_existing, skipped_ineligible, failed_pre_inference, "
    "malformed; parse, eligibility, download, decode, features, store",
)
STAGE = Spec(
    "earshot_stage_seconds",
    "histogram",
    "Seconds that a stage took: download and decode_features for a recording (the "
    "latter in the child), settle for a message from the request to delete or return "
    "it to SQS's confirmation, the others for a batch.",
    ("stage",),
    WORK_SECONDS,
    "triage, download, decode_features, score, mongo, csv, settle",
)
END_TO_END = Spec(
    "earshot_end_to_end_seconds",
    "histogram",
    "Seconds from a record's discovery to the confirmed delete of its message.",
    buckets=WAY_SECONDS,
)
BATCH = Spec(
    "earshot_batch_size",
    "histogram",
    "Items that went through a step together.",
    ("step",),
    BATCH_SIZES,
    "receive, triage, score, settle",
)
SCORE = Spec(
    "earshot_anomaly_score",
    "histogram",
    "Scores given; above 1 a recording is flagged.",
    buckets=SCORES,
)
DRIFT = Spec(
    "earshot_score_drift",
    "gauge",
    "Largest difference of the scores' distribution from the training's, 0 to 1.",
)
DRIFTED = Spec(
    "earshot_score_drifted", "gauge", "Whether the model does not fit what it hears."
)
DEPENDENCIES_DOWN = Spec(
    "earshot_dependencies_down", "gauge", "Outside systems that do not answer now."
)
BREAKER = Spec(
    "earshot_breaker_open",
    "gauge",
    "Whether a system counts as down, so that the worker waits for it.",
    ("system",),
    values="sqs, mongo, postgres, audio_hosts, and csv, quarantine, result topic once "
    "they failed",
)
HOSTS_DOWN = Spec(
    "earshot_audio_hosts_down", "gauge", "Audio hosts that do not answer now."
)
BYTES = Spec(
    "earshot_recordings_bytes", "gauge", "Bytes of recordings that are held now."
)
CHILD_RESTARTS = Spec(
    "earshot_child_restarts",
    "counter",
    "Child processes replaced: crashed, out of time, or with their pool.",
)
MODEL = Spec("earshot_model", "info", "The model that scores.", ("name", "version"))
BUILD = Spec("earshot_build", "info", "What runs.", ("version", "python", "bytewax"))

#: Of one worker, in the order of the table.
WORKER = (
    *(RECEIVED, REDELIVERED, COPIES, EMPTY, DELETED, RETURNED, IN_FLIGHT),
    *(QUEUE, AGE, EXTENDED, LOST, DELETE_FAILURES, REQUESTS),
    *(OUTCOMES, STAGE, END_TO_END, BATCH, BYTES, CHILD_RESTARTS),
    *(SCORE, DRIFT, DRIFTED, BREAKER, DEPENDENCIES_DOWN, HOSTS_DOWN, MODEL, BUILD),
)

UP = Spec(
    "earshot_worker_up",
    "gauge",
    "Whether a worker process answers.",
    ("worker",),
)
RESTARTS = Spec(
    "earshot_worker_restarts",
    "counter",
    "Worker processes that were started in another's place.",
    ("worker",),
)
#: Of the parent of several workers.
FLEET = (UP, RESTARTS)


def table(specs: tuple[Spec, ...]) -> str:
    """Return metrics as a table in Markdown."""
    lines = ["| name | kind | labels | what it says |", "|---|---|---|---|"]
    for spec in specs:
        labels = ", ".join(f"`{label}`" for label in spec.labels)
        values = f": {spec.values}" if spec.values else ""
        lines.append(
            f"| `{spec.exposed}` | {spec.kind} | {labels}{values} | {spec.text} |"
        )
    return "\n".join(lines)


def page() -> str:
    """Return docs/metrics.md."""
    return f"""\
# Metrics

Made by `python -m flows.watching.catalogue > docs/metrics.md`; a test keeps it so.
A worker serves them at `/metrics`, with `process_cpu_seconds_total`,
`process_resident_memory_bytes` and the like of its own process, not of its children.

{table(WORKER)}

With `run_flow.py worker --processes N` the parent serves the metrics of all its workers
under the label `worker`, 0 to N - 1: sum over it. A worker that has died is not there
any more, so no gauge of it stays. These are the parent's own:

{table(FLEET)}

Those of discovery, whose process ends, are in [discovery.md](discovery.md).
"""


if __name__ == "__main__":
    print(page(), end="")
