"""A hundred phones: each ends at the newest version of its passes, whatever fails meanwhile."""

import asyncio
import random
from collections import Counter

import aiohttp
import pytest

from tests.e2e.passsource import POINTS, log_in
from tests.e2e.phones import Held, a_phone, ask_list, hold, link, set_points, until_named
from tests.e2e.test_journeys import a_template, patch, post
from tests.feed import latest, read_feed
from tests.partner import Partner
from tests.system import System, poll
from tests.wallet.calls import Call
from tests.wallet.changes import equip
from tests.wallet.device import Device
from tests.wallet.fleet import Fleet

CHANGES = 400
CHANGES_WITH_A_KILL = 2000
LOSSES: tuple[Call, ...] = ("list", "fetch")


async def test_a_hundred_phones_end_at_the_newest_of_every_pass(system: System, fleet: Fleet):
    async with system.session() as session:
        template = await a_template(session)
        changer = await equip(system, fleet, session, template)
        away, home = fleet.devices[::5], [d for n, d in enumerate(fleet.devices) if n % 5]
        for device in home[::2]:
            device.lose(random.choice(LOSSES), random.randint(1, 3))
        for device in away:
            device.go_offline()
        await changer.change(CHANGES)
        await fleet.until_newest(changer.newest, home)
        for device in away:
            device.go_online()
        await fleet.until_newest(changer.newest)
    await fleet.until_quiet()
    await fleet.verify()

    touched = sum(changer.newest[card.name[1]] for _, card in fleet.cards())
    assert fleet.pushes.total() < touched
    assert {device.pushes.total() for device in away} == {1}
    assert {calls_of(device)["list"] for device in away} == {1}


async def test_a_change_that_nobody_can_see_is_not_pushed(system: System, fleet: Fleet):
    (phone,) = fleet.add()
    async with system.session() as session:
        template = await a_template(session)
        unseen = await hold(system, session, phone, template)
        seen = await hold(system, session, phone, template)
        changed = await patch(
            session, f"/v1/passes/{unseen.handle}", {"values": {"psScanText": "Unseen"}}
        )
        await set_points(session, seen.handle, 5)
        await fleet.until_newest({seen.serial: 5})
    await fleet.until_quiet()

    assert changed["version"] >= 2
    assert calls_of(phone) == {"install": 2, "register": 2, "list": 2, "fetch": 1}
    assert phone.pushes.total() == 1


async def test_a_silent_change_is_not_pushed_until_a_push_is_asked(system: System, fleet: Fleet):
    async with aiohttp.ClientSession(system.base_url) as http:
        api = await log_in(system, http)
        template = await api.template()
        silent, loud = [
            await phone_with(system, fleet, await api.issued(template)) for _ in range(2)
        ]
        await api.do("updatePassFields", hashedSerialNumber=silent.handle, **{POINTS: "7"})

        async def is_listed() -> bool:
            return (await ask_list(silent.device, silent.topic, "0")).status == 200

        await poll(is_listed, "the silent change in the list")
        await api.do("updatePassFields", hashedSerialNumber=loud.handle, **{POINTS: "8"})
        await api.do("pushPassUpdate", hashedSerialNumber=loud.handle)
        await fleet.until_newest({loud.serial: 8})
        before = silent.device.pushes.total()
        await api.do("pushPassUpdate", hashedSerialNumber=silent.handle)
        await fleet.until_newest({silent.serial: 7})
        await api.do("pushPassUpdate", hashedSerialNumber=silent.handle)  # there is nothing new
        await api.do("updatePassFields", hashedSerialNumber=loud.handle, **{POINTS: "9"})
        await api.do("pushPassUpdate", hashedSerialNumber=loud.handle)
        await fleet.until_newest({loud.serial: 9})

    assert before == 0
    assert silent.device.pushes.total() == 1
    assert loud.device.pushes.total() == 2


async def test_a_phone_that_registers_after_a_change_it_missed_is_pushed_once(
    system: System, fleet: Fleet
):
    (phone,) = fleet.add()
    async with system.session() as session:
        held = await hold(system, session, a_phone(fleet), await a_template(session))
        await phone.install(link(system, held.handle))
        phone.pushes.clear()
        card = phone.cards[held.card.name]
        await phone.unregister(card)
        await set_points(session, held.handle, 6)
        await until_named(held.device, held.topic, {held.serial})
        await phone.register(card)
        await fleet.until_newest({held.serial: 6})
    await fleet.until_quiet()

    assert phone.pushes.total() == 1


@pytest.mark.parametrize("victim", ["the notifier", "the push server"])
async def test_killing_it_amid_two_thousand_changes_leaves_no_phone_and_no_partner_behind(
    victim: str, system: System, fleet: Fleet, partner: Partner
):
    apple = system.apple
    assert apple is not None
    async with system.session() as session:
        cursor = await latest(session)
        template = await a_template(session)
        body = {"url": partner.url, "template_id": template}
        partner.secret = (await post(session, "/v1/webhooks", body, expect=201))["secret"]
        changer = await equip(system, fleet, session, template)
        changing = asyncio.create_task(changer.change(CHANGES_WITH_A_KILL))
        await poll(lambda: changer.acknowledged > CHANGES_WITH_A_KILL // 4, "a quarter", 60)
        if victim == "the push server":
            await apple.stop()
            await poll(lambda: changer.acknowledged > CHANGES_WITH_A_KILL // 2, "a half", 60)
            await apple.start()
        else:
            process = system.processes.get("notifier") or system.processes["run"]
            await asyncio.to_thread(process.kill)
            process.start()
        await asyncio.wait_for(changing, 90)

        await fleet.until_newest(changer.newest, seconds=90)
        await fleet.until_quiet()

        async def all_told() -> bool:
            return partner.ids.keys() >= (await read_feed(session, cursor, template)).keys()

        await poll(all_told, "every event told", 90)
        told = await read_feed(session, cursor, template)
    await fleet.verify()

    assert set(partner.ids) == set(told)
    assert Counter(told.values())["pass.updated"] == CHANGES_WITH_A_KILL
    assert {event["id"]: event["type"] for event in partner.received} == told


async def phone_with(system: System, fleet: Fleet, handle: str) -> Held:
    (phone,) = fleet.add()
    return Held(handle, phone, await phone.install(link(system, handle)))


def calls_of(device: Device) -> dict[str, int]:
    return dict(Counter(str(exchange.call) for exchange in device.calls.trace))
