"""API keys: made, listed, rotated, revoked; the secret is shown once."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from services.gateway.catalogue.keyring import Keyring
from services.gateway.domain import MAX_KEYS, MAX_SECRETS, ApiKey, ApiKeyText, Caller
from services.gateway.repository.keys import ApiKeyRepository
from shared.database import Database, UnitOfWork
from shared.errors import ConflictError, ForbiddenError, NotFoundError


class KeyNotFoundError(NotFoundError):
    """There is no such API key in this account."""

    code = "api_key_not_found"


class TooManyKeysError(ConflictError):
    """An account has at most 50 API keys: revoke one first."""

    code = "too_many_api_keys"


class RotatedTooOftenError(ConflictError):
    """An API key has at most 10 secrets: rotate without grace, or wait for one to end."""

    code = "api_key_rotated_too_often"


class ScopeNotHeldError(ForbiddenError):
    """An API key cannot give scopes that it does not hold."""

    code = "scope_not_held"


class Keys:
    """The API keys of accounts."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def add(
        self, work: UnitOfWork, caller: Caller, name: str, scopes: Sequence[str]
    ) -> tuple[ApiKey, ApiKeyText]:
        """Make a key that may do no more than the caller's own."""
        if not caller.may_give(scopes):
            raise ScopeNotHeldError
        keys = ApiKeyRepository(work.connection)
        if await keys.count_locked(caller.account_id) >= MAX_KEYS:
            raise TooManyKeysError
        text = ApiKeyText.make()
        return await keys.add(caller.account_id, text, name, sorted(set(scopes))), text

    async def list(self, account_id: UUID) -> list[ApiKey]:
        """All living keys of an account."""
        async with self._database.connection() as connection:
            return await ApiKeyRepository(connection).list_living(account_id)

    async def rotate(
        self, work: UnitOfWork, caller: Caller, key_id: str, grace: timedelta
    ) -> tuple[ApiKey, ApiKeyText]:
        """Give a key a new secret; those before work for `grace` more.

        Only a key that may do no more than the caller's own: the new secret is shown.
        """
        keys = ApiKeyRepository(work.connection)
        key = await keys.find_locked(caller.account_id, key_id)
        if key is None:
            raise KeyNotFoundError
        if not caller.may_give(key.scopes):
            raise ScopeNotHeldError
        if await keys.expire_secrets(key_id, grace) >= MAX_SECRETS:
            raise RotatedTooOftenError
        text = ApiKeyText.make(key_id)
        await keys.add_secret(text)
        work.after_commit(partial(self._keyring.forget, key_id))
        return key, text

    async def revoke(self, account_id: UUID, key_id: str) -> None:
        """End a key with all its secrets."""
        async with self._database.work() as work:
            if not await ApiKeyRepository(work.connection).revoke(account_id, key_id):
                raise KeyNotFoundError
            work.after_commit(partial(self._keyring.forget, key_id))
