"""What of the tables of endpoints is sealed."""

from typing import Any, Final

import orjson

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


SEALED: Final = (
    SealedColumn(
        "endpoints", ("endpoint_id",), "secret", "account_id", sealed_for(SECRET_PURPOSE)
    ),
    SealedColumn(
        "endpoints", ("endpoint_id",), "former_secrets", "account_id", _reseal_former_secrets,
        "jsonb",
    ),
)  # fmt: skip
