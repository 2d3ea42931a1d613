"""What devices do with passes: events with their rules, and on how many devices a pass is."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from services.triggers.handlers import devices
from services.triggers.jobs.runs import RunJob
from shared.contracts.notifier import DeviceAct, DevicesActed
from shared.identifiers import new_id
from tests.integration.triggers.life import (
    ACCOUNT,
    DOCUMENT,
    OTHER_ACCOUNT,
    Life,
    a_template,
    until_somebody_waits,
)
from tests.integration.triggers.test_triggers_runs import CALL, FakeCaller, a_job

STAMP = {"action": "PSActionIncrementValue", "targetPath": "stamps", "amount": 1}
STOP = {"action": "PSActionSetValue", "targetPath": "psTriggerError", "value": "No"}
BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)


def an_act(handle: str, kind: Any, minute: int, number: int = 0, count: int = 0) -> DeviceAct:
    return DeviceAct(
        event_id=new_id(),
        account_id=ACCOUNT,
        handle=handle,
        kind=kind,
        occurred_at=BEGIN + timedelta(minutes=minute),
        number=number,
        devices=count,
    )


async def with_rules(life: Life, **triggers: Any) -> str:
    await life.keep(a_template(2, document={**DOCUMENT, "triggers": triggers}))
    return await life.issued(revision=2)


async def logged(life: Life, handle: str) -> list[str]:
    return [event.kind for event in await life.timeline(handle)]


async def test_install_update_and_removal_happen_with_their_rules(life: Life):
    handle = await with_rules(
        life,
        onInstall=STAMP,
        onDeviceUpdate={**STAMP, "amount": 10},
        onDelete={**STAMP, "amount": 100},
    )

    await life.act(
        an_act(handle, "remove", 3, 2, 0),
        an_act(handle, "install", 1, 1, 1),
        an_act(handle, "device_update", 2),
    )

    [found] = await life.read(handle)
    assert await logged(life, handle) == ["create", "install", "device_update", "remove"]
    assert (found.installed, found.removed, found.devices) == (True, True, 0)
    assert found.values["stamps"] == 111
    moments = [event.occurred_at for event in await life.timeline(handle)]
    assert moments[1:] == [BEGIN + timedelta(minutes=minute) for minute in (1, 2, 3)]


async def test_count_is_that_of_the_highest_number_whatever_comes_first(life: Life):
    acts = [(1, "install", 1), (2, "install", 2), (3, "remove", 1), (4, "install", 2)]
    for seed in range(8):
        handle = await life.issued()
        told = [an_act(handle, kind, number, number, count) for number, kind, count in acts]
        random.Random(seed).shuffle(told)

        for act in told:
            await life.act(act)

        [found] = await life.read(handle)
        assert (found.devices, found.installed, found.removed) == (2, True, True)
        assert sorted(await logged(life, handle)) == ["create", *["install"] * 3, "remove"]


async def test_same_act_twice_happens_once(life: Life):
    handle = await with_rules(life, onInstall=STAMP)
    act = an_act(handle, "install", 1, 1, 1)

    await life.act(act, act)

    [found] = await life.read(handle)
    assert (found.values["stamps"], await logged(life, handle)) == (1, ["create", "install"])


async def test_acts_of_deleted_unknown_and_others_passes_are_ignored(life: Life):
    deleted, foreign = await life.issued(), await life.issued()
    await life.happened(deleted, "delete")
    stranger = an_act(foreign, "install", 1, 1, 1).model_copy(update={"account_id": OTHER_ACCOUNT})

    await life.act(an_act(deleted, "install", 1, 1, 1), an_act("nobody", "install", 1), stranger)

    assert life.told == []
    assert await logged(life, deleted) == ["create", "delete"]
    assert await logged(life, foreign) == ["create"]


async def test_act_that_its_rules_stop_is_not_logged_but_counted(life: Life):
    handle = await with_rules(life, onInstall=[STAMP, STOP])
    other = await life.issued(revision=2)

    await life.act(an_act(handle, "install", 1, 1, 1), an_act(other, "remove", 2, 1, 0))
    told = life.changed()

    [found] = await life.read(handle)
    assert (found.devices, found.installed, found.values) == (1, False, {})
    assert await logged(life, handle) == ["create"]
    assert await logged(life, other) == ["create", "remove"]
    assert [p.handle for p in told] == [other]


async def test_act_whose_rules_call_goes_on_alone(life: Life):
    caller = FakeCaller()
    handle = await with_rules(life, onInstall=[STAMP, CALL, STAMP])
    begun = asyncio.Event()
    install = an_act(handle, "install", 1, 1, 1)
    acted = [DevicesActed(acts=[install, an_act(handle, "remove", 2, 2, 0)])]

    for _ in range(2):  # the second is the same told again in another message
        async with life.database.work() as work:
            await devices.follow_devices(acted, work, cache=life.cache, begun=begun)
        acted = [DevicesActed(acts=[install])]
    before = await logged(life, handle)
    await a_job(life, caller).run()

    [found] = await life.read(handle)
    assert begun.is_set()
    assert (before, len(caller.calls)) == (["create", "remove"], 1)
    assert await logged(life, handle) == ["create", "remove", "install"]
    assert (found.values["stamps"], found.devices, found.installed) == (2, 0, True)


async def test_run_of_an_act_that_is_stopped_keeps_the_count(life: Life):
    handle = await with_rules(life, onInstall=[CALL, STOP])
    await life.act(an_act(handle, "install", 1, 1, 1))

    job: RunJob = a_job(life, FakeCaller())
    await job.run()

    [found] = await life.read(handle)
    assert (found.devices, found.installed) == (1, False)
    assert await logged(life, handle) == ["create"]


async def test_acts_and_scans_of_one_pass_at_the_same_time_all_count(life: Life):
    handle = await with_rules(life, onInstall=STAMP, onScan=STAMP, onDelete=STAMP)

    async def act(number: int) -> None:
        other = Life(life.database, life.cache)
        await other.act(
            an_act(handle, "install" if number % 2 else "remove", number, number, number % 2)
        )

    async def scan() -> None:
        await Life(life.database, life.cache).happened(handle, "scan")

    await asyncio.gather(*(act(number) for number in range(1, 7)), *(scan() for _ in range(4)))

    [found] = await life.read(handle)
    assert (found.values["stamps"], found.devices) == (10, 0)
    assert len(await logged(life, handle)) == 11


async def test_act_waits_for_whoever_changes_the_pass(life: Life):
    handle = await life.issued()
    async with life.database.work() as changing:
        await changing.connection.execute(
            "SELECT FROM passes WHERE handle = $1 FOR NO KEY UPDATE", handle
        )
        acting = asyncio.create_task(life.act(an_act(handle, "install", 1, 1, 1)))
        await until_somebody_waits(life.database)
        await changing.connection.execute(
            "UPDATE passes SET registration_number = 5, devices = 3 WHERE handle = $1", handle
        )
    await acting

    [found] = await life.read(handle)
    assert (found.devices, found.installed) == (3, True)


async def test_installs_noted_by_hand_count_until_a_device_registers(life: Life):
    handle = await life.issued()

    await life.happened(handle, "install")
    await life.happened(handle, "install")
    noted = (await life.read(handle))[0].devices
    await life.happened(handle, "remove")
    dropped = (await life.read(handle))[0].devices
    await life.act(an_act(handle, "install", 1, 1, 2))
    await life.happened(handle, "remove")

    [found] = await life.read(handle)
    assert (noted, dropped, found.devices) == (1, 0, 2)


async def test_manual_update_heard_of_late_counts_if_it_was_long_before(life: Life):
    handle = await life.issued()

    await life.act(an_act(handle, "device_update", 10))
    await life.act(an_act(handle, "device_update", 5))
    await life.act(an_act(handle, "device_update", 10))

    assert await logged(life, handle) == ["create", "device_update", "device_update"]


def in_google(handle: str, kind: Any, minute: int, number: int, count: int) -> DeviceAct:
    return an_act(handle, kind, minute, number, count).model_copy(update={"wallet": "google"})


async def test_each_wallet_counts_for_itself_and_a_pass_is_on_the_devices_of_both(life: Life):
    acts = [
        an_act("", "install", 1, 1, 1),
        in_google("", "install", 2, 1, 1),
        an_act("", "install", 3, 2, 2),
        in_google("", "install", 4, 2, 1),
        an_act("", "remove", 5, 3, 1),
    ]
    for seed in range(8):
        handle = await life.issued()
        told = [act.model_copy(update={"handle": handle, "event_id": new_id()}) for act in acts]
        random.Random(seed).shuffle(told)
        for act in told:
            await life.act(act)

        [held] = await life.read(handle)
        await life.act(in_google(handle, "remove", 6, 3, 0))

        [left] = await life.read(handle)
        assert (held.devices, left.devices) == (2, 1)


async def test_log_says_in_which_wallet_a_device_did_it(life: Life):
    handle = await life.issued()

    await life.act(an_act(handle, "install", 1, 1, 1), in_google(handle, "install", 2, 1, 1))
    await life.happened(handle, "install")

    events = [event for event in await life.timeline(handle) if event.kind == "install"]
    assert [event.data.get("wallet") for event in events] == ["apple", "google", None]
    [found] = await life.read(handle)
    assert found.devices == 2
