"""What of the tables of Google is sealed."""

from typing import Final

from shared.contracts.gateway import GOOGLE_PURPOSE
from shared.resealing import SealedColumn, sealed_for

SEALED: Final = (
    SealedColumn(
        "google_issuers", ("issuer_id",), "sealed", "account_id", sealed_for(GOOGLE_PURPOSE)
    ),
)
