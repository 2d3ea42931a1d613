"""A consumer that one message kills: `… -m tests.promises.killer AMQP_URL PREFIX DATABASE_URL`."""

import asyncio
import os
import signal
import sys

import uvloop

from shared.contracts.triggers import EventsLogged
from shared.database import Database, UnitOfWork
from shared.messaging.consumer import EventConsumer
from shared.messaging.rabbitmq import RabbitMQTransport
from shared.messaging.subscription import on
from tests.integration.messaging.toys import KEYS, QUEUE, SCHEMA, note_events, opened

POISON = "poison"
PREFETCH = 20


async def note_or_die(events: list[EventsLogged], work: UnitOfWork) -> None:
    await note_events(events, work)
    if any(logged.handle == POISON for event in events for logged in event.events):
        os.kill(os.getpid(), signal.SIGKILL)


async def consume(amqp_url: str, prefix: str, database_url: str) -> None:
    transport = RabbitMQTransport(amqp_url, prefix=prefix)
    async with opened(Database(database_url, schema=SCHEMA)) as database:
        consumer = EventConsumer("notifier", database, [on(EventsLogged, note_or_die)], KEYS)
        transport.receive_events(QUEUE, consumer.receive, most=PREFETCH)
        await transport.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(consume(*sys.argv[1:]))
