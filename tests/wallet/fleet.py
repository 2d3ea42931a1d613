"""Many devices at once, and one question: does each hold the newest of every pass?"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.apple import Push, PushServer
from tests.wallet.calls import Caller
from tests.wallet.device import Card, Device
from tests.wallet.files import PassFile, verify_signature

MAX_CONNECTIONS = 64

Newest = Mapping[str, int]
"""The points that the newest version of each pass shows, by serial number."""


@dataclass
class Fleet:
    """Devices that share a way to Apple: pushes are handed to whom they are for."""

    http: aiohttp.ClientSession
    root: Path
    devices: list[Device] = field(default_factory=list[Device])
    pushes: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Pushes that came, by token and topic; also for tokens of nobody here."""
    _by_token: dict[str, Device] = field(default_factory=dict[str, Device])

    def add(self, count: int = 1, on_change: Callable[[Card], None] | None = None) -> list[Device]:
        """Switch on new devices."""
        made = [Device(Caller(self.http), on_change=on_change) for _ in range(count)]
        self.devices += made
        return made

    def deliver(self, token: str, topic: str) -> None:
        """Take a push from Apple; the push server's callback."""
        self.pushes[token, topic] += 1
        device = self._by_token.get(token)
        if device is None or device.push_token != token:
            self._by_token = {device.push_token: device for device in self.devices}
            device = self._by_token.get(token)
        if device is not None:
            device.receive_push(topic)

    async def install(self, links: list[tuple[Device, str]], at_once: int = 16) -> list[Card]:
        """Let devices open links, so many at a time."""
        turns = asyncio.Semaphore(at_once)

        async def one(device: Device, link: str) -> Card:
            async with turns:
                return await device.install(link)

        return await asyncio.gather(*(one(device, link) for device, link in links))

    def cards(self) -> list[tuple[Device, Card]]:
        return [(device, card) for device in self.devices for card in device.cards.values()]

    def behind(
        self, newest: Newest, devices: Sequence[Device] | None = None
    ) -> list[tuple[Device, Card]]:
        """List what is not the newest yet."""
        return [
            (device, card)
            for device in (self.devices if devices is None else devices)
            for card in device.cards.values()
            if card.name[1] in newest and points_of(card) != newest[card.name[1]]
        ]

    async def until_newest(
        self, newest: Newest, devices: Sequence[Device] | None = None, seconds: float = 60
    ) -> None:
        """Wait until devices, all unless said, hold the newest of their passes by themselves."""
        deadline = time.monotonic() + seconds
        while behind := self.behind(newest, devices):
            if time.monotonic() > deadline:
                device, card = behind[0]
                shows, should = points_of(card), newest[card.name[1]]
                trace = "\n".join(map(str, list(device.calls.trace)[-12:]))
                raise AssertionError(
                    f"{len(behind)} of {len(self.cards())} are behind after {seconds:.0f} s; one "
                    f"shows {shows!r}, the newest is {should!r}; its device's last calls:\n{trace}"
                )
            await asyncio.sleep(0.05)

    async def until_quiet(self) -> None:
        await asyncio.gather(*(device.until_quiet() for device in self.devices))

    async def verify(self, at_once: int = 4) -> None:
        """Let OpenSSL verify every file there is in the fleet, and hear complaints."""
        files = {card.file.data: card.file for _, card in self.cards()}
        turns = asyncio.Semaphore(at_once)

        async def one(entries: dict[str, bytes]) -> None:
            async with turns:
                await asyncio.to_thread(verify_signature, entries, self.root)

        await asyncio.gather(*(one(file.entries) for file in files.values()))
        complaints = Counter(text for device in self.devices for text in device.complaints)
        assert not complaints, complaints

    async def close(self) -> None:
        await asyncio.gather(*(device.close() for device in self.devices))


def points_of(card: Card | PassFile) -> int:
    return card.content["storeCard"]["headerFields"][0]["value"]


@asynccontextmanager
async def open_fleet(root: Path, apple: PushServer) -> AsyncGenerator[Fleet]:
    """Open a fleet without devices, which gets its pushes from this server."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as http:
        fleet = Fleet(http, root)

        def hear(push: Push) -> None:
            fleet.deliver(push.token, push.topic)

        apple.listeners.append(hear)
        try:
            yield fleet
        finally:
            apple.listeners.remove(hear)
            await fleet.close()
