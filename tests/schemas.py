"""Checks what partners are told against the schemas that are published: /asyncapi.json."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from services.gateway.routes.v1.asyncapi import SCHEMAS, asyncapi_document

Schema = dict[str, Any]
Check = Callable[[Any, Any, Schema, str], None]
Rule = Callable[[Any, Any], object]

_PROSE = {"title", "description", "default", "examples"}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "object": (dict,), "array": (list,), "null": (type(None),),
}  # fmt: skip
_FORMATS: dict[str, Callable[[str], object]] = {"uuid": UUID, "date-time": datetime.fromisoformat}


@cache
def document() -> Schema:
    return asyncapi_document("0")


def checked(body: str) -> Schema:
    """Read an event, of its schema to the letter: no more and no less than that says."""
    event = json.loads(body)
    assert len(body.encode()) <= 64 * 1024
    message = document()["components"]["messages"][event["type"]]
    check(event, message["payload"], "event")
    return event


def check(value: Any, schema: Schema, path: str) -> None:
    """JSON Schema as far as our models use it; a keyword that is not known here is an error."""
    for keyword in sorted(schema.keys() - _PROSE, key=lambda keyword: keyword != "type"):
        _CHECKS[keyword](value, schema[keyword], schema, path)


def _reference(value: Any, wanted: str, _schema: Schema, path: str) -> None:
    check(value, document()["components"]["schemas"][wanted.removeprefix(SCHEMAS)], path)


def _type(value: Any, wanted: str, _schema: Schema, path: str) -> None:
    assert type(value) in _TYPES[wanted], f"{path} is {value!r}, not of type {wanted}"


def _any_of(value: Any, wanted: list[Schema], _schema: Schema, path: str) -> None:
    faults: list[str] = []
    for option in wanted:
        try:
            check(value, option, path)
        except AssertionError as fault:
            faults.append(str(fault))
        else:
            return
    raise AssertionError("; ".join(faults))


def _properties(value: Any, wanted: Schema, _schema: Schema, path: str) -> None:
    assert value.keys() <= wanted.keys(), f"{path} has {value.keys() - wanted.keys()}"
    for name, inner in cast("Schema", value).items():
        check(inner, wanted[name], f"{path}.{name}")


def _others(value: Any, wanted: Any, schema: Schema, path: str) -> None:
    if isinstance(wanted, dict) and "properties" not in schema:
        for name, inner in cast("Schema", value).items():
            check(inner, cast("Schema", wanted), f"{path}.{name}")


def _items(value: Any, wanted: Schema, _schema: Schema, path: str) -> None:
    for place, inner in enumerate(cast("list[Any]", value)):
        check(inner, wanted, f"{path}[{place}]")


def _that(rule: Rule) -> Check:
    def look(value: Any, wanted: Any, _schema: Schema, path: str) -> None:
        assert rule(value, wanted), f"{path} is {value!r}, not {wanted!r}"

    return look


def _matches(value: str, wanted: str) -> bool:
    return re.search(wanted, value) is not None


_CHECKS: dict[str, Check] = {
    "$ref": _reference,
    "type": _type,
    "anyOf": _any_of,
    "properties": _properties,
    "additionalProperties": _others,
    "items": _items,
    "required": _that(lambda value, wanted: set(wanted) <= value.keys()),
    "const": _that(lambda value, wanted: value == wanted),
    "enum": _that(lambda value, wanted: value in wanted),
    "minimum": _that(lambda value, wanted: value >= wanted),
    "minItems": _that(lambda value, wanted: len(value) >= wanted),
    "maxItems": _that(lambda value, wanted: len(value) <= wanted),
    "maxLength": _that(lambda value, wanted: len(value) <= wanted),
    "pattern": _that(_matches),
    "format": _that(lambda value, wanted: _FORMATS[wanted](value)),
}
