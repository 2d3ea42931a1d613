"""What of the tables of devices is sealed."""

from typing import Final

from services.notifier.apple.domain.devices import open_push_token, seal_push_token
from shared.contracts.gateway import IDENTITY_PURPOSE
from shared.resealing import SealedColumn, sealed_for
from shared.sealing import MasterKeys


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
    PUSH_TOKENS,
)  # fmt: skip
