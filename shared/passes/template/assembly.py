"""Lays a pass's own values over its template, copying only what is touched."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from shared.passes.language.magic import Expansion, Parts
from shared.passes.language.paths import Leaf, Location, PathIndex
from shared.passes.language.state import PassState
from shared.passes.schema.registry import FIELD_GROUPS, POSTER_STYLE
from shared.passes.schema.values import (
    Json,
    UnfitError,
    convert,
    is_list,
    is_object,
    parse_number,
    shown,
    to_text,
)

_FIELD_DEPTH: Final = 3
TEXT_KINDS: Final = frozenset({"string", "value", "any"})


def fit(leaf: Leaf, value: Json) -> Json:
    """Return the value as the leaf carries it, or UnfitError; null stays, it hides the key."""
    if value is None:
        return None
    if leaf.is_numeric and isinstance(value, str):
        number = parse_number(value)
        # "0012345" and "+491701234567" are no numbers but texts of digits; beside a currency or a
        # number style Wallet shows nothing but numbers.
        if number is not None and (leaf.needs_number or to_text(number) == value):
            return convert(leaf.rule, number)
    return convert(leaf.rule, value)


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A text of the template with brackets in it, and how it goes onto the pass."""

    leaf: Leaf
    parts: Parts
    is_markup: bool
    # Whether any text will do there; if not, the expanded text must fit the key.
    is_free: bool
    holder: Location
    key: str | int

    @classmethod
    def of(cls, leaf: Leaf, parts: Parts) -> "PlacedText":
        is_free = leaf.rule.type.kind in TEXT_KINDS
        *holder, key = leaf.location
        return cls(leaf, parts, key == "attributedValue", is_free, tuple(holder), key)


def choose_values(
    path_index: PathIndex, state: PassState, expansion: Expansion | None = None
) -> list[tuple[Leaf, Any]]:
    """Return the values that have a place on the pass, containers first.

    With an expansion those that may be expanded are.
    """
    chosen: list[tuple[Leaf, Any]] = []
    known = path_index.known
    for path, value in state.values.items():
        leaf = known.get(path)
        if leaf is None or not leaf.location:
            continue
        if expansion is not None and state.may_expand(path):
            value = expansion.expand_own(leaf, value)  # noqa: PLW2901  the value as it is shown
        try:
            chosen.append((leaf, shown(leaf.rule, fit(leaf, value))))
        except UnfitError:
            continue
    # In the order of ranks, since jsonb and callers keep no order of their own.
    chosen.sort(key=_by_rank)
    return chosen


class Assembly:
    """One composing in work: `document` shares with the template all that nobody has touched."""

    __slots__ = ("_covered", "_owned", "_style", "document", "has_gaps")

    def __init__(self, base: dict[str, Any], style: str) -> None:
        self.document = base.copy()
        # Whether a field may have been left without a value.
        self.has_gaps = False
        self._style = style
        self._owned: dict[Location, Json] = {(): self.document}
        self._covered: list[Location] = []

    def own_containers(self, containers: list[Location]) -> None:
        """Copy containers that are sure to be touched, outer ones first."""
        owned = self._owned
        for location in containers:
            holder = owned[location[:-1]]
            owned[location] = holder[location[-1]] = holder[location[-1]].copy()

    def add_texts(self, texts: list[PlacedText], expansion: Expansion, own: set[str]) -> None:
        """Expand the template's texts, except where the pass has a value of its own."""
        owned = self._owned
        for placed in texts:
            leaf = placed.leaf
            if leaf.path in own:
                continue
            if placed.is_markup:
                text: Json = expansion.expand_html(placed.parts, leaf.path)
            else:
                text = expansion.expand(placed.parts, leaf.path)
            if not placed.is_free:
                try:
                    text = shown(leaf.rule, convert(leaf.rule, text))
                except UnfitError:
                    self.put(leaf.location, None)
                    continue
            holder = owned.get(placed.holder)
            if holder is not None:
                holder[placed.key] = text

    def add_values(self, chosen: list[tuple[Leaf, Any]]) -> None:
        """Put in what `choose_values` has chosen."""
        for leaf, value in chosen:
            self._add_value(leaf, value)

    def _add_value(self, leaf: Leaf, value: Json) -> None:
        location = self.locate(leaf)
        if leaf.is_container:
            self.has_gaps = True
            if leaf.field_key is not None and len(location) == _FIELD_DEPTH and is_object(value):
                value = {**value, "key": leaf.field_key}
            self._forget(location)
            self._covered.append(location)
        elif leaf.field_key is not None and value is None:
            self.has_gaps = True
        self.put(location, value)
        for twin in leaf.twins:
            if leaf.is_container:
                self._forget(twin)
            self.put(twin, value)

    def put(self, location: Location, value: Json) -> None:
        key = location[-1]
        holder = self._owned.get(location[:-1])
        if holder is None:
            holder = self._open(location, len(location) - 1)
        if is_object(holder) and isinstance(key, str):
            if value is None:
                holder.pop(key, None)
            else:
                holder[key] = value
        elif is_list(holder) and isinstance(key, int) and key < len(holder) and value is not None:
            holder[key] = value

    def locate(self, leaf: Leaf) -> Location:
        """Where the leaf stands now; fields set as a whole may come in another order."""
        location = leaf.location
        if not self._covered or leaf.field_key is None:
            return location
        group = location[:2]
        fields = self.at(group)
        if is_list(fields):
            for index, entry in enumerate(fields):
                if is_object(entry) and entry.get("key") == leaf.field_key:
                    return (*group, index, *location[3:])
            # Beyond the end, where nothing is put.
            return (*group, len(fields), *location[3:])
        return location

    def value_at(self, leaf: Leaf) -> Json:
        return self.at(self.locate(leaf))

    def has_at(self, location: Location) -> bool:
        return self.at(location) is not None

    def drop_fields_without_value(self) -> None:
        """Wallet silently refuses a pass with a field that has no value."""
        for style in (self._style, POSTER_STYLE):
            fields = self.document.get(style)
            if is_object(fields):
                self.document[style] = dict(_complete_groups(fields))

    def at(self, location: Location) -> Json:
        found: Any = self.document
        for key in location:
            if is_object(found) and isinstance(key, str):
                found = found.get(key)
            elif is_list(found) and isinstance(key, int) and key < len(found):
                found = found[key]
            else:
                return None
        return found

    def _forget(self, location: Location) -> None:
        depth = len(location)
        for owned in [owned for owned in self._owned if owned[:depth] == location]:
            del self._owned[owned]

    def _open(self, target: Location, depth: int) -> Json:
        """Return this pass's own copy of the container at the first `depth` steps, if any."""
        location = target[:depth]
        owned = self._owned.get(location)
        if owned is not None:
            return owned
        holder: Json = self._open(target, depth - 1)
        key = location[-1]
        found: Any = None
        if is_object(holder):
            found = holder.get(str(key))
            if found is None and isinstance(target[depth], str):
                found = {}
        elif is_list(holder) and isinstance(key, int) and key < len(holder):
            found = holder[key]
        if is_object(found) or is_list(found):
            copy: Json = found.copy()
        else:
            return None
        self._owned[location] = copy
        _replace(holder, key, copy)
        return copy


def _replace(holder: Json, key: str | int, value: Json) -> None:
    holder[key] = value


def _by_rank(entry: tuple[Leaf, Any]) -> tuple[int, str]:
    return entry[0].rank


def _complete_groups(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for group, entries in fields.items():
        if group in FIELD_GROUPS and is_list(entries):
            yield group, [_with_value(entry) for entry in entries if _has_value(entry)]
        else:
            yield group, entries


def _has_value(entry: Json) -> bool:
    """Whether a field shows something: its value, or the marked-up form of one."""
    return is_object(entry) and not (
        entry.get("value") is None and entry.get("attributedValue") is None
    )


def _with_value(entry: Json) -> Json:
    """Give a field that has only an attributedValue the value that Wallet wants beside it."""
    return entry if entry.get("value") is not None else {**entry, "value": ""}
