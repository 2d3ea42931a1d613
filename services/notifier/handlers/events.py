"""What happened, on its way to those who want to hear of it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from services.notifier.domain.webhooks import Recipient
from services.notifier.handlers.devices import Wake, ask_pushes
from services.notifier.repository import DeliveryRepository, EndpointRepository, EventRepository
from shared.contracts.gateway import TemplateDeleted
from shared.contracts.triggers import EventsLogged, LoggedEvent
from shared.database import UnitOfWork

Ring = Callable[[Collection[UUID]], None]
"""Tells the delivery job which endpoints will have something due once this work commits."""


async def store_events(
    messages: list[EventsLogged], work: UnitOfWork, *, ring: Ring, wake: Wake
) -> None:
    """Keep what happened, and make a delivery for every endpoint that wants it."""
    events = list({e.event_id: e for message in messages for e in message.events}.values())
    if not events:
        return
    await ask_pushes(events, work, wake=wake)
    await EventRepository(work.connection).add_all(events)
    accounts = {event.account_id for event in events}
    recipients = await EndpointRepository(work.connection).list_recipients(accounts)
    if not recipients:
        return
    rows = _wanted(events, recipients)
    if rows:
        await DeliveryRepository(work.connection).add_all(rows)
        waiting = {endpoint_id for endpoint_id, _ in rows}
        work.after_commit(lambda: ring(waiting))


def _wanted(
    events: Sequence[LoggedEvent], recipients: Sequence[Recipient]
) -> list[tuple[UUID, LoggedEvent]]:
    by_account: dict[UUID, list[Recipient]] = defaultdict(list)
    for recipient in recipients:
        by_account[recipient.account_id].append(recipient)
    return [
        (recipient.endpoint_id, event)
        for event in events
        for recipient in by_account.get(event.account_id, ())
        if recipient.wants(event)
    ]


async def disable_endpoints(messages: list[TemplateDeleted], work: UnitOfWork) -> None:
    """Disable endpoints that were bound to templates which are gone."""
    template_ids = [message.template_id for message in messages]
    await EndpointRepository(work.connection).disable_of_templates(template_ids)
