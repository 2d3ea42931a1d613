"""What a pass has of its own: under a path itself, or within a container that was set whole."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import orjson

from shared.passes.language.paths import Leaf, PathIndex
from shared.passes.schema.values import MISSING, Json, UnfitError, convert, is_list, is_object


def own_value(path_index: PathIndex, values: Mapping[str, Any], leaf: Leaf) -> tuple[Json, str]:
    """Return the pass's own value, or MISSING, and the path under which it is stored."""
    value = values.get(leaf.path, MISSING)
    if value is not MISSING or path_index.containers.isdisjoint(values):
        return value, leaf.path
    for depth in range(len(leaf.location) - 1, 0, -1):
        path = path_index.container_at.get(leaf.location[:depth])
        if path is not None and path in values and _fits(path_index.known[path], values[path]):
            return _within(values[path], leaf, depth), path
    return MISSING, leaf.path


def _fits(container: Leaf, value: Json) -> bool:
    """Whether this container is shown; one of another revision may be of another kind."""
    try:
        convert(container.rule, value)
    except UnfitError:
        return value is None
    return True


def _within(value: Json, leaf: Leaf, depth: int) -> Json:
    """Look a leaf up in a container's own value; what it leaves out is null, not the template's."""
    for step in leaf.location[depth:]:
        if is_list(value) and isinstance(step, int):
            if leaf.field_key is not None:
                value = _field(value, leaf.field_key)
            else:
                value = value[step] if step < len(value) else None
        elif is_object(value) and isinstance(step, str):
            value = value.get(step)
        else:
            return None
    return value


def _field(entries: list[Any], key: str) -> Json:
    return next(
        (entry for entry in entries if is_object(entry) and entry.get("key") == key),
        None,
    )


def overlapping(path_index: PathIndex, values: Mapping[str, Any], path: str) -> Iterator[str]:
    """Give the own values that are at a path, within it or around it."""
    leaf = path_index.known.get(path)
    for other in values:
        known = path_index.known.get(other)
        if other == path:
            yield other
        elif leaf is not None and known is not None and leaf.location and known.location:
            depth = min(len(leaf.location), len(known.location))
            if leaf.location[:depth] == known.location[:depth]:
                yield other


def mark_of(path_index: PathIndex, values: Mapping[str, Any], path: str) -> str:
    """Return a mark that differs as soon as anybody wrote at, within or around the path."""
    seen = {other: values[other] for other in overlapping(path_index, values, path)}
    return sha256(orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
