"""Walks over all installed passes of a template: jobs that can be followed and halted."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from shared.contracts.triggers import ListPushJobs, PushJob, PushPasses
from shared.database import Connection

_JOB = "command_id AS job_id, template_id, state, total, done, created_at, ended_at"


@dataclass(frozen=True, slots=True)
class Walk:
    """One that is going on: what it has to do, and after which pass it goes on."""

    command_id: UUID
    account_id: UUID
    template_id: UUID
    template_revision: int
    forget: list[str]
    after: str


class WalkRepository:
    """Walks by their commands, whose ids rise with time; `PushJob` is how others know them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, command: PushPasses) -> int:
        """Begin a walk; returns over how many passes it will go."""
        return await self._connection.fetchval(
            "INSERT INTO walks (command_id, account_id, template_id, template_revision, forget,"
            " total) SELECT $1, $2, $3, $4, $5, count(*) FROM passes WHERE account_id = $2"
            " AND template_id = $3 AND deleted_at IS NULL AND devices > 0"
            " ON CONFLICT (command_id) DO UPDATE SET total = walks.total RETURNING total",
            command.command_id,
            command.account_id,
            command.template_id,
            command.template_revision,
            command.forget,
        )

    async def next_locked(self) -> Walk | None:
        """Take the running walk that has waited longest, of those that nobody has in hand."""
        row = await self._connection.fetchrow(
            "SELECT command_id, account_id, template_id, template_revision, forget, after"
            " FROM walks WHERE state = 'running' ORDER BY turned_at LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        return Walk(**row) if row else None

    async def advance(self, walk: Walk, after: str, count: int) -> None:
        """Note where a walk has come to; others have their turns before its next."""
        await self._connection.execute(
            "UPDATE walks SET after = $2, done = done + $3, turned_at = clock_timestamp()"
            " WHERE command_id = $1",
            walk.command_id,
            after,
            count,
        )

    async def find(self, account_id: UUID, job_id: UUID, *, lock: bool = False) -> PushJob | None:
        row = await self._connection.fetchrow(
            f"SELECT {_JOB} FROM walks WHERE account_id = $1 AND command_id = $2"  # noqa: S608
            + (" FOR UPDATE" if lock else ""),
            account_id,
            job_id,
        )
        return _job(row) if row else None

    async def list_jobs(self, query: ListPushJobs, limit: int) -> list[PushJob]:
        rows = await self._connection.fetch(
            f"SELECT {_JOB} FROM walks WHERE account_id = $1"  # noqa: S608 - our own columns
            " AND ($2::uuid IS NULL OR template_id = $2)"
            " AND ($3::uuid IS NULL OR command_id < $3) ORDER BY command_id DESC LIMIT $4",
            query.account_id,
            query.template_id,
            query.before,
            limit,
        )
        return [_job(row) for row in rows]

    async def save(self, job: PushJob) -> None:
        """Keep in which state a locked walk is from now on."""
        await self._connection.execute(
            "UPDATE walks SET state = $2, ended_at = $3, turned_at = clock_timestamp()"
            " WHERE command_id = $1",
            job.job_id,
            job.state,
            job.ended_at,
        )

    async def end(self, walk: Walk) -> None:
        """Note that a walk is at its end."""
        await self._connection.execute(
            "UPDATE walks SET state = 'done', ended_at = now() WHERE command_id = $1",
            walk.command_id,
        )

    async def forget_ended(self, days: int) -> None:
        await self._connection.execute(
            "DELETE FROM walks WHERE command_id = ANY(ARRAY(SELECT command_id FROM walks"
            " WHERE ended_at < now() - $1 * interval '1 day' LIMIT 1000))",
            days,
        )


def _job(row: asyncpg.Record) -> PushJob:
    facts: dict[str, Any] = dict(row)
    return PushJob(**facts)
