"""Joins what arrives while the previous batch is on the way: no timer, no wait when idle."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Joiner(Generic[Item, Result]):
    """Sends single items in batches of at most `most`, with at most `in_flight` on the way.

    `send` answers in order, an exception in place of a result for an item that failed alone;
    if it raises, all items of that batch fail with it. A batch that is on the way for longer than
    `patience` seconds no longer counts: one slow answer holds up nobody but those who wait for it.
    """

    def __init__(
        self,
        send: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        most: int = 100,
        in_flight: int = 1,
        patience: float = 0.25,
    ) -> None:
        self._send = send
        self._most = most
        self._in_flight = in_flight
        self._patience = patience
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._on_the_way = 0
        self._senders: set[asyncio.Task[None]] = set()

    async def join(self, item: Item) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._start()
        return await future

    def _start(self) -> None:
        """Send what waits, if there is room; what comes in this turn of the loop still joins."""
        if self._waiting and self._on_the_way < self._in_flight:
            self._on_the_way += 1
            sender = asyncio.create_task(self._send_batch())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def _send_batch(self) -> None:
        room = _Room(self)
        late = asyncio.get_running_loop().call_later(self._patience, room.leave)
        try:
            count = min(len(self._waiting), self._most)
            batch = [self._waiting.popleft() for _ in range(count)]
            await self._deliver([(item, future) for item, future in batch if not future.done()])
        finally:
            late.cancel()
            room.leave()

    async def _deliver(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = await self._send([item for item, _ in batch])
            if len(results) != len(batch):
                raise ValueError("not one answer per item")  # noqa: TRY301 - as any failure
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the waiters
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def leave(self) -> None:
        """Count one batch less on the way."""
        self._on_the_way -= 1
        self._start()


class _Room:
    """The place of one batch on the way; left once, by whichever comes first."""

    def __init__(self, joiner: Joiner[Any, Any]) -> None:
        self._joiner: Joiner[Any, Any] | None = joiner

    def leave(self) -> None:
        joiner, self._joiner = self._joiner, None
        if joiner is not None:
            joiner.leave()
