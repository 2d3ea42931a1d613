"""What both sides of a rolling deployment can live with, judged by JSON Schema.

Messages leave out fields that hold their default, so a default is as much a part of the wire as a
type: a reader that assumes another one reads another message.
"""

from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel

from shared.contracts import gateway, generator, member, notifier, triggers
from shared.contracts.message import Message, Request

Schema = dict[str, Any]

MODULES = (gateway, generator, member, notifier, triggers)


def contracts() -> list[type[Message]]:
    """Every message of every service, in the order of their wire names."""
    found = {
        thing
        for module in MODULES
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, Message)
        and thing.__module__ == module.__name__
    }
    return sorted(found, key=lambda message: message.name)


def models(message: type[Message]) -> dict[str, type[BaseModel]]:
    """The message and, of a request, its reply."""
    if issubclass(message, Request):
        return {"message": message, "reply": message.reply}
    return {"message": message}


def shape(model: type[BaseModel]) -> Schema:
    """Its schema with every reference written out and without prose."""
    schema = model.model_json_schema(mode="validation")
    return cast("Schema", _plain(schema, schema.get("$defs", {})))


def breaks(old: Schema, new: Schema, path: str = "") -> Iterator[str]:
    """Each difference that one side would trip over; new fields with a default are none."""
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before.keys() - after.keys():
        yield f"{path}/{name} is gone"
    for name in before.keys() & after.keys():
        yield from breaks(before[name], after[name], f"{path}/{name}")
    required_before, required_after = set(old.get("required", [])), set(new.get("required", []))
    for name in (required_before ^ required_after) & after.keys():
        yield f"{path}/{name} changed whether it must be there"
    for inner in ("items", "additionalProperties"):
        one, other = old.get(inner), new.get(inner)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from breaks(cast("Schema", one), cast("Schema", other), f"{path}/*")
    choices = old.get("anyOf", []), new.get("anyOf", [])
    if len(choices[0]) != len(choices[1]):
        yield f"{path} changed its type"
    for one, other in zip(*choices, strict=False):
        yield from breaks(one, other, path)
    for key in ("type", "format", "enum", "const", "default", "contentEncoding"):
        if old.get(key) != new.get(key):
            yield f"{path} changed its {key}"


def _plain(node: object, definitions: Schema) -> object:
    if isinstance(node, dict):
        entries = cast("Schema", node)
        if "$ref" in entries:
            name = str(entries["$ref"]).rpartition("/")[2]
            rest = {key: value for key, value in entries.items() if key != "$ref"}
            return _plain({**definitions[name], **rest}, definitions)
        properties = cast("Schema", entries.get("properties", {}))
        kept = {
            key: _plain(value, definitions)
            for key, value in entries.items()
            if key not in ("title", "description", "$defs", "properties")
        }
        if properties:
            kept["properties"] = {
                name: _plain(value, definitions) for name, value in properties.items()
            }
        return kept
    if isinstance(node, list):
        return [_plain(value, definitions) for value in cast("list[object]", node)]
    return node
