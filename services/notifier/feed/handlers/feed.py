"""The event feed, for consumers that ask instead of being told."""

from typing import Final

from services.notifier.feed.repository import FeedRepository
from shared.contracts.notifier import FeedPage, ListEvents
from shared.contracts.partners import PATTERNS, CursorExpiredError
from shared.database import UnitOfWork
from shared.errors import ApplicationError, InvalidError
from shared.http.pagination import InvalidCursorError

MAX_EVENTS: Final = 1000
MAX_BYTES: Final = 400 * 1024
"""Events of one answer: written as texts they may double, and no message is over 1 MiB."""


async def list_events(
    queries: list[ListEvents], work: UnitOfWork
) -> list[FeedPage | ApplicationError]:
    feed, room = FeedRepository(work.connection), MAX_BYTES
    pages: list[FeedPage | ApplicationError] = []
    for query in queries:
        limit = max(1, min(query.limit, MAX_EVENTS))
        turn = await feed.read(query.account_id, query.after or 0, query.kinds, limit, room)
        if not PATTERNS.issuperset(query.kinds):
            pages.append(InvalidError("Unknown event types."))
        elif query.latest:
            pages.append(FeedPage(events=[], after=turn.last, more=False))
        elif query.after is not None and query.after < turn.forgotten:
            pages.append(CursorExpiredError())
        elif (query.after or 0) > turn.last:
            pages.append(InvalidCursorError("The cursor is ahead of all that has happened."))
        else:
            room -= sum(len(event.encode()) for event in turn.events)
            more = turn.after < turn.last
            pages.append(FeedPage(events=turn.events, after=turn.after, more=more))
    return pages
