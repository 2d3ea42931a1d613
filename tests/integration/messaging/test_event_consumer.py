"""Events are handled once in effect, and one that fails harms no other."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from deploy.local.postgres import EmbeddedPostgres
from shared.contracts.triggers import EventsLogged
from shared.database import Database, UnitOfWork
from shared.errors import InvalidError, RetryableError, UnavailableError
from shared.identifiers import new_id
from shared.messaging.consumer import MAX_STARTS, EventConsumer
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.subscription import on
from shared.messaging.topology import MAX_ATTEMPTS
from tests.integration.messaging.conftest import Wire
from tests.integration.messaging.toys import (
    KEYS,
    QUEUE,
    HandDelivery,
    an_event,
    effects,
    note_events,
    toy_database,
    transactions,
    until,
)

Handler = Callable[[list[EventsLogged], UnitOfWork], Awaitable[None]]


def a_consumer(database: Database, handler: Handler = note_events) -> EventConsumer:
    return EventConsumer("notifier", database, [on(EventsLogged, handler)], KEYS)


def hands(*envelopes: Envelope, redelivered: bool = False) -> list[HandDelivery]:
    return [HandDelivery(envelope, redelivered) for envelope in envelopes]


async def receive(consumer: EventConsumer, deliveries: list[HandDelivery]) -> None:
    given: list[Delivery] = [*deliveries]
    await consumer.receive(given)


def failing_on(handle: str, error: Exception, times: int = 1_000_000) -> Handler:
    """Notes everything, but fails the first `times` lists that hold this handle."""
    left = times

    async def handler(events: list[EventsLogged], work: UnitOfWork) -> None:
        nonlocal left
        await note_events(events, work)
        if left and any(logged.handle == handle for event in events for logged in event.events):
            left -= 1
            raise error

    return handler


async def test_an_event_delivered_twice_is_handled_once(wire: Wire, toys: Database):
    consumer = a_consumer(toys)
    wire.transport.receive_events(QUEUE, consumer.receive, most=10)
    await wire.transport.start()
    twice, last = an_event("blue-ticket"), an_event("last")

    await wire.transport.publish([twice])
    await until(lambda: effects(toys))
    await wire.transport.publish([twice])
    await wire.transport.publish([last])
    await until(lambda: has(toys, "last"))

    assert await effects(toys) == ["blue-ticket", "last"]


async def test_twins_in_one_list_are_handled_once(toys: Database):
    event = an_event("blue-ticket")
    deliveries = hands(event, event)

    await receive(a_consumer(toys), deliveries)

    assert await effects(toys) == ["blue-ticket"]
    assert [d.settled for d in deliveries] == [[("done", "", 0)]] * 2


async def test_twins_at_two_consumers_at_once_are_handled_once(toys: Database):
    events = [an_event(f"ticket-{n}") for n in range(20)]
    consumers = [a_consumer(toys) for _ in range(3)]

    await asyncio.gather(
        receive(consumers[0], hands(*events)),
        receive(consumers[1], hands(*reversed(events))),
        receive(consumers[2], hands(*events, redelivered=True)),
    )

    assert sorted(set(await effects(toys))) == await effects(toys)
    assert len(await effects(toys)) == 20


async def test_a_list_is_one_transaction(toys: Database):
    await receive(a_consumer(toys), hands(*(an_event(f"ticket-{n}") for n in range(20))))

    assert len(await effects(toys)) == 20
    assert await transactions(toys) == 1


async def test_only_the_failing_event_of_a_list_is_retried(wire: Wire, toys: Database):
    consumer = a_consumer(toys, failing_on("hopeless", RetryableError(), times=2))
    wire.transport.receive_events(QUEUE, consumer.receive, most=10)
    await wire.transport.start()
    good = [an_event(f"ticket-{n}") for n in range(5)]

    await wire.transport.publish([*good[:3], an_event("hopeless"), *good[3:]])
    await until(lambda: has(toys, "hopeless"))

    assert await effects(toys) == ["hopeless", *(f"ticket-{n}" for n in range(5))]


async def test_a_retryable_failure_comes_back_later_with_its_count(wire: Wire, toys: Database):
    consumer = a_consumer(toys, failing_on("later", RetryableError(), times=1))
    got: list[Envelope] = []

    async def listen(deliveries: list[Delivery]) -> None:
        got.extend(delivery.envelope for delivery in deliveries)
        await consumer.receive(deliveries)

    wire.transport.receive_events(QUEUE, listen, most=10)
    await wire.transport.start()
    started = time.monotonic()

    await wire.transport.publish([an_event("later")])
    await until(lambda: has(toys, "later"))

    assert time.monotonic() - started >= 1
    assert [(envelope.attempts, envelope.reason) for envelope in got] == [
        (0, None),
        (1, "RetryableError"),
    ]


@pytest.mark.parametrize("body", [b"", b"{", b'{"events":[{"handle":7}]}', b"\xff\xfe"])
async def test_an_unreadable_event_is_a_dead_letter_at_once(toys: Database, body: bytes):
    unreadable = Envelope(new_id(), EventsLogged.name, "interactive", body)
    deliveries = hands(unreadable, an_event("blue-ticket"))

    await receive(a_consumer(toys), deliveries)

    assert [d.settled[0][0] for d in deliveries] == ["bury", "done"]
    assert await effects(toys) == ["blue-ticket"]


async def test_an_event_nobody_subscribed_is_a_dead_letter(toys: Database):
    [delivery] = hands(Envelope(new_id(), "notifier.nobody.v1", "interactive", b"{}"))

    await receive(a_consumer(toys), [delivery])

    assert delivery.settled[0][0] == "bury"


async def test_a_refused_event_is_a_dead_letter_at_once(wire: Wire, toys: Database):
    consumer = a_consumer(toys, failing_on("wrong", InvalidError("never")))
    wire.transport.receive_events(QUEUE, consumer.receive, most=10)
    await wire.transport.start()

    await wire.transport.publish([an_event("wrong"), an_event("blue-ticket")])
    await until(lambda: wire.transport.dead_letters("notifier"))
    await until(lambda: has(toys, "blue-ticket"))

    [letter] = await wire.transport.dead_letters("notifier")
    assert (letter.name, letter.reason, letter.attempts) == (EventsLogged.name, "InvalidError", 1)
    assert await effects(toys) == ["blue-ticket"]


async def test_a_part_that_is_away_is_no_fault_of_the_event(toys: Database):
    [delivery] = hands(an_event("early"))

    await receive(a_consumer(toys, failing_on("early", UnavailableError("away"))), [delivery])

    assert delivery.settled == [("retry", "UnavailableError", 1)]


@pytest.mark.parametrize("error", [RetryableError(), RuntimeError(), ZeroDivisionError()])
async def test_an_event_that_failed_too_often_is_a_dead_letter(toys: Database, error: Exception):
    consumer = a_consumer(toys, failing_on("hopeless", error))
    once_more, enough = hands(
        an_event("hopeless", attempts=MAX_ATTEMPTS - 2),
        an_event("hopeless", attempts=MAX_ATTEMPTS - 1),
    )

    await receive(consumer, [once_more, enough])

    kind = type(error).__name__
    assert once_more.settled == [("retry", kind, 300)]
    assert enough.settled == [("bury", kind, 0)]
    assert await effects(toys) == []


async def test_what_the_failed_event_announced_does_not_leave(toys: Database):
    async def announce_and_fail(events: list[EventsLogged], work: UnitOfWork) -> None:
        work.publish(*events)
        await work.write_outbox()
        raise RetryableError

    await receive(a_consumer(toys, announce_and_fail), hands(an_event("blue-ticket")))

    async with toys.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        assert await connection.fetchval("SELECT count(*) FROM inbox") == 0


async def test_events_wait_for_a_database_that_is_away(tmp_path_factory: pytest.TempPathFactory):
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    try:
        async with toy_database(server.url) as database:
            consumer = a_consumer(database)
            await receive(consumer, hands(an_event("before")))
            server.kill()
            deliveries = hands(*(an_event(f"during-{n}") for n in range(3)))
            work = asyncio.create_task(receive(consumer, deliveries))
            await asyncio.sleep(0.5)
            waited = not work.done()
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(15):
                await work

            assert waited
            assert [d.settled for d in deliveries] == [[("done", "", 0)]] * 3
            assert await effects(database) == ["before", "during-0", "during-1", "during-2"]
    finally:
        server.stop()


async def test_an_event_whose_connection_is_cut_in_the_middle_is_handled_once(
    toys: Database, fresh_database: str
):
    cuts = 2

    async def cut_twice(events: list[EventsLogged], work: UnitOfWork) -> None:
        nonlocal cuts
        await note_events(events, work)
        if cuts:
            cuts -= 1
            await terminate(fresh_database, work)
            await work.connection.execute("SELECT 1")

    [delivery] = hands(an_event("blue-ticket"))

    await receive(a_consumer(toys, cut_twice), [delivery])

    assert delivery.settled == [("done", "", 0)]
    assert await effects(toys) == ["blue-ticket"]


class ProcessDeath(BaseException):
    """The end of a process in the middle of its work."""


async def test_a_killer_is_buried_after_five_starts_and_innocents_survive(toys: Database):
    async def die_of_it(events: list[EventsLogged], work: UnitOfWork) -> None:
        await note_events(events, work)
        if any(logged.handle == "killer" for event in events for logged in event.events):
            raise ProcessDeath

    killer = an_event("killer")
    window = [
        *(an_event(f"ticket-{n}") for n in range(4)),
        killer,
        *(an_event(f"ticket-{n}") for n in range(4, 8)),
    ]
    deliveries = hands(*window)
    deaths = 0
    async with asyncio.timeout(20):
        while True:
            try:
                await receive(a_consumer(toys, die_of_it), deliveries)
                break
            except ProcessDeath:
                deaths += 1
                left = [d.envelope for d in deliveries if not d.settled]
                deliveries = hands(*left, redelivered=True)

    assert deaths == 1 + MAX_STARTS
    assert [d.settled[0] for d in deliveries if d.envelope is killer] == [
        ("bury", "kills its process", 0)
    ]
    assert await effects(toys) == [f"ticket-{n}" for n in range(8)]


async def test_a_redelivered_event_that_was_handled_is_only_forgotten(toys: Database):
    event = an_event("blue-ticket")
    await receive(a_consumer(toys), hands(event))
    [again] = hands(event, redelivered=True)

    await receive(a_consumer(toys), [again])

    assert again.settled == [("done", "", 0)]
    assert await effects(toys) == ["blue-ticket"]


async def has(database: Database, effect: str) -> bool:
    return effect in await effects(database)


async def terminate(url: str, work: UnitOfWork) -> None:
    """Cut the connection of a unit of work from the server's side."""
    pid = await work.connection.fetchval("SELECT pg_backend_pid()")
    other = await asyncpg.connect(url)
    try:
        await other.execute("SELECT pg_terminate_backend($1, 2000)", pid)
    finally:
        await other.close()
