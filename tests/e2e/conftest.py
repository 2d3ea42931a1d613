"""The same journeys on both transports."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests import servers
from tests.partner import Partner
from tests.system import System, start_distributed, start_embedded


@pytest.fixture(scope="session")
def system_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="passwright-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def distributed(
    system_folder: Path, database_url: str, amqp_url: str
) -> AsyncIterator[System]:
    folder = system_folder / "distributed"
    folder.mkdir()
    name = f"journeys_{secrets.token_hex(4)}"  # other workers may have the same server
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = servers.with_database(database_url, name)
    running = await start_distributed(folder, url, amqp_url)
    yield running
    running.stop()


@pytest.fixture(scope="session")
async def embedded(system_folder: Path) -> AsyncIterator[System]:
    folder = system_folder / "embedded"
    folder.mkdir()
    running = await start_embedded(folder)
    yield running
    running.stop()


@pytest.fixture(scope="session", params=["embedded", "distributed"])
def system(request: pytest.FixtureRequest) -> System:
    return request.getfixturevalue(request.param)


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    partner = Partner()
    await partner.start()
    yield partner
    await partner.stop()
