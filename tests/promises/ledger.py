"""Issues, scans and fetches passes amid a fault; compares what was acknowledged with what is found.

`python -m tests.promises.ledger [FAULT ...]`, or `make ledger FAULT="kill_triggers"`; all faults
when none is named. It ends with 1 where something does not balance.
"""

import argparse
import asyncio
import itertools
import json
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import aiohttp
import asyncpg
import uvloop

from services.demo import TEMPLATE
from tests.feed import latest, read_feed
from tests.partner import Partner
from tests.promises.faults import FAULTS, Fault, a_small_disk, fill_postgresql_disk
from tests.system import System, a_distributed_system, poll
from tests.wallet.files import open_pass

POINTS: Final = "structure_headerFields_points_value"
ADD_ONE: Final = {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1}
ISSUES: Final = 2000
SCANS: Final = 500
AT_ONCE: Final = 16
BULK: Final = 500
REPEAT_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 240.0
"""How long a client repeats a request; with the same Idempotency-Key, as all clients should."""
RECOVERY_SECONDS: Final = 300.0
"""How long it may take after the last acknowledgement until everything is where it belongs."""
IMPATIENT: Final = aiohttp.ClientTimeout(total=10)

FOUND: Final = {
    "passes": "SELECT count(*) FROM triggers.passes WHERE template_id = $1",
    "states": """
        SELECT count(*)
        FROM triggers.passes
        JOIN generator.passes USING (handle, version)
        WHERE triggers.passes.template_id = $1
    """,
    "contents": """
        SELECT count(*)
        FROM triggers.passes
        JOIN generator.apple_contents USING (handle, version)
        WHERE triggers.passes.template_id = $1
    """,
    "templates": """
        SELECT count(*) FROM gateway.template_revisions WHERE name = 'Ledger ' || $1::uuid
    """,
    "templates told": """
        SELECT count(*)
        FROM triggers.templates
        JOIN generator.templates USING (template_id)
        WHERE triggers.templates.name = 'Ledger ' || $1::uuid
    """,
    "members": """
        SELECT count(*) FROM member.members WHERE member_id LIKE $1::uuid || '-%'
    """,
    "members told": """
        SELECT count(*) FROM triggers.members WHERE member_id LIKE $1::uuid || '-%'
    """,
    "points": f"""
        SELECT coalesce(sum((own_values ->> '{POINTS}')::int), 0)
        FROM triggers.passes
        WHERE template_id = $1
    """,
}


class UnbalancedError(AssertionError):
    """Something that was acknowledged is missing, or was done more than once."""


@dataclass
class Ledger:
    """What clients were told, and what the system then holds of it."""

    system: System
    session: aiohttp.ClientSession
    template: str
    partner: Partner
    cursor: str
    """Where the feed was when it began."""
    handles: list[str] = field(default_factory=list[str])
    """Passes whose creation was acknowledged."""
    fetched: set[str] = field(default_factory=set[str])
    """Those whose file somebody has: from then on each change of them is composed."""
    scans: int = 0
    templates: int = 0
    members: int = 0
    answers: Counter[str] = field(default_factory=Counter[str])
    """How often each status, or kind of broken connection, was the answer."""
    refused: list[float] = field(default_factory=list[float])
    """Seconds after which each 503 came."""
    acknowledged_at: float = 0.0
    """When the last answer was, on the monotonic clock."""

    async def play(self, issues: int = ISSUES, scans: int = SCANS) -> None:
        """Issue, scan and fetch side by side, each request until it is acknowledged."""
        first = max(0, AT_ONCE - len(self.handles))
        await self._at_once(self._issue_one, first)  # something to scan
        async with asyncio.TaskGroup() as group:
            group.create_task(self._at_once(self._issue_one, issues - first))
            group.create_task(self._at_once(self._scan_one, scans))
            group.create_task(self._at_once(self._fetch_one, issues // 20, 2))
            group.create_task(self._at_once(self._save_template, issues // 100 + 1, 2))
            group.create_task(self._at_once(self._save_member, issues // 20, 2))

    @asynccontextmanager
    async def playing_on(self, pause: float = 0.0) -> AsyncGenerator[None]:
        """Issue, scan and fetch meanwhile, each of the clients with a pause between two requests.

        What is done meanwhile ends at once when a request is answered as it must not be.
        """
        over = asyncio.Event()

        async def act(number: int) -> None:
            one = self._issue_one
            if self.handles and number % 5 == 4:
                one = self._fetch_one if number % 20 == 19 else self._scan_one
            await one(number)
            await asyncio.sleep(pause)

        async with asyncio.TaskGroup() as group:
            numbers = itertools.takewhile(lambda _: not over.is_set(), itertools.count())
            group.create_task(self._all_of(act, numbers))
            yield
            over.set()

    async def issue_in_bulk(self, rows: int) -> None:
        """Issue passes, a list of them with each request."""
        rows_of_one: list[dict[str, Any]] = [{"values": {}}]
        body: dict[str, Any] = {"template_id": self.template, "passes": rows_of_one * BULK}

        async def issue(_number: int) -> None:
            answer = json.loads(await self._until_acknowledged("/v1/passes", body))
            self.handles += [row["handle"] for row in answer["passes"]]

        await self._at_once(issue, rows // BULK, 6)

    async def balance(self, seconds: float = RECOVERY_SECONDS) -> dict[str, tuple[int, int]]:
        """Wait until all that was acknowledged is found; what was acknowledged and found.

        UnbalancedError when that takes longer, or more is found than was acknowledged.
        """
        deadline = time.monotonic() + seconds
        while True:
            is_late = time.monotonic() > deadline
            if not is_late and len(self.partner.ids) < len(self.handles) + self.scans:
                await asyncio.sleep(0.5)  # to read the whole feed would only slow the rest down
                continue
            try:
                table = await self.compare()
            except (aiohttp.ClientError, asyncpg.PostgresError, OSError):
                table = {}  # it is not all back yet
            if table and all(told == found for told, found in table.values()):
                return table
            too_much = any(found > told for told, found in table.values())
            if too_much or is_late:
                raise UnbalancedError(show(table))
            await asyncio.sleep(0.5)

    async def compare(self) -> dict[str, tuple[int, int]]:
        """What was acknowledged and what is found now, by its name."""
        connection = await asyncpg.connect(self.system.database_url)
        try:
            found = {
                name: await connection.fetchval(statement, UUID(self.template))
                for name, statement in FOUND.items()
            }
        finally:
            await connection.close()
        issued, scans = len(self.handles), self.scans
        told = {"passes": issued, "states": issued, "contents": len(self.fetched)}
        told |= {"points": scans}
        told |= {"pass.created": issued, "pass.scanned": scans}
        told |= {"templates": self.templates, "templates told": self.templates}
        told |= {"members": self.members, "members told": self.members}
        feed = await read_feed(self.session, self.cursor, self.template)
        found |= {
            kind: list(feed.values()).count(kind) for kind in ("pass.created", "pass.scanned")
        }
        table = {name: (number, found[name]) for name, number in told.items()}
        return table | {"webhooks": (len(feed), len(feed.keys() & self.partner.ids.keys()))}

    async def _issue_one(self, _number: int) -> None:
        body: dict[str, Any] = {"template_id": self.template, "values": {POINTS: 0}}
        answer = json.loads(await self._until_acknowledged("/v1/passes", body))
        self.handles.append(answer["handle"])

    async def _scan_one(self, number: int) -> None:
        handle = self.handles[number % len(self.handles)]
        await self._until_acknowledged(f"/v1/passes/{handle}/scan", {})
        self.scans += 1

    async def _fetch_one(self, number: int) -> None:
        handle = self.handles[number % len(self.handles)]
        open_pass(await self._until_acknowledged(f"/p/{handle}.pkpass", None, "GET"))
        self.fetched.add(handle)

    async def _save_template(self, _number: int) -> None:
        body = {"name": f"Ledger {self.template}", "pass": TEMPLATE["pass"]}
        await self._until_acknowledged("/v1/templates", body)
        self.templates += 1

    async def _save_member(self, _number: int) -> None:
        path = f"/v1/members/{self.template}-{self.members}"
        self.members += 1
        await self._until_acknowledged(path, {"name": "Ada"}, "PUT")

    async def _until_acknowledged(
        self, path: str, body: dict[str, Any] | None, method: str = "POST"
    ) -> bytes:
        """Send a request with its own key until it is answered with 200 or 201."""
        key = {"Idempotency-Key": secrets.token_hex(12)}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            started = time.monotonic()
            try:
                async with self.session.request(
                    method, path, json=body, headers=key, timeout=IMPATIENT
                ) as response:
                    content = await response.read()
                    self.answers[str(response.status)] += 1
                    if response.status in (200, 201) and not _rows_failed(content):
                        self.acknowledged_at = time.monotonic()
                        return content
                    if response.status != 201:
                        self._verify_refusal(response, content, time.monotonic() - started)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.answers[type(error).__name__] += 1
            assert time.monotonic() < deadline, f"{path}: no answer in {PATIENCE_SECONDS} s"
            await asyncio.sleep(REPEAT_SECONDS)

    def _verify_refusal(
        self, response: aiohttp.ClientResponse, content: bytes, seconds: float
    ) -> None:
        assert response.status == 503, f"{response.url}: {response.status} {content!r}"
        assert int(response.headers["Retry-After"]) > 0
        assert response.content_type == "application/problem+json"
        self.refused.append(seconds)

    async def _at_once(
        self, act: Callable[[int], Awaitable[None]], count: int, at_once: int = AT_ONCE
    ) -> None:
        await self._all_of(act, iter(range(count)), at_once)

    async def _all_of(
        self,
        act: Callable[[int], Awaitable[None]],
        numbers: Iterator[int],
        at_once: int = AT_ONCE,
    ) -> None:
        async def work() -> None:
            for number in numbers:
                await act(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())


@asynccontextmanager
async def a_ledger(system: System, *, calls: bool = False) -> AsyncGenerator[Ledger]:
    """A new template, whose scans give a point, and a partner that hears of its passes.

    With `calls` each scan also calls the partner, in a run that outlives its process.
    """
    partner = Partner()
    await partner.start()
    async with system.session() as session:
        body = TEMPLATE | {"triggers": {"onScan": [ADD_ONE, *([partner.call] if calls else [])]}}
        template = (await post(session, "/v1/templates", body))["template_id"]
        endpoint = await post(
            session, "/v1/webhooks", {"url": partner.url, "template_id": template}
        )
        partner.secret = endpoint["secret"]
        try:
            yield Ledger(system, session, template, partner, await latest(session))
        finally:
            async with session.delete(f"/v1/webhooks/{endpoint['webhook_id']}"):
                await partner.stop()


async def play_amid(
    ledger: Ledger, fault: Fault, issues: int = ISSUES, scans: int = SCANS
) -> tuple[dict[str, tuple[int, int]], float]:
    """Play, break something when a third is acknowledged, balance; seconds until it balanced.

    The seconds count from the end of the fault or of the play, whichever was later.
    """
    playing = asyncio.create_task(ledger.play(issues, scans))

    def is_third() -> bool:
        if playing.done():
            playing.result()
        return len(ledger.handles) + ledger.scans >= (issues + scans) / 3

    try:
        await poll(is_third, "third of all answers", PATIENCE_SECONDS)
        await fault(ledger.system)
        await playing
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
    started = time.monotonic()
    return await ledger.balance(), time.monotonic() - started


def show(table: dict[str, tuple[int, int]]) -> str:
    """Say what was acknowledged and found, a line each."""
    lines = [f"{'':16}{'acknowledged':>14}{'found':>9}"]
    for name, (told, found) in table.items():
        verdict = "" if told == found else "  does not balance"
        lines.append(f"{name:16}{told:14,}{found:9,}{verdict}")
    return "\n".join(lines)


def _rows_failed(content: bytes) -> bool:
    """Whether rows of a list were not done, for the moment; then all are sent again."""
    if b'"error"' not in content:
        return False
    errors = [row["error"] for row in json.loads(content)["passes"] if "error" in row]
    assert all(error["status"] == 503 for error in errors), content
    return bool(errors)


async def post(
    session: aiohttp.ClientSession, path: str, body: Any, status: int = 201
) -> dict[str, Any]:
    """Ask for something that is answered with this status."""
    async with session.post(path, json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def _try_fault(system: System, name: str) -> bool:
    async with a_ledger(system) as ledger:
        try:
            table, seconds = await play_amid(ledger, FAULTS[name])
        except (AssertionError, ExceptionGroup) as error:
            say(f"FAILED: {error}")
            await system.until_ready()
            return False
        repeats = sum(ledger.partner.ids.values()) - len(ledger.partner.ids)
        say(show(table))
        say(
            f"balanced after {seconds:.1f} s; answers {dict(ledger.answers)};"
            f" {repeats} webhooks sent again"
        )
        return True


async def run(names: list[str]) -> bool:
    """Try each fault; whether all balanced."""
    good = True
    say("starting PostgreSQL, RabbitMQ, five processes and a push server …")
    with a_small_disk() as disk:
        if disk is None:
            say("no disk can be filled here: that needs the right to mount one")
            names = [name for name in names if FAULTS[name] is not fill_postgresql_disk]
        async with a_distributed_system(disk) as system:
            for name in names:
                say(f"{name} …")
                good &= await _try_fault(system, name)
    return good


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    chosen = parser.parse_args().faults or list(FAULTS)
    if unknown := set(chosen) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    raise SystemExit(0 if uvloop.run(run(chosen)) else 1)


if __name__ == "__main__":
    main()
