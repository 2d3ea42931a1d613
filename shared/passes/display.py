"""What a web page shows of a composed pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.passes.registry import FIELD_GROUPS, POSTER_STYLE, STYLES
from shared.passes.values import Json, is_list, is_number, is_object, to_text

_WHITE: Final = "rgb(255, 255, 255)"
_BLACK: Final = "rgb(0, 0, 0)"


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
    groups: dict[str, list[tuple[str, str]]] = field(
        default_factory=dict[str, list[tuple[str, str]]]
    )
    barcode_message: str | None = None
    barcode_format: str | None = None
    barcode_alt_text: str | None = None


def display_of(composed: Mapping[str, Any]) -> Display:
    """Return the display of a composed pass.json."""
    style = next((name for name in (*STYLES, POSTER_STYLE) if name in composed), "")
    foreground = to_text(composed.get("foregroundColor")) or _BLACK
    barcodes = composed.get("barcodes")
    barcode: Any = barcodes[0] if is_list(barcodes) else {}
    return Display(
        description=to_text(composed.get("description")),
        organization_name=to_text(composed.get("organizationName")),
        style=style,
        logo_text=to_text(composed.get("logoText")),
        background_color=to_text(composed.get("backgroundColor")) or _WHITE,
        foreground_color=foreground,
        label_color=to_text(composed.get("labelColor")) or foreground,
        groups=_groups(composed.get(style)),
        barcode_message=barcode.get("message"),
        barcode_format=barcode.get("format"),
        barcode_alt_text=barcode.get("altText"),
    )


def _groups(fields: Json) -> dict[str, list[tuple[str, str]]]:
    if not is_object(fields):
        return {}
    groups: dict[str, list[tuple[str, str]]] = {}
    for group in FIELD_GROUPS:
        entries = fields.get(group)
        if is_list(entries) and entries:
            groups[group] = [
                (to_text(entry.get("label")), _shown(entry))
                for entry in entries
                if is_object(entry)
            ]
    return groups


def _shown(entry: dict[str, Any]) -> str:
    value = entry.get("value")
    currency = entry.get("currencyCode")
    text = to_text(value)
    return f"{text} {currency}" if is_number(value) and currency else text
