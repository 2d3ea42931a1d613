"""JSON Schemas of a template, made of the tables that check it: for whoever writes one by machine.

A schema is no stricter than the check: null stands for "nothing", an attribute object may stand
for any value but an object, and a text with brackets for whatever it becomes.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from shared.passes.language.actions import (
    ACTION_NEEDS,
    ADJUST_POINTS,
    CALL_URL,
    EXECUTE_TRIGGERS,
    INCREMENT_VALUE,
    MAX_POINTS,
    MAX_URL_CHARACTERS,
    SET_VALUE,
    TRIGGER_KEYS,
)
from shared.passes.language.paths import SPECIAL_PROPERTIES
from shared.passes.schema.registry import (
    IDENTITY_KEYS,
    KeyRule,
    enumeration,
    enumeration_names,
    keys_of,
    object_names,
)
from shared.passes.schema.skeleton import ATTRIBUTE_KEYS, CONDITIONAL_OBJECTS

Schema: TypeAlias = dict[str, Any]

_REFERENCE: Final = "#/components/schemas/"

# Names that say what Apple's do not, or that others of our schemas have.
_NAMES: Final = {
    "Action": "FeaturedAction",
    "FieldContent": "Field",
    "Fields": "FieldGroups",
    "Image": "UpcomingImage",
    "ImageURLEntry": "UpcomingImageFile",
    "Images": "UpcomingImages",
    "URLs": "UpcomingURLs",
    "UpcomingPassInformationEntry": "UpcomingPass",
}

_OBJECTS: Final = {
    "Action": "An action that Wallet offers on the front of a pass.",
    "Barcode": "A barcode; without a message it says what `barcode_policy` says.",
    "Beacon": "A Bluetooth beacon near which the pass is shown.",
    "CurrencyAmount": "An amount of money.",
    "DateInformation": "When an event of an upcoming pass takes place.",
    "EventDateInfo": "When an event takes place.",
    "FieldContent": "A field of a pass. Its paths are "
    "`structure_<group>_<key>_value`, `…_label` and the like.",
    "Fields": "The fields of a style, by where they are shown.",
    "Image": "An image of an upcoming pass.",
    "ImageURLEntry": "Where a phone loads one size of an image.",
    "Images": "The images of an upcoming pass.",
    "Location": "A place near which the pass is shown.",
    "NFC": "What the pass sends to a reader.",
    "Pass": "A pass.json of Apple Wallet with exactly one style, such as storeCard.",
    "PersonName": "The parts of a name.",
    "RelevantDate": "A date, or an interval, at which the pass is shown.",
    "Seat": "A seat.",
    "Semantics": "What the pass means, for phones to act on.",
    "URLs": "Addresses that belong to an upcoming pass.",
    "UpcomingPassInformationEntry": "An event to come that the same pass admits to.",
    "WifiNetwork": "A network that the holder may join.",
}

_SCALARS: Final[dict[str, Schema]] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "value": {"type": ["string", "number"], "description": "A text, a number or a date."},
    "date": {
        "type": "string",
        "description": "ISO 8601 with its zone.",
        "examples": ["2027-01-31T18:30:00+01:00"],
    },
    "colour": {
        "type": "string",
        "description": "As CSS writes it.",
        "examples": ["rgb(12, 34, 56)", "#0c2238", "navy"],
    },
}

_ATTRIBUTE: Final[dict[str, Schema]] = {
    "value": {"description": "The value itself."},
    "editable": {"type": "boolean", "description": "Whether users may change it on a pass."},
    "dynamic": {"type": "boolean", "description": "Whether the Pass2U API may set it."},
    "label": {"type": ["string", "null"], "description": "What people read of it."},
    "type": {"type": ["string", "null"], "description": "How an editor asks for it."},
    "options": {"description": "What an editor offers."},
    "validation": {"description": "What an editor checks."},
    "conditions": {
        "type": ["string", "null"],
        "description": "The value is left out of a pass for which this condition does not hold.",
    },
    "step": {"description": "By how much an editor's stepper goes up and down."},
}

_ACTIONS: Final = {
    SET_VALUE: "Sets a value; brackets in it are replaced.",
    INCREMENT_VALUE: "Adds to a number.",
    EXECUTE_TRIGGERS: "Does the list of actions that the value of a path holds.",
    CALL_URL: "Calls an address and waits for it.",
    ADJUST_POINTS: "Changes the points of the pass's member.",
}

_POINTS: Final = {
    "type": ["integer", "string"],
    "minimum": -MAX_POINTS,
    "maximum": MAX_POINTS,
    "description": "A whole number, or a text that becomes one, such as `{visits}`.",
}
_ANY: Final = {"description": "Any JSON value."}
_OPERANDS: Final[dict[str, Schema]] = {
    "targetPath": {"type": "string", "minLength": 1, "description": "The path acted on."},
    "value": _ANY,
    "amount": {"type": ["number", "string"], "description": "A number, also as a text."},
    "url": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_URL_CHARACTERS,
        "description": "http(s).",
    },
}
_CONDITION: Final = {
    "type": ["string", "null"],
    "description": "The action is done only if this condition holds.",
}

_PASS_EXAMPLE: Final = {
    "description": "Coffee card",
    "organizationName": "Blue Bottle",
    "storeCard": {"headerFields": [{"key": "points", "label": "Points", "value": 0}]},
    "barcode": {"format": "PKBarcodeFormatQR"},
}
_TRIGGERS_EXAMPLE: Final = {
    "onScan": [
        {
            "action": INCREMENT_VALUE,
            "targetPath": "structure_headerFields_points_value",
            "amount": 1,
        }
    ]
}


def template_schemas() -> dict[str, Schema]:
    """Return every schema that a template is made of, by its name."""
    made = [
        _object("Pass"),
        _properties(),
        _property(),
        _google(),
        _triggers(),
        _actions(),
        *(_action(name) for name in ACTION_NEEDS),
        _attribute(),
        *(_object(name) for name in object_names() if name != "Pass"),
        *(_enumeration(name) for name in enumeration_names()),
    ]
    return {schema["title"]: {**schema, "x-shown-apart": True} for schema in made}


def schema_name(name: str) -> str:
    """Return the name of the schema of an object of the registry."""
    return _NAMES.get(name, name)


def _reference(name: str) -> Schema:
    return {"$ref": _REFERENCE + name}


def _object(name: str) -> Schema:
    properties = {
        key: _key(rule)
        for key, rule in keys_of(name).items()
        if not (name == "Pass" and key in IDENTITY_KEYS)
    }
    schema: Schema = {"title": schema_name(name), "type": "object", "description": _OBJECTS[name]}
    if name == "FieldContent":
        properties["key"] = {
            "type": "string",
            "minLength": 1,
            "description": "Its name, part of its paths.",
        }
        schema["required"] = ["key"]
    if name in CONDITIONAL_OBJECTS:
        properties["conditions"] = {
            "type": ["string", "null"],
            "description": "It is left out of a pass for which this condition does not hold.",
        }
    if name == "Pass":
        schema["examples"] = [_PASS_EXAMPLE]
    return {**schema, "properties": properties}


def _key(rule: KeyRule) -> Schema:
    remarks = " ".join(_remarks(rule))
    return {**_value(rule), **({"description": remarks} if remarks else {})}


def _remarks(rule: KeyRule) -> Iterator[str]:
    if rule.required:
        yield "Wallet needs it."
    if rule.styles:
        yield f"Only on {', '.join(sorted(rule.styles))}."
    if rule.maximum_bytes is not None:
        yield f"At most {rule.maximum_bytes} bytes."
    if rule.minimum_ios is not None:
        yield f"From iOS {rule.minimum_ios} on."


def _value(rule: KeyRule) -> Schema:
    if rule.type.kind == "any":
        return dict(_ANY)
    if rule.type.name == "Fields":  # of a style, which is there or not
        return _reference(schema_name("Fields"))
    return {"anyOf": [*_forms(rule), {"type": "null"}]}


def _forms(rule: KeyRule) -> Iterator[Schema]:
    """Give the forms that a value may have."""
    kind = rule.type
    if kind.kind == "object":
        yield _reference(schema_name(kind.name))
        return
    if kind.kind == "list":
        limit = {} if rule.maximum_items is None else {"maxItems": rule.maximum_items}
        yield {"type": "array", "items": _item(rule), **limit}
    elif kind.kind == "enumeration":
        yield _reference(schema_name(kind.name))
    else:
        limits = {"minimum": rule.minimum, "maximum": rule.maximum, "maxLength": rule.maximum_bytes}
        given = {key: limit for key, limit in limits.items() if limit is not None}
        yield {**_SCALARS[kind.kind], **given}
    if kind.kind in {"number", "integer", "boolean", "enumeration"}:
        yield {"type": "string", "pattern": r"\{[^{}]+\}", "description": "Becomes one."}
    yield _reference("Attribute")


def _item(rule: KeyRule) -> Schema:
    """Describe an entry of a list, which may not be null; a field is an object and no attribute."""
    forms = list(_forms(rule.item))
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _enumeration(name: str) -> Schema:
    return {
        "title": schema_name(name),
        "type": "string",
        "description": f"A {name} of Apple Wallet.",
        "enum": sorted(enumeration(name)),
    }


def _attribute() -> Schema:
    return {
        "title": "Attribute",
        "type": "object",
        "description": "A value and what is said of it: who may change it, how editors show it.",
        "properties": {key: _ATTRIBUTE[key] for key in sorted(ATTRIBUTE_KEYS)},
        "examples": [{"value": 0, "editable": True, "label": "Points"}],
    }


def _properties() -> Schema:
    return {
        "title": "Properties",
        "type": "object",
        "description": "Values that stand nowhere on the pass by themselves: for texts, rules and "
        "conditions, and those with a meaning of their own. Under an image's path, such as "
        "`images_logo`, stand only its attributes.",
        "properties": {name: _reference("Property") for name in SPECIAL_PROPERTIES},
        "additionalProperties": _reference("Property"),
        "propertyNames": {"minLength": 1, "maxLength": 128},
        "examples": [{"visits": 0}],
    }


def _property() -> Schema:
    return {
        "title": "Property",
        "description": "Any JSON value, by itself or in an attribute object.",
        "anyOf": [_reference("Attribute"), _ANY],
    }


def _google() -> Schema:
    text = {"type": "string"}
    raw = {"type": "object"}
    pictures = ("logo", "wide_logo", "hero")
    return {
        "title": "Google",
        "type": "object",
        "description": "What Google Wallet shows otherwise than it follows from the pass.",
        "properties": {
            "issuer_id": {**text, "description": "The issuer of Google's console, by its number."},
            "type": {
                **text,
                "description": "loyalty, generic, eventTicket, offer, giftCard, transit or flight; "
                "else it follows from the style.",
            },
            "class_id": {
                **text,
                "description": "A class that is already at Google and is left as it is.",
            },
            "language": {**text, "description": "Of the texts as they stand; `en` if left out."},
            "rows": {
                "type": "array",
                "maxItems": 3,
                "items": {"type": "array", "minItems": 1, "maxItems": 3, "items": text},
                "description": "What stands on the front: keys of fields, or Google's field paths.",
            },
            "images": {
                "type": "object",
                "properties": dict.fromkeys(pictures, text),
                "description": "SHA-256 of images that take the place of icon, logo and strip.",
            },
            "class": {**raw, "description": "Laid over the class as a merge patch."},
            "object": {
                **raw,
                "description": "Laid over each object as a merge patch; brackets are replaced.",
            },
        },
        "examples": [{"issuer_id": "3388000000012345678", "rows": [["points", "tier"]]}],
    }


def _triggers() -> Schema:
    return {
        "title": "Triggers",
        "type": "object",
        "description": "The actions that are done when something happens to a pass.",
        "properties": {key: _reference("Actions") for key in TRIGGER_KEYS},
        "additionalProperties": False,
        "examples": [_TRIGGERS_EXAMPLE],
    }


def _actions() -> Schema:
    entries = {"type": "array", "items": _reference("Actions")}
    return {
        "title": "Actions",
        "description": "An action or a list of them, done one after the other.",
        "anyOf": [*(_reference(name) for name in ACTION_NEEDS), entries],
    }


def _action(name: str) -> Schema:
    needs = ACTION_NEEDS[name]
    operands = {key: _OPERANDS[key] for key in needs}
    if name == ADJUST_POINTS:
        operands["amount"] = _POINTS
    # Calls went by several names.
    named: Schema = {"pattern": "^PSAction.*[Uu][Rr][Ll]"} if name == CALL_URL else {"const": name}
    return {
        "title": name,
        "type": "object",
        "description": _ACTIONS[name],
        "properties": {
            "action": {"type": "string", **named, "examples": [name]},
            **operands,
            "PSConditions": _CONDITION,
        },
        "required": ["action", *needs],
    }
