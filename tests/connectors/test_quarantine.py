"""The quarantine: a copy with its reason, to the letter, in a file or on a queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from connectors.errors import Misconfigured, Unavailable
from connectors.quarantine import Quarantined, QuarantineFile, QuarantineQueue
from connectors.sqs import MAX_BYTES, Delivery, Sender
from tests.connectors.test_other_consumers_faults import error_of
from tests.connectors.test_sink import bodies

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


def test_a_reason_in_hindi_that_makes_a_copy_too_large_is_left_out(
    sqs: SQSClient, queue_url: str
) -> None:
    body = "x" * (MAX_BYTES - 600)
    place = QuarantineQueue(Sender(sqs, queue_url))
    assert place.put([quarantined(body, reason="परीक्षा " * 60)]) == set()
    (copy,) = sqs.receive_message(
        QueueUrl=queue_url, MessageAttributeNames=["All"], WaitTimeSeconds=1
    )["Messages"]
    assert copy["Body"] == body
    assert "MessageAttributes" not in copy


class Failing:
    """A real client whose requests fail with a code while `fails` says so."""

    def __init__(self, client: SQSClient, code: str, fails: Callable[[Any], bool]):
        self._client, self._code, self._fails = client, code, fails

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:
        if self._fails(Entries):
            raise error_of(self._code)
        return self._client.send_message_batch(QueueUrl=QueueUrl, Entries=Entries)


def test_a_copy_for_which_a_whole_request_is_refused_holds_up_no_other(
    sqs: SQSClient, queue_url: str
) -> None:
    def too_long(entries: Any) -> bool:
        return any(entry["MessageBody"] == "b3" for entry in entries)

    client: Any = Failing(sqs, "BatchRequestTooLong", too_long)
    slept: list[float] = []
    place = QuarantineQueue(Sender(client, queue_url, sleep=slept.append))
    copies = [quarantined(f"b{n}", f"m{n}") for n in range(10)]
    assert place.put(copies) == {"m3"}
    assert sorted(bodies(sqs, queue_url)) == [f"b{n}" for n in range(10) if n != 3]
    assert slept == []


def test_what_was_confirmed_before_an_outage_is_not_sent_again_after_it(
    sqs: SQSClient, queue_url: str
) -> None:
    requests: list[Any] = []

    def all_but_the_first(entries: Any) -> bool:
        requests.append(entries)
        return 1 < len(requests) < 8

    client: Any = Failing(sqs, "ServiceUnavailable", all_but_the_first)
    place = QuarantineQueue(Sender(client, queue_url, sleep=lambda seconds: None))
    copies = [quarantined(f"b{n}", f"m{n}") for n in range(20)]
    with pytest.raises(Unavailable):
        place.put(copies)
    assert place.put(copies) == set()
    assert sorted(bodies(sqs, queue_url)) == sorted(f"b{n}" for n in range(20))
    assert place.put(copies[:1]) == set()
    assert bodies(sqs, queue_url) == ["b0"]


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="quarantine: cannot write"):
        QuarantineFile(tmp_path / "file" / "quarantine.jsonl")


def test_a_new_file_has_its_name_on_the_disk_before_anything_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("connectors.disk.sync_folder", synced.append)
    place = QuarantineFile(tmp_path / "quarantine.jsonl")
    place.put([quarantined()])
    place.put([quarantined()])
    assert synced == [tmp_path]


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
