"""What of the gateway's tables is sealed."""

from collections.abc import Callable
from typing import Final

import orjson

from services.gateway.domain import (
    AUTHORITY_PURPOSE,
    INSTALLATION,
    REQUEST_PURPOSE,
    RESPONSE_PURPOSE,
    SHORT_LINK_PURPOSE,
)
from services.gateway.domain.batches import BATCH_PURPOSE
from services.gateway.domain.links import LINK_KEY_PURPOSE
from shared.contracts.gateway import (
    GOOGLE_PURPOSE,
    IDENTITY_PURPOSE,
    GoogleIssuerSaved,
    IdentitySaved,
)
from shared.resealing import FORMER_KEYS, SealedColumn, sealed_for
from shared.sealing import MasterKeys

_BYTES: Final = "\\x"
"""What PostgreSQL's text of bytes begins with."""


def _announced(purpose: str) -> Callable[[MasterKeys, str, str], str]:
    """Make what seals anew the secret within an event that was announced."""

    def reseal(keys: MasterKeys, text: str, _owner: str) -> str:
        told = orjson.loads(bytes.fromhex(text.removeprefix(_BYTES)))
        owner = str(told["account_id"])
        sealed = keys.reseal(told["sealed"], purpose=purpose, owner=owner)
        if sealed == told["sealed"]:
            return text
        return _BYTES + orjson.dumps({**told, "sealed": sealed}).hex()

    return reseal


SEALED: Final = (
    SealedColumn(
        "development_authorities", ("authority_id",), "sealed", f"'{INSTALLATION}'",
        sealed_for(AUTHORITY_PURPOSE),
    ),
    SealedColumn(
        "identities", ("identity_id",), "sealed", "account_id", sealed_for(IDENTITY_PURPOSE)
    ),
    SealedColumn(
        "identity_requests", ("request_id",), "sealed", "account_id", sealed_for(REQUEST_PURPOSE)
    ),
    SealedColumn(
        "idempotency_keys", ("account_id", "operation", "key"), "response", "account_id",
        sealed_for(RESPONSE_PURPOSE),
    ),
    SealedColumn(
        "link_keys", ("program_id", "key_id"), "sealed", "program_id",
        sealed_for(LINK_KEY_PURPOSE),
    ),
    SealedColumn(
        "short_links", ("short_key",), "sealed", "account_id", sealed_for(SHORT_LINK_PURPOSE)
    ),
    # Of a batch the key alone: what it holds is sealed by that.
    SealedColumn("batches", ("batch_id",), "sealed", "account_id", sealed_for(BATCH_PURPOSE)),
    # What was announced is kept for a day, to be sent again; there are no columns in it.
    SealedColumn(
        "outbox", ("outbox_id",), "body", "''", _announced(IDENTITY_PURPOSE), "bytea",
        f"name = '{IdentitySaved.name}'",
    ),
    SealedColumn(
        "outbox", ("outbox_id",), "body", "''", _announced(GOOGLE_PURPOSE), "bytea",
        f"name = '{GoogleIssuerSaved.name}'",
    ),
    SealedColumn(
        "google_issuers", ("issuer_id",), "sealed", "account_id", sealed_for(GOOGLE_PURPOSE)
    ),
    FORMER_KEYS,
)  # fmt: skip
