"""What happened, on its way to those who want to hear of it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from services.notifier.domain.happenings import Happening, of_pass
from services.notifier.domain.webhooks import Recipient
from services.notifier.handlers.devices import StartPushing, ask_pushes
from services.notifier.repository import DeliveryRepository, EndpointRepository, EventRepository
from shared.contracts.notifier import EventsCompared, MissedEvent
from shared.contracts.triggers import EventsListed, EventsLogged
from shared.database import UnitOfWork

Notify = Callable[[Collection[UUID]], None]
"""Tells the delivery job which endpoints will have something due once this work commits."""


async def tell(work: UnitOfWork, happenings: Sequence[Happening], notify: Notify) -> None:
    """Keep what happened, numbered for the feed, with a delivery for every endpoint that wants it.

    The one way in for all that partners are told; an event that was told before is not told again.
    It holds the accounts' feeds until the commit: call it once in a transaction, as the last thing.
    """
    told = list({happening.event_id: happening for happening in happenings}.values())
    if not told:
        return
    accounts = {happening.account_id for happening in told}
    recipients = await EndpointRepository(work.connection).list_recipients(accounts)
    new = await EventRepository(work.connection).add_all(told)
    rows = _wanted([h for h in told if h.event_id in new], recipients) if recipients else []
    if rows:
        await DeliveryRepository(work.connection).add_all(rows)
        waiting = {endpoint_id for endpoint_id, _ in rows}
        work.after_commit(lambda: notify(waiting))


async def store_events(
    messages: list[EventsLogged], work: UnitOfWork, *, notify: Notify, start_pushing: StartPushing
) -> None:
    """Tell what happened to passes."""
    logged = [event for message in messages for event in message.events]
    await ask_pushes(logged, work, start_pushing=start_pushing)
    await tell(work, [of_pass(event) for event in logged], notify)


async def compare_events(messages: list[EventsListed], work: UnitOfWork) -> None:
    """Answer which of the lines listed are not among what is kept for partners."""
    events = EventRepository(work.connection)
    for message in messages:
        known = await events.known(listed.event_id for listed in message.events)
        missing = [
            MissedEvent(handle=listed.handle, sequence=listed.sequence)
            for listed in message.events
            if listed.event_id not in known
        ]
        work.publish(EventsCompared(comparison_id=message.comparison_id, missing=missing))


def _wanted(
    happenings: Sequence[Happening], recipients: Sequence[Recipient]
) -> list[tuple[UUID, Happening]]:
    by_account: dict[UUID, list[Recipient]] = defaultdict(list)
    for recipient in recipients:
        by_account[recipient.account_id].append(recipient)
    return [
        (recipient.endpoint_id, happening)
        for happening in happenings
        for recipient in by_account.get(happening.account_id, ())
        if recipient.wants(happening)
    ]
