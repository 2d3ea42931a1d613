"""Promise 10: the updates of one pass apply in order, whoever is killed meanwhile."""

import asyncio
import random
from collections import defaultdict
from uuid import UUID

import aiohttp
import asyncpg

from services.demo import TEMPLATE
from tests.feed import latest
from tests.promises.conftest import Figure
from tests.promises.faults import kill
from tests.system import SERVICES, System, poll
from tests.wallet.changes import Changer, issue

PASSES, UPDATES = 200, 50
KILL_SECONDS = 10.0
LOOK_SECONDS = 0.1


async def test_no_version_of_a_pass_goes_back(system: System, figure: Figure):
    async with system.session() as session:
        cursor = await latest(session)
        async with session.post("/v1/templates", json=TEMPLATE) as response:
            template = (await response.json())["template_id"]
        handles = await issue(session, template, PASSES)
        watch = Watch(system, template)
        changer = Changer(session, [(handle, handle) for handle in handles])
        tasks = [asyncio.create_task(watch.run()), asyncio.create_task(kill_now_and_then(system))]
        try:
            await changer.change(PASSES * UPDATES)
        finally:
            tasks[1].cancel()
            await asyncio.gather(tasks[1], return_exceptions=True)
        await system.until_ready()
        await poll(lambda: watch.is_at_end(changer), "newest contents", 120)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)

        async def told() -> dict[str, list[int]] | None:
            versions = await versions_told(session, cursor)
            complete = all(len(versions[handle]) == UPDATES + 1 for handle in handles)
            return versions if complete else None

        versions = await poll(told, "all events", 120)

    assert watch.looks > 10
    assert watch.went_back == 0
    assert all(versions[handle] == list(range(1, UPDATES + 2)) for handle in handles)
    figure(f"{PASSES * UPDATES:,} updates, {watch.looks} looks: 0 went back, 0 gaps in the feed")


async def kill_now_and_then(system: System) -> None:
    while True:
        await asyncio.sleep(KILL_SECONDS)
        await kill(random.choice(SERVICES), system)


class Watch:
    """Looks at the contents of a template's passes again and again."""

    def __init__(self, system: System, template: str) -> None:
        self._system = system
        self._template = UUID(template)
        self._versions: dict[str, int] = {}
        self.looks = 0
        self.went_back = 0

    async def run(self) -> None:
        connection = await asyncpg.connect(self._system.database_url)
        try:
            while True:
                rows = await connection.fetch(
                    "SELECT handle, version FROM generator.passes WHERE template_id = $1",
                    self._template,
                )
                for row in rows:
                    known = self._versions.get(row["handle"], 0)
                    self.went_back += row["version"] < known
                    self._versions[row["handle"]] = row["version"]
                self.looks += 1
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await connection.close()

    def is_at_end(self, changer: Changer) -> bool:
        """Whether each content is the one of the last change."""
        return all(self._versions.get(handle) == UPDATES + 1 for handle, _ in changer.passes)


async def versions_told(session: aiohttp.ClientSession, cursor: str) -> dict[str, list[int]]:
    """The versions of each pass in the order of the feed."""
    versions: dict[str, list[int]] = defaultdict(list)
    more = True
    while more:
        async with session.get(f"/v1/events?after={cursor}&limit=1000") as response:
            response.raise_for_status()
            page = await response.json()
        cursor, more = page["next_cursor"], page["has_more"]
        for event in page["data"]:
            if event["subject"]["kind"] == "pass":
                versions[event["data"]["handle"]].append(event["data"]["version"])
    return versions
