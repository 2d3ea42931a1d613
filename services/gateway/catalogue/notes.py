"""What the gateway saw, told beside the answer: nobody waits for it, and it may be lost."""

import asyncio
from contextlib import suppress
from typing import Final

from shared.contracts.message import Done, Query
from shared.errors import ApplicationError
from shared.messaging.requests import Requester

MAX_IN_FLIGHT: Final = 200
"""What comes on top is dropped, so that a notifier that is slow or away costs nothing."""

CLOSING_SECONDS: Final = 3.0


class Notes:
    """Tells the owners of queries what was seen."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self._on_the_way: set[asyncio.Task[None]] = set()

    def tell(self, note: Query) -> None:
        """Send a note on its way, if there is room."""
        if len(self._on_the_way) < MAX_IN_FLIGHT:
            task = asyncio.create_task(self._ask(note))
            self._on_the_way.add(task)
            task.add_done_callback(self._on_the_way.discard)

    async def close(self) -> None:
        """Wait a moment for what is on its way, then give it up."""
        if not self._on_the_way:
            return
        _, late = await asyncio.wait(self._on_the_way, timeout=CLOSING_SECONDS)
        for task in late:
            task.cancel()

    async def _ask(self, note: Query) -> None:
        with suppress(ApplicationError):
            await self._requester.ask(note, Done)
