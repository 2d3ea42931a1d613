"""Promise 31: who asks too often is told so and waits, and nobody else notices anything of it."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

import aiohttp
import pytest

from tests.e2e.test_exports import an_account
from tests.e2e.test_journeys import a_template
from tests.forking import ROOT
from tests.promises.conftest import Figure
from tests.promises.flood import Answered, Flood
from tests.system import System, a_distributed_system

RATE, BURST = 20, 40
TIMES: Final = 10
"""How often its limit the one account asks."""
OTHER_RATE: Final = 15.0
SECONDS: Final = 14.0
TRIES: Final = 3
POLICY: Final = f'"key";q={BURST};w={BURST // RATE}'


@pytest.fixture(scope="module")
async def limited() -> AsyncGenerator[System]:
    limits = {
        "PASSWRIGHT_LIMIT_PER_NETWORK": "1000",
        "PASSWRIGHT_LIMIT_PER_KEY": str(RATE),
        "PASSWRIGHT_LIMIT_KEY_BURST": str(BURST),
    }
    async with a_distributed_system(None, **limits) as system:
        yield system


@dataclass(frozen=True)
class Measured:
    """What became of the requests of the account that keeps to its limit."""

    statuses: list[int]
    seconds: list[float]
    told: list[tuple[str, str]]
    """`RateLimit-Policy` and `RateLimit` of each answer."""

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


async def test_one_account_at_ten_times_its_limit_takes_nothing_from_another(
    limited: System, figure: Figure
):
    other_key = await an_account(limited)
    tries: list[str] = []
    refused = 0
    async with limited.session() as flooder, limited.session(other_key) as other:
        body: dict[str, object] = {"template_id": await a_template(flooder), "values": {}}
        flood = Flood(
            url=f"{limited.base_url}/v1/passes",
            key=limited.api_key,
            body=body,
            rate=RATE * TIMES,
            seconds=SECONDS,
        )
        own = await a_template(other)
        await measure(other, own)  # until caches are full
        is_fair = False
        while not is_fair and len(tries) < TRIES:
            alone = await measure(other, own)
            flooding = asyncio.create_task(run(flood))
            amid = await measure(other, own)
            answered = await flooding
            check_refusals(answered)
            refused = answered.statuses[429]
            for measured in (alone, amid):
                check_own(measured)
            is_fair = amid.p99 < 2 * alone.p99
            tries.append(f"p99 {alone.p99 * 1000:.0f} ms alone, {amid.p99 * 1000:.0f} ms amid it")

    assert is_fair, tries
    figure(f"{refused:,} requests of the one refused, none of the other; {tries[-1]}")


async def test_who_waits_as_long_as_told_is_let_in_again(limited: System):
    key = await an_account(limited)
    async with limited.session(key) as session:
        responses = [await session.get("/v1/account") for _ in range(BURST * 2)]
        refused = [response for response in responses if response.status == 429]
        assert refused
        last = responses[-1]
        problem = await refused[-1].json()
        assert problem["code"] == "rate_limited"
        assert refused[-1].content_type == "application/problem+json"
        await asyncio.sleep(int(refused[-1].headers["Retry-After"]))
        again = await session.get("/v1/account")
        assert again.status == 200, last.headers


async def measure(session: aiohttp.ClientSession, template_id: str) -> Measured:
    """Issue passes at a steady rate, whatever the answers take, and time them."""
    found = Measured([], [], [])

    async def one() -> None:
        started = time.perf_counter()
        async with session.post("/v1/passes", json={"template_id": template_id}) as response:
            await response.read()
            found.seconds.append(time.perf_counter() - started)
            found.statuses.append(response.status)
            headers = response.headers
            found.told.append((headers["RateLimit-Policy"], headers["RateLimit"]))

    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(OTHER_RATE * SECONDS)):
            await asyncio.sleep(began + number / OTHER_RATE - time.monotonic())
            tasks.create_task(one())
    return found


async def run(flood: Flood) -> Answered:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.promises.flood",
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate(flood.model_dump_json().encode())
    assert process.returncode == 0
    return Answered.model_validate_json(output)


def check_own(measured: Measured) -> None:
    """Whoever keeps to the limit is let in, and told how much of it is left."""
    assert set(measured.statuses) == {201}
    for policy, state in measured.told:
        left = re.fullmatch(r'"key";r=(\d+)', state)
        assert policy == POLICY
        assert left, state
        assert BURST // 2 < int(left[1]) < BURST


def check_refusals(answered: Answered) -> None:
    """Whoever does not gets what it may have, and is told how long to wait for more."""
    statuses = answered.statuses
    assert statuses.keys() == {201, 429}
    assert statuses[201] <= BURST + RATE * answered.seconds + 1
    assert statuses[201] >= RATE * (SECONDS - 1)
    for policy, state, wait in answered.told[429]:
        assert (policy, state) == (POLICY, f'"key";r=0;t={wait}')
        assert int(wait) >= 1
    for policy, state, wait in answered.told[201]:
        assert policy == POLICY
        assert re.fullmatch(r'"key";r=\d+', state)
        assert not wait
