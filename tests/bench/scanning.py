"""Scans passes: as many as it can take, and at a steady rate whatever is answered."""

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Final

from tests.bench.batches import a_long_batch
from tests.bench.client import Measured, Wire, measure
from tests.bench.issuing import Stock, issue_in_bulk, until_quiet
from tests.bench.report import STEADY_PER_SECOND

AT_ONCE: Final = 64
WARMING_UP: Final = 500
MAX_PER_SECOND: Final = 600
"""So many passes are there for each second; where they are too few, they are scanned again."""
STEADY_TIMES: Final = 3
"""A steady rate gives few latencies, so it runs so many times longer than other rows."""
STEADY_PASSES: Final = 500


async def scan(wire: Wire, handle: str) -> None:
    answer = await wire.post(f"/v1/passes/{handle}/scan")
    assert answer.status == 200, answer.body


async def measure_scans(stock: Stock, seconds: float) -> Measured:
    """Scans of different passes: rules run, logged and durable before the answer."""
    handles = await stock.take(WARMING_UP + int(MAX_PER_SECOND * seconds))
    with stock.wires(AT_ONCE) as wires:
        return await measure(wires, cycle(handles), scan, seconds=seconds, warming_up=WARMING_UP)


async def measure_steady_scans(stock: Stock, seconds: float) -> list[float]:
    """Send a scan at each planned moment, whether or not those before were answered.

    Each latency counts from the planned moment, so that waiting for a slow one is not left out.
    """
    handles = await stock.take(STEADY_PASSES)
    await until_quiet(stock.system)
    return await _scan_steadily(stock, handles, seconds * STEADY_TIMES)


async def measure_steady_scans_beside_bulk(stock: Stock, seconds: float) -> list[float]:
    """Do the same while passes are issued in bulk."""
    handles = await stock.take(STEADY_PASSES)
    async with issue_in_bulk(stock):
        await _scan_steadily(stock, handles, 1.0)
        return await _scan_steadily(stock, handles, seconds * STEADY_TIMES)


async def measure_steady_scans_beside_batch(stock: Stock, seconds: float) -> list[float]:
    """Do the same while a list of passes is worked on."""
    handles = await stock.take(STEADY_PASSES)
    async with a_long_batch(stock):
        await _scan_steadily(stock, handles, 1.0)
        return await _scan_steadily(stock, handles, seconds * STEADY_TIMES)


async def _scan_steadily(stock: Stock, handles: Sequence[str], seconds: float) -> list[float]:
    idle: list[Wire] = []
    latencies: list[float] = []

    async def one(planned: float, handle: str) -> None:
        wire = idle.pop() if idle else Wire(stock.system.base_url, stock.system.api_key)
        await scan(wire, handle)
        latencies.append(time.perf_counter() - planned)
        idle.append(wire)

    started = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as tasks:
            for number, handle in zip(range(int(STEADY_PER_SECOND * seconds)), cycle(handles)):
                planned = started + number / STEADY_PER_SECOND
                await asyncio.sleep(planned - time.perf_counter())
                tasks.create_task(one(planned, handle))
    finally:
        for wire in idle:
            wire.close()
    return latencies
