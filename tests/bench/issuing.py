"""Issues passes, one by one and in bulk, and waits until they can be fetched."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from importlib.resources import files
from itertools import count, islice
from typing import Any, Final

import aio_pika
import asyncpg
import orjson

from services.demo import IMAGES, TEMPLATE
from shared.messaging.topology import EVENT_QUEUES
from tests.bench.client import Act, Measured, Wire, measure, open_wires, run_at_once
from tests.system import System

POINTS: Final = "structure_headerFields_points_value"
ROWS: Final = 500
BULK_AT_ONCE: Final = 6
SINGLES_AT_ONCE: Final = 128
WARMING_UP: Final = 500
FOUND: Final = "SELECT handle FROM generator.passes WHERE handle = ANY($1)"
"""A pass that is found here is durable, and can be fetched: it is composed and signed then."""
LOOK: Final = 5000
LOOK_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 120.0
QUIET_SECONDS: Final = 0.2
QUIET_PATIENCE_SECONDS: Final = 600.0
"""After a million passes much may lie in queues."""


class Stock:
    """Passes of one template, with the demo's images; each is taken for one purpose only."""

    def __init__(self, system: System, template_id: str) -> None:
        self.system = system
        self.template_id = template_id
        self.issued = 0
        rows = [{"values": {POINTS: n}} for n in range(ROWS)]
        self._one = orjson.dumps({"template_id": template_id, "values": {POINTS: 7}})
        self._many = orjson.dumps({"template_id": template_id, "passes": rows})
        self._untouched: list[str] = []

    @classmethod
    async def of_new_template(cls, system: System) -> "Stock":
        return cls(system, await create_template(system))

    def add(self, handles: Iterable[str]) -> None:
        """Take in passes that can be fetched by now."""
        before = len(self._untouched)
        self._untouched += handles
        self.issued += len(self._untouched) - before

    async def take(self, wanted: int) -> list[str]:
        """Pick passes at random that nobody has touched yet; more are issued where too few are."""
        if wanted > len(self._untouched):
            await self._issue(wanted - len(self._untouched))
        taken: list[str] = []
        for _ in range(wanted):
            at = random.randrange(len(self._untouched))
            self._untouched[at], last = self._untouched[-1], self._untouched[at]
            self._untouched.pop()
            taken.append(last)
        return taken

    async def post_many(self, wire: Wire) -> list[str]:
        """Issue as many passes as a POST takes; give their handles."""
        answer = await wire.post("/v1/passes", self._many, _key())
        assert answer.status == 201, answer.body[:500]
        return [row["handle"] for row in orjson.loads(answer.body)["passes"]]

    async def post_one(self, wire: Wire) -> str:
        answer = await wire.post("/v1/passes", self._one, _key())
        assert answer.status == 201, answer.body
        return orjson.loads(answer.body)["handle"]

    async def _issue(self, wanted: int) -> None:
        handles: list[str] = []

        async def issue(wire: Wire, _number: int) -> None:
            handles.extend(await self.post_many(wire))

        with self.wires(BULK_AT_ONCE) as wires:
            await run_at_once(wires, range(-(-wanted // ROWS)), issue)
        await until_fetchable(self.system, handles)
        self.add(handles)

    def wires(self, number: int) -> AbstractContextManager[list[Wire]]:
        return open_wires(number, self.system.base_url, self.system.api_key)


async def create_template(system: System) -> str:
    """Save the demo's template with its images."""
    return (await save_template(system, TEMPLATE, IMAGES))["template_id"]


async def save_template(
    system: System, template: dict[str, Any], image_names: Iterable[str]
) -> dict[str, Any]:
    """Save a template with images of the demo."""
    with open_wires(1, system.base_url, system.api_key) as (wire,):
        images: dict[str, str] = {}
        for name in image_names:
            png = (files("services") / "demo_images" / f"{name}.png").read_bytes()
            answer = await wire.post("/v1/images", png, media="image/png")
            assert answer.status in (200, 201), answer.body
            images[name] = orjson.loads(answer.body)["sha256"]
        answer = await wire.post("/v1/templates", orjson.dumps(template | {"images": images}))
        assert answer.status == 201, answer.body
        return orjson.loads(answer.body)


async def measure_singles(stock: Stock, seconds: float) -> Measured:
    """Single POSTs, each with its Idempotency-Key: durable before the 201, fetchable at the end."""
    handles: list[str] = []
    with stock.wires(SINGLES_AT_ONCE) as wires:
        issue = issue_into(stock, handles)
        await run_at_once(wires, range(WARMING_UP), issue)
        await until_fetchable(stock.system, handles)
        started = time.perf_counter()
        measured = await measure(wires, count(), issue, seconds=seconds, warming_up=0)
        await until_fetchable(stock.system, handles[WARMING_UP:])
        passed = time.perf_counter() - started
    stock.add(handles)
    return Measured(measured.latencies, passed)


def issue_into(stock: Stock, handles: list[str]) -> Act[int]:
    """Make what issues one pass and notes its handle."""

    async def issue(wire: Wire, _number: int) -> None:
        handles.append(await stock.post_one(wire))

    return issue


async def measure_bulk(stock: Stock, seconds: float) -> float:
    """Rows of 500 to a POST, end to end: from the first byte until the last can be fetched."""
    handles: list[str] = []

    async def issue(wire: Wire, _number: int) -> None:
        handles.extend(await stock.post_many(wire))

    with stock.wires(BULK_AT_ONCE) as wires:
        await run_at_once(wires, range(BULK_AT_ONCE), issue)
        await until_fetchable(stock.system, handles)
        warm, started = len(handles), time.perf_counter()
        await measure(wires, count(), issue, seconds=seconds, warming_up=0)
        await until_fetchable(stock.system, handles[warm:])
        passed = time.perf_counter() - started
    stock.add(handles)
    return (len(handles) - warm) / passed


@asynccontextmanager
async def issue_in_bulk(stock: Stock) -> AsyncGenerator[None]:
    """Go on issuing in bulk for a while."""
    handles: list[str] = []
    is_over = asyncio.Event()

    async def issue(wire: Wire) -> None:
        while not is_over.is_set():
            handles.extend(await stock.post_many(wire))

    with stock.wires(BULK_AT_ONCE) as wires:
        async with asyncio.TaskGroup() as tasks:
            for wire in wires:
                tasks.create_task(issue(wire))
            yield
            is_over.set()
    await until_fetchable(stock.system, handles)
    stock.add(handles)


async def until_fetchable(system: System, handles: Iterable[str]) -> None:
    """Wait for the passes' files; the clock stops with the last of them."""
    connection = await asyncpg.connect(system.database_url)
    missing, deadline = set(handles), time.monotonic() + PATIENCE_SECONDS
    try:
        while missing:
            rows = await connection.fetch(FOUND, list(islice(missing, LOOK)))
            missing.difference_update(row[0] for row in rows)
            if rows:
                deadline = time.monotonic() + PATIENCE_SECONDS
            else:
                assert time.monotonic() < deadline, f"{len(missing)} passes cannot be fetched"
                await asyncio.sleep(LOOK_SECONDS)
    finally:
        await connection.close()


async def until_quiet(system: System) -> None:
    """Wait until no service has anything to tell or to hear, so that rows do not share time."""
    environment = system.extra["environment"]
    prefix = environment["PASSWRIGHT_AMQP_PREFIX"]
    unsent = " UNION ALL ".join(
        f"(SELECT 1 FROM {name}.outbox WHERE sent_at IS NULL LIMIT 1)" for name in system.processes
    )
    deadline, looks = time.monotonic() + QUIET_PATIENCE_SECONDS, 0
    connection = await asyncpg.connect(system.database_url)
    broker = await aio_pika.connect(environment["AMQP_URL"])
    try:
        channel = await broker.channel()

        async def waiting() -> int:
            """Count the events that lie in queues."""
            queues = [
                await channel.declare_queue(f"{prefix}.{queue}", passive=True)
                for queue in EVENT_QUEUES
            ]
            return sum(queue.declaration_result.message_count or 0 for queue in queues)

        while looks < 2:
            looks = 0 if await connection.fetch(unsent) or await waiting() else looks + 1
            assert time.monotonic() < deadline, "outboxes or queues do not become empty"
            await asyncio.sleep(QUIET_SECONDS)
    finally:
        await broker.close()
        await connection.close()


def _key() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(8)}
