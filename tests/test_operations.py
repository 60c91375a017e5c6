"""The runbook names what exists: alerts, metrics, commands, settings, log lines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.settings import Settings

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()


def test_every_alert_has_its_symptom_and_every_symptom_its_alert() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert set(re.findall(r"`(Earshot\w+)`", RUNBOOK)) == alerts


def test_every_metric_is_one() -> None:
    known = set(re.findall(r"`(earshot_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    used = set(re.findall(r"\bearshot_\w+", RUNBOOK))
    assert {re.sub(r"_(sum|count|bucket)$", "", name) for name in used} <= known


def test_every_setting_is_one() -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)", RUNBOOK)) <= known


def test_every_log_line_is_written_by_some_code() -> None:
    sources = "".join(p.read_text() for p in (ROOT / "flows").rglob("*.py"))
    sources += "".join(p.read_text() for p in (ROOT / "connectors").rglob("*.py"))
    named = re.findall(r"`([a-z]+(?:_[a-z]+)+)`", RUNBOOK)
    lines = {name for name in named if name not in ("decode_features",)}
    lines -= {name for name in named if name.startswith("earshot_")}
    assert lines
    assert not {name for name in lines if f'"{name}"' not in sources}


@pytest.mark.parametrize(
    "command",
    sorted(
        {
            *re.findall(
                r"`(?:python run_flow\.py )?((?:dlq|quarantine|queue) \w+)", RUNBOOK
            )
        }
    )
    + sorted(
        {*re.findall(r"python run_flow\.py (check|score|train|reprocess)", RUNBOOK)}
    ),
)
def test_every_command_is_one(command: str) -> None:
    arguments = [*command.split(), "--help"]
    ended = subprocess.run(
        [sys.executable, "run_flow.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 0
