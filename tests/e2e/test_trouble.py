"""What PostgreSQL or RabbitMQ cannot do now is told as it is, at once, and ends by itself."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests.e2e.test_journeys import a_template, post
from tests.system import System, poll

IMPATIENT = aiohttp.ClientTimeout(total=3)
"""Far less than the five seconds after which a request is given up without an answer."""

Trouble = Callable[[System, EmbeddedPostgres, PrivateRabbitMQ], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def frozen_postgresql(
    _: System, postgres: EmbeddedPostgres, __: PrivateRabbitMQ
) -> AsyncGenerator[None]:
    with postgres.paused():
        yield


@asynccontextmanager
async def read_only_postgresql(
    system: System, _: EmbeddedPostgres, __: PrivateRabbitMQ
) -> AsyncGenerator[None]:
    async def be(word: str) -> None:
        connection = await asyncpg.connect(system.database_url)
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {word}")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()

    await be("on")
    try:
        yield
    finally:
        await be("off")


@asynccontextmanager
async def frozen_rabbitmq(
    _: System, __: EmbeddedPostgres, rabbitmq: PrivateRabbitMQ
) -> AsyncGenerator[None]:
    with rabbitmq.paused():
        yield


@asynccontextmanager
async def rabbitmq_without_memory(
    _: System, __: EmbeddedPostgres, rabbitmq: PrivateRabbitMQ
) -> AsyncGenerator[None]:
    await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", "0.000001")
    try:
        yield
    finally:
        await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", "0.4")


@pytest.mark.parametrize(
    "trouble",
    [frozen_postgresql, read_only_postgresql, frozen_rabbitmq, rabbitmq_without_memory],
)
async def test_trouble_is_503_at_once_and_ends_by_itself(
    trouble: Trouble,
    distributed: System,
    postgres_server: EmbeddedPostgres | None,
    rabbitmq_server: PrivateRabbitMQ | None,
):
    if postgres_server is None or rabbitmq_server is None:
        pytest.skip("an outside server is not ours to trouble")
    await distributed.until_ready()
    async with distributed.session() as session:
        template = await a_template(session)
        await post(session, "/v1/passes", {"template_id": template}, 201)  # its template has come

        async def issue() -> aiohttp.ClientResponse:
            body: dict[str, Any] = {"template_id": template, "values": {}}
            async with session.post("/v1/passes", json=body, timeout=IMPATIENT) as response:
                await response.read()
            return response

        async def ready() -> int:
            async with session.get("/ready", timeout=IMPATIENT) as response:
                return response.status

        async def is_told() -> bool:
            answer = await issue()
            assert answer.status in {201, 503}
            return answer.status == 503 and "Retry-After" in answer.headers

        async with trouble(distributed, postgres_server, rabbitmq_server):
            await poll(is_told, "503 with Retry-After", 10)
            assert (await issue()).status == 503
            assert await ready() == 503

        await poll(lambda: has_status(issue, 201), "passes again", 40)
        await distributed.until_ready()


async def has_status(ask: Callable[[], Awaitable[aiohttp.ClientResponse]], status: int) -> bool:
    try:
        return (await ask()).status == status
    except TimeoutError:  # of a client without patience, on a busy machine
        return False
