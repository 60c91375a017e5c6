"""From a delivery to a work item."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.sqs import Delivery
from model.records import (
    REPROCESS_ATTRIBUTE,
    DiscoveryRecord,
    MalformedMessage,
    WorkItem,
)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A delivery that is no record, and what is wrong with it."""

    delivery: Delivery
    reason: str


def parse(delivery: Delivery) -> WorkItem | Malformed:
    """Return the work item of a delivery, or what is wrong with it."""
    try:
        record = DiscoveryRecord.from_message(delivery.body)
    except MalformedMessage as error:
        return Malformed(delivery, str(error))
    mark = delivery.attributes.get(REPROCESS_ATTRIBUTE, {})
    return WorkItem.of(
        record,
        delivery.message_id,
        delivery.receive_count,
        origin=delivery,
        reprocess_below=mark.get("StringValue") or None,
    )
