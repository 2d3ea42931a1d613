"""A list of rows, from the first byte of its file until its last pass can be fetched."""

import asyncio
import csv
import io
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import orjson

from tests.bench.client import Wire
from tests.bench.issuing import POINTS, Stock, until_fetchable

WARMING_UP: Final = 1_000
ROWS: Final = 20_000
LONG: Final = 300_000
"""Rows that outlast what is measured beside them."""
LOOK_SECONDS: Final = 0.1


async def measure_batches(stock: Stock) -> float:
    """Issue passes by a batch: rows a second, end to end."""
    with stock.wires(1) as (wire,):
        await _issue(stock, wire, WARMING_UP)
        started = time.perf_counter()
        handles = await _issue(stock, wire, ROWS)
        passed = time.perf_counter() - started
    stock.add(handles)
    return ROWS / passed


@asynccontextmanager
async def a_long_batch(stock: Stock) -> AsyncGenerator[None]:
    """Have a list of passes worked on meanwhile; what is left of it at the end is cancelled."""
    with stock.wires(1) as (wire,):
        batch = await _send(stock, wire, LONG)
        yield
        address = f"/v1/batches/{batch['batch_id']}"
        assert (await _read(wire, batch))["state"] == "running"
        answer = await wire.post(f"{address}/cancel")
        assert answer.status == 200, answer.body
        await _until_ended(wire, batch)


async def _issue(stock: Stock, wire: Wire, rows: int) -> list[str]:
    """Issue so many passes; gives their handles once they can be fetched."""
    batch = await _until_ended(wire, await _send(stock, wire, rows))
    assert (batch["state"], batch["failed"]) == ("finished", 0), batch
    answer = await wire.get(f"/v1/batches/{batch['batch_id']}/result.csv")
    found = csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"), newline=""))
    handles = [row["handle"] for row in found]
    await until_fetchable(stock.system, handles)
    return handles


async def _send(stock: Stock, wire: Wire, rows: int) -> dict[str, Any]:
    content = "".join([f"{POINTS}\n", *(f"{number}\n" for number in range(rows))]).encode()
    address = f"/v1/batches?kind=passes&again=true&template_id={UUID(stock.template_id)}"
    answer = await wire.post(address, content, media="text/csv")
    assert answer.status == 202, answer.body
    return orjson.loads(answer.body)


async def _read(wire: Wire, batch: dict[str, Any]) -> dict[str, Any]:
    return orjson.loads((await wire.get(f"/v1/batches/{batch['batch_id']}")).body)


async def _until_ended(wire: Wire, batch: dict[str, Any]) -> dict[str, Any]:
    while batch["ended_at"] is None:
        await asyncio.sleep(LOOK_SECONDS)
        batch = await _read(wire, batch)
    return batch
