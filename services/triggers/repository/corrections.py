"""Templates whose passes have to be gone over, because a revision changed when they expire."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.triggers.domain import PassRecord
from services.triggers.repository.passes import PassRepository
from shared.contracts.gateway import TemplateSaved
from shared.database import Connection

WAIT_SECONDS = 40
"""Longer than any transaction lasts that may still issue a pass by the revision before."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One that is due, and after which pass it goes on."""

    template_id: UUID
    account_id: UUID
    after: int


class CorrectionRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, templates: Sequence[TemplateSaved]) -> None:
        """Set templates down, or let theirs begin anew."""
        if not templates:
            return
        accounts = {saved.template_id: saved.account_id for saved in templates}
        await self._connection.execute(
            """
            INSERT INTO corrections (template_id, account_id, begins_at)
            SELECT template_id, account_id, now() + $3 * interval '1 second'
            FROM unnest($1::uuid[], $2::uuid[]) AS new (template_id, account_id)
            ORDER BY template_id
            ON CONFLICT (template_id) DO UPDATE SET after = '', begins_at = excluded.begins_at
            """,
            list(accounts),
            list(accounts.values()),
            WAIT_SECONDS,
        )

    async def next_locked(self) -> Correction | None:
        """Take one that is due and that nobody else has in hand."""
        row = await self._connection.fetchrow(
            """
            SELECT template_id, account_id, coalesce(nullif(after, ''), '0')::bigint AS after
            FROM corrections
            WHERE begins_at <= now()
            ORDER BY begins_at
            LIMIT 1
            FOR UPDATE SKIP LOCKED
            """
        )
        return Correction(**row) if row else None

    async def lock_passes(self, correction: Correction, most: int) -> list[PassRecord]:
        """Lock the passes that come next."""
        return await PassRepository(self._connection).lock_page(
            correction.account_id, correction.template_id, correction.after, most
        )

    async def advance(self, correction: Correction, passes: Sequence[PassRecord]) -> None:
        await self._connection.execute(
            "UPDATE corrections SET after = $2::bigint::text WHERE template_id = $1",
            correction.template_id,
            max(record.position for record in passes),
        )

    async def end(self, correction: Correction) -> None:
        await self._connection.execute(
            "DELETE FROM corrections WHERE template_id = $1", correction.template_id
        )
