"""The worker's and discovery's graphs as a picture, a text or JSON.

They are drawn from the dataflows themselves, built with steps that do nothing: what is
shown is what runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import orjson
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource
from bytewax.visualize import RenderedDataflow, RenderedOperator, to_json, to_rendered

from flows import worker
from flows.discovery import graph
from flows.operators import EachBatch

Name = Literal["worker", "discovery"]
#: A node's brackets in Mermaid by what the step is; rectangles are the rest.
_SHAPES = {"input": ("([", "])"), "output": ("([", "])"), "branch": ("{", "}")}
#: What an edge says that leaves a branch.
_ANSWERS = {"trues": "yes", "falses": "no"}


class _Nowhere(DynamicSource[Any]):
    """The beginning of a graph that is looked at and never run."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Any:
        """Refuse: there is nothing to read."""
        raise RuntimeError(f"{step_id} is for looking at")


def dataflow(name: Name) -> Dataflow:
    """Return a flow with steps that do nothing; it needs no service and no settings."""
    sink: EachBatch[Any] = EachBatch(_inert)
    if name == "discovery":
        steps = graph.Steps(check=_inert, send=_inert)
        return graph.build_flow(_Nowhere(), sink, steps, batch_size=1)
    return worker.build_flow(
        _Nowhere(),
        sink,
        worker.Steps(_inert, _inert, _inert, _inert, _inert),
        batch_size=1,
        batch_age=timedelta(seconds=1),
    )


def mermaid(*names: Name) -> str:
    """Return flows as one Mermaid picture: a node a step, edges as the items go."""
    lines = ["flowchart LR"]
    for name in names:
        lines += [f"  subgraph {name}", "    direction LR"]
        lines += [f"    {line}" for line in _drawn(name, _rendered(name))]
        lines.append("  end")
    return "\n".join(lines)


def text(*names: Name) -> str:
    """Return flows as lines: each step, what it is, and where its items come from."""
    return "\n\n".join(
        "\n".join([name, *_listed(_rendered(name).substeps)]) for name in names
    )


def json(*names: Name) -> str:
    """Return flows as bytewax describes them, inner steps included, by name."""
    found = {name: orjson.loads(to_json(dataflow(name))) for name in names}
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()


def _inert(*_: Any) -> Any:
    """Do nothing: the graph is built and not run."""


def _rendered(name: Name) -> RenderedDataflow:
    return to_rendered(dataflow(name))


def _drawn(name: Name, flow: RenderedDataflow) -> Iterator[str]:
    for step in flow.substeps:
        left, right = _SHAPES.get(step.op_type, ("[", "]"))
        yield f'{name}_{step.step_name}{left}"{_words(step.step_name)}"{right}'
    for step in flow.substeps:
        for origin, port in _origins(step):
            answer = _ANSWERS.get(port)
            arrow = f"-- {answer} -->" if answer else "-->"
            yield f"{name}_{origin} {arrow} {name}_{step.step_name}"


def _listed(steps: list[RenderedOperator]) -> Iterator[str]:
    wide = max(len(step.step_name) for step in steps)
    kinds = max(len(step.op_type) for step in steps)
    for step in steps:
        origins = ", ".join(
            origin if port not in _ANSWERS else f"{origin} ({_ANSWERS[port]})"
            for origin, port in _origins(step)
        )
        line = f"  {step.step_name:{wide}}  {step.op_type:{kinds}}  {origins}"
        yield line.rstrip()


def _origins(step: RenderedOperator) -> Iterator[tuple[str, str]]:
    """Yield the step and the port of it that each input of a step comes from."""
    for port in step.inp_ports:
        for origin in port.from_port_ids:
            _, name, out = origin.rsplit(".", 2)
            yield name, out


def _words(name: str) -> str:
    return name.replace("_", " ")
