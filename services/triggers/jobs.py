"""What the clock starts in the triggers service."""

from services.triggers.domain import delete
from services.triggers.handlers.passes import announce
from services.triggers.repository.passes import CounterRepository, PassRepository
from services.triggers.repository.templates import TemplateRepository
from shared import clock
from shared.database import Database

TOMBSTONE_DAYS = 30
DELETE_TURN = 500


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
            announce(records, work)


async def forget_tombstones(database: Database) -> None:
    async with database.work("bulk") as work:
        await PassRepository(work.connection).forget_deleted(TOMBSTONE_DAYS)
