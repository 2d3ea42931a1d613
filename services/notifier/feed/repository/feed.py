"""The feed of an account: its events by number, complete for as long as they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.notifier.feed.domain.happenings import BEGINNING_BYTES
from services.notifier.feed.repository.events import read_body
from shared.database import Connection

MAX_EXAMINED: Final = 20_000
"""Events that one page looks at, however few of them are of the types asked for."""


@dataclass(frozen=True, slots=True)
class FeedTurn:
    """What one look into a feed has found."""

    events: list[str]
    after: int
    """The number up to which all was looked at, and what was wanted of it found."""
    last: int
    """The number of the newest event."""
    forgotten: int
    """The number up to which events are no longer kept."""


class FeedRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(
        self, account_id: UUID, after: int, kinds: Sequence[str], limit: int, room: int
    ) -> FeedTurn:
        """Read on after a number: at most `limit` events, and `room` bytes of them.

        One statement is one snapshot: what it knows of the last number it knows of the events.
        """
        rows = await self._connection.fetch(
            """
            SELECT f.last, coalesce(g.number, 0) AS forgotten, e.*
            FROM feeds f
            LEFT JOIN forgotten g USING (account_id)
            LEFT JOIN LATERAL (
                SELECT
                    found.*,
                    sum(octet_length(body) + $7) OVER (ORDER BY number) <= $5 AS has_room
                FROM (
                    SELECT
                        v.number, v.event_id, v.account_id, v.template_id, v.handle, v.kind,
                        v.occurred_at, v.cause, v.body
                    FROM events v
                    WHERE v.account_id = f.account_id
                        AND v.number > greatest($2, g.number)
                        AND v.number <= greatest($2, g.number) + $6
                        AND (
                            $3::text[] = '{}' OR $3 && ARRAY[v.kind,
                            split_part(v.kind, '.', 1) || '.*', '*']
                        )
                    ORDER BY v.number
                    LIMIT $4
                ) AS found
            ) AS e ON true
            WHERE f.account_id = $1
            ORDER BY e.number
            """,
            account_id, after, list(kinds), limit + 1, room, MAX_EXAMINED,
            BEGINNING_BYTES,
        )  # fmt: skip
        if not rows:
            return FeedTurn([], after=0, last=0, forgotten=0)
        last, forgotten = rows[0]["last"], rows[0]["forgotten"]
        start = max(after, forgotten)
        found = [row for row in rows if row["number"] is not None]
        kept = [row for row in found[:limit] if row["has_room"]]
        if len(kept) == len(found):
            reached = min(start + MAX_EXAMINED, last)
        else:
            reached = kept[-1]["number"] if kept else start
        events = [read_body(row) for row in kept]
        return FeedTurn(events, reached, last, forgotten)
