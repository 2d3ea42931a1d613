"""The gateways that run at the moment."""

from uuid import UUID

from shared.database import Connection


class ProcessRepository:
    """A row for each process, as fresh as its last beat."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def beat(self, process_id: UUID, alive_seconds: float) -> int:
        """Say that a process runs; returns how many do, and forgets those that do no more."""
        await self._connection.execute(
            """
            INSERT INTO processes (process_id)
            VALUES ($1)
            ON CONFLICT (process_id) DO UPDATE SET seen_at = now()
            """,
            process_id,
        )
        await self._connection.execute(
            "DELETE FROM processes WHERE seen_at < now() - make_interval(secs => $1)", alive_seconds
        )
        return await self._connection.fetchval("SELECT count(*) FROM processes")

    async def leave(self, process_id: UUID) -> None:
        """Say that a process ends."""
        await self._connection.execute("DELETE FROM processes WHERE process_id = $1", process_id)
