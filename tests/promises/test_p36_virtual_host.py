"""Promise 36: a broker that lost everything is filled again from what the services keep."""

import asyncio
import time
from uuid import UUID

import asyncpg

from tests.promises.conftest import Figure
from tests.promises.faults import delete_virtual_host
from tests.promises.ledger import FOUND, Ledger, a_ledger
from tests.system import System, poll

PASSES = 100_000
RECOVERY_SECONDS = 300.0
DELIVERY_SECONDS = 1200.0
"""For the webhooks: a single endpoint takes so many at its own pace, whatever was deleted."""
FEED = "SELECT count(*) FROM notifier.events WHERE template_id = $1"


async def test_a_virtual_host_that_is_deleted_amid_work_costs_nothing(
    system: System, figure: Figure
):
    async with a_ledger(system) as ledger:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ledger.issue_in_bulk(PASSES))
            await poll(lambda: len(ledger.handles) >= PASSES / 2, "half of the passes", 240)
            await delete_virtual_host(system)
        started = time.monotonic()
        await poll(lambda: is_told(ledger), "states and events", RECOVERY_SECONDS)
        told = time.monotonic() - started
        await ledger.balance(DELIVERY_SECONDS)
        delivered = time.monotonic() - started

    figure(
        f"{PASSES:,} passes, 0 lost: all states and events {told:.0f} s after the last was taken,"
        f" all webhooks of one endpoint after {delivered:.0f} s"
    )


async def is_told(ledger: Ledger) -> bool:
    """Whether the generator has every state and the notifier every event."""
    connection = await asyncpg.connect(ledger.system.database_url)
    try:
        found = [
            await connection.fetchval(statement, UUID(ledger.template))
            for statement in (FOUND["states"], FEED)
        ]
    finally:
        await connection.close()
    return found == [len(ledger.handles)] * 2
