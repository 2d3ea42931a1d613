"""The generator on a database of its own, with one template and one identity known."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.generator import app
from shared.database import Database
from tests.integration.generator.generating import Generator, identity_saved, template_saved
from tests.integration.triggers.databases import empty, migrated_database

MIGRATIONS = Path(app.__file__).parent / "migrations"


@pytest.fixture(scope="package")
async def generator_database(database_url: str) -> AsyncIterator[str]:
    async with migrated_database(database_url, "generator", MIGRATIONS) as url:
        yield url


@pytest.fixture
async def bare(generator_database: str) -> AsyncIterator[Generator]:
    """Neither template nor identity has arrived yet."""
    await empty(generator_database, "generator")
    database = Database(generator_database, schema="generator", acquire_timeout=20)
    await database.start()
    generator = Generator(database)
    yield generator
    await generator.pool.close()
    await database.stop()


@pytest.fixture
async def generator(bare: Generator) -> Generator:
    await bare.keep(template_saved(), identity_saved())
    return bare
