"""Clicks on links: counted in memory, added to their table every second."""

from collections import Counter
from datetime import date
from typing import Final
from uuid import UUID

from services.gateway.repository.links import ClickCount, LinkRepository
from shared import clock
from shared.database import Database
from shared.errors import UnavailableError

FLUSH_SECONDS: Final = 1.0
MAX_PLACES: Final = 100_000
"""Programs, campaigns and sources of which clicks wait while the database is away."""

Place = tuple[UUID, str, str, date]
"""Program, campaign, source, day."""


class LinkClicks:
    """Counts clicks; a process that is killed takes those of its last second with it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting = Counter[Place]()

    def count(self, program_id: UUID, campaign: str, source: str) -> None:
        """Count a click."""
        place = (program_id, campaign, source, clock.now().date())
        if place in self._waiting or len(self._waiting) < MAX_PLACES:
            self._waiting[place] += 1

    async def flush(self) -> None:
        """Add what was counted; while the database is away it waits."""
        taken = self._waiting
        if not taken:
            return
        self._waiting = Counter[Place]()
        counts = [ClickCount(*place, clicks) for place, clicks in taken.items()]
        try:
            async with self._database.work() as work:
                await LinkRepository(work.connection).count_clicks(counts)
        except UnavailableError:
            self._waiting.update(taken)

    async def read(
        self, program_id: UUID, after: tuple[str, str] | None, limit: int
    ) -> dict[tuple[str, str], int]:
        """Give the clicks of a program by campaign and source, in their order."""
        async with self._database.connection() as connection:
            return await LinkRepository(connection).read_clicks(program_id, after, limit)
