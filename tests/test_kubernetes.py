"""The manifests are what Kubernetes and KEDA take, and what the worker needs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import orjson
import pytest
import yaml

from flows.child import MEMORY_BYTES
from flows.settings import Settings

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "kubernetes"
CORE_VERSION = "1.31.0"
Resource = dict[str, Any]

_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


#: What these resources have of KEDA 2.13's CustomResourceDefinitions.
KEDA = {
    "TriggerAuthentication": closed(
        ["podIdentity"],
        podIdentity=closed(["provider"], provider={"enum": ["aws", "aws-eks"]}),
    ),
    "ScaledObject": closed(
        ["scaleTargetRef", "triggers"],
        scaleTargetRef=closed(["name"], name={"type": "string"}),
        pollingInterval={"type": "integer"},
        cooldownPeriod={"type": "integer"},
        minReplicaCount={"type": "integer"},
        maxReplicaCount={"type": "integer"},
        advanced={"type": "object"},
        triggers={
            "type": "array",
            "items": closed(
                ["type", "metadata"],
                type={"const": "aws-sqs-queue"},
                authenticationRef=closed(["name"], name={"type": "string"}),
                metadata={**_TEXTS, "required": ["queueURL", "awsRegion"]},
            ),
        },
    ),
}


def resources() -> list[Resource]:
    names = kustomization()["resources"]
    return [one for n in names for one in yaml.safe_load_all((FOLDER / n).read_text())]


def kustomization() -> Resource:
    loaded: Resource = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return loaded


def named(kind: str, name: str) -> Resource:
    (found,) = (
        one
        for one in resources()
        if one["kind"] == kind and one["metadata"]["name"] == name
    )
    return found


def pods() -> dict[str, Resource]:
    worker = named("Deployment", "earshot-worker")["spec"]["template"]
    job = named("CronJob", "earshot-discovery")["spec"]["jobTemplate"]
    operator = named("Deployment", "earshot-operator")["spec"]["template"]
    return {
        "worker": worker["spec"],
        "discovery": job["spec"]["template"]["spec"],
        "operator": operator["spec"],
    }


def settings() -> dict[str, str]:
    (generated,) = kustomization()["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generated["literals"])


def identity(resource: Resource) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


@pytest.mark.parametrize("resource", resources(), ids=identity)
def test_each_resource_meets_its_schema(resource: Resource) -> None:
    if resource["apiVersion"].startswith("keda.sh/"):
        jsonschema.validate(resource["spec"], KEDA[resource["kind"]])
    else:
        kubernetes_validate.validate(resource, CORE_VERSION, strict=True)


def test_a_resource_with_a_field_that_is_none_is_refused() -> None:
    wrong = named("Deployment", "earshot-worker")
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, CORE_VERSION, strict=True)


def test_every_manifest_is_in_the_kustomization() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(kustomization()["resources"])


def test_every_variable_is_a_setting() -> None:
    known = {name.upper() for name in Settings.model_fields} | {"AWS_REGION"}
    own = {
        variable["name"]
        for pod in pods().values()
        for variable in pod["containers"][0].get("env", [])
    }
    assert settings().keys() | own <= known


def test_the_workers_probes_and_times_are_those_of_the_program() -> None:
    pod = pods()["worker"]
    (container,) = pod["containers"]
    fields = Settings.model_fields
    assert container["ports"][0]["containerPort"] == fields["metrics_port"].default
    probes = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert probes == {"startup": "/live", "liveness": "/live", "readiness": "/ready"}
    drain = fields["drain_timeout_seconds"].default
    assert pod["terminationGracePeriodSeconds"] > drain + 10


@pytest.mark.parametrize("name", ["worker", "discovery", "operator"])
def test_each_pod_has_the_role_of_its_own_policy(name: str) -> None:
    account = named("ServiceAccount", pods()[name]["serviceAccountName"])
    (role,) = account["metadata"]["annotations"].values()
    assert role.endswith(f":role/earshot-{name}")
    assert policy(name)


def test_a_persons_pod_sees_what_the_workers_see_and_runs_only_when_asked_for() -> None:
    assert named("Deployment", "earshot-operator")["spec"]["replicas"] == 0
    (operator,), (worker,) = (pods()[n]["containers"] for n in ("operator", "worker"))
    assert operator["envFrom"] == worker["envFrom"]
    assert operator["volumeMounts"] == worker["volumeMounts"]


@pytest.mark.parametrize("name", ["worker", "discovery", "operator"])
def test_no_pod_may_do_more_than_it_must(name: str) -> None:
    pod = pods()[name]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    written = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert "/tmp" in written
    if name != "discovery":
        assert str(Path(settings()["CSV_OUTPUT_PATH"]).parent) in written


def test_a_hostile_recording_cannot_cost_the_worker_its_pod() -> None:
    (container,) = pods()["worker"]["containers"]
    limit = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) << 30
    variables = {one["name"]: one["value"] for one in container["env"]}
    children = int(variables["INFERENCE_PROCESSES"])
    parent, child = 250 << 20, 60 << 20
    held = Settings.model_fields["max_bytes_in_flight"].default
    assert limit >= parent + held + children * (child + MEMORY_BYTES)


def test_the_scaler_looks_at_the_workers_queue_and_counts_what_is_in_flight() -> None:
    (trigger,) = named("ScaledObject", "earshot-worker")["spec"]["triggers"]
    assert trigger["metadata"]["queueURL"] == settings()["SQS_QUEUE_URL"]
    assert trigger["metadata"]["awsRegion"] == settings()["AWS_REGION"]
    assert trigger["metadata"]["scaleOnInFlight"] == "true"


#: The permission of each request that the program makes.
PERMISSIONS = {
    "receive_message": "sqs:ReceiveMessage",
    "delete_message_batch": "sqs:DeleteMessage",
    "change_message_visibility_batch": "sqs:ChangeMessageVisibility",
    "get_queue_attributes": "sqs:GetQueueAttributes",
    "get_queue_url": "sqs:GetQueueUrl",
    "send_message_batch": "sqs:SendMessage",
    "publish_batch": "sns:Publish",
    "get_topic_attributes": "sns:GetTopicAttributes",
    "get_object": "s3:GetObject",
}


def policy(name: str) -> list[Resource]:
    text = (ROOT / "deploy" / "iam" / f"{name}.json").read_bytes()
    statements: list[Resource] = orjson.loads(text)["Statement"]
    return statements


def allowed(name: str) -> set[str]:
    found: set[str] = set()
    for statement in policy(name):
        action = statement["Action"]
        found |= {action} if isinstance(action, str) else set(action)
    return found


def requests_made() -> set[str]:
    """Return the AWS requests that the product's code names, trial queues aside."""
    found = (*(ROOT / "connectors").rglob("*.py"), *(ROOT / "flows").rglob("*.py"))
    paths = [path for path in found if "local" not in path.parts]
    names: set[str] = set()
    for path in paths:
        if path.name != "queues.py":
            tree = ast.parse(path.read_text())
            names |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    return {name for name in names if name in PERMISSIONS or _is_request(name)}


def _is_request(name: str) -> bool:
    verbs = "send|receive|delete|change|publish|list|get|put|purge"
    nouns = "message|queue|object|bucket|topic|batch"
    return bool(re.fullmatch(rf"({verbs})_[a-z_]*({nouns})[a-z_]*", name))


def test_the_roles_may_do_what_the_program_asks_and_nothing_else() -> None:
    needed = {PERMISSIONS[name] for name in requests_made()}
    roles = ("worker", "discovery", "operator", "scaler")
    given = set[str]().union(*(allowed(role) for role in roles))
    # Without it S3 answers 403 for an object that is missing.
    assert given - {"s3:ListBucket"} == needed
    assert allowed("discovery") == {"sqs:SendMessage", "sqs:GetQueueAttributes"}
    assert allowed("scaler") == {"sqs:GetQueueAttributes"}


@pytest.mark.parametrize("role", ["worker", "discovery", "operator", "scaler"])
def test_no_role_may_reach_everything(role: str) -> None:
    for statement in policy(role):
        resource = statement["Resource"]
        arns = [resource] if isinstance(resource, str) else resource
        assert all(re.fullmatch(r"arn:aws:[a-z0-9]+:.*[a-z](/\*)?", a) for a in arns)
        assert "*" not in str(statement["Action"])
