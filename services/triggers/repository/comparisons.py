"""Comparisons with generator and notifier: how far they have come, and what is on a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.contracts.notifier import MissedEvent
from shared.contracts.triggers import ListedEvent, ListedPass, LoggedEvent
from shared.database import Connection, columns
from shared.identifiers import new_id

Subject = Literal["passes", "events"]

SETTLED_SECONDS = 60
"""What is younger may still be on its way."""

BACKGROUND_SECONDS = 30
"""Between two pages in the background: a million passes take eight hours."""

FEED_DAYS = 29
"""How far back the feed is compared: a day less than it is kept."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One that goes on, and after which row."""

    comparison_id: UUID
    subject: Subject
    after_handle: str
    after_sequence: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a comparison has come: rows listed, pages sent and answered, rows missing."""

    subject: Subject
    listed: int
    pages: int
    answered: int
    missing: int
    is_listed: bool


class ComparisonRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, subject: Subject, *, in_background: bool = False) -> UUID:
        """Begin one; in the background there is one of each subject, begun if there is none."""
        comparison_id = new_id()
        await self._connection.execute(
            """
            INSERT INTO comparisons (comparison_id, subject, in_background)
            VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING
            """,
            comparison_id,
            subject,
            in_background,
        )
        return comparison_id

    async def next_locked(self, *, in_background: bool, max_ahead: int) -> Comparison | None:
        """Take one with less than so many pages without an answer, that nobody else has in hand.

        A page that is not answered within five minutes holds nothing up.
        """
        row = await self._connection.fetchrow(
            """
            SELECT comparison_id, subject, after_handle, after_sequence
            FROM comparisons
            WHERE in_background = $1
                AND ended_at IS NULL
                AND turned_at < now() - CASE WHEN $1 THEN $3 ELSE 0 END * interval '1 second'
                AND (pages - answered < $2 OR turned_at < now() - interval '5 minutes')
            ORDER BY turned_at
            LIMIT 1
            FOR UPDATE SKIP LOCKED
            """,
            in_background,
            max_ahead,
            BACKGROUND_SECONDS,
        )
        return Comparison(**row) if row else None

    async def list_passes(self, after: str, limit: int) -> list[ListedPass]:
        rows = await self._connection.fetch(
            """
            SELECT handle, account_id, version
            FROM passes
            WHERE handle > $1
                AND updated_at < now() - $2 * interval '1 second'
            ORDER BY handle
            LIMIT $3
            """,
            after,
            SETTLED_SECONDS,
            limit,
        )
        return [ListedPass(**row) for row in rows]

    async def list_events(self, handle: str, sequence: int, limit: int) -> list[ListedEvent]:
        rows = await self._connection.fetch(
            """
            SELECT event_id, handle, sequence
            FROM events
            WHERE (handle, sequence) > ($1, $2)
                AND occurred_at < now() - $3 * interval '1 second'
                AND occurred_at > now() - $4 * interval '1 day'
            ORDER BY handle, sequence
            LIMIT $5
            """,
            handle,
            sequence,
            SETTLED_SECONDS,
            FEED_DAYS,
            limit,
        )
        return [ListedEvent(**row) for row in rows]

    async def advance(self, comparison: Comparison, handle: str, sequence: int, rows: int) -> None:
        await self._connection.execute(
            """
            UPDATE comparisons
            SET after_handle = $2,
                after_sequence = $3,
                pages = pages + 1,
                listed = listed + $4,
                turned_at = now()
            WHERE comparison_id = $1
            """,
            comparison.comparison_id,
            handle,
            sequence,
            rows,
        )

    async def end(self, comparison: Comparison) -> None:
        """Note that every page is sent; one in the background begins anew, under another id."""
        await self._connection.execute(
            """
            UPDATE comparisons
            SET comparison_id = CASE WHEN in_background THEN $2 ELSE comparison_id END,
                ended_at = CASE WHEN in_background THEN NULL ELSE now() END,
                after_handle = '',
                after_sequence = 0,
                pages = CASE WHEN in_background THEN 0 ELSE pages END,
                answered = CASE WHEN in_background THEN 0 ELSE answered END,
                turned_at = now()
            WHERE comparison_id = $1
            """,
            comparison.comparison_id,
            new_id(),
        )

    async def note_answers(self, comparison_ids: Sequence[UUID], missing: Sequence[int]) -> None:
        """Count answers, each with how many rows were missing."""
        await self._connection.execute(
            """
            UPDATE comparisons
            SET answered = answered + given.pages,
                missing = comparisons.missing + given.missing
            FROM (
                SELECT comparison_id, count(*) AS pages, sum(missing) AS missing
                FROM unnest($1::uuid[], $2::bigint[]) AS given (comparison_id, missing)
                GROUP BY comparison_id
            ) AS given
            WHERE comparisons.comparison_id = given.comparison_id
            """,
            comparison_ids,
            missing,
        )

    async def progress(self, comparison_ids: Sequence[UUID]) -> list[Progress]:
        rows = await self._connection.fetch(
            """
            SELECT subject, listed, pages, answered, missing, ended_at IS NOT NULL AS is_listed
            FROM comparisons
            WHERE comparison_id = ANY($1::uuid[])
            ORDER BY subject
            """,
            comparison_ids,
        )
        return [Progress(**row) for row in rows]

    async def read_events(self, missed: Sequence[MissedEvent]) -> list[LoggedEvent]:
        """Read lines of the log as they were announced."""
        rows = await self._connection.fetch(
            """
            SELECT event_id, account_id, template_id, passes.handle, member_id, kind,
                events.sequence, events.version, occurred_at, data
            FROM unnest($1::text[], $2::bigint[]) AS missed (handle, sequence)
            JOIN events ON events.handle = missed.handle AND events.sequence = missed.sequence
            JOIN passes ON passes.handle = missed.handle
            ORDER BY passes.handle, events.sequence
            """,
            *columns(missed, "handle", "sequence"),
        )
        return [LoggedEvent(**row) for row in rows]

    async def forget_ended(self, days: int) -> None:
        await self._connection.execute(
            """
            DELETE FROM comparisons
            WHERE ended_at < now() - $1 * interval '1 day'
            """,
            days,
        )
