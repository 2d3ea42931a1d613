"""Pushes of all installed passes of a template: jobs that can be followed and halted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.triggers.domain import PassRecord
from services.triggers.repository.passes import PassRepository
from shared.contracts.triggers import ListTemplatePushes, PushPasses, TemplatePush
from shared.database import Connection

_FIND: Final = """
    SELECT command_id AS job_id, template_id, state, total, done, created_at, ended_at
    FROM template_pushes
    WHERE account_id = $1 AND command_id = $2
"""


@dataclass(frozen=True, slots=True)
class RunningPush:
    """One that is going on: what it has to do, and after which pass it goes on."""

    command_id: UUID
    account_id: UUID
    template_id: UUID
    template_revision: int
    forget: list[str]
    after: str


class TemplatePushRepository:
    """Template pushes by their commands, whose ids rise with time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, command: PushPasses) -> int:
        """Begin a push; returns of how many passes."""
        return await self._connection.fetchval(
            """
            INSERT INTO template_pushes (
                command_id, account_id, template_id, template_revision, forget, total
            )
            SELECT $1, $2, $3, $4, $5, count(*)
            FROM passes
            WHERE account_id = $2
                AND template_id = $3
                AND deleted_at IS NULL
                AND (devices > 0 OR at_google)
            ON CONFLICT (command_id) DO UPDATE SET total = template_pushes.total
            RETURNING total
            """,
            command.command_id,
            command.account_id,
            command.template_id,
            command.template_revision,
            command.forget,
        )

    async def next_locked(self) -> RunningPush | None:
        """Take the running push that has waited longest, of those that nobody has in hand."""
        row = await self._connection.fetchrow(
            """
            SELECT command_id, account_id, template_id, template_revision, forget, after
            FROM template_pushes
            WHERE state = 'running'
            ORDER BY turned_at
            LIMIT 1
            FOR UPDATE SKIP LOCKED
            """
        )
        return RunningPush(**row) if row else None

    async def lock_passes(self, running: RunningPush, most: int) -> list[PassRecord]:
        """Lock the passes that come next."""
        return await PassRepository(self._connection).lock_in_wallets(
            running.account_id, running.template_id, running.after, most
        )

    async def advance(self, running: RunningPush, passes: Sequence[PassRecord]) -> None:
        """Note where a push has come to; others have their turns before its next."""
        await self._connection.execute(
            """
            UPDATE template_pushes
            SET after = $2, done = done + $3, turned_at = clock_timestamp()
            WHERE command_id = $1
            """,
            running.command_id,
            passes[-1].handle,
            len(passes),
        )

    async def find(
        self, account_id: UUID, job_id: UUID, *, lock: bool = False
    ) -> TemplatePush | None:
        row = await self._connection.fetchrow(
            f"{_FIND} FOR UPDATE" if lock else _FIND, account_id, job_id
        )
        return _template_push(row) if row else None

    async def list_jobs(self, query: ListTemplatePushes, limit: int) -> list[TemplatePush]:
        rows = await self._connection.fetch(
            """
            SELECT command_id AS job_id, template_id, state, total, done, created_at, ended_at
            FROM template_pushes
            WHERE account_id = $1
                AND ($2::uuid IS NULL OR template_id = $2)
                AND ($3::uuid IS NULL OR command_id < $3)
            ORDER BY command_id DESC
            LIMIT $4
            """,
            query.account_id,
            query.template_id,
            query.before,
            limit,
        )
        return [_template_push(row) for row in rows]

    async def save(self, job: TemplatePush) -> None:
        """Keep in which state a locked push is from now on."""
        await self._connection.execute(
            """
            UPDATE template_pushes
            SET state = $2, ended_at = $3, turned_at = clock_timestamp()
            WHERE command_id = $1
            """,
            job.job_id,
            job.state,
            job.ended_at,
        )

    async def end(self, running: RunningPush) -> None:
        await self._connection.execute(
            "UPDATE template_pushes SET state = 'done', ended_at = now() WHERE command_id = $1",
            running.command_id,
        )

    async def forget_ended(self, days: int) -> None:
        await self._connection.execute(
            """
            DELETE FROM template_pushes
            WHERE command_id = ANY(ARRAY(
                SELECT command_id
                FROM template_pushes
                WHERE ended_at < now() - $1 * interval '1 day'
                LIMIT 1000
            ))
            """,
            days,
        )


def _template_push(row: asyncpg.Record) -> TemplatePush:
    facts: dict[str, Any] = dict(row)
    return TemplatePush(**facts)
