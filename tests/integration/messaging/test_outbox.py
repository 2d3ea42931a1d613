"""What a transaction announced leaves if it commits, and in effect once."""

import asyncio
from uuid import UUID

import pytest

from shared.contracts.triggers import EventsLogged
from shared.database import Database
from shared.messaging.consumer import EventConsumer
from shared.messaging.envelope import Envelope
from shared.messaging.outbox import Relay
from shared.messaging.subscription import on
from shared.messaging.transport import Transport
from tests.integration.messaging.conftest import Wire
from tests.integration.messaging.toys import (
    KEYS,
    QUEUE,
    a_logged_event,
    effects,
    note_events,
    until,
)


def an_announcement(handle: str) -> EventsLogged:
    return EventsLogged(events=[a_logged_event(handle)])


async def announce(database: Database, *handles: str) -> None:
    async with database.work() as work:
        work.publish(*(an_announcement(handle) for handle in handles))


async def listen(transport: Transport, database: Database) -> None:
    consumer = EventConsumer("notifier", database, [on(EventsLogged, note_events)], KEYS)
    transport.receive_events(QUEUE, consumer.receive, most=10)
    await transport.start()
    await until(lambda: transport.connected)


class DyingTransport:
    """Publishes, and the process dies before the relay commits."""

    connected = True

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def publish(self, envelopes: list[Envelope]) -> set[UUID]:
        await self._transport.publish(envelopes)
        raise SystemError


class CountingTransport:
    connected = True

    def __init__(self) -> None:
        self.published: list[Envelope] = []

    async def publish(self, envelopes: list[Envelope]) -> set[UUID]:
        await asyncio.sleep(0.005)
        self.published += envelopes
        return set()


async def test_a_commit_wakes_the_relay(wire: Wire, toys: Database):
    await listen(wire.transport, toys)
    relay = asyncio.create_task(Relay(toys, wire.transport).run())

    await announce(toys, "blue")
    await until(lambda: effects(toys))
    relay.cancel()

    assert await effects(toys) == ["blue"]


async def test_what_was_rolled_back_does_not_leave(toys: Database):
    transport = CountingTransport()

    async def fail() -> None:
        async with toys.work() as work:
            work.publish(an_announcement("never"))
            await work.write_outbox()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert await Relay(toys, transport).relay_turn() == 0  # type: ignore[arg-type]
    assert not toys.committed.is_set()


async def test_a_row_that_commits_after_a_younger_one_leaves_too(toys: Database):
    transport = CountingTransport()
    relay = Relay(toys, transport)  # type: ignore[arg-type]

    async with toys.work() as slow:
        slow.publish(an_announcement("older"))
        await slow.write_outbox()
        slow.announced.clear()
        await announce(toys, "younger")
        first = await relay.relay_turn()
    second = await relay.relay_turn()

    assert (first, second) == (1, 1)
    assert b"older" in transport.published[1].body


async def test_the_twin_of_a_relay_that_died_is_absorbed(wire: Wire, toys: Database):
    await listen(wire.transport, toys)
    await announce(toys, "blue")
    with pytest.raises(SystemError):
        await Relay(toys, DyingTransport(wire.transport)).relay_turn()  # type: ignore[arg-type]

    again = await Relay(toys, wire.transport).relay_turn()
    await announce(toys, "last")
    await Relay(toys, wire.transport).relay_turn()
    await until(lambda: has_last(toys))

    assert again == 1
    assert await effects(toys) == ["blue", "last"]


async def test_two_relays_side_by_side_send_each_row_once(toys: Database):
    transport = CountingTransport()
    for start in range(0, 600, 100):
        await announce(toys, *(f"ticket-{n}" for n in range(start, start + 100)))

    async def drain() -> None:
        while await Relay(toys, transport).relay_turn():  # type: ignore[arg-type]
            pass

    await asyncio.gather(drain(), drain(), drain())
    await drain()

    assert len(transport.published) == len({e.message_id for e in transport.published}) == 600


async def test_rows_wait_while_the_transport_is_away(toys: Database):
    transport = CountingTransport()
    transport.connected = False
    await announce(toys, "blue")
    away = await Relay(toys, transport).relay_turn()  # type: ignore[arg-type]

    transport.connected = True
    back = await Relay(toys, transport).relay_turn()  # type: ignore[arg-type]

    assert (away, back) == (0, 1)


async def has_last(database: Database) -> bool:
    return "last" in await effects(database)
