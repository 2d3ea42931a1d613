"""Contents of passes: noted when they are built, and made news to devices."""

from services.notifier.apple.domain.devices import fold_news
from services.notifier.apple.handlers.devices import StartPushing
from services.notifier.apple.repository import (
    ContentRepository,
    DeviceRepository,
    PassRepository,
    WakeRepository,
)
from shared.contracts.generator import ContentBuilt
from shared.contracts.triggers import PassesDeleted
from shared.database import UnitOfWork


async def store_contents(
    messages: list[ContentBuilt], work: UnitOfWork, *, start_pushing: StartPushing
) -> None:
    """Note contents built; newer ones than the first are news, and pushed if that is asked."""
    contents = [content for message in messages for content in message.contents]
    await ContentRepository(work.connection).add_all(contents)
    news = fold_news(contents)
    if not news:
        return
    passes = PassRepository(work.connection)
    kept = await passes.keep_news(news)
    newer = [one.handle for one in kept if one.is_newer]
    if newer:
        await passes.allot_tags(newer)
    late = [one.handle for one in kept if one.is_asked and not one.is_newer]
    if late:
        await passes.mark_pushed(late)
    asked = [one.handle for one in kept if one.is_asked]
    if asked:
        await WakeRepository(work.connection).ask(asked)
        work.after_commit(start_pushing)


async def mark_deleted(messages: list[PassesDeleted], work: UnitOfWork) -> None:
    """Note that passes are gone, and wake nobody for them; their log stays like any other."""
    gone = [one for message in messages for one in message.passes]
    await ContentRepository(work.connection).mark_deleted(gone)
    await PassRepository(work.connection).mark_deleted(gone)
    holders = await DeviceRepository(work.connection).find_holders({one.handle for one in gone})
    if holders:
        await WakeRepository(work.connection).withdraw(holders)
