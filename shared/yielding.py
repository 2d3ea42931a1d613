"""Long lists are worked on without holding the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from itertools import islice
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

Row = TypeVar("Row")

ROWS_A_TURN: Final = 16
"""Rows of a pass each: some milliseconds."""

_turns: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]()


async def yielding(rows: Iterable[Row], most: int = ROWS_A_TURN) -> AsyncGenerator[Row]:
    """Give rows one by one; after every `most` of them others have their turn on the event loop.

    Long lists take turns with each other too: however many there are, one of them is worked on
    between two looks for what has arrived.
    """
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    left = iter(rows)
    for row in islice(left, most):  # a short list waits for nobody
        yield row
    while chunk := list(islice(left, most)):
        async with turn:
            await asyncio.sleep(0)
        for row in chunk:
            yield row
