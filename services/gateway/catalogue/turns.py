"""So many at a time in all, and so many of each account: a slow one holds up only itself."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID


class Turns:
    """Turns at what is slow because of others; those of one account wait for each other first."""

    def __init__(self, *, total: int, each: int) -> None:
        self._all = asyncio.Semaphore(total)
        self._each = each
        self._own: dict[UUID, asyncio.Semaphore] = {}
        self._interested: Counter[UUID] = Counter()

    @property
    def taken(self) -> int:
        """How many turns are taken or waited for."""
        return self._interested.total()

    def taken_by(self, account_id: UUID) -> int:
        """How many an account has taken or waits for."""
        return self._interested[account_id]

    @asynccontextmanager
    async def turn(self, account_id: UUID) -> AsyncGenerator[None]:
        """Wait for a turn of the account, then for one of all."""
        own = self._own.setdefault(account_id, asyncio.Semaphore(self._each))
        self._interested[account_id] += 1
        try:
            async with own, self._all:
                yield
        finally:
            self._interested[account_id] -= 1
            if not self._interested[account_id]:
                del self._interested[account_id], self._own[account_id]
