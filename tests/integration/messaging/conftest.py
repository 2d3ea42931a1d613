"""The two transports, held by one and the same suite."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from shared.database import Database
from shared.messaging.embedded import MIGRATIONS, SCHEMA, EmbeddedTransport
from shared.messaging.rabbitmq import RabbitMQTransport
from shared.messaging.transport import Transport
from shared.migrations import migrate
from tests.integration.messaging.toys import toy_database


@dataclass
class Wire:
    """A transport under test, and how another process would open the same one."""

    transport: Transport
    reopen: Callable[[], Awaitable[Transport]]


@pytest.fixture(params=["embedded", "rabbitmq"])
async def wire(request: pytest.FixtureRequest, fresh_database: str) -> AsyncIterator[Wire]:
    opened: list[Transport] = []
    if request.param == "rabbitmq":
        amqp_url = request.getfixturevalue("amqp_url")
        prefix = f"test{secrets.token_hex(4)}"

        def make() -> Transport:
            return RabbitMQTransport(amqp_url, prefix=prefix)
    else:
        await migrate(fresh_database, {SCHEMA: [MIGRATIONS]})

        def make() -> Transport:
            return EmbeddedTransport(fresh_database)

    async def reopen() -> Transport:
        transport = make()
        opened.append(transport)
        return transport

    yield Wire(await reopen(), reopen)
    for transport in opened:
        await transport.stop()


@pytest.fixture
async def toys(fresh_database: str) -> AsyncIterator[Database]:
    """The toy service's database; on the same one the embedded transport has its queues."""
    async with toy_database(fresh_database) as database:
        yield database
