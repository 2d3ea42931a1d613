"""Events and journeys at Google, of what the semantics of a pass say."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from shared.passes.google.texts import Texts
from shared.passes.schema.registry import FIELD_GROUPS
from shared.passes.schema.strings import is_time_zone
from shared.passes.schema.values import Json, is_date, is_list, is_object, to_text

_WITHOUT_SECONDS: Final = len("2027-01-31T18:30")
_TRANSIT_TYPES: Final = {
    "PKTransitTypeBus": "BUS",
    "PKTransitTypeTrain": "RAIL",
    "PKTransitTypeBoat": "FERRY",
}
_TIMES: Final = {
    "localScheduledDepartureDateTime": (
        ("originalDepartureDate", "currentDepartureDate"),
        "departure",
    ),
    "localEstimatedOrActualDepartureDateTime": (("currentDepartureDate",), "departure"),
    "localBoardingDateTime": (("currentBoardingDate", "originalBoardingDate"), "departure"),
    "localScheduledArrivalDateTime": (("originalArrivalDate",), "destination"),
    "localEstimatedOrActualArrivalDateTime": (("currentArrivalDate",), "destination"),
}
_IATA_LETTERS: Final = 2
_NAME_PARTS: Final = ("namePrefix", "givenName", "middleName", "familyName", "nameSuffix")


def semantics_of(content: Mapping[str, Any], style: str) -> dict[str, Any]:
    """Return all that a composed pass means: what its fields say, then what it says itself."""
    merged: dict[str, Any] = {}
    fields: Json = content.get(style)
    for group in FIELD_GROUPS if is_object(fields) else ():
        for field in entries if is_list(entries := fields.get(group)) else ():
            if is_object(field) and is_object(field.get("semantics")):
                merged |= field["semantics"]
    own = content.get("semantics")
    return merged | own if is_object(own) else merged


def moment(text: Json) -> str:
    """Return a date with its author's offset and, as Google wants it, with seconds; or nothing."""
    if not isinstance(text, str) or not is_date(text):
        return ""
    head, rest = text[:_WITHOUT_SECONDS], text[_WITHOUT_SECONDS:]
    return text if rest.startswith(":") else f"{head}:00{rest}"


def event_keys(
    semantics: Mapping[str, Any], content: Mapping[str, Any], texts: Texts
) -> dict[str, Any]:
    """Return what an event ticket's class says of the event: its name, time and venue."""
    keys: dict[str, Any] = {}
    if name := semantics.get("eventName"):
        keys["eventName"] = texts.localized(name)
    start = moment(semantics.get("eventStartDate")) or _relevant(content)
    times = {
        "start": start,
        "end": moment(semantics.get("eventEndDate")),
        "doorsOpen": moment(semantics.get("venueDoorsOpenDate")),
    }
    if given := {key: time for key, time in times.items() if time}:
        keys["dateTime"] = given
    place = _first(semantics, "venueRegionName", "venueRoom")
    if (venue := semantics.get("venueName")) and place:
        keys["venue"] = {"name": texts.localized(venue), "address": texts.localized(place)}
    return keys


def seat_keys(semantics: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    """Return what an event ticket says of its holder's seat, and of who that is."""
    seat = _first_seat(semantics)
    given = {
        "seat": seat.get("seatNumber"),
        "row": seat.get("seatRow"),
        "section": seat.get("seatSection"),
        "gate": _first(semantics, "venueEntranceGate", "venueEntrance", "venueEntranceDoor"),
    }
    info = {key: texts.localized(value) for key, value in given.items() if value}
    keys: dict[str, Any] = {"seatInfo": info} if info else {}
    if name := semantics.get("attendeeName"):
        keys["ticketHolderName"] = to_text(name)
    if kind := semantics.get("admissionLevel"):
        keys["ticketType"] = texts.localized(kind)
    return keys


def flight_keys(semantics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a flight's class says of the flight."""
    carrier, number = _first(semantics, "airlineCode"), _first(semantics, "flightNumber")
    code = _first(semantics, "flightCode").replace(" ", "")
    if not number and code:
        number = code.removeprefix(carrier)
    keys: dict[str, Any] = {}
    if carrier and number:
        name = "carrierIataCode" if len(carrier) == _IATA_LETTERS else "carrierIcaoCode"
        keys["flightHeader"] = {"carrier": {name: carrier}, "flightNumber": number}
    for key, end in (("origin", "departure"), ("destination", "destination")):
        airport = {
            "airportIataCode": semantics.get(f"{end}AirportCode"),
            "terminal": semantics.get(f"{end}Terminal"),
            "gate": semantics.get(f"{end}Gate"),
        }
        if airport["airportIataCode"]:
            keys[key] = {name: to_text(value) for name, value in airport.items() if value}
    for key, (names, end) in _TIMES.items():
        zone = semantics.get(f"{end}AirportTimeZone")
        if time := next(filter(None, (_local(semantics.get(name), zone) for name in names)), ""):
            keys[key] = time
    return keys


def passenger_keys(semantics: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    """Return what a flight's object says of the passenger."""
    keys: dict[str, Any] = {}
    if name := person_name(semantics):
        keys["passengerName"] = name
    reservation: dict[str, Any] = {}
    if code := semantics.get("confirmationNumber"):
        reservation["confirmationCode"] = to_text(code)
    if number := semantics.get("membershipProgramNumber"):
        flyer: dict[str, Any] = {"frequentFlyerNumber": to_text(number)}
        if program := semantics.get("membershipProgramName"):
            flyer["frequentFlyerProgramName"] = texts.localized(program)
        reservation["frequentFlyerInfo"] = flyer
    keys["reservationInfo"] = reservation
    seat = _first_seat(semantics)
    boarding = {
        "seatNumber": seat.get("seatNumber"),
        "seatClass": seat.get("seatType") or semantics.get("ticketFareClass"),
        "boardingGroup": semantics.get("boardingGroup"),
        "sequenceNumber": semantics.get("boardingSequenceNumber"),
    }
    if given := {key: to_text(value) for key, value in boarding.items() if value}:
        keys["boardingAndSeatingInfo"] = given
    return keys


def journey_keys(semantics: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    """Return what a transit object says of the journey and of who makes it."""
    keys: dict[str, Any] = {"tripType": "ONE_WAY"}
    if name := person_name(semantics):
        keys["passengerNames"] = name
    leg: dict[str, Any] = {}
    for key, end in (("originName", "departure"), ("destinationName", "destination")):
        names = (f"{end}StationName", f"{end}LocationDescription", f"{end}CityName")
        if station := _first(semantics, *names):
            leg[key] = texts.localized(station)
    times = {
        "departureDateTime": ("currentDepartureDate", "originalDepartureDate"),
        "arrivalDateTime": ("currentArrivalDate", "originalArrivalDate"),
    }
    for key, given in times.items():
        if time := next(filter(None, (moment(semantics.get(name)) for name in given)), ""):
            leg[key] = time
    texts_of = {"platform": "departurePlatform", "carriage": "carNumber"}
    leg |= {key: text for key, name in texts_of.items() if (text := _first(semantics, name))}
    seat = _first_seat(semantics)
    if number := seat.get("seatNumber"):
        leg["ticketSeat"] = {"seat": to_text(number)}
    if leg.keys() >= {"originName", "destinationName"}:
        keys["ticketLeg"] = leg
    if code := semantics.get("confirmationNumber"):
        keys["purchaseDetails"] = {"confirmationCode": to_text(code)}
    return keys


def transit_type(style: Json) -> str:
    """Return the type of a transit class, of the part of a boarding pass."""
    given = style.get("transitType") if is_object(style) else None
    return _TRANSIT_TYPES.get(to_text(given), "OTHER")


def person_name(semantics: Mapping[str, Any]) -> str:
    """Return the name of who travels."""
    name: Json = semantics.get("passengerName")
    if not is_object(name):
        return ""
    return " ".join(to_text(name[part]) for part in _NAME_PARTS if name.get(part))


def _relevant(content: Mapping[str, Any]) -> str:
    """Return when a pass begins to matter."""
    dates: Json = content.get("relevantDates")
    for entry in dates if is_list(dates) else ():
        if is_object(entry) and (start := moment(entry.get("startDate") or entry.get("date"))):
            return start
    return moment(content.get("relevantDate"))


def _first(semantics: Mapping[str, Any], *names: str) -> str:
    return next((to_text(value) for name in names if (value := semantics.get(name))), "")


def _first_seat(semantics: Mapping[str, Any]) -> dict[str, Any]:
    seats: Json = semantics.get("seats")
    return seats[0] if is_list(seats) and seats and is_object(seats[0]) else {}


def _local(text: Json, zone: Json) -> str:
    """Return the time on the clocks of an airport: its zone's, else those of the author."""
    if not isinstance(text, str) or not is_date(text):
        return ""
    time = datetime.fromisoformat(text)
    if isinstance(zone, str) and is_time_zone(zone):
        with suppress(OverflowError):  # on the first and the last day that there is
            time = time.astimezone(ZoneInfo(zone))
    return time.replace(tzinfo=None).isoformat(timespec="seconds")
