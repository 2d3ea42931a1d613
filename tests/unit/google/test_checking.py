"""What a template is told about Google: errors keep it from being saved, warnings do not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.passes.google.checking import check_google, is_public
from shared.passes.google.projection import GoogleProjector
from shared.passes.google.registry import TYPES
from shared.passes.schema.findings import Findings
from shared.passes.template.compiled import compile_template
from tests.unit.google.cards import (
    BASE,
    ICON,
    ISSUER,
    NOW,
    TEMPLATE,
    a_field,
    a_google_card,
)
from tests.unit.passes.samples import ANN, a_pass

POINTS = {"headerFields": [a_field("points", 5, "Points")]}


def found(google: dict[str, Any], **keys: Any) -> list[tuple[str, str, str]]:
    return a_google_card(POINTS, google=google, **keys).found()


def test_a_good_section_has_no_findings():
    google = {
        "issuer_id": ISSUER,
        "type": "loyalty",
        "language": "de",
        "rows": [["points", "object.accountName"]],
        "images": {"logo": ICON},
        "class": {"countryCode": "DE"},
        "object": {"accountName": "{member_name}", "disableExpirationNotification": True},
    }

    assert found(google) == []


def test_what_is_found_is_googles():
    [finding] = a_google_card(google={"colour": "red"}).check()

    assert (finding.wallet, finding.code, finding.path) == (
        "google", "unknown-key", "$.google.colour",
    )  # fmt: skip


ERRORS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "stamps"}, "google-type", "$.google.type"),
    ({"type": ["loyalty"]}, "google-type", "$.google.type"),
    ({"issuer_id": 3388}, "google-issuer", "$.google.issuer_id"),
    ({"issuer_id": "9" * 19}, "google-issuer", "$.google.issuer_id"),
    ({"class_id": "card"}, "google-class-id", "$.google.class_id"),
    ({"issuer_id": "1", "class_id": "2.card"}, "google-class-id", "$.google.class_id"),
    ({"language": "deutsch!"}, "language", "$.google.language"),
    ({"rows": [["points"]] * 4}, "google-rows", "$.google.rows"),
    ({"rows": [["points"] * 4]}, "google-rows", "$.google.rows[0]"),
    ({"rows": [[]]}, "google-rows", "$.google.rows[0]"),
    ({"rows": [["stars"]]}, "field-path", "$.google.rows[0][0]"),
    ({"rows": [[["points"]]]}, "field-path", "$.google.rows[0][0]"),
    ({"images": []}, "type", "$.google.images"),
    ({"images": {"strip": ICON}}, "image-name", "$.google.images.strip"),
    ({"images": {"hero": "x"}}, "image-hash", "$.google.images.hero"),
    ({"class": []}, "type", "$.google.class"),
    ({"class": {"id": "1.a"}}, "google-key", "$.google.class.id"),
    ({"class": {"reviewStatus": "APPROVED"}}, "google-key", "$.google.class.reviewStatus"),
    ({"class": {"review": {}}}, "google-key", "$.google.class.review"),
    ({"object": {"state": "ACTIVE"}}, "google-key", "$.google.object.state"),
    ({"object": {"classId": "1.a"}}, "google-key", "$.google.object.classId"),
    ({"object": {"hasUsers": True}}, "google-key", "$.google.object.hasUsers"),
    (
        {"object": {"notifyPreference": "NOTIFY_ON_UPDATE"}},
        "google-key",
        "$.google.object.notifyPreference",
    ),
    ({"class": {"programName": 7}}, "type", "$.google.class.programName"),
    ({"class": {"homepageUri": "x"}}, "type", "$.google.class.homepageUri"),
    ({"class": {"enableSmartTap": "yes"}}, "type", "$.google.class.enableSmartTap"),
    ({"class": {"redemptionIssuers": [7]}}, "type", "$.google.class.redemptionIssuers[0]"),
    ({"class": {"messages": {}}}, "type", "$.google.class.messages"),
    (
        {"class": {"viewUnlockRequirement": "ALWAYS"}},
        "type",
        "$.google.class.viewUnlockRequirement",
    ),
    (
        {"object": {"loyaltyPoints": {"balance": {"int": 2**31}}}},
        "type",
        "$.google.object.loyaltyPoints.balance.int",
    ),
    (
        {"object": {"loyaltyPoints": {"balance": {"string": "x"}}}},
        "google-siblings",
        "$.google.object.loyaltyPoints.balance",
    ),
    (
        {"object": {"merchantLocations": [{"latitude": 91, "longitude": 0}]}},
        "google-limit",
        "$.google.object.merchantLocations[0].latitude",
    ),
    (
        {"object": {"merchantLocations": [{"latitude": 1, "longitude": 0}] * 11}},
        "google-limit",
        "$.google.object.merchantLocations",
    ),
    (
        {"object": {"textModulesData": [{"id": "group_#", "body": "x"}]}},
        "google-form",
        "$.google.object.textModulesData[0].id",
    ),
    (
        {"class": {"hexBackgroundColor": "red"}},
        "google-form",
        "$.google.class.hexBackgroundColor",
    ),
    ({"class": {"programName": None}}, "missing-key", "$.google.class.programName"),
]


@pytest.mark.parametrize(("google", "code", "path"), ERRORS)
def test_errors_have_the_path_of_what_is_wrong(google: dict[str, Any], code: str, path: str):
    errors = [(c, p) for severity, c, p in found(google) if severity == "error"]

    assert errors == [(code, path)]


def test_a_client_id_of_21_digits_is_named_as_what_it_is():
    [finding] = a_google_card(google={"issuer_id": "1" * 21}).check()

    assert finding.code == "google-issuer"
    assert "client id of a service account" in finding.detail


@pytest.mark.parametrize(
    "google",
    [
        {"rows": [['object.textModulesData["points"]']]},
        {
            "class": {
                "classTemplateInfo": {
                    "cardTemplateOverride": {
                        "cardRowTemplateInfos": [
                            {
                                "oneItem": {
                                    "item": {
                                        "firstValue": {
                                            "fields": [
                                                {"fieldPath": 'object.textModulesData["points"]'}
                                            ]
                                        }
                                    }
                                }
                            }
                        ]
                    }
                }
            }
        },
    ],
)
def test_a_row_path_with_double_quotes_is_an_error_with_its_path(google: dict[str, Any]):
    [finding] = a_google_card(google=google).check()

    assert (finding.severity, finding.code) == ("error", "field-path")
    assert finding.path.startswith("$.google.")
    assert "single quotes" in finding.detail


@pytest.mark.parametrize(
    ("google", "code", "path"),
    [
        ({"class": {"colour": "red"}}, "unknown-key", "$.google.class.colour"),
        (
            {"object": {"barcode": {"type": "QR_CODE", "value": "x", "colour": "red"}}},
            "unknown-key",
            "$.google.object.barcode.colour",
        ),
        ({"class": {"version": "1"}}, "google-deprecated", "$.google.class.version"),
        ({"class": {"programName": "x" * 21}}, "google-length", "$.google.class.programName"),
        ({"class": {"programName": "{member_name}"}}, "google-class-text",
         "$.google.class.programName"),
        ({"object": {"accountName": "{nobody}"}}, "unknown-path", "$.google.object.accountName"),
    ],
)  # fmt: skip
def test_warnings_do_not_keep_a_template_from_being_saved(
    google: dict[str, Any], code: str, path: str
):
    assert found(google) == [("warning", code, path)]


def test_keys_that_google_does_not_know_are_left_out():
    card = a_google_card(google={"object": {"colour": "red"}})

    assert "colour" not in card.object_()


def test_an_older_word_is_sent_as_the_new_one_which_the_warning_names():
    card = a_google_card(google={"object": {"barcode": {"type": "qrCode", "value": "x"}}})
    [finding] = card.check()

    assert (finding.severity, finding.path) == ("warning", "$.google.object.barcode.type")
    assert "QR_CODE" in finding.detail
    assert card.object_()["barcode"]["type"] == "QR_CODE"


def test_what_needs_googles_agreement_is_said():
    codes = [code for _, code, _ in found({"type": "generic", "class": {"enableSmartTap": True}})]

    assert codes == ["google-agreement"]


def test_colours_of_texts_are_noted_once():
    keys = {"foregroundColor": "white", "labelColor": "white"}

    assert found({}, **keys) == [("warning", "google-colour", "$.pass.foregroundColor")]


def test_what_google_does_not_have_is_noted():
    findings = found({}, userInfo={"a": 1})

    assert findings == [("warning", "google-left-out", "$.pass.userInfo")]


def test_a_small_logo_is_noted():
    card = a_google_card()
    [finding] = card.check(sizes={ICON: (87, 87)})

    assert (finding.severity, finding.path) == ("warning", "$.images.icon")
    assert "660" in finding.detail
    assert a_google_card().check(sizes={ICON: (660, 660)}) == []


def test_without_any_logo_a_loyalty_card_cannot_be():
    card = a_google_card(images={})

    assert card.found() == [("error", "missing-key", "$.google.class.programLogo")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (BASE, True),
        ("https://203.0.114.7", True),
        ("http://passes.example.com", False),
        ("https://localhost:8080", False),
        ("https://passes.local", False),
        ("https://10.0.0.7", False),
        ("", False),
    ],
)
def test_google_reaches_public_https_addresses_only(address: str, expected: bool):  # noqa: FBT001
    assert is_public(address) is expected


def test_another_address_is_a_warning():
    document = a_google_card().document
    compiled = compile_template(document, name="Card", organization="Beans")
    findings = Findings(wallet="google")
    projector = GoogleProjector(
        document, compiled, template_id=TEMPLATE, issuer_id=ISSUER,
        base_url="http://localhost:8080", findings=findings,
    )  # fmt: skip
    state = a_pass(member=ANN)
    check_google(projector, compiled.card(state), state, findings, at=NOW, sizes={})

    assert [finding.code for finding in findings] == ["google-address"]


WORDS = st.sampled_from(
    ["value", "type", "uri", "sourceUri", "defaultValue", "language", "body", "id", "latitude",
     "balance", "int", "money", "micros", "fields", "fieldPath", "date", "url"]
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from(["", "x", "7", "{member_name}", "{member_points}", "QR_CODE", "qrCode"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
SECTION = st.dictionaries(
    st.sampled_from(["issuer_id", "class_id", "language", "rows", "images", "more"]), JSON
)
RAW = st.dictionaries(
    st.sampled_from(
        ["barcode", "textModulesData", "heroImage", "messages", "loyaltyPoints", "header",
         "callbackOptions", "classTemplateInfo", "merchantLocations", "validTimeInterval", "venue"]
    ),
    JSON,
    max_size=4,
)  # fmt: skip


@given(
    section=SECTION,
    raw=RAW,
    google_type=st.sampled_from(TYPES),
)
def test_whatever_a_section_holds_the_documents_are_of_googles_schema(
    section: dict[str, Any], raw: dict[str, Any], google_type: str
):
    google = {**section, "type": google_type, "class": raw, "object": raw}

    a_google_card(POINTS, google=google).check()
