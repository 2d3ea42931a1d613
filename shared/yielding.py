"""Long lists are worked on without holding the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Final, TypeVar

Row = TypeVar("Row")

ROWS_A_TURN: Final = 16
"""Rows of a pass each: some milliseconds."""


async def yielding(rows: Iterable[Row], most: int = ROWS_A_TURN) -> AsyncGenerator[Row]:
    """Give rows one by one; after every `most` of them others have their turn on the event loop."""
    for number, row in enumerate(rows):
        if number and number % most == 0:
            await asyncio.sleep(0)
        yield row
