"""Promise 1: whatever is killed meanwhile, each acknowledged request has exactly one effect."""

import asyncio
import random

from tests.promises.conftest import Figure
from tests.promises.faults import kill
from tests.promises.ledger import a_ledger
from tests.system import SERVICES, System

ISSUES, SCANS = 80_000, 20_000
KILL_SECONDS = 5.0


async def test_a_hundred_thousand_requests_have_one_effect_each_while_processes_are_killed(
    system: System, figure: Figure
):
    kills = 0

    async def kill_now_and_then() -> None:
        nonlocal kills
        while True:
            await asyncio.sleep(KILL_SECONDS)
            await kill(random.choice(SERVICES), system)
            kills += 1

    async with a_ledger(system) as ledger:
        async with asyncio.TaskGroup() as tasks:
            killing = tasks.create_task(kill_now_and_then())
            await ledger.play(ISSUES, SCANS)
            killing.cancel()
        await ledger.balance()

    assert kills > 10
    figure(f"{ISSUES + SCANS:,} requests, {kills} kills: 0 lost, 0 done twice")
