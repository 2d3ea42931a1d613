"""What tests of pages have in common: a browser's view of `make run`, and a shop of one's own."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.e2e.passsource import PassSource, log_in
from tests.system import System


@pytest.fixture
async def http(embedded: System) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=40)
    async with aiohttp.ClientSession(embedded.base_url, timeout=timeout) as session:
        yield session


@pytest.fixture
async def api(embedded: System, http: aiohttp.ClientSession) -> PassSource:
    return await log_in(embedded, http)
