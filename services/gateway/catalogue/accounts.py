"""Accounts: each is born with an API key and a development identity."""

from dataclasses import dataclass
from uuid import UUID

from services.gateway.catalogue.authority import Authority
from services.gateway.catalogue.identities import Identities
from services.gateway.domain import EVERY_SCOPE, Account, ApiKeyText
from services.gateway.repository.accounts import AccountRepository
from services.gateway.repository.keys import ApiKeyRepository
from shared.database import Database, UnitOfWork
from shared.errors import NotFoundError
from shared.identifiers import new_id
from shared.passes.apple.identities import SigningIdentity

FIRST_KEY = "first key"


class AccountNotFoundError(NotFoundError):
    """There is no such account among yours."""

    code = "account_not_found"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that is ready to be added: making its identity's key takes a while."""

    account_id: UUID
    name: str
    organization_name: str
    managed_by: UUID | None
    identity: SigningIdentity


class Accounts:
    """The issuers of this installation."""

    def __init__(self, database: Database, authority: Authority, identities: Identities) -> None:
        self._database = database
        self._authority = authority
        self._identities = identities

    async def create(
        self, name: str, organization_name: str, managed_by: UUID | None = None
    ) -> tuple[Account, str]:
        """Create an account; the text of its key is never to be seen again."""
        new = await self.prepare(name, organization_name, managed_by)
        async with self._database.work() as work:
            account, key = await self.add(work, new)
        return account, key.text

    async def prepare(
        self, name: str, organization_name: str, managed_by: UUID | None
    ) -> NewAccount:
        """Do what takes time, before a transaction is open."""
        account_id = new_id()
        identity = await self._authority.issue(account_id, organization_name)
        return NewAccount(account_id, name, organization_name, managed_by, identity)

    async def add(self, work: UnitOfWork, new: NewAccount) -> tuple[Account, ApiKeyText]:
        """Add the account, its key with all scopes and its identity."""
        account = await AccountRepository(work.connection).add(
            new.account_id, new.name, new.organization_name, new.managed_by
        )
        text = ApiKeyText.make()
        keys = ApiKeyRepository(work.connection)
        await keys.add(new.account_id, text, FIRST_KEY, [EVERY_SCOPE])
        await self._identities.save(work, new.account_id, new.identity)
        return account, text

    async def get(self, viewer_id: UUID, account_id: UUID) -> Account:
        """Read the viewer's own account, or one that it manages."""
        async with self._database.connection() as connection:
            account = await AccountRepository(connection).find(viewer_id, account_id)
        if account is None:
            raise AccountNotFoundError
        return account

    async def list_managed(self, account_id: UUID, after: UUID | None, limit: int) -> list[Account]:
        """List accounts that this one manages, oldest first."""
        async with self._database.connection() as connection:
            return await AccountRepository(connection).list_managed(account_id, after, limit)

    async def list_keyless(self, account_id: UUID | None) -> list[UUID]:
        """List up to two accounts with `keyless_links`; or the one that is named, if it has."""
        async with self._database.connection() as connection:
            return await AccountRepository(connection).list_keyless(account_id, 2)

    async def root_pem(self) -> bytes:
        """Give the root certificate of all development identities."""
        return await self._authority.root_pem()
