"""The quarantine: a copy with its reason, to the letter, in a file or on a queue."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from connectors.errors import Unavailable
from connectors.quarantine import Quarantined, QuarantineFile, QuarantineQueue
from connectors.sqs import Delivery, Sender

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
GROUP = {"DataType": "String", "StringValue": "9"}


def quarantined(
    body: str = "{", message_id: str = "m", reason: str = "not JSON", **more: Any
) -> Quarantined:
    delivery = Delivery(message_id, body, 2, **more)
    return Quarantined(delivery, "parse", reason, None, NOW)


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_message_is_a_line_with_its_reason_and_its_body_to_the_letter(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new" / "quarantine.jsonl"
    body = 'हिन्दी \n"\0\x1b'
    assert QuarantineFile(path).put([quarantined(body)]) == set()
    (line,) = lines(path)
    assert line["body"] == body
    assert (line["stage"], line["reason"]) == ("parse", "not JSON")
    assert line["quarantined_at"] == "2026-02-23T09:30:00Z"


def test_a_body_that_no_encoding_holds_is_a_line_too(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    QuarantineFile(path).put([quarantined("half a pair: \ud800")])
    assert path.read_text().count("\n") == 1
    assert r"half a pair: \ud800" in path.read_text()


@pytest.mark.parametrize("torn", ["{", '{"body": "' + "x" * 9000])
def test_a_last_line_that_a_crash_tore_is_cut_away(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "quarantine.jsonl"
    QuarantineFile(path).put([quarantined("1")])
    with path.open("a") as file:
        file.write(torn)
    QuarantineFile(path).put([quarantined("2")])
    assert [line["body"] for line in lines(path)] == ["1", "2"]


def test_a_file_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    place = QuarantineFile(tmp_path / "quarantine.jsonl")
    place.path.mkdir()
    with pytest.raises(Unavailable, match="quarantine is unavailable"):
        place.put([quarantined()])


def test_a_copy_has_the_originals_body_and_attributes_and_the_reason(
    sqs: SQSClient, queue_url: str
) -> None:
    place = QuarantineQueue(Sender(sqs, queue_url))
    reason = "odd\x00\x1b[31m"
    one = quarantined('{"a":', reason=reason, attributes={"grade": GROUP})
    assert place.put([one]) == set()
    (copy,) = sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"])[
        "Messages"
    ]
    told = {n: v["StringValue"] for n, v in copy["MessageAttributes"].items()}
    assert copy["Body"] == '{"a":'
    assert told == {
        "grade": "9",
        "quarantine_stage": "parse",
        "quarantine_reason": "odd  [31m",
    }


def test_a_body_that_leaves_no_room_for_the_reason_is_copied_without(
    sqs: SQSClient, queue_url: str
) -> None:
    body = "x" * 1_048_570
    assert QuarantineQueue(Sender(sqs, queue_url)).put([quarantined(body)]) == set()
    (copy,) = sqs.receive_message(QueueUrl=queue_url)["Messages"]
    assert copy["Body"] == body


class Refusing:
    """A sender to a queue that refuses every message, or is out of reach."""

    fifo = False

    def __init__(self, code: str) -> None:
        self._code = code

    def send(self, messages: Any) -> dict[int, str]:
        return dict.fromkeys(range(len(messages)), self._code)


def test_what_a_queue_refuses_is_named_and_what_it_cannot_answer_is_an_outage() -> None:
    refusing: Any = Refusing("InvalidMessageContents")
    away: Any = Refusing("Unreachable")
    assert QuarantineQueue(refusing).put([quarantined()]) == {"m"}
    with pytest.raises(Unavailable, match="cannot be reached"):
        QuarantineQueue(away).put([quarantined()])
