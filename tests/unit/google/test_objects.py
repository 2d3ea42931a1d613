"""Objects: what the holder of a pass sees at Google."""

from datetime import timedelta
from typing import Any

import pytest

from shared.passes.google.projection import object_name
from tests.unit.google.cards import (
    FLIGHT,
    ICON,
    IMAGES,
    ISSUER,
    JOURNEY,
    LOGO,
    NOW,
    OTHER,
    SECRET,
    STRIP,
    a_field,
    a_google_card,
    text_of,
    texts_of,
    uri,
)
from tests.unit.passes.samples import ANN, a_pass

AIR = {"transitType": "PKTransitTypeAir"}
TRAIN = {"transitType": "PKTransitTypeTrain"}
QR = {"format": "PKBarcodeFormatQR", "message": "x"}


def test_an_object_is_named_by_its_handle_and_a_secret_and_tells_neither():
    content = a_google_card().object_()
    name = content["id"].removeprefix(f"{ISSUER}.p_")

    assert name == object_name(SECRET, "handle0") != object_name(b"t" * 32, "handle0")
    assert len(name) == 22
    assert "handle0" not in content["id"]


def test_a_card_without_anything_has_only_id_class_and_state():
    assert a_google_card().object_().keys() == {"id", "classId", "state"}


def test_a_pass_is_active_until_it_is_voided_deleted_or_expired():
    card = a_google_card(expirationDate="2026-12-01T13:00:00+01:00")
    before, voided = NOW - timedelta(seconds=1), a_pass(voided=True)

    assert card.object_(at=before)["state"] == "ACTIVE"
    assert card.object_(at=NOW)["state"] == "EXPIRED"
    assert card.object_(voided, at=NOW)["state"] == "INACTIVE"
    assert card.object_(at=before, deleted=True)["state"] == "INACTIVE"


def test_the_expiration_date_keeps_its_authors_offset_and_is_never_turned_into_z():
    card = a_google_card(expirationDate="2027-01-31T03:00+01:00")

    assert card.object_()["validTimeInterval"] == {"end": {"date": "2027-01-31T03:00:00+01:00"}}


@pytest.mark.parametrize(
    ("barcode", "wanted"),
    [
        ({"format": "PKBarcodeFormatQR"}, {"type": "QR_CODE", "renderEncoding": "UTF_8"}),
        ({"format": "PKBarcodeFormatPDF417"}, {"type": "PDF_417"}),
        ({"format": "PKBarcodeFormatAztec"}, {"type": "AZTEC"}),
        ({"format": "PKBarcodeFormatCode128"}, {"type": "CODE_128"}),
        ({"format": "PKBarcodeFormatCode39"}, {"type": "CODE_39"}),
        ({"format": "PKBarcodeFormatCodabar"}, {"type": "CODABAR"}),
        ({"format": "PKBarcodeFormatEAN13"}, {"type": "EAN_13"}),
        ({"format": "PKBarcodeFormatI2of5"}, {"type": "CODE_128"}),
    ],
)
def test_each_barcode_has_its_type(barcode: dict[str, str], wanted: dict[str, str]):
    card = a_google_card(barcodes=[{**barcode, "message": "12345"}])

    assert card.object_()["barcode"] == {**wanted, "value": "12345"}


def test_fourteen_digits_are_itf_and_others_code_128_with_a_warning():
    right = a_google_card(barcodes=[{"format": "PKBarcodeFormatI2of5", "message": "1" * 14}])
    wrong = a_google_card(barcodes=[{"format": "PKBarcodeFormatI2of5", "message": "1" * 12}])

    assert right.object_()["barcode"]["type"] == "ITF_14"
    assert "google-barcode" not in str(right.found())
    assert ("warning", "google-barcode", "$.pass.barcodes[0]") in wrong.found()


def test_the_text_below_a_barcode_is_shown():
    card = a_google_card(barcodes=[{**QR, "altText": "No. {member_external_id}"}])

    assert card.object_()["barcode"]["alternateText"] == "No. 77"


def test_fields_are_text_modules_with_label_and_value():
    fields = {"headerFields": [a_field("level", 3, "LEVEL")]}

    assert texts_of(a_google_card(fields).object_()) == {"level": ("LEVEL", "3")}


def test_ids_of_modules_are_cleaned_and_stay_apart():
    fields = {"headerFields": [a_field("group_#", "a"), a_field("group_!", "b")]}
    ids = list(texts_of(a_google_card(fields).object_()))

    assert all(name.startswith("group___") and name.isascii() for name in ids)
    assert len(set(ids)) == 2
    assert "google-form" not in str(a_google_card(fields).found())


@pytest.mark.parametrize(
    ("value", "member", "balance"),
    [
        ("{member_points}", ANN, {"int": 7}),
        ("{member_points}", {**ANN, "points": 12.5}, {"string": "12.5"}),
        ("{member_points}", {**ANN, "points": 2**31}, {"string": "2147483648"}),
        ("{member_points}", {**ANN, "points": "many"}, {"string": "many"}),
    ],
)
def test_points_are_loyalty_points(value: str, member: dict[str, Any], balance: dict[str, Any]):
    card = a_google_card({"headerFields": [a_field("balance", value, "POINTS")]})
    content = card.object_(a_pass(member=member))

    assert content["loyaltyPoints"] == {"label": "POINTS", "balance": balance}
    assert "textModulesData" not in content


@pytest.mark.parametrize(
    "field", [a_field("points", 5), a_field("stars", {"value": 5, "type": "points"})]
)
def test_so_is_a_field_of_that_name_or_marked_as_one(field: dict[str, Any]):
    card = a_google_card({"headerFields": [field]})

    assert card.object_()["loyaltyPoints"]["balance"] == {"int": 5}


def test_money_is_text_as_a_person_reads_it():
    fields = {"headerFields": [a_field("credit", 12.5, "CREDIT", currencyCode="EUR")]}
    content = a_google_card(fields).object_()

    assert texts_of(content) == {"credit": ("CREDIT", "€12.50")}


@pytest.mark.parametrize(
    ("currency", "micros"), [("EUR", "12500000"), ("JPY", "12500000"), ("KWD", "12500000")]
)
def test_the_balance_of_a_gift_card_is_in_millionths_whatever_the_currency(
    currency: str, micros: str
):
    fields = {"headerFields": [a_field("credit", 12.5, currencyCode=currency)]}
    content = a_google_card(fields, google={"type": "giftCard"}).object_()

    assert content["balance"] == {"micros": micros, "currencyCode": currency}


def test_a_gift_card_has_a_number_be_it_that_of_its_barcode_or_pass():
    gift: dict[str, Any] = {"google": {"type": "giftCard"}}
    bound = a_google_card({"headerFields": [a_field("no", "{member_external_id}")]}, **gift)
    coded = a_google_card(barcodes=[QR], **gift)

    assert bound.object_()["cardNumber"] == "77"
    assert coded.object_()["cardNumber"] == "x"
    assert a_google_card(**gift).object_()["cardNumber"] == "serial0"


def test_name_and_id_have_keys_of_their_own():
    fields = [a_field("name", "{member_name}", "Name"), a_field("no", "{member_external_id}")]
    content = a_google_card({"secondaryFields": fields}).object_()

    assert (content["accountName"], content["accountId"]) == ("Ann", "77")
    assert "textModulesData" not in content


def test_only_the_first_field_that_shows_the_name_has_that_key():
    fields = [a_field("name", "{member_name}"), a_field("again", "{member_name}")]
    content = a_google_card({"secondaryFields": fields}).object_()

    assert texts_of(content) == {"again": ("", "Ann")}


def test_a_value_of_the_pass_is_shown_where_the_member_was():
    card = a_google_card({"secondaryFields": [a_field("name", "{member_name}")]})
    state = a_pass({"structure_secondaryFields_name_value": "Bob"}, ANN)

    assert card.object_(state)["accountName"] == "Bob"


def test_of_more_than_ten_fields_the_tenth_takes_the_rest():
    fields = [a_field(f"f{n}", f"value {n}", f"L{n}") for n in range(12)]
    card = a_google_card({"auxiliaryFields": fields})
    modules = card.object_()["textModulesData"]

    assert len(modules) == 10
    assert modules[9]["body"] == "L9: value 9\nL10: value 10\nL11: value 11"
    assert ("warning", "google-fields", "$.google.object.textModulesData") in card.found()


def test_ten_fields_stay_as_they_are():
    fields = [a_field(f"f{n}", "x") for n in range(10)]

    assert len(texts_of(a_google_card({"auxiliaryFields": fields}).object_())) == 10


def test_hidden_fields_are_not_there_and_conditions_decide():
    gold = a_field("gold", "yes", conditions='{member_tier} = "gold"')
    card = a_google_card({"headerFields": [gold]})

    assert texts_of(card.object_()) == {"gold": ("", "yes")}
    assert texts_of(card.object_(a_pass(member={**ANN, "tier": "blue"}))) == {}


def test_fields_without_text_are_left_out():
    card = a_google_card({"headerFields": [a_field("empty", "{member_tier}", "TIER")]})

    assert texts_of(card.object_(a_pass())) == {}


def test_fixed_text_on_the_back_is_of_the_class_and_the_rest_of_the_object():
    back = [
        a_field("terms", "No refunds.", "Terms"),
        a_field("you", "Dear {member_name}", "You"),
        a_field("news", "None yet", "News", changeMessage="%@"),
        a_field("note", {"value": "Mine", "editable": True}, "Note"),
        a_field("visits", "0", "Visits"),
        a_field("gold", "Lounge", conditions='{member_tier} = "gold"'),
    ]
    count = {
        "action": "PSActionIncrementValue",
        "targetPath": "structure_backFields_visits_value",
        "amount": 1,
    }
    card = a_google_card({"backFields": back}, triggers={"onScan": [count]})

    assert texts_of(card.class_()) == {"terms": ("Terms", "No refunds.")}
    assert list(texts_of(card.object_())) == ["you", "news", "note", "visits", "gold"]


def test_a_pass_with_other_terms_shows_them_too():
    card = a_google_card({"backFields": [a_field("terms", "No refunds.")]})
    state = a_pass({"structure_backFields_terms_value": "Refunds!"}, ANN)

    assert texts_of(card.object_()) == {}
    assert texts_of(card.object_(state)) == {"terms": ("", "Refunds!")}


def test_links_are_taken_out_of_texts_which_stay():
    back = [
        a_field("web", "See www.beans.example or ask", "Web"),
        a_field("mail", "{member_email} or +49 30 1234567", "Mail"),
        a_field("shop", "x", attributedValue='Our <a href="https://shop.example/">shop</a>'),
    ]
    card = a_google_card({"backFields": back})

    assert card.class_()["linksModuleData"]["uris"] == [
        {"uri": "https://www.beans.example", "description": "Web"},
        {"uri": "https://shop.example/", "description": "shop"},
    ]
    assert card.object_()["linksModuleData"]["uris"] == [
        {"uri": "mailto:ann@example.org", "description": "Mail"},
        {"uri": "tel:+49301234567", "description": "Mail"},
    ]
    assert texts_of(card.class_())["shop"] == ("", "Our shop")
    assert texts_of(card.class_())["web"] == ("Web", "See www.beans.example or ask")


def test_on_the_front_only_markup_leads_somewhere():
    front = [
        a_field("site", "www.beans.example"),
        a_field("map", "x", attributedValue='<a href="https://map.example/">Map</a>'),
    ]
    content = a_google_card({"secondaryFields": front}).object_()

    assert [link["uri"] for link in content["linksModuleData"]["uris"]] == ["https://map.example/"]


def test_generic_cards_are_headed_by_their_primary_field():
    fields = {"primaryFields": [a_field("name", "{member_name}", "MEMBER")]}
    card = a_google_card(fields, style="generic", logoText="Bean club", backgroundColor="#663300")

    content = card.object_()

    assert text_of(content["cardTitle"]) == "Bean club"
    assert text_of(content["header"]) == "Ann"
    assert text_of(content["subheader"]) == "MEMBER"
    assert content["hexBackgroundColor"] == "#663300"
    assert (content["logo"], content["wideLogo"]) == (uri(ICON), uri(LOGO))
    assert content["heroImage"] == uri(STRIP)
    assert "textModulesData" not in content


def test_a_generic_card_without_a_primary_field_is_headed_by_its_description():
    content = a_google_card(style="generic").object_()

    assert text_of(content["cardTitle"]) == "Beans"
    assert text_of(content["header"]) == "Coffee card"


def test_tickets_have_seat_and_holder():
    seat = {"seatNumber": "7", "seatRow": "C", "seatSection": "Left"}
    card = a_google_card(
        {"secondaryFields": [a_field("holder", "{member_name}")]},
        style="eventTicket",
        semantics={"seats": [seat], "venueEntranceGate": "B"},
    )
    info = card.object_()["seatInfo"]

    assert {key: text_of(value) for key, value in info.items()} == {
        "seat": "7", "row": "C", "section": "Left", "gate": "B",
    }  # fmt: skip
    assert card.object_()["ticketHolderName"] == "Ann"


def test_the_name_of_the_event_stands_on_the_object_only_where_it_is_another():
    card = a_google_card({"primaryFields": [a_field("event", "Jazz")]}, style="eventTicket")
    state = a_pass({"structure_primaryFields_event_value": "Blues"}, ANN)

    assert texts_of(card.object_()) == {}
    assert texts_of(card.object_(state)) == {"event": ("", "Blues")}


def test_a_flight_object_says_who_flies_and_where_they_sit():
    seats = [{"seatNumber": "12A"}]
    card = a_google_card(
        AIR, style="boardingPass", semantics={**FLIGHT, "seats": seats, "boardingGroup": "2"}
    )
    content = card.object_()

    assert content["passengerName"] == "Ann Lee"
    assert content["reservationInfo"] == {"confirmationCode": "X1Y2Z3"}
    assert content["boardingAndSeatingInfo"] == {"seatNumber": "12A", "boardingGroup": "2"}


def test_semantics_may_stand_in_fields():
    fields = [a_field(key, str(FLIGHT[key]), semantics={key: FLIGHT[key]}) for key in FLIGHT]
    card = a_google_card({**AIR, "auxiliaryFields": fields}, style="boardingPass")

    assert card.projector.google_type == "flight"
    assert card.object_()["passengerName"] == "Ann Lee"


def test_a_transit_object_has_a_leg():
    card = a_google_card(TRAIN, style="boardingPass", semantics=JOURNEY)
    content = card.object_()

    assert content["tripType"] == "ONE_WAY"
    assert text_of(content["ticketLeg"]["originName"]) == "Berlin"
    assert content["ticketLeg"]["departureDateTime"] == "2027-01-31T09:30:00+01:00"


def test_numbers_and_dates_are_written_in_every_language():
    fields = [
        a_field("sum", 1234.5, "SUM", numberStyle="PKNumberStyleDecimal"),
        a_field("day", "2027-01-31T18:30:00Z", dateStyle="PKDateStyleLong"),
    ]
    card = a_google_card({"auxiliaryFields": fields}, localizations={"de": {"SUM": "SUMME"}})
    total, day = card.object_()["textModulesData"]

    assert (total["header"], total["body"]) == ("SUM", "1,234.5")
    assert total["localizedHeader"]["translatedValues"] == [{"language": "de", "value": "SUMME"}]
    assert total["localizedBody"] == {
        "defaultValue": {"language": "en", "value": "1,234.5"},
        "translatedValues": [{"language": "de", "value": "1.234,5"}],
    }
    assert text_of(day["localizedBody"]) == "January 31, 2027"
    assert day["localizedBody"]["translatedValues"][0]["value"] == "31. Januar 2027"


def test_relative_dates_become_absolute():
    styles: dict[str, Any] = {"isRelative": True, "ignoresTimeZone": True}
    soon = a_field("soon", "2027-01-31T18:30:00Z", **styles)
    day = a_field("day", "2027-01-31T18:30:00Z", dateStyle="PKDateStyleLong", isRelative=True)
    texts = texts_of(a_google_card({"auxiliaryFields": [soon, day]}).object_())

    assert texts["soon"][1].replace("\N{NARROW NO-BREAK SPACE}", " ") == "Jan 31, 2027, 6:30 PM"
    assert texts["day"][1] == "January 31, 2027"


def test_the_language_of_the_section_is_the_default():
    card = a_google_card(
        {"headerFields": [a_field("sum", 0.5, "SUMME", numberStyle="PKNumberStylePercent")]},
        google={"language": "de"},
        localizations={"en": {"SUMME": "SUM"}},
    )
    module = card.object_()["textModulesData"][0]

    assert module["body"] == "50\N{NO-BREAK SPACE}%"
    assert module["localizedBody"]["defaultValue"]["language"] == "de"
    assert module["localizedBody"]["translatedValues"] == [{"language": "en", "value": "50%"}]


def test_names_of_the_class_are_localised_too():
    strings = {"de": {"Coffee card": "Kaffeekarte"}}
    content = a_google_card(localizations=strings).class_()

    assert content["programName"] == "Coffee card"
    assert content["localizedProgramName"]["translatedValues"] == [
        {"language": "de", "value": "Kaffeekarte"}
    ]


def test_a_text_that_is_the_same_everywhere_is_sent_once():
    card = a_google_card(
        {"headerFields": [a_field("a", "x", "y")]}, localizations={"de": {"Coffee card": "Karte"}}
    )

    assert card.object_()["textModulesData"] == [{"id": "a", "header": "y", "body": "x"}]


@pytest.mark.parametrize(("style", "has_colour"), [("eventTicket", True), ("storeCard", False)])
def test_only_some_types_have_colours_by_pass(style: str, has_colour: bool):  # noqa: FBT001
    card = a_google_card(style=style, backgroundColor="#663300")
    blue = a_pass({"backgroundColor": "blue"}, ANN)

    assert "hexBackgroundColor" not in card.object_()
    assert card.object_(blue).get("hexBackgroundColor") == ("#0000ff" if has_colour else None)


def test_a_pass_may_have_a_hero_and_a_thumbnail_of_its_own():
    card = a_google_card(images={**IMAGES, "thumbnail": LOGO}, google={"images": {"hero": ICON}})
    state = a_pass({"images_strip": OTHER, "images_thumbnail": OTHER}, ANN)

    assert "heroImage" not in card.object_()
    assert card.object_()["imageModulesData"] == [{"id": "thumbnail", "mainImage": uri(LOGO)}]
    assert card.object_(state)["heroImage"] == uri(OTHER)
    assert card.object_(state)["imageModulesData"][0]["mainImage"] == uri(OTHER)


def places(count: int) -> list[dict[str, float]]:
    return [{"latitude": n, "longitude": -n, "maxDistance": 5} for n in range(count)]


def test_fixed_places_are_of_the_class():
    card = a_google_card(locations=places(10))

    assert len(card.class_()["merchantLocations"]) == 10
    assert card.class_()["merchantLocations"][1] == {"latitude": 1, "longitude": -1}
    assert "merchantLocations" not in card.object_()


def test_places_that_a_condition_takes_away_or_that_a_pass_has_are_of_the_object():
    conditional = a_google_card(
        locations={"value": places(1), "conditions": '{member_tier} = "gold"'}
    )
    own = a_pass({"locations": places(2)}, ANN)

    assert "merchantLocations" not in conditional.class_()
    assert len(conditional.object_()["merchantLocations"]) == 1
    assert "merchantLocations" not in conditional.object_(a_pass())
    assert len(a_google_card().object_(own)["merchantLocations"]) == 2


def test_grouping_is_for_every_type():
    card = a_google_card(groupingIdentifier="trip-1")

    assert card.object_()["groupingInfo"] == {"groupingId": "trip-1"}


def test_apps_and_pages_open_from_the_pass():
    card = a_google_card(
        appLaunchURL="https://beans.example/app",
        properties={
            "associatedPlayIdentifiers": "com.beans, com.other",
            "androidAppLaunchURL": "beans://card",
        },
    )
    web = {"appTarget": {"targetUri": {"uri": "https://beans.example/app"}}}

    assert card.class_()["appLinkData"] == {
        "androidAppLinkInfo": {
            "appTarget": {"packageName": "com.beans", "targetUri": {"uri": "beans://card"}}
        },
        "webAppLinkInfo": web,
    }
    assert "appLinkData" not in card.object_()
    own = a_pass({"androidAppLaunchURL": "beans://ann"}, ANN)
    assert card.object_(own)["appLinkData"]["webAppLinkInfo"] == web


def test_an_address_for_iphones_only_is_left_out():
    assert "appLinkData" not in a_google_card(appLaunchURL="beans://card").class_()


def test_brackets_of_the_raw_part_are_replaced_and_null_removes():
    raw = {
        "accountName": "{member_name}!",
        "loyaltyPoints": {"balance": {"int": "{member_points}"}, "label": "Beans"},
        "secondaryLoyaltyPoints": {"balance": {"int": "{member_name}", "string": "none"}},
        "barcode": None,
        "smartTapRedemptionValue": "{nothing}",
    }
    content = a_google_card(barcodes=[QR], google={"object": raw}).object_()

    assert content["accountName"] == "Ann!"
    assert content["loyaltyPoints"] == {"balance": {"int": 7}, "label": "Beans"}
    assert content["secondaryLoyaltyPoints"] == {"balance": {"string": "none"}}
    assert "barcode" not in content
    assert content["smartTapRedemptionValue"] == "{nothing}"


def test_a_null_within_a_list_is_left_out():
    raw = {"textModulesData": [{"id": "a", "header": None, "body": "{member_name}"}]}

    content = a_google_card(google={"object": raw}).object_()

    assert content["textModulesData"] == [{"id": "a", "body": "Ann"}]


def test_the_same_pass_makes_the_same_bytes_and_a_changed_one_others():
    card = a_google_card({"headerFields": [a_field("points", "{member_points}")]})
    one, again = (card.project().object_ for _ in range(2))
    other = card.project(a_pass(member={**ANN, "points": 8})).object_

    assert (one.body, one.digest) == (again.body, again.digest)
    assert other.digest != one.digest


def test_cards_of_a_template_do_not_touch_each_other():
    card = a_google_card(
        {"headerFields": [a_field("points", "{member_points}")]},
        google={"object": {"loyaltyPoints": {"label": "{member_name}"}}},
        images={**IMAGES, "thumbnail": LOGO},
    )
    first = card.project().object_.body
    card.project(a_pass({"images_thumbnail": OTHER}, {**ANN, "name": "Bob"}))

    assert card.project().object_.body == first


def test_a_pass_with_fields_of_its_own_shows_them():
    card = a_google_card({"headerFields": [a_field("a", "x")]})
    own = a_pass({"structure": {"headerFields": [a_field("b", "y")]}}, ANN)

    assert texts_of(card.object_(own)) == {"b": ("", "y")}
