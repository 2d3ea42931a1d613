"""Fixtures every test may ask for."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests import servers

settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("timeless")
"""How busy the machine is decides no test."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres | None]:
    """Our own PostgreSQL, to break and mend; None when TEST_DATABASE_URL names another."""
    server = servers.postgres_server()
    yield server
    if server:
        server.stop()


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[PrivateRabbitMQ | None]:
    """Our own RabbitMQ, to break and mend; None when TEST_AMQP_URL names another."""
    server = servers.rabbitmq_server()
    yield server
    if server:
        server.stop()


@pytest.fixture(scope="session")
def database_url(postgres_server: EmbeddedPostgres | None) -> str:
    return postgres_server.url if postgres_server else servers.postgres_url()


@pytest.fixture(scope="session")
def amqp_url(rabbitmq_server: PrivateRabbitMQ | None) -> str:
    return rabbitmq_server.url if rabbitmq_server else servers.rabbitmq_url()


@pytest.fixture
async def fresh_database(database_url: str) -> AsyncIterator[str]:
    """The URL of a new, empty database, gone after the test."""
    async with servers.new_database(database_url) as url:
        yield url
