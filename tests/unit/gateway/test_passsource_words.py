"""What PassSource's dialect writes and reads, without a gateway."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.routes.passsource.exports import harmless, write_rows
from services.gateway.routes.passsource.words import ParameterError, Words
from shared.passes.constructor import read_constructor, write_constructor


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\uff1d1"],
)
def test_cell_that_would_run_is_made_harmless(text: str):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "-5", "+49301234", "1.5", "Ada", "a=b", "12-3"])
def test_other_cells_stay_as_they_are(text: str):
    assert harmless(text) == text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1))
def test_written_rows_read_back(row: list[str]):
    text = write_rows([row]).decode()

    assert list(csv.reader(io.StringIO(text, newline=""))) == [row]


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
