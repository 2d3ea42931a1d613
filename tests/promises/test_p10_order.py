"""Promise 10: the updates of one pass apply in order, whoever is killed meanwhile."""

import asyncio
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
from tests.wallet.files import open_pass
from tests.wallet.fleet import points_of

PASSES, UPDATES = 200, 50
CHANGES = PASSES * UPDATES
KILLED = SERVICES * 2
"""In this order, one after each equal share of the changes."""
PATIENCE_SECONDS = 120
LOOK_SECONDS = 0.1


async def test_no_version_of_a_pass_goes_back(system: System, figure: Figure):
    async with system.session() as session:
        cursor = await latest(session)
        async with session.post("/v1/templates", json=TEMPLATE) as response:
            template = (await response.json())["template_id"]
        handles = await issue(session, template, PASSES)
        before = await points_served(session, handles)  # from here on each change is composed
        watch = Watch(system, template)
        changer = Changer(session, [(handle, handle) for handle in handles])
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch.run())
            changing = tasks.create_task(changer.change(CHANGES))
            for number, name in enumerate(KILLED, 1):
                share = CHANGES * number / (len(KILLED) + 1)
                await poll(
                    lambda share=share: changer.acknowledged >= share, "changes", PATIENCE_SECONDS
                )
                await kill(name, system)
            await changing
            await system.until_ready()
            await poll(lambda: watch.is_at_end(handles), "newest contents", PATIENCE_SECONDS)
            watching.cancel()
        after = await points_served(session, handles)

        async def told() -> dict[str, list[int]] | None:
            versions = await versions_told(session, cursor)
            are_all = all(len(versions[handle]) > UPDATES for handle in handles)
            return versions if are_all else None

        versions = await poll(told, "all events", PATIENCE_SECONDS)

    assert watch.looks > 10
    assert watch.went_back == 0
    assert (before, after) == ({0}, {UPDATES})
    assert all(versions[handle] == list(range(1, UPDATES + 2)) for handle in handles)
    figure(
        f"{CHANGES:,} updates, {len(KILLED)} kills, {watch.looks} looks: 0 states, contents and"
        " points shown went back, 0 gaps in the feed"
    )


class Watch:
    """Looks at the states and the contents of a template's passes again and again."""

    def __init__(self, system: System, template: str) -> None:
        self._system = system
        self._template = UUID(template)
        self._seen: dict[str, tuple[int, int, int]] = {}
        """Of each pass: the version of its state and of its content, and the points this shows."""
        self.looks = 0
        self.went_back = 0

    async def run(self) -> None:
        connection = await asyncpg.connect(self._system.database_url)
        try:
            while True:
                rows = await connection.fetch(
                    """
                    SELECT
                        handle, p.version, c.version,
                        (
                            convert_from(c.pass_json, 'UTF8')::jsonb
                            #> '{storeCard,headerFields,0,value}'
                        )::int
                    FROM generator.passes p
                    JOIN generator.apple_contents c USING (handle)
                    WHERE p.template_id = $1
                    """,
                    self._template,
                )
                for handle, *now in rows:
                    known = self._seen.get(handle, (0, 0, 0))
                    self.went_back += sum(n < k for n, k in zip(now, known, strict=True))
                    self._seen[handle] = tuple(now)
                self.looks += 1
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await connection.close()

    def is_at_end(self, handles: list[str]) -> bool:
        """Whether each state and each content is the one of the last change."""
        newest = (UPDATES + 1, UPDATES + 1, UPDATES)
        return all(self._seen.get(handle) == newest for handle in handles)


async def points_served(session: aiohttp.ClientSession, handles: list[str]) -> set[int]:
    """The points that passes show when somebody fetches them."""
    points: set[int] = set()
    for handle in handles:
        async with session.get(f"/p/{handle}.pkpass") as response:
            response.raise_for_status()
            points.add(points_of(open_pass(await response.read())))
    return points


async def versions_told(session: aiohttp.ClientSession, cursor: str) -> dict[str, list[int]]:
    """The versions that each pass came to, in the order of the feed; a fetch makes no new one."""
    versions: dict[str, list[int]] = defaultdict(list)
    more = True
    while more:
        async with session.get(f"/v1/events?after={cursor}&limit=1000") as response:
            response.raise_for_status()
            page = await response.json()
        cursor, more = page["next_cursor"], page["has_more"]
        for event in page["data"]:
            if event["subject"]["kind"] == "pass" and event["type"] != "pass.fetched":
                versions[event["data"]["handle"]].append(event["data"]["version"])
    return versions
