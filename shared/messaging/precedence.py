"""Lets long work give way, within a process, to what people wait for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

Item = TypeVar("Item")
Receive = Callable[[list[Item]], Awaitable[None]]

RECENT_SECONDS: Final = 0.5
"""For so long after an interactive message bulk work pauses between its lists."""

PAUSE_SHARE: Final = 1.0
"""The pause, as a share of the time that the list before took."""

MAX_PAUSE_SECONDS: Final = 0.1


class Precedence:
    """The lists of both lanes of one service, in one process.

    A list of bulk work holds a core for some ten milliseconds, and a scan needs several processes
    in turn. While people wait for something, each list of bulk work is followed by a pause.
    """

    def __init__(self) -> None:
        self._asked_at = float("-inf")

    def first(self, receive: Receive[Item]) -> Receive[Item]:
        """Receive what people wait for."""

        async def receive_first(items: list[Item]) -> None:
            self._asked_at = asyncio.get_running_loop().time()
            await receive(items)

        return receive_first

    def behind(self, receive: Receive[Item]) -> Receive[Item]:
        """Receive long work, which has its turn whenever it has paused."""

        async def receive_behind(items: list[Item]) -> None:
            loop = asyncio.get_running_loop()
            started = loop.time()
            await receive(items)
            ended = loop.time()
            if ended - self._asked_at < RECENT_SECONDS:
                await asyncio.sleep(min((ended - started) * PAUSE_SHARE, MAX_PAUSE_SECONDS))

        return receive_behind
