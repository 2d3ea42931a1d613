"""Promise 8: whatever happens to the broker or the line to it, consumers come back."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aio_pika

from shared.messaging.envelope import Delivery
from shared.messaging.rabbitmq import RabbitMQTransport
from shared.messaging.transport import TransportAwayError
from tests.integration.messaging.toys import QUEUE, an_event
from tests.lines import Line
from tests.promises.conftest import Figure
from tests.system import System

RUNS = 50
BACK_SECONDS = 15.0
FROZEN_SECONDS = 5.0
SAVED_SECONDS = 2.0
"""A node that is killed within half a second after a queue was declared loses where its log is."""


async def test_consumers_are_back_within_seconds_after_every_fault(system: System, figure: Figure):
    broker = system.own_rabbitmq
    line = Line(broker.url)
    got: set[str] = set()

    async def take(deliveries: list[Delivery]) -> None:
        got.update(str(delivery.envelope.message_id) for delivery in deliveries)
        await asyncio.gather(*(delivery.done() for delivery in deliveries))

    async def delete_queue() -> None:
        async with (
            await aio_pika.connect(broker.url) as connection,
            await connection.channel() as channel,
        ):
            await channel.queue_delete(transport.names.of(QUEUE))

    async def cut_line() -> None:
        line.cut()

    async def restart() -> None:
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)

    async def freeze() -> None:
        with broker.paused():
            await asyncio.sleep(FROZEN_SECONDS)

    faults: list[Callable[[], Awaitable[None]]] = [delete_queue, cut_line, restart, freeze]
    async with line.opened() as url:
        transport = RabbitMQTransport(url, prefix=f"promise{secrets.token_hex(4)}")
        transport.receive_events(QUEUE, take, most=10)
        await transport.start()
        waited = [await until_consuming(transport, got)]
        for number in range(RUNS):
            await faults[number % len(faults)]()
            waited.append(await until_consuming(transport, got))
            await asyncio.sleep(SAVED_SECONDS)
        await transport.stop()

    assert max(waited) < BACK_SECONDS
    figure(f"{RUNS} of {RUNS}, the slowest after {max(waited):.1f} s")


async def until_consuming(transport: RabbitMQTransport, got: set[str]) -> float:
    """Publish until something arrives; how long that took, in seconds."""
    started = time.monotonic()
    sent: set[str] = set()
    while not sent & got:
        assert time.monotonic() - started < 2 * BACK_SECONDS, "nothing arrives"
        event = an_event("ticket")
        with suppress(TransportAwayError):
            if not await transport.publish([event]):
                sent.add(str(event.message_id))
        await asyncio.sleep(0.05)
    return time.monotonic() - started
