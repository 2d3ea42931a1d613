"""The `google` section of a template: what of its passes is otherwise at Google Wallet."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.passes.google.raw import RawPart
from shared.passes.google.registry import TYPES, Part
from shared.passes.language.paths import PathIndex
from shared.passes.schema.findings import Findings
from shared.passes.schema.localization import is_language
from shared.passes.schema.skeleton import json_step
from shared.passes.schema.values import Json, is_list, is_object
from shared.passes.template.checking import IMAGE_DIGEST

DEFAULT_LANGUAGE: Final = "en"
MAX_ROWS: Final = 3
MAX_IN_ROW: Final = 3
IMAGES: Final = ("logo", "wide_logo", "hero")

_KEYS: Final = frozenset(
    {"issuer_id", "type", "class_id", "language", "rows", "images", "class", "object"}
)
_TYPE_OF_STYLE: Final = {"storeCard": "loyalty", "coupon": "offer", "eventTicket": "eventTicket"}
_ISSUER: Final = re.compile(r"[0-9]{1,19}")
_CLIENT_ID: Final = re.compile(r"[0-9]{20,}")
_CLASS: Final = re.compile(r"[0-9]{1,19}\.[A-Za-z0-9._-]+")
_FIELD_PATH: Final = re.compile(r"(?:object|class)\.[^\"]+")


@dataclass(frozen=True, slots=True)
class Section:
    """A template's section for Google, without what is wrong in it."""

    google_type: str
    """One of TYPES."""
    issuer_id: str
    """Empty: the account's own."""
    class_id: str
    """A class that is there already and never written; empty: the template has its own."""
    language: str
    rows: tuple[tuple[str, ...], ...] | None
    """Keys of fields, or Google's field paths."""
    images: Mapping[str, str]
    """`logo`, `wide_logo` and `hero` → SHA-256."""
    class_part: RawPart
    object_part: RawPart


def read_section(
    data: Mapping[str, Any], style: Mapping[str, Any], path_index: PathIndex, findings: Findings
) -> Section:
    """Read the section; `style` is the pass's part of that style, for its `transitType`.

    What is wrong is a finding and is left out.
    """
    for key in sorted(data.keys() - _KEYS):
        findings.warn("unknown-key", "$.google" + json_step(key), "no such key of `google`")
    google_type = _read_type(data, style, path_index, findings)
    issuer_id = _read_issuer(data.get("issuer_id"), findings)
    return Section(
        google_type=google_type,
        issuer_id=issuer_id,
        class_id=_read_class_id(data.get("class_id"), issuer_id, findings),
        language=_read_language(data.get("language"), findings),
        rows=_read_rows(data.get("rows"), path_index, findings),
        images=_read_images(data.get("images"), findings),
        class_part=_read_raw(data, google_type, "class", path_index, findings),
        object_part=_read_raw(data, google_type, "object", path_index, findings),
    )


_NEEDS: Final[Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]]] = {
    "flight": {
        "flightHeader": (("airlineCode",), ("flightNumber", "flightCode")),
        "origin": (("departureAirportCode",),),
        "destination": (("destinationAirportCode",),),
        "localScheduledDepartureDateTime": (("originalDepartureDate", "currentDepartureDate"),),
    },
    "transit": {
        "ticketLeg": (
            ("departureStationName", "departureLocationDescription", "departureCityName"),
            ("destinationStationName", "destinationLocationDescription", "destinationCityName"),
            ("originalDepartureDate", "currentDepartureDate"),
        ),
    },
}


def _read_type(
    data: Mapping[str, Any], style: Mapping[str, Any], path_index: PathIndex, findings: Findings
) -> str:
    wanted = data.get("type")
    if wanted in TYPES:
        return str(wanted)
    if wanted is not None:
        detail = f"one of {', '.join(TYPES)} is needed"
        findings.error("google-type", "$.google.type", detail)
    if path_index.style != "boardingPass":
        return _TYPE_OF_STYLE.get(path_index.style, "generic")
    is_flight = style.get("transitType") == "PKTransitTypeAir"
    google_type = "flight" if is_flight else "transit"
    lacking = list(_lacking(google_type, data, path_index))
    if not lacking:
        return google_type
    if not data:
        return "generic"
    detail = f'a {google_type} needs {", ".join(lacking)}; or set "type": "generic"'
    findings.error("google-type", "$.google", detail)
    return google_type


def _lacking(google_type: str, data: Mapping[str, Any], path_index: PathIndex) -> Iterator[str]:
    """Give what neither semantics nor the section say."""
    given: set[str] = set()
    for part in ("class", "object"):
        raw: Json = data.get(part)
        if is_object(raw):
            given |= raw.keys()
    semantics = {path.rpartition("semantics_")[2] for path in path_index.given}
    for key, groups in _NEEDS[google_type].items():
        if key not in given:
            for group in groups:
                if semantics.isdisjoint(group):
                    yield f"semantics.{group[0]}"


def _read_issuer(value: Json, findings: Findings) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and _ISSUER.fullmatch(value) and int(value) < 2**63:
        return value
    is_client = isinstance(value, str) and _CLIENT_ID.fullmatch(value)
    detail = (
        "this is the client id of a service account: the issuer id is in Google's console"
        if is_client
        else "the number of an issuer is needed, as a text of digits"
    )
    findings.error("google-issuer", "$.google.issuer_id", detail)
    return ""


def _read_class_id(value: Json, issuer_id: str, findings: Findings) -> str:
    if value is None:
        return ""
    path = "$.google.class_id"
    if not isinstance(value, str) or not _CLASS.fullmatch(value):
        findings.error("google-class-id", path, "an issuer's number, a dot, letters and digits")
        return ""
    if issuer_id and not value.startswith(f"{issuer_id}."):
        findings.error("google-class-id", path, "a class of another issuer")
        return ""
    return value


def _read_language(value: Json, findings: Findings) -> str:
    if isinstance(value, str) and is_language(value):
        return value
    if value is not None:
        detail = "a language tag such as de or pt-BR is needed"
        findings.error("language", "$.google.language", detail)
    return DEFAULT_LANGUAGE


def _read_rows(
    value: Json, path_index: PathIndex, findings: Findings
) -> tuple[tuple[str, ...], ...] | None:
    if value is None:
        return None
    if not is_list(value) or len(value) > MAX_ROWS:
        findings.error("google-rows", "$.google.rows", f"a list of at most {MAX_ROWS} rows")
        return None
    keys = {leaf.field_key for leaf in path_index.given.values() if leaf.is_field_value}
    rows: list[tuple[str, ...]] = []
    for at, row in enumerate(value):
        path = f"$.google.rows[{at}]"
        if not is_list(row) or not 0 < len(row) <= MAX_IN_ROW:
            findings.error("google-rows", path, f"a list of 1 to {MAX_IN_ROW} keys of fields")
            continue
        faults = [_fault_of_item(item, keys) for item in row]
        for place, fault in enumerate(faults):
            if fault:
                findings.error("field-path", f"{path}[{place}]", fault)
        if not any(faults):
            rows.append((*row,))
    return (*rows,)


def _fault_of_item(item: Json, keys: set[str | None]) -> str:
    if isinstance(item, str) and item in keys:
        return ""
    if not isinstance(item, str) or not item.startswith(("object.", "class.")):
        return "the key of a field of the pass is needed, or a path such as object.accountId"
    return fault_of_field_path(item)


def fault_of_field_path(text: str) -> str:
    """Say what is wrong with one of Google's field paths; empty if nothing is."""
    if '"' in text:
        return "Google takes single quotes only, as in object.textModulesData['points']"
    if not _FIELD_PATH.fullmatch(text):
        return "a path begins with object. or class."
    return ""


def _read_images(value: Json, findings: Findings) -> dict[str, str]:
    if value is None:
        return {}
    if not is_object(value):
        findings.error("type", "$.google.images", "an object is needed")
        return {}
    images: dict[str, str] = {}
    for name, digest in value.items():
        path = "$.google.images" + json_step(name)
        if name not in IMAGES:
            findings.error("image-name", path, f"one of {', '.join(IMAGES)}")
        elif not isinstance(digest, str) or not IMAGE_DIGEST.fullmatch(digest):
            findings.error("image-hash", path, "64 lower-case hex digits of SHA-256 are needed")
        else:
            images[name] = digest
    return images


def _read_raw(
    data: Mapping[str, Any],
    google_type: str,
    part: Part,
    path_index: PathIndex,
    findings: Findings,
) -> RawPart:
    raw = data.get(part)
    if raw is not None and not is_object(raw):
        findings.error("type", f"$.google.{part}", "an object is needed")
    return RawPart(raw if is_object(raw) else {}, google_type, part, path_index, findings)
