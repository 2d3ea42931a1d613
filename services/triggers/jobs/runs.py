"""Goes on with events whose rules call URLs: the call is made outside every lock."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Never

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
from shared.messaging.requests import write_failure, write_reply
from shared.passes.language.runs import RuleOutcome, Run
from shared.passes.template.compiled import CompiledTemplate
from shared.pipeline import Pipeline

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


class RunJob(Pipeline[OpenRun, Never]):
    """Goes on with durable runs: makes the call each waits for, then runs the rules behind it.

    Each records what came of it in a transaction of its own, which locks its pass.
    """

    def __init__(
        self, database: Database, cache: TemplateCache, caller: UrlCaller, begun: asyncio.Event
    ) -> None:
        super().__init__(
            begun,
            places=MAX_RUNS,
            look_seconds=RUN_LOOK_SECONDS,
            drain_seconds=0,
            failure="run_failed",
        )
        self._database = database
        self._cache = cache
        self._caller = caller

    async def exchange(self, _finished: Sequence[Never], free: int, /) -> list[OpenRun]:
        """Claim runs of accounts and to hosts that have places left."""
        accounts = Counter(run.account_id for run in self.in_flight)
        hosts = Counter((run.account_id, run.host) for run in self.in_flight)
        # All that is claimed may be for one host: as many as its account and it have places.
        room = min(
            free,
            _least_left(accounts, MAX_RUNS_OF_ACCOUNT),
            _least_left(hosts, MAX_RUNS_OF_HOST),
        )
        async with self._database.work() as work:
            claimed = await RunRepository(work.connection).claim(
                room,
                [account for account, count in accounts.items() if count == MAX_RUNS_OF_ACCOUNT],
                [host for host, count in hosts.items() if count == MAX_RUNS_OF_HOST],
            )
        if claimed:
            crash_point("runs.claimed")
        if len(claimed) == room:  # there may be more for the places that are left
            self.due.set()
        return claimed

    async def act(self, open_run: OpenRun, /) -> None:
        """Make the call that a run waits for, and go on with it."""
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

    async def renew_leases(self, held: Sequence[OpenRun], /) -> None:
        """Hold the leases of the runs whose calls are on the way."""
        async with self._database.work() as work:
            await RunRepository(work.connection).renew([run.command_id for run in held])

    async def give_back(self, _finished: Sequence[Never], _lost: Sequence[OpenRun], /) -> None:
        """Leave the calls that were on the way: after their lease they are made again."""

    async def _call(self, open_run: OpenRun) -> dict[str, Any]:
        """Make the call that a run waits for; returns what the timeline says of it."""
        depth = open_run.command.get("depth", 0)
        if depth >= MAX_DEPTH:
            return {"reason": TOO_DEEP}
        key = f"{open_run.command_id}:{open_run.program['position']}"
        left = (open_run.began_at + MAX_RUN_TIME - clock.now()).total_seconds()
        seconds = max(LAST_CALL_SECONDS, min(CALL_SECONDS, left))
        return await self._caller.call(open_run.program["url"], key, seconds, depth + 1)


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
