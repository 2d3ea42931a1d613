"""Fetches of passes: the feed tells of each, and it is all that is kept of them."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

import orjson

from services.notifier.feed.repository.events import read_body
from shared.contracts.notifier import Observation
from shared.database import Connection

MAX_A_DAY: Final = 1_000
"""Of one pass, within 24 hours; what is more is not told."""

SHOWN: Final = ("status", "content_number", "version", "source")
"""What a timeline shows of a fetch."""


class FetchRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_room(self, handles: Collection[str]) -> dict[str, int]:
        """Tell how many fetches of each pass may still be told today."""
        rows = await self._connection.fetch(
            """
            SELECT
                handle,
                $2 - (
                    SELECT count(*)
                    FROM (
                        SELECT
                        FROM events v
                        WHERE v.handle = wanted.handle
                            AND v.kind = 'pass.fetched'
                            AND v.occurred_at > now() - interval '1 day'
                        LIMIT $2
                    ) AS today
                ) AS room
            FROM unnest($1::text[]) AS wanted (handle)
            """,
            list(handles),
            MAX_A_DAY,
        )
        return {row["handle"]: row["room"] for row in rows}

    async def list_newest(self, account_id: UUID, handle: str, limit: int) -> list[Observation]:
        rows = await self._connection.fetch(
            """
            SELECT *
            FROM events
            WHERE account_id = $1
                AND handle = $2
                AND kind = 'pass.fetched'
            ORDER BY occurred_at DESC, event_id DESC
            LIMIT $3
            """,
            account_id, handle, limit,
        )  # fmt: skip
        told = [(row["occurred_at"], orjson.loads(read_body(row))["data"]) for row in rows]
        return [
            Observation(at=at, kind="fetched", data={name: data[name] for name in SHOWN})
            for at, data in told
        ]
