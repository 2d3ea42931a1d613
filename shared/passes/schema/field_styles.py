"""Fields whose style asks for a number or a date: what Wallet shows there, and what it refuses."""

from collections.abc import Iterator
from typing import Any, Final

from shared.passes.schema.registry import FIELD_GROUPS, POSTER_STYLE
from shared.passes.schema.strings import normal_date
from shared.passes.schema.text_links import without_scripts
from shared.passes.schema.values import Json, is_date, is_list, is_number, is_object, parse_number

NUMBER_KEYS: Final = ("currencyCode", "numberStyle")
DATE_KEYS: Final = ("dateStyle", "timeStyle")
STYLE_KEYS: Final = (*NUMBER_KEYS, *DATE_KEYS)
MARKUP_KEY: Final = "attributedValue"
FORMED_KEYS: Final = (*STYLE_KEYS, MARKUP_KEY)
"""Keys because of which a field may have to be put into another form."""

OWN_FORMS: Final = tuple(f"_{key}" for key in FORMED_KEYS)
"""How the paths end by which a pass has such a key of its own."""

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
    """Put every field of a composed pass into the form that Wallet takes; the rest is shared.

    Links that lead to scripts lose their address: the texts around them may come from anybody.
    """
    for name in (style, POSTER_STYLE):
        fields = document.get(name)
        if not is_object(fields):
            continue
        changed = {
            group: [_formed(field) if _is_formed(field) else field for field in entries]
            for group, entries in fields.items()
            if group in FIELD_GROUPS and is_list(entries) and any(map(_is_formed, entries))
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


def _is_formed(field: Json) -> bool:
    return has_style(field) or (is_object(field) and isinstance(field.get(MARKUP_KEY), str))


def _formed(field: dict[str, Any]) -> dict[str, Any]:
    shown = settled(field)[0] if has_style(field) else field
    markup = shown.get(MARKUP_KEY)
    if not isinstance(markup, str) or (harmless := without_scripts(markup)) == markup:
        return shown
    return {**shown, MARKUP_KEY: harmless}


def _without(field: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in field.items() if key not in keys}


def _named(field: dict[str, Any], keys: tuple[str, ...]) -> str:
    return " and ".join(key for key in keys if field.get(key) is not None)
