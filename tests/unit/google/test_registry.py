"""The registry says what Google's discovery document says."""

from typing import Any

import pytest

from shared.passes.google.registry import TYPES, Key, Part, enumeration, keys_of, keys_of_type
from tests.google_schema import Schema, discovery, schema_name

PARTS: tuple[Part, ...] = ("class", "object")
PLACES: list[tuple[str, Part]] = [(google_type, part) for google_type in TYPES for part in PARTS]


def googles_keys(name: str) -> dict[str, Schema]:
    """Every key of a schema but `kind`, which is deprecated everywhere and left out of ours."""
    properties: dict[str, Schema] = discovery()["schemas"][name].get("properties", {})
    return {key: schema for key, schema in properties.items() if key != "kind"}


def kind_of(schema: Schema) -> tuple[str, bool]:
    is_list = schema.get("type") == "array"
    inner: Schema = schema["items"] if is_list else schema
    return inner.get("$ref") or inner.get("format") or inner["type"], is_list


def words_of(schema: Schema) -> tuple[set[str], set[str]]:
    """The words of an enumeration, and which of them are older names of others."""
    inner: Any = schema.get("items", schema)
    words = inner.get("enum", [])
    old = {
        word
        for word, description in zip(words, inner.get("enumDescriptions", []), strict=True)
        if "alias" in description.lower()
    }
    return set(words) - old, old


def compare(ours: dict[str, Key], theirs: dict[str, Schema]):
    assert ours.keys() == theirs.keys()
    for name, schema in theirs.items():
        key = ours[name]
        assert (key.kind, key.is_list) == kind_of(schema), name
        assert not schema.get("deprecated") or key.is_deprecated, name
        words, old = words_of(schema)
        if key.enumeration or words:
            listed = enumeration(key.enumeration)
            assert (listed.words, listed.aliases.keys()) == (words, old), name


@pytest.mark.parametrize(("google_type", "part"), PLACES)
def test_classes_and_objects_have_the_keys_of_the_discovery_document(google_type: str, part: Part):
    compare(dict(keys_of(google_type, part)), googles_keys(schema_name(google_type, part)))


def test_so_have_all_the_types_that_stand_in_them():
    waiting = [schema_name(*place) for place in PLACES]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        keys = googles_keys(name)
        compare(dict(keys_of_type(name)), keys)
        kinds = (kind_of(schema)[0] for schema in keys.values())
        waiting += [kind for kind in kinds if kind in discovery()["schemas"]]

    assert len(seen) > 60


@pytest.mark.parametrize(
    ("google_type", "part", "key", "wanted"),
    [
        ("loyalty", "class", "programName", {"is_required": True, "advised_characters": 20}),
        ("loyalty", "object", "merchantLocations", {"maximum_items": 10}),
        ("loyalty", "object", "hasUsers", {"is_of_google": True}),
        ("loyalty", "class", "wordMark", {"is_deprecated": True}),
        ("loyalty", "object", "notifyPreference", {"is_for_one_request": True}),
        ("generic", "class", "enableSmartTap", {"needs_agreement": True}),
        ("eventTicket", "class", "eventId", {"maximum_characters": 64}),
        ("eventTicket", "class", "gateLabel", {"rival": "customGateLabel"}),
    ],
)
def test_a_key_knows_its_limits(google_type: str, part: Part, key: str, wanted: dict[str, Any]):
    found = keys_of(google_type, part)[key]

    assert {name: getattr(found, name) for name in wanted} == wanted


def test_places_on_earth_have_a_range():
    latitude = keys_of_type("MerchantLocation")["latitude"]

    assert (latitude.minimum, latitude.maximum) == (-90, 90)


def test_an_older_word_leads_to_the_one_to_use():
    assert enumeration("BarcodeType").aliases["qrCode"] == "QR_CODE"
    assert enumeration("BarcodeType").aliases["EAN13"] == "EAN_13"


def test_a_generic_class_has_no_name_review_or_colour():
    missing = {"issuerName", "reviewStatus", "heroImage", "hexBackgroundColor", "notifyPreference"}

    assert missing.isdisjoint(keys_of("generic", "class"))
