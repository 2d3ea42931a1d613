"""What a phone does to a pass, and what can be read of it: rules, counts, the timeline."""

import json
from typing import Any

import aiohttp

from tests.e2e.phones import Held, a_phone, hold, set_points
from tests.e2e.test_journeys import a_template, download, events, get, post, template_body
from tests.system import System, poll
from tests.wallet.fleet import Fleet

NOTES = "structure_backFields_notes_value"


async def test_rules_run_when_a_phone_installs_refreshes_and_removes_a_pass(
    system: System, fleet: Fleet
):
    async with system.session() as session:
        template = await a_noting_template(session)
        held = await hold(system, session, a_phone(fleet), template)
        await poll(lambda: says(session, held.handle, devices=1, notes="installed"), "install")

        await pull(held)
        await poll(lambda: says(session, held.handle, notes="installed refreshed"), "refresh")
        await held.device.remove(held.card)
        await poll(
            lambda: says(session, held.handle, devices=0, notes="installed refreshed removed"),
            "removal",
        )
        log = await events(session, held.handle)

    told = [event["type"] for event in log if event["type"] != "pass.updated"]
    assert told == ["pass.created", "pass.installed", "pass.refreshed", "pass.removed"]


async def test_rules_that_a_refresh_runs_are_pushed_but_do_not_loop(system: System, fleet: Fleet):
    [phone] = fleet.add()
    async with system.session() as session:
        held = await hold(system, session, phone, await a_noting_template(session))
        await poll(lambda: says(session, held.handle, notes="installed"), "install")

        await pull(held)
        await poll(lambda: shows(held, "installed refreshed"), "push of what the refresh changed")
        await fleet.until_quiet()
        log = await events(session, held.handle)

    assert sum(event["type"] == "pass.refreshed" for event in log) == 1


async def test_the_timeline_says_why_a_phone_does_not_show_a_change(system: System, fleet: Fleet):
    [phone] = fleet.add()
    async with system.session() as session:
        template = await a_template(session)
        nobody = (await post(session, "/v1/passes", {"template_id": template}, 201))["handle"]
        unseen = await poll(
            lambda: verdict(session, nobody, "not_downloaded"), "word of no download"
        )
        await download(session, nobody)
        alone = await poll(lambda: verdict(session, nobody, "no_devices"), "word of no device")
        held = await hold(system, session, phone, template)
        phone.go_offline()
        await set_points(session, held.handle, 71)
        off = await poll(lambda: verdict(session, held.handle, "not_asked"), "word of the push")
        phone.go_online()
        await fleet.until_newest({held.serial: 71})
        current = await poll(lambda: verdict(session, held.handle, "current"), "word of the fetch")
        entries = (await get(session, f"/v1/passes/{held.handle}/timeline?limit=100"))["data"]

    assert "Nobody has downloaded" in unseen["text"]
    assert "No device" in alone["text"]
    assert "Apple took the push" in off["text"]
    assert [device["code"] for device in current["devices"]] == ["current"]
    seen = [entry["type"] for entry in entries if entry["source"] == "device"]
    assert seen[-3:] == ["device.pushed", "device.listed", "device.fetched"]
    assert phone.device_id not in str(entries)
    assert phone.push_token not in str(entries)


async def test_what_a_phone_logs_is_on_the_timeline_of_its_pass(system: System, fleet: Fleet):
    phone = a_phone(fleet)
    async with system.session() as session:
        held = await hold(system, session, phone, await a_template(session))
        line = (
            f"Web service error for {held.topic} ({held.card.service}): Server requested update to"
            f" serial number '{held.serial}', but the pass was unchanged. <script>"
        )

        async def logged() -> list[dict[str, Any]]:
            await phone.log([line], held.card.service)  # again: others may have used up the room
            entries = (await get(session, f"/v1/passes/{held.handle}/timeline"))["data"]
            return [entry["data"] for entry in entries if entry["type"] == "device.device_log"]

        told, *_ = await poll(logged, "line of the phone", seconds=90)

    assert told["class"] == "pass_unchanged"
    assert told["version"] == 1


async def a_noting_template(session: aiohttp.ClientSession) -> str:
    """A template whose passes note what phones do with them, where it is seen."""
    plain = await get(session, f"/v1/templates/{await a_template(session)}")
    body = json.loads(json.dumps(template_body()))
    body["pass"]["storeCard"]["backFields"] = [{"key": "notes", "label": "Notes", "value": ""}]
    body["images"] = plain["images"]
    body["triggers"] = {
        trigger: [{"action": "PSActionSetValue", "targetPath": NOTES, "value": value}]
        for trigger, value in {
            "onInstall": "installed",
            "onDeviceUpdate": f"{{{NOTES}}} refreshed",
            "onDelete": f"{{{NOTES}}} removed",
        }.items()
    }
    return (await post(session, "/v1/templates", body, expect=201))["template_id"]


async def says(
    session: aiohttp.ClientSession, handle: str, *, notes: str, devices: int | None = None
) -> bool:
    found = await get(session, f"/v1/passes/{handle}")
    written = found["values"].get(NOTES)
    return written == notes and devices in (None, found["devices"])


async def pull(held: Held) -> None:
    """Pull to refresh, twice: the first may be the fetch that was still awaited after a list."""
    for _ in range(2):
        await held.device.refresh(held.card)


async def verdict(session: aiohttp.ClientSession, handle: str, code: str) -> Any:
    """The timeline's verdict, once it is this one."""
    said = (await get(session, f"/v1/passes/{handle}/timeline"))["verdict"]
    return said if said["code"] == code else None


def shows(held: Held, notes: str) -> bool:
    return held.card.content["storeCard"]["backFields"][0]["value"] == notes
