"""Looking at one worker, from its start to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from flows.watching.collector import registry_of
from flows.watching.depth import Depth
from flows.watching.health import Answers, serve
from flows.watching.line import Ends
from flows.watching.parts import Parts
from flows.watching.probes import Probes, stages_of
from flows.watching.progress import Progress


@contextmanager
def watched(parts: Parts, ends: Ends | None) -> Iterator[None]:
    """Answer for a worker: to its parent, or by HTTP where it has none."""
    settings = parts.settings
    if not settings.metrics_port:
        yield
        return
    with ExitStack() as stack:
        depth, progress = Depth(parts.consumer), Progress(stages_of(parts))
        for part in (depth, progress):
            stack.callback(part.close)
        probes = Probes(parts, progress)
        answers = Answers(registry_of(parts, depth), probes.live, probes.ready)
        if ends is not None:
            ends.answer(answers)
        else:
            where = settings.metrics_host, settings.metrics_port
            stack.enter_context(serve(*where, answers))
        yield
