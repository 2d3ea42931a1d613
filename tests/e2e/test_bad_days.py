"""Kill -9 anything amid a thousand issues: nothing acknowledged is lost or there twice."""

import asyncio
import secrets
import time
from typing import Any

import aiohttp
import asyncpg
import pytest

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests.e2e.test_journeys import a_template, get, post
from tests.partner import Partner
from tests.system import SERVICES, System, poll

SINGLES = 200
PLURALS = 8
ROWS = 100
ISSUES = SINGLES + PLURALS * ROWS
AT_ONCE = 24


class Issuer:
    """Issues passes and repeats what was not acknowledged, always with the same key."""

    def __init__(self, session: aiohttp.ClientSession, template_id: str) -> None:
        self._session = session
        self._template_id = template_id
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.acknowledged: set[str] = set()
        self.repeats = 0

    async def issue_all(self) -> None:
        bodies: list[dict[str, Any]] = [{"values": {"number": str(n)}} for n in range(SINGLES)]
        rows = [{"values": {"number": str(n)}} for n in range(ROWS)]
        step = SINGLES // PLURALS
        for n in range(PLURALS):
            bodies.insert(n * (step + 1), {"passes": rows})
        await asyncio.gather(*(self._issue(body) for body in bodies))

    async def _issue(self, body: dict[str, Any]) -> None:
        headers = {"Idempotency-Key": secrets.token_hex(12)}
        body = {"template_id": self._template_id, **body}
        async with self._turns:
            while not await self._attempt(body, headers):
                self.repeats += 1
                await asyncio.sleep(0.2)

    async def _attempt(self, body: dict[str, Any], headers: dict[str, str]) -> bool:
        try:
            async with self._session.post("/v1/passes", json=body, headers=headers) as response:
                answer = await response.json(content_type=None)
                assert response.status in (201, 500, 503), answer
        except (aiohttp.ClientError, TimeoutError):
            return False
        if response.status != 201:
            return False
        results = answer.get("passes", [answer])
        self.acknowledged |= {row["handle"] for row in results if "handle" in row}
        failures = [row["error"] for row in results if "error" in row]
        assert all(failure["status"] in (500, 503) for failure in failures), failures
        return not failures


@pytest.mark.parametrize("victim", [*SERVICES, "rabbitmq", "postgresql"])
async def test_killing_it_amid_a_thousand_issues_loses_and_doubles_nothing(
    victim: str,
    distributed: System,
    partner: Partner,
    postgres_server: EmbeddedPostgres | None,
    rabbitmq_server: PrivateRabbitMQ | None,
):
    server = {"rabbitmq": rabbitmq_server, "postgresql": postgres_server}.get(victim)
    if victim not in SERVICES and server is None:
        pytest.skip("an outside server is not ours to kill")
    await distributed.until_ready()
    async with distributed.session() as session:
        template = await a_template(session)
        body = {"url": partner.url, "template_id": template}
        partner.secret = (await post(session, "/v1/webhooks", body, expect=201))["secret"]
        issuer = Issuer(session, template)
        async with asyncio.TaskGroup() as tasks:
            issuing = tasks.create_task(issuer.issue_all())
            await poll(lambda: len(issuer.acknowledged) > ISSUES // 4, "a quarter issued", 90)
            if server is not None:
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            else:
                distributed.processes[victim].kill()
                distributed.processes[victim].start()
            await asyncio.wait_for(issuing, 120)

        await poll(lambda: len(partner.ids) >= ISSUES, f"{ISSUES} webhooks", 120)
        await poll(lambda: contents(distributed, template), "all contents", 60)
        counts = await get(session, f"/v1/templates/{template}/statistics")

    assert len(issuer.acknowledged) == ISSUES
    assert await handles(distributed, "triggers.passes", template) == issuer.acknowledged
    assert await handles(distributed, "generator.passes", template) == issuer.acknowledged
    assert len(partner.ids) == ISSUES
    assert {event["data"]["handle"] for event in partner.received} == issuer.acknowledged
    assert counts["totals"]["create"] == ISSUES


async def contents(system: System, template: str) -> bool:
    return len(await handles(system, "generator.passes", template)) >= ISSUES


async def handles(system: System, table: str, template: str) -> set[str]:
    connection = await asyncpg.connect(system.database_url)
    try:
        rows = await connection.fetch(
            f"SELECT handle FROM {table} WHERE template_id = $1", template
        )
    finally:
        await connection.close()
    return {row["handle"] for row in rows}


async def test_with_it_away_the_gateway_says_so_at_once_and_recovers(
    distributed: System, server: EmbeddedPostgres | PrivateRabbitMQ
):
    await distributed.until_ready()
    async with distributed.session() as session:
        template = await a_template(session)
        await asyncio.to_thread(server.kill)
        try:
            started = time.monotonic()
            async with session.post("/v1/passes", json={"template_id": template}) as response:
                problem = await response.json(content_type=None)
            waited = time.monotonic() - started
            async with session.get("/ready") as ready:
                unready = ready.status
        finally:
            await asyncio.to_thread(server.start)
        await distributed.until_ready()

        async def issued() -> bool:
            async with session.post("/v1/passes", json={"template_id": template}) as again:
                return again.status == 201

        await poll(issued, "an issued pass")

    assert (response.status, problem["status"], unready) == (503, 503, 503)
    assert int(response.headers["Retry-After"]) >= 1
    assert waited < 10  # a second is the promise, which tests/promises measures


async def test_stopping_a_service_under_load_loses_and_doubles_nothing(distributed: System):
    await distributed.until_ready()
    async with distributed.session() as session:
        template = await a_template(session)
        issuer = Issuer(session, template)
        issuing = asyncio.create_task(issuer.issue_all())
        codes: dict[str, int] = {}
        for name in ("triggers", "generator", "gateway"):
            await asyncio.sleep(0)
            codes[name] = await asyncio.to_thread(distributed.processes[name].stop)
            distributed.processes[name].start()
        await asyncio.wait_for(issuing, 120)
        await poll(lambda: contents(distributed, template), "all contents", 60)

    assert codes == {"triggers": 0, "generator": 0, "gateway": 0}
    assert await handles(distributed, "triggers.passes", template) == issuer.acknowledged
    assert await handles(distributed, "generator.passes", template) == issuer.acknowledged
