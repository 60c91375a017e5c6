"""The graphs as they are shown: drawn from the dataflows that run."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest
from bytewax.visualize import to_rendered

from flows.steering import topology

ROOT = Path(__file__).parents[3]
WORKER = "sqs parse well_formed batch triage items eligible download fetched".split()
WORKER += "measure measured gather score ends settle".split()


def test_every_step_of_the_worker_is_shown_in_its_order() -> None:
    steps = [line.split()[0] for line in topology.text("worker").splitlines()[1:]]
    assert steps == WORKER


def test_a_step_says_where_its_items_come_from() -> None:
    lines = topology.text("worker", "discovery").splitlines()
    origins = {tuple(line.split()[:2]): line.split(maxsplit=2)[2:] for line in lines}
    assert origins["download", "map_concurrent"] == ["eligible (yes)"]
    assert origins["ends", "merge"] == ["ended, send"]
    assert origins["sqs", "input"] == []


def test_the_picture_has_a_node_for_each_step_and_an_edge_for_each_stream() -> None:
    picture = topology.mermaid("discovery")
    rendered = to_rendered(topology.dataflow("discovery"))
    nodes = re.findall(r"^ +discovery_(\w+)[\[{(]", picture, re.MULTILINE)
    assert nodes == [step.step_name for step in rendered.substeps]
    edges = sum(len(p.from_port_ids) for s in rendered.substeps for p in s.inp_ports)
    assert picture.count("-->") == edges == 7
    assert "discovery_batches --> discovery_send" in picture
    assert "worker_eligible -- yes -->" in topology.mermaid("worker")


def test_json_has_the_inner_steps_too() -> None:
    shown = orjson.loads(topology.json("worker"))
    assert list(shown) == ["worker"]
    (triage,) = (s for s in shown["worker"]["substeps"] if s["step_name"] == "triage")
    assert [inner["step_name"] for inner in triage["substeps"]][1] == "map"


def test_the_pictures_flow_reads_nothing() -> None:
    with pytest.raises(RuntimeError, match="for looking at"):
        topology._Nowhere().build("sqs", 0, 1)


def test_the_readmes_picture_is_the_one_that_is_drawn() -> None:
    readme = (ROOT / "README.md").read_text()
    (found,) = re.findall(
        r"<!-- run_flow.py topology -->\n```mermaid\n(.*?)\n```", readme, re.DOTALL
    )
    assert found == topology.mermaid("worker", "discovery")
