"""The keys of pass.json as data: what each may hold, where, and from which iOS on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Final

STYLES: Final = ("boardingPass", "coupon", "eventTicket", "generic", "storeCard")
POSTER_STYLE: Final = "posterGeneric"
FIELD_GROUPS: Final = (
    "headerFields",
    "primaryFields",
    "secondaryFields",
    "auxiliaryFields",
    "backFields",
    "additionalInfoFields",
    "footerFields",
)
IDENTITY_KEYS: Final = frozenset(
    {
        "formatVersion",
        "passTypeIdentifier",
        "teamIdentifier",
        "serialNumber",
        "authenticationToken",
        "webServiceURL",
        "voided",
    }
)

_SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "date", "colour", "value"})
_ENUMERATION_VALUE: Final = "enumeration value"


@dataclass(frozen=True, slots=True)
class ValueType:
    """What a key may hold: a scalar, "any", a named "enumeration" or "object", or a "list"."""

    kind: str
    name: str = ""
    item: "ValueType | None" = None

    @property
    def text(self) -> str:
        """The type in words, for findings and editors."""
        return f"list of {self.item.text}" if self.item else self.name or self.kind

    @property
    def is_container(self) -> bool:
        return self.kind in {"object", "list"}


@dataclass(frozen=True, slots=True)
class KeyRule:
    """One line of the registry."""

    object_name: str
    key: str
    type: ValueType
    required: bool = False
    styles: frozenset[str] = field(default_factory=frozenset[str])
    maximum_items: int | None = None
    maximum_bytes: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    minimum_ios: int | None = None

    @property
    def item(self) -> "KeyRule":
        """The rule of one entry of a list; the limits of the list are not the entry's."""
        return replace(
            self,
            type=self.type.item or ValueType("any"),
            required=False,
            maximum_items=None,
        )


def free_rule(key: str) -> KeyRule:
    """Return the rule of a key that the registry does not know: anything goes."""
    return KeyRule("", key, ValueType("any"))


def lookup(object_name: str, key: str) -> KeyRule | None:
    """Return the rule of a key, or None if the object has no such key."""
    return _RULES.get(object_name, {}).get(key)


def keys_of(object_name: str) -> Mapping[str, KeyRule]:
    """All keys an object may have."""
    return _RULES.get(object_name, {})


def object_names() -> tuple[str, ...]:
    """Return the objects that have keys."""
    return tuple(_RULES)


def enumeration_names() -> tuple[str, ...]:
    """Return the enumerations that keys name."""
    return tuple(
        dict.fromkeys(
            kind.name
            for rules in _RULES.values()
            for rule in rules.values()
            if (kind := rule.type.item or rule.type).kind == "enumeration"
        )
    )


def enumeration(name: str) -> frozenset[str]:
    """Return the words an enumerated key may hold."""
    return _ENUMERATIONS[name]


def _read_rows() -> list[list[str]]:
    text = files(__package__ or "shared.passes.schema").joinpath("keys.tsv").read_text("utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]


def _value_type(text: str, enumerations: Mapping[str, frozenset[str]]) -> ValueType:
    if text.startswith("list of "):
        return ValueType("list", item=_value_type(text.removeprefix("list of "), enumerations))
    if text in _SCALARS or text == "any":
        return ValueType(text)
    return ValueType("enumeration" if text in enumerations else "object", text)


def _rule(row: list[str], enumerations: Mapping[str, frozenset[str]]) -> KeyRule:
    object_name, key, type_text, required, styles, limit, minimum_ios = row
    low, ranged, high = limit.partition("..")
    return KeyRule(
        object_name=object_name,
        key=key,
        type=_value_type(type_text, enumerations),
        required=required == "required",
        styles=frozenset(styles.split()),
        maximum_items=int(limit.removeprefix("items<=")) if limit.startswith("items<=") else None,
        maximum_bytes=int(limit.removeprefix("bytes<=")) if limit.startswith("bytes<=") else None,
        minimum=int(low) if ranged else None,
        maximum=int(high) if high else None,
        minimum_ios=int(minimum_ios) if minimum_ios else None,
    )


def _parse() -> tuple[dict[str, dict[str, KeyRule]], dict[str, frozenset[str]]]:
    rows = _read_rows()
    words: dict[str, set[str]] = {"PassType": set(STYLES)}
    for row in rows:
        if row[2] == _ENUMERATION_VALUE:
            words.setdefault(row[0], set()).add(row[1])
    enumerations = {name: frozenset(values) for name, values in words.items()}
    rules: dict[str, dict[str, KeyRule]] = {}
    for row in rows:
        if row[2] != _ENUMERATION_VALUE:
            rules.setdefault(row[0], {})[row[1]] = _rule(row, enumerations)
    return rules, enumerations


_RULES, _ENUMERATIONS = _parse()
