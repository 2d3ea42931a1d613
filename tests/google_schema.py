"""Judges documents by the discovery document of Google's Wallet API, to the letter.

It is read of google-api-python-client, which is not imported. It tells which keys and kinds there
are and which words an enumeration has, the older ones too; not what is required or how long a text
may be.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from jsonschema import Draft202012Validator

Schema = dict[str, Any]
Part = Literal["class", "object"]

_PLACE = "discovery_cache/documents/walletobjects.v1.json"
_FORMATS: Mapping[str, Schema] = {
    "int32": {"minimum": -(2**31), "maximum": 2**31 - 1},
    "uint32": {"minimum": 0, "maximum": 2**32 - 1},
    # JSON has no such numbers, so Google writes them as text.
    "int64": {"pattern": r"^-?[0-9]{1,19}$"},
    "uint64": {"pattern": r"^[0-9]{1,20}$"},
    "double": {},
    "byte": {},
}


class UnfitDocumentError(AssertionError):
    """A document that Google would refuse; its text names each fault by JSON path."""


@cache
def discovery() -> Schema:
    """The discovery document: `revision`, `schemas` by name, `resources` with their methods."""
    return json.loads((files("googleapiclient") / _PLACE).read_text("utf-8"))


def schema_name(type_: str, part: Part) -> str:
    """Return Google's name of the class or object of a type: `LoyaltyClass` of loyalty."""
    return type_[0].upper() + type_[1:] + part.capitalize()


def faults(name: str, document: Any) -> dict[str, str]:
    """Return what is wrong with a document of the schema of this name: JSON path → why."""
    errors = _validator(name).iter_errors(document)  # pyright: ignore[reportUnknownMemberType]
    return {error.json_path: error.message for error in errors}


def validate(type_: str, part: Part, document: Any) -> None:
    """Raise UnfitDocumentError unless Google knows every key, kind and word of it.

    `type_` is one of loyalty, generic, eventTicket, offer, giftCard, transit, flight.
    """
    name = schema_name(type_, part)
    if found := faults(name, document):
        raise UnfitDocumentError("\n".join(f"{name} {path}: {why}" for path, why in found.items()))


@cache
def _validator(name: str) -> Draft202012Validator:
    schemas = {key: _json_schema(value) for key, value in discovery()["schemas"].items()}
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schemas})


def _json_schema(google: Schema) -> Schema:
    if "$ref" in google:
        return {"$ref": f"#/$defs/{google['$ref']}"}
    schema: Schema = {"type": google["type"], **_FORMATS.get(google.get("format", ""), {})}
    if "enum" in google:
        schema["enum"] = google["enum"]
    if "items" in google:
        schema["items"] = _json_schema(google["items"])
    if google["type"] == "object":
        properties = google.get("properties", {})
        schema["properties"] = {key: _json_schema(value) for key, value in properties.items()}
        schema["additionalProperties"] = False
    return schema
