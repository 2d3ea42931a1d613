"""A style as its author writes it, and the check that it must pass to be saved."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.passes.google.section import IMAGES as GOOGLE_IMAGES
from shared.passes.schema.colours import normalise_colour
from shared.passes.schema.findings import Findings
from shared.passes.schema.registry import enumeration
from shared.passes.schema.skeleton import json_step
from shared.passes.schema.slots import IMAGE_SLOTS
from shared.passes.schema.values import holds_nul
from shared.passes.template.checking import IMAGE_DIGEST
from shared.passes.template.document import TemplateDocument, check_template

MAX_STYLE_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 50
"""Fields of one group."""

Fields: TypeAlias = Annotated[list[dict[str, Any]], Field(max_length=MAX_FIELDS)]
Colour: TypeAlias = Annotated[str, Field(max_length=100, examples=["rgb(192, 192, 192)"])]

COLOURS: Final = {
    "foreground_color": "foregroundColor",
    "background_color": "backgroundColor",
    "label_color": "labelColor",
}
"""Part of `brand_colors` → key of the pass."""

GROUPS: Final = {
    "header_fields": "headerFields",
    "primary_fields": "primaryFields",
    "secondary_fields": "secondaryFields",
    "auxiliary_fields": "auxiliaryFields",
    "back_fields": "backFields",
}
"""Part of a style → group of fields of the pass."""

_STRICT: Final = ConfigDict(frozen=True, extra="forbid")
_OF_THE_TEMPLATE: Final = frozenset({"unknown-path", "missing-key", "missing-icon"})
"""Findings that a style cannot know: what it lacks the template may have."""

_PLACES: Final = (
    *((f"$.pass.storeCard.{group}", f"$.{part}") for part, group in GROUPS.items()),
    ("$.pass.expirationDate", "$.expiration_date"),
)


class BrandColors(BaseModel):
    """Colours, each in the template's place; null leaves the template's."""

    model_config = _STRICT

    foreground_color: Colour | None = None
    background_color: Colour | None = None
    label_color: Colour | None = None


class StyleBarcode(BaseModel):
    """How a barcode is drawn; what it says stays the template's and the pass's."""

    model_config = _STRICT

    format: str = Field("PKBarcodeFormatQR", max_length=100)


class StyleAssets(BaseModel):
    """Images by SHA-256, each in the place of the template's in all its sizes and languages."""

    model_config = _STRICT

    apple: dict[str, str] = Field(
        default_factory=dict, description="Slot (`logo`, `strip@2x`) → SHA-256."
    )
    google: dict[str, str] = Field(
        default_factory=dict, description="`logo`, `wide_logo` or `hero` → SHA-256."
    )


class Style(BaseModel):
    """What passes look like otherwise than by their template, in both wallets.

    A group of fields takes the place of the template's whole group, null leaves it. Colours, the
    format of the barcode and images each take the place of one.
    """

    model_config = _STRICT

    name: str = Field(min_length=1, max_length=200, examples=["Silver"])
    brand_colors: BrandColors = BrandColors()
    barcode: StyleBarcode | None = None
    header_fields: Fields | None = None
    primary_fields: Fields | None = None
    secondary_fields: Fields | None = None
    auxiliary_fields: Fields | None = None
    back_fields: Fields | None = None
    assets: StyleAssets = StyleAssets()
    expiration_date: str | None = Field(
        None,
        max_length=100,
        description="When passes of the style expire that have no own date, as wallets show it. "
        "`pass.expired` is told, and scans are refused, by the dates of passes and templates.",
    )

    @model_validator(mode="after")
    def _is_storable(self) -> "Style":
        try:
            raw = orjson.dumps(self.model_dump(include=set(Style.model_fields)))
        except TypeError as error:
            raise ValueError(f"not plain JSON: {error}") from error
        if len(raw) > MAX_STYLE_BYTES:
            raise ValueError(f"a style holds at most {MAX_STYLE_BYTES // 1024} KiB")
        if holds_nul(raw):
            raise ValueError("texts may not hold the NUL character")
        return self

    def colours(self) -> Iterator[tuple[str, str]]:
        """Give the colours it has, by key of the pass."""
        for part, key in COLOURS.items():
            colour = getattr(self.brand_colors, part)
            if colour is not None:
                yield key, colour

    def groups(self) -> dict[str, list[dict[str, Any]]]:
        """Return the fields it has, by group of the pass."""
        given = {group: getattr(self, part) for part, group in GROUPS.items()}
        return {group: fields for group, fields in given.items() if fields is not None}

    def images(self) -> Iterator[tuple[str, str]]:
        """Give its images, by JSON path."""
        for wallet in ("apple", "google"):
            for name, sha256 in getattr(self.assets, wallet).items():
                yield f"$.assets.{wallet}" + json_step(name), sha256


def check_style(style: Style) -> Findings:
    """Everything that is wrong with a style by itself, and everything that is merely odd."""
    findings = Findings()
    for part in COLOURS:
        colour = getattr(style.brand_colors, part)
        if colour is not None and normalise_colour(colour) is None:
            findings.error("type", f"$.brand_colors.{part}", "a colour is needed")
    if style.barcode and style.barcode.format not in enumeration("BarcodeFormat"):
        findings.error("type", "$.barcode.format", "a format of barcodes is needed")
    _check_images(style, findings)
    pass_ = {"storeCard": style.groups(), "expirationDate": style.expiration_date}
    for found in check_template(TemplateDocument.model_validate({"pass": pass_})):
        if found.code in _OF_THE_TEMPLATE:
            continue
        for there, here in _PLACES:
            if found.path.startswith(there):
                tell = findings.error if found.severity == "error" else findings.warn
                tell(found.code, here + found.path.removeprefix(there), found.detail)
    return findings


def _check_images(style: Style, findings: Findings) -> None:
    known = {"apple": IMAGE_SLOTS, "google": frozenset(GOOGLE_IMAGES)}
    for wallet, names in known.items():
        for name in getattr(style.assets, wallet):
            if name not in names:
                path = f"$.assets.{wallet}" + json_step(name)
                findings.error("image-name", path, f"one of {', '.join(sorted(names))}")
    for path, sha256 in style.images():
        if not IMAGE_DIGEST.fullmatch(sha256):
            findings.error("image-hash", path, "64 lower-case hex digits of SHA-256 are needed")
