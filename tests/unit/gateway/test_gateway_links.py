"""What may be ordered of a link, and whom it is for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from services.gateway.domain.links import (
    LinkInvalidError,
    LinkMaker,
    LinkOrder,
    LinkProgram,
    clean_member,
    member_of,
    order_of_row,
)
from shared import clock
from shared.identifiers import new_id
from shared.passes.links.tokens import LinkClaims
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument

POINTS: Final = "structure_headerFields_points_value"
PROGRAM: Final = LinkProgram(
    program_id=UUID(int=1),
    account_id=UUID(int=2),
    template_id=UUID(int=3),
    name="Mailing",
    default_region="DE",
    created_at=clock.now(),
    updated_at=clock.now(),
)


def maker(barcode_policy: str = "template", **program: Any) -> LinkMaker:
    document = TemplateDocument.model_validate(
        {
            "pass": {
                "description": "A card",
                "barcode": {"format": "PKBarcodeFormatQR", "message": "0"},
                "storeCard": {
                    "headerFields": [
                        {"key": "points", "value": 0, "numberStyle": "PKNumberStyleDecimal"}
                    ]
                },
            },
            "barcode_policy": barcode_policy,
        }
    )
    compiled = compile_template(document, name="A card", organization="Cards")
    return LinkMaker(replace(PROGRAM, **program), compiled)


def faults(order: LinkOrder, making: LinkMaker | None = None) -> set[str]:
    with pytest.raises(LinkInvalidError) as caught:
        (making or maker()).claims(order)
    return {str(fault["pointer"]) for fault in caught.value.errors}


def test_an_order_becomes_what_the_link_says():
    moment = clock.now() + timedelta(days=2)
    order = LinkOrder(
        {"name": " Percy ", "email": "percy@example.com", "phone": "0171 2345678", "points": 5},
        {POINTS: "7", "utm_source": "mailing"},
        {"campaign": "autumn"},
        expires_at=moment,
        max_uses=3,
    )

    claims = maker().claims(order, ("account", "member"))

    assert claims.member == {
        "name": "Percy",
        "email": "percy@example.com",
        "phone": "+491712345678",
        "points": 5,
    }
    assert claims.values == {POINTS: 7}
    assert (claims.source, claims.campaign, claims.max_uses) == ("mailing", "autumn", 3)
    assert claims.expires_at == int(moment.timestamp())
    assert claims.withheld == ("account", "member")


def test_all_that_is_wrong_is_told_at_once_and_where():
    order = LinkOrder(
        {"email": "nobody", "phone": "call me", "points": "many", "external_id": "x" * 201},
        {"backgroundColor": "no colour", "nothing": 1, "utm_term": "x" * 81},
        expires_at=clock.now() - timedelta(seconds=1),
    )

    assert faults(order) == {
        "/member/email",
        "/member/phone",
        "/member/points",
        "/external_id",
        "/utm/term",
        "/expires_at",
        "/values/backgroundColor",
        "/values/nothing",
    }


def test_what_is_said_twice_in_two_ways_is_refused():
    names = {"members.externalId": "1", "utm_campaign": "a", "person.forename": "Percy"}
    alike = LinkOrder({"external_id": "1", "name": "Mr Owl"}, names, campaign="a")
    other = LinkOrder({"external_id": "2"}, names, campaign="b")

    assert maker().claims(alike).member == {"external_id": "1", "name": "Mr Owl"}
    assert faults(other) == {"/external_id", "/campaign"}
    assert faults(LinkOrder(channel={"campaign": "a"}, campaign="b")) == {"/campaign"}


def test_values_with_which_wallet_would_refuse_the_pass_are_refused():
    assert faults(LinkOrder(values={POINTS: "many"})) == {f"/values/{POINTS}"}


def test_a_link_must_give_the_barcode_that_its_template_needs():
    assert faults(LinkOrder(), maker("data")) == {"/values/barcode_message"}
    assert maker("data").claims(LinkOrder(values={"barcode_message": "47"}))
    assert maker("random").claims(LinkOrder())


def test_a_link_holds_only_so_much():
    assert faults(LinkOrder(values={"description": "x" * 4097})) == {""}


def test_a_program_says_how_long_and_how_often_links_work_that_do_not_say_so():
    making = maker(valid_days=2, one_time=True)
    moment = clock.now() + timedelta(days=9)

    plain = making.claims(LinkOrder())
    own = making.claims(LinkOrder(expires_at=moment, max_uses=5))

    assert plain.expires_at is not None
    assert abs(plain.expires_at - (clock.now() + timedelta(days=2)).timestamp()) < 5
    assert plain.max_uses == 1
    assert (own.expires_at, own.max_uses) == (int(moment.timestamp()), 5)


def test_what_the_template_no_longer_takes_is_left_out_at_the_click():
    values = {POINTS: 5, "gone": "x", "backgroundColor": "no colour"}

    assert maker().fitting(values) == {POINTS: 5}
    assert maker("data").fitting({POINTS: 5}) == {POINTS: 5}


@pytest.mark.parametrize(
    ("auto_fill", "given", "external_id"),
    [
        ("none", {"email": "percy@example.com"}, None),
        ("email", {"email": " Percy@Example.COM"}, "percy@example.com"),
        ("email", {"email": "percy@example.com", "external_id": "4711"}, "4711"),
        ("email", {"phone": "0171 2345678"}, None),
        ("phone", {"phone": "0171 2345678"}, "+491712345678"),
        ("phone", {"phone": "+44 20 7946 0018"}, "+442079460018"),
        ("phone", {"phone": "1"}, "1"),
    ],
)
def test_who_a_link_is_for(auto_fill: Any, given: dict[str, Any], external_id: str | None):
    program = replace(PROGRAM, auto_fill_external_id=auto_fill)
    claims = LinkClaims(link_id=new_id(), member=given)

    assert member_of(program, claims).get("external_id") == external_id


def test_a_claim_that_fits_no_member_is_left_out():
    given = {"name": "Percy", "shoe_size": 44, "points": 1.5, "tier": "", "email": ["x"]}

    fields, wrong = clean_member(given, None)

    assert fields == {"name": "Percy"}
    assert wrong == ["shoe_size", "points"]


def test_a_row_of_a_table_is_an_order():
    row = {
        "name": "Percy",
        "external_id": "4711",
        "meta.seat": "12A",
        POINTS: "5",
        "campaign": "autumn",
        "expires_at": "2099-01-31T18:30:00Z",
        "max_uses": "2",
        "tier": "",
    }

    order = order_of_row(row)

    assert order.member == {"name": "Percy", "external_id": "4711"}
    assert order.values == {"meta.seat": "12A", POINTS: "5"}
    assert order.campaign == "autumn"
    assert order.max_uses == 2
    assert order.expires_at is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("expires_at", "tomorrow"),
        *(("max_uses", text) for text in ("0", "x", "²", "1.5", "1000001", "9" * 5000)),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(name: str, text: str):
    with pytest.raises(LinkInvalidError) as caught:
        order_of_row({name: text})

    assert [fault["pointer"] for fault in caught.value.errors] == [f"/{name}"]
