"""Whether a JSON value fits its key, and the form in which the pass carries it."""

import html
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, TypeGuard

import orjson

from shared.passes.schema.colours import normalise_colour
from shared.passes.schema.registry import KeyRule, enumeration
from shared.passes.schema.strings import normal_date

# Any JSON value: what stands in templates and passes is typed by the registry, not by Python.
Json: TypeAlias = Any
Steps: TypeAlias = tuple[str | int, ...]

MISSING: Final[Json] = object()
MAX_NUMBER: Final = 10**15
MAX_INTEGER: Final = 2**63 - 1
"""The largest that our JSON library writes."""

_NUMBER = re.compile(r"[+-]?\d{1,16}(\.\d{1,12})?", re.ASCII)
_LEADING_NUMBER = re.compile(r"\s*([+-]?\d{1,16}(?:\.\d{1,12})?)", re.ASCII)
TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on"})
"""What people write for true, in small letters."""

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)", re.ASCII)

# An even number of backslashes before it, or it is a backslash followed by plain text.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class UnfitError(ValueError):
    """The value does not fit its key; the text says why."""


def holds_nul(raw: bytes) -> bool:
    """Whether JSON text holds an escaped NUL, which PostgreSQL cannot store."""
    return b"\\u0000" in raw and _NUL.search(raw) is not None


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def texts_within(value: Json) -> Iterator[tuple[Steps, str]]:
    """Give every text that a value is or holds, with the keys and indexes that lead to it.

    Steps instead of pointers: a long key would be copied for each text below it.
    """
    waiting: list[Iterator[tuple[Steps, Json]]] = [iter([((), value)])]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
            continue
        steps, found = entry
        if isinstance(found, str):
            yield steps, found
        elif is_object(found) or is_list(found):
            waiting.append(_entries(steps, found))


def _entries(steps: Steps, holder: dict[str, Any] | list[Any]) -> Iterator[tuple[Steps, Json]]:
    entries = holder.items() if isinstance(holder, dict) else enumerate(holder)
    return (((*steps, step), entry) for step, entry in entries)


def json_pointer(steps: Iterable[str | int]) -> str:
    """Write steps as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def unescape_pointer(text: str) -> str:
    """Read `/` and `~` in what a JSON pointer says (RFC 6901)."""
    return text.replace("~1", "/").replace("~0", "~")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether this is a number; true and false are none, though Python says so."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_date(value: object) -> bool:
    """Whether this is ISO 8601 with a zone, as Wallet reads it: seconds optional, no fractions."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def parse_number(text: str) -> int | float | None:
    """Return the number a text spells out, or None."""
    text = text.strip()
    return plain_number(Decimal(text)) if _NUMBER.fullmatch(text) else None


def force_number(value: object) -> Decimal:
    """Return a number out of anything: its own, the one a text begins with, or nought."""
    if isinstance(value, bool):
        return Decimal(int(value))
    if is_number(value):
        return Decimal(repr(value)) if math.isfinite(value) else Decimal(0)
    matched = _LEADING_NUMBER.match(value) if isinstance(value, str) else None
    try:
        return Decimal(matched[1]) if matched else Decimal(0)
    except InvalidOperation:
        return Decimal(0)


def plain_number(number: Decimal) -> int | float:
    """Return an int where it is whole, else the nearest float."""
    return int(number) if number == number.to_integral_value() else float(number)


def to_text(value: Json) -> str:
    """Return a value as it stands inside a text: no exponents, nothing for null."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0") if math.isfinite(value) else ""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def escape_html(text: str) -> str:
    return html.escape(text, quote=True)


def shown(rule: KeyRule, value: Json) -> Json:
    """Return a value that fits in the form in which a pass carries it: colours in the normal one.

    Values themselves keep the form in which they were set.
    """
    if rule.type.kind == "colour" and isinstance(value, str):
        return normalise_colour(value)
    return value


def accept(rule: KeyRule, value: Json) -> Json:
    """Return the value if it fits its key, or UnfitError; nothing is guessed."""
    return _ACCEPT[rule.type.kind](rule, value)


def convert(rule: KeyRule, value: Json) -> Json:
    """Like accept, but takes a number or a truth value written as text, and a number for a text."""
    kind = rule.type.kind
    if isinstance(value, str):
        if kind in {"number", "integer"} and (number := parse_number(value)) is not None:
            value = number
        elif kind == "boolean" and value.lower() in {"true", "false"}:
            value = value.lower() == "true"
    elif kind == "string" and is_number(value):
        value = to_text(value)
    return _ACCEPT[kind](rule, value)


def _accept_string(rule: KeyRule, value: Json) -> str:
    if not isinstance(value, str):
        raise UnfitError("a text is needed")
    if rule.maximum_bytes is not None and len(value.encode()) > rule.maximum_bytes:
        raise UnfitError(f"at most {rule.maximum_bytes} bytes")
    return value


def _accept_number(rule: KeyRule, value: Json) -> int | float:
    if not is_number(value) or not math.isfinite(value):
        raise UnfitError("a number is needed")
    low, high = rule.minimum, rule.maximum
    if low is not None and high is None and value < low:
        raise UnfitError(f"a number of at least {low} is needed")
    if low is not None and high is not None and not low <= value <= high:
        raise UnfitError(f"a number from {low} to {high} is needed")
    return value


def _accept_integer(rule: KeyRule, value: Json) -> int:
    number = _accept_number(rule, value)
    if number != int(number):
        raise UnfitError("a whole number is needed")
    if not -MAX_INTEGER - 1 <= number <= MAX_INTEGER:
        raise UnfitError("a whole number of at most 64 bits is needed")
    return int(number)


def _accept_boolean(_rule: KeyRule, value: Json) -> bool:
    if not isinstance(value, bool):
        raise UnfitError("true or false is needed")
    return value


def _accept_date(_rule: KeyRule, value: Json) -> str:
    value = normal_date(value) if isinstance(value, str) else value
    if not is_date(value):
        raise UnfitError("a date such as 2027-01-31T18:30:00+01:00 is needed, with its zone")
    return value


def _accept_colour(_rule: KeyRule, value: Json) -> str:
    if not isinstance(value, str) or normalise_colour(value) is None:
        raise UnfitError("a colour such as rgb(12, 34, 56), #0c2238 or navy is needed")
    return value


def _accept_enumeration(rule: KeyRule, value: Json) -> str:
    words = enumeration(rule.type.name)
    if not isinstance(value, str) or value not in words:
        raise UnfitError(f"one of {', '.join(sorted(words))} is needed")
    return value


def _accept_value(_rule: KeyRule, value: Json) -> str | int | float:
    if isinstance(value, str):
        return value
    if not is_number(value) or not math.isfinite(value):
        raise UnfitError("a text, a number or a date is needed")
    return value


def _accept_object(_rule: KeyRule, value: Json) -> dict[str, Any]:
    if not is_object(value):
        raise UnfitError("an object is needed")
    return value


def _accept_list(rule: KeyRule, value: Json) -> list[Any]:
    if not is_list(value):
        raise UnfitError("a list is needed")
    if rule.maximum_items is not None and len(value) > rule.maximum_items:
        raise UnfitError(f"at most {rule.maximum_items} entries")
    return value


def _accept_any(_rule: KeyRule, value: Json) -> Json:
    return value


_ACCEPT: Final[dict[str, Callable[[KeyRule, Any], Any]]] = {
    "string": _accept_string,
    "number": _accept_number,
    "integer": _accept_integer,
    "boolean": _accept_boolean,
    "date": _accept_date,
    "colour": _accept_colour,
    "enumeration": _accept_enumeration,
    "value": _accept_value,
    "object": _accept_object,
    "list": _accept_list,
    "any": _accept_any,
}
