"""``queue``, ``dlq`` and ``quarantine`` as people use them, on real queues."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import Any

import orjson
import pytest

from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.connectors.test_looking import fill, visible
from tests.system.pipeline import ROOT, Pipeline, WorkerProcess, eventually

#: SQS takes no C0 control characters, but C1's, and those that JSON escapes.
HOSTILE = "\x9b31m\u202e{ no record"
HOSTILE_NAME = "\x1b]0;owned\x07"


def ran(pipeline: Pipeline, *arguments: str, code: int = 0, **more: str) -> str:
    process = pipeline.run("run_flow.py", *arguments, **more)
    assert process.exit_code == code, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    return process.stdout


def dead_letter(pipeline: Pipeline, body: str, **attributes: str) -> str:
    told = {
        name: {"DataType": "String", "StringValue": text}
        for name, text in attributes.items()
    }
    answer = pipeline.sqs.send_message(
        QueueUrl=pipeline.dead_letter_url, MessageBody=body, MessageAttributes=told
    )
    return str(answer["MessageId"])


def taken(pipeline: Pipeline, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while messages := pipeline.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        found += messages
    return found


def test_stats_show_each_queue_that_there_is(pipeline: Pipeline) -> None:
    fill(pipeline.sqs, pipeline.queue_url, 3)
    fill(pipeline.sqs, pipeline.dead_letter_url, 2)
    shown = ran(pipeline, "queue", "stats")
    rows = [[c.strip() for c in x.split("│")[1:-1]] for x in shown.splitlines()]
    rows = [row[:1] + row[2:] for row in rows if row]
    assert rows == [
        ["queue", "3", "0", "0", "4d", "5"],
        ["dlq", "2", "0", "0", "14d", ""],
    ]
    named = ran(pipeline, "queue", "stats", QUARANTINE_QUEUE_URL=pipeline.queue_url)
    assert "quarantine" in named


def test_a_peek_shows_messages_leaves_them_and_says_what_it_costs(
    pipeline: Pipeline,
) -> None:
    message = pipeline.message("https://audio/1.wav", 1)
    pipeline.send(message)
    pipeline.send({**message, "subject_name": HOSTILE_NAME})
    pipeline.send(HOSTILE)
    process = pipeline.run("run_flow.py", "queue", "peek")
    assert process.exit_code == 0, process.stderr
    assert "2026-02-23 हिन्दी student-1" in process.stdout
    assert message["trace_id"] in process.stdout
    assert "body: not JSON" in process.stdout
    assert "?]0;owned?" in process.stdout
    assert not set("\x1b\x07\x9b\u202e") & set(process.stdout + process.stderr)
    assert "3 messages have one receive more of 5" in process.stderr
    assert len(visible(pipeline.sqs, pipeline.queue_url)) == 3


def test_a_peek_says_what_is_dead_lettered_next(pipeline: Pipeline) -> None:
    pipeline.send("{")
    for _ in range(4):
        process = pipeline.run("run_flow.py", "queue", "peek", "--count", "1")
        assert "dead-lettered" not in process.stderr
    process = pipeline.run("run_flow.py", "queue", "peek")
    assert "1 of them are dead-lettered next" in process.stderr


def test_dead_letters_are_listed_with_what_is_known_of_them(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    done = pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    assert pipeline.run().exit_code == 0
    dead_letter(pipeline, orjson.dumps(done).decode())
    dead_letter(pipeline, orjson.dumps({**done, "student_id": "other"}).decode())
    dead_letter(pipeline, HOSTILE)
    shown = ran(pipeline, "dlq", "list")
    assert "3 of about 3 messages" in shown
    counts = [x.split("│")[1:3] for x in shown.split("reasons")[1].splitlines()]
    assert [[c.strip() for c in row] for row in counts if row] == [
        ["completed", "1"],
        ["parse: malformed", "1"],
        ["unknown", "1"],
    ]
    assert "\x9b" not in shown
    assert len(visible(pipeline.sqs, pipeline.dead_letter_url)) == 3


def test_one_message_is_shown_whole_without_its_signature(pipeline: Pipeline) -> None:
    url = "https://audio/1.wav?X-Amz-Signature=secret-word&part=1"
    message = pipeline.message(url, 1)
    fill(pipeline.sqs, pipeline.dead_letter_url, 12)
    id = dead_letter(pipeline, orjson.dumps(message).decode(), grade="9")
    shown = ran(pipeline, "dlq", "show", id[:13])
    assert "secret-word" not in shown
    told = json.loads(shown)
    assert told["message_id"] == id
    assert told["reason"] == "unknown"
    assert told["trace_id"] == message["trace_id"]
    assert told["attributes"] == {"grade": "9"}
    assert told["body"] == {
        **message,
        "audio_s3_url": url.replace("secret-word", "***"),
    }
    assert len(visible(pipeline.sqs, pipeline.dead_letter_url)) == 13


def test_a_hostile_body_is_shown_as_it_is_and_does_nothing(pipeline: Pipeline) -> None:
    id = dead_letter(pipeline, HOSTILE)
    shown = ran(pipeline, "dlq", "show", id)
    assert "\x9b" not in shown and "\u202e" not in shown
    assert json.loads(shown)["body"] == HOSTILE


def test_a_message_that_is_not_there_ends_with_1(pipeline: Pipeline) -> None:
    dead_letter(pipeline, "{")
    assert ran(pipeline, "dlq", "show", "not-there", code=1) == ""
    assert ran(pipeline, "dlq", "show", "abc", code=2) == ""


def test_dead_letters_go_round_again_with_body_and_attributes(
    pipeline: Pipeline,
) -> None:
    message = orjson.dumps(pipeline.message("https://audio/1.wav", 1)).decode()
    dead_letter(pipeline, message, grade="9", quarantine_stage="mine")
    dead_letter(pipeline, "{")
    told = json.loads(ran(pipeline, "dlq", "redrive", "--reason", "unknown"))
    assert told == {"sent": 1, "failed": 0, "left": 1, "reasons": {"unknown": 1}}
    (sent,) = taken(pipeline, pipeline.queue_url)
    assert sent["Body"] == message
    names = {k: v["StringValue"] for k, v in sent["MessageAttributes"].items()}
    assert names == {"grade": "9", "quarantine_stage": "mine"}
    (left,) = taken(pipeline, pipeline.dead_letter_url)
    assert left["Body"] == "{"


def test_a_dry_run_sends_nothing_and_the_young_stay(pipeline: Pipeline) -> None:
    sent = fill(pipeline.sqs, pipeline.dead_letter_url, 12)
    told = json.loads(ran(pipeline, "dlq", "redrive", "--dry-run"))
    assert (told["would_send"], told["failed"], told["left"]) == (12, 0, 0)
    told = json.loads(ran(pipeline, "dlq", "redrive", "--older-than", "1h"))
    assert (told["sent"], told["left"]) == (0, 12)
    assert visible(pipeline.sqs, pipeline.dead_letter_url) == sent
    assert ran(pipeline, "dlq", "redrive", "--older-than", "long", code=2) == ""


def test_what_was_quarantined_goes_round_again_and_is_judged(
    pipeline: Pipeline, audio_host: AudioHost, sqs: Any, unique_name: str
) -> None:
    url = sqs.create_queue(QueueName=f"{unique_name}-quarantine")["QueueUrl"]
    message = pipeline.row(audio_host.serve("/a.wav", Response(status=404)))
    body = orjson.dumps(message).decode() + "  "
    told = {"grade": {"DataType": "String", "StringValue": "9"}}
    sqs.send_message(
        QueueUrl=pipeline.queue_url, MessageBody=body, MessageAttributes=told
    )
    assert pipeline.run(QUARANTINE_QUEUE_URL=url).exit_code == 0
    listed = ran(pipeline, "quarantine", "list", QUARANTINE_QUEUE_URL=url)
    assert "404" in listed and "download" in listed
    audio_host.serve("/a.wav", Response(recordings.tone()))
    done = json.loads(
        ran(
            *(pipeline, "quarantine", "redrive", "--reason", "404"),
            QUARANTINE_QUEUE_URL=url,
        )
    )
    assert (done["sent"], done["failed"]) == (1, 0)
    (sent,) = sqs.receive_message(
        QueueUrl=pipeline.queue_url, MessageAttributeNames=["All"], VisibilityTimeout=0
    )["Messages"]
    assert sent["Body"] == body
    names = {k: v["StringValue"] for k, v in sent["MessageAttributes"].items()}
    assert names == {"grade": "9"}
    assert pipeline.run(QUARANTINE_QUEUE_URL=url).exit_code == 0
    assert [one["trace_id"] for one in pipeline.results()] == [message["trace_id"]]
    assert pipeline.left(url) == pipeline.left() == 0


@pytest.mark.parametrize("command", ["list", "redrive"])
def test_without_a_quarantine_queue_the_setting_is_named(
    pipeline: Pipeline, command: str
) -> None:
    process = pipeline.run("run_flow.py", "quarantine", command)
    assert process.exit_code == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith("earshot: QUARANTINE_QUEUE_URL: missing, expected")


def test_a_work_queue_that_is_gone_ends_with_1_and_keeps_the_letters(
    pipeline: Pipeline, sqs: Any
) -> None:
    sent = fill(sqs, pipeline.dead_letter_url, 2)
    gone = f"{pipeline.queue_url}-gone"
    process = pipeline.run(
        *("run_flow.py", "quarantine", "redrive"),
        SQS_QUEUE_URL=gone,
        QUARANTINE_QUEUE_URL=pipeline.dead_letter_url,
    )
    assert process.exit_code == 1
    assert "does not exist" in process.stderr
    assert visible(sqs, pipeline.dead_letter_url) == sent


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_gives_back_what_it_held_and_loses_nothing(
    pipeline: Pipeline, number: signal.Signals
) -> None:
    for place in range(6):
        dead_letter(pipeline, str(place))

    def begun(process: WorkerProcess) -> bool:
        assert process.exit_code is None, process.stderr
        return pipeline.left() > 0

    arguments = ("run_flow.py", "dlq", "redrive", "--rate", "0.2")
    with pipeline.worker(*arguments) as process:
        eventually(lambda: begun(process))
        time.sleep(0.2)
        process.signal(number)
        code = process.wait()
    assert code == 130
    assert process.stderr == "earshot: interrupted\n"
    sent = json.loads(process.stdout)["sent"]
    assert 1 <= sent < 6
    there = taken(pipeline, pipeline.dead_letter_url)
    assert len(there) == 6 - sent
    assert len(taken(pipeline, pipeline.queue_url)) == sent


def test_what_somebody_else_holds_is_unseen_and_that_is_a_failure(
    pipeline: Pipeline,
) -> None:
    url = pipeline.dead_letter_url
    fill(pipeline.sqs, url, 3)
    pipeline.sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)
    process = pipeline.run("run_flow.py", "dlq", "redrive")
    assert process.exit_code == 1
    told = json.loads(process.stdout)
    assert (told["sent"], told["failed"], told["unseen"]) == (2, 0, 1)
    (line,) = process.stderr.splitlines()
    assert "not seen: 1" in line and "try again in 15 min" in line


def test_progress_is_shown_on_a_terminal_and_only_there(pipeline: Pipeline) -> None:
    fill(pipeline.sqs, pipeline.dead_letter_url, 12)
    command = [sys.executable, "run_flow.py", "dlq", "redrive", "--dry-run"]
    leader, follower = pty.openpty()
    with subprocess.Popen(
        command,
        env=pipeline.settings(TERM="xterm"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
    ) as process:
        os.close(follower)
        out, _ = process.communicate(timeout=60)
    shown = os.read(leader, 1 << 20).decode()
    os.close(leader)
    assert json.loads(out)["would_send"] == 12
    assert "looking" in shown and "100%" in shown
    assert pipeline.run(*command[1:]).stderr == ""


def test_a_fifo_queues_groups_go_round_again_in_their_order(
    pipeline: Pipeline, sqs: Any, unique_name: str
) -> None:
    fifo = {"FifoQueue": "true"}
    work, quarantine = (
        sqs.create_queue(QueueName=f"{unique_name}-{name}.fifo", Attributes=fifo)[
            "QueueUrl"
        ]
        for name in ("work", "quarantine")
    )
    for number in range(24):
        sqs.send_message(
            QueueUrl=quarantine,
            MessageBody=str(number),
            MessageGroupId=f"school-{number % 2}",
            MessageDeduplicationId=str(number),
        )
    urls = {"SQS_QUEUE_URL": work, "QUARANTINE_QUEUE_URL": quarantine}
    told = json.loads(ran(pipeline, "quarantine", "redrive", **urls))
    assert (told["sent"], told["failed"], told["left"]) == (24, 0, 0)
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(
        QueueUrl=work, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        found += messages
        for one in messages:
            sqs.delete_message(QueueUrl=work, ReceiptHandle=one["ReceiptHandle"])
    groups: dict[str, list[int]] = {}
    for one in found:
        group = one["Attributes"]["MessageGroupId"]
        groups.setdefault(group, []).append(int(one["Body"]))
    assert groups == {
        "school-0": list(range(0, 24, 2)),
        "school-1": list(range(1, 24, 2)),
    }
