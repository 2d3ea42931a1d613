"""The Pass2U API's own words, without a gateway."""

from typing import Any

import orjson
import pytest
from aiohttp import hdrs
from aiohttp.test_utils import make_mocked_request

from services.gateway.catalogue.models import list_fields, read_zone
from services.gateway.routes.pass2u.calls import check_accept
from services.gateway.routes.pass2u.translation import ATTRIBUTES
from services.gateway.routes.pass2u.words import NotAcceptableError, PassData, write_message
from services.gateway.routes.passsource.access import UnknownPassError
from shared.database import DatabaseAwayError
from shared.errors import (
    ApplicationError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    TooLargeError,
    UnauthorizedError,
)
from shared.http.limiting import RateLimitedError
from shared.http.parsing import json_parser
from shared.http.problems import MethodNotAllowedError, UnsupportedMediaError
from shared.messaging.transport import NoAnswerError
from shared.passes.language.paths import shared_leaves
from tests.unit.passes.samples import a_template


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InvalidError, 400),
        (TooLargeError, 400),
        (UnauthorizedError, 403),
        (ForbiddenError, 403),
        (UnknownPassError, 404),
        (GoneError, 404),
        (MethodNotAllowedError, 405),
        (NotAcceptableError, 405),
        (ConflictError, 409),
        (UnsupportedMediaError, 415),
        (RateLimitedError, 429),
        (DatabaseAwayError, 503),
        (NoAnswerError, 504),
    ],
)
def test_errors_have_the_statuses_of_the_reference_s_table(
    kind: type[ApplicationError], status: int
):
    response = write_message(kind())

    assert response.status == status
    body: Any = response.body
    assert orjson.loads(body).keys() == {"message"}


def test_a_message_names_each_fault_and_its_place():
    faults = [
        {"pointer": "/fields/0/value", "detail": "too long"},
        {"pointer": "description", "detail": "no text"},
        {"pointer": "", "detail": "all wrong"},
    ]

    body: Any = write_message(InvalidError(errors=faults)).body

    message = orjson.loads(body)["message"]
    assert message == "fields[0].value: too long; description: no text; all wrong"


@pytest.mark.parametrize(
    ("accept", "is_served"),
    [
        (None, True),
        ("", True),
        ("*/*", True),
        ("application/*", True),
        ("application/json", True),
        ("text/html, APPLICATION/JSON;q=0.5", True),
        ("text/html", False),
        ("application/json;q=0", False),
        ("application/json; q=0.0, text/html", False),
        ("application/vnd.apple.pkpass", False),
    ],
)
def test_what_does_not_accept_the_answer_is_refused(accept: str | None, is_served: bool):  # noqa: FBT001
    headers = {} if accept is None else {hdrs.ACCEPT: accept}
    request = make_mocked_request("GET", "/", headers=headers)

    if is_served:
        check_accept(request, "application/json")
    else:
        with pytest.raises(NotAcceptableError):
            check_accept(request, "application/json")


def test_every_attribute_of_the_body_can_be_reset():
    named = {info.alias or name for name, info in PassData.model_fields.items()}

    assert named == ATTRIBUTES


def test_attributes_are_paths_of_every_template():
    apart = {"passcode", "voided", "images", "fields"}

    assert ATTRIBUTES - apart <= shared_leaves().keys()


def test_a_field_is_what_its_value_is_marked_as():
    fields = [
        {"key": "fixed", "value": "x"},
        {"key": "named", "value": {"value": "x", "dynamic": True}},
        {"key": "points", "value": {"value": 0, "type": "points"}},
        {"key": "credits", "value": {"value": 0, "dynamic": True, "type": "credits"}},
    ]
    template = a_template({"generic": {"primaryFields": fields}})

    found = list_fields(template.path_index)

    assert {key: one.kind for key, one in found.items()} == {
        "fixed": "fixed",
        "named": "dynamic",
        "points": "points",
        "credits": "credits",
    }
    assert found["named"].paths == (
        "structure_primaryFields_named_label",
        "structure_primaryFields_named_value",
        "structure_primaryFields_named_changeMessage",
    )


@pytest.mark.parametrize("offset", ["+00:00", "+08:00", "-03:30", "+14:00"])
def test_an_offset_is_read_as_it_is_written(offset: str):
    assert read_zone(offset).tzname(None) == ("UTC" if offset == "+00:00" else f"UTC{offset}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"fields": [{"key": "a", "value": "x" * 5001}]},
         "fields[0].value: String should have at most 5000 characters"),
        ({"fields": [{"key": "a", "value": True}]},
         "fields[0].value: Input should be a valid string"),
        ({"fields": [{"key": "a", "changeMessage": "%@" + "x" * 79}]},
         "fields[0].changeMessage: String should have at most 80 characters"),
        ({"barcode": {"altText": "x" * 36}},
         "barcode.altText: String should have at most 35 characters"),
        ({"barcode": [{"altText": 5}]}, "barcode[0].altText: Input should be a valid string"),
        ({"barcode": "x"}, "barcode: Input should be an object"),
        ({"beacons": [{"proximityUUID": ""}]}, "beacons[0].proximityUUID: A UUID is needed"),
    ],
)  # fmt: skip
def test_a_fault_is_told_once_and_not_for_each_form_that_a_value_may_have(
    body: dict[str, Any], message: str
):
    with pytest.raises(InvalidError) as refused:
        json_parser(PassData)(orjson.dumps(body))
    answer: Any = write_message(refused.value).body

    assert orjson.loads(answer) == {"message": message}
