"""Save links: signed names of objects that are at Google already."""

from datetime import datetime, timedelta

from shared.contracts.message import JsonObject


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
