"""What is wrong with a class or an object by itself, whatever else there is.

Keys, kinds and words are judged by Google's discovery document; what it does not say (what is
required, what excludes what, lengths, formats) stands here, from the texts of Google's reference.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, get_args

from tests.google.documents import Document, is_document, is_list
from tests.google.errors import invalid, unreadable
from tests.google_schema import Part, discovery, faults, schema_name

PassType = Literal["loyalty", "generic", "eventTicket", "offer", "giftCard", "transit", "flight"]
PASS_TYPES: Final[tuple[PassType, ...]] = get_args(PassType)
OUTPUT_ONLY: Final = ("review", "hasUsers", "hasLinkedDevice", "classReference")
ID: Final = re.compile(r"([0-9]{1,19})\.[A-Za-z0-9._-]+")

Rule = Callable[[Document], str | None]
"""Says what is wrong with one part of a document, if something is."""


def required(*keys: str) -> Rule:
    def rule(part: Document) -> str | None:
        missing = [key for key in keys if part.get(key) in (None, "", {})]
        return f"{missing[0]} is required." if missing else None

    return rule


def exactly_one(*keys: str) -> Rule:
    def rule(part: Document) -> str | None:
        count = sum(key in part for key in keys)
        return None if count == 1 else f"Exactly one of {', '.join(keys)} must be set."

    return rule


def not_both(one: str, other: str) -> Rule:
    def rule(part: Document) -> str | None:
        return f"{one} and {other} may not both be set." if {one, other} <= part.keys() else None

    return rule


def at_most(count: int, key: str) -> Rule:
    def rule(part: Document) -> str | None:
        return f"{key} may have at most {count}." if len(part.get(key, ())) > count else None

    return rule


def fits(pattern: str, *keys: str) -> Rule:
    def rule(part: Document) -> str | None:
        unfit = [key for key in keys if key in part and not re.fullmatch(pattern, part[key])]
        return f"{unfit[0]} has the invalid value {part[unfit[0]]!r}." if unfit else None

    return rule


def between(least: float, most: float, key: str) -> Rule:
    def rule(part: Document) -> str | None:
        is_in = least <= part.get(key, least) <= most
        return None if is_in else f"{key} must be from {least} to {most}."

    return rule


def offsets_at_both_ends_or_none(interval: Document) -> str | None:
    ends = [interval[end]["date"] for end in ("start", "end") if "date" in interval.get(end, {})]
    have_offsets = {re.fullmatch(WITH_OFFSET, end) is not None for end in ends}
    return "start and end must both have an offset, or neither." if len(have_offsets) > 1 else None


_LOCAL = r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?"
WITH_OFFSET: Final = _LOCAL + r"(Z|[+-]\d\d:\d\d)"
DATE: Final = _LOCAL + r"(Z|[+-]\d\d:\d\d)?"
COLOUR: Final = "#([0-9a-fA-F]{3}){1,2}"
FIELD_PATH: Final = r"(class|object)(\.[A-Za-z]+|\['[^'\"]+'\]|\[[0-9]+\])+"

_EVERY_CLASS: Final = (
    required("id"),
    at_most(10, "merchantLocations"),
    at_most(10, "messages"),
    at_most(15, "valueAddedModuleData"),
    fits(COLOUR, "hexBackgroundColor"),
)
_BRANDED_CLASS: Final = (*_EVERY_CLASS, required("issuerName", "reviewStatus"))
_EVERY_OBJECT: Final = (
    required("id", "classId"),
    at_most(10, "merchantLocations"),
    at_most(10, "messages"),
    at_most(15, "valueAddedModuleData"),
    fits(COLOUR, "hexBackgroundColor"),
    fits("[ -~]*", "smartTapRedemptionValue"),
)
_STATED_OBJECT: Final = (*_EVERY_OBJECT, required("state"))

RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "LoyaltyClass": (*_BRANDED_CLASS, required("programName", "programLogo")),
    "LoyaltyObject": _STATED_OBJECT,
    "GenericClass": _EVERY_CLASS,
    "GenericObject": (*_EVERY_OBJECT, required("cardTitle", "header")),
    "EventTicketClass": (
        *_BRANDED_CLASS,
        required("eventName"),
        fits(".{0,64}", "eventId"),
        not_both("confirmationCodeLabel", "customConfirmationCodeLabel"),
        not_both("gateLabel", "customGateLabel"),
        not_both("rowLabel", "customRowLabel"),
        not_both("seatLabel", "customSeatLabel"),
        not_both("sectionLabel", "customSectionLabel"),
    ),
    "EventTicketObject": _STATED_OBJECT,
    "OfferClass": (*_BRANDED_CLASS, required("provider", "title", "redemptionChannel")),
    "OfferObject": _STATED_OBJECT,
    "GiftCardClass": _BRANDED_CLASS,
    "GiftCardObject": (*_STATED_OBJECT, required("cardNumber")),
    "TransitClass": (*_BRANDED_CLASS, required("logo", "transitType")),
    "TransitObject": (
        *_STATED_OBJECT,
        required("tripType"),
        not_both("ticketLeg", "ticketLegs"),
        not_both("ticketStatus", "customTicketStatus"),
        not_both("concessionCategory", "customConcessionCategory"),
    ),
    "FlightClass": (
        *_BRANDED_CLASS,
        required("flightHeader", "origin", "destination", "localScheduledDepartureDateTime"),
        fits(
            _LOCAL,
            "localBoardingDateTime",
            "localEstimatedOrActualArrivalDateTime",
            "localEstimatedOrActualDepartureDateTime",
            "localGateClosingDateTime",
            "localScheduledArrivalDateTime",
            "localScheduledDepartureDateTime",
        ),
    ),
    "FlightObject": (*_STATED_OBJECT, required("passengerName", "reservationInfo")),
    "AirportInfo": (required("airportIataCode"),),
    "CardRowTemplateInfo": (exactly_one("oneItem", "twoItems", "threeItems"),),
    "CardTemplateOverride": (at_most(3, "cardRowTemplateInfos"),),
    "DateTime": (fits(DATE, "date"),),
    "EventDateTime": (
        fits(DATE, "start", "end", "doorsOpen"),
        not_both("doorsOpenLabel", "customDoorsOpenLabel"),
    ),
    "EventVenue": (required("name", "address"),),
    "FieldReference": (fits(FIELD_PATH, "fieldPath"),),
    "FlightCarrier": (exactly_one("carrierIataCode", "carrierIcaoCode"),),
    "FlightHeader": (
        required("carrier", "flightNumber"),
        fits("[0-9]+", "flightNumber", "operatingFlightNumber"),
    ),
    "FrequentFlyerInfo": (required("frequentFlyerNumber"),),
    "Image": (exactly_one("sourceUri", "privateImageId"),),
    "ImageUri": (required("uri"),),
    "LatLongPoint": (between(-90, 90, "latitude"), between(-180, 180, "longitude")),
    "LoyaltyPoints": (required("balance"),),
    "LoyaltyPointsBalance": (exactly_one("int", "double", "string", "money"),),
    "MerchantLocation": (between(-90, 90, "latitude"), between(-180, 180, "longitude")),
    "RotatingBarcodeValues": (
        required("startDateTime", "values", "periodMillis"),
        fits(WITH_OFFSET, "startDateTime"),
    ),
    "TextModuleData": (fits("[A-Za-z0-9_-]+", "id"),),
    "TicketLeg": (
        fits(DATE, "arrivalDateTime", "departureDateTime"),
        not_both("ticketSeat", "ticketSeats"),
    ),
    "TicketSeat": (not_both("fareClass", "customFareClass"),),
    "TimeInterval": (offsets_at_both_ends_or_none,),
}


def check(type_: str, part: Part, document: Document) -> None:
    """Raise the error that Google would answer, unless a document is in order."""
    name = schema_name(type_, part)
    for path, why in faults(name, document).items():
        raise unreadable(f"Invalid value at '{path}': {why}")
    for path, kind, one in parts(name, document):
        for rule in RULES.get(kind, ()):
            if wrong := rule(one):
                raise invalid(f"Invalid {name} at '{path}': {wrong}")


def refuse_output_only(document: Document) -> None:
    """Raise an error when a document holds what only Google sets."""
    for key in OUTPUT_ONLY:
        if key in document:
            raise invalid(f"{key} is set by Google.")


def issuer_of(id_: object) -> str:
    """Return whose id this is; raise an error when it is none."""
    found = ID.fullmatch(id_) if isinstance(id_, str) else None
    if found is None:
        raise invalid(f"Invalid resource ID: {id_}. It must be issuerId.identifier.")
    return found[1]


def image_urls(name: str, document: Document) -> set[str]:
    """Return the addresses of pictures, also of a document that may be out of order."""
    uris = [one.get("uri") for _, kind, one in parts(name, document) if kind == "ImageUri"]
    return {uri for uri in uris if isinstance(uri, str)}


def parts(kind: str, part: object, path: str = "$") -> Iterator[tuple[str, str, Document]]:
    """Walk through a document: the path, the schema's name and the value of each of its parts."""
    if not is_document(part):
        return
    yield path, kind, part
    properties = discovery()["schemas"][kind]["properties"]
    for key, value in part.items():
        schema = properties.get(key, {})
        if "$ref" in schema:
            yield from parts(schema["$ref"], value, f"{path}.{key}")
        elif "$ref" in schema.get("items", {}) and is_list(value):
            for number, one in enumerate(value):
                yield from parts(schema["items"]["$ref"], one, f"{path}.{key}[{number}]")
