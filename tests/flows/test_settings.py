"""Settings: every variable of the contract, its default, and what is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]
NEEDED = {
    "SQS_QUEUE_URL": "https://sqs.ap-south-1.amazonaws.com/1/q",
    "MONGO_URI": "mongodb://user:hunter2@localhost",
    "MONGO_DB_NAME": "earshot",
    "DISCOVERY_SOURCE_TYPE": "postgres",
    "POSTGRES_DSN": "postgresql://user:hunter2@localhost/db",
    "POSTGRES_TABLE": "recordings",
}
#: Each variable that has a default, with the default that the contract gives it.
DEFAULTS: dict[str, object] = {
    "POSTGRES_SCHEMA": "public",
    "MONGO_STATE_COLLECTION": "anomaly_pipeline_state",
    "MONGO_RESULT_COLLECTION": "anomaly_detection_results",
    "TEST_DATE": None,
    "SUBJECT_NAME": None,
    "DISCOVERY_BATCH_SIZE": 500,
    "DISCOVERY_OVERLAP_SECONDS": 300,
    "DISCOVERY_SEND_PROCESSES": None,
    "MESSAGE_GROUP_BY": "none",
    "POSTGRES_COLUMNS": {},
    "MONGO_FIELDS": {},
    "BATCH_SIZE": 32,
    "MAX_BATCH_WAIT_SECONDS": 1.0,
    "MAX_CONCURRENCY": 128,
    "MAX_BYTES_IN_FLIGHT": 256 * 1024 * 1024,
    "CSV_OUTPUT_PATH": Path("output/results.csv"),
    "CSV_ROTATE_BYTES": 0,
    "CSV_ROTATE_DAILY": False,
    "S3_TIMEOUT_SECONDS": 60,
    "S3_CONNECT_TIMEOUT_SECONDS": 5,
    "S3_SOCK_READ_TIMEOUT_SECONDS": 15,
    "S3_MAX_RETRIES": 3,
    "S3_RETRY_BACKOFF_SECONDS": 0.5,
    "DOWNLOAD_MAX_CONCURRENCY": 16,
    "INFERENCE_TIMEOUT_SECONDS": 30,
    "VISIBILITY_TIMEOUT_SECONDS": 120,
    "RETRY_BACKOFF_SECONDS": 10,
    "RETRY_BACKOFF_MAX_SECONDS": 900,
    "QUARANTINE_QUEUE_URL": None,
    "QUARANTINE_PATH": Path("output/quarantine.jsonl"),
    "RESULT_QUEUE_URL": None,
    "RESULT_TOPIC_ARN": None,
    "DRAIN_TIMEOUT_SECONDS": 25,
    "IDLE_EXIT_SECONDS": 0,
    "AUDIO_ALLOWED_HOSTS": (),
    "AUDIO_MAX_BYTES": 64 * 1024 * 1024,
    "AUDIO_MAX_SECONDS": 600,
    "MODEL_PATH": None,
    "INFERENCE_PROCESSES": os.cpu_count(),
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": 9108,
    "METRICS_PUSH_URL": None,
    "METRICS_TEXTFILE_PATH": None,
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": None,
    "MONGO_SOURCE_COLLECTION": None,
}


@pytest.fixture(autouse=True)
def only_what_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start from the variables that have no default, in a folder without `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in {*NEEDED, *DEFAULTS}:
        monkeypatch.delenv(name, raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def faults() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    return caught.value.faults


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_variable_has_the_default_of_the_contract(name: str) -> None:
    assert getattr(Settings.load(), name.lower()) == DEFAULTS[name]


def test_no_variable_is_missing_here_or_there() -> None:
    assert {name.upper() for name in Settings.model_fields} == {*NEEDED, *DEFAULTS}


@pytest.mark.parametrize("name", [*NEEDED, *DEFAULTS])
def test_each_variable_is_in_the_example_file(name: str) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert any(line.lstrip("# ").startswith(f"{name}=") for line in lines)


@pytest.mark.parametrize("name", NEEDED)
def test_a_variable_that_is_needed_is_named_when_it_is_missing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)
    (fault,) = faults()
    assert fault.startswith(f"{name}: missing")


def test_a_mongo_source_needs_its_collection_and_no_postgres(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISCOVERY_SOURCE_TYPE", "mongo")
    monkeypatch.delenv("POSTGRES_DSN")
    monkeypatch.delenv("POSTGRES_TABLE")
    (fault,) = faults()
    assert fault.startswith("MONGO_SOURCE_COLLECTION: missing")
    monkeypatch.setenv("MONGO_SOURCE_COLLECTION", "assessments")
    assert Settings.load().mongo_source_collection == "assessments"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQS_QUEUE_URL", "my-queue"),
        ("QUARANTINE_QUEUE_URL", "ftp://q"),
        ("RESULT_TOPIC_ARN", "topic"),
        ("DISCOVERY_SOURCE_TYPE", "mysql"),
        ("TEST_DATE", "23-02-2026"),
        ("BATCH_SIZE", "0"),
        ("BATCH_SIZE", "many"),
        ("MAX_BATCH_WAIT_SECONDS", "-1"),
        ("MAX_CONCURRENCY", "0"),
        ("S3_TIMEOUT_SECONDS", "nan"),
        ("S3_MAX_RETRIES", "-1"),
        ("INFERENCE_PROCESSES", "0"),
        ("VISIBILITY_TIMEOUT_SECONDS", "43201"),
        ("METRICS_PORT", "65536"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("AUDIO_MAX_BYTES", "64 MiB"),
        ("AUDIO_ALLOWED_HOSTS", "http://minio"),
        ("AUDIO_ALLOWED_HOSTS", "127.0.0.1:9000"),
        ("AUDIO_ALLOWED_HOSTS", "*"),
        ("MONGO_DB_NAME", "a b"),
        ("CSV_OUTPUT_PATH", "/"),
        ("MODEL_PATH", "none.joblib"),
        ("DISCOVERY_OVERLAP_SECONDS", "-1"),
        ("MESSAGE_GROUP_BY", "school"),
        ("METRICS_PUSH_URL", "pushgateway:9091"),
        ("POSTGRES_COLUMNS", "audio_url=link"),
        ("POSTGRES_COLUMNS", '["audio_url"]'),
        ("MONGO_FIELDS", '{"student_id": 5}'),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    (fault,) = faults()
    assert fault.startswith(f"{name}=") and value in fault
    assert "expected" in fault
    assert "\n" not in fault


def test_a_column_that_is_not_known_is_named_with_the_closest_that_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES_COLUMNS", '{"audio_ulr": "link"}')
    (fault,) = faults()
    assert "unknown name 'audio_ulr', did you mean 'audio_url'?" in fault
    monkeypatch.setenv("POSTGRES_COLUMNS", '{"audio_url": "link"}')
    assert Settings.load().postgres_columns == {"audio_url": "link"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("MONGO_URI", "http://user:hunter2@h"), ("POSTGRES_DSN", "hunter2 is no DSN")],
)
def test_a_wrong_secret_is_named_and_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    (fault,) = faults()
    assert fault.startswith(f"{name}=***: expected")


def test_secrets_are_not_in_the_settings_text() -> None:
    assert "hunter2" not in repr(Settings.load())
    assert "hunter2" not in str(Settings.load())


def test_every_wrong_variable_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_SIZE", "x")
    monkeypatch.setenv("MONGO_URI", "x")
    monkeypatch.delenv("POSTGRES_TABLE")
    named = sorted(fault.split(":")[0].split("=")[0] for fault in faults())
    assert named == ["BATCH_SIZE", "MONGO_URI", "POSTGRES_TABLE"]


def test_the_environment_wins_over_the_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("BATCH_SIZE=7\nMAX_CONCURRENCY=9\n")
    monkeypatch.setenv("BATCH_SIZE", "8")
    settings = Settings.load()
    assert (settings.batch_size, settings.max_concurrency) == (8, 9)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_SIZE", "")
    monkeypatch.setenv("QUARANTINE_QUEUE_URL", "")
    assert Settings.load().batch_size == 32


def test_allowed_hosts_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_ALLOWED_HOSTS", " MinIO , *.School.in. ,")
    assert Settings.load().audio_allowed_hosts == ("minio", "*.school.in")


def test_a_value_given_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISCOVERY_BATCH_SIZE", "5")
    assert Settings.load(discovery_batch_size=6).discovery_batch_size == 6
    assert Settings.load(discovery_batch_size=None).discovery_batch_size == 5


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [("-m", "bytewax.run", "run_flow"), ("run_flow.py", "worker")],
    ids=["bytewax", "command"],
)
def test_wrong_settings_end_the_worker_with_2_and_a_line_each(
    arguments: tuple[str, ...],
) -> None:
    ended = run(*arguments, **{**NEEDED, "BATCH_SIZE": "x", "METRICS_PORT": "y"})
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    assert [line.split("=")[0] for line in lines] == [
        "earshot: BATCH_SIZE",
        "earshot: METRICS_PORT",
    ]
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ((), {"BYTEWAX_DATAFLOW_API_ENABLED": "0"}, "BYTEWAX_DATAFLOW_API_ENABLED"),
        (("-w", "2"), {}, "start more processes"),
        (("-i", "0", "-a", "localhost:2101"), {}, "start more processes"),
        ((), {"BYTEWAX_WORKERS_PER_PROCESS": "2"}, "start more processes"),
    ],
)
def test_what_bytewax_offers_and_cannot_work_here_is_refused_at_the_start(
    arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    ended = run(
        "-m", "bytewax.run", "run_flow", *arguments, **{**NEEDED, **environment}
    )
    assert ended.returncode == 2, ended.stderr
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
