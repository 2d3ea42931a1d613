"""How fast news is where it belongs: changes on phones, events at partners."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from tests.system import System, poll
from tests.wallet.changes import equip, issue
from tests.wallet.fleet import open_fleet, points_of

WARMING_UP = 200
CHANGES = 2000
PARTNERS = 5
EVENTS = 2000
AT_ONCE = 8
ONE_BY_ONE = 25
"""So many changes of each of so many passes, each made when the one before has arrived."""
PATIENCE_SECONDS = 120.0


class Arrivals:
    """What has arrived where it belongs, for those who wait for it."""

    def __init__(self) -> None:
        self.count = 0
        self._newest: dict[str, tuple[int, float]] = {}
        self._waiting: dict[str, tuple[int, asyncio.Future[None]]] = {}

    def note(self, name: str, number: int) -> None:
        self.count += 1
        if number <= self._newest.get(name, (0, 0))[0]:
            return
        self._newest[name] = (number, time.perf_counter())
        awaited, future = self._waiting.get(name, (0, None))
        if future is not None and number >= awaited and not future.done():
            future.set_result(None)

    async def until(self, name: str, number: int) -> float:
        """Wait for a number or a higher one; gives when it arrived."""
        if self._newest.get(name, (0, 0))[0] < number:
            future = asyncio.get_running_loop().create_future()
            self._waiting[name] = (number, future)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await future
        return self._newest[name][1]


async def time_one_by_one(
    names: Iterable[str], arrivals: Arrivals, act: Callable[[str], Awaitable[int]]
) -> list[float]:
    """Act on each name again and again; how long after the answer it arrived, in seconds."""

    async def follow(name: str) -> list[float]:
        latencies: list[float] = []
        for _ in range(ONE_BY_ONE):
            number = await act(name)
            answered = time.perf_counter()
            latencies.append(max(0.0, await arrivals.until(name, number) - answered))
        return latencies

    followed = await asyncio.gather(*map(follow, names))
    return [latency for latencies in followed for latency in latencies]


async def measure_changes(system: System, template: str) -> tuple[float, list[float]]:
    """Change passes until every phone shows the newest: first all at once, then one by one."""
    assert system.apple is not None
    async with (
        open_fleet(system.root, system.apple) as fleet,
        system.session() as session,
    ):
        changer = await equip(system, fleet, session, template)
        await changer.change(WARMING_UP)
        await fleet.until_newest(changer.newest)
        started = time.perf_counter()
        await changer.change(CHANGES)
        await fleet.until_newest(changer.newest, seconds=PATIENCE_SECONDS)
        seconds = time.perf_counter() - started
        await fleet.until_quiet()

        arrivals = Arrivals()
        for device in fleet.devices:
            device.on_change = lambda card: arrivals.note(card.name[1], points_of(card))
        handles = {serial: handle for handle, serial in changer.passes[:AT_ONCE]}

        async def change(serial: str) -> int:
            await changer.set_points(handles[serial], serial, changer.newest[serial] + 1)
            return changer.newest[serial]

        latencies = await time_one_by_one(handles, arrivals, change)
    return CHANGES / seconds, latencies


async def measure_webhooks(system: System, template: str) -> tuple[float, list[float]]:
    """Tell partners of passes issued in bulk, then of scans one by one."""
    arrivals = Arrivals()
    async with AsyncExitStack() as stack, system.session() as session:
        for _ in range(PARTNERS):
            url = await stack.enter_async_context(a_partner(arrivals))
            body = {"url": url, "template_id": template, "types": ["pass.created", "pass.scanned"]}
            async with session.post("/v1/webhooks", json=body) as response:
                assert response.status == 201, await response.text()
        started = time.perf_counter()
        handles = await issue(session, template, EVENTS)
        await poll(lambda: arrivals.count >= EVENTS * PARTNERS, "webhooks", PATIENCE_SECONDS)
        seconds = time.perf_counter() - started

        async def scan(handle: str) -> int:
            async with session.post(f"/v1/passes/{handle}/scan") as response:
                assert response.status == 200, await response.text()
                return (await response.json())["version"]

        latencies = await time_one_by_one(handles[:AT_ONCE], arrivals, scan)
    return EVENTS * PARTNERS / seconds, latencies


@asynccontextmanager
async def a_partner(arrivals: Arrivals) -> AsyncGenerator[str]:
    """Take webhooks; verifying them would be the partner's time, not ours."""

    async def take(request: web.Request) -> web.Response:
        data = json.loads(await request.read())["data"]
        arrivals.note(data["handle"], data["version"])
        return web.Response()

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()
