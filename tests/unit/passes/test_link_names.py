"""A CSV that was made for PassKit works with its head row."""

from typing import Any

import pytest

from shared.passes.links.names import (
    CHANNEL_NAMES,
    MEMBER_NAMES,
    PATH_NAMES,
    LinkNames,
)
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument

DOCUMENT = TemplateDocument.model_validate(
    {
        "pass": {
            "description": "A card",
            "storeCard": {
                "headerFields": [{"key": "seat", "label": "Seat", "value": ""}],
                "primaryFields": [{"key": "info", "label": "Info", "value": ""}],
            },
        },
        "properties": {"dateOfBirth": "", "meta.gate": "", "number": "0"},
    }
)
NAMES = LinkNames(compile_template(DOCUMENT, name="A card", organization="Cards"))
SEAT = "structure_headerFields_seat_value"


@pytest.mark.parametrize("write", [str, str.lower, str.upper])
@pytest.mark.parametrize("name", MEMBER_NAMES)
def test_what_a_member_has_a_field_for_is_the_members(name: str, write: Any):
    assert NAMES.sort({write(name): "x"}).member == {MEMBER_NAMES[name]: "x"}


@pytest.mark.parametrize("write", [str, str.lower, str.upper])
@pytest.mark.parametrize("name", CHANNEL_NAMES)
def test_utm_words_say_where_a_click_comes_from(name: str, write: Any):
    assert NAMES.sort({write(name): "x"}).channel == {CHANNEL_NAMES[name]: "x"}


def test_the_expiry_date_is_the_passs():
    assert NAMES.sort({"Universal.ExpiryDate": "2027-01-01T00:00Z"}).values == {
        PATH_NAMES["universal.expiryDate"]: "2027-01-01T00:00Z"
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"person.forename": "Percy", "person.surname": "PassKit"}, "Percy PassKit"),
        ({"person.surname": "PassKit"}, "PassKit"),
        ({"person.forename": "Percy", "person.displayName": "P. P."}, "P. P."),
        ({"PERSON.FORENAME": " Percy ", "person.surname": ""}, "Percy"),
    ],
)
def test_forename_and_surname_make_a_name_where_none_is_given(given: dict[str, Any], name: str):
    assert NAMES.sort(given).member == {"name": name}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("meta.seat", SEAT),
        ("META.Seat", SEAT),
        ("universal.info", "structure_primaryFields_info_value"),
        ("person.dateOfBirth", "dateOfBirth"),
        ("meta.gate", "meta.gate"),
        ("Meta.Gate", "meta.gate"),
        (SEAT, SEAT),
        ("number", "number"),
        ("backgroundColor", "backgroundColor"),
    ],
)
def test_other_names_are_what_the_template_has_under_them(name: str, path: str):
    assert NAMES.sort({name: "x"}).values == {path: "x"}


@pytest.mark.parametrize("name", ["meta.unknown", "universal.optIn", "person.gender"])
def test_what_the_template_has_no_place_for_is_left_out(name: str):
    sorted_ = NAMES.sort({name: "x"})

    assert sorted_.left_out == [name]
    assert not sorted_.values


def test_names_that_mean_nothing_stay_for_whoever_checks_values():
    assert NAMES.sort({"nothing": "x"}).values == {"nothing": "x"}
