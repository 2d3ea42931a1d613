"""Promise 7: whatever a process was doing when it was killed, nothing is lost or done twice."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import asyncpg
import pytest

from shared.crashing import CRASH_POINTS
from tests.promises.conftest import Figure
from tests.promises.ledger import POINTS, Ledger, a_ledger
from tests.system import Process, System
from tests.wallet.fleet import Fleet, open_fleet

ISSUES, SCANS = 60, 40
"""Of a round; there are as many rounds as it takes to come to the point."""
TIMES: Final = 3
"""The process ends when it is there for the third time: amid the load, not at its start."""
PHONES: Final = 5
HIT_SECONDS: Final = 90.0
RECOVERY_SECONDS: Final = 30.0

ASKS: Final = frozenset({"asks.sending", "asks.answered"})
EFFECTS: Final = frozenset({"effects.committing", "effects.committed"})
QUERIES: Final = frozenset({"requests.received", "requests.committed"})
COMMANDS: Final = QUERIES | {"requests.committing"}
EVENTS: Final = frozenset({"events.received", "events.committing", "events.committed"})
OUTBOX: Final = frozenset({"outbox.publishing", "outbox.published"})
RECEIPTS: Final = frozenset({"receipts.asking", "receipts.noted"})
ANSWERS: Final = frozenset({"receipts.answering"})
RUNS: Final = frozenset({"runs.claimed", "runs.called", "runs.committing"})
DELIVERIES: Final = frozenset({"deliveries.claimed", "deliveries.posted"})
PUSHES: Final = frozenset({"pushes.claimed", "pushes.sent"})

BATCHES: Final = frozenset({"batches.leased", "batches.done"})
"""Where tests/e2e/test_batches.py ends the gateway."""

GOOGLE: Final = frozenset({"google.claimed", "google.sent"})
"""Where tests/integration/notifier/test_google_crashes.py ends who sends, beside a Google."""

PLACES: Final[dict[str, frozenset[str]]] = {
    "gateway": ASKS | EFFECTS | OUTBOX | RECEIPTS,
    "member": COMMANDS | OUTBOX | RECEIPTS,
    "triggers": COMMANDS | EVENTS | OUTBOX | RECEIPTS | ANSWERS | RUNS,
    "generator": QUERIES | EVENTS | OUTBOX | RECEIPTS | ANSWERS,
    "notifier": QUERIES | EVENTS | ANSWERS | DELIVERIES | PUSHES,
}
"""Where each service comes along while passes are issued, scanned, told of and fetched."""

PAIRS: Final = [(service, point) for service, points in PLACES.items() for point in sorted(points)]


def test_every_point_is_tried():
    assert {point for _, point in PAIRS} == CRASH_POINTS - BATCHES - GOOGLE


@pytest.mark.parametrize(("service", "point"), PAIRS)
async def test_a_crash_at_any_point_loses_nothing_and_does_nothing_twice(
    service: str, point: str, system: System, figure: Figure
):
    process = system.processes[service]
    async with a_ledger(system, calls=True) as ledger, phones(ledger) as fleet:
        await asyncio.to_thread(process.stop)
        process.start(PASSWRIGHT_CRASH_AT=f"{point}:{TIMES}")
        await system.until_ready()
        crashed = asyncio.create_task(bring_back(process))
        deadline = time.monotonic() + HIT_SECONDS
        while not crashed.done():
            assert time.monotonic() < deadline, f"{service} never came to {point}"
            await ledger.play(ISSUES, SCANS)
            await ask_for_receipts(system)
        assert await crashed == -9, process.tail()
        ended = time.monotonic()
        await ledger.balance(RECOVERY_SECONDS)
        seconds = time.monotonic() - ended
        await fleet.until_newest(await points_of_passes(ledger))
        await fleet.until_quiet()

    assert len(ledger.partner.calls) == ledger.scans
    figure(f"{len(PAIRS)} of {len(PAIRS)} points balanced, the last after {seconds:.1f} s")


@asynccontextmanager
async def phones(ledger: Ledger) -> AsyncGenerator[Fleet]:
    """Some phones, each with a pass of the ledger."""
    system = ledger.system
    assert system.apple is not None
    await ledger.play(PHONES, 0)
    async with open_fleet(system.root, system.apple) as fleet:
        links = [f"{system.base_url}/p/{handle}.pkpass" for handle in ledger.handles[:PHONES]]
        await fleet.install(list(zip(fleet.add(PHONES), links, strict=True)))
        ledger.fetched |= set(ledger.handles[:PHONES])
        yield fleet


async def bring_back(process: Process) -> int:
    """Start a process again when it has ended; the code it ended with."""
    ended = process.running
    assert ended is not None
    code = await asyncio.to_thread(ended.wait)
    process.start()
    return code


async def ask_for_receipts(system: System) -> None:
    """Have all receipts asked for now, not after half a minute."""
    connection = await asyncpg.connect(system.database_url)
    try:
        for schema in PLACES:
            await connection.execute(
                f"UPDATE {schema}.outbox SET ask_at = now() WHERE ask_at > now()"
            )
    finally:
        await connection.close()


async def points_of_passes(ledger: Ledger) -> dict[str, int]:
    """The points each pass has, by its serial number."""
    connection = await asyncpg.connect(ledger.system.database_url)
    try:
        rows = await connection.fetch(
            f"""
            SELECT serial_number, coalesce((own_values ->> '{POINTS}')::int, 0) AS points
            FROM triggers.passes
            WHERE template_id = $1
            """,
            UUID(ledger.template),
        )
    finally:
        await connection.close()
    return {row["serial_number"]: row["points"] for row in rows}
