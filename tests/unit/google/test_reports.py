"""Reports of users of other Google Wallet code, tried on ours, as far as no request is needed."""

from datetime import UTC, datetime

from services.gateway.usecases.google import CLICK_LIFE_SECONDS
from services.notifier.google.domain.links import carried, claims_of, ids_of
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


def test_rest_samples_8_a_link_that_is_made_at_a_click_ends_and_the_page_makes_another():
    at = datetime(2026, 11, 27, 12, tzinfo=UTC)
    objects = {"loyaltyObjects": [ids_of("1.p_x", "1.t_x")]}

    claims = claims_of("a@b", objects, "https://pass.example", at, CLICK_LIFE_SECONDS)

    assert claims["exp"] - claims["iat"] == 3600


def test_programmierbar_190_and_191_no_link_holds_a_class():
    wanted = {"id": "1.p_x", "classId": "1.t_x", "state": "ACTIVE", "accountName": "Ada"}

    whole = list(carried("loyalty", wanted, "handle"))

    assert ids_of("1.p_x", "1.t_x").keys() == {"id", "classId"}
    assert [one["classId"] for one in whole] == ["1.t_x"] * len(whole)
    assert all(isinstance(value, str) for one in whole for value in one.values())


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
