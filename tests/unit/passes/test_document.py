from typing import Any

import pytest
from pydantic import ValidationError

from shared.passes.template.document import TemplateDocument, check_template
from tests.unit.passes.samples import STORE_CARD, a_card, a_document

ICON = {"icon": "a" * 64}


def codes(document: TemplateDocument, severity: str) -> list[tuple[str, str]]:
    findings = check_template(document)
    return [(entry.code, entry.path) for entry in findings if entry.severity == severity]


def errors(document: TemplateDocument) -> list[tuple[str, str]]:
    return codes(document, "error")


def warnings(document: TemplateDocument) -> list[tuple[str, str]]:
    return codes(document, "warning")


def test_a_sound_template_has_no_findings():
    assert list(check_template(a_document(images=ICON))) == []


def test_exactly_one_style_is_needed():
    none = TemplateDocument.model_validate({"pass": {}})

    assert ("style", "$.pass") in errors(none)
    assert ("style", "$.pass") in errors(a_document({"coupon": {}}))


def test_poster_stands_beside_generic_only():
    skeleton: dict[str, Any] = {"generic": {}, "posterGeneric": {}}
    document = TemplateDocument.model_validate({"pass": skeleton})

    assert errors(document) == []
    assert ("style", "$.pass.posterGeneric") in errors(a_document({"posterGeneric": {}}))


def test_boarding_pass_needs_a_transit_type():
    document = TemplateDocument.model_validate({"pass": {"boardingPass": {}}})

    assert ("transit-type", "$.pass.boardingPass") in errors(document)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"maxDistance": "500"}, "$.pass.maxDistance"),
        ({"logoText": 5}, "$.pass.logoText"),
        ({"backgroundColor": "bluish"}, "$.pass.backgroundColor"),
        ({"expirationDate": "2026-01-01T10:00:00"}, "$.pass.expirationDate"),
        ({"expirationDate": "2026-13-01T10:00:00Z"}, "$.pass.expirationDate"),
        ({"sharingProhibited": "yes"}, "$.pass.sharingProhibited"),
        ({"associatedStoreIdentifiers": [1, "x"]}, "$.pass.associatedStoreIdentifiers[1]"),
        ({"locations": [{"latitude": 91, "longitude": 1}]}, "$.pass.locations[0].latitude"),
        ({"locations": [{"latitude": 1, "longitude": 1}] * 11}, "$.pass.locations"),
        ({"nfc": {"message": "x" * 65, "encryptionPublicKey": "k"}}, "$.pass.nfc.message"),
        ({"barcodes": [{"format": "QR"}]}, "$.pass.barcodes[0].format"),
        ({"barcode": "123"}, "$.pass.barcode"),
        ({"storeCard": []}, "$.pass.storeCard"),
        ({"storeCard": {"headerFields": {}}}, "$.pass.storeCard.headerFields"),
        ({"backgroundColor": "{nothing}"}, "$.pass.backgroundColor"),
        ({"logoText": {"value": 5}}, "$.pass.logoText.value"),
        ({"logoText": {"colour": "x"}}, "$.pass.logoText"),
    ],
)
def test_wrong_type_is_an_error_where_it_stands(changes: dict[str, Any], path: str):
    assert ("type", path) in errors(a_document(changes))


def test_unknown_key_is_a_warning():
    document = a_document({"shiny": {"value": 1, "editable": True}}, images=ICON)

    assert errors(document) == []
    assert ("unknown-key", "$.pass.shiny") in warnings(document)


def test_field_keys_are_unique_over_the_whole_pass():
    fields = {"headerFields": [{"key": "a", "value": 1}], "backFields": [{"key": "a", "value": 2}]}
    document = a_document({"storeCard": fields})

    assert ("duplicate-key", "$.pass.storeCard.backFields[0]") in errors(document)


def test_field_without_key_is_an_error():
    assert ("field-key", "$.pass.storeCard.headerFields[0]") in errors(a_card([{"value": 1}]))


def test_field_is_no_attribute_object_though_it_has_a_value_and_a_label():
    document = a_card([{"key": "a", "label": "A", "value": "x"}], images=ICON)

    assert list(check_template(document)) == []


def test_currency_and_number_style_exclude_each_other():
    field = {"key": "a", "value": 1, "currencyCode": "EUR", "numberStyle": "PKNumberStylePercent"}

    assert ("currency", "$.pass.storeCard.headerFields[0]") in errors(a_card([field]))


def test_change_message_without_its_placeholder_is_a_warning():
    document = a_card([{"key": "a", "value": 1, "changeMessage": "News"}])

    assert ("change-message", "$.pass.storeCard.headerFields[0].changeMessage") in warnings(
        document
    )


def test_styles_that_do_not_fit_the_value_are_warnings():
    document = a_card(
        [
            {"key": "a", "value": "soon", "dateStyle": "PKDateStyleShort"},
            {"key": "b", "value": "much", "currencyCode": "EUR"},
        ]
    )

    assert [path for code, path in warnings(document) if code == "format"] == [
        "$.pass.storeCard.headerFields[0].dateStyle",
        "$.pass.storeCard.headerFields[1].currencyCode",
    ]


def test_missing_names_and_icon_are_warnings():
    document = TemplateDocument.model_validate({"pass": {"generic": {}}})

    assert errors(document) == []
    assert {code for code, _ in warnings(document)} == {"missing-key", "missing-icon"}


def test_images_have_known_names_and_hashes():
    document = a_document(images={"icon": "a" * 64, "photo": "b" * 64, "logo@2x": "x"})

    assert errors(document) == [
        ("image-name", "$.images.photo"),
        ("image-hash", "$.images['logo@2x']"),
    ]


def test_identity_keys_are_set_by_passwright():
    document = a_document({"serialNumber": "1", "voided": True}, images=ICON)

    assert errors(document) == []
    assert warnings(document) == [
        ("identity", "$.pass.serialNumber"),
        ("identity", "$.pass.voided"),
    ]


def test_unknown_path_in_a_text_is_a_warning():
    assert ("unknown-path", "$.pass.logoText") in warnings(a_document({"logoText": "{nope}"}))


@pytest.mark.parametrize(
    "name", ["barcode", "logoText", "structure", "member_name", "a{b", "passType"]
)
def test_property_may_not_take_the_name_of_a_part_of_the_pass(name: str):
    assert "property-name" in {code for code, _ in errors(a_document(properties={name: 1}))}


@pytest.mark.parametrize(
    ("triggers", "found"),
    [
        ({"onDance": []}, ("trigger", "$.triggers.onDance")),
        ({"onScan": 5}, ("actions", "$.triggers.onScan")),
        ({"onScan": [5]}, ("action", "$.triggers.onScan[0]")),
        ({"onScan": {"action": "PSActionJump"}}, ("action", "$.triggers.onScan.action")),
        *(
            ({"onScan": {"action": "PSActionURL", "url": url}}, ("url", "$.triggers.onScan.url"))
            for url in (
                " ",
                "example.com/called",
                "ftp://example.com",
                "https://",
                "https://?of={title}",
                "https://exam ple.com",
                "https://user:secret@example.com",
                "javascript:alert(1)",
                f"https://example.com/{'x' * 2000}",
            )
        ),
        ({"onScan": {"action": "PSActionURL"}}, ("action", "$.triggers.onScan")),
        (
            {"onScan": {"action": "PSActionExecuteTriggers", "targetPath": "code"}},
            ("actions", "$.triggers.onScan.targetPath"),
        ),
        (
            {"onScan": {"action": "PSActionSetValue", "value": 1}},
            ("target-path", "$.triggers.onScan.targetPath"),
        ),
        (
            {"onScan": {"action": "PSActionSetValue", "targetPath": "code"}},
            ("action", "$.triggers.onScan"),
        ),
        (
            {"onScan": {"action": "PSActionIncrementValue", "targetPath": "code", "amount": "x"}},
            ("amount", "$.triggers.onScan.amount"),
        ),
        (
            {
                "onScan": {
                    "action": "PSActionSetValue",
                    "targetPath": "code",
                    "value": 1,
                    "PSConditions": "scanned &",
                }
            },
            ("condition", "$.triggers.onScan.PSConditions"),
        ),
    ],
)
def test_action_that_cannot_be_done_is_an_error(triggers: dict[str, Any], found: tuple[str, str]):
    assert found in errors(a_document(triggers=triggers))


def test_unknown_target_is_a_warning():
    action = {"action": "PSActionSetValue", "targetPath": "nowhere", "value": 1}
    document = a_document(triggers={"onScan": action})

    assert errors(document) == []
    assert ("target-path", "$.triggers.onScan.targetPath") in warnings(document)


def test_document_has_a_limit_of_size():
    with pytest.raises(ValidationError, match="256 KiB"):
        a_document({"logoText": "x" * 262_144})


def test_document_refuses_nul_but_not_a_backslash_before_its_digits():
    assert a_document({"logoText": "\\u0000"}).pass_["logoText"] == "\\u0000"
    with pytest.raises(ValidationError, match="NUL"):
        a_document({"logoText": "a\x00"})


def test_document_refuses_unknown_parts():
    with pytest.raises(ValidationError, match="extra"):
        TemplateDocument.model_validate({"pass": STORE_CARD, "style": {}})
