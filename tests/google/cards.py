"""A card as text, from its class and object: what a phone would show, in lines."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.google.documents import Document, is_document, is_list
from tests.google.resources import Kind

MAX_SHOWN: Final = 10
"""Text modules of the class, and as many of the object."""

TITLES: Final[Mapping[str, Sequence[str]]] = {
    "loyalty": ("class.programName", "class.issuerName"),
    "generic": ("object.header", "object.cardTitle", "object.subheader"),
    "eventTicket": ("class.eventName", "class.issuerName"),
    "offer": ("class.title", "class.issuerName", "class.provider"),
    "giftCard": ("class.merchantName", "class.issuerName"),
    "transit": ("class.issuerName", "class.transitType"),
    "flight": ("class.issuerName",),
}
FACTS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "loyalty": (
        ("Name", "object.accountName"),
        ("Account", "object.accountId"),
        ("Points", "object.loyaltyPoints"),
        ("More points", "object.secondaryLoyaltyPoints"),
        ("Tier", "class.rewardsTier"),
    ),
    "generic": (),
    "eventTicket": (
        ("Begins", "class.dateTime.start"),
        ("Venue", "class.venue.name"),
        ("Holder", "object.ticketHolderName"),
        ("Ticket", "object.ticketNumber"),
        ("Type", "object.ticketType"),
        ("Section", "object.seatInfo.section"),
        ("Row", "object.seatInfo.row"),
        ("Seat", "object.seatInfo.seat"),
        ("Gate", "object.seatInfo.gate"),
    ),
    "offer": (("Details", "class.details"), ("Fine print", "class.finePrint")),
    "giftCard": (
        ("Card", "object.cardNumber"),
        ("PIN", "object.pin"),
        ("Balance", "object.balance"),
    ),
    "transit": (
        ("Passengers", "object.passengerNames"),
        ("From", "object.ticketLeg.originName"),
        ("To", "object.ticketLeg.destinationName"),
        ("Departure", "object.ticketLeg.departureDateTime"),
        ("Ticket", "object.ticketNumber"),
    ),
    "flight": (
        ("Carrier", "class.flightHeader.carrier.carrierIataCode"),
        ("Flight", "class.flightHeader.flightNumber"),
        ("From", "class.origin.airportIataCode"),
        ("To", "class.destination.airportIataCode"),
        ("Gate", "class.origin.gate"),
        ("Departure", "class.localScheduledDepartureDateTime"),
        ("Boarding", "class.localBoardingDateTime"),
        ("Passenger", "object.passengerName"),
        ("Booking", "object.reservationInfo.confirmationCode"),
        ("Seat", "object.boardingAndSeatingInfo.seatNumber"),
    ),
}


@dataclass(frozen=True)
class Card:
    """A class and an object, together on a phone of some language."""

    kind: Kind
    class_: Document
    object: Document
    language: str = "en"

    def __str__(self) -> str:
        titles = [text for path in TITLES[self.kind.type] if (text := self.text_at(path))]
        first, *others = titles or ["Without a title"]
        lines = [f"{first}  ({', '.join([self.kind.type, *others])})"]
        lines += [f"  {line}" for line in self._front()]
        lines += [f"    {line}" for line in self._details()]
        return "\n".join(lines)

    def text_at(self, path: str) -> str:
        """Resolve a path as rows name them: object.textModulesData['points']."""
        value: Any = {"class": self.class_, "object": self.object}
        for word in re.findall(r"[^.\[\]']+", path):
            if is_list(value):
                value = _chosen(value, word)
            else:
                value = _member(value, word) if is_document(value) else None
        return self._text(value)

    def _front(self) -> Iterator[str]:
        for row in self._rows():
            yield " | ".join(filter(None, map(self.text_at, row)))
        for label, path in FACTS[self.kind.type]:
            if text := self.text_at(path):
                yield f"{label}: {text}"
        code = self.object.get("barcode") or self.object.get("rotatingBarcode")
        if code:
            value = code.get("value") or code.get("valuePattern", "")
            alternate = code.get("alternateText")
            yield f"[{code.get('type', '')}] {value}" + (f"  {alternate}" if alternate else "")
        if (state := self.object.get("state", "ACTIVE")) != "ACTIVE":
            yield f"This card is {state}"

    def _details(self) -> Iterator[str]:
        in_rows = {path for row in self._rows() for path in row}
        for name, part in (("object", self.object), ("class", self.class_)):
            for module in part.get("textModulesData", ())[:MAX_SHOWN]:
                if f"{name}.textModulesData['{module.get('id')}']" not in in_rows:
                    yield self._text(module)
            for uri in part.get("linksModuleData", {}).get("uris", ()):
                yield f"{self._text_of(uri, 'description') or 'Link'}: {uri.get('uri', '')}"
            for message in part.get("messages", ()):
                yield f"Message: {self._text(message)}"
        if interval := self.object.get("validTimeInterval"):
            for word, end in (("from", "start"), ("until", "end")):
                if date := interval.get(end, {}).get("date"):
                    yield f"Valid {word} {date}"

    def _rows(self) -> list[list[str]]:
        override = self.class_.get("classTemplateInfo", {}).get("cardTemplateOverride", {})
        return [
            [
                reference.get("fieldPath", "")
                for place in ("item", "startItem", "middleItem", "endItem")
                for value in ("firstValue", "secondValue")
                for reference in item.get(place, {}).get(value, {}).get("fields", ())[:1]
            ]
            for row in override.get("cardRowTemplateInfos", ())
            for item in row.values()
        ]

    def _text(self, value: Any) -> str:
        if not is_document(value):
            return "" if value is None else str(value)
        if value.keys() & {"defaultValue", "translatedValues"}:
            return self._localized(value)
        if "micros" in value:
            return f"{int(value['micros']) / 1_000_000:.2f} {value.get('currencyCode', '')}"
        if "balance" in value:
            amount = self._text(next(iter(value["balance"].values())))
            return f"{amount} {self._text_of(value, 'label')}".strip()
        header, body = self._text_of(value, "header"), self._text_of(value, "body")
        return f"{header}: {body}" if header and body else header or body

    def _text_of(self, part: Document, key: str) -> str:
        return self._text(_member(part, key))

    def _localized(self, text: Document) -> str:
        for one in text.get("translatedValues", ()):
            if one.get("language") == self.language:
                return one.get("value", "")
        return text.get("defaultValue", {}).get("value", "")


def _member(part: Document, key: str) -> Any:
    """Read a key, preferring the one that says the same in several languages."""
    return part.get(f"localized{key[0].upper()}{key[1:]}") or part.get(key)


def _chosen(values: list[Any], word: str) -> Any:
    """Pick of a list by the id of its element, or by its number."""
    if word.isdigit():
        return values[int(word)] if int(word) < len(values) else None
    return next((one for one in values if one.get("id") == word), None)
