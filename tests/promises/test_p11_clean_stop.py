"""Promise 11: a process that is told to stop under load loses nothing and does nothing twice."""

import asyncio
import time

from tests.promises.conftest import Figure
from tests.promises.ledger import a_ledger
from tests.system import SERVICES, System

STOPS = 100
STOP_SECONDS = 25.0


async def test_a_hundred_clean_stops_under_load_lose_and_double_nothing(
    system: System, figure: Figure
):
    codes: set[int] = set()
    slowest = 0.0
    async with a_ledger(system) as ledger:
        playing = asyncio.create_task(ledger.play_on())
        for number in range(STOPS):
            process = system.processes[SERVICES[number % len(SERVICES)]]
            before = len(ledger.handles)
            started = time.monotonic()
            codes.add(await asyncio.to_thread(process.stop))
            slowest = max(slowest, time.monotonic() - started)
            process.start()
            await system.until_ready()
            while len(ledger.handles) < before + 20:  # there is a load again
                assert not playing.done(), playing
                await asyncio.sleep(0.05)
        ledger.is_open = False
        await playing
        table = await ledger.balance()

    assert codes == {0}
    assert slowest < STOP_SECONDS
    figure(f"{STOPS} stops, the slowest {slowest:.1f} s; {table['passes'][0]:,} passes balanced")
