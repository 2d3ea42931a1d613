"""What the broker loses after its confirm is found out and sent again, without a person."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import aio_pika
import pytest

from shared import clock
from shared.contracts.triggers import EventsLogged
from shared.database import Database
from shared.messaging import inbox
from shared.messaging.consumer import EventConsumer
from shared.messaging.envelope import Envelope
from shared.messaging.letters import seal_letter
from shared.messaging.outbox import Relay, forget_sent, resend
from shared.messaging.rabbitmq import RabbitMQTransport
from shared.messaging.receipts import Receipts
from shared.messaging.subscription import on
from shared.messaging.transport import Transport
from tests.integration.messaging.conftest import Wire
from tests.integration.messaging.test_outbox import announce
from tests.integration.messaging.toys import KEYS, QUEUE, an_event, effects, note_events, until


class ForgetfulTransport:
    """Confirms what it is given and keeps nothing, as a broker whose disk is lost."""

    connected = True

    async def publish(self, _envelopes: list[Envelope]) -> set[UUID]:
        return set()


class NarrowTransport(ForgetfulTransport):
    """Takes no event whose queue is missing: that of the odd ones."""

    async def publish(self, envelopes: list[Envelope]) -> set[UUID]:
        return {envelope.message_id for envelope in envelopes if b"odd" in envelope.body}


async def listen(transport: Transport, database: Database) -> Receipts:
    """The toy service is sender and consumer in one."""
    receipts = Receipts("notifier", database, transport)
    consumer = EventConsumer("notifier", database, [on(EventsLogged, note_events)], KEYS, receipts)
    transport.receive_events(QUEUE, consumer.receive, most=10)
    await transport.start()
    await until(lambda: transport.connected)
    return receipts


async def all_are_due(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE outbox SET ask_at = now() WHERE ask_at IS NOT NULL")


async def states(database: Database) -> tuple[int, int, int]:
    """How many rows are unsent, wait for a receipt, and have it."""
    async with database.connection() as connection:
        row = await connection.fetchrow(
            """
            SELECT count(*) FILTER (WHERE sent_at IS NULL),
                count(*) FILTER (WHERE awaiting IS NOT NULL),
                count(*) FILTER (WHERE sent_at IS NOT NULL AND awaiting IS NULL)
            FROM outbox
            """
        )
    assert row is not None
    return tuple(row)


async def test_what_was_handled_gets_its_receipt_and_is_not_asked_for_again(
    wire: Wire, toys: Database
):
    receipts = await listen(wire.transport, toys)
    await announce(toys, "blue")
    await Relay(toys, wire.transport).drain()
    await until(lambda: effects(toys))

    await all_are_due(toys)
    await receipts.ask()
    await until(lambda: has_states(toys, (0, 0, 1)))

    assert await effects(toys) == ["blue"]


async def test_what_a_confirming_broker_lost_is_sent_again_and_handled_once(
    wire: Wire, toys: Database
):
    receipts = await listen(wire.transport, toys)
    await announce(toys, "lost")
    await Relay(toys, ForgetfulTransport()).relay_turn()  # type: ignore[arg-type]
    await announce(toys, "kept")
    await Relay(toys, wire.transport).drain()
    await until(lambda: effects(toys))

    await all_are_due(toys)
    await receipts.ask()
    await until(lambda: has_states(toys, (1, 0, 1)))
    await Relay(toys, wire.transport).drain()
    await until(lambda: has_effects(toys, ["kept", "lost"]))

    await all_are_due(toys)
    await receipts.ask()
    await until(lambda: has_states(toys, (0, 0, 2)))


async def test_a_fact_that_failed_or_died_is_not_sent_beside_itself(wire: Wire, toys: Database):
    receipts = await listen(wire.transport, toys)
    for handle, dead in (("failing", False), ("dead", True)):
        await announce(toys, handle)
        await Relay(toys, ForgetfulTransport()).relay_turn()  # type: ignore[arg-type]
        async with toys.connection() as connection:
            newest = "SELECT message_id FROM outbox ORDER BY outbox_id DESC LIMIT 1"
            message_id = await connection.fetchval(newest)
        if dead:
            await seal_letter(toys, KEYS, replace(an_event(handle), message_id=message_id), [])
        else:
            await inbox.note_failure(toys, message_id)
    await announce(toys, "last")
    await Relay(toys, wire.transport).drain()

    await all_are_due(toys)
    await receipts.ask()
    await until(lambda: has_states(toys, (0, 2, 1)))

    assert await effects(toys) == ["last"]


async def test_an_event_without_a_queue_stays_and_does_not_hold_up_the_others(toys: Database):
    await announce(toys, "odd")
    await announce(toys, "even")

    sent = await Relay(toys, NarrowTransport()).relay_turn()  # type: ignore[arg-type]

    assert sent == 1
    assert await states(toys) == (1, 1, 0)


async def test_sent_rows_are_sent_again_on_request_back_to_a_moment(toys: Database):
    for handle in ("early", "late"):
        await announce(toys, handle)
        await Relay(toys, ForgetfulTransport()).relay_turn()  # type: ignore[arg-type]
    async with toys.connection() as connection:
        await connection.execute(
            """
            UPDATE outbox
            SET sent_at = sent_at - interval '2 hours'
            WHERE outbox_id = (SELECT min(outbox_id) FROM outbox)
            """
        )

    late = await resend(toys, clock.now() - timedelta(hours=1))
    assert (late, await states(toys)) == (1, (1, 1, 0))
    assert await resend(toys) == 1
    assert await states(toys) == (2, 0, 0)


async def test_sent_rows_go_after_a_day_and_unsent_ones_never(toys: Database):
    await announce(toys, "sent")
    await Relay(toys, ForgetfulTransport()).relay_turn()  # type: ignore[arg-type]
    await announce(toys, "unsent")
    async with toys.connection() as connection:
        await connection.execute(
            """
            UPDATE outbox
            SET
                created_at = created_at - interval '25 hours',
                sent_at = sent_at - interval '25 hours'
            """
        )

    await forget_sent(toys)

    assert await states(toys) == (1, 0, 0)


async def test_old_rows_go_in_as_many_turns_as_they_need(toys: Database):
    await announce(toys, *(f"old {number}" for number in range(25)))
    await Relay(toys, ForgetfulTransport()).drain()  # type: ignore[arg-type]
    async with toys.connection() as connection:
        await connection.execute(
            """
            UPDATE outbox
            SET
                created_at = created_at - interval '25 hours',
                sent_at = sent_at - interval '25 hours'
            """
        )
        await connection.execute("INSERT INTO outbox_persons SELECT outbox_id, 1 FROM outbox")
    await announce(toys, "young")

    await forget_sent(toys, turn=10)

    assert await states(toys) == (1, 0, 0)
    async with toys.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox_persons") == 0


@pytest.mark.parametrize("lost", ["queue", "virtual host"])
async def test_what_is_deleted_at_the_broker_comes_back_by_itself(
    lost: str, amqp_url: str, toys: Database
):
    sender = RabbitMQTransport(amqp_url, prefix="deleted" + lost[:1])
    await sender.start()
    await until(lambda: sender.connected)
    await announce(toys, "blue")
    await Relay(toys, sender).drain()
    connection = await aio_pika.connect(amqp_url)
    async with connection, await connection.channel() as channel:
        doomed = [QUEUE] if lost == "queue" else [QUEUE, "notifier.catalogue", "notifier.dead"]
        for queue in doomed:
            await channel.queue_delete(sender.names.of(queue))

    await announce(toys, "red")
    await until(lambda: relayed(toys, sender))
    await all_are_due(toys)
    await Receipts("notifier", toys, sender).ask()
    consumer = RabbitMQTransport(amqp_url, prefix="deleted" + lost[:1])
    receipts = await listen(consumer, toys)
    await until(lambda: has_unsent(toys))
    await Relay(toys, sender).drain()
    await until(lambda: has_effects(toys, ["blue", "red"]))

    assert receipts.service == "notifier"
    await consumer.stop()
    await sender.stop()


async def relayed(database: Database, transport: Transport) -> bool:
    await Relay(database, transport).relay_turn()
    return (await states(database))[0] == 0


async def has_unsent(database: Database) -> bool:
    return (await states(database))[0] == 1


async def has_states(database: Database, expected: tuple[int, int, int]) -> bool:
    return await states(database) == expected


async def has_effects(database: Database, expected: list[str]) -> bool:
    return await effects(database) == expected
