"""A valid class and a valid object of each type, as an issuer would write them by hand."""

from typing import Any

from tests.google.server import ISSUER

Document = dict[str, Any]
TYPES = ("loyalty", "generic", "eventTicket", "offer", "giftCard", "transit", "flight")
CLASS, OBJECT = f"{ISSUER}.class", f"{ISSUER}.object"


def text(value: str) -> Document:
    return {"defaultValue": {"language": "en", "value": value}}


def image(url: str = "https://img.example/logo.png") -> Document:
    return {"sourceUri": {"uri": url}}


_BRAND: Document = {"issuerName": "Example", "reviewStatus": "UNDER_REVIEW"}
_AIRLINE: Document = {"carrierIataCode": "XX", "airlineName": text("Example Air")}

_CLASSES: dict[str, Document] = {
    "loyalty": {**_BRAND, "programName": "Bean Club", "programLogo": image()},
    "generic": {},
    "eventTicket": {
        **_BRAND,
        "eventName": text("A concert"),
        "venue": {"name": text("The hall"), "address": text("Main street 1")},
        "dateTime": {"start": "2027-05-01T20:00:00+02:00"},
    },
    "offer": {**_BRAND, "provider": "Beans", "title": "A tenth off", "redemptionChannel": "BOTH"},
    "giftCard": {**_BRAND, "merchantName": "Bean shop"},
    "transit": {**_BRAND, "logo": image(), "transitType": "BUS"},
    "flight": {
        **_BRAND,
        "flightHeader": {"carrier": _AIRLINE, "flightNumber": "123"},
        "origin": {"airportIataCode": "ZRH", "gate": "A1"},
        "destination": {"airportIataCode": "VIE"},
        "localScheduledDepartureDateTime": "2027-05-01T08:15",
    },
}
_OBJECTS: dict[str, Document] = {
    "loyalty": {
        "accountName": "Ada",
        "accountId": "4711",
        "loyaltyPoints": {"label": "beans", "balance": {"int": 12}},
    },
    "generic": {"cardTitle": text("Library"), "header": text("Ada")},
    "eventTicket": {"seatInfo": {"seat": text("7"), "row": text("C")}},
    "offer": {"validTimeInterval": {"end": {"date": "2027-12-31T23:59:59+01:00"}}},
    "giftCard": {"cardNumber": "1234", "balance": {"micros": "20500000", "currencyCode": "EUR"}},
    "transit": {
        "tripType": "ONE_WAY",
        "ticketLeg": {
            "originName": text("Here"),
            "destinationName": text("There"),
            "departureDateTime": "2027-05-01T08:15:00Z",
        },
    },
    "flight": {
        "passengerName": "ADA LOVELACE",
        "reservationInfo": {"confirmationCode": "ABC123"},
        "boardingAndSeatingInfo": {"seatNumber": "12A"},
    },
}


def class_of(type_: str = "loyalty", **changes: Any) -> Document:
    return {"id": CLASS, **_CLASSES[type_], **changes}


def object_of(type_: str = "loyalty", **changes: Any) -> Document:
    barcode = {"type": "QR_CODE", "value": "4711", "alternateText": "No. 4711"}
    head = {"id": OBJECT, "classId": CLASS, "state": "ACTIVE", "barcode": barcode}
    return {**head, **_OBJECTS[type_], **changes}
