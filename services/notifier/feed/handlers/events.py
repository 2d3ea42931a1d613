"""What happened, on its way to those who want to hear of it."""

from collections.abc import Awaitable, Callable, Sequence

from services.notifier.feed.domain.happenings import Happening
from services.notifier.feed.repository import EventRepository
from shared.contracts.notifier import EventsCompared, MissedEvent
from shared.contracts.triggers import EventsListed
from shared.database import UnitOfWork

Tell = Callable[[UnitOfWork, Sequence[Happening]], Awaitable[None]]
"""`tell`, as it is handed to whoever has something to tell: the last thing in a transaction."""

Deliver = Callable[[UnitOfWork, Sequence[Happening]], Awaitable[None]]
"""Passes on what is new in the feed, in the transaction in which it was numbered."""


async def tell(work: UnitOfWork, happenings: Sequence[Happening], *, deliver: Deliver) -> None:
    """Keep what happened, numbered for the feed, and hand what is new of it to `deliver`.

    The one way in for all that partners are told; an event that was told before is not told again.
    It holds the accounts' feeds until the commit: call it once in a transaction, as the last thing.
    """
    told = list({happening.event_id: happening for happening in happenings}.values())
    if not told:
        return
    stored = await EventRepository(work.connection).add_all(told)
    new = [happening for happening in told if happening.event_id in stored]
    if new:
        await deliver(work, new)


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
