"""Child processes that are ended while they work."""

from __future__ import annotations

import time

from structlog.testing import capture_logs

from flows.children import Children

#: Closings; without care every third one made a new pool, and left its processes.
CLOSINGS = 12


def test_children_that_are_closed_at_their_work_have_no_successors() -> None:
    with capture_logs() as logs:
        for _ in range(CLOSINGS):
            children = Children(2, 30.0, time.sleep)
            for _ in range(4):
                children.submit(20)
            time.sleep(0.3)
            children.close()
    assert logs == []
