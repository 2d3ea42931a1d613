"""The whole topology in one place: which queues exist and which event goes to which of them."""

from typing import Final, get_args

from shared.contracts.message import CatalogueEvent, Event, Lane
from shared.contracts.services import LISTENERS, ServiceName

LANES: Final[tuple[Lane, ...]] = get_args(Lane)

RETRY_DELAYS: Final = (1, 5, 30, 300)
"""Seconds; one waiting queue each. A failed event waits in each in turn, then in the last."""

MAX_ATTEMPTS: Final = 8
"""Failed deliveries after which an event is a dead letter: about 20 minutes."""


def events_queue(service: ServiceName, lane: Lane) -> str:
    return f"{service}.events.{lane}"


def catalogue_queue(service: ServiceName) -> str:
    return f"{service}.catalogue"


def requests_queue(service: ServiceName, lane: Lane) -> str:
    return f"{service}.requests.{lane}"


def dead_queue(service: ServiceName) -> str:
    return f"{service}.dead"


def retry_delay(attempts: int) -> int:
    """Seconds to wait after the given number of failures."""
    return RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]


def owner_of_queue(queue: str) -> ServiceName | None:
    """Find the service that reads a queue of events; None for any other name."""
    return EVENT_QUEUES.get(queue)


def owner_of(name: str) -> ServiceName:
    """Find the service a wire name belongs to: its first word."""
    service = name.partition(".")[0]
    if service not in LISTENERS:
        raise ValueError(name)
    return service


def queues_for(event: type[Event], lane: Lane) -> list[str]:
    """All queues that want this event when it travels in this lane."""
    return [
        catalogue_queue(service)
        if issubclass(event, CatalogueEvent)
        else events_queue(service, lane)
        for service, events in LISTENERS.items()
        if event in events
    ]


ROUTES: Final[dict[tuple[str, Lane], list[str]]] = {
    (event.name, lane): queues_for(event, lane)
    for events in LISTENERS.values()
    for event in events
    for lane in LANES
}
"""(wire name, lane) → queues. A name that is missing has no listeners, which is fine."""

EVENT_QUEUES: Final[dict[str, ServiceName]] = {
    queue: service
    for service in LISTENERS
    for queue in (catalogue_queue(service), *(events_queue(service, lane) for lane in LANES))
}
"""Every queue of events → the service that reads it."""
