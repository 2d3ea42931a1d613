"""How fast news is where it belongs: changes on phones, events at partners."""

import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from tests.system import System, poll
from tests.wallet.changes import equip, issue
from tests.wallet.device import Card
from tests.wallet.fleet import open_fleet, points_of

WARMING_UP = 200
CHANGES = 2000
CHANGES_AT_ONCE = 32
PARTNERS = 5
EVENTS = 2000


@dataclass
class Stopwatch:
    """Times each change from its answer until a phone shows it, or something newer."""

    latencies: list[float] = field(default_factory=list[float])
    _waiting: dict[str, deque[tuple[int, float]]] = field(
        default_factory=lambda: defaultdict[str, deque[tuple[int, float]]](deque)
    )
    _shown: dict[str, int] = field(default_factory=dict[str, int])

    def acknowledged(self, serial: str, points: int, at: float) -> None:
        if self._shown.get(serial, 0) >= points:
            self.latencies.append(0.0)  # the phone was faster than the answer
        else:
            self._waiting[serial].append((points, at))

    def changed(self, card: Card) -> None:
        now, serial, points = time.perf_counter(), card.name[1], points_of(card)
        self._shown[serial] = points
        waiting = self._waiting[serial]
        while waiting and waiting[0][0] <= points:
            self.latencies.append(now - waiting.popleft()[1])


async def measure_changes(system: System, template: str) -> tuple[float, list[float]]:
    """Change passes one by one, until every phone shows the newest; the phones cost time too."""
    assert system.apple is not None
    async with (
        open_fleet(system.root, system.apple) as fleet,
        system.session() as session,
    ):
        changer = await equip(system, fleet, session, template)
        await changer.change(WARMING_UP, CHANGES_AT_ONCE)
        await fleet.until_newest(changer.newest)
        watch = Stopwatch()
        changer.on_acknowledged = watch.acknowledged
        for device in fleet.devices:
            device.on_change = watch.changed
        started = time.perf_counter()
        await changer.change(CHANGES, CHANGES_AT_ONCE)
        await fleet.until_newest(changer.newest)
        seconds = time.perf_counter() - started
    return CHANGES / seconds, watch.latencies


async def measure_webhooks(system: System, template: str) -> tuple[float, list[float]]:
    """Issue passes in bulk, which is told to several partners."""
    latencies: list[float] = []
    async with AsyncExitStack() as stack, system.session() as session:
        for _ in range(PARTNERS):
            url = await stack.enter_async_context(a_partner(latencies))
            body = {"url": url, "template_id": template}
            async with session.post("/v1/webhooks", json=body) as response:
                assert response.status == 201, await response.text()
        started = time.perf_counter()
        await issue(session, template, EVENTS)
        await poll(lambda: len(latencies) >= EVENTS * PARTNERS, "all webhooks", 120)
        seconds = time.perf_counter() - started
    return EVENTS * PARTNERS / seconds, latencies


@asynccontextmanager
async def a_partner(latencies: list[float]) -> AsyncGenerator[str]:
    """Take webhooks and note how old each event is; verifying them would be the partner's time."""

    async def take(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        age = time.time() - datetime.fromisoformat(body["timestamp"]).timestamp()
        latencies.append(age)
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
