"""What the clock starts in the triggers service."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import structlog

from services.triggers.clients import UrlCaller
from services.triggers.domain import (
    PassDeletedError,
    PassRecord,
    announcements,
    conclude,
    delete,
    expire,
    forget,
    push,
    resume,
    settle_expiry,
)
from services.triggers.repository.corrections import CorrectionRepository
from services.triggers.repository.passes import CounterRepository, PassRepository
from services.triggers.repository.purging import PurgeRepository
from services.triggers.repository.runs import OpenRun, RunRepository
from services.triggers.repository.templates import TemplateRepository, TemplateShelf
from services.triggers.repository.walks import WalkRepository
from shared import clock
from shared.contracts.triggers import LONGEST_RUN
from shared.database import Database, UnitOfWork
from shared.errors import InvalidError
from shared.logs import trace_of
from shared.messaging.requests import write_failure, write_reply
from shared.passes.runs import RuleOutcome, Run
from shared.passes.template import CompiledTemplate

TOMBSTONE_DAYS = 30
DELETE_TURN = 500
PUSH_TURN = 500
EXPIRE_TURN = 500
CORRECT_TURN = 500
CORRECT_TURNS = 10
PURGE_TURN = 500
FORGET_TURN = 1000

MOST_RUNS = 50
MOST_RUNS_OF_ACCOUNT = 10
RUN_LOOK_SECONDS = 0.5
RUN_DAYS = 14
WALK_DAYS = 30
TOO_LONG = f"The rules took longer than {LONGEST_RUN.seconds} seconds."

log: structlog.stdlib.BoundLogger = structlog.get_logger()


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


async def push_passes(database: Database, shelf: TemplateShelf) -> None:
    """Go on with pushing all installed passes of templates, in short turns."""
    while True:
        async with database.work("bulk") as work:
            walks = WalkRepository(work.connection)
            walk = await walks.next_locked()
            if walk is None:
                return
            passes = PassRepository(work.connection)
            records = await passes.lock_installed(
                walk.account_id, walk.template_id, walk.after, PUSH_TURN
            )
            if not records:
                await walks.end(walk)
                continue
            if walk.forget:
                needed = {walk.template_id: walk.template_revision}
                template = (await shelf.at_least(work.connection, needed))[walk.template_id]
                for record in records:
                    forget(record, walk.forget, template.compiled, clock.now())
            for record in records:
                push(record, clock.now())
                record.template_revision = walk.template_revision
            await passes.save(records)
            work.publish(*announcements(records))
            await walks.advance(walk, records[-1].handle, len(records))


async def expire_passes(database: Database, shelf: TemplateShelf) -> None:
    """Log that passes have expired, in short turns; dates that are others by now are kept."""
    found = EXPIRE_TURN
    while found == EXPIRE_TURN:
        async with database.work("bulk") as work:
            passes = PassRepository(work.connection)
            now = clock.now()
            records = await passes.lock_expiring(now, EXPIRE_TURN)
            found = len(records)
            needed = {record.template_id: 0 for record in records}
            templates = await shelf.at_least(work.connection, needed)
            for record in records:
                settle_expiry(record, templates[record.template_id].compiled)
                expire(record, now)
            await passes.save(records)
            work.publish(*announcements(records))


async def correct_dates(database: Database, shelf: TemplateShelf) -> None:
    """Go over passes whose template's new revision changes when they expire, unhurriedly."""
    for _ in range(CORRECT_TURNS):
        async with database.work("bulk") as work:
            corrections = CorrectionRepository(work.connection)
            correction = await corrections.next_locked()
            if correction is None:
                return
            template_id = correction.template_id
            passes = PassRepository(work.connection)
            records = await passes.lock_page(
                correction.account_id, template_id, correction.after, CORRECT_TURN
            )
            if not records:
                await corrections.end(correction)
                continue
            template = (await shelf.at_least(work.connection, {template_id: 0}))[template_id]
            for record in records:
                settle_expiry(record, template.compiled)
            await passes.save(records)
            await corrections.advance(correction, max(record.position for record in records))


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
            await WalkRepository(work.connection).forget_ended(WALK_DAYS)


class RunJob:
    """Goes on with durable runs: makes the call each waits for, then runs the rules behind it."""

    def __init__(self, database: Database, shelf: TemplateShelf, caller: UrlCaller) -> None:
        self._database = database
        self._shelf = shelf
        self._caller = caller
        self._at_work: dict[asyncio.Task[None], OpenRun] = {}

    async def run(self) -> None:
        """Work until nothing is due; at most ten calls of one account are on the way."""
        while True:
            room = MOST_RUNS - len(self._at_work)
            counts = Counter(run.account_id for run in self._at_work.values())
            busy = [account for account, count in counts.items() if count >= MOST_RUNS_OF_ACCOUNT]
            async with self._database.work() as work:
                claimed = await RunRepository(work.connection).claim(
                    min(room, MOST_RUNS_OF_ACCOUNT), busy
                )
            for run in claimed:
                task = asyncio.create_task(self._go_on(run))
                self._at_work[task] = run
            if not self._at_work:
                return
            done, _ = await asyncio.wait(
                self._at_work, timeout=RUN_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                del self._at_work[task]
                if (error := task.exception()) is not None:  # its lease ends, another try follows
                    log.warning("run_failed", kind=type(error).__name__, trace=trace_of(error))

    async def _go_on(self, open_run: OpenRun) -> None:
        key = f"{open_run.command_id}:{open_run.program['position']}"
        await self._caller.call(open_run.program["url"], key)
        async with self._database.work() as work:
            records = await PassRepository(work.connection).lock([open_run.handle])
            record = records.get(open_run.handle)
            runs = RunRepository(work.connection)
            if record is None or record.deleted_at is not None:
                await runs.end(open_run.command_id, write_failure(PassDeletedError()))
                return
            needed = {record.template_id: 0}
            templates = await self._shelf.at_least(work.connection, needed)
            compiled = templates[record.template_id].compiled
            run = resume(open_run.kind, open_run.command, open_run.program, record, compiled)
            if run.call is not None and clock.now() - open_run.began_at > LONGEST_RUN:
                stopped = RuleOutcome(record.own_values, error=TOO_LONG)
                run = replace(run, call=None, outcome=stopped)
            if run.call is not None:
                await runs.go_on(open_run.command_id, run.to_json())
                return
            await runs.end(
                open_run.command_id, await _conclude(open_run, run, record, compiled, work)
            )

    async def renew(self) -> None:
        """Hold the leases of the runs whose calls are on the way."""
        if self._at_work:
            async with self._database.work() as work:
                held = [run.command_id for run in self._at_work.values()]
                await RunRepository(work.connection).renew(held)

    async def stop(self) -> None:
        """Leave the calls that are on the way: after their lease they are made again."""
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)


async def _conclude(
    open_run: OpenRun, run: Run, record: PassRecord, compiled: CompiledTemplate, work: UnitOfWork
) -> str:
    """Let the event happen, now that its rules are over; returns the outcome as JSON."""
    passes = PassRepository(work.connection)
    try:
        reply = conclude(open_run.kind, open_run.command, run, record, compiled)
    except InvalidError as error:
        if open_run.kind == "create":
            await passes.remove(record.handle)
        return write_failure(error)
    await passes.save([record])
    work.publish(*announcements([record]))
    return write_reply(reply)
