"""What the clock starts in the triggers service."""

from services.triggers.domain import announcements, delete
from services.triggers.repository.passes import CounterRepository, PassRepository
from services.triggers.repository.templates import TemplateRepository
from shared import clock
from shared.database import Database

TOMBSTONE_DAYS = 30
DELETE_TURN = 500
FORGET_TURN = 1000


async def fold_counters(database: Database) -> None:
    """Add up what was appended, so that reading stays quick."""
    async with database.work("bulk") as work:
        await CounterRepository(work.connection).fold()


async def delete_orphans(database: Database) -> None:
    """Delete the passes of deleted templates, in short turns."""
    while True:
        async with database.work("bulk") as work:
            template_id = await TemplateRepository(work.connection).deleted_with_passes()
            if template_id is None:
                return
            passes = PassRepository(work.connection)
            records = list((await passes.lock_of_template(template_id, DELETE_TURN)).values())
            now = clock.now()
            for record in records:
                delete(record, now)
            await passes.save(records)
            work.publish(*announcements(records))


async def forget_tombstones(database: Database) -> None:
    gone = FORGET_TURN
    while gone == FORGET_TURN:
        async with database.work("bulk") as work:
            passes = PassRepository(work.connection)
            gone = await passes.forget_deleted(TOMBSTONE_DAYS, FORGET_TURN)
