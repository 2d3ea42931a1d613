from typing import Any

import pytest

from shared.errors import InvalidError
from tests.unit.passes.samples import ANN, a_card, a_pass, a_template, compiled

POINTS = "structure_headerFields_points_value"


def test_leaves_tell_what_the_template_says():
    template = a_template()

    leaf = template.leaves[POINTS]

    assert (leaf.default, leaf.editable, leaf.label, leaf.type) == (
        0,
        True,
        "Points balance",
        "value",
    )
    assert template.editable_paths == (POINTS,)
    assert "code" in template.leaves


def test_read_prefers_own_then_template_then_member():
    template = a_template()

    assert template.read(a_pass({POINTS: 5}), POINTS) == 5
    assert template.read(a_pass(), POINTS) == 0
    assert template.read(a_pass(), "code") == "C-{member_external_id}"
    assert template.read(a_pass(member=ANN), "member_tier") == "gold"
    assert template.read(a_pass(), "member_tier") is None
    assert template.read(a_pass(), "nowhere") is None
    assert template.read(a_pass(), "passType") == "storeCard"


def test_read_of_a_container_gives_the_whole():
    state = a_pass({"barcode_message": "own"})

    assert a_template().read(state, "barcode") == {
        "format": "PKBarcodeFormatQR",
        "message": "own",
    }
    assert a_template().read(state, "barcodes_0_message") == "own"


def test_numbers_as_text_are_taken_where_a_number_is_meant():
    checked = a_template().check_values({POINTS: "25", "maxDistance": "1.5", "logoText": 7})

    assert checked == {POINTS: 25, "maxDistance": 1.5, "logoText": "7"}


def test_text_is_kept_as_text_where_the_field_has_text():
    template = compiled(a_card([{"key": "code", "value": "A1"}]))

    checked = template.check_values({"structure_headerFields_code_value": "007"})

    assert checked == {"structure_headerFields_code_value": "007"}


def test_containers_may_come_as_json_text():
    checked = a_template().check_values(
        {"locations": '[{"latitude": 1, "longitude": 2}]', "barcodes_0_message": "x"}
    )

    assert checked == {"locations": [{"latitude": 1, "longitude": 2}], "barcode_message": "x"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nowhere", 1),
        ("member_name", "Eve"),
        ("serialNumber", "1"),
        ("backgroundColor", "bluish"),
        ("maxDistance", "far"),
        ("passType", "poster"),
        ("logoText", "a\x00b"),
        ("logoText", "x" * 16_400),
        ("logoText", "\ud800"),
        ("logoText", ["x"]),
        ("code", 2**70),
        ("locations", "[{]"),
        ("locations", '[{"latitude": "north"}]'),
        ("locations", {}),
        ("structure_headerFields", '[{"label": "no key"}]'),
    ],
)
def test_values_that_do_not_fit_are_named(path: str, value: Any):
    with pytest.raises(InvalidError) as caught:
        a_template().check_values({path: value, "logoSymbolName": "star"})

    assert [error["pointer"] for error in caught.value.errors] == [path]


def test_values_together_have_a_limit():
    properties = {f"p{number}": "" for number in range(201)}
    template = a_template(properties=properties)

    with pytest.raises(InvalidError, match="cannot be set"):
        template.check_values(dict.fromkeys(properties, 1))
    with pytest.raises(InvalidError, match="cannot be set"):
        template.check_values({f"p{number}": "x" * 14_000 for number in range(5)})


def test_setting_a_container_drops_what_was_set_within():
    merged = a_template().merge_values({POINTS: 5, "logoText": "x"}, {"structure_headerFields": []})

    assert merged == {"logoText": "x", "structure_headerFields": []}
