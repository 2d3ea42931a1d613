"""The object of a pass: what its holder sees at Google."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.passes.google.barcodes import barcode_of, first_barcode
from shared.passes.google.blueprint import Blueprint, hex_colour, merchant_locations
from shared.passes.google.fields import loyalty_points, money
from shared.passes.google.images import Pictures, image_of, pictures_of
from shared.passes.google.semantics import (
    journey_keys,
    moment,
    passenger_keys,
    seat_keys,
    semantics_of,
)
from shared.passes.language.state import PassState
from shared.passes.schema.values import to_text
from shared.passes.template.card import Card

_COLOURED: Final = frozenset({"generic", "eventTicket", "transit", "flight"})
"""Types whose objects may have another colour than their class."""

_WITH_SEMANTICS: Final = frozenset({"eventTicket", "flight", "transit"})
_TEXT_TARGETS: Final = (
    "accountName", "accountId", "cardNumber", "ticketHolderName", "passengerName",
    "passengerNames",
)  # fmt: skip


class ObjectWriter:
    """Composes the objects of one revision of a template, all but their ids."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._texts = blueprint.texts
        self._google_type = blueprint.section.google_type
        self._is_coloured = self._google_type in _COLOURED
        content = blueprint.blank.content
        self._places_vary = blueprint.compiled.varies(("locations",))
        self._places = content.get("locations")
        self._colour = content.get("backgroundColor")
        self._event = blueprint.event_name[0]
        self._looks = self._looks_of(blueprint.pictures)

    def write(self, card: Card, state: PassState, at: datetime, *, deleted: bool) -> dict[str, Any]:
        """Compose what an object says at a time, from which on it may have expired."""
        content = card.content
        end = moment(content.get("expirationDate"))
        composed: dict[str, Any] = {"state": _state(card, end, at, deleted=deleted)}
        if end:
            composed["validTimeInterval"] = {"end": {"date": end}}
        if barcode := barcode_of(content, self._texts):
            composed["barcode"] = barcode
        if group := content.get("groupingIdentifier"):
            composed["groupingInfo"] = {"groupingId": group}
        self._add_looks(composed, card)
        places = content.get("locations")
        if (self._places_vary or places != self._places) and (own := merchant_locations(places)):
            composed["merchantLocations"] = own
        if self._blueprint.has_own_apps(content, state) and (
            links := self._blueprint.app_links(content, state)
        ):
            composed["appLinkData"] = links
        fields = self._blueprint.fields.compose(content)
        if self._google_type in _WITH_SEMANTICS:
            composed |= self._semantic_keys(content)
        composed |= self._bound_keys(fields.bound, card)
        modules = fields.modules
        if "eventName" in fields.bound and not self._is_of_class(fields.bound["eventName"]):
            modules = [self._blueprint.fields.module(fields.bound["eventName"]), *modules]
        if modules:
            composed["textModulesData"] = modules
        if fields.links:
            composed["linksModuleData"] = {"uris": fields.links}
        return composed

    def _add_looks(self, composed: dict[str, Any], card: Card) -> None:
        if card.images is self._blueprint.images:
            composed |= self._looks
        else:
            template = self._blueprint.images
            section, plain = self._blueprint.section, self._blueprint.pictures.logo
            composed |= self._looks_of(
                pictures_of(card.images, section, template, plain_logo=plain)
            )
        colour = card.content.get("backgroundColor")
        is_own = self._google_type == "generic" or colour != self._colour
        if self._is_coloured and is_own and (text := hex_colour(to_text(colour))):
            composed["hexBackgroundColor"] = text

    def _looks_of(self, pictures: Pictures) -> dict[str, Any]:
        """Return the images that the class does not have."""
        base_url, ofclass = self._blueprint.base_url, self._blueprint.pictures
        looks: dict[str, Any] = {}
        if self._google_type == "generic":
            looks = {"logo": pictures.logo, "wideLogo": pictures.wide_logo}
        if self._google_type == "generic" or pictures.hero != ofclass.hero:
            looks["heroImage"] = pictures.hero
        looks = {key: image_of(base_url, sha256) for key, sha256 in looks.items() if sha256}
        if pictures.thumbnail:
            image = image_of(base_url, pictures.thumbnail)
            looks["imageModulesData"] = [{"id": "thumbnail", "mainImage": image}]
        return looks

    def _semantic_keys(self, content: Mapping[str, Any]) -> dict[str, Any]:
        semantics = semantics_of(content, self._blueprint.style)
        if self._google_type == "eventTicket":
            return seat_keys(semantics, self._texts)
        if self._google_type == "flight":
            return passenger_keys(semantics, self._texts)
        return journey_keys(semantics, self._texts)

    def _bound_keys(self, bound: Mapping[str, dict[str, Any]], card: Card) -> dict[str, Any]:
        """Return what Google has keys of its own for."""
        texts = self._texts
        keys: dict[str, Any] = {
            target: text
            for target, field in bound.items()
            if target in _TEXT_TARGETS and (text := texts.shown(field)[0])
        }
        if "loyaltyPoints" in bound:
            keys["loyaltyPoints"] = loyalty_points(bound["loyaltyPoints"], texts)
        if "balance" in bound:
            keys["balance"] = money(bound["balance"])
        if self._google_type == "giftCard" and "cardNumber" not in keys:
            barcode = first_barcode(card.content) or {}
            keys["cardNumber"] = barcode.get("message") or card.serial_number
        elif self._google_type == "generic":
            keys |= self._title(bound.get("header", {}), card.content)
        return keys

    def _title(self, field: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the texts on top of a generic card."""
        texts = self._texts
        shown = texts.shown(field)
        company = content.get("logoText") or content.get("organizationName")
        title = {
            "cardTitle": texts.localized(company),
            "header": texts.string(shown) if shown[0] else texts.localized(content["description"]),
        }
        if label := field.get("label"):
            title["subheader"] = texts.localized(label)
        return title

    def _is_of_class(self, field: Mapping[str, Any]) -> bool:
        shown = self._texts.shown(field)[0]
        return shown in ("", self._event)


def _state(card: Card, end: str, at: datetime, *, deleted: bool) -> str:
    if card.voided or deleted:
        return "INACTIVE"
    return "EXPIRED" if end and datetime.fromisoformat(end) <= at else "ACTIVE"
