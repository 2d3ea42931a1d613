"""Whether values may be set on a pass of a template: known path, fitting type, sizes."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from shared.errors import InvalidError
from shared.passes.language.magic import parse
from shared.passes.language.paths import Leaf, PathIndex
from shared.passes.language.rules import MAX_VALUE_BYTES, MAX_VALUES, MAX_VALUES_BYTES
from shared.passes.schema.companions import complaint
from shared.passes.schema.skeleton import BRACKET, Place, SkeletonWalk
from shared.passes.schema.values import MISSING, Json, UnfitError, holds_nul, is_object
from shared.passes.template.assembly import fit

IMAGE_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def check_values(
    path_index: PathIndex, values: Mapping[str, Any], *, may_expand: bool = False
) -> dict[str, Any]:
    """Return the values as they are to be stored, or InvalidError naming each unfit path."""
    checked: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    for path, value in values.items():
        try:
            settled = settle(path_index, path, value, may_expand=may_expand)
        except UnfitError as error:
            errors.append({"pointer": path, "detail": str(error)})
        else:
            checked[path_index.aliases.get(path, path)] = settled
    if len(values) > MAX_VALUES:
        errors.append({"pointer": "", "detail": f"at most {MAX_VALUES} values"})
    if not errors and len(orjson.dumps(checked)) > MAX_VALUES_BYTES:
        detail = f"all values together hold at most {MAX_VALUES_BYTES // 1024} KiB"
        errors.append({"pointer": "", "detail": detail})
    if errors:
        raise InvalidError("These values cannot be set.", errors=errors)
    return checked


def settle_of_rule(path_index: PathIndex, path: str, value: Json) -> Json:
    """One value that a rule sets; no image, of which only the gateway knows whether it is kept."""
    leaf = path_index.find(path)
    if leaf is not None and leaf.source == "image":
        raise UnfitError("rules set no images")
    return settle(path_index, path, value)


def settle(path_index: PathIndex, path: str, value: Json, *, may_expand: bool = False) -> Json:
    """One value as it is to be stored, or UnfitError."""
    leaf = path_index.find(path)
    if leaf is None:
        raise UnfitError("the template has no such path")
    if leaf.is_read_only:
        raise UnfitError("this path is read-only")
    if leaf.source == "image":
        if not (isinstance(value, str) and IMAGE_DIGEST.fullmatch(value)):
            raise UnfitError("the address of an image or the SHA-256 of an uploaded one is needed")
    elif leaf.is_container and value is not None:
        value = _container(leaf, value)
    elif not (may_expand and isinstance(value, str) and parse(value, path_index)):
        value = _formed(leaf, value)
    try:
        raw = orjson.dumps(value)
    except TypeError as error:
        raise UnfitError(f"not plain JSON: {error}") from error
    if len(raw) > MAX_VALUE_BYTES:
        raise UnfitError(f"a value holds at most {MAX_VALUE_BYTES // 1024} KiB")
    if holds_nul(raw):
        raise UnfitError("texts may not hold the NUL character")
    return value


def _formed(leaf: Leaf, value: Json) -> Json:
    value = fit(leaf, value)
    if fault := complaint(leaf.rule, value):
        raise UnfitError(fault)
    return value


def merge_values(
    path_index: PathIndex, current: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Lay the changes over the values; a container replaces what was set within it."""
    merged = {**current, **changes}
    for path in changes:
        container = path_index.known.get(path)
        if container is None or not container.is_container or not container.location:
            continue
        depth = len(container.location)
        for other in current:
            leaf = path_index.known.get(other)
            if leaf is None or other in changes:
                continue
            if len(leaf.location) > depth and leaf.location[:depth] == container.location:
                del merged[other]
    return merged


def _container(leaf: Leaf, value: Json) -> Json:
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise UnfitError(f"JSON is needed: {error}") from error
    value = fit(leaf, value)
    if leaf.source == "property":
        return value
    if is_object(value) and leaf.rule.type.name == "FieldContent":
        value = {**value, "key": leaf.field_key}
    walk = SkeletonWalk()
    place = Place(leaf.location, (leaf.path,), leaf.path)
    plain = walk.walk_value(leaf.rule, value, place)
    _refuse_unusable(walk)
    if plain is MISSING:
        raise UnfitError(f"{leaf.type} is needed")
    return plain


def _refuse_unusable(walk: SkeletonWalk) -> None:
    """Refuse what does not fit, and what would make Wallet refuse the pass."""
    for found in walk.findings:
        if found.severity == "error" or found.code == "missing-key":
            raise UnfitError(f"{found.path}: {found.detail}")
    for node in walk.nodes:
        text = node.default
        if isinstance(text, str) and not BRACKET.search(text):
            fault = complaint(node.rule, text)
            if not text and node.rule.required and node.rule.object_name != "FieldContent":
                fault = f"{node.rule.key} is needed by Wallet"
            if fault:
                raise UnfitError(f"{node.place.json_path}: {fault}")
