"""Classes: what passes of a template have in common at Google."""

from typing import Any

import pytest

from tests.unit.google.cards import (
    BASE,
    FLIGHT,
    ICON,
    ISSUER,
    JOURNEY,
    LOGO,
    OTHER,
    STRIP,
    TEMPLATE,
    a_field,
    a_google_card,
    text_of,
    uri,
)
from tests.unit.passes.samples import ANN, a_pass

AIR = {"transitType": "PKTransitTypeAir"}
TRAIN = {"transitType": "PKTransitTypeTrain"}


@pytest.mark.parametrize(
    ("style", "google_type"),
    [
        ("storeCard", "loyalty"),
        ("coupon", "offer"),
        ("eventTicket", "eventTicket"),
        ("generic", "generic"),
    ],
)
def test_a_style_has_its_type(style: str, google_type: str):
    assert a_google_card(style=style).projector.google_type == google_type


def test_a_poster_is_generic():
    card = a_google_card(style="generic", posterGeneric={})

    assert card.projector.google_type == "generic"


def test_a_boarding_pass_by_air_is_a_flight_and_another_one_transit():
    flight = a_google_card(AIR, style="boardingPass", semantics=FLIGHT)
    train = a_google_card(TRAIN, style="boardingPass", semantics=JOURNEY)

    assert flight.projector.google_type == "flight"
    assert train.class_()["transitType"] == "RAIL"


@pytest.mark.parametrize("style", ["storeCard", "generic", "coupon"])
def test_the_template_may_choose_another_type(style: str):
    card = a_google_card(style=style, google={"type": "giftCard"})

    assert card.class_()["merchantName"] == "Coffee card"


def test_without_its_keys_a_boarding_pass_needs_another_type():
    card = a_google_card(AIR, style="boardingPass", google={"language": "en"})

    errors = [finding for finding in card.check() if finding.severity == "error"]

    assert [(error.code, error.path) for error in errors] == [("google-type", "$.google")]
    assert "semantics.departureAirportCode" in errors[0].detail
    assert '"type": "generic"' in errors[0].detail


def test_without_a_section_such_a_boarding_pass_is_generic():
    assert a_google_card(AIR, style="boardingPass").projector.google_type == "generic"


def test_the_keys_of_a_flight_may_stand_in_the_section():
    given = {
        "flightHeader": {"carrier": {"carrierIataCode": "LH"}, "flightNumber": "400"},
        "origin": {"airportIataCode": "FRA"},
        "destination": {"airportIataCode": "JFK"},
        "localScheduledDepartureDateTime": "2027-01-31T10:30:00",
    }
    header = a_field("name", "{member_name}")
    card = a_google_card(
        {**AIR, "headerFields": [header]}, style="boardingPass", google={"class": given}
    )

    assert [f for f in card.check() if f.severity == "error"] == []
    assert {key: card.class_()[key] for key in given} == given


def test_a_class_is_named_by_issuer_and_template():
    assert a_google_card().class_()["id"] == f"{ISSUER}.t_{TEMPLATE.hex}"


def test_the_template_may_have_an_issuer_of_its_own():
    projection = a_google_card(google={"issuer_id": "77"}).project()

    assert projection.class_.id.startswith("77.t_")
    assert projection.object_.id.startswith("77.p_")


def test_an_adopted_class_is_named_and_never_written():
    projection = a_google_card(google={"class_id": f"{ISSUER}.old-card"}).project()

    assert (projection.class_.id, projection.class_.document) == (f"{ISSUER}.old-card", None)
    assert projection.object_.content["classId"] == f"{ISSUER}.old-card"


def test_a_class_has_name_colour_logos_hero_and_callback():
    card = a_google_card(logoText="Bean club", backgroundColor="#663300")

    assert card.class_() == {
        "id": f"{ISSUER}.t_{TEMPLATE.hex}",
        "issuerName": "Beans",
        "programName": "Bean club",
        "programLogo": uri(ICON),
        "wideProgramLogo": uri(LOGO),
        "heroImage": uri(STRIP),
        "hexBackgroundColor": "#663300",
        "reviewStatus": "UNDER_REVIEW",
        "callbackOptions": {"url": f"{BASE}/google/callbacks/{ISSUER}"},
    }


def test_without_a_logo_text_the_description_names_the_class():
    assert a_google_card().class_()["programName"] == "Coffee card"
    assert a_google_card(style="coupon").class_()["title"] == "Coffee card"


def test_an_offer_may_be_redeemed_anywhere_unless_the_template_says_otherwise():
    plain = a_google_card(style="coupon")
    online = a_google_card(style="coupon", google={"class": {"redemptionChannel": "ONLINE"}})

    assert plain.class_()["redemptionChannel"] == "BOTH"
    assert plain.class_()["provider"] == "Beans"
    assert online.class_()["redemptionChannel"] == "ONLINE"


def test_an_event_is_named_by_semantics_else_by_the_primary_field():
    primary = {"primaryFields": [a_field("event", "Jazz night")]}
    named = a_google_card(primary, style="eventTicket", semantics={"eventName": "Jazz 2027"})
    plain = a_google_card(primary, style="eventTicket")
    nameless = a_google_card(style="eventTicket", logoText="Beans live")

    assert text_of(named.class_()["eventName"]) == "Jazz 2027"
    assert text_of(plain.class_()["eventName"]) == "Jazz night"
    assert text_of(nameless.class_()["eventName"]) == "Beans live"


def test_a_flight_class_says_where_and_when_on_the_clocks_of_the_airport():
    content = a_google_card(AIR, style="boardingPass", semantics=FLIGHT).class_()

    assert content["flightHeader"] == {
        "carrier": {
            "carrierIataCode": "LH", "airlineLogo": uri(ICON), "wideAirlineLogo": uri(LOGO),
        },
        "flightNumber": "400",
    }  # fmt: skip
    assert content["origin"] == {"airportIataCode": "FRA"}
    assert content["destination"] == {"airportIataCode": "JFK"}
    assert content["localScheduledDepartureDateTime"] == "2027-01-31T10:30:00"


def test_a_generic_class_has_no_looks_of_its_own():
    card = a_google_card(style="generic", backgroundColor="#663300", logoText="Beans")

    assert card.class_().keys() == {"id", "callbackOptions"}


def test_relevant_date_and_venue_make_the_event():
    semantics = {"venueName": "Blue Note", "venueRegionName": "131 W 3rd St, New York"}
    card = a_google_card(
        style="eventTicket", semantics=semantics, relevantDate="2027-01-31T20:00-05:00"
    )

    assert card.class_()["dateTime"] == {"start": "2027-01-31T20:00:00-05:00"}
    assert text_of(card.class_()["venue"]["name"]) == "Blue Note"


def test_of_relevant_dates_the_first_is_when_it_starts():
    dates = [{"startDate": "2027-01-31T20:00:00Z", "endDate": "2027-01-31T23:00:00Z"}]
    card = a_google_card(style="eventTicket", relevantDates=dates)

    assert card.class_()["dateTime"] == {"start": "2027-01-31T20:00:00Z"}


def test_a_pass_of_another_event_has_a_class_of_its_own():
    card = a_google_card(
        style="eventTicket",
        relevantDate="2027-01-31T20:00:00Z",
        semantics={"eventName": "Jazz", "venueName": "Hall", "venueRegionName": "Bonn"},
    )
    tuesday = a_pass({"relevantDate": "2027-02-02T20:00:00Z"}, ANN)
    elsewhere = a_pass({"semantics_venueName": "Arena"}, ANN)

    usual = card.project()
    others = [card.project(state) for state in (tuesday, elsewhere, tuesday)]

    assert usual.class_.variant == ""
    ids = [other.class_.id for other in others]
    assert ids[0] == ids[2] != ids[1]
    assert all(name.startswith(f"{usual.class_.id}_v") for name in ids)
    assert others[0].object_.content["classId"] == ids[0]
    assert text_of(card.class_(elsewhere)["venue"]["name"]) == "Arena"


@pytest.mark.parametrize("style", ["storeCard", "coupon", "eventTicket"])
def test_another_company_name_makes_a_variant(style: str):
    card = a_google_card(style=style)
    state = a_pass({"organizationName": "Leaves"}, ANN)

    assert card.class_(state)["issuerName"] == "Leaves"
    assert card.class_(state)["id"] != card.class_()["id"]


def test_whoever_has_enough_variants_keeps_to_the_templates_class():
    card = a_google_card()
    state = a_pass({"organizationName": "Leaves"}, ANN)

    assert card.project(state, may_vary=False).class_ == card.project().class_


def test_generic_cards_have_no_variants_since_their_class_names_nobody():
    card = a_google_card(style="generic")

    assert card.project(a_pass({"organizationName": "Leaves"}, ANN)).class_.variant == ""


def test_other_values_of_the_class_that_differ_are_the_templates_with_a_warning():
    card = a_google_card(logoText="{member_name}'s card", backgroundColor="#663300")

    assert ("warning", "google-class-value", "$.pass.logoText") in card.found()
    assert card.class_()["programName"] == "'s card"


def test_sharing_may_be_prohibited():
    status = a_google_card(sharingProhibited=True).class_()[
        "multipleDevicesAndHoldersAllowedStatus"
    ]

    assert status == "ONE_USER_ALL_DEVICES"


def test_the_country_is_that_of_the_language():
    assert a_google_card(google={"language": "de-AT"}).class_()["countryCode"] == "AT"
    assert "countryCode" not in a_google_card(google={"language": "zh-Hant"}).class_()


def test_the_section_may_have_images_of_its_own():
    card = a_google_card(google={"images": {"logo": OTHER, "wide_logo": STRIP, "hero": LOGO}})

    assert card.class_()["programLogo"] == uri(OTHER)
    assert card.class_()["wideProgramLogo"] == uri(STRIP)
    assert card.class_()["heroImage"] == uri(LOGO)


def test_of_an_image_the_largest_is_sent():
    images = {"icon": ICON, "icon@2x": LOGO, "icon@3x": STRIP, "logo@2x": OTHER}
    content = a_google_card(images=images).class_()

    assert content["programLogo"] == uri(STRIP)
    assert content["wideProgramLogo"] == uri(OTHER)


def test_labels_of_name_and_id_are_of_the_class():
    fields = [a_field("name", "{member_name}", "Member"), a_field("id", "{member_external_id}")]
    content = a_google_card({"secondaryFields": fields}).class_()

    assert content["accountNameLabel"] == "Member"
    assert "accountIdLabel" not in content


def test_the_same_template_makes_the_same_bytes():
    first, again = (a_google_card(logoText="x").project().class_.document for _ in range(2))

    assert first is not None
    assert first == again
    assert len(first.digest) == 32


def class_of(google: dict[str, Any]) -> dict[str, Any]:
    return a_google_card(google=google).class_()


def test_the_raw_part_is_laid_over_the_class_and_null_removes():
    content = class_of(
        {
            "class": {
                "heroImage": None,
                "programName": "Club",
                "homepageUri": {"uri": "https://beans.example"},
                "callbackOptions": {"url": "https://beans.example/cb"},
            }
        }
    )

    assert "heroImage" not in content
    assert content["programName"] == "Club"
    assert content["homepageUri"] == {"uri": "https://beans.example"}
    assert content["callbackOptions"] == {"url": "https://beans.example/cb"}
