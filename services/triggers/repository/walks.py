"""Walks over all installed passes of a template: where each has come to."""

from dataclasses import dataclass
from uuid import UUID

from services.triggers.domain import BIT_OF
from shared.contracts.triggers import PushPasses
from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Walk:
    """One that is not at its end."""

    command_id: UUID
    account_id: UUID
    template_id: UUID
    after: str


class WalkRepository:
    """Walks that are going on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, command: PushPasses) -> int:
        """Begin a walk; returns over how many passes it will go."""
        count = await self._connection.fetchval(
            "SELECT count(*) FROM passes WHERE account_id = $1 AND template_id = $2"  # noqa: S608
            " AND deleted_at IS NULL AND happened > 1"
            f" AND happened & {BIT_OF['install']} <> 0",
            command.account_id,
            command.template_id,
        )
        if count:
            await self._connection.execute(
                "INSERT INTO walks (command_id, account_id, template_id) VALUES ($1, $2, $3)"
                " ON CONFLICT DO NOTHING",
                command.command_id,
                command.account_id,
                command.template_id,
            )
        return count

    async def next_locked(self) -> Walk | None:
        """Take the oldest walk that nobody else has in hand."""
        row = await self._connection.fetchrow(
            "SELECT command_id, account_id, template_id, after FROM walks"
            " ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        return Walk(**row) if row else None

    async def advance(self, walk: Walk, after: str) -> None:
        """Note where a walk has come to."""
        await self._connection.execute(
            "UPDATE walks SET after = $2 WHERE command_id = $1", walk.command_id, after
        )

    async def end(self, walk: Walk) -> None:
        """Drop a walk that is at its end."""
        await self._connection.execute("DELETE FROM walks WHERE command_id = $1", walk.command_id)
