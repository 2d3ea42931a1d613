"""RabbitMQ dies, hangs up or loses a queue; the transport comes back, what was confirmed too."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator

import aio_pika
import pytest

from deploy.local.rabbitmq import PrivateRabbitMQ
from shared.contracts.triggers import EventsLogged
from shared.database import Database
from shared.messaging.consumer import EventConsumer
from shared.messaging.envelope import Delivery, Question
from shared.messaging.rabbitmq import RabbitMQTransport
from shared.messaging.subscription import on
from shared.messaging.transport import TransportAwayError
from tests.integration.messaging.toys import KEYS, QUEUE, an_event, effects, note_events, until
from tests.lines import Line

SAFE_AGE = 2.0
"""A quorum queue younger than that is lost with its node (design notes, finding 8)."""


@pytest.fixture
async def transport(amqp_url: str) -> AsyncIterator[RabbitMQTransport]:
    transport = RabbitMQTransport(amqp_url, prefix=f"test{secrets.token_hex(4)}")
    yield transport
    await transport.stop()


def listen(transport: RabbitMQTransport, database: Database) -> None:
    consumer = EventConsumer("notifier", database, [on(EventsLogged, note_events)], KEYS)
    transport.receive_events(QUEUE, consumer.receive, most=10)


async def publish_when_back(transport: RabbitMQTransport, handle: str, seconds: float) -> None:
    event = an_event(handle)
    async with asyncio.timeout(seconds):
        while True:
            try:
                await transport.publish([event])
            except TransportAwayError:
                await asyncio.sleep(0.05)
            else:
                return


async def handled(database: Database, handle: str) -> bool:
    return handle in await effects(database)


async def test_a_broker_that_is_killed_comes_back_with_all_that_was_confirmed(
    toys: Database,
    transport: RabbitMQTransport,
    rabbitmq_server: PrivateRabbitMQ | None,
    amqp_url: str,
):
    if rabbitmq_server is None:
        pytest.skip("the broker is not ours to kill")
    await transport.start()
    declared = time.monotonic()
    await transport.publish([an_event(f"ticket-{n:02}") for n in range(50)])
    await until(lambda: time.monotonic() - declared > SAFE_AGE)
    pending = asyncio.create_task(transport.ask("member", "interactive", "member.q.v1", b"[]", 20))
    await asyncio.sleep(0.1)

    rabbitmq_server.kill()
    killed = time.monotonic()
    with pytest.raises(TransportAwayError):
        await pending
    with pytest.raises(TransportAwayError):
        await transport.publish([an_event("never")])
    refused_after = time.monotonic() - killed
    await asyncio.to_thread(rabbitmq_server.start)
    await publish_when_back(transport, "after", 60)
    reader = RabbitMQTransport(amqp_url, prefix=transport.names.of("")[:-1])
    listen(reader, toys)
    await reader.start()
    await until(lambda: handled(toys, "after"))
    await until(lambda: handled(toys, "ticket-49"))
    await reader.stop()

    assert refused_after < 10  # it was asked to wait for twenty
    assert set(await effects(toys)) >= {f"ticket-{n:02}" for n in range(50)}
    assert sorted(set(await effects(toys))) == await effects(toys)


async def test_a_connection_that_is_cut_is_made_again_and_consuming_resumes(
    toys: Database, amqp_url: str
):
    line = Line(amqp_url)
    async with line.opened() as url:
        transport = RabbitMQTransport(url, prefix=f"test{secrets.token_hex(4)}")
        listen(transport, toys)
        asked_there = asyncio.Event()

        async def keep_silent(questions: list[Question]) -> None:
            asked_there.set()

        transport.receive_questions("member", "interactive", keep_silent, most=1)
        await transport.start()
        await publish_when_back(transport, "before", 60)
        asked = transport.ask("member", "interactive", "member.q.v1", b"[]", 20)
        pending = asyncio.create_task(asked)
        await asked_there.wait()
        await until(lambda: handled(toys, "before"))

        line.cut()
        started = time.monotonic()
        with pytest.raises(TransportAwayError):
            await pending
        told_after = time.monotonic() - started
        await publish_when_back(transport, "after", 60)
        await until(lambda: handled(toys, "after"), 60)
        await transport.stop()

    assert told_after < 10  # it was asked to wait for twenty
    assert await effects(toys) == ["after", "before"]


async def test_a_deleted_queue_is_declared_again_and_consuming_resumes(
    toys: Database, transport: RabbitMQTransport, amqp_url: str
):
    listen(transport, toys)
    await transport.start()
    await publish_when_back(transport, "before", 5)
    await until(lambda: handled(toys, "before"))

    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(transport.names.of(QUEUE))
    async with asyncio.timeout(15):
        number = 0
        while not await handled(toys, f"after-{number}"):
            number += 1
            await publish_when_back(transport, f"after-{number}", 10)
            try:
                await until(lambda: handled(toys, f"after-{number}"), 0.5)  # noqa: B023
            except TimeoutError:
                continue


async def test_draining_finishes_the_list_in_work_and_gives_back_the_rest(
    toys: Database, transport: RabbitMQTransport, amqp_url: str
):
    begun, go_on = asyncio.Event(), asyncio.Event()
    first: list[str] = []
    consumer = EventConsumer("notifier", toys, [on(EventsLogged, note_events)], KEYS)

    async def hold(deliveries: list[Delivery]) -> None:
        first.extend(str(d.envelope.message_id) for d in deliveries)
        begun.set()
        await go_on.wait()
        await consumer.receive(deliveries)

    transport.receive_events(QUEUE, hold, most=5)
    await transport.start()
    await transport.publish([an_event(f"ticket-{n:02}") for n in range(40)])
    await begun.wait()

    stopping = asyncio.create_task(transport.stop_receiving())
    await asyncio.sleep(0.1)
    waited = not stopping.done()
    go_on.set()
    await stopping
    finished = len(await effects(toys))
    connected = transport.connected
    await transport.publish([an_event("while-draining")])
    other = RabbitMQTransport(amqp_url, prefix=transport.names.of("")[:-1])
    listen(other, toys)
    await other.start()
    await until(lambda: all_there(toys, 41))
    await other.stop()

    assert waited
    assert connected
    assert finished == len(first) <= 5
    await asyncio.sleep(0.3)
    assert transport.connected


async def test_stopping_closes_every_connection(amqp_url: str):
    line = Line(amqp_url)
    async with line.opened() as url:
        transport = RabbitMQTransport(url, prefix=f"test{secrets.token_hex(4)}")
        await transport.start()
        open_before = line.connections

        await transport.stop()
        await until(lambda: line.connections == 0, 3)

    assert open_before == 2
    assert not transport.connected


async def test_starting_without_a_broker_returns_and_publishing_is_refused_at_once():
    transport = RabbitMQTransport("amqp://guest:guest@127.0.0.1:1/")
    starting = asyncio.create_task(transport.start())
    await asyncio.sleep(0.1)
    started = time.monotonic()

    with pytest.raises(TransportAwayError):
        await transport.publish([an_event("never")])
    with pytest.raises(TransportAwayError):
        await transport.ask("member", "interactive", "member.q.v1", b"[]", 60)
    seconds = time.monotonic() - started
    await starting
    await transport.stop()

    assert seconds < 20  # it was asked to wait for sixty


async def all_there(database: Database, count: int) -> bool:
    return len(await effects(database)) >= count
