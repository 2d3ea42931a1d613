"""The triggers service on a database of its own, with one template known."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.triggers import handlers
from shared.database import Database
from tests.integration.triggers.databases import empty, migrated_database
from tests.integration.triggers.life import Life, a_template

MIGRATIONS = Path(handlers.__file__).parents[1] / "migrations"


@pytest.fixture(scope="package")
async def triggers_database(database_url: str) -> AsyncIterator[str]:
    async with migrated_database(database_url, "triggers", MIGRATIONS) as url:
        yield url


@pytest.fixture
async def life(triggers_database: str) -> AsyncIterator[Life]:
    await empty(triggers_database, "triggers")
    database = Database(triggers_database, schema="triggers", acquire_timeout=20)
    await database.start()
    life = Life(database)
    await life.keep(a_template())
    yield life
    await database.stop()
