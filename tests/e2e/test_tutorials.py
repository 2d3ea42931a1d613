"""The reference's examples and tutorials, as a shop does them: the API in, a pass file out."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.e2e.passsource import NAME, POINTS, PassSource, log_in
from tests.e2e.test_journeys import download
from tests.e2e.test_passsource import EIFFEL, export
from tests.system import System

CHECK, INSTALL, REGISTER, REMOVE, SCAN = "0", "2", "4", "6", "7"
MINE = "structure_backFields_myKey_value"
SCANS = 200

SUBTRIGGERS = """[
  { "action" : "PSActionSetValue", "targetPath" : "psScanColor", "value" : "{PSColorGreen}" },
  { "action" : "PSActionSetValue", "targetPath" : "psScanText", "value" : "First Scan" },
  { "action" : "PSActionSetValue", "targetPath" : "psScanColor", "value" : "{PSColorYellow}",
    "PSConditions" : "scanned" },
  { "action" : "PSActionSetValue", "targetPath" : "psScanText", "value" : "Already Scanned",
    "PSConditions" : "scanned" } ]"""


@pytest.fixture
async def http(system: System) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        system.base_url,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=40),
    ) as session:
        yield session


@pytest.fixture
async def api(system: System, http: aiohttp.ClientSession) -> PassSource:
    return await log_in(system, http)


def a_card(*back: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Write a constructor with the fields that the tutorials name."""
    return {
        "description": "Loyalty",
        "organizationName": "Beans",
        "backgroundColor": "white",
        "storeCard": {
            "headerFields": [{"key": "points", "label": "Points", "value": 10}],
            "secondaryFields": [
                {"key": "name", "label": "Name", "value": {"PSValue": "", "PSEditable": True}}
            ],
            "backFields": list(back),
        },
        "barcode": {"format": "PKBarcodeFormatQR", "message": "m"},
        **changes,
    }


def a_back_field(condition: str, **changes: Any) -> dict[str, Any]:
    return {"key": "myKey", "label": "Mine", "value": "x", "PSConditions": condition, **changes}


def setting(path: str, value: Any, **rest: str) -> dict[str, Any]:
    return {"action": "PSActionSetValue", "targetPath": path, "value": value, **rest}


def increment(amount: int, **rest: str) -> dict[str, Any]:
    action = {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": amount}
    return {**action, **rest}


async def card_of(api: PassSource, constructor: dict[str, Any], **values: str) -> str:
    return await api.issued(await api.template(constructor), **values)


async def pass_json(api: PassSource, handle: str) -> dict[str, Any]:
    return json.loads((await download(api.http, handle))["pass.json"])


async def back_fields(api: PassSource, handle: str) -> list[dict[str, Any]]:
    return (await pass_json(api, handle))["storeCard"].get("backFields", [])


async def points_of(api: PassSource, handle: str) -> Any:
    return (await pass_json(api, handle))["storeCard"]["headerFields"][0]["value"]


async def track(api: PassSource, handle: str, access_type: str) -> dict[str, Any]:
    return await api.do("trackPassAccess", hashedSerialNumber=handle, accessType=access_type)


async def update(api: PassSource, handle: str, **values: str) -> None:
    await api.do("updatePassFields", hashedSerialNumber=handle, **values)


async def revise(api: PassSource, template: str, constructor: dict[str, Any]) -> None:
    form = {"passConstructor": json.dumps(constructor)}
    await api.do("insertUpdateTemplate", templateHash=template, data=form)


# Fields that come and go


async def test_a_user_is_prompted_to_register_and_then_to_update(system: System, api: PassSource):
    prompt = a_back_field(
        "!registered",
        key="prompt",
        value="Register your pass for additional benefits! {psRegisterURL}",
        attributedValue='<a href="{psRegisterURL}">Register your pass</a> for additional value!',
    )
    renewal = a_back_field(
        "registered",
        key="update",
        value="Update your information: {psRegisterURL}",
        attributedValue='<a href="{psRegisterURL}">Update your information</a>',
    )
    handle = await card_of(api, a_card(prompt, renewal))
    url = f"{system.base_url}/pass/register.php?hashedSerialNumber={handle}"

    (before,) = await back_fields(api, handle)
    await track(api, handle, REGISTER)
    (after,) = await back_fields(api, handle)

    assert before["value"] == f"Register your pass for additional benefits! {url}"
    assert before["attributedValue"] == (
        f'<a href="{url}">Register your pass</a> for additional value!'
    )
    assert after["value"] == f"Update your information: {url}"
    assert after["attributedValue"] == f'<a href="{url}">Update your information</a>'


@pytest.mark.parametrize(
    ("condition", "changes", "shown"),
    [
        (f"{{{MINE}}} !isEmpty", {MINE: ""}, (True, False)),
        (f"{{{POINTS}}} > 20", {POINTS: "20"}, (False, False)),
        (f"{{{POINTS}}} > 20", {POINTS: "21"}, (False, True)),
        (f"{{{POINTS}}} > 20", {POINTS: "100"}, (False, True)),
        (f'{{{NAME}}} = "PassSource"', {NAME: "PassSource"}, (False, True)),
        (f'{{{NAME}}} = "PassSource"', {NAME: "Other"}, (False, False)),
    ],
)
async def test_a_field_is_shown_by_the_values_of_the_pass(
    api: PassSource, condition: str, changes: dict[str, str], shown: tuple[bool, bool]
):
    handle = await card_of(api, a_card(a_back_field(condition)))

    before = await back_fields(api, handle)
    await update(api, handle, **changes)
    after = await back_fields(api, handle)

    assert (bool(before), bool(after)) == shown


@pytest.mark.parametrize(
    ("word", "access_type"),
    [("scanned", SCAN), ("registered", REGISTER), ("installed", INSTALL), ("deleted", REMOVE)],
)
async def test_fields_are_shown_by_what_happened_to_the_pass(
    api: PassSource, word: str, access_type: str
):
    fields = (a_back_field(word, key="after"), a_back_field(f"!{word}", key="before"))
    handle = await card_of(api, a_card(*fields))

    shown = [[field["key"] for field in await back_fields(api, handle)]]
    await track(api, handle, access_type)
    shown.append([field["key"] for field in await back_fields(api, handle)])

    assert shown == [["before"], ["after"]]


async def test_a_barcode_is_shown_while_its_condition_holds(api: PassSource):
    barcode = {"format": "PKBarcodeFormatQR", "message": "once", "PSConditions": "!scanned"}
    handle = await card_of(api, a_card(barcode=barcode))

    before = await pass_json(api, handle)
    await track(api, handle, SCAN)
    after = await pass_json(api, handle)

    assert [code["message"] for code in before["barcodes"]] == ["once"]
    assert not {"barcode", "barcodes"} & set(after)


# Triggers


async def test_points_for_registering_are_given_once(api: PassSource):
    grant = increment(25, PSConditions="!registered")
    handle = await card_of(api, a_card(triggers={"onRegister": grant}))
    points = [await points_of(api, handle)]

    for _ in range(2):
        await track(api, handle, REGISTER)
        points.append(await points_of(api, handle))

    assert points == [10, 35, 35]


async def test_the_colour_changes_with_the_scan(api: PassSource):
    handle = await card_of(
        api, a_card(triggers={"onScan": setting("backgroundColor", "blue")}), backgroundColor="red"
    )

    colours = [(await pass_json(api, handle))["backgroundColor"]]
    await track(api, handle, SCAN)
    colours.append((await pass_json(api, handle))["backgroundColor"])

    assert colours == ["rgb(255, 0, 0)", "rgb(0, 0, 255)"]


@pytest.mark.parametrize("as_text", [True, False])
async def test_the_scanner_shows_whether_the_pass_was_scanned(api: PassSource, *, as_text: bool):
    execute = {"action": "PSActionExecuteTriggers", "targetPath": "subtriggers"}
    subtriggers = SUBTRIGGERS if as_text else json.loads(SUBTRIGGERS)
    triggers = {"onCheck": execute, "onScan": execute}
    handle = await card_of(api, a_card(subtriggers=subtriggers, triggers=triggers))

    shown = [await track(api, handle, kind) for kind in (CHECK, SCAN, CHECK, SCAN)]

    first, again = ("First Scan", "rgb(77,186,11)"), ("Already Scanned", "rgb(187,187,58)")
    assert [(entry["scanText"], entry["scanColor"]) for entry in shown] == [
        first, first, again, again,
    ]  # fmt: skip
    assert [entry["updated"] for entry in shown] == [False] * 4


async def test_each_scan_gives_a_point(api: PassSource):
    handle = await card_of(api, a_card(triggers={"onScan": increment(1)}))

    answers = [await track(api, handle, SCAN) for _ in range(3)]

    assert await points_of(api, handle) == 13
    assert all(answer["updated"] for answer in answers)


async def test_concurrent_scans_of_one_pass_count_exactly(api: PassSource):
    template = await api.template(a_card(triggers={"onScan": increment(1)}))
    handle = await api.issued(template, **{POINTS: "0"})

    await asyncio.gather(*(track(api, handle, SCAN) for _ in range(SCANS)))

    tracking = (await api.do("passTracking", hashedSerialNumber=handle))["tracking"]
    assert await api.fields(handle) == {POINTS: SCANS}
    assert await points_of(api, handle) == SCANS
    assert sum(event["accessType"] == int(SCAN) for event in tracking) == SCANS
    assert (await api.do("templateStats", templateHash=template))["scanned"] == 1


async def test_a_loyalty_card_redeems_itself(api: PassSource):
    redeem = [
        increment(-10, PSConditions='{passType} = "coupon"'),
        setting(
            "passType", "coupon",
            PSConditions=f'{{passType}} = "storeCard" AND {{{POINTS}}} !< 10',
        ),
        setting("passType", "storeCard", PSConditions=f"{{{POINTS}}} < 10"),
    ]  # fmt: skip
    handle = await card_of(api, a_card(triggers={"onScan": redeem}))
    seen: list[tuple[set[str], Any]] = []

    for _ in range(3):
        content = await pass_json(api, handle)
        (style,) = {"storeCard", "coupon"} & set(content)
        seen.append(({style}, content[style]["headerFields"][0]["value"]))
        await track(api, handle, SCAN)

    assert seen == [({"storeCard"}, 10), ({"coupon"}, 10), ({"storeCard"}, 0)]


async def test_membership_starts_with_the_registration(api: PassSource):
    since = a_back_field("{since} !isEmpty", value="{since}")
    trigger = setting("since", "{timestamp}", PSConditions="{since} isEmpty")
    handle = await card_of(api, a_card(since, since="", triggers={"onRegister": trigger}))

    assert await back_fields(api, handle) == []
    await track(api, handle, REGISTER)
    (field,) = await back_fields(api, handle)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", field["value"])
    assert await api.fields(handle) == {"since": field["value"]}


async def test_a_trigger_error_undoes_the_scan_and_is_told(api: PassSource):
    refuse = setting("psTriggerError", "Register first, {name_shown}.", PSConditions="!registered")
    rules = [increment(1), refuse, setting("psScanText", "Welcome")]
    constructor = a_card(
        name_shown=f"{{{NAME}}}", psScanText="", triggers={"onScan": rules}, psPassDescription="d"
    )
    template = await api.template(constructor)
    handle = await api.issued(template, **{NAME: "Ada"})

    message = await api.refused("trackPassAccess", hashedSerialNumber=handle, accessType=SCAN)
    tracking = (await api.do("passTracking", hashedSerialNumber=handle))["tracking"]
    scanned = await api.do("checkPassAccess", hashedSerialNumber=handle, accessType=SCAN)
    stats = await api.do("templateStats", templateHash=template)

    assert message == "Register first, Ada."
    assert [event["accessType"] for event in tracking] == [1]
    assert (scanned["check"], stats["scanned"]) == (False, 0)
    assert await api.fields(handle) == {NAME: "Ada"}
    assert await points_of(api, handle) == 10

    await track(api, handle, REGISTER)
    assert (await track(api, handle, SCAN))["scanText"] == "Welcome"
    assert await points_of(api, handle) == 11


async def test_a_trigger_error_leaves_the_pass_unregistered_until_it_is_corrected(api: PassSource):
    rules = [
        increment(25, PSConditions="!registered"),
        setting("psTriggerError", "Who are you?", PSConditions=f"{{{NAME}}} isEmpty"),
    ]
    fields = (a_back_field("registered"),)
    handle = await card_of(api, a_card(*fields, triggers={"onRegister": rules}))
    register = {"hashedSerialNumber": handle, "accessType": REGISTER}

    assert await api.refused("trackPassAccess", **register) == "Who are you?"
    assert not (await api.do("checkPassAccess", **register))["check"]
    assert await back_fields(api, handle) == []
    assert await points_of(api, handle) == 10

    await update(api, handle, **{NAME: "Ada"})
    await api.do("trackPassAccess", **register)
    assert (await api.do("checkPassAccess", **register))["check"]
    assert len(await back_fields(api, handle)) == 1
    assert await points_of(api, handle) == 35


# Magic strings


async def test_the_description_tells_name_and_points(api: PassSource):
    description = f"{{{NAME}}} has {{{POINTS}}} points"
    handle = await card_of(api, a_card(psPassDescription=description), **{NAME: "Ada"})

    described = (await track(api, handle, CHECK))["description"]
    await update(api, handle, **{POINTS: "12"})
    after = (await track(api, handle, CHECK))["description"]

    assert (described, after) == ("Ada has 10 points", "Ada has 12 points")


async def test_a_template_without_a_description_of_its_own_has_one(api: PassSource):
    handle = await card_of(api, a_card(a_back_field("true", value="{psPassDescription}")))

    assert (await back_fields(api, handle))[0]["value"] == "Loyalty"
    assert (await track(api, handle, SCAN))["description"] == "Loyalty"


async def test_a_barcode_installs_the_pass_and_works_at_the_scanner(
    system: System, api: PassSource
):
    message = "{rootPath}/pass/create.php?hashedSerialNumber={hashedSerialNumber}"
    barcode = {"format": "PKBarcodeFormatQR", "message": message}
    handle = await card_of(api, a_card(barcode=barcode))

    link = (await pass_json(api, handle))["barcodes"][0]["message"]
    async with api.http.get(f"{link}&download=true") as response:
        again = await response.read()

    assert link == f"{system.base_url}/pass/create.php?hashedSerialNumber={handle}"
    assert response.content_type == "application/vnd.apple.pkpass"
    assert again[:2] == b"PK"


async def test_a_barcode_of_a_member_number_and_a_name(api: PassSource):
    barcode = {"format": "PKBarcodeFormatQR", "message": f"{{memberId}} {{{NAME}}}"}
    handle = await card_of(
        api, a_card(barcode=barcode, memberId=""), memberId="77", **{NAME: "Ada"}
    )

    assert (await pass_json(api, handle))["barcodes"][0]["message"] == "77 Ada"


async def test_transformations_encode_urls_and_escape_quotes(system: System, api: PassSource):
    value = "|".join(
        f"{{{name}}}"
        for name in (
            "said:URLEncoded", "said:EscapedQuotes", "psPassURL:URLEncoded", "said", "said:Nothing",
        )
    )  # fmt: skip
    handle = await card_of(
        api, a_card(a_back_field("true", value=value), said=""), said='a "b" & c'
    )

    encoded, escaped, url, plain, unknown = (await back_fields(api, handle))[0]["value"].split("|")

    assert (encoded, escaped) == ("a%20%22b%22%20%26%20c", 'a \\"b\\" & c')
    link = f"{system.base_url}/pass/create.php?hashedSerialNumber={handle}"
    assert url == quote(link, safe="")
    assert (plain, unknown) == ('a "b" & c', "{said:Nothing}")


async def test_addresses_carry_the_edit_code(system: System, api: PassSource):
    template = await api.template(a_card(psInformationURL="{psEditorURL}", psEditCode="12 34"))
    handle = await api.issued(template)
    template_id = (await api.do("templateInfo", templateHash=template))["templateId"]

    url = (await track(api, handle, SCAN))["informationURL"]

    assert url == (
        f"{system.base_url}/pass/editor.php?templateId={template_id}&psEditCode=12%2034"
        f"&hashedSerialNumber={handle}"
    )


async def test_addresses_without_an_edit_code_carry_the_client_hash(
    system: System, api: PassSource
):
    handle = await card_of(api, a_card(psInformationURL="{psEditorURL}"))

    url = (await track(api, handle, SCAN))["informationURL"]

    assert url == (
        f"{system.base_url}/pass/editor.php?clientHash={api.client_hash}"
        f"&hashedSerialNumber={handle}"
    )


async def test_what_a_shop_writes_is_expanded_and_what_a_user_types_is_not(api: PassSource):
    template = await api.template(a_card())
    text = f"{{{POINTS}}} {{clientId}}"
    trusted = await api.issued(template, **{NAME: text})
    made = await api.do(
        "createPassFromTemplateFields", anonymous=True, templateHash=template, **{NAME: text}
    )
    typed = made["hashedSerialNumber"]

    async def shown(handle: str) -> str:
        return (await pass_json(api, handle))["storeCard"]["secondaryFields"][0]["value"]

    client_id = (await api.do("clientInfo"))["clientId"]
    assert await shown(trusted) == f"10 {client_id}"
    assert await shown(typed) == text
    assert (await api.fields(trusted), await api.fields(typed)) == ({NAME: text}, {NAME: text})

    # Whoever writes last decides.
    await api.do("updatePassFields", anonymous=True, hashedSerialNumber=trusted, **{NAME: "{x} 1"})
    await update(api, typed, **{NAME: f"{{{POINTS}}} now"})
    assert (await shown(trusted), await shown(typed)) == ("{x} 1", "10 now")


async def test_what_a_user_types_stays_text_where_others_quote_it(api: PassSource):
    quoting = a_back_field("true", value=f"Dear {{{NAME}}}")
    keep = setting("kept", f"{{{NAME}}}")
    template = await api.template(a_card(quoting, kept="", triggers={"onScan": keep}))
    text = "{clientId} {psScanURL}"
    made = await api.do(
        "createPassFromTemplateFields", anonymous=True, templateHash=template, **{NAME: text}
    )
    handle = made["hashedSerialNumber"]
    await track(api, handle, SCAN)

    assert (await back_fields(api, handle))[0]["value"] == f"Dear {text}"
    assert (await api.fields(handle))["kept"] == text


# Paths and overrides


async def test_locations_come_as_json_in_a_link(api: PassSource):
    template = await api.template(a_card(locations={"PSValue": [], "PSEditable": True}))
    link = f"/pass/create.php?templateHash={template}&locations={quote(EIFFEL, safe='')}"
    async with api.http.get(link) as response:
        assert response.status == 200, await response.text()
        handle = response.url.name

    assert (await pass_json(api, handle))["locations"] == json.loads(EIFFEL)
    assert await api.fields(handle) == {"locations": json.loads(EIFFEL)}


async def test_a_container_is_set_and_read_back_as_json(api: PassSource):
    handle = await card_of(api, a_card())
    barcode = {"format": "PKBarcodeFormatAztec", "message": "9991212", "altText": "999"}
    fields = [{"key": "points", "label": "Stars", "value": 5}]

    await update(
        api, handle, barcode=json.dumps(barcode), structure_headerFields=json.dumps(fields)
    )
    values = await api.fields(handle)
    content = await pass_json(api, handle)
    await update(api, handle, **{path: json.dumps(value) for path, value in values.items()})

    assert values == {"barcode": barcode, "structure_headerFields": fields}
    assert await api.fields(handle) == values
    assert content["barcodes"][0].items() >= barcode.items()
    assert content["storeCard"]["headerFields"] == fields


async def test_values_of_a_pass_stay_when_the_template_changes(api: PassSource):
    template = await api.template(a_card())
    own = await api.issued(template, backgroundColor="red", **{POINTS: "7"})
    follower = await api.issued(template)
    changed = a_card(backgroundColor="blue", foregroundColor="white", logoText="New")
    changed["storeCard"]["headerFields"][0] |= {"value": 99, "label": "Stars"}

    await revise(api, template, changed)
    kept, followed = await pass_json(api, own), await pass_json(api, follower)

    assert (kept["backgroundColor"], followed["backgroundColor"]) == (
        "rgb(255, 0, 0)",
        "rgb(0, 0, 255)",
    )
    assert kept["storeCard"]["headerFields"][0]["value"] == 7
    assert followed["storeCard"]["headerFields"][0]["value"] == 99
    for content in (kept, followed):
        assert content["logoText"] == "New"
        assert content["storeCard"]["headerFields"][0]["label"] == "Stars"
    assert await api.fields(own) == {"backgroundColor": "red", POINTS: 7}


@pytest.mark.parametrize("as_text", [True, False])
async def test_values_follow_a_path_that_moved(api: PassSource, *, as_text: bool):
    old, new = (
        "structure_auxiliaryFields_myField_value",
        "structure_secondaryFields_myNewField_value",
    )
    field = {"label": "F", "value": {"PSValue": "none", "PSEditable": True}}
    before, after = a_card(memberId=""), a_card(memberId="")
    before["storeCard"]["auxiliaryFields"] = [{"key": "myField", **field}]
    after["storeCard"]["secondaryFields"] = [{"key": "myNewField", **field}]
    moves = {old: new}
    after["psPathMigrations"] = json.dumps(moves) if as_text else moves
    template = await api.template(before)
    handle = await api.issued(template, **{old: "mine"})
    untouched = await api.issued(template)
    typed = await api.do(
        "createPassFromTemplateFields", anonymous=True, templateHash=template, **{old: "{memberId}"}
    )

    await revise(api, template, after | {"psExportPaths": new})
    listed = (await api.do("templatePasses", templateHash=template, accessType="1"))["passes"]
    assert {found["hashedSerialNumber"]: found["userFields"] for found in listed} == {
        handle: {new: "mine"},
        untouched: {},
        typed["hashedSerialNumber"]: {new: "{memberId}"},
    }
    exported = await export(api, template)
    assert sorted(row[0] for row in exported) == sorted([new, "mine", "none", "{memberId}"])
    values = [
        (await pass_json(api, one))["storeCard"]["secondaryFields"][0]["value"]
        for one in (handle, untouched)
    ]
    assert values == ["mine", "none"]
    assert await api.fields(handle) == {new: "mine"}

    await update(api, handle, memberId="1")
    assert await api.fields(handle) == {new: "mine", "memberId": "1"}
    await update(api, handle, **{new: "changed"})
    assert await api.fields(handle) == {new: "changed", "memberId": "1"}


# What is wrong is told when the template is saved


@pytest.mark.parametrize(
    ("constructor", "words"),
    [
        (a_card(a_back_field("scanned AND AND registered")), ("backFields", "character 13")),
        (
            a_card(barcode={"format": "PKBarcodeFormatQR", "message": "m", "PSConditions": "("}),
            ("barcode", "character 2"),
        ),
        (
            a_card(triggers={"onScan": [increment(1), increment(1, PSConditions="{a} >")]}),
            ("triggers", "onScan", "1", "character 6"),
        ),
        (
            a_card(triggers={"onScan": {"action": "PSActionDance"}}),
            ("triggers.onScan.action", "PSActionSetValue"),
        ),
        (
            a_card(
                again=[{"action": "PSActionExecuteTriggers", "targetPath": "again"}],
                triggers={"onScan": {"action": "PSActionExecuteTriggers", "targetPath": "again"}},
            ),
            ("again",),
        ),
    ],
)
async def test_a_template_that_cannot_work_is_refused_by_the_place(
    api: PassSource, constructor: dict[str, Any], words: tuple[str, ...]
):
    form = {"templateName": "x", "passConstructor": json.dumps(constructor)}

    message = await api.refused("insertUpdateTemplate", data=form)

    assert all(word in message for word in words), message
    assert (await api.do("templates"))["templates"] == []
