"""Save links: signed names of objects that are at Google, or small objects while Google is away."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, cast

from services.notifier.google.domain.documents import erased
from shared.contracts.message import JsonObject

MAX_LINK_CHARACTERS: Final = 1_800
"""Browsers cut longer ones."""

_CARRIED: Final = (
    "cardTitle", "barcode", "loyaltyPoints", "balance", "validTimeInterval", "hexBackgroundColor",
)  # fmt: skip
"""Keys of an object that a link carries; the first count most."""

_NAMES: Final = ("accountName", "ticketHolderName", "passengerName", "passengerNames")
"""Keys that hold who has an object."""


def claims_of(
    email: str, objects: JsonObject, origin: str, at: datetime, life_seconds: int | None
) -> JsonObject:
    """Say what a link vouches for; it ends with its life, if it has any."""
    claims: JsonObject = {
        "iss": email,
        "aud": "google",
        "typ": "savetowallet",
        "iat": int(at.timestamp()),
        "origins": [origin],
        "payload": objects,
    }
    if life_seconds is not None:
        claims["exp"] = int((at + timedelta(seconds=life_seconds)).timestamp())
    return claims


def ids_of(object_id: str, class_id: str) -> JsonObject:
    """Name an object that is at Google; that tells of nobody."""
    return {"id": object_id, "classId": class_id}


def carried(type_: str, wanted: JsonObject, handle: str) -> Iterator[JsonObject]:
    """Give objects that a link can make by itself, the fullest first, for one that fits.

    Nothing in them tells the holder's name or e-mail address, or the handle of the pass. What is
    left out comes as soon as Google is back.
    """
    names = [text for key in _NAMES for text in _texts(wanted.get(key)) if text]
    secrets = [handle, "@", *names]
    bare = {**erased(type_, wanted), "state": wanted.get("state", "ACTIVE")}
    keys = [
        key
        for key in _CARRIED
        if key in wanted
        and not any(secret in text for text in _texts(wanted[key]) for secret in secrets)
    ]
    for count in range(len(keys), -1, -1):
        yield bare | {key: wanted[key] for key in keys[:count]}


def _texts(value: object) -> Iterator[str]:
    """Give all texts in a value."""
    match value:
        case str():
            yield value
        case dict():
            for one in cast("JsonObject", value).values():
                yield from _texts(one)
        case list():
            for one in cast("list[object]", value):
                yield from _texts(one)
        case _:
            pass
