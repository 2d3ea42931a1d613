from typing import Any

import pytest

from shared.passes.schema.images import UnknownImageSlotError, file_name
from shared.passes.schema.localization import choose_language, strings_files
from shared.passes.template.constructor import read_constructor
from shared.passes.template.document import TemplateDocument, check_template
from tests.unit.passes.samples import STORE_CARD, a_document

ICON = {"icon": "a" * 64}


def found(document: TemplateDocument) -> list[tuple[str, str, str]]:
    return [(f.severity, f.code, f.path) for f in check_template(document)]


def test_strings_are_written_as_wallet_reads_them():
    strings = {"Points": "Punkte", 'a "b"': "c\\d\ne\tf", "Ä": "ä\r"}

    [(name, data)] = strings_files({"de": strings}).items()

    assert name == "de.lproj/pass.strings"
    assert data.decode() == (
        '"Points" = "Punkte";\n"a \\"b\\"" = "c\\\\d\\ne\\tf";\n"Ä" = "ä\\r";\n'
    )


def test_the_same_strings_make_the_same_bytes_in_any_order():
    one = {"fr": {"b": "2", "a": "1"}, "de": {"a": "1"}, "it": {}}
    other = {"de": {"a": "1"}, "fr": {"a": "1", "b": "2"}}

    assert list(strings_files(one).items()) == list(strings_files(other).items())


def test_texts_of_the_template_and_its_images_may_be_translated():
    images = {**ICON, "de.lproj/logo@2x": "b" * 64, "zh-Hans.lproj/strip": "b" * 64}
    strings = {"Points": "Punkte", "Coffee card": "Kaffeekarte", "Now %@ points": "Jetzt %@"}

    assert found(a_document(images=images, localizations={"de": strings, "pt-BR": {}})) == []


def test_a_string_that_is_no_text_of_the_pass_is_a_warning():
    document = a_document(images=ICON, localizations={"de": {"Stars": "Sterne"}})

    assert found(document) == [("warning", "unknown-text", "$.localizations.de.Stars")]


@pytest.mark.parametrize(
    "language", ["", "d", "../de", "de/x", "de.lproj", "german", "de-", "日本"]
)
def test_a_folder_has_the_name_of_a_language(language: str):
    document = a_document(images=ICON, localizations={language: {}})

    errors = [(severity, code) for severity, code, _ in found(document)]
    assert errors == [("error", "language")]


def test_a_language_comes_once_however_it_is_written():
    document = a_document(
        images={**ICON, "pt-br.lproj/logo": "b" * 64}, localizations={"pt-BR": {}}
    )

    assert found(document) == [("error", "language", "$.localizations['pt-br']")]


def test_strings_have_limits():
    many = {f"{chr(97 + n // 26)}{chr(97 + n % 26)}": dict[str, str]() for n in range(41)}
    long = {"de": {"Points": "x" * 65_536}}

    assert found(a_document(images=ICON, localizations=many)) == [
        ("error", "language", "$.localizations")
    ]
    assert found(a_document(images=ICON, localizations=long)) == [
        ("error", "localization", "$.localizations")
    ]


@pytest.mark.parametrize(
    "slot", ["de.lproj/", "de.lproj/nothing", ".lproj/logo", "../logo", "de/logo", "a/b.lproj/logo"]
)
def test_an_image_of_a_language_has_a_slot_and_a_language(slot: str):
    assert file_name("de.lproj/logo@2x") == "de.lproj/logo@2x.png"
    with pytest.raises(UnknownImageSlotError):
        file_name(slot)
    assert [entry[0] for entry in found(a_document(images={**ICON, slot: "b" * 64}))] == ["error"]


def test_strings_stay_beside_a_constructor():
    document = read_constructor(STORE_CARD, localizations={"de": {"Points": "Punkte"}})

    assert document.localizations == {"de": {"Points": "Punkte"}}


def schemes(style: str, semantics: dict[str, Any], *names: str, **parts: Any) -> list[str]:
    fields = {"transitType": "PKTransitTypeAir"} if style == "boardingPass" else {}
    skeleton: dict[str, Any] = {
        "description": "Tour",
        "organizationName": "Beans",
        style: fields,
        "semantics": semantics,
        "preferredStyleSchemes": list(names),
    }
    images = parts.pop("images", ICON)
    document = TemplateDocument.model_validate({"pass": {**skeleton, **parts}, "images": images})
    findings = check_template(document)
    assert findings.errors == []
    return [finding.detail for finding in findings if finding.code == "style-scheme"]


def test_a_poster_event_ticket_needs_what_its_poster_shows():
    lacking = schemes("eventTicket", {"eventType": "PKEventTypeSports"}, "posterEventTicket")

    assert lacking == [
        (
            "posterEventTicket needs the semantics eventName, venueName, venueRegionName, "
            "venueRoom, homeTeamAbbreviation, awayTeamAbbreviation"
        ),
        "posterEventTicket needs the image artwork or background",
        "posterEventTicket needs nfc with requiresAuthentication, or a barcode",
    ]


def test_a_whole_poster_event_ticket_has_no_findings():
    semantics = {
        "eventType": "PKEventTypeLivePerformance",
        "eventName": "Tour",
        "venueName": "Hall",
        "venueRegionName": "Town",
        "venueRoom": "Main",
        "performerNames": ["Ann"],
    }
    names = ("posterEventTicket", "eventTicket")
    nfc = {"message": "m", "encryptionPublicKey": "k", "requiresAuthentication": True}
    images = {**ICON, "artwork@2x": "b" * 64}

    assert schemes("eventTicket", semantics, *names, nfc=nfc, images=images) == []
    barcodes = [{"format": "PKBarcodeFormatQR"}]
    assert schemes("eventTicket", semantics, *names, barcodes=barcodes, images=images) == [
        "posterEventTicket shows no barcode"
    ]


def test_a_semantic_boarding_pass_needs_its_flight():
    [lacking] = schemes("boardingPass", {"airlineCode": "XX"}, "semanticBoardingPass")

    assert "flightNumber" in lacking
    assert "passengerName" in lacking
    assert "airlineCode" not in lacking


def test_a_scheme_belongs_to_a_style():
    assert schemes("coupon", {}, "semanticBoardingPass", "newest")[:2] == [
        "semanticBoardingPass needs the style boardingPass",
        "Wallet knows no scheme 'newest'",
    ]


@pytest.mark.parametrize("odd", [[], {}, [[]], None, 7])
def test_an_odd_scheme_is_found_and_crashes_nothing(odd: Any):
    pass_: dict[str, Any] = {"coupon": {}, "preferredStyleSchemes": [odd, "coupon"]}

    findings = check_template(TemplateDocument.model_validate({"pass": pass_}))

    assert "preferredStyleSchemes" in str([*findings.errors, *findings.warnings])


@pytest.mark.parametrize(
    ("accepted", "available", "chosen"),
    [
        (["de"], ["en", "de"], "de"),
        (["de-AT", "en"], ["en", "de"], "de"),
        (["de"], ["de-CH", "en"], "de-CH"),
        (["pt-BR"], ["pt", "pt_BR"], "pt_BR"),
        (["fr", "de"], ["en", "de"], "de"),
        (["fr"], ["de", "en"], "en"),
        (["fr"], ["de", "en-GB"], "en-GB"),
        (["fr"], ["de"], ""),
        ([], ["de"], ""),
        (["zh-TW"], ["zh-Hans", "zh-Hant"], "zh-Hant"),
        (["zh-CN"], ["zh-Hans", "zh-Hant"], "zh-Hans"),
        (["zh-HK"], ["zh-Hans"], ""),
        (["DE"], [], ""),
    ],
)
def test_language_is_the_first_accepted_one_that_there_is(
    accepted: list[str], available: list[str], chosen: str
):
    assert choose_language(accepted, available) == chosen
