"""Parts of the pages that need no server."""

import re

import pytest
import zxingcpp
from PIL import Image, ImageDraw

from services.gateway.routes.pages.codes import FORMATS, draw, draw_barcode
from services.gateway.routes.pages.wording import WORDINGS
from shared.passes.template.display import Display

QR = "PKBarcodeFormatQR"
SCALE = 4


def shown(message: str, encoding: str | None, kind: str = QR) -> str | None:
    display = Display(barcode_message=message, barcode_format=kind, barcode_encoding=encoding)
    return draw_barcode(display, "Code")


def scanned(drawing: str | None) -> bytes:
    """What a scanner reads from the drawing, whose path is made of rectangles."""
    assert drawing is not None
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', drawing)
    assert size is not None
    width, height = (SCALE * (int(side) + 8) for side in size.groups())
    picture = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(picture)
    for box in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+Z", drawing):
        x, y, across, down = map(int, box)
        corner = (SCALE * (x + 4), SCALE * (y + 4))
        pen.rectangle(
            (*corner, corner[0] + SCALE * across - 1, corner[1] + SCALE * down - 1), fill=0
        )
    (found,) = zxingcpp.read_barcodes(picture)
    return found.bytes


def test_every_language_has_all_words():
    keys = {language: sorted(words) for language, words in WORDINGS.items()}

    assert keys["de"] == keys["en"]
    assert all(text for words in WORDINGS.values() for text in words.values())


@pytest.mark.parametrize(
    ("message", "encoding", "content"),
    [
        ("10 €", "iso-8859-15", b"10 \xa4"),
        ("10 €", "utf-8", "10 €".encode()),
        ("Grüße", None, b"Gr\xfc\xdfe"),
        ("10 €", "iso-8859-1", "10 €".encode()),
        ("10 €", "nonsense", "10 €".encode()),
        ("10 €", "rot13", "10 €".encode()),
    ],
)
def test_a_code_holds_the_bytes_of_its_encoding(message: str, encoding: str | None, content: bytes):
    assert scanned(shown(message, encoding)) == content


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (QR, "https://beans.example/?a=1"),
        ("PKBarcodeFormatPDF417", "M1MUSTERMANN/ERIKA    E1"),
        ("PKBarcodeFormatAztec", "Grüße"),
        ("PKBarcodeFormatCode128", "ABC-abc-1234"),
        ("PKBarcodeFormatCode39", "ABC 123"),
        ("PKBarcodeFormatCodabar", "A1234B"),
        ("PKBarcodeFormatEAN13", "5901234123457"),
        ("PKBarcodeFormatI2of5", "123456"),
    ],
)
def test_every_kind_of_code_of_wallet_is_drawn_and_can_be_read(kind: str, message: str):
    assert scanned(shown(message, "iso-8859-1", kind)) == message.encode("latin-1")


def test_all_kinds_that_wallet_knows_are_tried():
    assert len(FORMATS) == 8


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (QR, ""),
        (QR, "x" * 4000),
        ("PKBarcodeFormatCode39", "abc"),
        ("PKBarcodeFormatEAN13", "590123412345"),
        ("PKBarcodeFormatEAN13", "5901234123450"),
        ("PKBarcodeFormatI2of5", "12345"),
        ("PKBarcodeFormatCodabar", "1234"),
        ("PKBarcodeFormatCode128", "€"),
        ("of tomorrow", "abc"),
    ],
)
def test_what_a_kind_of_code_cannot_hold_is_not_drawn_as_something_else(kind: str, message: str):
    drawing = shown(message, "utf-8", kind)

    assert drawing is None or scanned(drawing) == message.encode()


def test_the_title_of_a_code_cannot_break_out_of_it():
    assert "<b>" not in str(draw(b"x", QR, "<b>"))
