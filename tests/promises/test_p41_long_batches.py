"""Promise 41: long lists cost no memory, and a full disk leaves nothing half done."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import aiohttp
import pytest

from tests.batches import ended, pieces_of_result, result, send
from tests.e2e.test_exports import an_account
from tests.e2e.test_journeys import a_template, get, post
from tests.promises.conftest import Figure
from tests.promises.faults import fill_postgresql_disk, small_disk_of
from tests.promises.memory import Memory
from tests.system import System, a_distributed_system, poll

MEBIBYTE: Final = 2**20
LENGTH: Final = int(os.environ.get("PASSWRIGHT_UPLOAD_MEBIBYTES", "1024"))  # noqa: TID251
"""MiB of the list."""
WARMING_UP: Final = 16
"""MiB of one before it: what a process needs once is there by then."""
ROW: Final = f"Member,{'n' * 1015}\n".encode()
MAX_GROWTH_KIB: Final = 64 * 1024
PATIENCE_SECONDS: Final = 1800.0


@pytest.fixture(scope="module")
async def roomy() -> AsyncGenerator[System]:
    """A system whose database has the whole disk."""
    async with a_distributed_system() as system:
        yield system


async def a_list(mebibytes: int, head: bytes = b"name,number\n") -> AsyncIterator[bytes]:
    yield head
    rows = ROW * (MEBIBYTE // len(ROW))
    for _ in range(mebibytes):
        yield rows


async def test_a_long_list_costs_no_process_memory(roomy: System, figure: Figure):
    async with roomy.session(await an_account(roomy)) as session:
        template = await a_template(session)
        body = {"name": "Mailing", "template_id": template}
        program = (await post(session, "/v1/link-programs", body, expect=201))["program_id"]
        await work_off(session, program, WARMING_UP)
        memories = {name: Memory(process) for name, process in roomy.processes.items()}
        started = time.monotonic()
        rows, length = await work_off(session, program, LENGTH)
        seconds = time.monotonic() - started
    grown = {name: memory.growth for name, memory in memories.items()}

    assert max(grown.values()) < MAX_GROWTH_KIB, grown
    most = max(grown, key=lambda name: grown[name])
    figure(
        f"{LENGTH:,} MiB, {rows:,} rows → links, {length // MEBIBYTE:,} MiB of results,"
        f" {seconds:.0f} s: {most} grew by {grown[most] / 1024:.0f} MiB at most"
    )


async def work_off(session: aiohttp.ClientSession, program: str, mebibytes: int) -> tuple[int, int]:
    """Send a list, wait for its end, read the result; rows, and the bytes of the result."""
    begun = await send(session, a_list(mebibytes), kind="links", program_id=program)
    batch = await ended(session, begun["batch_id"], PATIENCE_SECONDS)
    assert (batch["state"], batch["failed"]) == ("finished", 0)
    length = 0
    async for piece in pieces_of_result(session, begun["batch_id"]):
        length += len(piece)
    return batch["rows"], length


async def test_a_disk_that_fills_amid_an_upload_leaves_nothing_half_done(
    system: System, figure: Figure
):
    disk = small_disk_of(system)
    filling = asyncio.Event()

    def is_full() -> bool:
        return os.statvfs(disk).f_bavail == 0

    async def until_it_is_full() -> AsyncIterator[bytes]:
        async for piece in a_list(8):
            yield piece
        filling.set()
        await poll(is_full, "full disk")
        async for piece in a_list(64, head=b""):
            yield piece

    async with system.session(await an_account(system)) as session:
        template = await a_template(session)
        async with asyncio.TaskGroup() as tasks:
            uploading = tasks.create_task(
                send(session, until_it_is_full(), 503, kind="passes", template_id=template)
            )
            await filling.wait()
            await fill_postgresql_disk(system)
        refusal = uploading.result()
        await system.until_ready()
        left = (await get(session, "/v1/batches"))["data"]
        passes = (await get(session, f"/v1/passes?template_id={template}"))["data"]
        begun = await send(session, b"number\n1\n2\n", kind="passes", template_id=template)
        batch = await ended(session, begun["batch_id"])
        rows = await result(session, begun["batch_id"])

    assert (left, passes) == ([], [])
    assert (batch["state"], batch["failed"], len(rows)) == ("finished", 0, 2)
    figure(f"disk full: 503, {refusal['title']}; nothing left, and the next list is done")
