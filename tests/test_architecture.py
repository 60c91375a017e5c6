"""What the tree promises: imports run one way, files are one thought each."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Each may import itself and those before it.
LAYERS = ["model", "connectors", "flows", "console", "demo", "commands", "run_flow"]
#: Where each outside system's library may be imported.
HOMES = {
    "boto3": {"connectors/aws.py", "connectors/local/aws.py"},
    "pymongo": {"connectors/mongo", "demo/stage.py"},
    "streamlit": {"console/"},
    "psycopg": {"connectors/postgres", "demo/stage.py", "connectors/local"},
    "requests": {"connectors/download", "connectors/hosts.py"},
    "bytewax": {
        "connectors/sqs/source.py",
        "connectors/sqs/sink.py",
        "flows/operators.py",
        "flows/worker.py",
        "flows/discovery/",
        "flows/runtime.py",
        "flows/start.py",
        "flows/processes.py",
        "flows/steering/topology.py",
        "run_flow.py",
        "commands/",
    },
    "prometheus_client": {"flows/watching/", "flows/discovery/report.py"},
    "opentelemetry": {"flows/watching/spans.py"},
    "ministack": set(),
    "moto": set(),
}
LONGEST_MODULE = 250


def modules(*folders: str) -> list[Path]:
    """Return the Python files of folders that are not ignored by git."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.split() if name.endswith(".py")]
    return [path for path in paths if path.exists()]  # git knows what was moved later


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: a relative import"
            found.add(node.module)
    return found


PRODUCT = modules("run_flow.py", *LAYERS[:-1])


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_no_import_runs_against_the_direction(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0].removesuffix(".py")
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    tops = {module.split(".")[0] for module in imported(path)}
    assert not tops & above
    assert not tops & {"tests", "bench", "examples", "deploy"}


def test_the_demo_and_the_console_know_nothing_of_each_other() -> None:
    for path in modules("demo"):
        assert not {m for m in imported(path) if m.split(".")[0] == "console"}


def test_streamlit_finds_no_page_beside_the_ones_behind_the_sign_in() -> None:
    # It serves a folder of this name by itself, past console/app.py.
    assert not (ROOT / "console" / "pages").exists()


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_each_outside_system_is_met_in_one_place(path: Path) -> None:
    tops = {module.split(".")[0] for module in imported(path)}
    for library, homes in HOMES.items():
        if library in tops:
            assert any(name(path).startswith(home) for home in homes), library


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_only_the_demo_uses_the_embedded_services(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] in ("model", "flows", "commands", "run_flow.py"):
        assert not {m for m in imported(path) if m.startswith("connectors.local")}


@pytest.mark.parametrize(
    "path", modules("run_flow.py", *LAYERS[:-1], "tests", "bench", "deploy"), ids=name
)
def test_no_module_is_long(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    most = LONGEST_MODULE if "tests" not in path.relative_to(ROOT).parts else 500
    assert lines <= most


def test_the_connector_for_sqs_stands_alone() -> None:
    for path in modules("connectors/sqs"):
        own = {m for m in imported(path) if m.split(".")[0] in LAYERS}
        allowed = ("connectors.sqs", "connectors.errors", "connectors.aws")
        assert all(module.startswith(allowed) for module in own), name(path)


def test_model_reads_no_environment_and_no_network() -> None:
    for path in modules("model"):
        tops = {module.split(".")[0] for module in imported(path)}
        assert not tops & {"socket", "urllib3", "requests", "http", "boto3"}
        assert "environ" not in path.read_text()
