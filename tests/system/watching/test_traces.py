"""Traces: a span for each recording, under that of discovery, sent by OTLP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from flows.watching.spans import _Ids
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.ports import free_port
from tests.system.pipeline import Pipeline
from tests.system.watching.receiver import Received, Receiver

DISCOVER = ("run_flow.py", "discover", "--mode", "backfill")
STAGES = ["triage", "download", "decode_features", "score", "store", "settle"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def put(pipeline: Pipeline, number: int, url: str) -> None:
    """Put a row into the source that discovery finds."""
    statement = sql.SQL(
        "INSERT INTO {} (id, student_id, udise, record_type, subject_id, subject_name,"
        " test_date, audio_url, subject_created_at, updated_at) VALUES (%s, 's',"
        " 'u', 'teacher_record', '7', 'Hindi', '2026-02-23', %s, now(), now())"
    )
    with psycopg.connect(pipeline.postgres_dsn, autocommit=True) as connection:
        name = sql.Identifier(pipeline.schema, pipeline.table)
        connection.execute(statement.format(name), [number, url])


def discover(pipeline: Pipeline, **more: str) -> None:
    assert pipeline.run(*DISCOVER, TEST_DATE="2026-02-23", **more).exit_code == 0


def named(spans: list[Received], name: str) -> list[Received]:
    return [span for span in spans if span.name == name]


def test_a_recordings_stages_stand_under_its_span_and_that_under_discovery(
    pipeline: Pipeline, audio_host: AudioHost, receiver: Receiver
) -> None:
    for number in range(3):
        url = audio_host.serve(f"/{number}.wav", Response(recordings.tone()))
        put(pipeline, number, url)
    discover(pipeline, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    firsts = {span.trace_id: span for span in named(receiver.spans, "discovered")}
    assert len(firsts) == len(receiver.spans) == 3
    worker = pipeline.run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert worker.exit_code == 0
    results = {one["trace_id"]: one for one in pipeline.results()}
    assert set(results) == set(firsts)
    for span in named(receiver.spans, "recording"):
        check(span, firsts[span.trace_id], results[span.trace_id], receiver.spans)
    assert len(named(receiver.spans, "recording")) == 3


def check(
    span: Received, first: Received, result: dict[str, Any], spans: list[Received]
) -> None:
    """Look at one recording's span: where it stands and what stands under it."""
    assert (first.service, span.service) == ("earshot-discovery", "earshot-worker")
    assert (first.parent_id, span.parent_id) == ("", first.span_id)
    assert first.began <= first.ended <= time.time_ns()
    assert span.attributes["messaging.message.id"] == result["message_id"]
    assert span.attributes["earshot.status"] == "completed"
    assert span.attributes["earshot.anomaly_score"] == result["anomaly_score"]
    under = [one for one in spans if one.parent_id == span.span_id]
    assert {one.trace_id for one in under} == {span.trace_id}
    under.sort(key=lambda one: one.began)
    assert [one.name for one in under] == STAGES
    assert span.began == min(one.began for one in under)
    assert span.ended == max(one.ended for one in under)
    assert all(one.began <= one.ended for one in under)
    assert not span.failed


def test_a_recording_that_fails_has_a_span_that_says_so(
    pipeline: Pipeline, audio_host: AudioHost, receiver: Receiver
) -> None:
    url = audio_host.serve("/gone.wav?sig=c0ffee", Response(status=404))
    message = pipeline.add(url)
    settings = {"OTEL_SERVICE_NAME": "judges", "OTEL_TRACES_EXPORTER": "otlp"}
    endpoint = f"{receiver.url}/v1/traces"
    settings["RETRY_BACKOFF_SECONDS"] = "900"
    pipeline.run(**settings, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint)
    (span,) = named(receiver.spans, "recording")
    assert span.failed and span.service == "judges"
    assert span.trace_id == message["trace_id"]
    assert span.attributes["earshot.settled"] == "returned"
    assert "c0ffee" not in str(receiver.spans)
    names = [one.name for one in receiver.spans if one.parent_id == span.span_id]
    assert sorted(names) == ["download", "settle", "store", "triage"]


def test_a_share_of_the_traces_is_the_same_share_in_discovery_and_worker(
    pipeline: Pipeline, audio_host: AudioHost, receiver: Receiver
) -> None:
    count = 24
    for number in range(count):
        url = audio_host.serve(f"/{number}.wav", Response(status=404))
        put(pipeline, number, url)
    share = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
    }
    discover(pipeline, **share)
    pipeline.run(**share, RETRY_BACKOFF_SECONDS="900")
    firsts = {span.trace_id for span in named(receiver.spans, "discovered")}
    judged = {span.trace_id for span in named(receiver.spans, "recording")}
    assert firsts == judged
    # That none or all of 24 are taken by chance: once in eight million times.
    assert 0 < len(firsts) < count


@pytest.mark.parametrize("disabled", [{}, {"OTEL_SDK_DISABLED": "true"}])
def test_nothing_is_imported_unless_it_is_asked_for(
    pipeline: Pipeline, audio_host: AudioHost, disabled: dict[str, str]
) -> None:
    if disabled:
        disabled = {**disabled, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    worker = pipeline.run(PYTHONPROFILEIMPORTTIME="1", **disabled)
    assert "flows.watching.tracing" in worker.stderr
    assert "opentelemetry" not in worker.stderr
    assert len(pipeline.results()) == 1


def test_a_collector_out_of_reach_keeps_no_worker_from_its_work_or_its_end(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    nobody = f"http://127.0.0.1:{free_port()}"
    began = time.monotonic()
    worker = pipeline.run(OTEL_EXPORTER_OTLP_ENDPOINT=nobody)
    assert worker.exit_code == 0
    assert len(pipeline.results()) == 1
    assert time.monotonic() - began < 40


def test_an_exporter_that_is_not_there_is_a_warning(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    worker = pipeline.run(OTEL_TRACES_EXPORTER="pigeon")
    assert worker.exit_code == 0
    (warning,) = worker.events("tracing_unavailable")
    assert "no exporter pigeon" in warning["error"]
    assert len(pipeline.results()) == 1


def test_the_ids_of_one_threads_record_are_not_anothers() -> None:
    ids, others = _Ids(), []
    with ids.of_discovery(7 << 64 | 9):
        thread = threading.Thread(target=lambda: others.append(ids.generate_trace_id()))
        thread.start()
        thread.join()
        assert ids.generate_trace_id() == 7 << 64 | 9
        assert ids.generate_span_id() == 9
    assert ids.generate_span_id() != 9
    assert others and others[0] != 7 << 64 | 9
