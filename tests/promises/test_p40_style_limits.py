"""Promise 40: members who pass a limit at once all look otherwise soon, and scans stay quick."""

import asyncio
import json
import time
from typing import Any, Final

import aiohttp
import asyncpg

from tests.bench.report import percentile
from tests.e2e.test_journeys import download, post, template_body
from tests.promises.conftest import Figure
from tests.system import System, poll

MEMBERS: Final = 10_000
AT_ONCE: Final = 16
ROWS: Final = 500
SECONDS: Final = 900
SCAN_MS: Final = 1000
"""Milliseconds within which 99 of 100 scans are answered amid it."""

BEFORE, AFTER = "rgb(205, 127, 50)", "rgb(192, 192, 192)"


async def a_style(http: aiohttp.ClientSession, colour: str) -> str:
    body = {"name": colour, "brand_colors": {"background_color": colour}}
    return (await post(http, "/v1/styles", body, 201))["style_id"]


async def send_points(http: aiohttp.ClientSession, points: int, **more: str) -> None:
    """Have all members saved with so many points by one batch, and wait for its end."""
    head = ",".join(["member_id", "points", *more])
    rows = (",".join([f"m{n}", str(points), *more.values()]) for n in range(MEMBERS))
    async with http.post(
        "/v1/batches?kind=members",
        data="\n".join([head, *rows]).encode(),
        headers={"Content-Type": "text/csv"},
    ) as response:
        batch = await response.json()

    async def ended() -> bool:
        async with http.get(f"/v1/batches/{batch['batch_id']}") as answer:
            return (await answer.json())["ended_at"] is not None

    await poll(ended, "end of the batch", seconds=SECONDS)


async def issue(http: aiohttp.ClientSession, template_id: str) -> list[str]:
    handles: list[str] = []
    for start in range(0, MEMBERS, ROWS):
        orders = [{"member_id": f"m{n}"} for n in range(start, start + ROWS)]
        body = {"template_id": template_id, "passes": orders}
        handles += [row["handle"] for row in (await post(http, "/v1/passes", body, 201))["passes"]]
    return handles


async def colours_of(http: aiohttp.ClientSession, handles: list[str]) -> set[str]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(handle: str) -> str:
        async with turns:
            return json.loads((await download(http, handle))["pass.json"])["backgroundColor"]

    return set(await asyncio.gather(*map(one, handles)))


async def test_ten_thousand_members_cross_a_limit_while_scans_go_on(system: System, figure: Figure):
    body = {"name": "Crowd", "organization_name": "Crowd"}
    async with system.session() as session:
        key = (await post(session, "/v1/accounts", body, 201))["key"]
    async with system.session(key) as http:
        rules: list[dict[str, Any]] = [
            {"style_id": await a_style(http, BEFORE), "min_points": 0, "max_points": 100},
            {"style_id": await a_style(http, AFTER), "min_points": 101},
        ]
        group = await post(http, "/v1/style-groups", {"name": "Tiers", "rules": rules}, 201)
        body = template_body() | {"style_group_id": group["style_group_id"]}
        template_id = (await post(http, "/v1/templates", body, 201))["template_id"]
        await send_points(http, 50)
        handles = await issue(http, template_id)
        assert await colours_of(http, handles) == {BEFORE}
        scanned = (await post(http, "/v1/passes", {"template_id": template_id}, 201))["handle"]
        await post(http, f"/v1/passes/{scanned}/scan")  # from now on the way is known

        begun, scans = time.monotonic(), list[float]()
        crossing = asyncio.create_task(send_points(http, 150))
        look = asyncio.create_task(_until_composed(system, len(handles)))
        while not look.done():
            at = time.monotonic()
            await post(http, f"/v1/passes/{scanned}/scan")
            scans.append(time.monotonic() - at)
            await asyncio.sleep(0.05)
        await asyncio.gather(crossing, look)
        seconds = time.monotonic() - begun

        assert await colours_of(http, handles) == {AFTER}
    slow = percentile(scans, 0.99)
    figure(
        f"{MEMBERS:,} passes in another style after {seconds:.0f} s; {len(scans):,} scans amid it,"
        f" p99 {slow:.0f} ms"
    )
    assert slow < SCAN_MS


async def _until_composed(system: System, count: int) -> None:
    """Wait until so many contents are at their second number."""
    connection = await asyncpg.connect(system.database_url)

    async def composed() -> bool:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM generator.apple_contents WHERE content_number > 1"
        )
        return found >= count

    try:
        await poll(composed, "passes composed anew", seconds=SECONDS)
    finally:
        await connection.close()
