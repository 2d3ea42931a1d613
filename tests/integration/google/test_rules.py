"""A document that breaks one of Google's rules is refused, and the answer says where."""

from typing import Any

import pytest

from tests.google.server import ISSUER, FakeGoogle
from tests.integration.google.documents import (
    CLASS,
    OBJECT,
    TYPES,
    Document,
    class_of,
    object_of,
    text,
)
from tests.integration.google.issuer import IssuerServer

REQUIRED_OF_CLASSES = {
    "loyalty": ["id", "issuerName", "reviewStatus", "programName", "programLogo"],
    "generic": ["id"],
    "eventTicket": ["id", "issuerName", "reviewStatus", "eventName"],
    "offer": ["id", "issuerName", "reviewStatus", "provider", "title", "redemptionChannel"],
    "giftCard": ["id", "issuerName", "reviewStatus"],
    "transit": ["id", "issuerName", "reviewStatus", "logo", "transitType"],
    "flight": [
        *("id", "issuerName", "reviewStatus", "flightHeader", "origin", "destination"),
        "localScheduledDepartureDateTime",
    ],
}
REQUIRED_OF_OBJECTS = {
    "loyalty": ["id", "classId", "state"],
    "generic": ["id", "classId", "cardTitle", "header"],
    "eventTicket": ["id", "classId", "state"],
    "offer": ["id", "classId", "state"],
    "giftCard": ["id", "classId", "state", "cardNumber"],
    "transit": ["id", "classId", "state", "tripType"],
    "flight": ["id", "classId", "state", "passengerName", "reservationInfo"],
}


def without(document: Document, key: str) -> Document:
    return {name: value for name, value in document.items() if name != key}


@pytest.mark.parametrize(
    ("type_", "key"), [(type_, key) for type_ in TYPES for key in REQUIRED_OF_CLASSES[type_]]
)
async def test_a_class_without_a_required_key_is_refused(
    issuer: IssuerServer, type_: str, key: str
):
    answer = await issuer.ask("POST", f"{type_}Class", without(class_of(type_), key))

    assert (answer.status, answer.reason) == (400, "invalidResource")


@pytest.mark.parametrize(
    ("type_", "key"), [(type_, key) for type_ in TYPES for key in REQUIRED_OF_OBJECTS[type_]]
)
async def test_an_object_without_a_required_key_is_refused(
    issuer: IssuerServer, type_: str, key: str
):
    await issuer.ask("POST", f"{type_}Class", class_of(type_))

    answer = await issuer.ask("POST", f"{type_}Object", without(object_of(type_), key))

    assert (answer.status, answer.reason) == (400, "invalidResource")


@pytest.mark.parametrize(
    ("type_", "changes", "where"),
    [
        ("loyalty", {"logoText": "Beans"}, "$"),
        ("loyalty", {"programName": 1}, "$.programName"),
        ("loyalty", {"programLogo": "https://img.example/"}, "$.programLogo"),
        ("loyalty", {"reviewStatus": "SOON"}, "$.reviewStatus"),
        ("loyalty", {"redemptionIssuers": [1]}, "$.redemptionIssuers[0]"),
        ("generic", {"issuerName": "Example"}, "$"),
        ("transit", {"programName": "Beans"}, "$"),
        ("offer", {"textModulesData": [{"title": "x"}]}, "$.textModulesData[0]"),
    ],
)
async def test_a_class_with_unknown_keys_kinds_or_words_cannot_be_read(
    issuer: IssuerServer, type_: str, changes: Document, where: str
):
    answer = await issuer.ask("POST", f"{type_}Class", class_of(type_, **changes))

    assert (answer.status, answer.reason) == (400, "badRequest")
    assert answer.message.startswith(f"Invalid JSON payload received. Invalid value at '{where}'")


def rows(*paths: str) -> Document:
    items = [
        {"oneItem": {"item": {"firstValue": {"fields": [{"fieldPath": path}]}}}} for path in paths
    ]
    return {"classTemplateInfo": {"cardTemplateOverride": {"cardRowTemplateInfos": items}}}


@pytest.mark.parametrize(
    ("type_", "changes"),
    [
        ("loyalty", {"id": "no-dot"}),
        ("loyalty", {"id": f"{ISSUER}.with space"}),
        ("loyalty", {"hexBackgroundColor": "rgb(1, 2, 3)"}),
        ("loyalty", {"messages": [{"body": "x"}] * 11}),
        ("loyalty", {"valueAddedModuleData": [{"sortIndex": 1}] * 16}),
        ("loyalty", {"programLogo": {}}),
        ("loyalty", {"programLogo": {"sourceUri": {"uri": "x"}, "privateImageId": "y"}}),
        ("loyalty", {"programLogo": {"sourceUri": {}}}),
        ("loyalty", {"textModulesData": [{"id": "group_#", "body": "x"}]}),
        ("loyalty", rows('object.textModulesData["points"]')),
        ("loyalty", rows("textModulesData.points")),
        ("loyalty", rows(*["object.accountName"] * 4)),
        ("loyalty", {"review": {"comments": "Good"}}),
        ("eventTicket", {"venue": {"name": text("The hall")}}),
        ("eventTicket", {"dateTime": {"start": "tomorrow"}}),
        ("eventTicket", {"eventId": "x" * 65}),
        ("eventTicket", {"seatLabel": "SEAT", "customSeatLabel": text("Chair")}),
        ("flight", {"localBoardingDateTime": "2027-05-01T07:45:00+02:00"}),
        ("flight", {"origin": {"gate": "A1"}}),
        ("flight", {"flightHeader": {"carrier": {"carrierIataCode": "XX"}}}),
        ("flight", {"flightHeader": {"carrier": {}, "flightNumber": "1"}}),
        (
            "flight",
            {"flightHeader": {"carrier": {"carrierIataCode": "XX"}, "flightNumber": "XX1"}},
        ),
    ],
    ids=str,
)
async def test_a_class_that_breaks_a_rule_is_refused(
    issuer: IssuerServer, type_: str, changes: Document
):
    answer = await issuer.ask("POST", f"{type_}Class", class_of(type_, **changes))

    assert (answer.status, answer.reason) == (400, "invalidResource")


@pytest.mark.parametrize(
    ("type_", "changes"),
    [
        ("loyalty", {"hasUsers": True}),
        ("loyalty", {"classReference": class_of()}),
        ("loyalty", {"loyaltyPoints": {"label": "beans"}}),
        ("loyalty", {"loyaltyPoints": {"balance": {"int": 1, "string": "1"}}}),
        ("loyalty", {"smartTapRedemptionValue": "ä"}),
        (
            "loyalty",
            {
                "validTimeInterval": {
                    "start": {"date": "2027-01-01T00:00:00"},
                    "end": {"date": "2027-12-31T00:00:00Z"},
                }
            },
        ),
        ("loyalty", {"validTimeInterval": {"end": {"date": "2027-12-31"}}}),
        ("generic", {"hexBackgroundColor": "blue"}),
        ("transit", {"ticketLegs": []}),
        ("transit", {"ticketStatus": "USED", "customTicketStatus": text("Gone")}),
        ("flight", {"reservationInfo": {"frequentFlyerInfo": {}}}),
    ],
    ids=str,
)
async def test_an_object_that_breaks_a_rule_is_refused(
    issuer: IssuerServer, type_: str, changes: Document
):
    await issuer.ask("POST", f"{type_}Class", class_of(type_))

    answer = await issuer.ask("POST", f"{type_}Object", object_of(type_, **changes))

    assert (answer.status, answer.reason) == (400, "invalidResource")


@pytest.mark.parametrize(
    "places",
    [
        [{"latitude": 91, "longitude": 0}],
        [{"latitude": 0, "longitude": 181}],
        [{"latitude": 0, "longitude": 0}] * 11,
    ],
    ids=["latitude", "longitude", "count"],
)
async def test_merchant_locations_have_limits(
    google: FakeGoogle, issuer: IssuerServer, places: Any
):
    google.switches.takes_merchant_locations = True

    answer = await issuer.ask("POST", "loyaltyClass", class_of(merchantLocations=places))

    assert answer.reason == "invalidResource"


async def test_a_patch_is_judged_by_what_it_leads_to(issuer: IssuerServer):
    await issuer.insert_both()

    without_state = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"state": None})
    two_balances = {"loyaltyPoints": {"balance": {"string": "many"}}}
    changed_kind = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", two_balances)
    one_balance = {"loyaltyPoints": {"balance": {"int": None, "string": "many"}}}
    replaced = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", one_balance)

    assert (without_state.status, changed_kind.status, replaced.status) == (400, 400, 200)


async def test_a_refused_change_changes_nothing(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()

    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": "Grace", "state": "?"})

    assert google.objects[OBJECT].document == object_of()


async def test_older_words_are_taken_still(issuer: IssuerServer):
    made = await issuer.ask("POST", "loyaltyClass", class_of(reviewStatus="underReview"))
    object_ = await issuer.ask("POST", "loyaltyObject", object_of(state="active"))

    assert (made.status, object_.status) == (200, 200)


async def test_a_google_that_checks_nothing_takes_everything(
    google: FakeGoogle, issuer: IssuerServer
):
    google.switches.checks_documents = False

    answer = await issuer.ask("POST", "loyaltyClass", {"id": CLASS, "unknown": 1})

    assert answer.status == 200
