"""API paths: the names by which the outside reads and sets single values of a pass."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, Literal

from shared.passes.language.migrations import follow_moves, read_migrations
from shared.passes.schema.registry import (
    FIELD_GROUPS,
    IDENTITY_KEYS,
    STYLES,
    KeyRule,
    ValueType,
    free_rule,
    keys_of,
    lookup,
)
from shared.passes.schema.skeleton import (
    Attribute,
    Node,
    attribute_of,
    is_attribute_object,
    json_step,
)
from shared.passes.schema.slots import IMAGE_PATHS, OWN_IMAGES_ONLY_PATH
from shared.passes.schema.values import MISSING, Json, is_list, is_number, is_object

MEMBER_FACTS: Final = {
    "member_name": "name",
    "member_email": "email",
    "member_points": "points",
    "member_tier": "tier",
    "member_external_id": "external_id",
    "member_id": "member_id",
}
SERIAL_PATH: Final = "serialNumber"
STYLE_PATH: Final = "passType"
STRUCTURE_PATH: Final = "structure"
MESSAGE_PATH: Final = "barcode_message"
ALT_TEXT_PATH: Final = "barcode_altText"
DESCRIPTION_PATH: Final = "description"
PASS_DESCRIPTION_PATH: Final = "psPassDescription"  # noqa: S105  a pass, no password
TRIGGER_ERROR_PATH: Final = "psTriggerError"
EDIT_CODE_PATH: Final = "psEditCode"
MIGRATIONS_PATH: Final = "psPathMigrations"
PORTAL_HEADER_PATH: Final = "psPortalHeader"
EDITOR_PATHS_PATH: Final = "psEditorPaths"
EDITOR_HEADER_PATH: Final = "psEditorHeader"
PORTAL_PATHS_PATH: Final = "psPortalUpdatePaths"
EXPORT_PATHS: Final = "psExportPaths"
SCAN_TEXT_PATH: Final = "psScanText"
HANDLE_COLUMN: Final = "hashedSerialNumber"
"""What an export names besides paths."""

REGISTRATION_PATHS_PATH: Final = "psRegistrationPaths"
REGISTRATION_MESSAGE_PATH: Final = "psRegistrationMessage"
REGISTERED_MESSAGE_PATH: Final = "psRegisteredMessage"
PATH_LISTS: Final = (
    REGISTRATION_PATHS_PATH,
    EDITOR_PATHS_PATH,
    PORTAL_PATHS_PATH,
    EXPORT_PATHS,
)
"""Properties that hold paths, parted by commas."""

SPECIAL_PROPERTIES: Final = (
    PASS_DESCRIPTION_PATH,
    TRIGGER_ERROR_PATH,
    EDIT_CODE_PATH,
    MIGRATIONS_PATH,
    PORTAL_HEADER_PATH,
    *PATH_LISTS,
    SCAN_TEXT_PATH,
    "psScanColor",
    "psInformationURL",
    "psInformationLabel",
    "psDisplayURL",
    REGISTRATION_MESSAGE_PATH,
    REGISTERED_MESSAGE_PATH,
    EDITOR_HEADER_PATH,
    OWN_IMAGES_ONLY_PATH,
    "associatedPlayIdentifiers",
    "androidAppLaunchURL",
)
"""Properties with a meaning of their own: every template has them, declared or not."""

DYNAMIC_NAMES: Final = ("label", "value", "changeMessage")
"""What of a dynamic field a pass is given."""

Location = tuple[str | int, ...]
Source = Literal["pass", "property", "member", "style", "serial", "image"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value that a path names: where it stands, what it may be, what the template says."""

    path: str
    rule: KeyRule
    location: Location = ()
    source: Source = "pass"
    default: Json = MISSING
    editable: bool = False
    dynamic: bool = False
    label: str = ""
    input_type: str | None = None
    options: Json = None
    validation: Json = None
    conditions: Json = None
    step: Json = None
    field_key: str | None = None
    # Other places that show the same value: a template's `barcode` and its twin in `barcodes`.
    twins: tuple[Location, ...] = ()
    is_numeric: bool = False
    """Whether texts that spell out numbers become numbers, as those beside a numeric default."""
    needs_number: bool = False
    """Whether Wallet shows nothing but a number there, as beside a currency."""
    # Containers first, so that what is set within one lands on top of it.
    rank: tuple[int, str] = (0, "")

    @property
    def type(self) -> str:
        """The type in the registry's words."""
        return self.rule.type.text

    @property
    def is_container(self) -> bool:
        return self.rule.type.is_container

    @property
    def is_field_value(self) -> bool:
        return self.field_key is not None and self.location[-1] == "value"

    @property
    def is_read_only(self) -> bool:
        return self.source in {"member", "serial"}

    @property
    def json_path(self) -> str | None:
        """Where a template's document has it, as findings say it; None if nothing there does."""
        match self.source:
            case "pass":
                return "$.pass" + "".join(map(json_step, self.location))
            case "style":
                return f"$.pass.{self.default}"
            case "property":
                return "$.properties" + json_step(self.path)
            case "image":
                return "$.images" + json_step(self.path.removeprefix("images_"))
            case "member" | "serial":
                return None


@dataclass(frozen=True, slots=True)
class PathIndex:
    """Every path of one template: those it fills (`given`) and those a pass may fill."""

    style: str
    known: Mapping[str, Leaf]
    given: Mapping[str, Leaf] = field(default_factory=dict[str, Leaf])
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    # The containers that can be set whole: their paths, and the same by where they stand.
    containers: frozenset[str] = frozenset()
    container_at: Mapping[Location, str] = field(default_factory=dict[Location, str])

    def find(self, path: str) -> Leaf | None:
        return self.known.get(self.aliases.get(path, path))


def _leaf(path: str, rule: KeyRule, location: Location, field_key: str | None = None) -> Leaf:
    return Leaf(
        path=path,
        rule=rule,
        location=location,
        label=path,
        field_key=field_key,
        rank=(len(location), path),
    )


def _with_attribute(leaf: Leaf, default: Json, attribute: Attribute) -> Leaf:
    return replace(
        leaf,
        default=default,
        editable=attribute.editable,
        dynamic=attribute.dynamic,
        label=attribute.label or leaf.path,
        input_type=attribute.input_type,
        options=attribute.options,
        validation=attribute.validation,
        conditions=attribute.conditions,
        step=attribute.step,
        is_numeric=is_number(default),
    )


def _descend(rule: KeyRule, location: Location) -> Iterator[Leaf]:
    location = (*location, rule.key)
    yield _leaf("_".join(map(str, location)), rule, location)
    if rule.type.kind == "object":
        for inner in keys_of(rule.type.name).values():
            yield from _descend(inner, location)


@cache
def shared_leaves() -> Mapping[str, Leaf]:
    """Return the paths that every template has, whether it fills them or not."""
    leaves = {
        leaf.path: leaf
        for rule in keys_of("Pass").values()
        if rule.key not in IDENTITY_KEYS and rule.type.name != "Fields"
        for leaf in _descend(rule, ())
    }
    for path in MEMBER_FACTS:
        leaves[path] = replace(_leaf(path, free_rule(path), ()), source="member")
    leaves[SERIAL_PATH] = replace(_leaf(SERIAL_PATH, free_rule(SERIAL_PATH), ()), source="serial")
    for path in SPECIAL_PROPERTIES:
        leaves[path] = replace(_leaf(path, free_rule(path), ()), source="property")
    image_rule = KeyRule("", "images", ValueType("string"))
    for path in IMAGE_PATHS:
        leaves[path] = replace(_leaf(path, image_rule, ()), source="image")
    return leaves


def reserved_names() -> frozenset[str]:
    """Names that an additional property may not take; under an image's stand its attributes."""
    pass_keys = keys_of("Pass").keys() | shared_leaves().keys()
    others = {STYLE_PATH, STRUCTURE_PATH, "transitType", "images", "triggers"}
    return frozenset(pass_keys | others).difference(SPECIAL_PROPERTIES, IMAGE_PATHS)


def _style_leaves(style: str) -> Iterator[Leaf]:
    if not style:
        return
    style_rule = KeyRule("Pass", STYLE_PATH, ValueType("enumeration", "PassType"))
    yield replace(_leaf(STYLE_PATH, style_rule, ()), source="style", default=style)
    yield _leaf(STRUCTURE_PATH, KeyRule("Pass", style, ValueType("object", "Fields")), (style,))
    for group in FIELD_GROUPS:
        if rule := lookup("Fields", group):
            yield _leaf(f"{STRUCTURE_PATH}_{group}", rule, (style, group))
    if rule := lookup("Fields", "transitType"):
        yield _leaf("transitType", rule, (style, "transitType"))


def _field_leaves(node: Node) -> Iterator[Leaf]:
    """All that may be said of a field; its key is its name and cannot be set."""
    path = "_".join(node.place.parts)
    for rule in keys_of("FieldContent").values():
        if rule.key != "key":
            location = (*node.place.location, rule.key)
            yield _leaf(f"{path}_{rule.key}", rule, location, node.place.field_key)


def _node_leaf(node: Node) -> Leaf:
    place = node.place
    leaf = _leaf("_".join(place.parts), node.rule, place.location, place.field_key)
    return _with_attribute(leaf, node.default, node.attribute)


def _attribute_of(value: Json) -> Attribute:
    """Return what is said of a property beside its value."""
    if not is_attribute_object(value):
        return Attribute()
    return attribute_of(value)


def editable_images(properties: Mapping[str, Any]) -> frozenset[str]:
    """Return the paths of the images that users may give a pass."""
    named = IMAGE_PATHS.keys() & properties.keys()
    return frozenset(path for path in named if _attribute_of(properties[path]).editable)


def _property_leaf(name: str, value: Json, shared: Leaf | None) -> Leaf:
    attribute = _attribute_of(value)
    if shared is not None and shared.source == "image":
        return _with_attribute(shared, shared.default, attribute)
    if is_attribute_object(value):
        value = value["value"]
    kind = "any"
    if isinstance(value, bool):
        kind = "boolean"
    elif is_list(value):
        kind = "list"
    elif is_object(value):
        kind = "object"
    rule = replace(free_rule(name), type=ValueType(kind))
    leaf = replace(_leaf(name, rule, ()), source="property")
    return _with_attribute(leaf, MISSING if value is None else value, attribute)


def survey(
    nodes: list[Node],
    style: str,
    properties: Mapping[str, Any],
    images: Mapping[str, str] | None = None,
) -> PathIndex:
    """Every path of a template: its skeleton's nodes, its additional properties, its images."""
    known = dict(shared_leaves())
    known.update((leaf.path, leaf) for leaf in _style_leaves(style))
    for node in nodes:
        if node.place.field_key is not None and len(node.place.location) == _FIELD_DEPTH:
            known.update((leaf.path, leaf) for leaf in _field_leaves(node))
    given: dict[str, Leaf] = {}
    aliases: dict[str, str] = {}
    if "barcode" not in {node.place.parts[0] for node in nodes}:
        _alias_first_barcode(nodes, known, aliases)
    # Values before containers: of a field `a` and a field `a_value` the first keeps the path
    # structure_…_a_value for its value.
    for node in sorted(nodes, key=lambda node: node.rule.type.is_container):
        leaf = _node_leaf(node)
        path = aliases.get(leaf.path, leaf.path)
        if path not in given:
            leaf = replace(leaf, path=path, label=node.attribute.label or path)
            known[path] = given[path] = leaf
    _pair_barcodes(known, given)
    _mark_numeric_fields(known, given)
    _add_images(images or {}, known)
    for name, value in properties.items():
        if name in IMAGE_PATHS or name not in known or name in SPECIAL_PROPERTIES:
            known[name] = given[name] = _property_leaf(name, value, known.get(name))
    if style:
        given[STYLE_PATH] = known[STYLE_PATH]
    aliases |= _old_paths(known, properties)
    containers = [leaf for leaf in known.values() if leaf.is_container and leaf.location]
    return PathIndex(
        style,
        known,
        given,
        aliases,
        frozenset(leaf.path for leaf in containers),
        {leaf.location: leaf.path for leaf in containers},
    )


def _add_images(images: Mapping[str, str], known: dict[str, Leaf]) -> None:
    for name, digest in images.items():
        path = f"images_{name}"
        if path in known:
            known[path] = replace(known[path], default=digest)


def _old_paths(known: Mapping[str, Leaf], properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the former names of paths, which go on naming them where nothing else took them."""
    moves = follow_moves(read_migrations(properties.get(MIGRATIONS_PATH)))
    return {old: new for old, new in moves.items() if old not in known and new in known}


def moved_fields(path_index: PathIndex) -> dict[str, str]:
    """Return where dynamic fields would stand in other groups → where they stand, path by path.

    Who fills them names them by key alone: what a pass was given follows them through the template.
    """
    moves: dict[str, str] = {}
    for leaf in path_index.given.values():
        if leaf.dynamic and leaf.is_field_value:
            stem = leaf.path.removesuffix("_value")
            for group in FIELD_GROUPS:
                other = f"{STRUCTURE_PATH}_{group}_{leaf.field_key}"
                for name in DYNAMIC_NAMES:
                    if f"{other}_{name}" not in path_index.known:
                        moves[f"{other}_{name}"] = f"{stem}_{name}"
    return moves


_FIELD_DEPTH: Final = 3


def _alias_first_barcode(
    nodes: list[Node], known: dict[str, Leaf], aliases: dict[str, str]
) -> None:
    """Without a `barcode`, `barcode_…` names the first of `barcodes`, if there is one."""
    if not any(node.place.location == ("barcodes", 0) for node in nodes):
        return
    for key in ("", *keys_of("Barcode")):
        tail = (key,) if key else ()
        path = "_".join(("barcode", *tail))
        location: Location = ("barcodes", 0, *tail)
        known[path] = replace(known[path], location=location, rank=(len(location), path))
        aliases["_".join(("barcodes", "0", *tail))] = path


def _mark_numeric_fields(known: dict[str, Leaf], given: dict[str, Leaf]) -> None:
    """Mark fields with a number style: Wallet shows nothing but numbers there."""
    for leaf in list(given.values()):
        if leaf.field_key is None or leaf.location[-1] not in {"numberStyle", "currencyCode"}:
            continue
        path = leaf.path.rpartition("_")[0] + "_value"
        known[path] = replace(known[path], is_numeric=True, needs_number=True)
        if path in given:
            given[path] = known[path]


def _pair_barcodes(known: dict[str, Leaf], given: dict[str, Leaf]) -> None:
    """With both, phones show `barcodes`: what is set on `barcode` must reach its twins there."""
    if "barcode" not in given or "barcodes_0" not in given:
        return
    entries = [index for index in range(len(given["barcodes"].default)) if _entry(index) in given]
    for key in ("message", "altText"):
        path = f"barcode_{key}"
        twins = tuple(
            ("barcodes", index, key)
            for index in entries
            if _default(given, f"{_entry(index)}_{key}") == _default(given, path)
        )
        _set_twins(path, twins, known, given)
    _set_twins("barcode", (("barcodes", 0),), known, given)


def _entry(index: int) -> str:
    return f"barcodes_{index}"


def _default(given: Mapping[str, Leaf], path: str) -> Json:
    return given[path].default if path in given else MISSING


def _set_twins(
    path: str, twins: tuple[Location, ...], known: dict[str, Leaf], given: dict[str, Leaf]
) -> None:
    known[path] = replace(known[path], twins=twins)
    if path in given:
        given[path] = known[path]


def pass_style(data: Mapping[str, Any]) -> str:
    """Return the style a skeleton has, or nothing."""
    return next((style for style in STYLES if style in data), "")
