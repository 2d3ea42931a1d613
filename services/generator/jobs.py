"""What the clock starts in the generator."""

from services.generator.repository.contents import ContentRepository
from shared.database import Database

TOMBSTONE_DAYS = 30


async def forget_tombstones(database: Database) -> None:
    async with database.work("bulk") as work:
        await ContentRepository(work.connection).forget_deleted(TOMBSTONE_DAYS)
