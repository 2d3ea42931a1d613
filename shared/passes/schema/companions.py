"""What Wallet knows of single keys beyond their type: texts with a form, and keys that need others.

Each is told when a template is saved. What would make Wallet refuse a pass is refused, too, as the
value of a single one (`complaint`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from shared.passes.schema.encodings import can_encode, encoding_name
from shared.passes.schema.findings import Findings
from shared.passes.schema.localization import split_language
from shared.passes.schema.registry import KeyRule
from shared.passes.schema.skeleton import BRACKET, Node
from shared.passes.schema.strings import (
    has_markup,
    is_amount,
    is_currency,
    is_nfc_key,
    is_time_zone,
    is_url,
    is_uuid,
)
from shared.passes.schema.text_links import without_scripts
from shared.passes.schema.values import Json, is_list, is_object

_FORMS: Final[Mapping[tuple[str, str], tuple[Callable[[str], bool], str]]] = {
    ("FieldContent", "currencyCode"): (is_currency, "a currency code of ISO 4217 is needed"),
    ("FieldContent", "attributedValue"): (
        lambda text: without_scripts(text) == text,
        "links to scripts, data or files lose their address",
    ),
    ("CurrencyAmount", "currencyCode"): (is_currency, "a currency code of ISO 4217 is needed"),
    ("CurrencyAmount", "amount"): (is_amount, "a decimal number as text such as 12.50 is needed"),
    ("Beacon", "proximityUUID"): (is_uuid, "a UUID is needed"),
    ("NFC", "encryptionPublicKey"): (is_nfc_key, "a P-256 public key in base64 is needed"),
    ("Barcode", "messageEncoding"): (
        lambda text: encoding_name(text) is not None,
        "no character encoding has this name: utf-8 is used",
    ),
}
_TIME_ZONE: Final = (is_time_zone, "there is no such time zone in IANA's database")
_URL: Final = (is_url, "an address with its scheme is needed, such as https://example.com/")

_SHOWN_ON: Final = {
    "strip": {"coupon", "eventTicket", "storeCard"},
    "thumbnail": {"eventTicket", "generic"},
    "background": {"eventTicket"},
    "artwork": {"eventTicket", "generic"},
    "footer": {"boardingPass"},
    "primaryLogo": {"boardingPass", "eventTicket"},
    "secondaryLogo": {"eventTicket"},
    "venueMap": {"eventTicket"},
}
"""The styles that show an image; the others are shown on all."""

BESIDE_NO_STRIP: Final = frozenset({"background", "thumbnail"})
"""What an event ticket that has a strip does not show."""

_MAX_FIELDS: Final = {"headerFields": 3, "primaryFields": 1}
_MAX_PRIMARY_OF_BOARDING: Final = 2

_CAPACITY: Final = {
    "PKBarcodeFormatQR": 2331,
    "PKBarcodeFormatAztec": 1914,
    "PKBarcodeFormatPDF417": 1100,
    "PKBarcodeFormatCode128": 80,
}
"""Bytes that a code of each format holds at the usual strength, or that a scanner can read."""


def form_of(rule: KeyRule) -> tuple[Callable[[str], bool], str] | None:
    """Return what tells whether a text has the form that its key asks for, and what is needed."""
    found = _FORMS.get((rule.object_name, rule.key))
    if found is not None or rule.type.kind != "string":
        return found
    if rule.key.endswith("TimeZone") or rule.key == "timeZone":
        return _TIME_ZONE
    if rule.key.endswith(("URL", "Website")) or rule.key == "url":
        return _URL
    return None


def complaint(rule: KeyRule, value: Json) -> str | None:
    """Say what is wrong with the form of a single pass's text; None if nothing is."""
    if not isinstance(value, str) or not value:
        return None
    form = form_of(rule)
    return None if form is None or form[0](value) else form[1]


def check_companions(
    data: Mapping[str, Any],
    nodes: Iterable[Node],
    style: str,
    images: Iterable[str],
    findings: Findings,
) -> None:
    """Warn of texts without the form they need, and of keys without those they need beside them."""
    for node in nodes:
        text, path = node.default, node.place.json_path
        if isinstance(text, str) and not BRACKET.search(text):
            if fault := complaint(node.rule, text):
                findings.warn("form", path, fault)
            if (
                node.rule.object_name == "FieldContent"
                and node.rule.key in {"value", "label"}
                and has_markup(text)
            ):
                detail = "Wallet shows tags as text; marked-up text stands in attributedValue"
                findings.warn("markup", path, detail)
        elif is_object(text):
            _check_object(node, text, findings)
    if data.get("appLaunchURL") and not data.get("associatedStoreIdentifiers"):
        detail = "has no effect without associatedStoreIdentifiers"
        findings.warn("companion", "$.pass.appLaunchURL", detail)
    if data.get("userInfo") is not None and not is_object(data["userInfo"]):
        findings.warn("type", "$.pass.userInfo", "an object is needed")
    _check_identifiers(data.get("upcomingPassInformation"), findings)
    _check_counts(data.get(style), style, findings)
    _check_images(images, style, findings)


def _check_object(node: Node, data: dict[str, Any], findings: Findings) -> None:
    path = node.place.json_path
    match node.rule.type.name:
        case "CurrencyAmount" if data.get("amount") is not None and not data.get("currencyCode"):
            findings.warn("companion", path, "amount needs currencyCode beside it")
        case "RelevantDate":
            _check_relevant_date(data, path, findings)
        case "Barcode":
            _check_barcode(data, path, findings)
        case _:
            pass


def _check_relevant_date(data: dict[str, Any], path: str, findings: Findings) -> None:
    start, end = data.get("startDate"), data.get("endDate")
    if data.get("date") is None and (start is None or end is None):
        findings.warn("companion", path, "date is needed, or startDate and endDate")
    elif isinstance(start, str) and isinstance(end, str) and start[:19] > end[:19]:
        findings.warn("companion", path, "endDate is before startDate")


def _check_barcode(data: dict[str, Any], path: str, findings: Findings) -> None:
    message, kind = data.get("message"), data.get("format")
    if not isinstance(message, str) or not isinstance(kind, str) or BRACKET.search(message):
        return
    if kind == "PKBarcodeFormatCode128" and not message.isascii():
        findings.warn("barcode", f"{path}.message", "Code 128 holds ASCII only")
    encoding = data.get("messageEncoding")
    name = encoding_name(encoding) if isinstance(encoding, str) else None
    fits = name is not None and can_encode(message, name)
    size = len(message.encode(name if fits and name else "utf-8", "replace"))
    if size > _CAPACITY.get(kind, size):
        detail = f"no such code can be read: at most {_CAPACITY[kind]} bytes"
        findings.warn("barcode", f"{path}.message", detail)


def _check_identifiers(entries: Json, findings: Findings) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(entries if is_list(entries) else ()):
        identifier = entry.get("identifier") if is_object(entry) else None
        if isinstance(identifier, str) and identifier in seen:
            path = f"$.pass.upcomingPassInformation[{index}].identifier"
            findings.warn("duplicate", path, "identifiers must differ")
        elif isinstance(identifier, str):
            seen.add(identifier)


def _check_counts(fields: Json, style: str, findings: Findings) -> None:
    for group, most in _MAX_FIELDS.items():
        entries = fields.get(group) if is_object(fields) else None
        if group == "primaryFields" and style == "boardingPass":
            most = _MAX_PRIMARY_OF_BOARDING  # noqa: PLW2901 - the limit of this style
        if is_list(entries) and len(entries) > most:
            detail = f"Wallet shows at most {most} of them on {style}"
            findings.warn("fields", f"$.pass.{style}.{group}", detail)


def _check_images(images: Iterable[str], style: str, findings: Findings) -> None:
    slots = {name: split_language(name)[1].partition("@")[0] for name in images}
    for name, slot in slots.items():
        if style and style not in _SHOWN_ON.get(slot, {style}):
            findings.warn("image", f"$.images.{name}", f"{style} shows no {slot}")
        elif style == "eventTicket" and slot in BESIDE_NO_STRIP and "strip" in slots.values():
            findings.warn("image", f"$.images.{name}", "is not shown beside a strip")
