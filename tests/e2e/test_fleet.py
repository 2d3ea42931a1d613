"""A hundred phones: each ends at the newest version of its passes, whatever fails meanwhile."""

import asyncio
import random
from collections import Counter

import aiohttp

from tests.e2e.passsource import POINTS, log_in
from tests.e2e.phones import Held, a_phone, ask_list, hold, link, set_points, until_named
from tests.e2e.test_journeys import a_template, patch, post
from tests.feed import latest, read_feed
from tests.partner import Partner
from tests.system import System, poll
from tests.wallet.calls import Call
from tests.wallet.changes import Changer, equip
from tests.wallet.device import Device
from tests.wallet.fleet import Fleet, open_fleet

CHANGES = 400
CHANGES_WITH_KILLS = 1000
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
    assert fleet.pushes.total() <= touched
    # What was pushed while they were away is one; the last may still be on its way as they return.
    assert {device.pushes.total() for device in away} <= {1, 2}
    assert {calls_of(device)["list"] for device in away} <= {1, 2}


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


async def test_kills_amid_a_thousand_changes_leave_no_phone_and_no_partner_behind(
    embedded: System, distributed: System
):
    """Both transports at once: most of the time what was leased to the killed is waited for."""
    await asyncio.gather(change_amid_kills(embedded), change_amid_kills(distributed))


async def change_amid_kills(system: System) -> None:
    apple, partner = system.apple, Partner()
    assert apple is not None
    await partner.start()
    async with system.session() as session, open_fleet(system.root, apple) as fleet:
        cursor, template = await latest(session), await a_template(session)
        body = {"url": partner.url, "template_id": template}
        partner.secret = (await post(session, "/v1/webhooks", body, expect=201))["secret"]
        changer = await equip(system, fleet, session, template)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(changer.change(CHANGES_WITH_KILLS))
            await until_changed(changer, 0.2)
            await apple.stop()
            await until_changed(changer, 0.4)
            await apple.start()
            await until_changed(changer, 0.6)
            notifier = system.processes.get("notifier") or system.processes["run"]
            await asyncio.to_thread(notifier.kill)
            notifier.start()

        await fleet.until_newest(changer.newest, seconds=90)
        await fleet.until_quiet()

        async def all_told() -> bool:
            return partner.ids.keys() >= (await read_feed(session, cursor, template)).keys()

        await poll(all_told, "every event told", 90)
        told = await read_feed(session, cursor, template)
        await fleet.verify()
    await partner.stop()

    assert {event["id"]: event["type"] for event in partner.received} == told
    assert Counter(told.values())["pass.updated"] == CHANGES_WITH_KILLS


async def until_changed(changer: Changer, share: float) -> None:
    await poll(lambda: changer.acknowledged > share * CHANGES_WITH_KILLS, f"{share:.0%}", 90)


async def phone_with(system: System, fleet: Fleet, handle: str) -> Held:
    (phone,) = fleet.add()
    return Held(handle, phone, await phone.install(link(system, handle)))


def calls_of(device: Device) -> dict[str, int]:
    return dict(Counter(str(exchange.call) for exchange in device.calls.trace))
