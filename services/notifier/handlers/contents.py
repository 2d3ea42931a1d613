"""Contents of passes: noted when they are built, told on the timelines of their passes."""

from typing import Final

from services.notifier.repository import ContentRepository, DeliveryRepository
from shared.contracts.generator import ContentBuilt
from shared.contracts.notifier import PassNotices, ReadNotices
from shared.contracts.triggers import PassesDeleted
from shared.database import UnitOfWork

MOST_NOTICES: Final = 100


async def store_contents(messages: list[ContentBuilt], work: UnitOfWork) -> None:
    """Note contents built, for the timelines of their passes."""
    contents = [content for message in messages for content in message.contents]
    await ContentRepository(work.connection).add_all(contents)


async def mark_deleted(messages: list[PassesDeleted], work: UnitOfWork) -> None:
    """Note that passes are gone; their log stays for as long as any other."""
    passes = [one for message in messages for one in message.passes]
    await ContentRepository(work.connection).mark_deleted(passes)


async def read_notices(queries: list[ReadNotices], work: UnitOfWork) -> list[PassNotices]:
    """Contents and deliveries of a pass; both are empty for one not heard of yet."""
    notices: list[PassNotices] = []
    for query in queries:
        limit = max(1, min(query.limit, MOST_NOTICES))
        contents = await ContentRepository(work.connection).list_newest(
            query.account_id, query.handle, limit
        )
        deliveries, _ = await DeliveryRepository(work.connection).list_page(
            query.account_id, handle=query.handle, limit=limit
        )
        notices.append(PassNotices(contents=contents, deliveries=deliveries))
    return notices
