"""Phones for tests: a pass on a phone, and lists asked by hand."""

from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.e2e.test_journeys import POINTS, a_pass, patch
from tests.system import System, poll
from tests.wallet.calls import Answer, Call, Caller
from tests.wallet.device import Card, Device
from tests.wallet.fleet import Fleet, points_of


@dataclass
class Held:
    """A pass of ours on a phone."""

    handle: str
    device: Device
    card: Card

    @property
    def topic(self) -> str:
        return self.card.name[0]

    @property
    def serial(self) -> str:
        return self.card.name[1]

    @property
    def points(self) -> int:
        return points_of(self.card)

    @property
    def address(self) -> str:
        return f"{self.card.service}/v1/passes/{self.topic}/{self.serial}"

    @property
    def registration(self) -> str:
        device = f"{self.card.service}/v1/devices/{self.device.device_id}"
        return f"{device}/registrations/{self.topic}/{self.serial}"

    async def ask(self, call: Call, token: str | None = None, **headers: str) -> Answer:
        """Make one of the calls about the pass by hand; `token` is its own unless said."""
        address = self.address if call == "fetch" else self.registration
        body = {"pushToken": self.device.push_token} if call == "register" else None
        token = self.card.token if token is None else token
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.device.calls.ask(call, address, token or None, body, named)


def a_phone(fleet: Fleet) -> Device:
    """Make a phone that no push reaches: it does only what it is told."""
    return Device(Caller(fleet.http), fleet.root)


async def hold(
    system: System,
    session: aiohttp.ClientSession,
    device: Device,
    template: str,
    values: dict[str, Any] | None = None,
) -> Held:
    """Issue a pass and take it into a phone, which lists once, so that it has a tag."""
    handle = await a_pass(session, template, values=values)
    held = Held(handle, device, await device.install(link(system, handle)))
    if device.types[held.topic].tag is None:
        await device.list_news(held.topic)
        device.types[held.topic].owed.clear()
    return held


def link(system: System, handle: str) -> str:
    return f"{system.base_url}/p/{handle}.pkpass"


async def set_points(session: aiohttp.ClientSession, handle: str, points: int) -> None:
    await patch(session, f"/v1/passes/{handle}", {"values": {POINTS: points}})


async def ask_list(
    device: Device, topic: str, since: str | None = None, parameter: str = "passesUpdatedSince"
) -> Answer:
    """List by hand, with any tag, and leave the phone's own tag alone."""
    service = next(card.service for card in device.cards.values() if card.name[0] == topic)
    query = "" if since is None else f"?{parameter}={since}"
    address = f"{service}/v1/devices/{device.device_id}/registrations/{topic}{query}"
    return await device.calls.ask("list", address)


async def until_named(device: Device, topic: str, serials: set[str]) -> None:
    """List with the kept tag until each of these was named; without one all are, at once."""
    assert device.types[topic].tag is not None
    named: set[str] = set()

    async def all_named() -> bool:
        named.update(await device.list_news(topic))
        return named >= serials

    await poll(all_named, f"list that names {len(serials)} passes")
