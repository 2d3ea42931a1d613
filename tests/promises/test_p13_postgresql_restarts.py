"""Promise 13: restarts of PostgreSQL are survived."""

import asyncio
import time

from tests.promises.conftest import Figure
from tests.promises.faults import kill_postgresql
from tests.promises.ledger import PATIENCE_SECONDS, a_ledger
from tests.system import System, poll

RESTARTS = 20
BACK_SECONDS = 5.0
CALM_SECONDS = 2.0


async def test_twenty_restarts_of_postgresql_are_survived(system: System, figure: Figure):
    """Its processes are killed, which is worse than an immediate shutdown."""
    waited: list[float] = []
    async with a_ledger(system) as ledger:
        async with ledger.playing_on():
            for _ in range(RESTARTS):
                await asyncio.sleep(CALM_SECONDS)
                await kill_postgresql(system)
                started = time.monotonic()
                await poll(
                    lambda started=started: ledger.acknowledged_at >= started,
                    "answer",
                    PATIENCE_SECONDS,
                )
                waited.append(ledger.acknowledged_at - started)
        table = await ledger.balance()

    assert max(waited) < BACK_SECONDS
    figure(
        f"{RESTARTS} restarts, at most {max(waited):.1f} s without an answer;"
        f" {table['passes'][0]:,} passes balanced"
    )
