"""Parts of the pages that need no server."""

import segno
from markupsafe import Markup

from services.gateway.routes.pages.passes import barcode
from services.gateway.routes.pages.wording import WORDINGS
from shared.passes.template.display import Display

QR = "PKBarcodeFormatQR"


def drawn(content: bytes) -> str:
    return segno.make_qr(content, error="m").svg_inline(omitsize=True, border=2, title="Code")


def shown(message: str, encoding: str | None, kind: str = QR) -> Markup | None:
    display = Display(barcode_message=message, barcode_format=kind, barcode_encoding=encoding)
    return barcode(display, "Code")


def path_of(drawing: str) -> str:
    return drawing.partition(' d="')[2].partition('"')[0]


def test_every_language_has_all_words():
    keys = {language: sorted(words) for language, words in WORDINGS.items()}

    assert keys["de"] == keys["en"]
    assert all(text for words in WORDINGS.values() for text in words.values())


def test_codes_hold_the_bytes_of_their_encoding():
    for message, encoding, content in (
        ("10 €", "iso-8859-15", b"10 \xa4"),
        ("10 €", "utf-8", "10 €".encode()),
        ("Grüße", None, b"Gr\xfc\xdfe"),
        ("10 €", "iso-8859-1", "10 €".encode()),
        ("10 €", "nonsense", "10 €".encode()),
        ("10 €", "rot13", "10 €".encode()),
    ):
        drawing = shown(message, encoding)

        assert drawing is not None
        assert path_of(drawing) == path_of(drawn(content))


def test_other_codes_and_too_long_ones_are_not_drawn():
    assert shown("ABC", "utf-8", "PKBarcodeFormatPDF417") is None
    assert shown("x" * 4000, "utf-8") is None
    assert shown("", "utf-8") is None
