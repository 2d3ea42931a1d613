"""The PostgreSQL and RabbitMQ of a test run: the environment's, or own ones started once."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ


@cache
def postgres_server() -> EmbeddedPostgres | None:
    """Our own server, started; None when TEST_DATABASE_URL names one."""
    if _named("TEST_DATABASE_URL"):
        return None
    server = EmbeddedPostgres(_temporary_folder() / "postgres")
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


@cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="passwright-tests-"))
    atexit.register(
        shutil.rmtree, folder, ignore_errors=True
    )  # registered first, so run after the servers' stop
    return folder


def _named(variable: str) -> str:
    return os.environ.get(variable, "")  # noqa: TID251 - tests have no settings.py
