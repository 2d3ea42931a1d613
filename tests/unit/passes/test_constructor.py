from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.passes.template.constructor import read_constructor, write_constructor
from shared.passes.template.document import TemplateDocument, check_template
from tests.unit.passes.samples import a_pass, compiled, composed
from tests.unit.passes.test_properties import json, names, skeletons

CONSTRUCTOR: dict[str, Any] = {
    "description": "Loyalty",
    "organizationName": "Beans",
    "backgroundColor": {
        "PSValue": "red",
        "PSEditable": True,
        "PSLabel": "Colour",
        "PSAttributeType": "PSAttributeTypeColor",
    },
    "storeCard": {
        "headerFields": [
            {
                "key": "points",
                "label": "Points",
                "value": {
                    "PSValue": 0,
                    "PSEditable": "1",
                    "PSAttributeType": "PSAttributeTypeStepper",
                    "PSStepAmount": 5,
                },
            }
        ],
        "backFields": [
            {"key": "register", "label": "Register", "value": "Do", "PSConditions": "!registered"}
        ],
    },
    "barcode": {"format": "PKBarcodeFormatQR", "message": "m", "PSConditions": "scanned"},
    "memberId": {"PSValue": "7", "PSEditable": True, "PSOptions": {"Seven": "7"}},
    "note": {"value": 1, "label": "no attribute"},
    "triggers": {"onScan": {"action": "PSActionSetValue", "targetPath": "memberId", "value": "8"}},
}


def test_constructor_becomes_a_template():
    document = read_constructor(CONSTRUCTOR, images={"icon": "a" * 64})
    template = compiled(document)

    assert list(check_template(document)) == []
    leaf = template.leaves["structure_headerFields_points_value"]
    assert (leaf.default, leaf.editable, leaf.input_type, leaf.step) == (
        0,
        True,
        "PSAttributeTypeStepper",
        5,
    )
    assert template.leaves["memberId"].options == {"Seven": "7"}
    assert template.read(a_pass(), "note") == {"value": 1, "label": "no attribute"}
    assert template.run("onScan", a_pass()).values == {"memberId": "8"}


def test_conditions_stand_in_the_dictionary_of_field_and_barcode():
    template = compiled(read_constructor(CONSTRUCTOR))

    before = composed(template, a_pass())
    after = composed(template, a_pass(happened=["registered", "scanned"]))

    assert before["storeCard"]["backFields"][0]["key"] == "register"
    assert "barcode" not in before
    assert after["storeCard"]["backFields"] == []
    assert after["barcode"]["message"] == "m"


def test_plain_pass_is_a_constructor():
    plain = {
        "formatVersion": 1,
        "serialNumber": "old",
        "description": "d",
        "userInfo": {"value": 5, "label": "x"},
        "coupon": {"primaryFields": [{"key": "offer", "value": "10 %"}]},
        "locations": [{"latitude": 1, "longitude": 2}],
    }

    document = read_constructor(plain)

    assert check_template(document).errors == []
    assert document.properties == {}
    assert composed(compiled(document), a_pass())["userInfo"] == {"value": 5, "label": "x"}


def test_attribute_of_a_whole_barcode_keeps_its_conditions():
    document = read_constructor(
        {"generic": {}, "barcode": {"PSValue": {"message": "m"}, "PSConditions": "scanned"}}
    )

    assert document.pass_["barcode"] == {"message": "m", "conditions": "scanned"}


@pytest.mark.parametrize("triggers", [None, [], "", {}, "{}"])
def test_no_triggers_may_be_said_in_many_ways(triggers: Any):
    assert read_constructor({"generic": {}, "triggers": triggers}).triggers == {}


def test_triggers_may_be_json_text():
    action = '{"action":"PSActionSetValue","targetPath":"backgroundColor","value":"blue"}'

    document = read_constructor({"generic": {}, "triggers": {"onScan": action}})

    assert document.triggers["onScan"]["value"] == "blue"


def test_translation_goes_back_and_forth():
    document = read_constructor(CONSTRUCTOR)

    assert write_constructor(document)["barcode"]["PSConditions"] == "scanned"
    assert read_constructor(write_constructor(document)) == document


def test_what_cannot_be_stored_is_refused():
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    with pytest.raises(ValidationError):
        read_constructor({"generic": {}, "userInfo": deep})


ps_names = names | st.sampled_from(["PSValue", "PSEditable", "PSConditions", "PSLabel"])
ps_json = st.recursive(
    json, lambda inner: st.dictionaries(ps_names, inner, max_size=4), max_leaves=8
)


@settings(max_examples=150, deadline=None)
@example({"coupon": {"boardingPass": {"value": None}}}, {})
@example({"coupon": {"x": {"value": 5}}}, {})
@given(skeletons, st.dictionaries(ps_names, ps_json, max_size=4))
def test_no_constructor_crashes_and_reading_again_changes_nothing(
    skeleton: dict[str, Any], others: dict[str, Any]
):
    try:
        document = read_constructor({**skeleton, **others})
        again = read_constructor(write_constructor(document))
    except ValidationError:
        return

    check_template(document)
    assert isinstance(again, TemplateDocument)
    if not check_template(document).errors:
        assert again == document
