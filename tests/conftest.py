"""Fixtures every test may ask for."""

import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests import servers


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
    name = f"test_{secrets.token_hex(6)}"
    await _administer(database_url, f"CREATE DATABASE {name}")
    yield servers.with_database(database_url, name)
    await _administer(database_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
