"""Draws the barcodes of passes, and those that lead a phone to a page."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import zxingcpp
from markupsafe import Markup, escape

from shared.passes.schema.encodings import LATIN, encoded
from shared.passes.template.display import Display

FORMATS: Final[Mapping[str, zxingcpp.BarcodeFormat]] = MappingProxyType(
    {
        "PKBarcodeFormatQR": zxingcpp.BarcodeFormat.QRCode,
        "PKBarcodeFormatPDF417": zxingcpp.BarcodeFormat.PDF417,
        "PKBarcodeFormatAztec": zxingcpp.BarcodeFormat.Aztec,
        "PKBarcodeFormatCode128": zxingcpp.BarcodeFormat.Code128,
        "PKBarcodeFormatCode39": zxingcpp.BarcodeFormat.Code39,
        "PKBarcodeFormatCodabar": zxingcpp.BarcodeFormat.Codabar,
        "PKBarcodeFormatEAN13": zxingcpp.BarcodeFormat.EAN13,
        "PKBarcodeFormatI2of5": zxingcpp.BarcodeFormat.ITF,
    }
)
SQUARE: Final = frozenset({"PKBarcodeFormatQR", "PKBarcodeFormatAztec"})
MAX_DRAWN_BYTES: Final = 700
"""A code of more outweighs the page around it, and no camera reads it off a screen."""

_SIZE: Final = re.compile(r'<svg width="(\d+)" height="(\d+)"')
_PATH: Final = re.compile(r' d="([MhvHVzZ\d .-]+)"')


def draw_barcode(display: Display, title: str) -> Markup | None:
    """Draw the barcode of a pass as SVG; None if it has none, or its kind cannot hold its message.

    The code holds the message's bytes in the encoding that the pass names.
    """
    message, kind = display.barcode_message, display.barcode_format
    if not message or kind is None or kind not in FORMATS:
        return None
    return draw(encoded(message, display.barcode_encoding or LATIN), kind, title)


def draw_qr(content: bytes, title: str) -> Markup | None:
    """Draw bytes as a QR code; None if they are too many."""
    return draw(content, "PKBarcodeFormatQR", title)


def draw(content: bytes, kind: str, title: str) -> Markup | None:
    """Draw bytes as a code of one of `FORMATS`; None if such a code cannot hold just these."""
    if len(content) > MAX_DRAWN_BYTES:
        return None
    # Of a text the library would choose the bytes by itself.
    options = {"ec_level": "M"} if kind == "PKBarcodeFormatQR" else {}
    try:
        made: zxingcpp.Barcode = zxingcpp.create_barcode(  # pyright: ignore[reportUnknownMemberType]
            content, FORMATS[kind], **options
        )
    except ValueError:
        return None
    # Some kinds are drawn with other letters, a nought before or a digit behind.
    if made.bytes != content:
        return None
    drawing = made.to_svg()
    size, paths = _SIZE.search(drawing), _PATH.findall(drawing)
    if size is None or len(paths) != 1:
        return None
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" role="img" shape-rendering="crispEdges">'
        '<title>{}</title><path d="{}"/></svg>'
    ).format("square" if kind in SQUARE else "wide", size[1], size[2], escape(title), paths[0])
