"""The class of a template: what its passes have in common at Google."""

from collections.abc import Mapping
from typing import Any, Final

from shared.passes.google.blueprint import NOBODY, Blueprint, hex_colour, merchant_locations
from shared.passes.google.images import image_of
from shared.passes.google.registry import keys_of
from shared.passes.google.semantics import (
    event_keys,
    flight_keys,
    semantics_of,
    transit_type,
)
from shared.passes.schema.values import to_text

REVIEW: Final = "UNDER_REVIEW"
"""Google approves by itself; what was approved is sent like this again."""

CALLBACK_PATH: Final = "/google/callbacks"
"""Where the gateway hears of saves and removals, the issuer's id behind it."""

_LOGOS: Final[Mapping[str, tuple[str, str]]] = {
    "loyalty": ("programLogo", "wideProgramLogo"),
    "giftCard": ("programLogo", "wideProgramLogo"),
    "offer": ("titleImage", "wideTitleImage"),
    "eventTicket": ("logo", "wideLogo"),
    "transit": ("logo", "wideLogo"),
}
_AIRLINE_LOGOS: Final = ("airlineLogo", "wideAirlineLogo")
_LABELS: Final = {"accountName": "accountNameLabel", "accountId": "accountIdLabel"}
_TAG_PARTS: Final = 2


def class_of(blueprint: Blueprint, own: Mapping[str, Any]) -> dict[str, Any]:
    """Compose a class but for its id; `own` is what `variant_keys` says of its passes."""
    keys = keys_of(blueprint.section.google_type, "class")
    composed = {**_common(blueprint), **_names(blueprint), **own}
    return {key: value for key, value in composed.items() if key in keys}


def variant_keys(blueprint: Blueprint, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Google keeps on the class where we keep it on the pass.

    That is the company's name, the event with its time and venue, and the flight.
    """
    texts, google_type = blueprint.texts, blueprint.section.google_type
    company = content.get("organizationName")
    keys = texts.named("issuerName", company)
    if google_type == "offer":
        keys |= texts.named("provider", company)
    elif google_type == "eventTicket":
        keys |= event_keys(semantics_of(content, blueprint.style), content, texts)
    elif google_type == "flight":
        keys |= flight_keys(semantics_of(content, blueprint.style))
        if "flightHeader" in keys:
            keys["flightHeader"]["carrier"] |= _images(blueprint, _AIRLINE_LOGOS)
    return keys


def _common(blueprint: Blueprint) -> dict[str, Any]:
    content, section = blueprint.blank.content, blueprint.section
    fields = blueprint.fields.fixed(content)
    composed: dict[str, Any] = {
        "reviewStatus": REVIEW,
        "callbackOptions": {"url": f"{blueprint.base_url}{CALLBACK_PATH}/{blueprint.issuer_id}"},
        **_images(blueprint, _LOGOS.get(section.google_type, ("", ""))),
    }
    given = {
        "countryCode": _country(section.language),
        "hexBackgroundColor": hex_colour(to_text(content.get("backgroundColor"))),
        "textModulesData": fields.modules,
        "linksModuleData": {"uris": fields.links} if fields.links else None,
        "appLinkData": blueprint.app_links(content, NOBODY),
    }
    composed |= {key: value for key, value in given.items() if value}
    if blueprint.pictures.hero:
        composed["heroImage"] = image_of(blueprint.base_url, blueprint.pictures.hero)
    if blueprint.fields.rows:
        rows = {"cardRowTemplateInfos": blueprint.fields.rows}
        composed["classTemplateInfo"] = {"cardTemplateOverride": rows}
    if content.get("sharingProhibited") is True:
        composed["multipleDevicesAndHoldersAllowedStatus"] = "ONE_USER_ALL_DEVICES"
    if not blueprint.compiled.varies(("locations",)) and (
        places := merchant_locations(content.get("locations"))
    ):
        composed["merchantLocations"] = places
    return composed


def _names(blueprint: Blueprint) -> dict[str, Any]:
    """Return what cards of the type are called, and the labels of what they have keys for."""
    texts, content = blueprint.texts, blueprint.blank.content
    google_type = blueprint.section.google_type
    title = content.get("logoText") or content.get("description")
    bound = blueprint.fields.compose(content).bound
    if google_type == "loyalty":
        keys = texts.named("programName", title)
        for target, key in _LABELS.items():
            if label := bound.get(target, {}).get("label"):
                keys |= texts.named(key, label)
        return keys
    if google_type == "giftCard":
        return texts.named("merchantName", title)
    if google_type == "offer":
        return {**texts.named("title", title), "redemptionChannel": "BOTH"}
    if google_type == "eventTicket":
        return {"eventName": texts.string(blueprint.event_name)}
    if google_type == "transit":
        semantics = semantics_of(content, blueprint.style)
        operator = semantics.get("transitProvider") or content.get("organizationName")
        type_ = transit_type(content.get(blueprint.style))
        return {"transitOperatorName": texts.localized(operator), "transitType": type_}
    return {}


def _images(blueprint: Blueprint, keys: tuple[str, str]) -> dict[str, Any]:
    found = zip(keys, (blueprint.pictures.logo, blueprint.pictures.wide_logo), strict=True)
    return {key: image_of(blueprint.base_url, sha256) for key, sha256 in found if key and sha256}


def _country(language: str) -> str:
    """Return the country of a language tag, if it names one: AT of de-AT."""
    parts = language.replace("_", "-").split("-")
    return next((part.upper() for part in parts[1:] if len(part) == _TAG_PARTS), "")
