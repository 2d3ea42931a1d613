"""The installation's development authority: made once, by whichever process needs it first."""

import asyncio
from uuid import UUID

from services.gateway.domain import (
    AUTHORITY_PURPOSE,
    DEVELOPMENT_TEAM,
    INSTALLATION,
    development_pass_type,
)
from services.gateway.repository.accounts import AuthorityRepository
from shared import clock
from shared.database import Database
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.identities import SigningIdentity
from shared.sealing import MasterKeys


class Authority:
    """Issues an identity to each account, so that all runs before a certificate is bought."""

    def __init__(self, database: Database, master_keys: MasterKeys) -> None:
        self._database = database
        self._master_keys = master_keys
        self._known: DevelopmentAuthority | None = None

    async def root_pem(self) -> bytes:
        """Give the root certificate, for whoever is to trust these identities."""
        return (await self._get()).root_pem

    async def issue(self, account_id: UUID, organization_name: str) -> SigningIdentity:
        """Issue an account's identity."""
        authority = await self._get()
        return await asyncio.to_thread(
            authority.issue,
            development_pass_type(account_id),
            DEVELOPMENT_TEAM,
            organization_name,
            clock.now(),
        )

    async def _get(self) -> DevelopmentAuthority:
        if self._known is None:
            self._known = await self._load() or await self._create()
        return self._known

    async def _create(self) -> DevelopmentAuthority:
        made = await asyncio.to_thread(DevelopmentAuthority.create, clock.now())
        sealed = self._master_keys.seal(
            made.to_pem(), purpose=AUTHORITY_PURPOSE, owner=INSTALLATION
        )
        async with self._database.connection() as connection:
            await AuthorityRepository(connection).add(sealed)
        return await self._load() or made

    async def _load(self) -> DevelopmentAuthority | None:
        async with self._database.connection() as connection:
            sealed = await AuthorityRepository(connection).find()
        if sealed is None:
            return None
        pem = self._master_keys.open(sealed, purpose=AUTHORITY_PURPOSE, owner=INSTALLATION)
        return DevelopmentAuthority.from_pem(pem)
