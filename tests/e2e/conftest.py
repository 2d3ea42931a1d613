"""The same journeys on both transports."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from playwright.async_api import Browser, async_playwright

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests import forking, servers
from tests.apple import PushServer
from tests.e2e.pass2u import Model, Pass2U, open_shop
from tests.e2e.walletpass import HOSTS
from tests.google.server import FakeGoogle
from tests.partner import Partner
from tests.sockets import free_port
from tests.system import System, start_distributed, start_embedded
from tests.wallet.fleet import Fleet, open_fleet

BROWSER_OPTIONS: Final = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""A browser that talks with nobody but the pages it opens, also for root in a container."""

SETTINGS: Final = {
    "PASSWRIGHT_LOG_LEVEL": "DEBUG",  # so that a secret which is logged is found
    "PASSWRIGHT_WALLETPASS_HOSTS": ",".join(HOSTS),
}


@pytest.fixture(scope="session", autouse=True)
def programs_are_forked() -> None:
    forking.begin()


@pytest.fixture(scope="session")
def system_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="passwright-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def google() -> AsyncIterator[FakeGoogle]:
    """What stands for Google Wallet, for all systems; its limits are tried elsewhere."""
    async with FakeGoogle() as running:
        running.requests_a_second = None
        running.switches.limits_notices = False
        yield running


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, one for all tests of a worker: it takes a second and a half to start."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(BROWSER_OPTIONS)
        )
        yield running
        await running.close()


@pytest.fixture(scope="session")
async def distributed(
    system_folder: Path, database_url: str, amqp_url: str, google: FakeGoogle
) -> AsyncIterator[System]:
    folder = system_folder / "distributed"
    folder.mkdir()
    name = f"journeys_{secrets.token_hex(4)}"  # other workers may have the same server
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = servers.with_database(database_url, name)
    settings = SETTINGS | google.settings(folder / "google_root.pem")
    running = await start_distributed(folder, url, amqp_url, PushServer(""), **settings)
    yield running
    await stop(running)


@pytest.fixture(scope="session")
async def embedded(system_folder: Path, google: FakeGoogle) -> AsyncIterator[System]:
    folder = system_folder / "embedded"
    folder.mkdir()
    port = free_port()
    running = await start_embedded(
        folder,
        PushServer(""),
        PASSWRIGHT_HEALTH_PORT=str(port),
        **SETTINGS,
        **google.settings(folder / "google_root.pem"),
    )
    running.extra["health_port"] = port
    yield running
    await stop(running)


@pytest.fixture(params=["rabbitmq", "postgresql"])
def server(
    request: pytest.FixtureRequest,
    postgres_server: EmbeddedPostgres | None,
    rabbitmq_server: PrivateRabbitMQ | None,
) -> EmbeddedPostgres | PrivateRabbitMQ:
    """Each server that all services need, for a test to stop."""
    found = {"rabbitmq": rabbitmq_server, "postgresql": postgres_server}[request.param]
    if found is None:
        pytest.skip("an outside server is not ours to stop")
    return found


async def stop(system: System) -> None:
    await asyncio.to_thread(system.stop)
    if system.apple is not None:
        await system.apple.stop()


@pytest.fixture(scope="session", params=["embedded", "distributed"])
def system(request: pytest.FixtureRequest) -> System:
    return request.getfixturevalue(request.param)


@pytest.fixture
async def fleet(system: System) -> AsyncGenerator[Fleet]:
    """Devices that get their pushes through the system's push server; none to begin with."""
    assert system.apple is not None
    async with open_fleet(system.root, system.apple) as fleet:
        yield fleet


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    partner = Partner()
    await partner.start()
    yield partner
    await partner.stop()


@pytest.fixture(scope="session")
async def shop(system: System) -> AsyncIterator[Pass2U]:
    """An account that calls Pass2U's API."""
    api = await open_shop(system)
    yield api
    await api.http.close()


@pytest.fixture(scope="session")
async def model(shop: Pass2U) -> Model:
    """A model of it, which no test changes."""
    return await shop.model()
