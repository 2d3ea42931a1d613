"""What of the notifier's tables is sealed."""

from typing import Any, Final

import orjson

from services.notifier.domain.devices import open_push_token, seal_push_token
from shared.contracts.gateway import IDENTITY_PURPOSE
from shared.contracts.notifier import SECRET_PURPOSE
from shared.resealing import SealedColumn, sealed_for
from shared.sealing import MasterKeys


def _reseal_former_secrets(keys: MasterKeys, text: str, owner: str) -> str:
    before: list[dict[str, Any]] = orjson.loads(text)
    after = [
        {**one, "secret": keys.reseal(one["secret"], purpose=SECRET_PURPOSE, owner=owner)}
        for one in before
    ]
    return text if after == before else orjson.dumps(after).decode()


def _reseal_push_token(keys: MasterKeys, kept: str, device: str) -> str:
    return seal_push_token(keys, device, open_push_token(keys, device, kept))


PUSH_TOKENS: Final = SealedColumn(
    "devices", ("device",), "push_token", "device", _reseal_push_token
)
SEALED: Final = (
    SealedColumn(
        "identities", ("identity_id", "revision"), "sealed", "account_id",
        sealed_for(IDENTITY_PURPOSE),
    ),
    SealedColumn(
        "endpoints", ("endpoint_id",), "secret", "account_id", sealed_for(SECRET_PURPOSE)
    ),
    SealedColumn(
        "endpoints", ("endpoint_id",), "former_secrets", "account_id", _reseal_former_secrets,
        "jsonb",
    ),
    PUSH_TOKENS,
)  # fmt: skip
