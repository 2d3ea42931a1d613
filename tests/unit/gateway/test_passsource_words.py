"""What PassSource's dialect writes and reads, without a gateway."""

import pytest

from services.gateway.routes.passsource.words import ParameterError, Words
from shared.passes.constructor import read_constructor, write_constructor


def words(**values: object) -> Words:
    return Words({}, values, {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("1", True), (True, True), ("FALSE", False), ("", False)],
)
def test_truth_is_written_in_many_ways(value: object, expected: bool):  # noqa: FBT001
    assert words(it=value).flag("it") is expected


@pytest.mark.parametrize("value", ["x", "1.5", "99999999999", "-", "\u0661", [1]])
def test_what_is_no_number_is_refused(value: object):
    with pytest.raises(ParameterError):
        words(it=value).number("it", 0, 0)


def test_attribute_objects_are_read_in_our_words():
    document = read_constructor(
        {
            "generic": {
                "primaryFields": [
                    {
                        "key": "a",
                        "value": {
                            "PSValue": "x",
                            "PSEditable": "1",
                            "PSLabel": "A",
                            "PSAttributeType": "PSAttributeTypeDropdown",
                            "PSOptions": {"One": "1"},
                        },
                    }
                ]
            },
            "serialNumber": "9",
            "own": 1,
            "triggers": {"onScan": {}},
        }
    )

    field = document.pass_["generic"]["primaryFields"][0]
    assert field["value"] == {
        "value": "x",
        "editable": True,
        "label": "A",
        "type": "PSAttributeTypeDropdown",
        "options": {"One": "1"},
    }
    assert document.properties == {"own": 1}
    assert document.triggers == {"onScan": {}}
    assert read_constructor(write_constructor(document)) == document
