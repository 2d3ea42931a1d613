"""What keeps a template from Google Wallet, and what is odd about it there."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from shared.passes.google.barcodes import first_barcode, is_replaced
from shared.passes.google.images import LEAST_LOGO
from shared.passes.google.projection import GoogleProjector, Projection
from shared.passes.google.registry import Key, Part, keys_of, keys_of_type
from shared.passes.google.section import fault_of_field_path
from shared.passes.language.state import PassState
from shared.passes.schema.findings import Findings
from shared.passes.schema.skeleton import json_step
from shared.passes.schema.values import Json, is_list, is_number, is_object
from shared.passes.template.card import Card

_FORMS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "#rrggbb or #rgb": (re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}"), "a colour such as #0c2238"),
    "[A-Za-z0-9_-]": (re.compile(r"[A-Za-z0-9_-]+"), "letters, digits, _ and - are needed"),
    "digits": (re.compile(r"[0-9]+"), "digits are needed"),
    "ASCII": (re.compile(r"[\x20-\x7e]*"), "ASCII characters are needed"),
    "local, no offset": (
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?"),
        "a local time without offset is needed, such as 2027-01-31T18:30:00",
    ),
    "offset needed": (
        re.compile(r".+(?:Z|[+-]\d\d:\d\d)"),
        "a time with its offset is needed, such as 2027-01-31T18:30:00+01:00",
    ),
}
_LEFT_OUT: Final = ("nfc", "beacons", "userInfo")
_COLOURS: Final = ("foregroundColor", "labelColor")
_NAMED: Final = frozenset({"loyalty", "giftCard", "offer"})


def check_google(
    projector: GoogleProjector,
    card: Card,
    state: PassState,
    findings: Findings,
    *,
    at: datetime,
    sizes: Mapping[str, tuple[int, int]],
) -> Projection:
    """Find what is wrong and odd about a template at Google, tried on one pass, and compose that.

    `findings` are those that the projector filled; `sizes` the pixels of images by SHA-256. What
    is found in the composed documents has paths below `$.google.class` and `$.google.object`,
    where the template may say otherwise.
    """
    projection = projector.project(card, state, secret=bytes(32), at=at)
    _check_address(projector.blueprint.base_url, findings)
    _check_looks(projector, sizes, findings)
    _check_content(projector, card, findings)
    has_type = all(entry.code != "google-type" for entry in findings)
    walk = _Walk(findings, tells_missing=has_type)
    if projection.class_.document is not None:
        walk.document(projector.google_type, "class", projection.class_.document.content)
    walk.document(projector.google_type, "object", projection.object_.content)
    return projection


@dataclass(frozen=True, slots=True)
class _Walk:
    """Looks a composed document through for what kinds and words do not tell."""

    findings: Findings
    tells_missing: bool
    """Not where a better finding says already what is missing."""

    def document(self, google_type: str, part: Part, content: Mapping[str, Any]) -> None:
        self._object(keys_of(google_type, part), content, f"$.google.{part}")

    def _object(self, keys: Mapping[str, Key], data: Mapping[str, Any], path: str) -> None:
        for key in keys.values():
            if key.is_required and key.name not in data and self.tells_missing:
                self.findings.error("missing-key", path + json_step(key.name), "needed by Google")
            if key.rival and key.name < key.rival and {key.name, key.rival} <= data.keys():
                detail = f"may not stand beside {key.rival}"
                self.findings.error("google-rivals", path + json_step(key.name), detail)
        siblings = [key.name for key in keys.values() if key.is_one_of_siblings]
        if siblings and sum(name in data for name in siblings) != 1:
            detail = f"exactly one of {', '.join(siblings)} is needed"
            self.findings.error("google-siblings", path, detail)
        for name, value in data.items():
            if key := keys.get(name):
                self._value(key, value, path + json_step(name))

    def _value(self, key: Key, value: Json, path: str) -> None:
        if not is_list(value):
            self._one(key, value, path)
            return
        if key.maximum_items is not None and len(value) > key.maximum_items:
            self.findings.error("google-limit", path, f"at most {key.maximum_items} entries")
        for at, entry in enumerate(value):
            self._one(key, entry, f"{path}[{at}]")

    def _one(self, key: Key, value: Json, path: str) -> None:
        if is_object(value):
            self._object(keys_of_type(key.kind), value, path)
            limited = list(_texts_of(value)) if key.kind == "LocalizedString" else []
        else:
            limited = [value] if isinstance(value, str) else []
        low, high = key.minimum, key.maximum
        if is_number(value) and low is not None and high is not None and not low <= value <= high:
            self.findings.error("google-limit", path, f"a number from {low} to {high} is needed")
        for text in limited:
            self._text(key, text, path)

    def _text(self, key: Key, text: str, path: str) -> None:
        if key.maximum_characters is not None and len(text) > key.maximum_characters:
            detail = f"at most {key.maximum_characters} characters"
            self.findings.error("google-limit", path, detail)
        elif key.advised_characters is not None and len(text) > key.advised_characters:
            detail = f"may be cut: Google advises at most {key.advised_characters} characters"
            self.findings.warn("google-length", path, detail)
        form = _FORMS.get(key.note)
        if form is not None and not form[0].fullmatch(text):
            self.findings.error("google-form", path, form[1])
        if key.name == "fieldPath" and (fault := fault_of_field_path(text)):
            self.findings.error("field-path", path, fault)


def _texts_of(localized: Mapping[str, Any]) -> Iterator[str]:
    translated = localized.get("translatedValues")
    for entry in (localized.get("defaultValue"), *(translated if is_list(translated) else ())):
        if is_object(entry) and isinstance(entry.get("value"), str):
            yield entry["value"]


def _check_address(base_url: str, findings: Findings) -> None:
    """Google fetches images by itself, and posts callbacks."""
    if not is_public(base_url):
        detail = f"Google cannot reach {base_url}: images and callbacks need a public https address"
        findings.warn("google-address", "$.google", detail)


def is_public(base_url: str) -> bool:
    """Whether Google may reach this address, as far as its text tells."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    try:
        return parts.scheme == "https" and ip_address(host).is_global
    except ValueError:
        is_local = "." not in host or host.endswith((".local", ".localhost", ".internal"))
        return parts.scheme == "https" and not is_local


def _check_looks(
    projector: GoogleProjector, sizes: Mapping[str, tuple[int, int]], findings: Findings
) -> None:
    blueprint = projector.blueprint
    given = [key for key in _COLOURS if key in blueprint.blank.content]
    if given:
        detail = "Google chooses the colours of texts by itself"
        findings.warn("google-colour", f"$.pass.{given[0]}", detail)
    size = sizes.get(blueprint.pictures.logo)
    if size is not None and min(size) < LEAST_LOGO:
        path = "$.google.images.logo" if "logo" in blueprint.section.images else "$.images.icon"
        detail = (
            f"Google shows it as its logo: a square of at least {LEAST_LOGO} pixels is advised,"
            " masked to a circle"
        )
        findings.warn("google-logo", path, detail)


def _check_content(projector: GoogleProjector, card: Card, findings: Findings) -> None:
    blueprint, content = projector.blueprint, card.content
    for key in _LEFT_OUT:
        if key in content:
            findings.warn("google-left-out", f"$.pass.{key}", "Google Wallet has no such thing")
    barcode = first_barcode(content)
    if barcode is not None and is_replaced(barcode):
        detail = "Google shows it as Code 128: as ITF-14 it takes exactly 14 digits"
        findings.warn("google-barcode", "$.pass.barcodes[0]", detail)
    for part, fields in (
        ("class", blueprint.fields.fixed(blueprint.blank.content)),
        ("object", blueprint.fields.compose(content)),
    ):
        if fields.left_over:
            detail = f"Google shows ten fields: the last {fields.left_over} stand in one"
            findings.warn("google-fields", f"$.google.{part}.textModulesData", detail)
    for key in _class_keys(projector.google_type, content):
        if blueprint.compiled.varies((key,)):
            detail = "differs between passes: at Google all have the template's"
            findings.warn("google-class-value", f"$.pass.{key}", detail)


def _class_keys(google_type: str, content: Mapping[str, Any]) -> Iterator[str]:
    """Give what of a pass is the same for all passes of a template at Google."""
    yield "sharingProhibited"
    if google_type in _NAMED:
        yield "logoText" if content.get("logoText") else "description"
        yield "backgroundColor"
