"""Walks a template's pass skeleton by the registry: what stands where, and what is wrong."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.passes.schema.colours import has_alpha
from shared.passes.schema.findings import Findings
from shared.passes.schema.registry import IDENTITY_KEYS, KeyRule, free_rule, keys_of, lookup
from shared.passes.schema.validators import unknown_validators
from shared.passes.schema.values import MISSING, Json, UnfitError, accept, is_list, is_object, shown

ATTRIBUTE_KEYS: Final = frozenset(
    {
        "value",
        "editable",
        "dynamic",
        "label",
        "type",
        "options",
        "validation",
        "conditions",
        "step",
    }
)
BRACKET: Final = re.compile(r"\{([^{}]+)\}")

CONDITIONAL_OBJECTS: Final = frozenset({"FieldContent", "Barcode"})
_DEEPEST: Final = 32
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNFIT_KEY = re.compile(r"[{}\x00]")


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a template says of a value besides the value itself."""

    editable: bool = False
    dynamic: bool = False
    label: str | None = None
    input_type: str | None = None
    options: Json = None
    validation: Json = None
    conditions: Json = None
    # By how much an editor's stepper goes up and down.
    step: Json = None


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the skeleton, as keys and indexes, as parts of an API path and as JSON path."""

    location: tuple[str | int, ...] = ()
    parts: tuple[str, ...] = ()
    json_path: str = "$.pass"
    style: str = ""
    field_key: str | None = None
    # Field keys are unique within this part of the document.
    scope: tuple[str | int, ...] = ()

    def child(self, key: str | int, part: str | None = None) -> "Place":
        return replace(
            self,
            location=(*self.location, key),
            parts=(*self.parts, str(key) if part is None else part),
            json_path=self.json_path + json_step(key),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """One key of the skeleton with its rule and the template's value for it."""

    place: Place
    rule: KeyRule
    default: Json
    attribute: Attribute = field(default_factory=Attribute)


@dataclass(frozen=True, slots=True)
class Conditional:
    """A part of the pass that is shown only if something holds."""

    place: Place
    text: Json
    json_path: str


def json_step(key: str | int) -> str:
    """One step of a JSON path."""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{key!r}]"


def is_attribute_object(value: object) -> bool:
    """Whether an object at a place that the registry does not know is an attribute object."""
    return is_object(value) and "value" in value and value.keys() <= ATTRIBUTE_KEYS


def read_attribute(data: dict[str, Any], json_path: str, findings: Findings) -> Attribute:
    """Return the attribute object's own keys; faults in them are findings, never exceptions."""
    for key in ("editable", "dynamic"):
        if not isinstance(data.get(key, False), bool):
            findings.error("attribute", f"{json_path}.{key}", "true or false is needed")
    for key in ("label", "type"):
        if not isinstance(data.get(key, ""), str):
            findings.error("attribute", f"{json_path}.{key}", "a text is needed")
    for name in unknown_validators(data.get("validation")):
        findings.error("validation", f"{json_path}.validation", f"there is no validator {name}")
    for key in data.keys() - ATTRIBUTE_KEYS:
        findings.warn("unknown-key", json_path + json_step(key), "no such key of an attribute")
    return attribute_of(data)


def attribute_of(data: dict[str, Any]) -> Attribute:
    """Return the attribute object's own keys, without those that do not fit."""
    label, input_type = data.get("label"), data.get("type")
    return Attribute(
        editable=data.get("editable") is True,
        dynamic=data.get("dynamic") is True,
        label=label if isinstance(label, str) else None,
        input_type=input_type if isinstance(input_type, str) else None,
        options=data.get("options"),
        validation=data.get("validation"),
        conditions=data.get("conditions"),
        step=data.get("step"),
    )


class SkeletonWalk:
    """One walk: its lists fill up; each step returns plain JSON without the faults."""

    def __init__(self, style: str = "") -> None:
        self.nodes: list[Node] = []
        self.conditionals: list[Conditional] = []
        self.findings = Findings()
        self._style = style
        self._field_keys: set[tuple[tuple[str | int, ...], str]] = set()

    def walk_value(self, rule: KeyRule, value: Json, place: Place) -> Json:
        """Return the plain value, or MISSING if it is null or does not fit."""
        if len(place.location) > _DEEPEST:
            self.findings.error("too-deep", place.json_path, "nested too deeply")
            return MISSING
        attribute = Attribute()
        if rule.type.kind == "any":
            is_wrapped = is_attribute_object(value)
        else:
            is_wrapped = rule.type.kind != "object" and is_object(value)
        if is_wrapped:
            if not value.keys() & ATTRIBUTE_KEYS:
                self._unfit(place, f"{rule.type.text} is needed, or an attribute object")
                return MISSING
            attribute = read_attribute(value, place.json_path, self.findings)
            self._note_conditions(attribute.conditions, place)
            place = replace(place, json_path=place.json_path + ".value")
            value = value.get("value")
        node = Node(place, rule, value, attribute)
        if value is None:
            self.nodes.append(replace(node, default=MISSING))
            return MISSING
        step = self._steps.get(rule.type.kind)
        return step(self, node) if step else self._scalar(node)

    def walk_object(self, object_name: str, data: dict[str, Any], place: Place) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key, value in data.items():
            inner = place.child(key)
            if key == "conditions" and object_name in CONDITIONAL_OBJECTS:
                self._note_conditions(value, place)
                continue
            if object_name == "FieldContent" and key == "key":
                tree[key] = value
                continue
            result = self.walk_value(self._rule(object_name, key, inner), value, inner)
            if result is not MISSING:
                tree[key] = result
        return tree

    def walk_style(self, style: str, data: dict[str, Any]) -> dict[str, Any]:
        """Walk one style; its paths begin with `structure`, those of the poster with its name."""
        part = "structure" if style == self._style else style
        place = replace(Place().child(style, part), style=style)
        self.nodes.append(Node(place, _object_rule("Fields"), data))
        tree: dict[str, Any] = {}
        for key, value in data.items():
            inner = place.child(key)
            if key == "transitType" and style == self._style:
                inner = replace(inner, parts=("transitType",))
            result = self.walk_value(self._rule("Fields", key, inner), value, inner)
            if result is not MISSING:
                tree[key] = result
        return tree

    def _note_conditions(self, text: Json, place: Place) -> None:
        if text is not None and text != "":
            self.conditionals.append(Conditional(place, text, f"{place.json_path}.conditions"))

    def _rule(self, object_name: str, key: str, place: Place) -> KeyRule:
        rule = lookup(object_name, key)
        if rule is None:
            if object_name:
                self.findings.warn("unknown-key", place.json_path, "Wallet knows no such key")
            return free_rule(key)
        style = place.style or self._style
        if style and rule.styles and style not in rule.styles:
            styles = ", ".join(sorted(rule.styles))
            self.findings.warn("style", place.json_path, f"has no effect but on {styles}")
        return rule

    def _unfit(self, place: Place, detail: str) -> None:
        self.findings.error("type", place.json_path, detail)

    def _scalar(self, node: Node) -> Json:
        # A text with a bracket may become a date or a colour at composing; what the bracket names
        # is not known before the walk is over, so check_template looks at these again.
        if isinstance(node.default, str) and BRACKET.search(node.default):
            self.nodes.append(node)
            return node.default
        try:
            value = accept(node.rule, node.default)
        except UnfitError as error:
            self._unfit(node.place, str(error))
            return MISSING
        if node.rule.type.kind == "colour" and has_alpha(value):
            detail = "Wallet knows no transparency: the alpha value is left out"
            self.findings.warn("colour", node.place.json_path, detail)
        self.nodes.append(replace(node, default=value))
        return shown(node.rule, value)

    def _object(self, node: Node) -> Json:
        if not is_object(node.default):
            self._unfit(node.place, "an object is needed")
            return MISSING
        self.nodes.append(node)
        name = node.rule.type.name
        self._require_keys(name, node.default, node.place)
        return self.walk_object(name, node.default, node.place)

    def _require_keys(self, name: str, data: dict[str, Any], place: Place) -> None:
        for key in sorted(_required(name) - data.keys()):
            self.findings.warn("missing-key", place.json_path, f"{key} is needed by Wallet")

    def _list(self, node: Node) -> Json:
        try:
            items = accept(node.rule, node.default)
        except UnfitError as error:
            self._unfit(node.place, str(error))
            return MISSING
        self.nodes.append(node)
        rule = node.rule.item
        walk = self._field if rule.type.name == "FieldContent" else self._item
        kept = [walk(rule, item, node.place, index) for index, item in enumerate(items)]
        if any(entry is MISSING for entry in kept):
            # Positions must stay true for the nodes below, and an entry with faults keeps the
            # template from being saved, so a list with one is left out whole.
            return MISSING
        return kept

    def _item(self, rule: KeyRule, item: Json, place: Place, index: int) -> Json:
        inner = place.child(index)
        if item is None:
            self._unfit(inner, "an entry of a list may not be null")
            return MISSING
        if place.location == ("upcomingPassInformation",):
            inner = replace(inner, scope=inner.location)
        return self.walk_value(rule, item, inner)

    def _field(self, rule: KeyRule, item: Json, place: Place, index: int) -> Json:
        inner = place.child(index)
        if not is_object(item):
            self._unfit(inner, "a field is an object")
            return MISSING
        key = item.get("key")
        if not isinstance(key, str) or not key or _UNFIT_KEY.search(key):
            self.findings.error("field-key", inner.json_path, "a field needs a key, without { }")
            return MISSING
        if (place.scope, key) in self._field_keys:
            self.findings.error("duplicate-key", inner.json_path, f"the key {key!r} is used twice")
        self._field_keys.add((place.scope, key))
        inner = replace(place.child(index, key), field_key=key)
        self.nodes.append(Node(inner, replace(rule, key=key), item))
        self._check_formats(item, inner)
        return self.walk_object("FieldContent", item, inner)

    def _check_formats(self, item: dict[str, Any], place: Place) -> None:
        change = _plain(item.get("changeMessage"))
        if isinstance(change, str) and "%@" not in change:
            path = f"{place.json_path}.changeMessage"
            self.findings.warn("change-message", path, "without %@ no message is shown")
        if item.get("currencyCode") is not None and item.get("numberStyle") is not None:
            detail = "currencyCode and numberStyle exclude each other"
            self.findings.error("currency", place.json_path, detail)

    def _any(self, node: Node) -> Json:
        if is_object(node.default):
            self.nodes.append(node)
            tree = self.walk_object("", node.default, node.place)
            # Without its nulls it may read as an attribute object, as it would the next time.
            is_other = tree.keys() != node.default.keys() and is_attribute_object(tree)
            return tree["value"] if is_other else tree
        if not is_list(node.default):
            return self._scalar(node)
        self.nodes.append(node)
        kept = [
            self.walk_value(free_rule(""), item, node.place.child(index))
            for index, item in enumerate(node.default)
        ]
        return [None if entry is MISSING else entry for entry in kept]

    _steps: Final[dict[str, Callable[["SkeletonWalk", Node], Any]]] = {
        "object": _object,
        "list": _list,
        "any": _any,
    }


def _plain(value: Json) -> Json:
    return value.get("value") if is_object(value) else value


def _object_rule(name: str) -> KeyRule:
    base = free_rule("")
    return replace(base, type=replace(base.type, kind="object", name=name))


def _required(name: str) -> set[str]:
    # A field may get its value from the pass, and its key has a finding of its own.
    return {key for key, rule in keys_of(name).items() if rule.required} - {"key", "value"}


def walk_pass(data: dict[str, Any], style: str) -> tuple[dict[str, Any], SkeletonWalk]:
    """Return the whole skeleton as plain JSON, with the nodes and findings of the walk."""
    walk = SkeletonWalk(style)
    tree: dict[str, Any] = {}
    for key, value in data.items():
        place = Place().child(key)
        if key in IDENTITY_KEYS:
            walk.findings.warn("identity", place.json_path, f"{key} is set by Passwright")
            continue
        rule = lookup("Pass", key)
        if rule is not None and rule.type.name == "Fields":
            if not is_object(value):
                walk.findings.error("type", place.json_path, "an object of field groups is needed")
            elif not style or key in {style, "posterGeneric"}:
                tree[key] = walk.walk_style(key, value)
            continue
        result = walk.walk_object("Pass", {key: value}, Place()).get(key, MISSING)
        if result is not MISSING:
            tree[key] = result
    return tree, walk
