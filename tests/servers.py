"""The PostgreSQL and RabbitMQ of a test run: the environment's, or own ones started once."""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ


@cache
def postgres_server() -> EmbeddedPostgres | None:
    """Our own server, started; None when TEST_DATABASE_URL names one."""
    if _named("TEST_DATABASE_URL"):
        return None
    # Each test drops its database, for which PostgreSQL would wait for the disk every time.
    server = EmbeddedPostgres(_temporary_folder() / "postgres", durable=False)
    atexit.register(server.stop)
    server.start()
    return server


@cache
def rabbitmq_server() -> PrivateRabbitMQ | None:
    """Our own node, started; None when TEST_AMQP_URL names one."""
    if _named("TEST_AMQP_URL"):
        return None
    server = PrivateRabbitMQ(_temporary_folder() / "rabbitmq")
    atexit.register(server.stop)
    server.start()
    return server


def postgres_url() -> str:
    server = postgres_server()
    return server.url if server else _named("TEST_DATABASE_URL")


def rabbitmq_url() -> str:
    server = rabbitmq_server()
    return server.url if server else _named("TEST_AMQP_URL")


def with_database(url: str, name: str) -> str:
    """The same server's URL of another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@asynccontextmanager
async def new_database(url: str, *, like: str = "/template1") -> AsyncGenerator[str]:
    """The URL of a database of this server, for a while: a copy of one that nobody uses."""
    name = f"test_{secrets.token_hex(6)}"  # other workers may have the same server
    await _administer(url, f"CREATE DATABASE {name} TEMPLATE {urlsplit(like).path[1:]}")
    yield with_database(url, name)
    await _administer(url, f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="passwright-tests-"))
    atexit.register(
        shutil.rmtree, folder, ignore_errors=True
    )  # registered first, so run after the servers' stop
    return folder


def _named(variable: str) -> str:
    return os.environ.get(variable, "")  # noqa: TID251 - tests have no settings.py
