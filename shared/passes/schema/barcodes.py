"""The barcode of a pass: which message it carries, and both shapes in which Wallet reads it."""

from typing import Any, Final, Literal

from shared.passes.schema.encodings import LATIN, encoding_for
from shared.passes.schema.values import is_list, is_object, to_text

BarcodePolicy = Literal["template", "handle", "none", "data", "unique", "random"]
"""Where the message of a pass's barcode comes from: the template, the same for all unless a pass
has its own; the handle; there is no barcode; the values that the pass is issued with, `unique` in
its template or not; or eight random digits, unique too."""

ONE_PER_PASS: Final[frozenset[BarcodePolicy]] = frozenset({"data", "unique", "random"})
"""Policies by which each pass has a message of its own, for as long as it lives."""

UNIQUE: Final[frozenset[BarcodePolicy]] = frozenset({"unique", "random"})
"""Policies by which no two passes of a template have the same message."""

# Only these may stand in `barcode`, which older phones read.
_OLD_FORMATS: Final = frozenset(
    {"PKBarcodeFormatQR", "PKBarcodeFormatPDF417", "PKBarcodeFormatAztec"}
)
_DEFAULT_FORMAT: Final = "PKBarcodeFormatQR"


def apply_barcodes(document: dict[str, Any], policy: BarcodePolicy, handle: str) -> None:
    """Completes `barcodes` and `barcode` of a composed pass, as the template's policy says."""
    single = document.pop("barcode", None)
    several = document.pop("barcodes", None)
    if policy == "none":
        return
    sources: list[dict[str, Any]] = []
    if is_list(several):
        sources = [entry for entry in several if is_object(entry)]
    if not sources and is_object(single):
        sources = [single]
    if not sources and policy == "handle":
        sources = [{}]
    if not sources:
        return
    message = handle if policy == "handle" else None
    if policy in ONE_PER_PASS and is_object(single):
        message = to_text(single.get("message"))
    entries = [_complete(entry, message, handle) for entry in sources]
    document["barcodes"] = entries
    first = _complete(single, message, handle) if is_object(single) else entries[0]
    for entry in (first, *entries):
        if entry["format"] in _OLD_FORMATS:
            document["barcode"] = entry
            return


def _complete(entry: dict[str, Any], message: str | None, handle: str) -> dict[str, Any]:
    text = message or to_text(entry.get("message")) or handle
    encoding = encoding_for(text, to_text(entry.get("messageEncoding")) or LATIN)
    return {
        **entry,
        "format": entry.get("format") or _DEFAULT_FORMAT,
        "message": text,
        "messageEncoding": encoding,
    }
