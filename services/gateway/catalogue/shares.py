"""A limit over all gateways, of which each has the same share."""

from collections.abc import Hashable
from contextlib import suppress
from typing import Final

from services.gateway.repository.processes import ProcessRepository
from shared.database import Database
from shared.errors import UnavailableError
from shared.http.windows import SlidingWindows
from shared.identifiers import new_id

BEAT_SECONDS: Final = 1.0
ALIVE_SECONDS: Final = 5.0
"""A gateway that has not been seen for so long leaves its share to the others."""


class SharedLimit:
    """At most `limit` requests of one name in any second, over all gateways; 0: no limit.

    Each gateway lets in its share, the limit divided by how many of them run: nothing is asked of
    others for a request, and all together never let in more, but for the second in which the others
    have not yet heard of a new one. Whoever spreads requests over the gateways as a load balancer
    does gets the whole limit; over one connection one gets the share of one gateway.
    """

    def __init__(self, database: Database, limit: int) -> None:
        self._database = database
        self._limit = limit
        self._process_id = new_id()
        self._windows = SlidingWindows(limit)

    @property
    def limit(self) -> int:
        """How many requests a second all gateways let in together."""
        return self._limit

    def admits(self, name: Hashable) -> bool:
        """Let a request in, unless too many came before it."""
        return not self._limit or self._windows.admit(name)

    async def beat(self) -> None:
        """Say that this gateway runs, and take its share; while the database is away it stays."""
        if not self._limit:
            return
        with suppress(UnavailableError):
            async with self._database.work() as work:
                count = await ProcessRepository(work.connection).beat(
                    self._process_id, ALIVE_SECONDS
                )
            self._windows.limit = max(1, self._limit // max(1, count))

    async def leave(self) -> None:
        """Leave this gateway's share to the others."""
        with suppress(UnavailableError):
            async with self._database.work() as work:
                await ProcessRepository(work.connection).leave(self._process_id)
