"""What a web page shows of a composed pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.passes.schema.registry import FIELD_GROUPS, POSTER_STYLE, STYLES
from shared.passes.schema.values import Json, is_list, is_object, to_text

_WHITE: Final = "rgb(255, 255, 255)"
_BLACK: Final = "rgb(0, 0, 0)"


@dataclass(frozen=True, slots=True)
class DisplayField:
    """A field in the reader's language; its value is still to be written by its styles."""

    label: str
    value: Json
    styles: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The field as composed: `dateStyle`, `currencyCode`, `textAlignment` and the like."""
    attributed: Json = None
    """What is shown instead of the value: text with links, a number or a date."""


@dataclass(frozen=True, slots=True)
class Display:
    """The visible side of a pass, as plain text; a page escapes it like any other text."""

    description: str = ""
    organization_name: str = ""
    style: str = ""
    logo_text: str = ""
    background_color: str = _WHITE
    foreground_color: str = _BLACK
    label_color: str = _BLACK
    groups: dict[str, list[DisplayField]] = field(default_factory=dict[str, list[DisplayField]])
    barcode_message: str | None = None
    barcode_format: str | None = None
    barcode_encoding: str | None = None
    barcode_alt_text: str | None = None


def display_of(composed: Mapping[str, Any], strings: Mapping[str, str]) -> Display:
    """Return the display of a composed pass.json; `strings` are its texts in another language."""
    style = next((name for name in (*STYLES, POSTER_STYLE) if name in composed), "")
    foreground = to_text(composed.get("foregroundColor")) or _BLACK
    barcodes = composed.get("barcodes")
    barcode: Any = barcodes[0] if is_list(barcodes) else {}
    structure = composed.get(style)
    return Display(
        description=_text(composed.get("description"), strings),
        organization_name=_text(composed.get("organizationName"), strings),
        style=style,
        logo_text=_text(composed.get("logoText"), strings),
        background_color=to_text(composed.get("backgroundColor")) or _WHITE,
        foreground_color=foreground,
        label_color=to_text(composed.get("labelColor")) or foreground,
        groups=_groups(structure, strings),
        barcode_message=barcode.get("message"),
        barcode_format=barcode.get("format"),
        barcode_encoding=barcode.get("messageEncoding"),
        barcode_alt_text=_translated(barcode.get("altText"), strings),
    )


def _groups(fields: Json, strings: Mapping[str, str]) -> dict[str, list[DisplayField]]:
    if not is_object(fields):
        return {}
    groups: dict[str, list[DisplayField]] = {}
    for group in FIELD_GROUPS:
        entries = fields.get(group)
        if is_list(entries) and entries:
            groups[group] = [_field(entry, strings) for entry in entries if is_object(entry)]
    return groups


def _field(entry: dict[str, Any], strings: Mapping[str, str]) -> DisplayField:
    return DisplayField(
        label=_text(entry.get("label"), strings),
        value=_translated(entry.get("value"), strings),
        styles=entry,
        attributed=_translated(entry.get("attributedValue"), strings),
    )


def _text(value: Json, strings: Mapping[str, str]) -> str:
    return to_text(_translated(value, strings))


def _translated(value: Json, strings: Mapping[str, str]) -> Json:
    return strings.get(value, value) if isinstance(value, str) else value
