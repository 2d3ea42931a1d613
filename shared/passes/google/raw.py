"""Parts of a class or an object that a template gives in Google's own words."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.passes.google.registry import Key, Part, enumeration, keys_of, keys_of_type
from shared.passes.language.magic import Expansion, Fill, parse, unknown_paths
from shared.passes.language.paths import PathIndex
from shared.passes.schema.findings import Findings
from shared.passes.schema.skeleton import BRACKET, json_step
from shared.passes.schema.values import (
    MISSING,
    Json,
    is_list,
    is_number,
    is_object,
    parse_number,
)

OUR_KEYS: Final = frozenset({"id", "classId", "state", "reviewStatus"})
"""Passwright alone says what stands there."""

MAX_INT32: Final = 2**31 - 1
_TEXT_KINDS: Final = frozenset({"string", "int64"})


class RawPart:
    """The raw part of a class or an object, cleaned of what Google would refuse.

    In an object, texts with brackets stand for what they become; in a class they are plain text.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        google_type: str,
        part: Part,
        path_index: PathIndex,
        findings: Findings,
    ) -> None:
        self._path_index = path_index
        self._findings = findings
        self._may_expand = part == "object"
        path = f"$.google.{part}"
        keys = keys_of(google_type, part)
        ours = [key for key in data if key in OUR_KEYS or _is_refused(keys.get(key))]
        for key in ours:
            findings.error("google-key", path + json_step(key), "may not be set by a template")
        given = {key: value for key, value in data.items() if key not in ours}
        self.cleaned = self._object(keys, given, path)
        self.is_empty = not self.cleaned
        self.fill: Fill = _filler_of_object(keys, self.cleaned, path_index)

    def _object(self, keys: Mapping[str, Key], data: Mapping[str, Any], path: str) -> Json:
        cleaned: dict[str, Any] = {}
        for name, value in data.items():
            inner = path + json_step(name)
            key = keys.get(name)
            if key is None:
                self._findings.warn(
                    "unknown-key", inner, "Google Wallet knows no such key: left out"
                )
                continue
            if key.is_deprecated:
                self._findings.warn("google-deprecated", inner, "Google has given up this key")
            if key.needs_agreement:
                self._findings.warn("google-agreement", inner, "needs an agreement with Google")
            found = None if value is None else self._value(key, value, inner)
            if found is not MISSING:
                cleaned[name] = found
        return cleaned

    def _value(self, key: Key, value: Json, path: str) -> Json:
        if not key.is_list:
            return self._one(key, value, path)
        if not is_list(value):
            return self._unfit(key.text, path)
        entries = [self._one(key, entry, f"{path}[{at}]") for at, entry in enumerate(value)]
        if any(entry is MISSING for entry in entries):
            return MISSING
        # A list is sent as it is: nothing is there that a null in it could remove.
        return [merge({}, entry) if is_object(entry) else entry for entry in entries]

    def _one(self, key: Key, value: Json, path: str) -> Json:
        if isinstance(value, str) and BRACKET.search(value) and self._expands(key, value, path):
            return value
        if key.enumeration:
            return self._word(key, value, path)
        if check := _CHECKS.get(key.kind):
            return value if check(value) else self._unfit(key.text, path)
        if not is_object(value):
            return self._unfit(f"an object ({key.kind})", path)
        return self._object(keys_of_type(key.kind), value, path)

    def _expands(self, key: Key, text: str, path: str) -> bool:
        """Tell whether this becomes something else on each pass."""
        means_something = parse(text, self._path_index) is not None
        if not self._may_expand:
            if means_something:
                detail = "brackets stay text here: a class is the same for all passes"
                self._findings.warn("google-class-text", path, detail)
            return False
        for name in unknown_paths(text, self._path_index):
            self._findings.warn("unknown-path", path, f"{{{name}}} names no path and stays text")
        return means_something and key.kind in _CHECKS

    def _word(self, key: Key, value: Json, path: str) -> Json:
        known = enumeration(key.enumeration)
        if isinstance(value, str) and value in known.aliases:
            word = known.aliases[value]
            self._findings.warn("google-alias", path, f"an older word for {word}")
            return word
        if isinstance(value, str) and value in known.words:
            return value
        return self._unfit(f"one of {', '.join(sorted(known.words))}", path)

    def _unfit(self, wanted: str, path: str) -> Json:
        self._findings.error("type", path, f"{wanted} is needed")
        return MISSING


def merge(target: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a merge patch (RFC 7396) over a document: null removes, lists are replaced whole."""
    merged = target.copy()
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif is_object(value):
            below = merged.get(key)
            merged[key] = merge(below if is_object(below) else {}, value)
        else:
            merged[key] = value
    return merged


def _is_refused(key: Key | None) -> bool:
    return key is not None and (key.is_of_google or key.is_for_one_request)


def _is_int32(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INT32


def _is_int64(value: Json) -> bool:
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    return digits.isascii() and digits.isdigit() and len(digits) <= len(str(2**63))


_CHECKS: Final[Mapping[str, Callable[[Json], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "double": is_number,
    "int32": _is_int32,
    "int64": _is_int64,
}


def _filler_of_object(
    keys: Mapping[str, Key], data: Mapping[str, Any], path_index: PathIndex
) -> Fill:
    """Return what makes the part of one pass; what its brackets make unfit is left out."""
    members = {name: _filler(keys[name], value, path_index) for name, value in data.items()}

    def fill(expansion: Expansion) -> dict[str, Any]:
        filled = {name: member(expansion) for name, member in members.items()}
        return {name: value for name, value in filled.items() if value is not MISSING}

    return fill


def _filler(key: Key, value: Json, path_index: PathIndex) -> Fill:
    if is_list(value):
        fillers = [_filler(key, entry, path_index) for entry in value]
        return lambda expansion: [
            entry for filler in fillers if (entry := filler(expansion)) is not MISSING
        ]
    if is_object(value):
        return _filler_of_object(keys_of_type(key.kind), value, path_index)
    parts = parse(value, path_index) if isinstance(value, str) else None
    if parts is None:
        return lambda _expansion: value
    return lambda expansion: _converted(key, expansion.expand(parts, ""))


def _converted(key: Key, text: str) -> Json:
    """Return what a text with brackets has become, as its key takes it, or MISSING."""
    value: Json = text
    if key.enumeration:
        known = enumeration(key.enumeration)
        value = known.aliases.get(text, text)
        return value if value in known.words else MISSING
    if key.kind == "boolean":
        value = {"true": True, "false": False}.get(text.strip().lower())
    elif key.kind not in _TEXT_KINDS:
        value = parse_number(text)
    return value if _CHECKS[key.kind](value) else MISSING
