"""What of the generator's tables is sealed."""

from typing import Final

from shared.contracts.gateway import IDENTITY_PURPOSE
from shared.resealing import FORMER_KEYS, SealedColumn, sealed_for

SEALED: Final = (
    SealedColumn(
        "identities", ("identity_id",), "sealed", "account_id", sealed_for(IDENTITY_PURPOSE)
    ),
    FORMER_KEYS,
)
