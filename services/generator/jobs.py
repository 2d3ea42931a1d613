"""What the clock starts in the generator."""

from services.generator.repository.contents import ContentRepository
from shared.database import Database

TOMBSTONE_DAYS = 30
FORGET_TURN = 1000


async def forget_tombstones(database: Database) -> None:
    gone = FORGET_TURN
    while gone == FORGET_TURN:
        async with database.work("bulk") as work:
            contents = ContentRepository(work.connection)
            gone = await contents.forget_deleted(TOMBSTONE_DAYS, FORGET_TURN)
