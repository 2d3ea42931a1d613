"""Promise 11: a process that is told to stop under load loses nothing and does nothing twice."""

import asyncio
import time

from tests.promises.conftest import Figure
from tests.promises.ledger import PATIENCE_SECONDS, a_ledger
from tests.system import SERVICES, System, poll

STOPS = 100
STOP_SECONDS = 25.0


async def test_a_hundred_clean_stops_under_load_lose_and_double_nothing(
    system: System, figure: Figure
):
    codes: set[int] = set()
    slowest = 0.0
    async with a_ledger(system) as ledger:
        async with ledger.playing_on():
            for number in range(STOPS):
                process = system.processes[SERVICES[number % len(SERVICES)]]
                loaded = len(ledger.handles) + 20
                started = time.monotonic()
                codes.add(await asyncio.to_thread(process.stop))
                slowest = max(slowest, time.monotonic() - started)
                process.start()
                await system.until_ready()
                await poll(
                    lambda loaded=loaded: len(ledger.handles) >= loaded, "load", PATIENCE_SECONDS
                )
        table = await ledger.balance()

    assert codes == {0}
    assert slowest < STOP_SECONDS
    figure(f"{STOPS} stops, the slowest {slowest:.1f} s; {table['passes'][0]:,} passes balanced")
