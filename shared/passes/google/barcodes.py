"""The barcode of a pass at Google, which shows one where Apple chooses among several."""

from collections.abc import Mapping
from typing import Any, Final

from shared.passes.google.texts import Texts
from shared.passes.schema.values import Json, is_list, is_object, to_text

INTERLEAVED: Final = "PKBarcodeFormatI2of5"
_ITF_DIGITS: Final = 14
_TYPES: Final = {
    "PKBarcodeFormatQR": "QR_CODE",
    "PKBarcodeFormatPDF417": "PDF_417",
    "PKBarcodeFormatAztec": "AZTEC",
    "PKBarcodeFormatCode128": "CODE_128",
    "PKBarcodeFormatCode39": "CODE_39",
    "PKBarcodeFormatCodabar": "CODABAR",
    "PKBarcodeFormatEAN13": "EAN_13",
}


def barcode_of(content: Mapping[str, Any], texts: Texts) -> dict[str, Any] | None:
    """Return Google's Barcode of the first one of a composed pass; None if it has none."""
    entry = first_barcode(content)
    if entry is None:
        return None
    message = to_text(entry.get("message"))
    type_ = _type_of(to_text(entry.get("format")), message)
    barcode: dict[str, Any] = {"type": type_, "value": message}
    if type_ == "QR_CODE":
        barcode["renderEncoding"] = "UTF_8"
    if text := texts.plain(entry.get("altText")):
        barcode["alternateText"] = text
    return barcode


def first_barcode(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the barcode that a composed pass shows first."""
    entries: Json = content.get("barcodes")
    return entries[0] if is_list(entries) and entries and is_object(entries[0]) else None


def is_replaced(entry: Mapping[str, Any]) -> bool:
    """Whether Google has no such barcode: it is a Code 128 there."""
    return entry.get("format") == INTERLEAVED and not _is_itf(to_text(entry.get("message")))


def _type_of(format_: str, message: str) -> str:
    if format_ == INTERLEAVED:
        return "ITF_14" if _is_itf(message) else "CODE_128"
    return _TYPES.get(format_, "QR_CODE")


def _is_itf(message: str) -> bool:
    return len(message) == _ITF_DIGITS and message.isascii() and message.isdigit()
