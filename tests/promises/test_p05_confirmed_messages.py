"""Promise 5: what the broker has confirmed is there after it was killed."""

import asyncio
import secrets
import time

from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.rabbitmq import RabbitMQTransport
from shared.messaging.transport import TransportAwayError
from tests.integration.messaging.toys import QUEUE, an_event
from tests.promises.conftest import Figure
from tests.system import System, poll

TURNS, MESSAGES, LIST = 20, 5000, 500
SAFE_AGE = 2.0
"""A quorum queue younger than that is lost with its node."""


async def test_every_confirmed_message_survives_the_broker_s_kill(system: System, figure: Figure):
    broker = system.own_rabbitmq
    transport = RabbitMQTransport(broker.url, prefix=f"promise{secrets.token_hex(4)}")
    got: set[str] = set()

    async def take(deliveries: list[Delivery]) -> None:
        got.update(str(delivery.envelope.message_id) for delivery in deliveries)
        await asyncio.gather(*(delivery.done() for delivery in deliveries))

    await transport.start()
    declared = time.monotonic()
    sent: set[str] = set()
    for _ in range(TURNS):
        for _ in range(MESSAGES // LIST):
            events = [an_event("ticket") for _ in range(LIST)]
            await publish(transport, events)
            sent |= {str(event.message_id) for event in events}
        await poll(lambda: time.monotonic() - declared > SAFE_AGE, "safe age")
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
    reader = RabbitMQTransport(broker.url, prefix=transport.names.of("")[:-1])
    reader.receive_events(QUEUE, take, most=200)
    await reader.start()
    await poll(lambda: sent <= got, "confirmed messages", 120)
    await reader.stop()
    await transport.stop()

    assert len(sent) == TURNS * MESSAGES
    figure(f"{len(sent & got):,} of {len(sent):,} after {TURNS} kills")


async def publish(transport: RabbitMQTransport, events: list[Envelope]) -> None:
    """Publish until it is confirmed."""
    async with asyncio.timeout(60):
        while True:
            try:
                unrouted = await transport.publish(events)
            except TransportAwayError:
                await asyncio.sleep(0.1)
                continue
            assert not unrouted
            return
