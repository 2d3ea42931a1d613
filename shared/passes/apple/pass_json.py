"""Writes pass.json, what Apple Wallet reads of a pass."""

from dataclasses import dataclass
from typing import Final

import orjson

from shared.passes.template.card import Card

FORMAT_VERSION: Final = 1

WEB_SERVICE_PATH: Final = "/wallet"
"""Where the gateway has Apple's web service; devices put `/v1` behind it."""


@dataclass(frozen=True, slots=True)
class AppleIssuer:
    """What the signing identity and the installation put on every pass."""

    pass_type_identifier: str
    team_identifier: str
    web_service_url: str | None = None


def write_pass_json(
    card: Card, issuer: AppleIssuer, authentication_token: str | None = None
) -> bytes:
    """Write a card as pass.json: the same card, issuer and token make the same bytes."""
    document = {
        **card.content,
        "formatVersion": FORMAT_VERSION,
        "serialNumber": card.serial_number,
        "passTypeIdentifier": issuer.pass_type_identifier,
        "teamIdentifier": issuer.team_identifier,
    }
    if issuer.web_service_url:
        document["webServiceURL"] = issuer.web_service_url
    if card.voided:
        document["voided"] = True
    if authentication_token is not None:
        document["authenticationToken"] = authentication_token
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
