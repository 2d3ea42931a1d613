"""What the gateway saw, told beside the answer: nobody waits for it, and it may be lost."""

import asyncio
from contextlib import suppress
from typing import Final

from shared.contracts.message import Done, Query
from shared.errors import ApplicationError
from shared.messaging.requests import Requester

MAX_IN_FLIGHT: Final = 500
"""What comes on top is dropped, so that a notifier that is slow or away costs nothing."""

CLOSING_SECONDS: Final = 3.0

LINGER_SECONDS: Final = 0.05
"""For so long a note that is in no hurry waits for others, to be joined with them."""


class Notes:
    """Tells the owners of queries what was seen."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self._on_the_way: set[asyncio.Task[None]] = set()
        self._waiting: list[Query] = []

    def tell(self, note: Query) -> None:
        """Send a note on its way, if there is room."""
        if len(self._on_the_way) + len(self._waiting) < MAX_IN_FLIGHT:
            self._send(note)

    def tell_soon(self, note: Query) -> None:
        """Send a note that changes nothing for anybody a moment later, joined with others."""
        if len(self._on_the_way) + len(self._waiting) >= MAX_IN_FLIGHT:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._send_waiting)
        self._waiting.append(note)

    async def close(self) -> None:
        """Wait a moment for what is on its way, then give it up."""
        self._send_waiting()
        if not self._on_the_way:
            return
        _, late = await asyncio.wait(self._on_the_way, timeout=CLOSING_SECONDS)
        for task in late:
            task.cancel()

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for note in waiting:
            self._send(note)

    def _send(self, note: Query) -> None:
        task = asyncio.create_task(self._ask(note))
        self._on_the_way.add(task)
        task.add_done_callback(self._on_the_way.discard)

    async def _ask(self, note: Query) -> None:
        with suppress(ApplicationError):
            await self._requester.ask(note, Done)
