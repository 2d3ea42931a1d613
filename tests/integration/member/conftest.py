"""The member service's database, migrated."""

from collections.abc import AsyncIterator

import pytest

from services.member.app import MIGRATIONS
from shared.database import Database
from shared.migrations import MESSAGING, migrate


@pytest.fixture
async def database(fresh_database: str) -> AsyncIterator[Database]:
    await migrate(fresh_database, {"member": [MESSAGING, MIGRATIONS]})
    database = Database(fresh_database, schema="member", acquire_timeout=20)
    await database.start()
    yield database
    await database.stop()
