"""Sends requests at a steady rate, from a process of its own: `… -m tests.promises.flood`.

It reads a `Flood` as JSON from its input and writes what was answered as JSON to its output.
"""

import asyncio
import sys
import time
from collections import Counter

import aiohttp
import uvloop
from pydantic import BaseModel


class Flood(BaseModel):
    """What is sent: a POST with a body, so many times a second, for so long."""

    url: str
    key: str
    body: dict[str, object]
    rate: float
    seconds: float


class Answered(BaseModel):
    """How often each status was answered, and all unlike sets of headers that tell of limits."""

    seconds: float
    statuses: Counter[int] = Counter()
    told: dict[int, set[tuple[str, str, str]]] = {}
    """`RateLimit-Policy`, `RateLimit` and `Retry-After` of answers, by their status."""


async def send(flood: Flood) -> Answered:
    answered = Answered(seconds=0)

    async def one(session: aiohttp.ClientSession) -> None:
        async with session.post(flood.url, json=flood.body) as response:
            await response.read()
            answered.statuses[response.status] += 1
            names = ("RateLimit-Policy", "RateLimit", "Retry-After")
            told = tuple(response.headers.get(name, "") for name in names)
            answered.told.setdefault(response.status, set()).add((told[0], told[1], told[2]))

    started = time.monotonic()
    async with (
        aiohttp.ClientSession(
            headers={"X-API-Key": flood.key}, connector=aiohttp.TCPConnector(limit=64)
        ) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(int(flood.rate * flood.seconds)):
            await asyncio.sleep(started + number / flood.rate - time.monotonic())
            tasks.create_task(one(session))
    answered.seconds = time.monotonic() - started
    return answered


if __name__ == "__main__":
    given = Flood.model_validate_json(sys.stdin.read())
    sys.stdout.write(uvloop.run(send(given)).model_dump_json())
