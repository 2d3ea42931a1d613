"""Promise 6: a publish of which nobody knows whether it came through has one effect."""

import asyncio
import re

import aiohttp
import pytest

from tests.promises.conftest import Figure
from tests.promises.faults import fill_rabbitmq_memory
from tests.promises.ledger import a_ledger, play_amid
from tests.sockets import free_port
from tests.system import System

FROZEN_SECONDS = 30.0
TEXT = re.MULTILINE
CONSUMERS = ("triggers", "generator", "notifier", "member")


async def freeze_for_long(system: System) -> None:
    with system.own_rabbitmq.paused():
        await asyncio.sleep(FROZEN_SECONDS)


@pytest.mark.parametrize("fault", [freeze_for_long, fill_rabbitmq_memory])
async def test_a_broker_that_stands_still_amid_publishing_doubles_no_effect(
    fault: object, system: System, figure: Figure
):
    ports = {name: free_port() for name in CONSUMERS}
    for name, port in ports.items():
        process = system.processes[name]
        await asyncio.to_thread(process.stop)
        process.start(PASSWRIGHT_HEALTH_PORT=str(port))
    await system.until_ready()
    async with a_ledger(system) as ledger:
        _, seconds = await play_amid(ledger, fault)  # type: ignore[arg-type]
        twins = sum([await twins_at(port) for port in ports.values()])

    if fault is freeze_for_long:
        assert twins > 0  # else nothing was tried
        figure(f"{twins} twins absorbed, 0 effects twice, balanced after {seconds:.1f} s")


async def twins_at(port: int) -> int:
    """Messages that came once more to a process and were not handled again."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://localhost:{port}/metrics") as response,
    ):
        text = await response.text()
    lines = re.findall(r'^passwright_messages_total\{.*outcome="twin".*\} (\S+)$', text, TEXT)
    return sum(int(float(number)) for number in lines)
