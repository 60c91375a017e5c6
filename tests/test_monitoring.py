"""What prometheus-operator is told is what compose.yaml's Prometheus is told."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
import yaml

from tests import test_kubernetes as kubernetes
from tests.test_kubernetes import ROOT, Resource, closed, identity

FOLDER = kubernetes.FOLDER / "monitoring"
PROMETHEUS = ROOT / "deploy" / "prometheus"
_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_DURATION = {"type": "string", "pattern": "^[0-9]+(ms|[smhd])$"}


def many(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": item}


#: What these resources have of prometheus-operator's CustomResourceDefinitions, v1.
SCHEMAS = {
    "PodMonitor": closed(
        ["selector", "podMetricsEndpoints"],
        jobLabel=_TEXT,
        selector=closed(["matchLabels"], matchLabels=_TEXTS),
        podMetricsEndpoints=many(
            closed(["port"], port=_TEXT, path=_TEXT, interval=_DURATION)
        ),
    ),
    "PrometheusRule": closed(
        ["groups"],
        groups=many(
            closed(
                ["name", "rules"],
                name=_TEXT,
                rules=many(
                    closed(
                        ["alert", "expr"],
                        alert=_TEXT,
                        expr=_TEXT,
                        **{"for": _DURATION},
                        labels=_TEXTS,
                        annotations=_TEXTS,
                    )
                ),
            )
        ),
    ),
}


def loaded(name: str) -> Resource:
    found: Resource = yaml.safe_load((FOLDER / name).read_text())
    return found


MONITOR, RULES = loaded("pods.yaml"), loaded("rules.yaml")


def labels_of(template: Resource) -> dict[str, str]:
    """Return the labels that a pod has once kustomize has added its own."""
    (common,) = kubernetes.kustomization()["labels"]
    assert common["includeSelectors"], "which puts them on pods too"
    return {**common["pairs"], **template["metadata"]["labels"]}


def worker() -> Resource:
    found = kubernetes.named("Deployment", "earshot-worker")["spec"]["template"]
    return dict(found)


@pytest.mark.parametrize("resource", [MONITOR, RULES], ids=identity)
def test_each_resource_is_one_of_the_operators(resource: Resource) -> None:
    assert resource["apiVersion"] == "monitoring.coreos.com/v1"
    jsonschema.validate(resource["spec"], SCHEMAS[resource["kind"]])


def test_every_manifest_is_in_the_kustomization_and_in_the_workers_namespace() -> None:
    found = loaded("kustomization.yaml")
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(found["resources"])
    assert found["namespace"] == kubernetes.kustomization()["namespace"]


def test_the_rules_are_those_of_compose() -> None:
    assert RULES["spec"] == yaml.safe_load((PROMETHEUS / "rules.yml").read_text())


def test_the_workers_and_no_other_pods_are_asked_for_metrics() -> None:
    wanted = MONITOR["spec"]["selector"]["matchLabels"].items()
    assert wanted <= labels_of(worker()).items()
    job = kubernetes.named("CronJob", "earshot-discovery")["spec"]["jobTemplate"]
    operator = kubernetes.named("Deployment", "earshot-operator")
    for other in (job["spec"]["template"], operator["spec"]["template"]):
        assert not wanted <= labels_of(other).items()
    (container,) = worker()["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {one["port"] for one in MONITOR["spec"]["podMetricsEndpoints"]} <= ports


def test_the_alerts_find_the_workers_under_the_job_that_they_name() -> None:
    job = labels_of(worker())[MONITOR["spec"]["jobLabel"]]
    (group,) = RULES["spec"]["groups"]
    rules = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    asked = {alert: re.findall(r'job="(.*?)"', expr) for alert, expr in rules.items()}
    assert asked["EarshotWorkerDown"] == [job]
    assert {name for names in asked.values() for name in names} == {job}
    composed = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert [one["job_name"] for one in composed["scrape_configs"]] == [job]
