"""Joins what arrives while the previous batch is on the way: no timer, no wait when idle."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Joiner(Generic[Item, Result]):
    """Sends single items in batches of at most `most`, with at most `in_flight` on the way.

    `send` answers in order, an exception in place of a result for an item that failed alone;
    if it raises, all items of that batch fail with it.
    """

    def __init__(
        self,
        send: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        most: int = 100,
        in_flight: int = 1,
    ) -> None:
        self._send = send
        self._most = most
        self._in_flight = in_flight
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._sending = 0
        self._senders: set[asyncio.Task[None]] = set()

    async def join(self, item: Item) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sending < self._in_flight:
            self._sending += 1
            sender = asyncio.create_task(self._send_waiting())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        return await future

    async def _send_waiting(self) -> None:
        try:
            await self._send_batches()
        finally:
            # Counted here and not when the task is found to be done, one turn of the loop later:
            # an item that came in between would wait for a sender that has left.
            self._sending -= 1

    async def _send_batches(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), self._most)
            batch = [self._waiting.popleft() for _ in range(count)]
            wanted = [(item, future) for item, future in batch if not future.done()]
            if not wanted:
                continue
            try:
                results = await self._send([item for item, _ in wanted])
                if len(results) != len(wanted):
                    raise ValueError("not one answer per item")  # noqa: TRY301 - as any failure
            except asyncio.CancelledError:
                for _, future in wanted:
                    future.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the waiters
                results = [error] * len(wanted)
            for (_, future), result in zip(wanted, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
