"""Finds what nobody needs any more, and drops old log lines."""

from datetime import datetime
from typing import Final

from services.triggers.domain import BIT_OF
from shared.database import Connection
from shared.identifiers import handle_before

_QUIET: Final = sum(
    BIT_OF[kind] for kind in ("create", "update", "void", "unvoid", "push", "expire")
)
"""What issuers and time do to passes; all else is done by those who have them."""


class PurgeRepository:
    """Passes and log lines that are old."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_old(
        self, after: str, stale: datetime, untouched: datetime, most: int
    ) -> tuple[list[str], str | None]:
        """Look at a page of old passes: those to purge, and where the next page begins, if any."""
        rows = await self._connection.fetch(
            """
            SELECT
                handle,
                (updated_at < $3 AND happened & ~$5::integer = 0) OR (
                    updated_at < $2 AND NOT EXISTS (
                        SELECT
                        FROM events e
                        WHERE e.handle = passes.handle
                            AND e.occurred_at >= $2
                    )
                ) AS is_old
            FROM passes
            WHERE handle > $1
                AND handle < $4
                AND deleted_at IS NULL
            ORDER BY handle
            LIMIT $6
            """,
            after,
            stale,
            untouched,
            handle_before(max(stale, untouched)),
            _QUIET,
            most,
        )
        next_after = rows[-1]["handle"] if len(rows) == most else None
        return [row["handle"] for row in rows if row["is_old"]], next_after

    async def forget_events(self, after: str, stale: datetime, most: int) -> str | None:
        """Drop old log lines of a page of passes; returns where the next page begins, if any."""
        handles = await self._connection.fetch(
            "SELECT handle FROM passes WHERE handle > $1 AND handle < $2 ORDER BY handle LIMIT $3",
            after,
            handle_before(stale),
            most,
        )
        await self._connection.execute(
            "DELETE FROM events WHERE handle = ANY($1::text[]) AND occurred_at < $2",
            [row["handle"] for row in handles],
            stale,
        )
        return handles[-1]["handle"] if len(handles) == most else None
