"""A pool of threads that compose and sign side by side."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from services.generator.renderers.apple import RenderedPass, RenderJob

LEAST_PER_THREAD = 8
"""Fewer passes than this are not worth another thread's start."""


class RenderPool:
    """Renders lists of passes in threads; signing releases the interpreter's lock."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="render")

    async def render(self, jobs: Sequence[RenderJob], at: datetime) -> list[RenderedPass]:
        """Compose and sign each; the order stays."""
        if not jobs:
            return []
        size = max(LEAST_PER_THREAD, -(-len(jobs) // self._threads))
        loop = asyncio.get_running_loop()
        all_rendered = await asyncio.gather(
            *(
                loop.run_in_executor(self._pool, _render_all, jobs[start : start + size], at)
                for start in range(0, len(jobs), size)
            )
        )
        return [rendered for part in all_rendered for rendered in part]

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _render_all(jobs: Sequence[RenderJob], at: datetime) -> list[RenderedPass]:
    return [job.render(at) for job in jobs]
