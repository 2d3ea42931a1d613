"""The member service's database, migrated."""

from collections.abc import AsyncIterator

import pytest

from services.member.app import MIGRATIONS
from shared.database import Database
from shared.migrations import MESSAGING, migrate
from tests import servers


@pytest.fixture(scope="package")
async def migrated(database_url: str) -> AsyncIterator[str]:
    """What the database of each test is a copy of: to migrate takes longer than all else."""
    async with servers.new_database(database_url) as url:
        await migrate(url, {"member": [MESSAGING, MIGRATIONS]})
        yield url


@pytest.fixture
async def fresh_database(database_url: str, migrated: str) -> AsyncIterator[str]:
    async with servers.new_database(database_url, like=migrated) as url:
        yield url


@pytest.fixture
async def database(fresh_database: str) -> AsyncIterator[Database]:
    database = Database(fresh_database, schema="member", acquire_timeout=20)
    await database.start()
    yield database
    await database.stop()
