"""The virtual wallet does as a phone does, and says what a server does wrong."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared import clock
from tests.integration.wallet.server import TOPIC, ToyServer, a_device, a_toy_server, authority
from tests.wallet.device import Card, Device, RefusedError
from tests.wallet.files import InvalidPassError
from tests.wallet.fleet import points_of

LIST = "GET /v1/devices/{device}/registrations/{type}"
FETCH = "GET /v1/passes/{type}/{serial}"


@pytest.fixture
async def toy() -> AsyncIterator[ToyServer]:
    async with a_toy_server() as toy:
        yield toy


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    async with a_device(tmp_path) as device:
        yield device


@pytest.fixture
async def card(device: Device, toy: ToyServer) -> Card:
    return await device.install(f"{toy.url}/p/1")


async def test_a_pass_is_installed_and_registered(device: Device, toy: ToyServer, card: Card):
    assert toy.registrations == {(device.device_id, "1", device.push_token)}
    assert [(e.call, e.status) for e in device.calls.trace] == [("install", 200), ("register", 201)]
    assert points_of(card) == 1


async def test_a_push_makes_it_list_and_fetch(device: Device, toy: ToyServer, card: Card):
    toy.change()
    await device.on_push(TOPIC)
    await device.on_push(TOPIC)

    assert points_of(card) == 2
    assert [e.call for e in device.calls.trace][2:] == ["list", "fetch", "list"]
    assert device.types[TOPIC].tag == "1"  # the second list was answered 204 and keeps it
    assert not device.complaints


async def test_a_tag_comes_only_with_an_answer_that_arrives(
    device: Device, toy: ToyServer, card: Card
):
    toy.change()
    device.lose("list")
    device.lose("fetch", 2)
    await device.on_push(TOPIC)

    assert toy.asked.count(LIST) == 2
    assert toy.asked.count(FETCH) == 3
    assert points_of(card) == 2


async def test_pushes_during_an_update_make_one_more_list(
    device: Device, toy: ToyServer, card: Card
):
    toy.change()
    for _ in range(9):
        device.receive_push(TOPIC)
    await asyncio.sleep(0)
    await device.until_quiet()

    assert toy.asked.count(LIST) == 2
    assert device.pushes[TOPIC] == 9


async def test_a_push_while_it_logs_is_not_lost(device: Device, toy: ToyServer, card: Card):
    toy.name_unchanged()
    toy.on_log = lambda: device.receive_push(TOPIC)
    await device.on_push(TOPIC)
    await device.until_quiet()

    assert toy.asked.count(LIST) == 2


async def test_what_breaks_it_in_the_background_is_raised_when_it_is_switched_off(
    device: Device, toy: ToyServer, card: Card
):
    is_broken = asyncio.Event()

    def break_down(_card: Card) -> None:
        is_broken.set()
        raise ZeroDivisionError

    device.on_change = break_down
    toy.change()
    device.receive_push(TOPIC)

    await is_broken.wait()
    with pytest.raises(ZeroDivisionError):
        await device.close()


async def test_apple_keeps_one_push_for_a_phone_that_is_away(
    device: Device, toy: ToyServer, card: Card
):
    device.go_offline()
    toy.change()
    for _ in range(5):
        device.receive_push(TOPIC)
    assert LIST not in toy.asked
    device.go_online()
    await device.until_quiet()

    assert device.pushes[TOPIC] == 1
    assert points_of(card) == 2


async def test_a_server_in_trouble_is_asked_again_and_told_why(
    device: Device, toy: ToyServer, card: Card
):
    toy.change()
    toy.status = 503
    device.receive_push(TOPIC)
    while toy.asked.count(LIST) < 2:
        await asyncio.sleep(0.01)
    toy.status = None
    await device.until_quiet()

    assert points_of(card) == 2
    assert "Get serial #s task" in toy.logged[0]
    assert toy.logged[0].endswith("encountered error: unexpected response code 503")


async def test_a_pass_named_without_need_is_logged_as_ios_does(
    device: Device, toy: ToyServer, card: Card
):
    toy.name_unchanged()
    await device.on_push(TOPIC)
    toy.heeds_dates = False
    toy.name_unchanged()
    await device.on_push(TOPIC)

    assert toy.logged[0].endswith(
        "Server requested update to serial number '1', but the pass was unchanged."
    )
    assert "Server ignored the 'if-modified-since' header" in toy.logged[1]


@pytest.mark.parametrize("key", ["serialNumber", "passTypeIdentifier", "authenticationToken"])
async def test_a_pass_that_changes_its_name_or_token_is_complained_of(
    device: Device, toy: ToyServer, card: Card, key: str
):
    toy.overrides = {key: "another one, long enough"}
    toy.change()
    await device.on_push(TOPIC)

    assert device.complaints == [f"no {key} as it was"]


@pytest.mark.parametrize(
    ("name", "spoiled"),
    [
        ("pass.json", b"{}"),
        ("manifest.json", b'{"pass.json": "0"}'),
        ("signature", b"0"),
        ("folder/file.png", b""),
        ("pass.json", b"\xef\xbb\xbf{}"),
    ],
)
async def test_a_spoiled_file_is_not_installed(
    device: Device, toy: ToyServer, name: str, spoiled: bytes
):
    toy.spoiled = {name: spoiled}

    with pytest.raises(InvalidPassError):
        await device.install(f"{toy.url}/p/1")
    assert not device.cards


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ({"value": "12,50", "currencyCode": "EUR"}, "is no number"),
        ({"value": "a few", "numberStyle": "PKNumberStyleDecimal"}, "is no number"),
        ({"value": "tomorrow", "dateStyle": "PKDateStyleShort"}, "is no date"),
        ({"value": 5, "timeStyle": "PKDateStyleShort"}, "is no date"),
        ({"label": "Points"}, "has no value"),
    ],
)
async def test_a_field_that_does_not_fit_its_style_is_refused(
    device: Device, toy: ToyServer, field: dict[str, Any], fault: str
):
    toy.overrides = {"storeCard": {"headerFields": [{"key": "points", **field}]}}

    with pytest.raises(InvalidPassError, match=fault):
        await device.install(f"{toy.url}/p/1")
    assert not device.cards


async def test_a_signature_of_another_manifest_is_refused(device: Device, toy: ToyServer):
    toy.spoiled = {"signature": authority()[1].sign(b"{}", clock.now())}

    with pytest.raises(InvalidPassError):
        await device.install(f"{toy.url}/p/1")


async def test_a_spoiled_update_leaves_the_pass_as_it_was(
    device: Device, toy: ToyServer, card: Card
):
    toy.spoiled = {"signature": b"0"}
    toy.change()
    await device.on_push(TOPIC)

    assert points_of(card) == 1
    assert len(device.complaints) == 1
    assert "Received invalid pass data" in toy.logged[0]


async def test_a_pass_whose_token_is_refused_is_not_asked_for_again(
    device: Device, toy: ToyServer, card: Card
):
    toy.status = 401
    await device.refresh(card)
    toy.status = None
    toy.change()
    await device.on_push(TOPIC)

    assert card.is_dead
    assert toy.asked.count(FETCH) == 1


async def test_an_answer_out_of_turn_is_complained_of(device: Device, toy: ToyServer, card: Card):
    toy.status = 404

    with pytest.raises(RefusedError):
        await device.unregister(card)
    assert device.complaints == ["unregister was answered 404"]


async def test_a_pass_is_removed(device: Device, toy: ToyServer, card: Card):
    await device.remove(card)

    assert not toy.registrations
    assert not device.cards
