from typing import Any

import pytest

from shared.passes.template.document import check_template
from tests.unit.passes.samples import a_card, a_pass, a_template, compiled, composed

CODE = {"format": "PKBarcodeFormatQR", "message": "m"}


def keys(fields: list[dict[str, Any]], **state: Any) -> list[str]:
    card = composed(compiled(a_card(fields)), a_pass(**state))
    return [field["key"] for field in card["storeCard"]["headerFields"]]


def test_field_is_shown_only_if_its_condition_holds():
    fields = [
        {"key": "a", "value": 1, "conditions": "registered"},
        {"key": "b", "value": 2},
        {"key": "c", "value": 3, "conditions": "!registered"},
    ]

    assert keys(fields) == ["b", "c"]
    assert keys(fields, happened=["registered"]) == ["a", "b"]


def test_value_with_a_condition_hides_its_field():
    fields = [
        {"key": "a", "value": {"value": 1, "conditions": "scanned"}},
        {"key": "b", "value": 2},
    ]

    assert keys(fields) == ["b"]
    assert keys(fields, happened=["scanned"]) == ["a", "b"]


def test_any_attribute_may_have_a_condition():
    template = a_template({"logoText": {"value": "Hi", "conditions": "scanned"}})

    assert "logoText" not in composed(template, a_pass())
    assert composed(template, a_pass(happened=["scanned"]))["logoText"] == "Hi"


def test_field_is_hidden_by_its_key_where_the_pass_put_it():
    fields = [{"key": "a", "value": 1, "conditions": "registered"}, {"key": "b", "value": 2}]
    own = [{"key": "new", "value": 0}, {"key": "b", "value": 2}, {"key": "a", "value": 1}]

    assert keys(fields, values={"structure_headerFields": own}) == ["new", "b"]


def test_field_whose_condition_cannot_be_read_is_hidden_and_an_error():
    fields = [{"key": "a", "value": 1, "conditions": "registered &"}, {"key": "b", "value": 2}]

    assert keys(fields) == ["b"]
    found = check_template(a_card(fields)).errors
    assert [(entry.code, entry.path) for entry in found] == [
        ("condition", "$.pass.storeCard.headerFields[0].conditions")
    ]


@pytest.mark.parametrize("nothing", ["", None])
def test_empty_condition_is_none(nothing: Any):
    assert keys([{"key": "a", "value": 1, "conditions": nothing}]) == ["a"]


def test_unknown_path_in_a_condition_is_a_warning():
    document = a_card([{"key": "a", "value": 1, "conditions": "{nope} isSet"}])

    found = [entry for entry in check_template(document) if entry.path.endswith(".conditions")]
    assert [(entry.severity, entry.code) for entry in found] == [("warning", "unknown-path")]


@pytest.mark.parametrize("policy", ["template", "handle"])
@pytest.mark.parametrize(
    "changes",
    [
        {"barcode": {**CODE, "conditions": "scanned"}, "barcodes": None},
        {"barcodes": [{**CODE, "conditions": "scanned"}]},
        {"barcode": {**CODE, "conditions": "scanned"}, "barcodes": [CODE]},
        {"barcodes": {"value": [CODE], "conditions": "scanned"}},
    ],
    ids=["single", "several", "twins", "attribute"],
)
def test_barcode_is_shown_only_if_its_condition_holds(changes: dict[str, Any], policy: str):
    template = a_template(changes, barcode_policy=policy)

    hidden = composed(template, a_pass())
    shown = composed(template, a_pass(happened=["scanned"]))

    assert "barcode" not in hidden
    assert "barcodes" not in hidden
    assert shown["barcode"]["format"] == shown["barcodes"][0]["format"] == CODE["format"]


def test_one_of_several_barcodes_may_be_hidden():
    other = {"format": "PKBarcodeFormatPDF417", "message": "n"}
    template = a_template({"barcodes": [{**CODE, "conditions": "scanned"}, other]})

    card = composed(template, a_pass())

    assert [entry["message"] for entry in card["barcodes"]] == ["n"]
    assert card["barcode"]["message"] == "n"


def test_hiding_leaves_the_template_as_it_was():
    template = compiled(a_card([{"key": "a", "value": 1, "conditions": "scanned"}]))
    composed(template, a_pass())

    card = composed(template, a_pass(happened=["scanned"]))
    assert card["storeCard"]["headerFields"] == [{"key": "a", "value": 1}]
