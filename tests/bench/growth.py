"""Measures what becomes of rates, latencies, disk and memory as passes become many."""

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import asyncpg
import uvloop

from tests.bench.client import Act, Job, Wire, open_wires, run_at_once
from tests.bench.footprint import PerPass, measure_disk, measure_memory
from tests.bench.issuing import (
    BULK_AT_ONCE,
    FOUND,
    ROWS,
    Stock,
    issue_into,
    until_fetchable,
    until_quiet,
)
from tests.bench.plot import draw
from tests.bench.reading import AT_ONCE, ask_for_newer, download, register_phones
from tests.bench.report import (
    LABEL_WIDTH,
    SYSTEM,
    data_folder,
    load_before,
    percentile,
    say,
    write_json,
)
from tests.bench.rows import measure_rows
from tests.bench.scanning import scan
from tests.system import a_distributed_system

PASSES: Final = 1_000_000
FEW: Final = 10_000
SECONDS: Final = 4.0
FETCHED: Final = 3_000
"""So many first downloads show what one leaves behind."""
ALONE: Final = 200
"""So many requests of each kind, each sent when the one before was answered."""
STEP: Final = 100_000
CURVE_POINTS: Final = 40
PROGRESS_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.2
REQUESTS: Final = {
    "single": "one POST of a pass",
    "scan": "one scan",
    "first_fetch": "one first download",
    "fetch": "one repeated download",
    "not_modified": "one 304",
}


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at a number of passes."""

    passes: int
    """That there were when measuring began."""
    rows: Mapping[str, float]
    alone: Mapping[str, float]
    """Latencies in milliseconds of requests that are alone."""
    memory_mib: Mapping[str, float]
    load_before: float
    """Of the machine, in the minute before; bulk of ours is in it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many passes a second became durable and fetchable, up to a number of passes."""

    passes: int
    per_second: float


@dataclass(frozen=True, slots=True)
class Grown:
    """What a run found out."""

    points: tuple[Point, Point]
    bytes_per_pass: PerPass
    bytes_per_fetch: PerPass
    """What comes on top when a pass is fetched for the first time."""
    rates: list[Rate]
    curve: list[Rate]
    """The same in smaller steps."""
    most_behind: int
    """So many passes were issued at most that could not be fetched yet."""
    settling_seconds: float
    """After the last pass could be fetched, until every service had heard of all."""


class Growth:
    """Issues in bulk until there are so many passes, and notes when each could be fetched."""

    def __init__(self, stock: Stock, wanted: int) -> None:
        self._stock = stock
        self._wanted = wanted
        self._posted = stock.issued
        self._pending: deque[list[str]] = deque()
        self._marks = [(stock.issued, time.perf_counter())]
        self.most_behind = 0

    async def run(self) -> None:
        with self._stock.wires(BULK_AT_ONCE) as wires:
            async with asyncio.TaskGroup() as tasks:
                progress = tasks.create_task(self._tell_progress())
                sent = asyncio.gather(*map(self._send, wires))
                await self._follow(sent)
                progress.cancel()

    def rates(self, step: int) -> list[Rate]:
        """Give the rate of each step; the last one may be shorter."""
        rates: list[Rate] = []
        passes, since = self._marks[0]
        for now_passes, now in self._marks[1:]:
            if now_passes - passes >= step or now_passes >= self._wanted:
                rates.append(Rate(now_passes, (now_passes - passes) / (now - since)))
                passes, since = now_passes, now
        return rates

    async def _send(self, wire: Wire) -> None:
        while self._posted < self._wanted:
            self._posted += ROWS
            self._pending.append(await self._stock.post_many(wire))

    async def _follow(self, sent: asyncio.Future[list[None]]) -> None:
        connection = await asyncpg.connect(self._stock.system.database_url)
        try:
            while self._pending or not sent.done():
                await asyncio.sleep(LOOK_SECONDS)
                behind = ROWS * len(self._pending)
                self.most_behind = max(self.most_behind, behind)
                while self._pending and await _are_fetchable(connection, self._pending[0]):
                    self._stock.add(self._pending.popleft())
                    self._marks.append((self._stock.issued, time.perf_counter()))
            await sent
        finally:
            await connection.close()

    async def _tell_progress(self) -> None:
        before = self._stock.issued
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            now = self._stock.issued
            rate = (now - before) / PROGRESS_SECONDS
            left = f"{(self._wanted - now) / rate:,.0f} s to go" if rate else "nothing moves"
            say(f"  {now:,} passes, {rate:,.0f} per second, {left}")
            before = now


async def _are_fetchable(connection: asyncpg.Connection, handles: Sequence[str]) -> bool:
    return len(await connection.fetch(FOUND, handles)) == len(handles)


async def measure_growth(passes: int, seconds: float) -> Grown:
    say("starting PostgreSQL, RabbitMQ and five processes …")
    async with a_distributed_system() as system:
        stock = await Stock.of_new_template(system)
        few = min(FEW, passes // 4)
        say(f"{few:,} passes in bulk …")
        await Growth(stock, few).run()
        first = await measure_point(stock, seconds)
        await until_quiet(system)
        before = await measure_disk(system, stock.issued)
        wanted = max(passes, stock.issued + passes // 4)
        say(f"{wanted:,} passes in bulk …")
        growth = Growth(stock, wanted)
        await growth.run()
        ended = time.perf_counter()
        await until_quiet(system)
        settling = time.perf_counter() - ended
        after = await measure_disk(system, stock.issued)
        fetched = await measure_first_fetch(stock, min(FETCHED, passes // 4))
        second = await measure_point(stock, seconds)
    return Grown(
        (first, second),
        PerPass.between(before, after),
        fetched,
        growth.rates(STEP),
        growth.rates(max(ROWS, wanted // CURVE_POINTS)),
        growth.most_behind,
        settling,
    )


async def measure_first_fetch(stock: Stock, fetches: int) -> PerPass:
    """Download passes that nobody has fetched before: how many bytes each leaves behind."""
    say("first downloads …")
    handles = await stock.take(fetches)
    await until_quiet(stock.system)
    before = await measure_disk(stock.system, 0)
    with open_wires(AT_ONCE, stock.system.base_url) as wires:
        await run_at_once(wires, handles, download)
    await until_quiet(stock.system)
    return PerPass.between(before, await measure_disk(stock.system, fetches))


async def measure_point(stock: Stock, seconds: float) -> Point:
    """Measure everything with the passes there are."""
    await until_quiet(stock.system)
    load = load_before()
    passes, memory = stock.issued, measure_memory(stock.system)
    rows = await measure_rows(stock, seconds)
    say("requests that are alone …")
    return Point(passes, rows, await measure_alone(stock), memory, load)


async def measure_alone(stock: Stock) -> dict[str, float]:
    """Send requests one after the other: how long each kind takes when nothing else happens."""
    system = stock.system
    phones = await register_phones(system, await stock.take(ALONE))
    scanned, fresh = await stock.take(ALONE), await stock.take(ALONE)
    issued: list[str] = []
    result: dict[str, float] = {}

    async def alone(name: str, wires: list[Wire], jobs: Iterable[Job], act: Act[Job]) -> None:
        await until_quiet(system)
        latencies = await run_at_once(wires, jobs, act)
        result[f"{name}_p50_ms"] = percentile(latencies, 0.5)
        result[f"{name}_p99_ms"] = percentile(latencies, 0.99)

    with stock.wires(1) as issuer, open_wires(1, system.base_url) as reader:
        await alone("single", issuer, range(ALONE), issue_into(stock, issued))
        await alone("scan", issuer, scanned, scan)
        await alone("first_fetch", reader, fresh, download)
        await alone("fetch", reader, [phone.handle for phone in phones], download)
        await alone("not_modified", reader, phones, ask_for_newer)
    await until_fetchable(system, issued)
    stock.add(issued)
    return result


def table(grown: Grown) -> str:
    """Show both points beside each other, and what a pass takes."""
    first, second = grown.points
    lines = [
        f"{'':{LABEL_WIDTH}}{f'at {first.passes:,}':>14}{f'at {second.passes:,}':>14}{'ratio':>8}"
    ]

    def compare(label: str, before: float, after: float, digits: int = 0) -> None:
        ratio = f"{after / before:8.2f}" if before else ""
        lines.append(f"{label:{LABEL_WIDTH}}{before:14,.{digits}f}{after:14,.{digits}f}{ratio:>8}")

    compare("load of the machine before", first.load_before, second.load_before, 1)
    lines.append("per second")
    for row in SYSTEM:
        compare(f"  {row.label}", first.rows[row.key], second.rows[row.key])
    lines.append("milliseconds, nothing else happening")
    for name, label in REQUESTS.items():
        for share, kind in (("p50", "median"), ("p99", "p99")):
            key = f"{name}_{share}_ms"
            compare(f"  {label}, {kind}", first.alone[key], second.alone[key], 1)
    lines.append("resident memory, MiB")
    for name, size in first.memory_mib.items():
        compare(f"  {name}", size, second.memory_mib.get(name, 0))
    for per_one, label in (
        (grown.bytes_per_pass, "bytes of PostgreSQL per pass"),
        (grown.bytes_per_fetch, "and once it is fetched, on top"),
    ):
        lines.append(label)
        lines.append(f"  {'all that stays':{LABEL_WIDTH - 2}}{per_one.lasting:14,.0f}")
        lines += [f"    {name:{LABEL_WIDTH - 4}}{n:14,.0f}" for name, n in per_one.tables.items()]
        kept_a_day = "outbox and inbox, kept for a day"
        lines.append(f"  {kept_a_day:{LABEL_WIDTH - 2}}{per_one.passing:14,.0f}")
    lines.append("passes per second in bulk, up to")
    lines += [
        f"  {f'{rate.passes:,}':{LABEL_WIDTH - 2}}{rate.per_second:14,.0f}" for rate in grown.rates
    ]
    lines.append(
        f"{'seconds until all services knew of all':{LABEL_WIDTH}}{grown.settling_seconds:14,.1f}"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument(
        "--passes",
        type=int,
        default=PASSES,
        help="to grow to; more where measuring has made as many before",
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each row")
    arguments = parser.parse_args()
    grown = uvloop.run(measure_growth(arguments.passes, arguments.seconds))
    write_json("bench-growth.json", asdict(grown))
    curve = [(rate.passes, rate.per_second) for rate in grown.curve]
    svg = data_folder() / "bench-growth.svg"
    svg.write_text(draw(curve, "Passes per second in bulk, durable and fetchable"))
    sys.stdout.write(table(grown) + "\n")


if __name__ == "__main__":
    main()
