"""Turns what callers of the Pass2U API say of a pass into values by path, and faults back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.gateway.catalogue.models import COUNTED, Model, ModelField
from services.gateway.routes.pass2u.words import Barcode, FieldValue, PassData
from shared.contracts.message import JsonObject
from shared.errors import ApplicationError, InvalidError
from shared.passes.language.paths import ALT_TEXT_PATH, MESSAGE_PATH
from shared.passes.schema.barcodes import ONE_PER_PASS
from shared.passes.schema.companions import BESIDE_NO_STRIP
from shared.passes.schema.slots import IMAGE_PATHS, OWN_IMAGES_ONLY_PATH

PLAIN: Final = (
    "description",
    "organizationName",
    "associatedStoreIdentifiers",
    "appLaunchURL",
    "associatedPlayIdentifiers",
    "androidAppLaunchURL",
    "expirationDate",
    "maxDistance",
    "relevantDate",
    "backgroundColor",
    "foregroundColor",
    "groupingIdentifier",
    "labelColor",
    "logoText",
    "sharingProhibited",
)
"""Attributes whose names are paths."""

PLACES: Final = ("beacons", "locations")
"""The same, of lists whose entries may say more than the reference knows."""

ATTRIBUTES: Final = frozenset(
    {*PLAIN, *PLACES, "passcode", "voided", "images", "barcode", "fields"}
)

FIELD_ATTRIBUTES: Final[Mapping[str, str]] = {
    "label": "label",
    "value": "value",
    "changeMessage": "change_message",
}
"""The reference's names → those of a ModelField's paths."""

GROUPED: Final = frozenset({"eventTicket", "boardingPass"})
IMAGES_OF: Final[Mapping[str, frozenset[str]]] = {
    "boardingPass": frozenset({"icon", "logo", "footer"}),
    "coupon": frozenset({"icon", "logo", "strip"}),
    "eventTicket": frozenset({"icon", "logo", "strip", "background", "thumbnail"}),
    "storeCard": frozenset({"icon", "logo", "strip"}),
    "generic": frozenset({"icon", "logo", "thumbnail"}),
}
"""The images that each style may have; event tickets in both of their layouts."""


class RefusedError(InvalidError):
    """What the pass is to have is not possible."""

    code = "pass_data_refused"


@dataclass(slots=True)
class Translation:
    """What a pass is to have of its own, by path, and what was ignored."""

    values: JsonObject = field(default_factory=dict[str, Any])
    warnings: list[str] = field(default_factory=list[str])


def translate(
    data: PassData, model: Model, images: Mapping[str, str], *, is_new: bool
) -> Translation:
    """Turn the body of a create or update into values; RefusedError names what is not possible.

    `images` are those that the account knows, hexadecimal hash → SHA-256.
    """
    found = Translation()
    faults: list[dict[str, str]] = []
    if given := data.model_fields_set & _PLAIN_FIELDS:
        found.values = data.model_dump(mode="json", by_alias=True, exclude_none=True, include=given)
    for key, entries in zip(PLACES, (data.beacons, data.locations), strict=True):
        if entries is not None:
            found.values[key] = [entry.known() for entry in entries]
    for beacon in found.values.get("beacons", ()):
        if (minor := beacon.pop("minjor", None)) is not None:
            beacon.setdefault("minor", minor)
    if data.grouping_identifier is not None and _style(model) not in GROUPED:
        faults.append(
            _fault("groupingIdentifier", "Allowed only for event tickets and boarding passes")
        )
    _translate_images(data, model, images, found, faults)
    _translate_barcode(data, model, found, is_new=is_new)
    _translate_fields(data, model, found, faults)
    found.warnings += [f"{name}: unknown, ignored" for name in data.unknown_names()]
    if faults:
        raise RefusedError(errors=faults)
    return found


def hashes_in(data: PassData) -> list[str]:
    """List the hexadecimal hashes of images that a body names."""
    return [image.hex.lower() for image in data.images or ()]


def forget_other_images(values: JsonObject) -> JsonObject:
    """Take away what images a pass had before, where it gets others."""
    if OWN_IMAGES_ONLY_PATH not in values:
        return values
    return {**dict.fromkeys(IMAGE_PATHS), **values}


def reset(name: str, model: Model) -> JsonObject:
    """Say which own values of a pass are taken away with an attribute."""
    match name:
        case "images":
            return dict.fromkeys((*IMAGE_PATHS, OWN_IMAGES_ONLY_PATH))
        case "barcode" if model.compiled.barcode_policy in ONE_PER_PASS:
            return {ALT_TEXT_PATH: None}
        case "barcode":
            return {ALT_TEXT_PATH: None, MESSAGE_PATH: None}
        case "fields":
            return {
                path: None
                for one in model.fields.values()
                if one.kind not in COUNTED
                for path in one.paths
            }
        case "passcode" | "voided":
            return {}
        case _:
            return {name: None}


def in_their_words(error: ApplicationError, model: Model) -> ApplicationError:
    """Name the attributes and fields of the reference where an error names paths."""
    places: dict[str, str] = {ALT_TEXT_PATH: "barcode/altText", MESSAGE_PATH: "barcode/message"}
    for key, one in model.fields.items():
        for name, attribute in FIELD_ATTRIBUTES.items():
            places[getattr(one, attribute)] = f"fields/{key}/{name}"
    error.errors = [
        {**fault, "pointer": places.get(path, path)}
        for fault in error.errors
        for path in [str(fault.get("pointer", "")).removeprefix("/values/")]
    ]
    return error


def _translate_images(
    data: PassData,
    model: Model,
    images: Mapping[str, str],
    found: Translation,
    faults: list[dict[str, str]],
) -> None:
    if data.images is None:
        return
    style, seen = _style(model), set[str]()
    found.values[OWN_IMAGES_ONLY_PATH] = True
    for index, image in enumerate(data.images):
        sha256 = images.get(image.hex.lower())
        if image.type in seen:
            faults.append(_fault(f"images/{index}/type", f"{image.type} is given twice"))
        seen.add(image.type)
        if image.type not in IMAGES_OF.get(style, ()):
            detail = f"A pass of the style {style} has no {image.type}"
            faults.append(_fault(f"images/{index}/type", detail))
        if sha256 is None:
            faults.append(_fault(f"images/{index}/hex", "No image with this hex was uploaded"))
        else:
            found.values[f"images_{image.type}@2x"] = sha256
    if style == "eventTicket" and "strip" in seen:
        found.warnings += [
            f"images: {kind} is not shown beside a strip" for kind in sorted(seen & BESIDE_NO_STRIP)
        ]


def _translate_barcode(data: PassData, model: Model, found: Translation, *, is_new: bool) -> None:
    if data.barcode is None:
        return
    entries = [data.barcode] if isinstance(data.barcode, Barcode) else data.barcode
    if not entries:
        return
    barcode = entries[0]
    if len(entries) > 1:
        found.warnings.append("barcode: a pass has one barcode, the others are ignored")
    if barcode.alt_text is not None:
        found.values[ALT_TEXT_PATH] = barcode.alt_text
    if barcode.message is None:
        return
    policy = model.compiled.barcode_policy
    if policy == "random" and is_new:
        found.warnings.append("barcode.message: made up for each pass, ignored")
    elif policy in ONE_PER_PASS:
        found.values[MESSAGE_PATH] = barcode.message
    else:
        found.warnings.append("barcode.message: fixed by the model, ignored")


def _translate_fields(
    data: PassData, model: Model, found: Translation, faults: list[dict[str, str]]
) -> None:
    seen: set[str] = set()
    for index, given in enumerate(data.fields_ or ()):
        place = f"fields/{index}"
        if given.key in seen:
            faults.append(_fault(f"{place}/key", f"{given.key} is given twice"))
        seen.add(given.key)
        known = model.fields.get(given.key)
        if known is None:
            found.warnings.append(f"fields.{given.key}: unknown, ignored")
        elif known.kind in COUNTED:
            faults.append(_fault(place, f"{given.key} holds {known.kind}, which no call sets"))
        elif known.kind == "fixed":
            found.warnings.append(f"fields.{given.key}: fixed by the model, ignored")
        else:
            found.values |= _values_of(given, known)


def _values_of(given: FieldValue, known: ModelField) -> JsonObject:
    values = {
        known.label: given.label,
        known.value: given.value,
        known.change_message: given.change_message,
    }
    return {path: value for path, value in values.items() if value is not None}


def _style(model: Model) -> str:
    return model.compiled.path_index.style


def _fault(place: str, detail: str) -> dict[str, str]:
    return {"pointer": place, "detail": detail}


_PLAIN_FIELDS: Final = {
    name for name, info in PassData.model_fields.items() if (info.alias or name) in PLAIN
}
