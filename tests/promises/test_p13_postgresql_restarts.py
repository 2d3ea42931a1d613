"""Promise 13: restarts of PostgreSQL are survived."""

import asyncio
import time

from tests.promises.conftest import Figure
from tests.promises.faults import kill_postgresql
from tests.promises.ledger import a_ledger
from tests.system import System

RESTARTS = 20
BACK_SECONDS = 5.0
CALM_SECONDS = 2.0


async def test_twenty_restarts_of_postgresql_are_survived(system: System, figure: Figure):
    """Its processes are killed, which is worse than an immediate shutdown."""
    waited: list[float] = []
    async with a_ledger(system) as ledger:
        playing = asyncio.create_task(ledger.play_on())
        for _ in range(RESTARTS):
            await asyncio.sleep(CALM_SECONDS)
            await kill_postgresql(system)
            started = time.monotonic()
            while ledger.acknowledged_at < started:
                assert not playing.done(), playing
                await asyncio.sleep(0.02)
            waited.append(ledger.acknowledged_at - started)
        ledger.is_open = False
        await playing
        table = await ledger.balance()

    assert max(waited) < BACK_SECONDS
    figure(
        f"{RESTARTS} restarts, at most {max(waited):.1f} s without an answer;"
        f" {table['passes'][0]:,} passes balanced"
    )
