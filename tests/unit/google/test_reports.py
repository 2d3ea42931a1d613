"""Reports of users of other Google Wallet code, tried on ours, as far as no request is needed."""

from tests.unit.google.cards import ICON, NOW, a_field, a_google_card, texts_of, uri
from tests.unit.passes.samples import ANN, a_pass


def test_spatie_laravel_mobile_pass_71_and_72_an_approved_class_is_sent_as_under_review():
    first = a_google_card()
    again = a_google_card(google={"class": {"reviewStatus": "APPROVED"}})

    assert first.class_()["reviewStatus"] == again.class_()["reviewStatus"] == "UNDER_REVIEW"
    assert ("error", "google-key", "$.google.class.reviewStatus") in again.found()


def test_web_codelab_78_a_logo_has_an_address_of_ours_by_its_hash():
    assert a_google_card().class_()["programLogo"] == uri(ICON)


def test_web_codelab_19_a_row_path_with_double_quotes_is_an_error_with_its_path():
    card = a_google_card(google={"rows": [['object.textModulesData["points"]']]})

    assert card.found() == [("error", "field-path", "$.google.rows[0][0]")]


def test_rest_samples_63_ids_of_modules_are_cleaned():
    [module_id] = texts_of(a_google_card({"headerFields": [a_field("group_#", "A")]}).object_())

    assert "#" not in module_id


def test_web_codelab_13_and_pass_converter_11_a_client_id_is_no_issuer_and_named():
    [finding] = a_google_card(google={"issuer_id": "112233445566778899001"}).check()

    assert (finding.severity, finding.path) == ("error", "$.google.issuer_id")
    assert "client id" in finding.detail


def test_zuegli_90_an_expiry_keeps_its_authors_offset():
    card = a_google_card(expirationDate="2027-01-31T03:00:00+01:00")
    own = a_pass({"expirationDate": "2027-06-30T03:00:00+02:00"}, ANN)

    assert card.object_()["validTimeInterval"]["end"]["date"] == "2027-01-31T03:00:00+01:00"
    assert card.object_(own)["validTimeInterval"]["end"]["date"] == "2027-06-30T03:00:00+02:00"


def test_pass_converter_keeps_no_expiry_locations_or_void_and_we_do():
    place = {"latitude": 52.5, "longitude": 13.4}
    card = a_google_card(expirationDate="2026-11-30T00:00:00Z", locations=[place])

    assert card.object_(at=NOW)["state"] == "EXPIRED"
    assert card.object_(a_pass(voided=True))["state"] == "INACTIVE"
    assert card.class_()["merchantLocations"] == [place]
