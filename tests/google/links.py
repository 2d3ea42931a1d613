"""Save links: a signed JWT that says which cards a holder may save."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jwt

from tests.google.accounts import SKEW, Accounts, ServiceAccount, is_number
from tests.google.documents import Document, is_document, is_list
from tests.google.errors import LinkError
from tests.google.resources import KINDS, Kind

MAX_LINK_LENGTH: Final = 1800
"""What Google calls safe: browsers cut longer ones."""
GOOGLES_SAVE_URL: Final = "https://pay.google.com/gp/v/save/"
LISTS: Final[Mapping[str, Kind]] = {kind.plural: kind for kind in KINDS.values()}
"""The keys of a payload, such as loyaltyObjects."""


@dataclass(frozen=True)
class Link:
    """What a save link says, verified."""

    account: ServiceAccount
    entries: tuple[tuple[Kind, Document], ...]
    """Classes before objects. An entry may be the whole document, or the ids alone."""


def open_link(link: str, save_url: str, accounts: Accounts, now: datetime) -> Link:
    """Verify a save link; raise LinkError, naming what is wrong with it."""
    if len(link) > MAX_LINK_LENGTH:
        raise LinkError(f"The link has {len(link)} characters, more than {MAX_LINK_LENGTH}.")
    for start in (save_url, GOOGLES_SAVE_URL):
        if link.startswith(start):
            return read_token(link.removeprefix(start), accounts, now)
    raise LinkError(f"The link does not begin with {GOOGLES_SAVE_URL} or {save_url}.")


def read_token(token: str, accounts: Accounts, now: datetime) -> Link:
    """Verify the JWT of a save link."""
    try:
        unverified = jwt.decode(token, options={"verify_signature": False})
        account = accounts.by_email.get(str(unverified.get("iss")))
        if account is None:
            raise LinkError(f"iss is no service account: {unverified.get('iss')}.")
        claims = account.verified(token, {"google"}, ["iss", "aud", "typ", "iat", "payload"])
    except jwt.InvalidTokenError as error:
        raise LinkError(f"The JWT is invalid: {error}.") from None
    _check(claims, now)
    return Link(account, _entries(claims["payload"]))


def _check(claims: dict[str, Any], now: datetime) -> None:
    if claims["typ"] != "savetowallet":
        raise LinkError(f"typ is {claims['typ']!r} instead of 'savetowallet'.")
    for name in ("iat", "exp"):
        if name in claims and not is_number(claims[name]):
            raise LinkError(f"{name} is no number.")
    if claims["iat"] > now.timestamp() + SKEW.total_seconds():
        raise LinkError("iat is in the future.")
    if "exp" in claims and claims["exp"] <= now.timestamp():
        raise LinkError("The link has expired.")
    origins = claims.get("origins", [])
    if not is_list(origins) or not all(isinstance(one, str) for one in origins):
        raise LinkError("origins is no list of texts.")


def _entries(payload: object) -> tuple[tuple[Kind, Document], ...]:
    if not is_document(payload) or not payload:
        raise LinkError("payload names no classes or objects.")
    entries: list[tuple[Kind, Document]] = []
    for name, documents in payload.items():
        kind = LISTS.get(name)
        if kind is None or not is_list(documents):
            raise LinkError(f"payload has the unknown key {name}.")
        if not all(map(is_document, documents)):
            raise LinkError(f"{name} holds something that is no document.")
        entries += [(kind, document) for document in documents]
    return tuple(sorted(entries, key=lambda entry: entry[0].part))
