"""Gathers what arrives into lists and hands them over one list at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from shared.logs import trace_of

Item = TypeVar("Item")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Intake(Generic[Item]):
    """While one list is in work the next one gathers; nothing waits for a timer."""

    def __init__(
        self,
        receiver: Callable[[list[Item]], Awaitable[None]],
        most: int,
        weigh: Callable[[Item], int],
        heaviest: int,
    ) -> None:
        """Make lists of at most `most` items, ending with the one that makes it `heaviest`."""
        self._receiver = receiver
        self._most = most
        self._weigh = weigh
        self._heaviest = heaviest
        self._waiting: asyncio.Queue[Item] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    def put(self, item: Item) -> None:
        self._waiting.put_nowait(item)

    def clear(self) -> None:
        """Drop what waits, for instance because its connection is gone."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
            self._waiting.task_done()

    async def stop(self, seconds: float = 20.0) -> None:
        """Give the list in work, and what was not cleared, some time to end."""
        try:
            await asyncio.wait_for(self._waiting.join(), timeout=seconds)
        except TimeoutError:
            log.warning("list_abandoned")
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    async def _work(self) -> None:
        while True:
            items = [await self._waiting.get()]
            weight = self._weigh(items[0])
            while len(items) < self._most and weight < self._heaviest and not self._waiting.empty():
                items.append(self._waiting.get_nowait())
                weight += self._weigh(items[-1])
            try:
                await self._receiver(items)
            except Exception as error:  # noqa: BLE001 - the worker must stay
                # A receiver settles its own failures; this one did not, so the list stays
                # unsettled and comes back when the connection ends.
                log.error(  # noqa: TRY400 - a trace with its message may show personal values
                    "receiver_failed", kind=type(error).__name__, trace=trace_of(error)
                )
            finally:
                for _ in items:
                    self._waiting.task_done()
