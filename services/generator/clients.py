"""The press room: threads that compose and sign side by side."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from services.generator.domain import Earlier, OwnImages, Plate, Sheet, press
from shared.contracts.triggers import Pass

LEAST_PER_THREAD = 8
"""Fewer passes than this are not worth another thread's start."""

PressJob = tuple[Plate, Pass, Earlier | None, OwnImages]


class PressRoom:
    """Presses lists of passes in threads; signing releases the interpreter's lock."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="press")

    async def press(self, jobs: list[PressJob], at: datetime) -> list[Sheet]:
        """Compose and sign each; the order stays."""
        if not jobs:
            return []
        size = max(LEAST_PER_THREAD, -(-len(jobs) // self._threads))
        loop = asyncio.get_running_loop()
        sheets = await asyncio.gather(
            *(
                loop.run_in_executor(self._pool, _press_all, jobs[start : start + size], at)
                for start in range(0, len(jobs), size)
            )
        )
        return [sheet for part in sheets for sheet in part]

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _press_all(jobs: list[PressJob], at: datetime) -> list[Sheet]:
    return [press(plate, pass_, earlier, at, own) for plate, pass_, earlier, own in jobs]
