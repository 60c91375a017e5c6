"""compose.yaml and the Dockerfile agree with each other and with the settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from connectors.local import LocalServices
from flows.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PROJECT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
OURS = ("queues", "worker", "discovery")
SDK_VARIABLES = {
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
}


def test_it_has_databases_an_emulated_aws_and_ours() -> None:
    assert set(SERVICES) == {
        *("mongo", "postgres", "aws", "prometheus", "grafana", "console"),
        *OURS,
    }


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_or_the_sdks(name: str) -> None:
    settings = {field.upper() for field in Settings.model_fields}
    assert set(SERVICES[name]["environment"]) <= settings | SDK_VARIABLES


@pytest.mark.parametrize("name", ["worker", "discovery"])
def test_the_settings_accept_its_values(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, re.sub(r"^\$\{.*\}$", "", value))
    monkeypatch.chdir(tmp_path)
    Settings.load()


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?$", SERVICES[name]["image"])


def test_base_images_are_pinned_to_a_version() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(images) == 2
    assert all(re.fullmatch(r"python:3\.12\.\d+-slim-\w+", image) for image in images)


def test_the_databases_have_the_versions_that_are_promised() -> None:
    assert SERVICES["mongo"]["image"].startswith("mongo:8.")
    assert SERVICES["postgres"]["image"].startswith("postgres:17.")


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_to_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+)(-\d+)?:\1", port)


def test_no_port_is_published_twice() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == len(set(ports)) == 7


def test_each_of_several_workers_has_a_port_and_prometheus_finds_it() -> None:
    (published,) = SERVICES["worker"]["ports"]
    first, last = re.findall(r":(\d+)-(\d+):", published)[0]
    assert int(last) - int(first) >= 10
    config = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text())
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["worker"], int(first))


@pytest.mark.parametrize("file", ["compose.yaml", "README.md"])
def test_the_source_is_filled_as_it_is_said(file: str, postgres_dsn: str) -> None:
    text = re.sub(r"\n# +", "\n", (PROJECT / file).read_text())
    (statement,) = re.findall(r'psql -U earshot -c "(COPY [^"]+)"', text)
    columns = re.findall(r"\((.*?)\)", statement, re.DOTALL)[0].replace("\n", "")
    row = "S1,09240310001,Hindi,2026-02-23,https://audio/1.wav,2026-02-23T09:00:00Z"
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute((PROJECT / "deploy" / "source.sql").read_bytes())
        with connection.cursor().copy(statement.encode()) as copy:
            copy.write(f"{columns}\n{row}\n")
        found = connection.execute("SELECT audio_url FROM assessment_records")
        assert ("https://audio/1.wav",) in found.fetchall()
        connection.rollback()


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_depended_on_exists_and_can_meet_the_condition(name: str) -> None:
    for other, needed in SERVICES[name].get("depends_on", {}).items():
        if needed["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert needed["condition"] == "service_completed_successfully"
            assert "restart" not in SERVICES[other]


@pytest.mark.parametrize("name", ["worker", "discovery"])
def test_urls_lead_to_services_and_the_ports_they_have(name: str) -> None:
    values = " ".join(SERVICES[name]["environment"].values())
    found = set(re.findall(r"(?:://|@)(?:\w+:\w+@)?(\w+):(\d+)", values))
    assert found == {("aws", "4566"), ("mongo", "27017"), ("postgres", "5432")}
    for other, port in found:
        assert SERVICES[other]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_named_volumes_are_declared() -> None:
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert used == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists_or_is_the_users_own(name: str) -> None:
    ignored = (PROJECT / ".gitignore").read_text().splitlines()
    for volume in SERVICES[name].get("volumes", []):
        path = volume.split(":")[0]
        if path.startswith("."):
            assert (PROJECT / path).exists() or f"{path.removeprefix('.')}/" in ignored


def test_the_consoles_image_has_what_the_workers_has_and_streamlit() -> None:
    build = SERVICES["console"]["build"]
    console = locked(build["args"]["LOCK"])
    assert locked("requirements-worker.lock") < console
    assert any(requirement.startswith("streamlit==") for requirement in console)
    assert SERVICES["console"]["image"] != SERVICES["worker"]["image"]
    assert f"!{build['args']['LOCK']}" in ignore_lines()


def test_the_worker_may_drain_before_it_is_killed() -> None:
    worker = SERVICES["worker"]
    drain = float(worker["environment"]["DRAIN_TIMEOUT_SECONDS"])
    assert float(worker["stop_grace_period"].rstrip("s")) >= drain + 10


def test_discovery_runs_only_when_it_is_asked_for() -> None:
    assert SERVICES["discovery"]["profiles"] == ["discovery"]


@pytest.mark.parametrize("name", OURS)
def test_commands_are_lists_so_that_signals_arrive(name: str) -> None:
    assert SERVICES[name]["command"][0] == "python"


def test_the_image_runs_the_worker_as_a_user_without_rights() -> None:
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.rstrip().endswith(
        'CMD ["python", "-m", "bytewax.run", "run_flow"]'
    )
    assert "http://127.0.0.1:9108/live" in DOCKERFILE


def test_the_image_installs_what_is_locked_with_hashes_and_no_more() -> None:
    assert "--require-hashes" in DOCKERFILE
    worker = locked("requirements-worker.lock")
    assert worker < locked("requirements.lock")
    assert not any(requirement.startswith("pytest==") for requirement in worker)


def test_the_image_holds_every_package_but_those_of_demo_and_tests() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    found = project["tool"]["setuptools"]
    packages = {name.rstrip("*") for name in found["packages"]["find"]["include"]}
    modules = {f"{module}.py" for module in found["py-modules"]}
    kept = {line[1:] for line in ignore_lines() if line.startswith("!")}
    assert (packages | modules) - {"demo"} <= kept
    assert "connectors/local" in ignore_lines()


def test_queues_are_created_with_a_redrive_policy(
    services: LocalServices, sqs: SQSClient
) -> None:
    _, name = COMPOSE["x-settings"]["SQS_QUEUE_URL"].rsplit("/", 1)
    assert SERVICES["queues"]["command"][3] == name
    for _ in range(2):
        run_queue_creation(services)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    assert '"maxReceiveCount": 5' in attributes["Attributes"]["RedrivePolicy"]
    assert sqs.get_queue_url(QueueName=f"{name}-quarantine")["QueueUrl"]


def run_queue_creation(services: LocalServices) -> None:
    """Run the command of the one-shot service against the embedded AWS."""
    subprocess.run(
        [sys.executable, *SERVICES["queues"]["command"][1:]],
        cwd=PROJECT,
        env={**os.environ, **services.environment()},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def ignore_lines() -> list[str]:
    return (PROJECT / ".dockerignore").read_text().splitlines()


def locked(name: str) -> set[str]:
    """Return the pinned requirements of a lock file."""
    lines = (PROJECT / name).read_text().splitlines()
    return {line.partition(" ")[0] for line in lines if "==" in line}
