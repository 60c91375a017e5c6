"""What others are told of a result."""

from __future__ import annotations

import orjson

from connectors.announce import Announcement
from model.outcomes import Outcome


def announcement(outcome: Outcome) -> Announcement:
    """Return a completed item's result as it is announced, with names to filter by."""
    document = outcome.result_document()
    names = {
        "is_anomaly": "true" if document["is_anomaly"] else "false",
        "subject_name": document["subject_name"],
        "udise": document["udise"] or "",
        "test_date": document["test_date"],
    }
    body = orjson.dumps(document, option=orjson.OPT_UTC_Z).decode()
    return Announcement(body, outcome.item.result_document_id, names)
