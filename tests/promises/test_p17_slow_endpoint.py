"""Promise 17: an endpoint that hangs delays nobody else's events."""

import asyncio
import json
from typing import Final
from uuid import UUID

import aiohttp
import asyncpg

from services.demo import TEMPLATE
from shared import clock
from shared.http.outgoing import TOTAL_SECONDS
from tests.integration.notifier.partner import Partner, a_partner
from tests.promises.conftest import Figure
from tests.promises.ledger import post
from tests.system import System, poll, run_command
from tests.wallet.changes import issue

ENDPOINTS: Final = 100
"""In two accounts, since one may have 50."""
BACKLOG: Final = 500
"""Events that wait for the endpoint that hangs, five times what a process posts at once."""
SCANS: Final = 80
PAUSE_SECONDS: Final = 0.25
"""Between two scans, each told to 50 endpoints: 20 s in all, longer than a post may hang."""
MAX_DELAY_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 60.0
TIMES: Final = 3
"""Measured again where others keep the machine busy."""

DELAYS: Final = """
    SELECT count(*) AS attempts, coalesce(max(delay), 0) AS longest,
        coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY delay), 0) AS p99
    FROM (
        SELECT extract(epoch FROM attempts.at - events.occurred_at)::float AS delay
        FROM notifier.deliveries
        JOIN notifier.attempts USING (delivery_id)
        JOIN notifier.events USING (event_id)
        WHERE deliveries.kind = 'pass.scanned' AND attempts.number = 1
        AND deliveries.endpoint_id <> $1 AND events.occurred_at >= $2
    ) AS first
"""
"""From the scan to the attempt to tell it, the first to each endpoint that does not hang."""
HANGING: Final = """
    SELECT count(*) AS attempts
    FROM notifier.attempts
    JOIN notifier.deliveries USING (delivery_id)
    WHERE endpoint_id = $1 AND attempts.milliseconds >= $2
"""


async def test_one_of_a_hundred_endpoints_that_hangs_does_not_delay_the_others(
    system: System, figure: Figure
):
    second = json.loads(await run_command(system.extra["environment"], "account", "Second"))
    async with (
        a_partner() as partner,
        system.session() as one,
        system.session(second["api_key"]) as other,
    ):
        partner.held["hangs"] = asyncio.Event()
        for number in range(ENDPOINTS - 1):
            account = (other, one)[number % 2]
            await add_endpoint(account, f"{partner.url}/{number}", ["pass.scanned"])
        handles = {one: await equip(one, BACKLOG), other: await equip(other, 1)}

        measured = await measure(system, partner, handles)
        for _ in range(TIMES - 1):
            if measured["p99"] >= MAX_DELAY_SECONDS:
                measured = await measure(system, partner, handles)

    assert measured["p99"] < MAX_DELAY_SECONDS
    figure(
        f"{measured['attempts']:,} attempts to {ENDPOINTS - 1} endpoints beside one that hangs:"
        f" p99 {measured['p99']:.2f} s, longest {measured['longest']:.2f} s"
    )


async def measure(
    system: System, partner: Partner, handles: dict[aiohttp.ClientSession, str]
) -> asyncpg.Record:
    """Scan passes beside an endpoint that begins to hang; how late it was told to all others."""
    one, other = handles
    hanging = await add_endpoint(one, f"{partner.url}/hangs", [])
    heard = len(partner.at("hangs"))
    since = clock.now()
    await post(one, f"/v1/webhooks/{hanging}/replay", {"since": "2026-01-01T00:00:00Z"}, 202)
    await poll(lambda: len(partner.at("hangs")) > heard, "event for the endpoint that hangs")

    for number in range(SCANS):
        session = (one, other)[number % 2]
        await post(session, f"/v1/passes/{handles[session]}/scan", {}, 200)
        await asyncio.sleep(PAUSE_SECONDS)
    expected = SCANS // 2 * (ENDPOINTS - 1)

    async def all_told() -> asyncpg.Record | None:
        found = await fetch(system, DELAYS, UUID(hanging), since)
        return found if found["attempts"] == expected else None

    measured = await poll(all_told, f"{expected} attempts", PATIENCE_SECONDS)
    hung = await fetch(system, HANGING, UUID(hanging), TOTAL_SECONDS * 1000)
    assert hung["attempts"] > 0
    async with one.delete(f"/v1/webhooks/{hanging}") as response:
        assert response.status == 204
    return measured


async def equip(session: aiohttp.ClientSession, count: int) -> str:
    """Issue so many passes in an account; the handle of one."""
    template = (await post(session, "/v1/templates", TEMPLATE))["template_id"]
    return (await issue(session, template, count))[0]


async def add_endpoint(session: aiohttp.ClientSession, url: str, types: list[str]) -> str:
    return (await post(session, "/v1/webhooks", {"url": url, "types": types}))["webhook_id"]


async def fetch(system: System, statement: str, *arguments: object) -> asyncpg.Record:
    connection = await asyncpg.connect(system.database_url)
    try:
        row = await connection.fetchrow(statement, *arguments)
    finally:
        await connection.close()
    assert row is not None
    return row
