"""Errors that come from a child process are what they were there."""

from __future__ import annotations

import pickle

import pytest

from connectors.errors import Misconfigured, QueueGone, TooSlow, Unavailable
from connectors.sqs.faults import Refused


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("mongo", "no answer"),
        TooSlow("postgres", 120),
        Refused("MessageTooLong", "a body of 2 MB"),
        Misconfigured("no such column"),
        QueueGone("no such queue"),
    ],
)
def test_an_error_goes_through_a_pipe(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
