"""A card is shown as text that a person can read."""

import pytest

from tests.google.cards import Card
from tests.google.resources import KINDS
from tests.integration.google.documents import Document, class_of, object_of, text

LINES = {
    "loyalty": ["Bean Club  (loyalty, Example)", "Name: Ada", "Points: 12 beans"],
    "generic": ["Ada  (generic, Library)"],
    "eventTicket": ["A concert  (eventTicket, Example)", "Venue: The hall", "Seat: 7"],
    "offer": ["A tenth off  (offer, Example, Beans)", "Valid until 2027-12-31T23:59:59+01:00"],
    "giftCard": ["Bean shop  (giftCard, Example)", "Card: 1234", "Balance: 20.50 EUR"],
    "transit": ["Example  (transit, BUS)", "From: Here", "To: There"],
    "flight": ["Example  (flight)", "Flight: 123", "Passenger: ADA LOVELACE", "Seat: 12A"],
}


def card(type_: str, class_: Document, object_: Document, language: str = "en") -> str:
    return str(Card(KINDS[f"{type_}Object"], class_, object_, language))


@pytest.mark.parametrize("type_", LINES)
def test_a_card_of_each_type_says_what_matters(type_: str):
    shown = card(type_, class_of(type_), object_of(type_)).splitlines()

    assert set(LINES[type_]) <= {line.strip() for line in shown}
    assert "  [QR_CODE] 4711  No. 4711" in shown


def test_rows_stand_where_the_class_puts_them_and_nowhere_else():
    def item(path: str) -> Document:
        return {"firstValue": {"fields": [{"fieldPath": path}]}}

    row = {
        "twoItems": {
            "startItem": item("object.textModulesData['level']"),
            "endItem": item("object.loyaltyPoints.balance.int"),
        }
    }
    class_ = class_of(
        classTemplateInfo={"cardTemplateOverride": {"cardRowTemplateInfos": [row]}},
        textModulesData=[{"id": "hours", "header": "Hours", "body": "9 to 5"}],
    )
    object_ = object_of(textModulesData=[{"id": "level", "header": "Level", "body": "Gold"}])

    lines = card("loyalty", class_, object_).splitlines()

    assert lines[1] == "  Level: Gold | 12"
    assert [line for line in lines if "Gold" in line] == lines[1:2]
    assert "    Hours: 9 to 5" in lines


def test_texts_are_in_the_holders_language_where_there_is_one():
    name = text("Bean Circle")
    name["translatedValues"] = [{"language": "de", "value": "Bohnenkreis"}]
    class_ = class_of(localizedProgramName=name)

    shown = [card("loyalty", class_, object_of(), language) for language in ("de", "fr")]

    assert [one.partition("  (")[0] for one in shown] == ["Bohnenkreis", "Bean Circle"]


def test_links_messages_and_state_are_shown():
    object_ = object_of(
        state="INACTIVE",
        linksModuleData={"uris": [{"uri": "https://x.example", "description": "Site"}]},
        messages=[{"localizedHeader": text("News"), "body": "Open"}],
    )

    lines = [line.strip() for line in card("loyalty", class_of(), object_).splitlines()]

    assert {"This card is INACTIVE", "Site: https://x.example", "Message: News: Open"} <= set(lines)
