"""The judge of all documents for Google: what it lets through and what it refuses."""

import pytest

from tests.google_schema import UnfitDocumentError, faults, validate


def test_a_document_of_known_keys_passes():
    money = {"micros": "2500000", "currencyCode": "EUR"}

    validate("giftCard", "object", {"id": "1.a", "classId": "1.b", "balance": money})


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"colour": "#ffffff"}, "$"),
        ({"hexBackgroundColor": "#ffffff"}, "$"),  # of the class, on loyalty objects
        ({"loyaltyPoints": {"balance": {"int": "5"}}}, "$.loyaltyPoints.balance.int"),
        ({"loyaltyPoints": {"balance": {"int": 2**31}}}, "$.loyaltyPoints.balance.int"),
        ({"state": "VOIDED"}, "$.state"),
        ({"textModulesData": [{"id": 7}]}, "$.textModulesData[0].id"),
        ({"barcode": "123"}, "$.barcode"),
    ],
)
def test_what_google_refuses_is_named_by_its_path(document: object, path: str):
    assert list(faults("LoyaltyObject", document)) == [path]


def test_micros_are_text():
    with pytest.raises(UnfitDocumentError, match=r"GiftCardObject \$\.balance\.micros"):
        validate("giftCard", "object", {"balance": {"micros": 2500000}})
