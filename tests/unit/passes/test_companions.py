"""What Wallet asks of texts and of keys beside each other, told when a template is saved."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.errors import InvalidError
from shared.passes.schema.strings import is_url, normal_date
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument, check_template
from tests.unit.passes.samples import a_document, a_pass, a_template, compiled, composed

P256 = ec.generate_private_key(ec.SECP256R1()).public_key()
KEY = base64.b64encode(P256.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def told(style: str = "generic", images: Any = None, **keys: Any) -> dict[str, str]:
    """Give the findings of a template but those that every plain one has: path → detail."""
    document = TemplateDocument.model_validate(
        {
            "pass": {"description": "Card", "organizationName": "Example", style: {}, **keys},
            "images": images or {"icon": "a" * 64},
        }
    )
    return {finding.path: finding.detail for finding in check_template(document)}


def a_field(value: Any, **keys: Any) -> dict[str, Any]:
    return {"secondaryFields": [{"key": "f", "label": "L", "value": value, **keys}]}


@pytest.mark.parametrize(
    ("keys", "path", "detail"),
    [
        ({"nfc": {"message": "m", "encryptionPublicKey": "bm90IGEga2V5"}},
         "$.pass.nfc.encryptionPublicKey", "P-256"),
        ({"appLaunchURL": "app://open"}, "$.pass.appLaunchURL", "associatedStoreIdentifiers"),
        ({"userInfo": "text"}, "$.pass.userInfo", "an object"),
        ({"semantics": {"departureAirportTimeZone": "Europe/Warschau"}},
         "$.pass.semantics.departureAirportTimeZone", "no such time zone"),
        ({"semantics": {"balance": {"amount": "12,50 €", "currencyCode": "EUR"}}},
         "$.pass.semantics.balance.amount", "decimal number"),
        ({"semantics": {"balance": {"amount": "12.50"}}}, "$.pass.semantics.balance",
         "currencyCode"),
        ({"generic": a_field(5, currencyCode="EURO")},
         "$.pass.generic.secondaryFields[0].currencyCode", "ISO 4217"),
        ({"generic": a_field("Depot", isRelative=False)},
         "$.pass.generic.secondaryFields[0].isRelative", "does not fit"),
        ({"generic": a_field("three", numberStyle="PKNumberStyleDecimal")},
         "$.pass.generic.secondaryFields[0].numberStyle", "does not fit"),
        ({"generic": a_field("<a href='https://example.com'>x</a>")},
         "$.pass.generic.secondaryFields[0].value", "attributedValue"),
        ({"beacons": [{"proximityUUID": "not-a-uuid"}]}, "$.pass.beacons[0].proximityUUID", "UUID"),
        ({"relevantDates": [{"relevantDate": "2027-01-31T18:30:00Z"}]},
         "$.pass.relevantDates[0]", "date is needed"),
        ({"relevantDates": [{"startDate": "2027-01-31T18:30:00Z",
                             "endDate": "2027-01-30T18:30:00Z"}]},
         "$.pass.relevantDates[0]", "before startDate"),
        ({"barcodes": [{"format": "PKBarcodeFormatCode128", "message": "Grüße"}]},
         "$.pass.barcodes[0].message", "ASCII"),
        ({"barcodes": [{"format": "PKBarcodeFormatPDF417", "message": "x" * 2000}]},
         "$.pass.barcodes[0].message", "no such code"),
        ({"barcodes": [{"format": "PKBarcodeFormatQR", "message": "x",
                        "messageEncoding": "nonsense"}]},
         "$.pass.barcodes[0].messageEncoding", "no character encoding"),
        ({"labelColor": "rgba(255, 255, 255, 0.75)"}, "$.pass.labelColor", "alpha"),
        ({"generic": {"headerFields": [{"key": str(n), "value": n} for n in range(4)]}},
         "$.pass.generic.headerFields", "at most 3"),
        ({"generic": a_field("{psScanURL}")},
         "$.pass.generic.secondaryFields[0].value", "not available yet"),
    ],
)  # fmt: skip
def test_what_wallet_would_not_show_is_told(keys: dict[str, Any], path: str, detail: str):
    found = told(**keys)

    assert detail in found[path], found


def test_events_are_told_of_their_own_keys():
    entry = {"type": "event", "identifier": "a", "name": "One"}
    apple = {"URL": "https://example.com/a.png", "SHA256": "0" * 64}
    good = {
        "URLs": {"sellURL": "https://example.com"},
        "images": {"headerImage": {"URLs": [apple]}},
    }
    lower = {"urls": {}, "images": {"headerImage": {"urls": [{"url": "x", "sha256": "y"}]}}}

    twice = told("eventTicket", upcomingPassInformation=[entry, entry])
    known = told("eventTicket", upcomingPassInformation=[{**entry, **good}])
    unknown = told("eventTicket", upcomingPassInformation=[{**entry, **lower}])
    no_address = told("eventTicket", sellURL="not a url at all")

    assert twice["$.pass.upcomingPassInformation[1].identifier"] == "identifiers must differ"
    assert not [path for path in known if "upcoming" in path]
    assert len([path for path in unknown if "upcoming" in path and "url" in path]) >= 2
    assert "scheme" in no_address["$.pass.sellURL"]


def test_keys_of_boarding_passes_are_known():
    found = told(
        "boardingPass",
        boardingPass={"transitType": "PKTransitTypeAir"},
        trackBagsURL="https://example.com",
        businessChatIdentifier="a",
        orderFoodURL="https://example.com",
        locations=[{"latitude": 1, "longitude": 2, "maxDistance": 500}],
        semantics={
            "loungePlaceIDs": ["I0"],
            "membershipProgramStatus": "Gold",
            "departureLocationSecurityPrograms": ["PKTransitSecurityProgramTSAPreCheck"],
            "venuePlaceID": "I0",
            "eventLiveMessage": "m",
        },
    )

    assert found == {}


def test_images_that_a_style_does_not_show_are_told():
    found = told(images={"icon": "a" * 64, "strip@2x": "b" * 64, "thumbnail": "c" * 64})

    assert found == {"$.images.strip@2x": "generic shows no strip"}


def test_an_event_ticket_with_a_strip_shows_no_other_large_image():
    images = {"icon": "a" * 64, "strip@2x": "b" * 64, "thumbnail": "c" * 64}

    assert told("eventTicket", images=images) == {
        "$.images.thumbnail": "is not shown beside a strip"
    }


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ({"beacons": [{"major": 1}]}, "beacons[0]: proximityUUID is needed by Wallet"),
        ({"beacons": [{"proximityUUID": ""}]},
         "beacons[0].proximityUUID: proximityUUID is needed by Wallet"),
        ({"beacons": [{"proximityUUID": "x"}]}, "beacons[0].proximityUUID: a UUID is needed"),
        ({"locations": [{"latitude": 1}]}, "locations[0]: longitude is needed by Wallet"),
        ({"locations": [{"latitude": 1, "longitude": 2, "maxDistance": -5}]},
         "locations[0].maxDistance: a number of at least 0 is needed"),
        ({"maxDistance": -0.5}, "a number of at least 0 is needed"),
        ({"structure_headerFields_points": "null"}, "FieldContent is needed"),
    ],
)  # fmt: skip
def test_entries_that_wallet_would_refuse_are_refused_as_values(
    values: dict[str, Any], detail: str
):
    with pytest.raises(InvalidError) as refused:
        a_template().check_values(values)

    assert [fault["detail"] for fault in refused.value.errors] == [detail]


def test_a_field_given_as_a_whole_may_be_empty():
    path = "structure_headerFields_points"

    assert a_template().check_values({path: {"label": "", "value": ""}})


def test_exports_name_the_handle_besides_paths():
    lists = {
        "psExportPaths": "hashedSerialNumber, logoText",
        "psEditorPaths": "hashedSerialNumber",
    }
    document = a_document(properties=lists)

    told_of = {found.path for found in check_template(document)}

    assert "$.properties.psExportPaths" not in told_of
    assert "$.properties.psEditorPaths" in told_of


def test_what_has_its_form_is_not_told():
    assert (
        told(
            nfc={"message": "m", "encryptionPublicKey": KEY},
            appLaunchURL="app://open",
            associatedStoreIdentifiers=[1],
            userInfo={"a": 1},
            semantics={
                "departureAirportTimeZone": "Europe/Warsaw",
                "balance": {"amount": "-12.50", "currencyCode": "EUR"},
            },
            beacons=[{"proximityUUID": "e2c56db5-dffb-48d2-b060-d0f5a71096e0"}],
            relevantDates=[{"date": "2027-01-31T18:30:00Z"}],
        )
        == {}
    )


MONEY = "structure_secondaryFields_f_value"


def a_styled(value: Any, **keys: Any) -> Any:
    document = {"description": "Card", "generic": a_field(value, **keys)}
    return compiled(TemplateDocument.model_validate({"pass": document}))


def test_money_that_is_text_of_a_number_becomes_one():
    template = a_styled("100.00", currencyCode="USD")

    (field,) = composed(template, a_pass())["generic"]["secondaryFields"]
    (own,) = composed(template, a_pass({MONEY: "12.50"}))["generic"]["secondaryFields"]

    assert (field["value"], own["value"]) == (100, 12.5)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2027-01-31T18:30:00.000Z", "2027-01-31T18:30:00Z"),
        ("2027-01-31T18:30:00+0100", "2027-01-31T18:30:00+01:00"),
        ("2027-01-31T18:30:00+01:00", "2027-01-31T18:30:00+01:00"),
    ],
)
def test_dates_as_programs_write_them_become_those_of_wallet(given: str, shown: str):
    template = a_styled("2027-01-01T00:00:00Z", dateStyle="PKDateStyleShort")

    (field,) = composed(template, a_pass({MONEY: given}))["generic"]["secondaryFields"]
    expiring = a_template().check_values({"expirationDate": given})

    assert field["value"] == shown
    assert expiring == {"expirationDate": shown}
    assert normal_date("TBD") == "TBD"


@pytest.mark.parametrize(
    ("style", "value"),
    [
        ({"currencyCode": "EUR"}, "12,50"),
        ({"numberStyle": "PKNumberStyleDecimal"}, "n/a"),
        ({"dateStyle": "PKDateStyleShort"}, "TBD"),
        ({"timeStyle": "PKDateStyleShort"}, 7),
    ],
)
def test_value_that_its_style_does_not_fit_is_named_and_shown_as_text(
    style: dict[str, str], value: Any
):
    template = a_styled("{member_name}", **style)

    (field,) = composed(template, a_pass({MONEY: value}))["generic"]["secondaryFields"]

    assert "is needed beside" in template.unfit_values(a_pass({MONEY: value}))[MONEY]
    assert field == {"key": "f", "label": "L", "value": value}


def test_style_of_a_single_pass_is_judged_too():
    template = a_styled("Depot")
    own = a_pass({"structure_secondaryFields_f_currencyCode": "EUR"})

    (field,) = composed(template, own)["generic"]["secondaryFields"]

    assert list(template.unfit_values(own)) == [MONEY]
    assert "currencyCode" not in field


def test_template_without_styles_is_not_looked_through():
    assert a_styled("Depot").unfit_values(a_pass({MONEY: "x"})) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("structure_secondaryFields_f_currencyCode", "EURO"),
        ("nfc_encryptionPublicKey", "bm90IGEga2V5"),
        ("semantics_departureAirportTimeZone", "Europe/Warschau"),
        ("appLaunchURL", "not a url at all"),
    ],
)
def test_text_of_a_single_pass_without_its_form_is_refused(path: str, value: str):
    with pytest.raises(InvalidError) as caught:
        a_styled(0, currencyCode="EUR").check_values({path: value})

    assert [fault["pointer"] for fault in caught.value.errors] == [path]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("https://example.com/a?b=c", True),
        ("mailto:a@b.example", True),
        ("tel:+49", True),
        ("app://", True),
        ("example.com", False),
        ("https://", False),
        ("https://a b", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_address_names_its_scheme(text: str, *, good: bool):
    assert is_url(text) is good


def test_language_is_never_empty():
    document = TemplateDocument.model_validate(
        {"pass": {"generic": {}}, "localizations": {"": {"a": "b"}}}
    )

    assert any(
        finding.path.startswith("$.localizations") for finding in check_template(document).errors
    )
    assert compile_template(document, name="Card", organization="Example")
