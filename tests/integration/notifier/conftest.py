"""A notifier on a database of its own, and a partner to post to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.migrations import MESSAGING, migrate
from tests import servers
from tests.google.server import FakeGoogle
from tests.integration.notifier.googling import Googling, a_client
from tests.integration.notifier.partner import (
    MIGRATIONS,
    Notifier,
    Partner,
    a_notifier,
    a_partner,
)


@pytest.fixture(scope="package")
async def migrated(database_url: str) -> AsyncIterator[str]:
    """What the database of each test is a copy of: to migrate takes longer than all else."""
    async with servers.new_database(database_url) as url:
        await migrate(url, {"notifier": [MESSAGING, MIGRATIONS]})
        yield url


@pytest.fixture
async def fresh_database(database_url: str, migrated: str) -> AsyncIterator[str]:
    async with servers.new_database(database_url, like=migrated) as url:
        yield url


@pytest.fixture
async def notifier(fresh_database: str) -> AsyncIterator[Notifier]:
    async with a_notifier(fresh_database) as notifier:
        yield notifier


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    async with a_partner() as partner:
        yield partner


@pytest.fixture
async def google() -> AsyncIterator[FakeGoogle]:
    """A Google that fetches no images and is asked as often as one likes."""
    async with FakeGoogle() as fake:
        fake.images.are_fetched = False
        fake.requests_a_second = None
        yield fake


@pytest.fixture
async def googling(
    notifier: Notifier, google: FakeGoogle, tmp_path: Path
) -> AsyncIterator[Googling]:
    async with a_client(google, tmp_path) as api:
        googling = Googling(notifier, google, api)
        await googling.keep_issuer()
        yield googling
        await googling.stop()
