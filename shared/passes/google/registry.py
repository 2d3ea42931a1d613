"""The keys of Google Wallet's classes and objects as data: `keys.tsv`, which explains itself."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal, TypeAlias

Part: TypeAlias = Literal["class", "object"]

TYPES: Final = ("loyalty", "generic", "eventTicket", "offer", "giftCard", "transit", "flight")
SCALARS: Final = frozenset({"string", "boolean", "int32", "int64", "double"})
"""Kinds that hold one value; `int64` is text of decimal digits. Every other kind names a type."""

_LIMIT: Final = re.compile(r"(items|chars|advised)<=(\d+)")
_RANGE: Final = re.compile(r"(-?\d+)\.\.(-?\d+)")
_RIVAL: Final = re.compile(r"not with (\w+)")
_COLUMNS: Final = 7


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a class, an object or a type that stands in them."""

    name: str
    kind: str
    is_list: bool = False
    enumeration: str = ""
    is_required: bool = False
    is_deprecated: bool = False
    is_of_google: bool = False
    """Set by Google, never sent."""
    is_for_one_request: bool = False
    needs_agreement: bool = False
    maximum_items: int | None = None
    maximum_characters: int | None = None
    advised_characters: int | None = None
    """Longer texts may be cut on a screen."""
    minimum: int | None = None
    maximum: int | None = None
    rival: str = ""
    """The key beside which it may not stand."""
    is_one_of_siblings: bool = False
    """Whether it is one of those of its type of which there is exactly one."""
    note: str = ""

    @property
    def text(self) -> str:
        """What it takes, in words."""
        word = {"string": "text", "int64": "text of digits", "int32": "whole number"}
        word |= {"double": "number", "boolean": "true or false"}
        one = word.get(self.kind, self.kind)
        return f"a list of {one}" if self.is_list else one


@dataclass(frozen=True, slots=True)
class Enumeration:
    """The words that a key takes, and older ones that Google still takes for them."""

    words: frozenset[str]
    aliases: Mapping[str, str]
    """Older word → the word."""


def keys_of(google_type: str, part: Part) -> Mapping[str, Key]:
    """Return the keys of the class or the object of one of TYPES."""
    return _KEYS[f"{google_type} {part}"]


def keys_of_type(kind: str) -> Mapping[str, Key]:
    """Return the keys of a type such as `LocalizedString`; those of a class or an object too."""
    return _KEYS[kind]


def enumeration(name: str) -> Enumeration:
    """Return an enumeration that a key names."""
    return _ENUMERATIONS[name]


def _rows() -> Iterator[tuple[str, list[str]]]:
    """Give each row of each table of the file, with the first word of its heading."""
    text = files("shared.passes.google").joinpath("keys.tsv").read_text("utf-8")
    table = ""
    for line in text.splitlines():
        row = line.split("\t")
        if row[0] in {"types", "enum", "method"}:
            table = row[0]
        elif line and not line.startswith("#"):
            yield table, row


def _key(row: list[str]) -> Key:
    _, _, name, kind, enum, flags, note = row
    limits = {word: int(limit) for word, limit in _LIMIT.findall(note)}
    span, rival = _RANGE.search(note), _RIVAL.search(note)
    return Key(
        name=name,
        kind=kind.removesuffix("[]"),
        is_list=kind.endswith("[]"),
        enumeration=enum,
        is_required="R" in flags,
        is_deprecated="D" in flags,
        is_of_google="O" in flags,
        is_for_one_request="E" in flags,
        needs_agreement="G" in flags,
        maximum_items=limits.get("items"),
        maximum_characters=limits.get("chars"),
        advised_characters=limits.get("advised"),
        minimum=int(span[1]) if span else None,
        maximum=int(span[2]) if span else None,
        rival=rival[1] if rival else "",
        is_one_of_siblings="one of siblings" in note,
        note=note,
    )


def _types_of(column: str) -> list[str]:
    """Read which types have a key: `all`, `all -generic`, `transit flight`."""
    words = column.split()
    if words[0] == "all":
        return [name for name in TYPES if f"-{name}" not in words]
    return words


def _read_keys() -> dict[str, dict[str, Key]]:
    keys: dict[str, dict[str, Key]] = {}
    for table, cells in _rows():
        if table != "types":
            continue
        row = cells + [""] * (_COLUMNS - len(cells))
        key = _key(row)
        if row[0] == "type":
            keys.setdefault(row[1], {})[key.name] = key
        else:
            for google_type in _types_of(row[0]):
                keys.setdefault(f"{google_type} {row[1]}", {})[key.name] = key
    for google_type in TYPES:
        for part in ("class", "object"):
            name = google_type[0].upper() + google_type[1:] + part.capitalize()
            keys[name] = keys[f"{google_type} {part}"]
    return keys


def _read_enumerations() -> dict[str, Enumeration]:
    enumerations: dict[str, Enumeration] = {}
    for table, row in _rows():
        if table == "enum":
            words = {_plain(word): word for word in row[1].split()}
            aliases = {alias: words[_plain(alias)] for alias in " ".join(row[2:]).split()}
            enumerations[row[0]] = Enumeration(frozenset(words.values()), aliases)
    return enumerations


def _plain(word: str) -> str:
    """Fold what an alias writes otherwise: `qrCode` of QR_CODE."""
    return word.replace("_", "").upper()


_KEYS: Final = _read_keys()
_ENUMERATIONS: Final = _read_enumerations()
