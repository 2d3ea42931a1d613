"""What happens to endpoints, in the words in which partners are told of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.notifier.feed.domain.happenings import Happening, webhook_id
from shared.contracts.partners import EXHAUSTED, TEST
from shared.identifiers import new_id


@dataclass(frozen=True, slots=True)
class DisabledEndpoint:
    """An endpoint that was disabled just now, not by its owner."""

    endpoint_id: UUID
    account_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ExhaustedDeliveries:
    """Events that one endpoint was told in vain, for the last time just now."""

    endpoint_id: UUID
    account_id: UUID
    event_ids: list[UUID]
    since: datetime
    """When the oldest of them happened."""


def of_disabled(endpoint: DisabledEndpoint, at: datetime) -> Happening:
    """Tell that an endpoint hears no more."""
    return Happening(
        event_id=new_id(),
        account_id=endpoint.account_id,
        type="endpoint.disabled",
        subject={"kind": "webhook", "id": str(endpoint.endpoint_id)},
        occurred_at=at,
        cause={"kind": "delivery"},
        data={"webhook_id": endpoint.endpoint_id, "reason": endpoint.reason},
    )


def of_exhausted(deliveries: ExhaustedDeliveries, at: datetime) -> Happening:
    """Tell that an endpoint missed events, and since when."""
    return Happening(
        event_id=new_id(),
        account_id=deliveries.account_id,
        type=EXHAUSTED,
        subject={"kind": "webhook", "id": str(deliveries.endpoint_id)},
        occurred_at=at,
        cause={"kind": "delivery"},
        data={
            "webhook_id": deliveries.endpoint_id,
            "since": deliveries.since,
            "message_ids": [webhook_id(event_id) for event_id in deliveries.event_ids],
        },
    )


def of_test(account_id: UUID, endpoint_id: UUID, at: datetime) -> Happening:
    """Make the event by which an endpoint is tried."""
    return Happening(
        event_id=new_id(),
        account_id=account_id,
        type=TEST,
        subject={"kind": "webhook", "id": str(endpoint_id)},
        occurred_at=at,
        cause={"kind": "api"},
        data={"webhook_id": endpoint_id, "message": "A test. Answer with a status of 200 to 299."},
    )
