"""Goes on with events whose rules call URLs: the call is made outside every lock."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import structlog

from services.triggers.clients import UrlCaller
from services.triggers.domain import (
    PassDeletedError,
    PassRecord,
    announcements,
    conclude,
    resume,
    without_texts,
)
from services.triggers.repository.passes import PassRepository
from services.triggers.repository.runs import OpenRun, RunRepository
from services.triggers.repository.templates import TemplateCache
from shared import clock
from shared.contracts.triggers import MAX_DEPTH, MAX_RUN_TIME, PassChanged
from shared.crashing import crash_point
from shared.database import Database, UnitOfWork
from shared.errors import InvalidError
from shared.logs import trace_of
from shared.messaging.requests import write_failure, write_reply
from shared.passes.language.runs import RuleOutcome, Run
from shared.passes.template.compiled import CompiledTemplate

CALL_SECONDS = 10.0
"""How long one call may take at most: whoever caused the event waits for it."""

LAST_CALL_SECONDS = 1.0
"""What a call gets that comes late, because the process before died."""

MAX_RUNS = 200
MAX_RUNS_OF_ACCOUNT = 20
MAX_RUNS_OF_HOST = 10
"""Calls on the way: in all, of one account, and of one account to one host. A server that answers
nothing holds up half of what its account may do, and nothing of what others may."""
RUN_LOOK_SECONDS = 0.5
TOO_DEEP = f"not called: {MAX_DEPTH} rules have called each other to come here"
TOO_LONG = f"The rules took longer than {MAX_RUN_TIME.seconds} seconds."

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class RunJob:
    """Goes on with durable runs: makes the call each waits for, then runs the rules behind it."""

    def __init__(self, database: Database, cache: TemplateCache, caller: UrlCaller) -> None:
        self._database = database
        self._cache = cache
        self._caller = caller
        self._at_work: dict[asyncio.Task[None], OpenRun] = {}

    async def run(self) -> None:
        """Work until nothing is due."""
        while True:
            while await self._claim():
                pass
            if not self._at_work:
                return
            done, _ = await asyncio.wait(
                self._at_work, timeout=RUN_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                del self._at_work[task]
                if (error := task.exception()) is not None:  # its lease ends, another try follows
                    log.warning("run_failed", kind=type(error).__name__, trace=trace_of(error))

    async def _claim(self) -> bool:
        """Begin to go on with some runs; whether there may be more for the places that are left."""
        at_work = self._at_work.values()
        accounts = Counter(run.account_id for run in at_work)
        hosts = Counter((run.account_id, run.host) for run in at_work)
        # All that is claimed may be for one host: as many as its account and it have places.
        room = min(
            MAX_RUNS - len(at_work),
            _least_left(accounts, MAX_RUNS_OF_ACCOUNT),
            _least_left(hosts, MAX_RUNS_OF_HOST),
        )
        if not room:
            return False
        async with self._database.work() as work:
            claimed = await RunRepository(work.connection).claim(
                room,
                [account for account, count in accounts.items() if count == MAX_RUNS_OF_ACCOUNT],
                [host for host, count in hosts.items() if count == MAX_RUNS_OF_HOST],
            )
        if claimed:
            crash_point("runs.claimed")
        for run in claimed:
            self._at_work[asyncio.create_task(self._go_on(run))] = run
        return len(claimed) == room

    async def _go_on(self, open_run: OpenRun) -> None:
        result = await self._call(open_run)
        crash_point("runs.called")
        async with self._database.work() as work:
            records = await PassRepository(work.connection).lock([open_run.handle])
            record = records.get(open_run.handle)
            runs = RunRepository(work.connection)
            if record is None or record.deleted_at is not None:
                await runs.end(open_run.command_id, write_failure(PassDeletedError()))
                return
            needed = {record.template_id: 0}
            templates = await self._cache.at_least(work.connection, needed)
            compiled = templates[record.template_id].compiled
            standing = compiled.load_run(open_run.program).with_result(result)
            run = resume(open_run.kind, open_run.command, standing, record, compiled)
            if run.call is not None and clock.now() - open_run.began_at >= MAX_RUN_TIME:
                stopped = RuleOutcome(record.own_values, error=TOO_LONG)
                run = replace(run, call=None, outcome=stopped)
            if run.call is not None:
                await runs.go_on(open_run.command_id, run.to_json())
                return
            await runs.end(
                open_run.command_id, await _conclude(open_run, run, record, compiled, work)
            )
            crash_point("runs.committing")

    async def _call(self, open_run: OpenRun) -> dict[str, Any]:
        """Make the call that a run waits for; returns what the timeline says of it."""
        depth = open_run.command.get("depth", 0)
        if depth >= MAX_DEPTH:
            return {"reason": TOO_DEEP}
        key = f"{open_run.command_id}:{open_run.program['position']}"
        left = (open_run.began_at + MAX_RUN_TIME - clock.now()).total_seconds()
        seconds = max(LAST_CALL_SECONDS, min(CALL_SECONDS, left))
        return await self._caller.call(open_run.program["url"], key, seconds, depth + 1)

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


def _least_left(counts: Counter[Any], most: int) -> int:
    """How many places are left at the fullest that is not full."""
    return most - max((count for count in counts.values() if count < most), default=0)


async def _conclude(
    open_run: OpenRun, run: Run, record: PassRecord, compiled: CompiledTemplate, work: UnitOfWork
) -> str:
    """Let the event happen, now that its rules are over; returns the outcome as JSON."""
    passes = PassRepository(work.connection)
    try:
        meanwhile = await passes.versions_of_changes(record.handle, open_run.sequence)
        reply = conclude(
            open_run.kind, open_run.command, run, record, compiled, meanwhile=meanwhile
        )
    except InvalidError as error:
        if open_run.kind == "create":
            await passes.remove(record.handle)
        return write_failure(error)
    await passes.save([record])
    work.publish(*announcements([record]))
    return write_reply(without_texts(reply) if isinstance(reply, PassChanged) else reply)
