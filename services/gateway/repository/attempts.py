"""Attempts in PostgreSQL, by the digest of the place at which they count."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.database import Connection

_PLACES_LOCK = 7_205_759


class AttemptRepository:
    """The attempts that were wrong or are on their way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, places: Sequence[bytes]) -> None:
        """Let others at these places wait for us."""
        for place in sorted(places):
            await self._connection.execute(
                "SELECT pg_advisory_xact_lock($1, $2)",
                _PLACES_LOCK,
                int.from_bytes(place[:4], "big", signed=True),
            )

    async def seconds_to_wait(self, place: bytes, most: int, within: timedelta) -> int | None:
        """Tell after how many seconds there are fewer than so many attempts; None if there are."""
        return await self._connection.fetchval(
            """
            SELECT greatest(ceil(extract(epoch FROM occurred_at + $3 - clock_timestamp())), 1)::int
            FROM attempts
            WHERE place = $1
                AND occurred_at > clock_timestamp() - $3::interval
            ORDER BY occurred_at DESC
            OFFSET $2 - 1
            LIMIT 1
            """,
            place,
            most,
            within,
        )

    async def add(self, attempt_id: UUID, places: Sequence[bytes]) -> None:
        """Note an attempt at each place."""
        await self._connection.execute(
            "INSERT INTO attempts (attempt_id, place) SELECT $1, unnest($2::bytea[])",
            attempt_id,
            places,
        )

    async def forget(self, attempt_id: UUID, places: Sequence[bytes]) -> None:
        """Delete an attempt."""
        await self._connection.execute(
            "DELETE FROM attempts WHERE place = ANY($2::bytea[]) AND attempt_id = $1",
            attempt_id,
            places,
        )

    async def forget_old(self, within: timedelta) -> None:
        """Delete attempts from before this time."""
        await self._connection.execute(
            """
            DELETE FROM attempts
            WHERE occurred_at <= now() - $1::interval
            """,
            within,
        )
