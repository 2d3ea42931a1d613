"""HTTP clients that cost little: they share the machine's two cores with what they measure."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar
from urllib.parse import urlsplit

WITHOUT_BODY: Final = (204, 304)
"""Answers that end with their head, whatever length it names."""
NOTHING: Final[Mapping[str, str]] = {}

Job = TypeVar("Job")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """Give the value of a header, empty where there is none."""
        found = re.search(rb"(?i)\r\n" + name.encode() + rb": *([^\r]*)", self.head)
        return found[1].decode("latin-1") if found else ""


class Wire:
    """One keep-alive connection of HTTP/1.1, which reads every answer to its end."""

    def __init__(self, base_url: str, api_key: str | None = None) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "localhost", parts.port or 80
        key = f"X-API-Key: {api_key}\r\n" if api_key else ""
        self._head = f"Host: {self._host}\r\n{key}"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, headers: Mapping[str, str] = NOTHING) -> Answer:
        return await self._ask(f"GET {path} HTTP/1.1\r\n{self._head}{_lines(headers)}\r\n".encode())

    async def post(
        self,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] = NOTHING,
        media: str = "application/json",
    ) -> Answer:
        head = (
            f"POST {path} HTTP/1.1\r\n{self._head}{_lines(headers)}Content-Type: {media}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return await self._ask(head.encode() + body)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def _ask(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        body = b"" if status in WITHOUT_BODY else await _read_body(reader, head)
        return Answer(status, head, body)


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
        return b"".join([piece async for piece in _chunks(reader)])
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return await reader.readexactly(int(length[1]) if length else 0)


async def _chunks(reader: asyncio.StreamReader):
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


@contextmanager
def open_wires(count: int, base_url: str, api_key: str | None = None) -> Generator[list[Wire]]:
    """Make so many connections; each is opened when it is first used."""
    wires = [Wire(base_url, api_key) for _ in range(count)]
    try:
        yield wires
    finally:
        for wire in wires:
            wire.close()


@dataclass(frozen=True, slots=True)
class Measured:
    """What was done within a time."""

    latencies: list[float]
    """Of each request, in seconds."""
    seconds: float

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


Act = Callable[[Wire, Job], Awaitable[None]]


async def run_at_once(wires: list[Wire], jobs: Iterable[Job], act: Act[Job]) -> list[float]:
    """Do jobs on all wires until there are no more; how long each took, in seconds."""
    latencies: list[float] = []
    left = iter(jobs)

    async def work(wire: Wire) -> None:
        for job in left:
            started = time.perf_counter()
            await act(wire, job)
            latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(work(wire) for wire in wires))
    return latencies


async def measure(
    wires: list[Wire], jobs: Iterable[Job], act: Act[Job], *, seconds: float, warming_up: int
) -> Measured:
    """Do jobs on all wires for a time, after some that do not count."""
    left = iter(jobs)
    await run_at_once(wires, islice(left, warming_up), act)
    started = time.perf_counter()
    latencies = await run_at_once(wires, for_seconds(left, seconds), act)
    return Measured(latencies, time.perf_counter() - started)


def for_seconds(jobs: Iterator[Job], seconds: float) -> Iterator[Job]:
    """Hand out jobs until the time is over or there are no more."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        try:
            yield next(jobs)
        except StopIteration:
            return
