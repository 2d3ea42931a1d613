"""Writes what a template itself says at paths; who may change it, labels and rules stay."""

from collections.abc import Mapping
from typing import Any

from shared.passes.language.paths import Location, PathIndex
from shared.passes.schema.skeleton import is_attribute_object
from shared.passes.schema.values import Json, is_list, is_object
from shared.passes.template.document import TemplateDocument


def with_defaults(
    document: TemplateDocument, path_index: PathIndex, values: Mapping[str, Any]
) -> TemplateDocument:
    """Return the template with other values at paths that it fills, none of an image.

    The given one stays as it is.
    """
    pass_: Json = document.pass_
    properties: Json = document.properties
    for path, value in values.items():
        leaf = path_index.given[path]
        if leaf.source == "property":
            properties = _put(properties, (path,), value)
            continue
        for location in (leaf.location, *leaf.twins):
            pass_ = _put(pass_, location, value)
    return document.model_copy(update={"pass_": pass_, "properties": properties})


def _put(data: Json, location: Location, value: Json) -> Json:
    """Put a value where a location leads, through what is said of values beside them."""
    if is_attribute_object(data):
        return {**data, "value": _put(data.get("value"), location, value)}
    if not location:
        return value
    step, rest = location[0], location[1:]
    if is_list(data):
        return [_put(entry, rest, value) if at == step else entry for at, entry in enumerate(data)]
    known = data if is_object(data) else {}
    return {**known, str(step): _put(known.get(str(step)), rest, value)}
