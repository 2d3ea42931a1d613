"""Passes that change: each change is repeated until it is acknowledged, and what is newest kept."""

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.system import System
from tests.wallet.fleet import Fleet

POINTS = "structure_headerFields_points_value"
REPEAT_SECONDS = 0.2
PATIENCE_SECONDS = 120
MAX_ROWS = 500
PHONES = 100
SHARED = 20


@dataclass
class Changer:
    """Sets the points of passes, higher each time."""

    session: aiohttp.ClientSession
    passes: Sequence[tuple[str, str]]
    """Handles and serial numbers."""
    newest: dict[str, int] = field(default_factory=dict[str, int])
    """The points that every phone must end at, by serial number."""
    acknowledged: int = 0

    async def change(self, count: int, at_once: int = 24) -> None:
        """Make so many changes, spread over the passes; those of one pass follow each other."""
        shares = [count // len(self.passes)] * len(self.passes)
        for index in random.sample(range(len(self.passes)), count % len(self.passes)):
            shares[index] += 1
        turns = asyncio.Semaphore(at_once)

        async def one(issued: tuple[str, str], times: int) -> None:
            for _ in range(times):
                async with turns:
                    await self.set_points(*issued, self.newest.get(issued[1], 0) + 1)

        await asyncio.gather(*map(one, self.passes, shares))

    async def set_points(self, handle: str, serial_number: str, points: int) -> None:
        """Make one change, as often as it takes within the patience there is."""
        key, deadline = secrets.token_hex(12), time.monotonic() + PATIENCE_SECONDS
        while not await self._attempt(f"/v1/passes/{handle}", {POINTS: points}, key):
            assert time.monotonic() < deadline, f"no change within {PATIENCE_SECONDS} s"
            await asyncio.sleep(REPEAT_SECONDS)
        self.newest[serial_number] = points
        self.acknowledged += 1

    async def _attempt(self, path: str, values: dict[str, int], key: str) -> bool:
        headers = {"Idempotency-Key": key}
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self.session.patch(
                path, json={"values": values}, headers=headers
            ) as response:
                text = await response.text()
            assert response.status in (200, 500, 503), f"{path}: {response.status} {text}"
            return response.status == 200
        return False


async def issue(session: aiohttp.ClientSession, template: str, count: int) -> list[str]:
    """Issue passes of a template; give their handles."""
    handles: list[str] = []
    while len(handles) < count:
        rows: list[dict[str, Any]] = [{"values": {}}] * min(MAX_ROWS, count - len(handles))
        body = {"template_id": template, "passes": rows}
        async with session.post("/v1/passes", json=body) as response:
            assert response.status == 201, await response.text()
            handles += [one["handle"] for one in (await response.json())["passes"]]
    return handles


async def equip(
    system: System, fleet: Fleet, session: aiohttp.ClientSession, template: str
) -> Changer:
    """Give a hundred new phones a pass of their own each, and one that they share with others."""
    devices = fleet.add(PHONES)
    handles = await issue(session, template, PHONES + SHARED)
    links = [f"{system.base_url}/p/{handle}.pkpass" for handle in handles]
    own = list(zip(devices, links[:PHONES], strict=True))
    shared = [(device, links[PHONES + n % SHARED]) for n, device in enumerate(devices)]
    cards = await fleet.install(own + shared)
    serials = [card.name[1] for card in cards[: PHONES + SHARED]]
    return Changer(session, list(zip(handles, serials, strict=True)))
