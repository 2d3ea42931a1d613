"""Promise 9: a message that kills its process becomes a dead letter; the others are handled."""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable

import asyncpg

from shared.messaging.consumer import MAX_STARTS
from shared.messaging.rabbitmq import RabbitMQTransport
from tests import servers
from tests.forking import ROOT
from tests.integration.messaging.toys import an_event, effects, toy_database
from tests.promises.conftest import Figure
from tests.promises.killer import POISON
from tests.system import System, poll

MESSAGES = 1000
SECONDS = 120


async def test_one_message_in_a_thousand_that_kills_harms_no_other(system: System, figure: Figure):
    broker = system.own_rabbitmq
    transport = RabbitMQTransport(broker.url, prefix=f"promise{secrets.token_hex(4)}")
    await transport.start()
    url = await a_database(system)
    async with toy_database(url) as toys:
        events = [an_event(f"ticket-{number:03}") for number in range(MESSAGES - 1)]
        events.insert(MESSAGES // 2, an_event(POISON))
        assert not await transport.publish(events)

        async def is_done() -> bool:
            handled = len(await effects(toys)) >= MESSAGES - 1
            return handled and bool(await transport.dead_letters("notifier"))

        arguments = [broker.url, transport.names.of("")[:-1], url]
        async with asyncio.timeout(SECONDS):
            deaths = await work_until(is_done, *arguments)
        handled = await effects(toys)
    letters = await transport.dead_letters("notifier")
    await transport.stop()

    assert handled == [f"ticket-{number:03}" for number in range(MESSAGES - 1)]
    assert [letter.reason for letter in letters] == ["kills its process"]
    assert 0 < deaths <= MAX_STARTS + 1
    figure(f"1 dead letter, {len(handled)} handled, {deaths} processes killed by it")


async def a_database(system: System) -> str:
    """The URL of a new, empty one."""
    name = f"promise_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(system.own_postgres.url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return servers.with_database(system.own_postgres.url, name)


async def work_until(is_done: Callable[[], Awaitable[bool]], *arguments: str) -> int:
    """Start a consumer again whenever it has died; how often that was."""
    deaths = 0
    while not await is_done():
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.promises.killer", *arguments, cwd=ROOT
        )

        async def is_over(worker: asyncio.subprocess.Process = worker) -> bool:
            return worker.returncode is not None or await is_done()

        await poll(is_over, "end of the consumer", SECONDS)
        if worker.returncode is None:
            worker.kill()
        else:
            deaths += 1
        await worker.wait()
    return deaths
