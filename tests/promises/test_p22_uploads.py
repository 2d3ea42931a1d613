"""Promise 22: what strangers send cannot use up memory or time."""

import asyncio
import gzip
import json
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import pytest

from tests.forking import ROOT
from tests.promises.conftest import Figure
from tests.promises.fuzzing import TARGETS, images
from tests.promises.memory import Memory
from tests.system import System

MAX_GROWTH_KIB: Final = 64 * 1024
"""KiB."""
MAX_SECONDS: Final = 0.2
FUZZ_SECONDS: Final = float(os.environ.get("PASSWRIGHT_FUZZ_SECONDS", "20"))  # noqa: TID251


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes, pixels: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(pixels, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


ZEROS: Final = zlib.compress(bytes(200 * 2**20), 9)
"""200 MiB in 200 KB."""

IMAGES: Final[dict[str, Callable[[], bytes]]] = {
    "a picture of 900 million pixels": lambda: png(30_000, 30_000),
    "pixels without end": lambda: png(40, 30, pixels=bytes(200 * 2**20)),
    "a text of 200 MiB": lambda: png(40, 30, chunk(b"zTXt", b"a\0\0" + ZEROS), pixels=bytes(180)),
    "a profile of 200 MiB": lambda: png(
        40, 30, chunk(b"iCCP", b"a\0\0" + ZEROS), pixels=bytes(180)
    ),
    "thousands of chunks": lambda: png(
        40, 30, *[chunk(b"tEXt", b"a\0")] * 60_000, pixels=bytes(180)
    ),
    "a file of 100 MiB": lambda: bytes(100 * 2**20),
}
BODIES: Final[dict[str, tuple[Callable[[], bytes], dict[str, str]]]] = {
    "deep JSON": (lambda: b"[" * 200_000, {}),
    "wide JSON": (lambda: b"[" + b"0," * 100_000 + b"0]", {}),
    "long numbers": (lambda: b'{"name":' + b"9" * 200_000 + b"}", {}),
    "many keys": (lambda: json.dumps({f"k{n}": n for n in range(20_000)}).encode(), {}),
    "a packed body": (lambda: gzip.compress(bytes(200 * 2**20)), {"Content-Encoding": "gzip"}),
}


async def test_bombs_are_refused_and_cost_the_gateway_no_memory(system: System, figure: Figure):
    took: dict[str, float] = {}
    statuses: dict[str, int] = {}

    async def send(session: Any, name: str, path: str, body: bytes, head: dict[str, str]) -> None:
        started = time.monotonic()
        async with session.post(path, data=BytesIO(body), headers=head) as response:
            await response.read()
        took[name], statuses[name] = time.monotonic() - started, response.status

    async with system.session() as session:
        for picture in images("PNG"):
            await send(session, "warm", "/v1/images", picture, {"Content-Type": "image/png"})
        gateway = Memory(system.processes["gateway"])
        for name, make in IMAGES.items():
            await send(session, name, "/v1/images", make(), {"Content-Type": "image/png"})
        for name, (make, more) in BODIES.items():
            head = {"Content-Type": "application/json"} | more
            await send(session, name, "/v1/templates", make(), head)
        async with session.get("/ready") as response:
            assert response.status == 200
    growth = gateway.growth

    assert {status // 100 for status in statuses.values()} <= {2, 4}, statuses
    assert growth < MAX_GROWTH_KIB
    figure(
        f"{len(IMAGES) + len(BODIES)} bombs, the slowest {max(took.values()) * 1000:.0f} ms;"
        f" the gateway grew by {growth / 1024:.0f} MiB at most"
    )


@pytest.mark.parametrize("name", list(TARGETS))
async def test_random_bytes_crash_no_parser_and_cost_neither_time_nor_memory(
    name: str, figure: Figure
):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.promises.fuzzing", name, str(FUZZ_SECONDS),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-2000:]
    found = json.loads(output)

    assert found["runs"] > 1000
    assert found["grown_kib"] < MAX_GROWTH_KIB
    assert found["slowest"] < MAX_SECONDS or name == "identities"  # they have limits of their own
    figure(f"{len(TARGETS)} parsers, {FUZZ_SECONDS:.0f} s of altered files each: no crash")
