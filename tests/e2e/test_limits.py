"""A flood with one key is cut down to its limit, and others notice nothing of it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.test_exports import an_account
from tests.e2e.test_journeys import a_template
from tests.system import System, start_embedded

RATE = 50
BURST = 200
REFUSED = 500
AT_ONCE = 16
PATIENCE = 120
ORDERS = 100
"""Of the other account: fewer than its burst, so that it is never over its own limit."""


@pytest.fixture
async def limited(system_folder: Path) -> AsyncGenerator[System]:
    """Passwright with limits as an operator may set them."""
    folder = system_folder / "limited"
    folder.mkdir()
    running = await start_embedded(
        folder,
        PASSWRIGHT_LIMIT_PER_NETWORK=str(RATE),
        PASSWRIGHT_LIMIT_PER_KEY=str(RATE),
        PASSWRIGHT_LIMIT_KEY_BURST=str(BURST),
    )
    yield running
    await asyncio.to_thread(running.stop)


async def issue(session: aiohttp.ClientSession, template_id: str) -> aiohttp.ClientResponse:
    async with session.post("/v1/passes", json={"template_id": template_id}) as response:
        await response.read()
        return response


async def test_flood_of_one_account_is_refused_and_no_request_of_another(limited: System):
    other_key = await an_account(limited)
    answers: Counter[int] = Counter()

    async with limited.session() as flooder, limited.session(other_key) as other:
        theirs, own = await a_template(flooder), await a_template(other)

        async def flood() -> None:
            while answers[429] < REFUSED:
                response = await issue(flooder, theirs)
                answers[response.status] += 1
                assert response.status == 201 or int(response.headers["Retry-After"]) >= 1

        started = time.monotonic()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(flood())
            statuses = [(await issue(other, own)).status for _ in range(ORDERS)]
        seconds = time.monotonic() - started

    assert statuses == [201] * ORDERS
    assert answers.keys() == {201, 429}
    assert answers[201] <= BURST + RATE * seconds + 1
