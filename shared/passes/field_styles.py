"""Fields whose style asks for a number or a date: what Wallet shows there, and what it refuses."""

from collections.abc import Iterator
from typing import Any, Final

from shared.passes.registry import FIELD_GROUPS, POSTER_STYLE
from shared.passes.strings import normal_date
from shared.passes.values import Json, is_date, is_list, is_number, is_object, parse_number

NUMBER_KEYS: Final = ("currencyCode", "numberStyle")
DATE_KEYS: Final = ("dateStyle", "timeStyle")
STYLE_KEYS: Final = (*NUMBER_KEYS, *DATE_KEYS)
OWN_STYLES: Final = tuple(f"_{key}" for key in STYLE_KEYS)
"""How the paths end by which a pass has a style of its own."""

_DATE_ONLY: Final = ("isRelative", "ignoresTimeZone")


def has_style(field: Json) -> bool:
    """Whether a field's value must be a number or a date."""
    return is_object(field) and any(field.get(key) is not None for key in STYLE_KEYS)


def settled(field: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return a field as Wallet takes it, and what was wrong with its value, if anything was.

    A value that spells out the number or the date that is needed becomes one. One that does not
    is shown as the text it is, without the style that would make Wallet refuse the pass.
    """
    value = field.get("value")
    if any(field.get(key) is not None for key in NUMBER_KEYS):
        number = parse_number(value) if isinstance(value, str) else value
        if is_number(number):
            return field if number is value else {**field, "value": number}, None
        return _without(field, NUMBER_KEYS), "a number is needed beside " + _named(
            field, NUMBER_KEYS
        )
    date = normal_date(value) if isinstance(value, str) else value
    if is_date(date):
        return field if date == value else {**field, "value": date}, None
    detail = "a date such as 2027-01-31T18:30:00+01:00 is needed beside " + _named(field, DATE_KEYS)
    return _without(field, (*DATE_KEYS, *_DATE_ONLY)), detail


def settle_styles(document: dict[str, Any], style: str) -> None:
    """Put every field of a composed pass into the form that Wallet takes; the rest is shared."""
    for name in (style, POSTER_STYLE):
        fields = document.get(name)
        if not is_object(fields):
            continue
        changed = {
            group: [settled(field)[0] if has_style(field) else field for field in entries]
            for group, entries in fields.items()
            if group in FIELD_GROUPS and is_list(entries) and any(map(has_style, entries))
        }
        if changed:
            document[name] = {**fields, **changed}


def unfit_fields(document: dict[str, Any], style: str) -> Iterator[tuple[str, str, str]]:
    """Give group, key and fault of each field whose value its style does not fit."""
    for name in (style, POSTER_STYLE):
        fields = document.get(name)
        for group, entries in fields.items() if is_object(fields) else ():
            for field in entries if group in FIELD_GROUPS and is_list(entries) else ():
                if has_style(field) and field.get("value") not in (None, ""):
                    _, detail = settled(field)
                    if detail is not None:
                        yield group, field.get("key", ""), detail


def _without(field: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in field.items() if key not in keys}


def _named(field: dict[str, Any], keys: tuple[str, ...]) -> str:
    return " and ".join(key for key in keys if field.get(key) is not None)
