"""Durable runs: rules that wait for a URL, outside every pass's lock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.triggers.domain import PassRecord
from shared.contracts.triggers import ChangePass, CreatePass, EventKind
from shared.database import Connection

LEASE_SECONDS = 8
"""Renewed every 2 s while a call is on its way; what a killed process held is free after it."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that waits for its call; `command` is what caused it, as JSON."""

    command_id: UUID
    account_id: UUID
    handle: str
    kind: EventKind
    command: dict[str, Any]
    program: dict[str, Any]
    began_at: datetime
    sequence: int
    """The pass's last log line when the run began."""

    @property
    def host(self) -> str:
        """Whom it calls, by name; empty where the URL names nobody."""
        return self.program.get("host", "")


class RunRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def outcomes(self, command_ids: Iterable[UUID]) -> dict[UUID, str | None]:
        """Find runs by their commands: the outcome as JSON, None while it is open."""
        rows = await self._connection.fetch(
            "SELECT command_id, outcome FROM runs WHERE command_id = ANY($1::uuid[])",
            list(command_ids),
        )
        return {row["command_id"]: row["outcome"] for row in rows}

    async def begin(
        self,
        command: CreatePass | ChangePass,
        record: PassRecord,
        kind: EventKind,
        program: dict[str, Any],
    ) -> None:
        """Keep a run."""
        await self._connection.execute(
            """
            INSERT INTO runs (
                command_id, account_id, handle, kind, command, program, began_at, sequence
            )
            VALUES ($1, $2, $3, $4, $5, $6, now(), $7)
            """,
            command.command_id,
            record.account_id,
            record.handle,
            kind,
            command.model_dump(mode="json"),
            program,
            record.sequence,
        )

    async def count_open(self, account_id: UUID, handle: str) -> tuple[int, int]:
        """Count the runs of a pass that wait for a call, and those of its account."""
        row = await self._connection.fetchrow(
            """
            SELECT count(*) FILTER (WHERE handle = $2) AS of_pass, count(*) AS of_account
            FROM runs
            WHERE account_id = $1
                AND outcome IS NULL
            """,
            account_id,
            handle,
        )
        return (row["of_pass"], row["of_account"]) if row else (0, 0)

    async def claim(
        self, most: int, busy: Sequence[UUID], busy_hosts: Sequence[tuple[UUID, str]]
    ) -> list[OpenRun]:
        """Take open runs that nobody works on; those of `busy` accounts and hosts wait."""
        rows = await self._connection.fetch(
            """
            UPDATE runs
            SET lease_until = now() + $2 * interval '1 second'
            WHERE command_id = ANY(ARRAY(
                SELECT command_id
                FROM runs
                WHERE outcome IS NULL
                    AND lease_until < now()
                    AND account_id <> ALL($3::uuid[])
                    AND (account_id, coalesce(program ->> 'host', '')) NOT IN (
                        SELECT * FROM unnest($4::uuid[], $5::text[])
                    )
                ORDER BY began_at
                LIMIT $1
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING command_id, account_id, handle, kind, command, program, began_at, sequence
            """,
            most,
            LEASE_SECONDS,
            list(busy),
            [account for account, _ in busy_hosts],
            [host for _, host in busy_hosts],
        )
        return [OpenRun(**row) for row in rows]

    async def renew(self, command_ids: Sequence[UUID]) -> None:
        """Hold the leases of runs whose call is on its way for longer."""
        await self._connection.execute(
            """
            UPDATE runs
            SET lease_until = now() + $2 * interval '1 second'
            WHERE command_id = ANY($1::uuid[])
                AND lease_until > now()
                AND outcome IS NULL
            """,
            command_ids,
            LEASE_SECONDS,
        )

    async def go_on(self, command_id: UUID, program: dict[str, Any]) -> None:
        """Keep where a run stands: it waits for its next call."""
        await self._connection.execute(
            "UPDATE runs SET program = $2, lease_until = '-infinity' WHERE command_id = $1",
            command_id,
            program,
        )

    async def end(self, command_id: UUID, outcome: str) -> None:
        await self._connection.execute(
            """
            UPDATE runs
            SET outcome = $2, ended_at = now(), program = '{}', command = '{}'
            WHERE command_id = $1
            """,
            command_id,
            outcome,
        )

    async def forget_ended(self, days: int) -> None:
        await self._connection.execute(
            """
            DELETE FROM runs
            WHERE command_id = ANY(
                ARRAY(
                    SELECT command_id
                    FROM runs
                    WHERE ended_at < now() - $1 * interval '1 day'
                    LIMIT 1000
                )
            )
            """,
            days,
        )
