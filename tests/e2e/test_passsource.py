"""PassSource's API through HTTP, function by function as its reference describes it."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from shared.passes.schema.images import plain_icon
from tests.e2e.passsource import LOYALTY, NAME, POINTS, PassSource, log_in, log_in_as
from tests.e2e.test_journeys import (
    a_pass,
    download,
    get,
    post,
    put,
    send,
    template_body,
)
from tests.system import System, poll


@pytest.fixture
async def http(system: System) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        system.base_url, timeout=aiohttp.ClientTimeout(total=40)
    ) as session:
        yield session


@pytest.fixture
async def api(system: System, http: aiohttp.ClientSession) -> PassSource:
    return await log_in(system, http)


async def test_login_gives_a_client_hash_that_tells_about_the_account(api: PassSource):
    info = await api.do("clientInfo")

    assert info["clientName"] == "Beans"
    assert info["clientType"] == 2
    assert info["email"] == api.email.lower()
    assert info["clientHash"] == api.client_hash
    assert info["passTypeId"].startswith("pass.")
    assert (info["whitelabel"], info["additional"]) == (False, {})
    assert {"clientId", "expires", "teamIdentifier", "certificatePassword", "referenceId"} <= set(
        info
    )


async def test_functions_are_there_without_php_and_by_post(api: PassSource):
    login = {"email": api.email, "password": api.password}

    assert (await api.do("clientInfo", suffix=""))["clientName"] == "Beans"
    assert (await api.do("login", anonymous=True, data=login))["clientHash"] == api.client_hash
    assert await api.do("logout", anonymous=True)


async def test_a_new_password_ends_the_client_hash(system: System, api: PassSource):
    key = (
        await send(
            api.http, "POST", "/v1/accounts", {"name": "x", "organization_name": "x"}, 201,
            {"X-API-Key": system.api_key},
        )
    )["key"]  # fmt: skip
    other = await log_in_as(api.http, key)
    change = {"password": "another one", "current_password": other.password}
    await send(api.http, "PATCH", "/v1/account", change, 200, {"X-API-Key": key})

    assert await other.refused("clientInfo")
    assert await other.refused("login", anonymous=True, email=other.email, password=other.password)


async def test_a_template_comes_back_as_it_was_sent(api: PassSource):
    made = await api.do(
        "insertUpdateTemplate",
        data={"JSON": json.dumps({"templateName": "Loyalty", "passConstructor": LOYALTY})},
    )
    info = await api.do("templateInfo", templateHash=made["templateHash"])
    listed = await api.do("templates")

    assert info["passConstructor"] == LOYALTY
    assert list(info["passConstructor"]) == list(LOYALTY)
    assert (info["templateName"], info["templatePublic"]) == ("Loyalty", False)
    assert info["templateId"] == made["templateId"]
    assert info["clientName"] == "Beans"
    (entry,) = listed["templates"]
    assert entry["templateHash"] == made["templateHash"]
    assert entry["url"].startswith("http")


async def test_a_plain_pass_json_is_a_constructor(api: PassSource):
    plain = {
        "formatVersion": 1,
        "passTypeIdentifier": "pass.of.others",
        "serialNumber": "1",
        "teamIdentifier": "OTHERS",
        "organizationName": "Others",
        "description": "Taken over",
        "webServiceURL": "https://others.example",
        "authenticationToken": "0123456789abcdef",
        "generic": {"primaryFields": [{"key": "a", "label": "A", "value": "b"}]},
    }
    template = await api.template(plain)
    archive = await download(api.http, await api.issued(template))

    content = json.loads(archive["pass.json"])
    assert content["generic"]["primaryFields"][0]["value"] == "b"
    assert content["serialNumber"] != "1"
    assert content["passTypeIdentifier"] != "pass.of.others"


async def test_saving_with_its_own_hash_updates_a_template(api: PassSource):
    template = await api.template()
    handle = await api.issued(template)
    info = await api.do("templateInfo", templateHash=template)
    changed = LOYALTY | {"logoText": "New beans"}
    saved = await api.do(
        "insertUpdateTemplate",
        templateHash=template,
        data={
            "templateId": info["templateId"],
            "passConstructor": json.dumps(changed),
            "templatePublic": "true",
        },
    )
    after = await api.do("templateInfo", templateHash=template)
    archive = await download(api.http, handle)

    assert saved["templateHash"] == template
    assert (after["templateName"], after["templatePublic"]) == ("Loyalty", True)
    assert json.loads(archive["pass.json"])["logoText"] == "New beans"


async def test_another_accounts_template_is_copied(system: System, api: PassSource):
    secret = LOYALTY | {"psEditCode": "1234"}
    template = await api.template(secret, templatePublic="true")
    image = plain_icon()["icon@2x.png"]
    await api.do("uploadTemplateImages", templateHash=template, data={"icon": io.BytesIO(image)})
    stranger = await log_in(system, api.http)

    copied = await stranger.do("insertUpdateTemplate", templateHash=template, templateName="Mine")
    info = await stranger.do("templateInfo", templateHash=copied["templateHash"])

    assert copied["templateHash"] != template
    assert (info["templateName"], info["templatePublic"]) == ("Mine", False)
    assert info["passConstructor"] == LOYALTY
    assert await stranger.do("imageForName", templateHash=copied["templateHash"], image="icon")
    assert await stranger.refused("templateInfo", templateHash=template)
    assert await stranger.issued(copied["templateHash"])


async def test_an_empty_string_is_a_value_and_colours_become_rgb(api: PassSource):
    template = await api.template()
    handle = await api.issued(template, logoText="", backgroundColor="blue")
    content = json.loads((await download(api.http, handle))["pass.json"])

    assert (await api.fields(handle))["logoText"] == ""
    assert content.get("logoText", "") == ""
    assert content["backgroundColor"] == "rgb(0, 0, 255)"


async def test_without_a_client_hash_only_editable_fields_are_set(system: System, api: PassSource):
    template = await api.template()
    values = {"barcode_message": "9991212", POINTS: "1000", "nonsense": "x"}
    stranger = await log_in(system, api.http)
    handles = [
        (
            await caller.do(
                "createPassFromTemplateFields", anonymous=anonymous, templateHash=template, **values
            )
        )["hashedSerialNumber"]
        for caller, anonymous in ((api, True), (stranger, False))
    ]
    for handle in handles:
        assert await api.fields(handle) == {"barcode_message": "9991212"}
        answer = await api.do(
            "updatePassFields",
            anonymous=True,
            hashedSerialNumber=handle,
            barcode_message="5",
            backgroundColor="red",
        )
        assert answer["updated"] is True
        assert await api.fields(handle) == {"barcode_message": "5"}


async def test_replacing_all_fields_takes_the_missing_ones_away(api: PassSource):
    template = await api.template()
    handle = await api.issued(template, **{NAME: "Ada", "memberId": "1", "logoText": "x"})

    async def replace_all(**rest: Any) -> bool:
        answer = await api.do(
            "updatePassFields", hashedSerialNumber=handle, psReplaceAll="true", **rest
        )
        return answer["updated"]

    assert await replace_all(anonymous=True, memberId="2")
    assert await api.fields(handle) == {NAME: "Ada", "memberId": "2"}
    assert await replace_all(memberId="2")
    assert await api.fields(handle) == {"memberId": "2"}
    assert not await replace_all(memberId="2")


async def test_fields_come_as_json_too(api: PassSource):
    template = await api.template()
    handle = await api.issued(template)
    values = {POINTS: 12, "locations": [{"longitude": 1.5, "latitude": 2}]}

    await api.do("updatePassFields", hashedSerialNumber=handle, data={"JSON": json.dumps(values)})

    assert await api.fields(handle) == values


EIFFEL = """[ { "longitude":48.8583701, "latitude":2.2944813,
 "relevantText":"Welcome to the Eiffel Tower!" },
 { "longitude":40.7484444, "latitude":-73.9878441, "altitude":381,
 "relevantText":"Welcome to the 102nd floor of the Empire State Building!" },
 { "longitude":40.6892534, "latitude":-74.0466891,
 "relevantText":"Welcome to the Statue of Liberty!" } ]"""


async def test_setting_the_geolocations_for_a_pass(api: PassSource):
    handle = await api.issued(await api.template(), locations=EIFFEL)

    content = json.loads((await download(api.http, handle))["pass.json"])

    assert content["locations"] == json.loads(EIFFEL)


async def test_pass_info_tells_about_pass_template_and_client(api: PassSource):
    template = await api.template()
    handle = await api.issued(template, memberId="7")

    info = await api.do("passInfo", hashedSerialNumber=handle)

    assert (info["hashedSerialNumber"], info["userFields"]) == (handle, {"memberId": "7"})
    assert (info["templateHash"], info["clientName"]) == (template, "Beans")


async def test_a_scan_and_a_check_tell_the_scanner_what_to_show(api: PassSource):
    handle = await api.issued(await api.template(), **{NAME: "Ada"})

    scanned = await api.do("trackPassAccess", hashedSerialNumber=handle, accessType="7")
    checked = await api.do("trackPassAccess", hashedSerialNumber=handle, accessType="0")

    assert scanned == {
        "success": True,
        "updated": True,
        "voided": False,
        "expired": False,
        "scanText": "Welcome",
        "scanColor": "green",
        "description": "Ada has 1 points",
        "informationURL": "https://beans.example/more",
        "informationLabel": "More",
    }
    assert (checked["updated"], checked["scanText"]) == (False, "Checked")


async def test_scanners_of_both_dialects_refuse_what_is_voided_or_expired(system: System):
    owner = {"name": "Beans", "organization_name": "Beans"}
    async with system.session() as session:
        key = (await post(session, "/v1/accounts", owner, expect=201))["key"]
    async with system.session(key) as session:
        api = await log_in_as(session, key)
        template = await post(session, "/v1/templates", template_body(), expect=201)
        template_id = template["template_id"]
        voided = await a_pass(session, template_id)
        expired = await a_pass(session, template_id, values={"expirationDate": "2020-01-01T00:00Z"})
        await post(session, f"/v1/passes/{voided}/void")
        answers: list[Any] = []
        tracked: list[Any] = []
        for handle in (voided, expired):
            for action, access_type in (("scan", "7"), ("check", "0")):
                answers.append(await post(session, f"/v1/passes/{handle}/{action}"))
                track = {"hashedSerialNumber": handle, "accessType": access_type}
                tracked.append(await api.do("trackPassAccess", **track))
        seen = [await get(session, f"/v1/passes/{handle}") for handle in (voided, expired)]

        async def look() -> list[Any]:
            feed = await get(session, "/v1/events?types=pass.scanned")
            return feed["data"] if len(feed["data"]) == 4 else []

        feed = await poll(look, "four scans in the feed")
        counts = (await get(session, f"/v1/templates/{template_id}/statistics"))["totals"]
        asked = await api.do("checkPassAccess", hashedSerialNumber=voided, accessType="7")
        changed = {**template_body(), "scan_when_void": True}
        await put(session, f"/v1/templates/{template_id}", changed)

        async def scan() -> dict[str, Any]:
            answer = await post(session, f"/v1/passes/{voided}/scan")
            return answer if answer["refused"] is None else {}

        let_in = await poll(scan, "scan by the new revision")

    states = [(True, False, "Voided")] * 2 + [(False, True, "Expired")] * 2
    assert [(a["voided"], a["expired"], a["scan_text"]) for a in answers] == states
    assert [(t["voided"], t["expired"], t["scanText"]) for t in tracked] == states
    assert {answer["scan_color"] for answer in answers} == {"rgb(187,49,58)"}
    assert {answer["scanColor"] for answer in tracked} == {"rgb(187,49,58)"}
    assert [answer["updated"] for answer in (*answers, *tracked)] == [False] * 8
    assert [(one["scanned"], POINTS in one["values"]) for one in seen] == [(False, False)] * 2
    told = [event["data"]["refused"] for event in feed]
    assert told == ["voided", "voided", "expired", "expired"]
    assert (counts["scan_refused"], counts["check_refused"], counts.get("scan", 0)) == (4, 4, 0)
    assert asked["check"] is False
    assert (let_in["voided"], let_in["scan_text"], let_in["updated"]) == (True, "Welcome", True)


async def test_tracking_lists_what_happened_and_when(api: PassSource):
    handle = await api.issued(await api.template())
    for access_type in ("3", "2", "4", "7", "7", "6", "3", "8"):
        await api.do("trackPassAccess", hashedSerialNumber=handle, accessType=access_type)
    await api.do("updatePassFields", hashedSerialNumber=handle, memberId="1")
    await api.do("pushPassUpdate", hashedSerialNumber=handle)

    tracking = (await api.do("passTracking", hashedSerialNumber=handle))["tracking"]
    scan = await api.do("checkPassAccess", hashedSerialNumber=handle, accessType="7")
    check = await api.do("checkPassAccess", hashedSerialNumber=handle, accessType="0")

    assert [event["accessType"] for event in tracking] == [1, 3, 2, 4, 7, 7, 6, 8, 5]
    assert scan == {"success": True, "check": True, "last": tracking[5]["time"]}
    assert check == {"success": True, "check": False}
    assert await api.refused("trackPassAccess", hashedSerialNumber=handle, accessType="1")


async def test_of_manual_updates_at_once_one_is_tracked(api: PassSource):
    rule = {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1}
    template = await api.template({**LOYALTY, "triggers": {"onDeviceUpdate": rule}})
    handle = await api.issued(template)

    update = {"hashedSerialNumber": handle, "accessType": "3"}
    await asyncio.gather(*(api.do("trackPassAccess", **update) for _ in range(12)))

    tracked = (await api.do("passTracking", hashedSerialNumber=handle))["tracking"]
    assert [event["accessType"] for event in tracked].count(3) == 1
    assert (await api.fields(handle))[POINTS] == 1


async def test_stats_count_passes_and_are_never_old(api: PassSource):
    template = await api.template()
    handles = [await api.issued(template) for _ in range(3)]
    for handle, access_type in (
        (handles[0], "7"), (handles[0], "7"), (handles[1], "2"), (handles[2], "2"),
        (handles[2], "6"), (handles[0], "4"),
    ):  # fmt: skip
        await api.do("trackPassAccess", hashedSerialNumber=handle, accessType=access_type)

    stats = await api.do("templateStats", templateHash=template)

    assert stats == {
        "success": True, "created": 3, "installed": 2, "deleted": 1, "theoretical": 1,
        "scanned": 1, "registered": 1, "age": 0,
    }  # fmt: skip


async def test_passes_are_listed_by_access_type(api: PassSource):
    template = await api.template()
    handles = [await api.issued(template, memberId=str(number)) for number in range(4)]
    for handle in handles[1:3]:
        await api.do("trackPassAccess", hashedSerialNumber=handle, accessType="7")

    created = await api.do("templatePasses", templateHash=template, accessType="1")
    scanned = await api.do("templatePasses", templateHash=template, accessType="7")
    order = [entry["hashedSerialNumber"] for entry in created["passes"]]
    some = await api.do(
        "templatePasses", templateHash=template, accessType="1", start="1", count="2"
    )

    assert sorted(order) == sorted(handles)
    assert {entry["hashedSerialNumber"] for entry in scanned["passes"]} == set(handles[1:3])
    assert [entry["hashedSerialNumber"] for entry in some["passes"]] == order[1:3]
    assert scanned["passes"][0]["userFields"][POINTS] == 1


async def test_update_all_pushes_the_installed_passes(api: PassSource):
    template = await api.template()
    handles = [await api.issued(template) for _ in range(3)]
    for handle in handles[:2]:
        await api.do("trackPassAccess", hashedSerialNumber=handle, accessType="2")

    answer = await api.do("updatePassesForTemplate", templateHash=template)

    async def pushed() -> bool:
        passes = await api.do("templatePasses", templateHash=template, accessType="5")
        return {entry["hashedSerialNumber"] for entry in passes["passes"]} == set(handles[:2])

    assert answer["count"] == 2
    await poll(pushed, "both installed passes pushed")


async def test_images_are_uploaded_fetched_scaled_and_deleted(api: PassSource):
    template = await api.template()
    png = plain_icon()["icon@3x.png"]
    await api.do(
        "uploadTemplateImages",
        templateHash=template,
        data={"icon": io.BytesIO(png), "logo@2x": io.BytesIO(png)},
    )
    found = await api.do("imageForName", templateHash=template, image="icon", anonymous=True)
    async with api.http.get(found["url"]) as response:
        assert response.status == 200
        image = await response.read()
    # The same image again, from an address.
    await api.do("uploadTemplateImages", templateHash=template, data={"logo": found["url"]})
    handle = await api.issued(template)
    archive = await download(api.http, handle)
    await api.do("uploadTemplateImages", templateHash=template, data={"logo": "DELETE"})

    assert int.from_bytes(image[16:20], "big") == 38
    assert {"icon.png", "logo.png", "logo@2x.png"} <= set(archive)
    assert await api.do("imageForName", hashedSerialNumber=handle, image="logo@2x")
    assert await api.refused("imageForName", hashedSerialNumber=handle, image="logo")
    info = await api.do("templateInfo", templateHash=template)
    assert info["passConstructor"] == LOYALTY


async def test_a_deleted_pass_can_be_neither_read_nor_changed(api: PassSource):
    handle = await api.issued(await api.template())
    await api.do("deletePass", hashedSerialNumber=handle)

    for function in ("passInfo", "passTracking", "updatePassFields", "pushPassUpdate"):
        assert await api.refused(function, hashedSerialNumber=handle)


async def test_a_deleted_template_takes_its_passes_along(api: PassSource):
    template = await api.template()
    template_id = (await api.do("templateInfo", templateHash=template))["templateId"]
    handle = await api.issued(template)

    answer = await api.do("deleteTemplate", templateHash=template)

    assert answer["deletedTemplateId"] == template_id
    assert await api.refused("templateInfo", templateHash=template)
    await poll(lambda: gone(api, handle), "pass deleted")


async def gone(api: PassSource, handle: str) -> bool:
    return not (await api.ask("passInfo", hashedSerialNumber=handle))["success"]


async def test_a_manager_reaches_the_templates_of_its_accounts(system: System, api: PassSource):
    made = await send(
        api.http, "POST", "/v1/accounts", {"name": "Shop", "organization_name": "Shop"}, 201,
        {"X-API-Key": system.api_key},
    )  # fmt: skip
    shop = await log_in_as(api.http, made["key"])
    manager_account = await send(
        api.http, "POST", "/v1/accounts", {"name": "Child", "organization_name": "Child"}, 201,
        {"X-API-Key": made["key"]},
    )  # fmt: skip
    child = await log_in_as(api.http, manager_account["key"])
    template = await child.template()

    info = await shop.do("templateInfo", templateHash=template)
    handle = await shop.issued(template, **{POINTS: "5"})

    assert (info["clientName"], info["referenceId"]) == ("Child", made["account_id"])
    assert await child.fields(handle) == {POINTS: 5}
    assert await api.refused("templateInfo", templateHash=template)


async def test_change_the_color_of_a_pass_when_scanned(api: PassSource):
    action = {"action": "PSActionSetValue", "targetPath": "backgroundColor", "value": "blue"}
    template = await api.template(LOYALTY | {"triggers": {"onScan": action}})
    handle = await api.issued(template)
    before = json.loads((await download(api.http, handle))["pass.json"])

    await api.do("trackPassAccess", hashedSerialNumber=handle, accessType="onScan")

    after = json.loads((await download(api.http, handle))["pass.json"])
    assert before["backgroundColor"] == "rgb(58, 36, 26)"
    assert after["backgroundColor"] == "rgb(0, 0, 255)"


# Links


async def test_set_barcode_and_name_for_a_new_pass_via_an_emailed_link(api: PassSource):
    template = await api.template()
    link = (
        f"/pass/create.php?templateHash={template}&barcode_message=9991212&barcode_altText=9991212"
        f"&structure_primaryFields_member_value={quote('George P. Burdell')}&{POINTS}=100"
    )
    async with api.http.get(link) as response:
        page = await response.text()
        assert response.status == 200, page
        handle = response.url.name
    content = json.loads((await download(api.http, handle))["pass.json"])

    assert "George P. Burdell" in page
    assert content["barcodes"][0]["message"] == "9991212"
    assert content["storeCard"]["headerFields"][0]["value"] == 0


async def test_links_give_the_file_or_the_hash(api: PassSource):
    template = await api.template()
    link = {"templateHash": template, POINTS: "3"}
    async with api.http.get("/pass/create.php", params=link | {"download": "true"}) as response:
        assert response.content_type == "application/vnd.apple.pkpass"
        assert (await response.read())[:2] == b"PK"
    generate = link | {"generate": "true"}
    async with api.http.get("/pass/create", params=generate) as response:
        assert response.status == 403
    generate["clientHash"] = api.client_hash
    async with api.http.post("/pass/create.php", params=generate) as response:
        handle = await response.text()

    assert await api.fields(handle) == {POINTS: 3}


async def test_a_link_with_a_pass_shows_it_and_phones_get_the_file(api: PassSource):
    handle = await api.issued(await api.template())
    link = {"hashedSerialNumber": handle}
    async with api.http.get("/pass/create.php", params=link) as response:
        assert (response.status, response.url.path) == (200, f"/p/{handle}")
    phone = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)"}
    async with api.http.get("/pass/create.php", params=link, headers=phone) as response:
        assert response.content_type == "application/vnd.apple.pkpass"
    async with api.http.get("/pass/create.php", params={"hashedSerialNumber": "x"}) as response:
        assert response.status == 404


async def test_a_form_on_a_web_page_creates_a_pass(api: PassSource):
    template = await api.template()
    form = {"barcode_message": "4711"}
    async with api.http.post(
        "/pass/create.php", params={"templateHash": template}, data=form
    ) as response:
        assert response.status == 200
        handle = response.url.name

    assert await api.fields(handle) == {"barcode_message": "4711"}


# Exports


async def export(api: PassSource, template: str, **query: str) -> list[list[str]]:
    parameters = {"clientHash": api.client_hash, "templateHash": template, **query}
    async with api.http.get("/pass/export.php", params=parameters) as response:
        text = await response.text()
        assert (response.status, response.content_type) == (200, "text/csv"), text
    return list(csv.reader(io.StringIO(text, newline="")))


async def test_passes_are_exported_as_csv_in_the_order_of_creation(api: PassSource):
    template = await api.template()
    evil = '=HYPERLINK("https://evil.example","x")'
    first = await api.issued(template, **{NAME: evil, POINTS: "-5", "memberId": 'a "b", c\nd'})
    rest = [await api.issued(template, memberId=str(n)) for n in range(3)]

    head, *rows = await export(api, template)
    whole = await export(api, template, all="true")
    later = await export(api, template, start="2")

    assert head == ["hashedSerialNumber", NAME, POINTS, "memberId"]
    by_handle = {row[0]: row for row in rows}
    assert by_handle[first] == [first, f"'{evil}", "-5", 'a "b", c\nd']
    assert whole == [head, *rows]
    assert later == [head, *rows[2:]]
    assert [row[0] for row in rows] == [first, *rest]


async def test_exports_beyond_a_thousand_go_in_pages(system: System, api: PassSource):
    account = await send(
        api.http, "POST", "/v1/accounts", {"name": "Many", "organization_name": "Many"}, 201,
        {"X-API-Key": system.api_key},
    )  # fmt: skip
    many = await log_in_as(api.http, account["key"])
    template = await many.template()
    template_id = (await many.do("templateInfo", templateHash=template))["templateId"]
    for _ in range(3):
        row: dict[str, Any] = {"values": {}}
        rows = {"template_id": template_id, "passes": [row] * 400}
        await send(api.http, "POST", "/v1/passes", rows, 201, {"X-API-Key": account["key"]})

    first, second = await export(many, template), await export(many, template, start="1000")
    whole = await export(many, template, all="true")
    listed = await many.do("templatePasses", templateHash=template, accessType="1")

    assert (len(first), len(second)) == (1001, 201)
    assert whole == first + second[1:]
    assert [entry["hashedSerialNumber"] for entry in listed["passes"]] == [
        row[0] for row in whole[1:]
    ]


# What is wrong


@pytest.mark.parametrize(
    ("function", "parameters", "message"),
    [
        ("noSuchFunction", {}, "no such function"),
        ("login", {"email": "a@b.example"}, "password is missing"),
        ("clientInfo", {"clientHash": "x"}, "clientHash"),
        ("templateInfo", {}, "templateHash is missing"),
        ("templateInfo", {"templateHash": "eNortjIysVIqLA00jIiyyC0pMXKOcPYqyrIoz,"}, "no template"),
        ("passInfo", {}, "hashedSerialNumber is missing"),
        ("passInfo", {"hashedSerialNumber": "0" * 32}, "no pass"),
        ("createPassFromTemplateFields", {}, "templateHash is missing"),
        ("insertUpdateTemplate", {"templateName": "x"}, "passConstructor"),
        ("insertUpdateTemplate", {"templateName": "x", "passConstructor": "{"}, "not JSON"),
        ("insertUpdateTemplate", {"templateName": "x", "passConstructor": "[]"}, "object"),
        ("insertUpdateTemplate", {"passConstructor": '{"generic": {}}'}, "templateName"),
        ("insertUpdateTemplate", {"templateName": "x", "passConstructor": '{"a": 1}'}, "$.pass"),
        ("insertUpdateTemplate",
         {"templateName": "x", "passConstructor": '{"generic": {}}', "templatePublic": "perhaps"},
         "true or false"),
        ("insertUpdateTemplate", {"templateId": "x", "templateName": "x"}, "templateHash"),
        ("imageForName", {"image": "logo"}, "missing"),
    ],
)  # fmt: skip
async def test_bad_calls_are_told_why(
    api: PassSource, function: str, parameters: dict[str, str], message: str
):
    assert message in await api.refused(function, **parameters)


async def test_bad_calls_about_a_template_are_told_why(api: PassSource):
    template = await api.template()
    other = await api.template()
    other_id = (await api.do("templateInfo", templateHash=other))["templateId"]
    of = {"templateHash": template}

    for function, parameters, message in (
        ("templatePasses", {}, "accessType is missing"),
        ("templatePasses", {"accessType": "9"}, "accessType"),
        ("templatePasses", {"accessType": "1", "count": "-2"}, "count"),
        ("templatePasses", {"accessType": "1", "start": "x"}, "start"),
        ("uploadTemplateImages", {}, "images by their names"),
        ("uploadTemplateImages", {"selfie": "https://a.example/a.png"}, "selfie"),
        ("uploadTemplateImages", {"logo": "ftp://a.example/a.png"}, "cannot be fetched"),
        ("uploadTemplateImages", {"logo": "http://10.0.0.1/a.png"}, "not a public one"),
        ("uploadTemplateImages", {"logo": "http://169.254.169.254/latest"}, "not a public one"),
        ("createPassFromTemplateFields", {POINTS: "x", "backgroundColor": "y"}, "colour"),
        ("insertUpdateTemplate", {"templateId": other_id}, "templateId"),
    ):
        assert message in await api.refused(function, **of, **parameters), (function, parameters)


async def test_exports_need_a_right_and_paths(system: System, api: PassSource):
    plain = await api.template({"generic": {}})
    stranger = await log_in(system, api.http)
    for client, template, status in (
        (api.client_hash, plain, 422),
        (stranger.client_hash, plain, 403),
        ("", plain, 401),
        (api.client_hash, "x", 404),
    ):
        parameters = {"clientHash": client, "templateHash": template}
        async with api.http.get("/pass/export.php", params=parameters) as response:
            assert response.status == status


async def test_strangers_have_no_right_to_anything(system: System, api: PassSource):
    template = await api.template()
    handle = await api.issued(template)
    stranger = await log_in(system, api.http)

    for function in ("templateInfo", "templateStats", "updatePassesForTemplate", "deleteTemplate"):
        assert "right" in await stranger.refused(function, templateHash=template)
        assert "clientHash" in await api.refused(function, anonymous=True, templateHash=template)
    for function in ("passInfo", "passTracking", "pushPassUpdate", "deletePass"):
        assert "right" in await stranger.refused(function, hashedSerialNumber=handle)
        assert "clientHash" in await api.refused(
            function, anonymous=True, hashedSerialNumber=handle
        )


async def test_a_client_hash_in_the_body_does_not_count(api: PassSource):
    message = await api.refused("clientInfo", anonymous=True, data={"clientHash": api.client_hash})

    assert "clientHash" in message


async def test_the_demo_has_a_login(system: System, http: aiohttp.ClientSession):
    if not system.template_id:
        return  # only `make run` makes a demo
    demo = system.extra
    api = PassSource(http, demo["client_hash"])

    answer = await api.do("login", anonymous=True, email=demo["email"], password=demo["password"])
    info = await api.do("templateInfo", templateHash=demo["template_hash"])

    assert answer["clientHash"] == demo["client_hash"]
    assert info["templateId"] == demo["template_id"]
