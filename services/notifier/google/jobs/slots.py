"""Single slots, for calls that no job of the queue was leased for."""

import asyncio

from services.notifier.google.repository import LimitRepository
from shared.database import Database


class Slots:
    """Waits for slots of projects, one at a time."""

    def __init__(self, database: Database, rate: float) -> None:
        self._database = database
        self._rate = rate

    async def take(self, project_id: str) -> None:
        """Take the next slot of a project, and wait until it comes."""
        is_taken, wait = False, 0.0
        while not is_taken:
            await asyncio.sleep(wait)
            async with self._database.work() as work:
                limits = LimitRepository(work.connection)
                is_taken, wait = await limits.take(project_id, self._rate)
        await asyncio.sleep(wait)
