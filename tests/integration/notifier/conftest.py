"""A notifier on a database of its own, and a partner to post to."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.notifier.partner import Notifier, Partner, a_notifier, a_partner


@pytest.fixture
async def notifier(fresh_database: str) -> AsyncIterator[Notifier]:
    async with a_notifier(fresh_database) as notifier:
        yield notifier


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    async with a_partner() as partner:
        yield partner
