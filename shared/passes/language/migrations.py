"""psPathMigrations: values that a pass has under a former path stand for the path of today."""

from collections.abc import Mapping
from typing import Any

import orjson

from shared.passes.language.rights import marks_outside, marks_within, path_of
from shared.passes.language.state import PassState
from shared.passes.schema.slots import IMAGE_PATHS
from shared.passes.schema.values import Json, is_object


def read_migrations(value: Json) -> dict[str, str]:
    """Return old path → new path of a property, an object or its JSON text; {} if unreadable."""
    if is_object(value) and "value" in value:
        value = value["value"]
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    if not is_object(value):
        return {}
    return {old: new for old, new in value.items() if isinstance(new, str) and new != old}


def follow_moves(moves: Mapping[str, str]) -> dict[str, str]:
    """Return old path → the last of its moves; what goes round in a circle stays where it is.

    So does what leads to an image, which must be one that the gateway keeps.
    """
    ends: dict[str, str] = {}
    for old in moves:
        trail = [old]
        while trail[-1] in moves and trail[-1] not in ends:
            trail.append(moves[trail[-1]])
            if trail[-1] in trail[:-1]:
                break
        last = trail[-1]
        if last in trail[:-1]:
            continue
        end = ends.get(last, last)
        ends.update(dict.fromkeys(trail[:-1] if last not in ends else trail, end))
    return {old: new for old, new in ends.items() if new not in IMAGE_PATHS}


def migrate(state: PassState, moves: Mapping[str, str]) -> PassState:
    """Return the pass with its values under today's paths; one set there already wins."""
    values = state.values
    if not moves or moves.keys().isdisjoint(values):
        return state
    moved: dict[str, Any] = {path: value for path, value in values.items() if path not in moves}
    marks: frozenset[str] = state.literal or frozenset()
    for old, new in moves.items():
        if old in values and new not in moved:
            moved[new] = values[old]
            kept = [mark.removesuffix(old) + new for mark in marks if path_of(mark) == old]
            marks = marks_outside(marks, {new}).union(kept)
    return state.with_values(moved, None if state.literal is None else marks_within(marks, moved))
