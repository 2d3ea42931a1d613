"""The schemas of templates in /openapi.json, held against the tables that check templates."""

import re
from typing import Any, cast

import pytest

from services.demo import TEMPLATE
from services.gateway.app import describe, list_endpoints
from services.gateway.context import Context
from shared.http.docs import render_docs
from shared.passes.language.actions import ACTION_NEEDS, TRIGGER_KEYS
from shared.passes.language.paths import SPECIAL_PROPERTIES
from shared.passes.schema.registry import (
    IDENTITY_KEYS,
    enumeration,
    enumeration_names,
    keys_of,
    object_names,
)
from shared.passes.schema.skeleton import ATTRIBUTE_KEYS
from shared.passes.template.document import TemplateDocument, check_template
from shared.passes.template.json_schema import schema_name, template_schemas
from tests.unit.passes.samples import STORE_CARD

DOCUMENT = describe(list_endpoints(cast("Context", None)))  # no handler is called
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
TEMPLATES: list[dict[str, Any]] = [
    TEMPLATE,
    {"pass": STORE_CARD, "properties": {"code": "C-{member_external_id}", "list": None}},
    {
        "pass": {
            "boardingPass": {
                "transitType": {"value": "PKTransitTypeAir", "editable": True},
                "primaryFields": [{"key": "from", "value": "TXL", "conditions": "{visits} > 1"}],
            },
            "backgroundColor": "{colour}",
            "expirationDate": {"value": "2027-01-31T18:30:00+01:00", "editable": True},
            "sharingProhibited": "{sharing}",
            "maxDistance": None,
            "barcodes": [{"format": "PKBarcodeFormatQR"}],
            "locations": [{"latitude": 1, "longitude": {"value": 2.5, "editable": True}}],
            "semantics": {"departureLocation": {"latitude": 52, "longitude": 13}},
            "userInfo": {"anything": [1]},
        },
        "properties": {"visits": 0, "colour": "navy", "sharing": {"value": True}},
        "triggers": {
            "onScan": [
                {"action": "PSActionSetValue", "targetPath": "visits", "value": {"a": 1}},
                [{"action": "PSActionAdjustPoints", "amount": "{visits}", "PSConditions": "1 > 0"}],
            ],
            "onEdit": {"action": "PSActionCallURL", "url": "https://example.com/{visits}"},
        },
    },
]


def faults(value: Any, schema: dict[str, Any], at: str = "$") -> list[str]:
    """List where a value is not of the schema, as far as our schemas go; unknown keys count."""
    if "$ref" in schema:
        return faults(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], at)
    if "anyOf" in schema:
        each = [faults(value, option, at) for option in schema["anyOf"]]
        return min(each, key=len)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return [f"{at}: {value!r} is none of {kinds}"]
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return [f"{at}: {value!r} is not {schema['pattern']}"]
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return [f"{at}: {value!r} is not the word"]
    found = [f"{at}: without {key}" for key in schema.get("required", []) if key not in value]
    if isinstance(value, dict) and "properties" in schema:
        for key, inner in cast("dict[str, Any]", value).items():
            part = schema["properties"].get(key, schema.get("additionalProperties"))
            found += faults(inner, part, f"{at}.{key}") if part else [f"{at}.{key}: unknown"]
    if isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(cast("list[Any]", value)):
            found += faults(inner, schema["items"], f"{at}[{index}]")
    return found


def _is(value: object, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


@pytest.mark.parametrize("name", object_names())
def test_schema_has_every_key_of_the_registry(name: str):
    known = keys_of(name).keys() - (IDENTITY_KEYS if name == "Pass" else set())

    assert SCHEMAS[schema_name(name)]["properties"].keys() - {"conditions"} == known


@pytest.mark.parametrize("name", enumeration_names())
def test_schema_has_every_word_of_an_enumeration(name: str):
    assert set(SCHEMAS[name]["enum"]) == enumeration(name)


def test_schemas_have_every_attribute_property_trigger_and_action():
    assert SCHEMAS["Attribute"]["properties"].keys() == ATTRIBUTE_KEYS
    assert tuple(SCHEMAS["Properties"]["properties"]) == SPECIAL_PROPERTIES
    assert tuple(SCHEMAS["Triggers"]["properties"]) == TRIGGER_KEYS
    for name, needs in ACTION_NEEDS.items():
        assert SCHEMAS[name]["required"] == ["action", *needs]
        assert SCHEMAS[name]["properties"].keys() == {"action", "PSConditions", *needs}


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_that_pass_the_check_are_of_the_schemas(template: dict[str, Any]):
    parts = {"pass": "Pass", "properties": "Properties", "triggers": "Triggers"}
    document = {part: template.get(part, {}) for part in parts}

    assert check_template(TemplateDocument.model_validate(document)).errors == []
    for part, name in parts.items():
        assert faults(document[part], SCHEMAS[name], f"$.{part}") == []


@pytest.mark.parametrize("name", template_schemas())
def test_examples_of_the_schemas_are_of_them(name: str):
    for example in SCHEMAS[name].get("examples", []):
        assert faults(example, SCHEMAS[name]) == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Pass", {"storeCard": {"headerFields": [{"label": "without a key"}]}}),
        ("Pass", {"storeCard": None}),
        ("Pass", {"maxDistance": "far"}),
        ("Pass", {"associatedStoreIdentifiers": [None]}),
        ("Pass", {"barcodes": [{"format": "PKBarcodeFormatRound"}]}),
        ("Triggers", {"onSneeze": []}),
        ("Triggers", {"onScan": [{"action": "PSActionSetValue", "value": 1}]}),
    ],
)
def test_what_the_check_refuses_is_not_of_the_schemas(name: str, part: dict[str, Any]):
    assert faults(part, SCHEMAS[name])


@pytest.mark.parametrize(
    "schema", ["CheckedTemplate", "NewTemplate", "ChangedTemplate", "Template"]
)
def test_requests_and_answers_refer_to_the_schemas(schema: str):
    properties = SCHEMAS[schema]["properties"]

    for part, name in {"pass": "Pass", "properties": "Properties", "triggers": "Triggers"}.items():
        assert properties[part]["$ref"] == f"#/components/schemas/{name}"


def test_page_shows_each_schema_once():
    page = render_docs(DOCUMENT)

    assert page.count("dataDetectorTypes") == 1
    assert page.count("PKBarcodeFormatAztec") == 1
