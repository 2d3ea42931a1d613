"""Template constructors of PassSource: the same template in their words, both ways.

In them an attribute object has keys such as PSValue, conditions stand as PSConditions in the
dictionary of a field or barcode, and a top-level key that no pass uses is an additional property.
A plain pass.json is one too.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

import orjson

from shared.passes.language.paths import SPECIAL_PROPERTIES
from shared.passes.schema.barcodes import BarcodePolicy
from shared.passes.schema.registry import (
    IDENTITY_KEYS,
    POSTER_STYLE,
    STYLES,
    KeyRule,
    free_rule,
    keys_of,
    lookup,
)
from shared.passes.schema.skeleton import (
    ATTRIBUTE_KEYS,
    CONDITIONAL_OBJECTS,
    is_attribute_object,
    json_step,
)
from shared.passes.schema.values import TRUE_WORDS, Json, is_list, is_object
from shared.passes.template.document import TemplateDocument

CONDITIONS: Final = "PSConditions"
TRIGGERS: Final = "triggers"

_WORDS: Final = {
    "PSValue": "value",
    "PSEditable": "editable",
    "PSDynamic": "dynamic",
    "PSLabel": "label",
    "PSAttributeType": "type",
    "PSOptions": "options",
    "PSValidation": "validation",
    "PSStepAmount": "step",
    CONDITIONS: "conditions",
}
_PS_WORDS: Final = {ours: theirs for theirs, ours in _WORDS.items()}
_FLAGS: Final = frozenset({"editable", "dynamic"})
_ROOTS: Final = (
    ("$.pass", "passConstructor"),
    ("$.properties", "passConstructor"),
    ("$.triggers", "passConstructor.triggers"),
)
_CONDITIONS_STEP = re.compile(r"\.conditions(?=$|\[)")
_SPECIAL = re.compile(r"ps[A-Z]")
_PROPERTIES: Final = frozenset(SPECIAL_PROPERTIES)
# An attribute object need not give a value; conditions alone do not make one.
_MARKS: Final = _WORDS.keys() - {CONDITIONS}


def read_constructor(
    constructor: Mapping[str, Any],
    *,
    images: Mapping[str, str] | None = None,
    localizations: Mapping[str, Mapping[str, str]] | None = None,
    google: Mapping[str, Any] | None = None,
    barcode_policy: BarcodePolicy = "template",
    scan_when_void: bool = False,
    void_when_expired: bool = False,
) -> TemplateDocument:
    """Translate a constructor; ValidationError if it is too large or no plain JSON.

    Images, strings, what is for Google Wallet, the barcode policy and what a void or expired pass
    does are not part of it, so that they are given beside it.
    What is wrong in it is carried over as it is, for check_template to name.
    """
    # Too large or too deep is refused before anything walks through it.
    TemplateDocument.model_validate({"pass": dict(constructor)})
    skeleton: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for key, value in constructor.items():
        if key == TRIGGERS:
            continue
        if _is_of_pass(key):
            skeleton[key] = _read(lookup("Pass", key) or free_rule(key), value)
        else:
            properties[key] = _read_property(value)
    return TemplateDocument.model_validate(
        {
            "pass": skeleton,
            "properties": properties,
            "triggers": _read_triggers(constructor.get(TRIGGERS)),
            "images": dict(images or {}),
            "localizations": dict(localizations or {}),
            "google": dict(google or {}),
            "barcode_policy": barcode_policy,
            "scan_when_void": scan_when_void,
            "void_when_expired": void_when_expired,
        }
    )


def write_constructor(document: TemplateDocument) -> dict[str, Any]:
    """Translate back: reading what this writes gives the same pass, properties and triggers."""
    constructor: dict[str, Any] = {
        key: _write(lookup("Pass", key) or free_rule(key), value)
        for key, value in document.pass_.items()
    }
    for name, value in document.properties.items():
        constructor.setdefault(name, _write_attribute(value, None))
    if document.triggers:
        constructor[TRIGGERS] = dict(document.triggers)
    return constructor


def author_path(path: str) -> str:
    """Write a JSON path of the document as one in the constructor that it was read from."""
    for ours, theirs in _ROOTS:
        if path == ours or path.startswith((f"{ours}.", f"{ours}[")):
            path = theirs + path.removeprefix(ours)
            break
    return _CONDITIONS_STEP.sub(f".{CONDITIONS}", path)


def unknown_words(constructor: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Find keys that look like PassSource's but are none, with their places and what is near."""
    found: list[tuple[str, str]] = []
    waiting: list[tuple[str, Any]] = [("passConstructor", dict(constructor))]
    while waiting:
        path, value = waiting.pop()
        if is_list(value):
            waiting += [(f"{path}[{index}]", entry) for index, entry in enumerate(value)]
        elif is_object(value):
            for key, entry in value.items():
                place = path + json_step(key)
                if key[:2] == "PS" and key not in _WORDS:
                    found.append((place, _advice(key, _WORDS)))
                elif _SPECIAL.match(key) and path == "passConstructor" and key not in _PROPERTIES:
                    if near := get_close_matches(key, _PROPERTIES, n=1, cutoff=0.8):
                        found.append((place, f"no property with a meaning; {near[0]} is one"))
                elif key != TRIGGERS:
                    waiting.append((place, entry))
    return sorted(found)


def _advice(key: str, words: Iterable[str]) -> str:
    near = get_close_matches(key, words, n=1)
    return f"{key} is not known" + (f"; {near[0]} is" if near else "")


def _is_of_pass(key: str) -> bool:
    return key in keys_of("Pass") or key in IDENTITY_KEYS or key in {*STYLES, POSTER_STYLE}


def _read_triggers(triggers: Json) -> dict[str, Any]:
    triggers = _from_json(triggers)
    if not is_object(triggers):
        # An empty list is what PHP makes of an empty dictionary.
        return {} if triggers in (None, "", []) else {TRIGGERS: triggers}
    return {key: _from_json(actions) for key, actions in triggers.items()}


def _from_json(value: Json) -> Json:
    """Return what a text spells out as JSON; editors kept triggers as text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _is_ps_attribute(value: object) -> bool:
    return is_object(value) and not value.keys().isdisjoint(_MARKS)


def _read_property(value: Json) -> Json:
    if _is_ps_attribute(value):
        return _read_attribute(value, None)
    # Or it would be taken for an attribute object of ours.
    return {"value": value} if is_attribute_object(value) else value


def _read(rule: KeyRule, value: Json, *, is_wrapped: bool = False) -> Json:
    """Translate a value; one that would be taken for an attribute object is wrapped in one."""
    kind = rule.type.kind
    if _is_ps_attribute(value):
        return _read_whole(rule, value) if kind == "object" else _read_attribute(value, rule)
    if is_list(value) and kind in {"list", "any"}:
        item = rule.item if kind == "list" else free_rule("")
        return [_read(item, entry) for entry in value]
    if not is_object(value) or kind not in {"object", "any"}:
        return value
    inner = _read_object(rule.type.name, value)
    is_odd = kind == "any" and is_attribute_object(value) and not is_wrapped
    return {"value": inner} if is_odd else inner


def _read_object(name: str, data: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in data.items():
        if key == CONDITIONS and name in CONDITIONAL_OBJECTS:
            read["conditions"] = value
        else:
            read[key] = _read(lookup(name, key) or free_rule(key), value)
    return read


def _read_whole(rule: KeyRule, data: dict[str, Any]) -> Json:
    """Give the object alone: it has no attributes with us, but its conditions stand within it."""
    inner = _read(rule, data.get("PSValue"))
    if is_object(inner) and CONDITIONS in data and rule.type.name in CONDITIONAL_OBJECTS:
        inner.setdefault("conditions", data[CONDITIONS])
    return inner


def _read_attribute(data: dict[str, Any], rule: KeyRule | None) -> dict[str, Any]:
    """Translate an attribute object; `rule` is that of its value, None for a property."""
    read: dict[str, Any] = {}
    for key, value in data.items():
        word = _WORDS.get(key, key)
        if word == "value" and key in _WORDS:
            read[word] = value if rule is None else _read(rule, value, is_wrapped=True)
        elif word in _FLAGS:
            read[word] = _read_flag(value)
        elif key in _WORDS:
            read[word] = value
    read.setdefault("value", None)
    return read


def _read_flag(value: Json) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in TRUE_WORDS
    return bool(value)


def _write(rule: KeyRule, value: Json) -> Json:
    kind = rule.type.kind
    if kind == "object":
        return _write_object(rule.type.name, value) if is_object(value) else value
    if kind == "any":
        if is_attribute_object(value):
            return _write_attribute(value, rule)
    elif is_object(value) and value and value.keys() <= set(ATTRIBUTE_KEYS):
        return _write_attribute(value, rule)
    return _write_plain(rule, value)


def _write_plain(rule: KeyRule, value: Json) -> Json:
    if is_list(value):
        item = rule.item if rule.type.kind == "list" else free_rule("")
        return [_write(item, entry) for entry in value]
    if rule.type.kind == "any" and is_object(value):
        return _write_object("", value)
    return value


def _write_object(name: str, data: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for key, value in data.items():
        if key == "conditions" and name in CONDITIONAL_OBJECTS:
            written[CONDITIONS] = value
        else:
            written[key] = _write(lookup(name, key) or free_rule(key), value)
    return written


def _write_attribute(data: Json, rule: KeyRule | None) -> Json:
    if rule is None and not is_attribute_object(data):
        return data
    written = {_PS_WORDS[key]: value for key, value in data.items() if key in _PS_WORDS}
    if "PSValue" in written and rule is not None:
        written["PSValue"] = _write_plain(rule, written["PSValue"])
    return written
