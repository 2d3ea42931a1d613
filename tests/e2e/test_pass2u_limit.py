"""R14, R98 of Pass2U's reference: so many requests a second, for each API key and operation."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from tests.e2e.conftest import stop
from tests.e2e.pass2u import Model, Pass2U, open_shop
from tests.sockets import free_port
from tests.system import Process, System, poll, start_embedded

LIMIT: Final = 4
AT_ONCE: Final = 200


@pytest.fixture(scope="session")
async def limited_embedded(system_folder: Path) -> AsyncIterator[list[System]]:
    """`make run` with a limit as small as tests need it."""
    folder = system_folder / "pass2u"
    folder.mkdir()
    running = await start_embedded(folder, PASSWRIGHT_PASS2U_LIMIT=str(LIMIT))
    yield [running]
    await stop(running)


@pytest.fixture(scope="session")
async def limited_distributed(
    distributed: System, system_folder: Path
) -> AsyncIterator[list[System]]:
    """Two more gateways with the limit, beside the one without."""
    gateways = [a_gateway(distributed, system_folder, number) for number in range(2)]
    for gateway in gateways:
        await gateway.until_ready()
    await until_shared(distributed, len(gateways))
    yield gateways
    for gateway in gateways:
        await stop(gateway)


def a_gateway(system: System, folder: Path, number: int) -> System:
    port = free_port()
    settings = {
        "PASSWRIGHT_PORT": str(port),
        "PASSWRIGHT_HEALTH_PORT": "0",
        "PASSWRIGHT_PASS2U_LIMIT": str(LIMIT),
    }
    process = Process(
        "gateway",
        ("services.gateway",),
        system.extra["environment"] | settings,
        folder / f"pass2u_gateway{number}.log",
    )
    process.start()
    return System(f"http://localhost:{port}", {"gateway": process}, api_key=system.api_key)


async def until_shared(system: System, gateways: int) -> None:
    """Wait until each gateway has counted all of them, to the end of that."""
    connection = await asyncpg.connect(system.database_url)

    async def moment() -> object:
        sql = "SELECT now() FROM gateway.processes HAVING count(*) = $1"
        return await connection.fetchval(sql, gateways)

    async def beaten(since: object) -> bool:
        sql = "SELECT bool_and(seen_at > $1) FROM gateway.processes"
        return await connection.fetchval(sql, since)

    try:
        for _ in range(2):  # a gateway's next beat comes after the last one had its effect
            since = await poll(moment, f"{gateways} gateways")
            await poll(lambda since=since: beaten(since), "beat of each gateway")
    finally:
        await connection.close()


@pytest.fixture(params=["embedded", "distributed"])
def limited(request: pytest.FixtureRequest) -> list[System]:
    """The gateways of a system, which let in LIMIT requests a second together."""
    return request.getfixturevalue(f"limited_{request.param}")


@pytest.fixture
async def doors(limited: list[System]) -> AsyncIterator[list[Pass2U]]:
    """The same fresh account at each gateway."""
    first = await open_shop(limited[0])
    key = first.http.headers["X-API-Key"]
    others = [Pass2U(gateway, gateway.session(key)) for gateway in limited[1:]]
    doors = [first, *others]
    yield doors
    for door in doors:
        await door.http.close()


async def test_together_all_gateways_let_in_what_the_limit_allows(doors: list[Pass2U]):
    """R14, R98: more requests a second than the limit are a 429, with the limit in its words."""
    path = f"models/1/passes/{secrets.token_hex(4)}"  # of nobody: let in, it is a 404
    started = time.monotonic()
    replies = await asyncio.gather(
        *(doors[number % len(doors)].ask("GET", path) for number in range(AT_ONCE))
    )
    windows = int(time.monotonic() - started) + 1
    counts = Counter(reply.status for reply in replies)
    refused = [reply for reply in replies if reply.status == 429]

    assert counts.keys() == {404, 429}
    assert LIMIT <= counts[404] <= LIMIT * windows
    assert {reply.body["message"] for reply in refused} == {
        f"Too many requests: an API key may call fetch_pass at most {LIMIT} times a second."
    }
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)


async def test_other_keys_and_operations_are_not_refused(doors: list[Pass2U]):
    """R14: the limit is for each API key and each API."""
    door, path = doors[0], "models/1/passes/x"
    other = await open_shop(door.system)
    async with other.http:
        floods = [door.ask("GET", path) for _ in range(20)]
        flooded = await asyncio.gather(*floods)
        update, stranger = await door.ask("PUT", path, {}), await other.ask("GET", path)

    assert 429 in {reply.status for reply in flooded}
    assert (update.status, stranger.status) == (404, 404)


async def test_what_is_refused_was_not_done(doors: list[Pass2U]):
    """R98: a request that exceeds the limit has no effect and may be tried again."""
    model: Model = await doors[0].model()
    body = {"barcode": {"message": "1"}}
    replies = await asyncio.gather(*(doors[0].ask("POST", model.path, body) for _ in range(20)))
    issued = sum(reply.status == 200 for reply in replies)

    async with doors[0].http.get(f"/v1/passes?template_id={model.template_id}") as response:
        listed = (await response.json())["data"]

    assert {reply.status for reply in replies} == {200, 429}
    assert len(listed) == issued
