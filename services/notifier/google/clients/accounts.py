"""Keys of service accounts, opened, parsed and tried once."""

import asyncio
from typing import Final

from cachetools import LRUCache

from services.notifier.google.domain.sending import Issuer
from shared.contracts.gateway import GOOGLE_PURPOSE
from shared.google.accounts import ServiceAccount
from shared.sealing import MasterKeys

MAX_ACCOUNTS: Final = 1_000


class ServiceAccounts:
    """The service accounts of issuers, as they are needed."""

    def __init__(self, keys: MasterKeys, token_url: str) -> None:
        self._keys = keys
        self._token_url = token_url
        self._known = LRUCache[tuple[str, str], ServiceAccount](MAX_ACCOUNTS)
        self._parsing = asyncio.Lock()

    async def of(self, issuer: Issuer) -> ServiceAccount:
        """Give the account of an issuer's newest key."""
        name = issuer.issuer_id, issuer.key_id
        if (known := self._known.get(name)) is not None:
            return known
        async with self._parsing:
            if (known := self._known.get(name)) is not None:
                return known
            content = self._keys.open(
                issuer.sealed, purpose=GOOGLE_PURPOSE, owner=str(issuer.account_id)
            )
            account = await asyncio.to_thread(ServiceAccount.parse, content, self._token_url)
            self._known[name] = account
            return account
