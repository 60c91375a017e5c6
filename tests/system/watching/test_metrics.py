"""What /metrics of a real worker says, and that nothing names a metric it lacks."""

from __future__ import annotations

import json
import re
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from flows.watching import catalogue
from flows.watching.build import VERSION
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.ports import free_port
from tests.system.pipeline import ROOT, Pipeline, eventually

DASHBOARD = ROOT / "deploy/grafana/dashboards/earshot.json"
RULES = ROOT / "deploy/prometheus/rules.yml"
SCRAPE = ROOT / "deploy/prometheus/prometheus.yml"
#: What Prometheus itself says of whom it asks.
OF_PROMETHEUS = {"up"}


def scrape(port: int) -> dict[str, Metric]:
    """Return the metrics that a process serves, by the name of their family."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """Return one sample's value."""
    (found,) = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found


def test_a_worker_serves_what_it_did(pipeline: Pipeline, audio_host: AudioHost) -> None:
    port = free_port()
    for number in range(3):
        pipeline.add(audio_host.serve(f"/{number}.wav", Response(recordings.tone())))
    pipeline.add(audio_host.serve("/gone.wav", Response(status=404)))
    pipeline.add(audio_host.serve("/broken.wav", Response(b"no audio")))
    pipeline.send("{")
    settings = {"METRICS_PORT": str(port), "IDLE_EXIT_SECONDS": "0"}
    # A backoff is by chance: what failed must not come back while this looks on.
    settings |= {"RETRY_BACKOFF_SECONDS": "40000", "RETRY_BACKOFF_MAX_SECONDS": "40000"}
    with pipeline.worker(**settings, DRAIN_TIMEOUT_SECONDS="3") as process:
        eventually(lambda: len(process.events("message_settled")) == 6)
        found = scrape(port)
    check_counts(found)
    check_times(found)
    check_systems(found)


def check_counts(found: dict[str, Metric]) -> None:
    outcomes = "earshot_outcomes_total"
    assert value(found, outcomes, status="completed") == 3
    failed = "failed_pre_inference"
    assert value(found, outcomes, status=failed, reason="download") == 1
    assert value(found, outcomes, status=failed, reason="decode") == 1
    assert value(found, outcomes, status=failed, reason="store") == 0
    assert value(found, outcomes, status="malformed", reason="parse") == 1
    assert value(found, outcomes, status="skipped_existing") == 0
    assert value(found, "earshot_messages_received_total") == 6
    assert value(found, "earshot_messages_deleted_total") == 4
    assert value(found, "earshot_messages_returned_total") == 2
    assert value(found, "earshot_messages_in_flight") == 0
    assert value(found, "earshot_leases_lost_total") == 0
    assert value(found, "earshot_sqs_requests_total", operation="delete") >= 1
    assert value(found, "earshot_sqs_requests_total", operation="receive") >= 1
    assert value(found, "earshot_queue_messages", state="delayed") == 0


def check_times(found: dict[str, Metric]) -> None:
    def count(stage: str) -> float:
        return value(found, "earshot_stage_seconds_count", stage=stage)

    assert count("download") == 5
    assert count("decode_features") == 3
    assert count("settle") == 5
    for stage in ("triage", "score", "mongo", "csv"):
        assert 1 <= count(stage) <= 6
    assert value(found, "earshot_message_age_seconds_count") == 6
    assert value(found, "earshot_message_age_seconds_sum") < 6 * 60
    # The messages of a test were discovered in February.
    assert value(found, "earshot_end_to_end_seconds_count") == 3
    assert value(found, "earshot_end_to_end_seconds_bucket", le="345600.0") == 0
    assert value(found, "earshot_batch_size_sum", step="receive") == 6
    assert value(found, "earshot_batch_size_sum", step="triage") == 5
    assert value(found, "earshot_batch_size_sum", step="settle") == 5
    assert value(found, "earshot_anomaly_score_count") == 3
    assert value(found, "process_cpu_seconds_total") > 0


def check_systems(found: dict[str, Metric]) -> None:
    for system in ("sqs", "mongo", "postgres", "audio_hosts"):
        assert value(found, "earshot_breaker_open", system=system) == 0
    assert value(found, "earshot_recordings_bytes") == 0
    assert value(found, "earshot_child_restarts_total") == 0
    (model,) = found["earshot_model_info"].samples
    assert model.labels["name"] == "earshot" and model.labels["version"]
    (build,) = found["earshot_build_info"].samples
    assert build.labels["version"] == VERSION


@pytest.fixture
def served(pipeline: Pipeline) -> Iterator[dict[str, Metric]]:
    """What a worker that has done nothing yet serves."""
    port = free_port()
    with pipeline.worker(METRICS_PORT=str(port), IDLE_EXIT_SECONDS="0") as process:
        eventually(lambda: process.events("worker_started"))
        eventually(lambda: scrape(port)["earshot_queue_messages"].samples)
        yield scrape(port)


def test_a_worker_serves_what_is_written_down_and_nothing_else(
    served: dict[str, Metric],
) -> None:
    ours = {name: one for name, one in served.items() if name.startswith("earshot_")}
    # The text format knows no infos: they are gauges of 1.
    written = {
        spec.exposed if spec.kind == "info" else spec.name: spec
        for spec in catalogue.WORKER
    }
    assert set(ours) == set(written)
    for name, spec in written.items():
        kind = "gauge" if spec.kind == "info" else spec.kind
        assert (ours[name].type, ours[name].documentation) == (kind, spec.text)
        assert labels_of(ours[name]) == set(spec.labels)


def labels_of(family: Metric) -> set[str]:
    return {label for one in family.samples for label in one.labels if label != "le"}


def test_every_metric_of_dashboard_and_rules_is_served(
    served: dict[str, Metric],
) -> None:
    there = {sample.name for family in served.values() for sample in family.samples}
    there |= {spec.exposed for spec in catalogue.FLEET} | OF_PROMETHEUS
    for expression in expressions():
        assert metrics_in(expression) <= there, expression


def test_every_label_of_dashboard_and_rules_is_served(
    served: dict[str, Metric],
) -> None:
    labels = {"job", "le", *(x for one in catalogue.WORKER for x in one.labels)}
    for expression in expressions():
        for name in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression):
            assert name in labels, expression


def test_the_dashboard_and_the_rules_leave_no_metric_out() -> None:
    named = set().union(*(metrics_in(one) for one in expressions()))
    alerts = {rule["alert"] for rule in rules()}
    assert {"EarshotBacklogOld", "EarshotNoProgress", "EarshotFailures"} <= alerts
    assert {"EarshotLeasesLost", "EarshotDrift", "EarshotBreakerOpen"} <= alerts
    unshown = {spec.name for spec in catalogue.WORKER} - {
        spec.name for spec in catalogue.WORKER if any(spec.name in n for n in named)
    }
    assert unshown == set()


def expressions() -> list[str]:
    """Return every query of the dashboard and the rules."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    shown = [one["expr"] for panel in panels for one in panel.get("targets", [])]
    assert len(shown) > 20
    return [
        expression.replace("$__rate_interval", "5m")
        for expression in (*shown, *(rule["expr"] for rule in rules()))
    ]


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def metrics_in(expression: str) -> set[str]:
    """Return the metrics that a query names; it fails where it does not parse."""
    found = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(str(node.name))
        elif isinstance(node, promql_parser.MatrixSelector):
            found.add(str(node.vector_selector.name))

    promql_parser.walk(promql_parser.parse(expression), visit)
    assert found, expression
    return found


def test_rules_have_all_that_prometheus_wants() -> None:
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["labels"]) == {"severity"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


def test_the_dashboard_has_all_that_grafana_wants() -> None:
    board = json.loads(DASHBOARD.read_text())
    folder = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == source["uid"]
            assert panel["targets"]
    (provider,) = yaml.safe_load((folder / "dashboards/earshot.yaml").read_text())[
        "providers"
    ]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    mounts = dict(x.split(":")[:2] for x in compose["grafana"]["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert source["url"] == "http://prometheus:9090"


def test_prometheus_asks_the_port_that_the_worker_of_compose_serves() -> None:
    scraping = yaml.safe_load(SCRAPE.read_text())
    (job,) = scraping["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert job["job_name"] == "earshot"
    assert str(found["port"]) == compose["worker"]["environment"]["METRICS_PORT"]
    assert set(found["names"]) <= set(compose)
    mounted = [x.split(":")[1] for x in compose["prometheus"]["volumes"]]
    assert set(scraping["rule_files"]) <= set(mounted)


def test_the_page_of_metrics_is_what_the_catalogue_makes() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == catalogue.page()


def test_the_build_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(ROOT) / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
