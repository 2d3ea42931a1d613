"""Does batches: a few chunks of rows at a time, in turns among accounts."""

from collections.abc import Sequence
from typing import Final

from services.gateway.catalogue.batches import DoneChunk, LeasedChunk
from services.gateway.context import Context
from services.gateway.usecases.batch_rows import do_rows
from shared.crashing import crash_point
from shared.errors import RetryableError, UnavailableError
from shared.pipeline import Pipeline

PLACES: Final = 4
"""Chunks in hand: while one is recorded others keep the owners busy."""

LOOK_SECONDS: Final = 1.0
RENEW_SECONDS: Final = 4.0
DRAIN_SECONDS: Final = 5.0
MAX_ATTEMPTS: Final = 20
"""So often a chunk is tried that nobody can do; then its batch has failed."""


class BatchWorker(Pipeline[LeasedChunk, DoneChunk]):
    """Does what accounts have sent; any number of gateways share in it."""

    def __init__(self, context: Context) -> None:
        super().__init__(
            context.batches.due,
            places=PLACES,
            look_seconds=LOOK_SECONDS,
            drain_seconds=DRAIN_SECONDS,
            failure="batch_rows_failed",
        )
        self._context = context

    async def exchange(self, finished: Sequence[DoneChunk], free: int, /) -> list[LeasedChunk]:
        """Record chunks and lease others, each in a transaction that locks one batch."""
        for done in finished:
            await self._context.batches.record(done)
        claimed: list[LeasedChunk] = []
        while len(claimed) < free:
            leased = await self._context.batches.lease()
            if leased is None:
                break
            claimed.append(leased)
        return claimed

    async def act(self, leased: LeasedChunk, /) -> DoneChunk | None:
        """Do the rows of a chunk."""
        crash_point("batches.leased")
        try:
            opened = self._context.batches.open(leased)
            outcomes = await do_rows(self._context, opened)
        except (UnavailableError, RetryableError):
            raise
        except Exception:
            if leased.chunk.attempts >= MAX_ATTEMPTS:
                await self._context.batches.fail(leased, "Some of its rows cannot be done.")
            raise
        crash_point("batches.done")
        return DoneChunk(opened, outcomes)

    async def renew_leases(self, held: Sequence[LeasedChunk], /) -> None:
        """Hold the leases of what is being done."""
        await self._context.batches.renew(held)

    async def give_back(
        self, finished: Sequence[DoneChunk], lost: Sequence[LeasedChunk], /
    ) -> None:
        """Record what is done; another process may do the rest at once."""
        for done in finished:
            await self._context.batches.record(done)
        if lost:
            await self._context.batches.release(lost)
