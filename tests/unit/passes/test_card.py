"""A second renderer, which only these tests use: what a card holds is enough for any wallet."""

from collections.abc import Iterator
from typing import Any

from shared.passes.template.card import Card
from tests.unit.passes.samples import ANN, a_pass, a_template

LOGO = "ab" * 32
OWN = "cd" * 32
APPLE_KEYS = {
    "formatVersion", "passTypeIdentifier", "teamIdentifier", "serialNumber", "webServiceURL",
    "authenticationToken", "voided",
}  # fmt: skip


def as_text(card: Card) -> str:
    """Write a card as a plain text message would."""
    return "\n".join(_lines(card))


def _lines(card: Card) -> Iterator[str]:
    content = card.content
    yield f"{content['organizationName']}: {content['description']}"
    fields: dict[str, Any] = content["storeCard"]
    for group in ("headerFields", "secondaryFields"):
        for field in fields.get(group, []):
            yield f"{field['label']}: {field['value']}"
    for barcode in content.get("barcodes", []):
        yield f"code {barcode['message']}"
    for slot, sha256 in sorted(card.images.items()):
        yield f"{slot} {sha256[:4]}"
    if card.voided:
        yield "VOID"


def test_a_card_is_enough_for_another_wallet():
    template = a_template(images={"logo": LOGO, "icon": LOGO})
    state = a_pass(
        {"structure_headerFields_points_value": 12, "images_logo": OWN}, ANN, voided=True
    )

    assert as_text(template.card(state)) == (
        "Beans: Coffee card\nPoints: 12\nMember: Ann\ncode handle0\nicon abab\nlogo cdcd\nVOID"
    )


def test_a_card_holds_nothing_that_only_apple_knows():
    assert APPLE_KEYS.isdisjoint(a_template().card(a_pass(voided=True)).content)


def test_cards_of_a_template_do_not_touch_each_other():
    template = a_template()
    first = as_text(template.card(a_pass(member=ANN)))
    template.card(a_pass({"structure": {"headerFields": []}, "description": "Other"}))

    assert as_text(template.card(a_pass(member=ANN))) == first
