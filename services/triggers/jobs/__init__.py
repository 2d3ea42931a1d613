"""What the clock starts in the triggers service."""

from datetime import timedelta

from services.triggers.domain import (
    announcements,
    delete,
    expire,
    settle_expiry,
)
from services.triggers.repository.counters import CounterRepository
from services.triggers.repository.passes import PassRepository
from services.triggers.repository.purging import PurgeRepository
from services.triggers.repository.runs import RunRepository
from services.triggers.repository.template_pushes import TemplatePushRepository
from services.triggers.repository.templates import TemplateCache, TemplateRepository
from shared import clock
from shared.database import Database

TOMBSTONE_DAYS = 30
DELETE_TURN = 500
EXPIRE_TURN = 500
PURGE_TURN = 500
FORGET_TURN = 1000

RUN_DAYS = 14
TEMPLATE_PUSH_DAYS = 30


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


async def expire_passes(database: Database, cache: TemplateCache) -> None:
    """Log that passes have expired, in short turns; dates that are others by now are kept."""
    found = EXPIRE_TURN
    while found == EXPIRE_TURN:
        async with database.work("bulk") as work:
            passes = PassRepository(work.connection)
            now = clock.now()
            records = await passes.lock_expiring(now, EXPIRE_TURN)
            found = len(records)
            needed = {record.template_id: 0 for record in records}
            templates = await cache.at_least(work.connection, needed)
            for record in records:
                compiled = templates[record.template_id].compiled
                settle_expiry(record, compiled, now)
                expire(record, compiled, now)
            await passes.save(records)
            work.publish(*announcements(records))


async def purge_passes(
    database: Database, *, stale_after: timedelta, untouched_after: timedelta, is_on: bool
) -> None:
    """Delete passes that nobody uses and log lines that are old, if that is switched on."""
    if not is_on:
        return
    stale, untouched = clock.now() - stale_after, clock.now() - untouched_after
    after: str | None = ""
    while after is not None:
        async with database.work("bulk") as work:
            purge = PurgeRepository(work.connection)
            handles, after = await purge.find_old(after, stale, untouched, PURGE_TURN)
            passes = PassRepository(work.connection)
            locked = list((await passes.lock(handles)).values())
            records = [r for r in locked if r.deleted_at is None and r.updated_at < untouched]
            for record in records:
                delete(record, clock.now())
            await passes.save(records)
            work.publish(*announcements(records))
    after = ""
    while after is not None:
        async with database.work("bulk") as work:
            after = await PurgeRepository(work.connection).forget_events(after, stale, PURGE_TURN)


async def forget_tombstones(database: Database) -> None:
    gone = FORGET_TURN
    while gone == FORGET_TURN:
        async with database.work("bulk") as work:
            passes = PassRepository(work.connection)
            gone = await passes.forget_deleted(TOMBSTONE_DAYS, FORGET_TURN)
            await RunRepository(work.connection).forget_ended(RUN_DAYS)
            await TemplatePushRepository(work.connection).forget_ended(TEMPLATE_PUSH_DAYS)
