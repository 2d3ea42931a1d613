"""Promises 3 and 4: without a broker requests are refused at once, and what was taken is there."""

import asyncio
import statistics
import time

from tests.promises.conftest import Figure
from tests.promises.ledger import a_ledger
from tests.system import System

AWAY_SECONDS = 120.0
DRAIN_SECONDS = 60.0
PAUSE_SECONDS = 0.08
"""Of each client, so that all of them make about 200 requests a second."""


async def test_two_minutes_without_a_broker_lose_nothing_that_was_acknowledged(
    system: System, figure: Figure
):
    async with a_ledger(system) as ledger:
        async with ledger.playing_on(PAUSE_SECONDS):
            await asyncio.sleep(5)
            before = len(ledger.handles)
            await asyncio.to_thread(system.own_rabbitmq.kill)
            await asyncio.sleep(AWAY_SECONDS)
            refused = list(ledger.refused)
            await asyncio.to_thread(system.own_rabbitmq.start)
            returned = time.monotonic()
            await asyncio.sleep(5)
        await ledger.balance(DRAIN_SECONDS)
        seconds = time.monotonic() - returned

    slowest = statistics.quantiles(refused, n=1000)[-1]
    assert before > 0
    assert len(refused) > 1000
    assert slowest < 1
    assert seconds < DRAIN_SECONDS
    figure(
        f"{len(refused):,} refused, 999 of 1,000 within {slowest * 1000:.0f} ms;"
        f" all there {seconds:.0f} s after the return"
    )
