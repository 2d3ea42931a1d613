"""A toy service that runs as the real ones do."""

from collections.abc import AsyncIterator

import pytest

from shared.database import Database
from tests.integration.messaging.conftest import wire
from tests.integration.messaging.toys import migrate_toys

__all__ = ["toys", "wire"]


@pytest.fixture
async def toys(fresh_database: str) -> AsyncIterator[Database]:
    await migrate_toys(fresh_database)
    database = Database(fresh_database, schema="notifier")
    await database.start()
    yield database
    await database.stop()
