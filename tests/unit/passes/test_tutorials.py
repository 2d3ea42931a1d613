"""Every example and tutorial of the reference that is about the language."""

from typing import Any

import orjson
import pytest

from shared.passes.language.state import Environment
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.constructor import read_constructor
from shared.passes.template.document import check_template
from tests.unit.passes.samples import ANN, a_pass, composed

POINTS = "structure_headerFields_points_value"
HANDLE_URL = "https://w.example/pass/register.php?hashedSerialNumber=handle0"

SUBTRIGGERS = """[
  { "action" : "PSActionSetValue", "targetPath" : "psScanColor", "value" : "{PSColorGreen}" },
  { "action" : "PSActionSetValue", "targetPath" : "psScanText", "value" : "First Scan" },
  { "action" : "PSActionSetValue", "targetPath" : "psScanColor", "value" : "{PSColorYellow}",
    "PSConditions" : "scanned" },
  { "action" : "PSActionSetValue", "targetPath" : "psScanText", "value" : "Already Scanned",
    "PSConditions" : "scanned" } ]"""


def a_loyalty_card(back: list[dict[str, Any]] | None = None, **changes: Any) -> CompiledTemplate:
    constructor = {
        "description": "Loyalty",
        "organizationName": "Beans",
        "backgroundColor": "white",
        "storeCard": {
            "headerFields": [{"key": "points", "label": "Points", "value": 10}],
            "secondaryFields": [{"key": "name", "label": "Name", "value": "{member_name}"}],
            "backFields": back or [],
        },
        "barcode": {"format": "PKBarcodeFormatQR", "message": "m"},
        **changes,
    }
    document = read_constructor(constructor, images={"icon": "a" * 64})
    assert [f for f in check_template(document) if f.code != "page"] == []
    environment = Environment("https://w.example", "hash", "1", "2", "template")
    return compile_template(document, name="Card", organization="Beans", environment=environment)


def back_fields(condition: str, values: dict[str, Any] | None = None, *happened: str) -> int:
    field = {"key": "myKey", "label": "Mine", "value": "x", "PSConditions": condition}
    template = a_loyalty_card([field])
    card = composed(template, a_pass(values, {"name": "PassSource"}, happened=happened))
    return len(card["storeCard"]["backFields"])


@pytest.mark.parametrize(
    ("value", "attributed", "condition", "is_registered"),
    [
        (
            "Register your pass for additional benefits! {psRegisterURL}",
            '<a href="{psRegisterURL}">Register your pass</a> for additional value!',
            "!registered",
            False,
        ),
        (
            "Update your information: {psRegisterURL}",
            '<a href="{psRegisterURL}">Update your information</a>',
            "registered",
            True,
        ),
    ],
    ids=["prompt", "update"],
)
def test_registration_links(value: str, attributed: str, condition: str, *, is_registered: bool):
    field = {"key": "r", "label": "R", "value": value, "attributedValue": attributed}
    template = a_loyalty_card([{**field, "PSConditions": condition}])

    shown = composed(template, a_pass(happened=["registered"] if is_registered else []))
    hidden = composed(template, a_pass(happened=[] if is_registered else ["registered"]))

    entry = shown["storeCard"]["backFields"][0]
    assert entry["value"] == value.replace("{psRegisterURL}", HANDLE_URL)
    assert entry["attributedValue"] == attributed.replace("{psRegisterURL}", HANDLE_URL)
    assert hidden["storeCard"]["backFields"] == []


def test_geolocations_of_a_pass():
    text = """[ { "longitude":48.8583701, "latitude":2.2944813,
        "relevantText":"Welcome to the Eiffel Tower!" },
      { "longitude":40.7484444, "latitude":-73.9878441, "altitude":381,
        "relevantText":"Welcome to the 102nd floor of the Empire State Building!" },
      { "longitude":40.6892534, "latitude":-74.0466891,
        "relevantText":"Welcome to the Statue of Liberty!" } ]"""
    template = a_loyalty_card()

    values = template.check_values({"locations": text})

    assert composed(template, a_pass(values))["locations"] == orjson.loads(text)


def test_colour_changes_when_scanned():
    action = {"action": "PSActionSetValue", "targetPath": "backgroundColor", "value": "blue"}
    template = a_loyalty_card(triggers={"onScan": action})

    values = template.run("onScan", a_pass()).values

    assert composed(template, a_pass(values))["backgroundColor"] == "rgb(0, 0, 255)"


def test_25_points_for_the_first_registration_only():
    action = {
        "action": "PSActionIncrementValue",
        "targetPath": POINTS,
        "amount": 25,
        "PSConditions": "!registered",
    }
    template = a_loyalty_card(triggers={"onRegister": action})

    first = template.run("onRegister", a_pass()).values
    second = template.run("onRegister", a_pass(first, happened=["registered"])).values

    assert first == second == {POINTS: 35}


@pytest.mark.parametrize("key", ["onCheck", "onScan"])
@pytest.mark.parametrize("as_text", [True, False])
def test_scan_output_based_on_previous_scan(key: str, *, as_text: bool):
    execute = {"action": "PSActionExecuteTriggers", "targetPath": "subtriggers"}
    subtriggers = SUBTRIGGERS if as_text else orjson.loads(SUBTRIGGERS)
    template = a_loyalty_card(
        subtriggers=subtriggers, triggers={"onCheck": execute, "onScan": execute}
    )

    first = a_pass(template.run(key, a_pass()).values, happened=["scanned"])
    second = a_pass(template.run(key, first).values)

    assert template.text_of(first, "psScanColor") == "rgb(77,186,11)"
    assert template.text_of(first, "psScanText") == "First Scan"
    assert template.text_of(second, "psScanColor") == "rgb(187,187,58)"
    assert template.text_of(second, "psScanText") == "Already Scanned"


def test_field_is_shown_if_the_value_is_not_empty():
    condition = "{structure_backFields_myKey_value} !isEmpty"

    assert back_fields(condition) == 1
    assert back_fields(condition, {"structure_backFields_myKey_value": ""}) == 0


def test_field_is_shown_if_the_points_are_more_than_20():
    condition = "{structure_headerFields_points_value} > 20"

    assert back_fields(condition) == 0
    assert back_fields(condition, {POINTS: 20}) == 0
    assert back_fields(condition, {POINTS: 100}) == 1


def test_field_is_shown_if_the_name_is_passsource():
    condition = '{structure_secondaryFields_name_value} = "PassSource"'

    assert back_fields(condition) == 1
    assert back_fields(condition, {"structure_secondaryFields_name_value": "Other"}) == 0


def test_field_is_shown_if_scanned_or_until_registered():
    assert back_fields("scanned") == 0
    assert back_fields("scanned", None, "scanned") == 1
    assert back_fields("!registered") == 1
    assert back_fields("!registered", None, "registered") == 0


def test_description_in_lists():
    text = "{structure_secondaryFields_name_value} has {structure_headerFields_points_value} points"
    template = a_loyalty_card(psPassDescription=text)

    assert template.text_of(a_pass({POINTS: 12}, ANN), "psPassDescription") == "Ann has 12 points"


def test_barcode_that_installs_the_pass():
    message = "{rootPath}/pass/create.php?hashedSerialNumber={hashedSerialNumber}"
    template = a_loyalty_card(barcode={"format": "PKBarcodeFormatQR", "message": message})

    assert composed(template, a_pass())["barcode"]["message"] == (
        "https://w.example/pass/create.php?hashedSerialNumber=handle0"
    )


def test_barcode_with_the_number_and_name_of_a_member():
    message = "{memberId} {structure_secondaryFields_name_value}"
    template = a_loyalty_card(
        barcode={"format": "PKBarcodeFormatQR", "message": message}, memberId="77"
    )

    assert composed(template, a_pass(member=ANN))["barcode"]["message"] == "77 Ann"


def test_a_point_for_every_scan():
    action = {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1}
    template = a_loyalty_card(triggers={"onScan": action})
    values: dict[str, Any] = {}

    for _ in range(3):
        values = template.run("onScan", a_pass(values)).values

    assert values == {POINTS: 13}


def test_new_pass_from_a_link_takes_its_message_and_name():
    template = a_loyalty_card()
    values = template.check_values(
        {
            "barcode_message": "9991212",
            "barcode_altText": "9991212",
            "structure_secondaryFields_name_value": "George P. Burdell",
        }
    )

    card = composed(template, a_pass(values))

    assert card["barcode"]["message"] == card["barcode"]["altText"] == "9991212"
    assert card["storeCard"]["secondaryFields"][0]["value"] == "George P. Burdell"


def test_coupon_becomes_a_store_card_when_it_is_redeemed():
    redeem = [
        {
            "action": "PSActionIncrementValue",
            "targetPath": POINTS,
            "amount": -10,
            "PSConditions": '{passType} = "coupon"',
        },
        {
            "action": "PSActionSetValue",
            "targetPath": "passType",
            "value": "coupon",
            "PSConditions": '{passType} = "storeCard" AND {' + POINTS + "} !< 10",
        },
        {
            "action": "PSActionSetValue",
            "targetPath": "passType",
            "value": "storeCard",
            "PSConditions": "{structure_headerFields_points_value} < 10",
        },
    ]
    template = a_loyalty_card(triggers={"onScan": redeem})

    full = template.run("onScan", a_pass()).values
    redeemed = template.run("onScan", a_pass(full)).values

    assert "coupon" in composed(template, a_pass(full))
    assert "storeCard" in composed(template, a_pass(redeemed))
    assert template.read(a_pass(redeemed), POINTS) == 0


def test_membership_starts_when_the_pass_is_registered():
    action = {"action": "PSActionSetValue", "targetPath": "since", "value": "{timestamp}"}
    template = a_loyalty_card(since="", triggers={"onRegister": action})

    assert template.run("onRegister", a_pass()).values == {"since": "2026-11-21T00:00:00Z"}
