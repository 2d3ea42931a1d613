"""Requests for certificates: the private key is made and stays here, Apple gets the request."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from services.gateway.domain import MAX_REQUESTS, REQUEST_PURPOSE, IdentityRequest
from services.gateway.repository.identity_requests import IdentityRequestRepository
from shared import clock
from shared.database import Database, UnitOfWork
from shared.errors import ConflictError, NotFoundError
from shared.identifiers import new_id
from shared.passes.apple.identities import (
    SigningIdentity,
    key_to_pem,
    load_trusted_key,
    make_key,
    public_key_sha256,
    request_certificate,
)
from shared.passes.apple.signing import SigningKey
from shared.sealing import MasterKeys


class RequestNotFoundError(NotFoundError):
    """There is no such request for a certificate in this account, or its certificate has come."""

    code = "identity_request_not_found"


class TooManyIdentityRequestsError(ConflictError):
    """An account has at most 10 open requests for certificates: delete one first."""

    code = "too_many_identity_requests"


class IdentityRequests:
    """The keys of accounts that wait for their certificate; they never come out."""

    def __init__(self, database: Database, master_keys: MasterKeys) -> None:
        self._database = database
        self._master_keys = master_keys

    async def prepare(self, account_id: UUID, name: str) -> IdentityRequest:
        """Make key and request, which takes some 0.1 s: before a transaction is open."""
        key = await asyncio.to_thread(make_key)
        sealed = self._master_keys.seal(
            key_to_pem(key), purpose=REQUEST_PURPOSE, owner=str(account_id)
        )
        return IdentityRequest(
            request_id=new_id(),
            account_id=account_id,
            public_key_sha256=public_key_sha256(key),
            csr=request_certificate(key, name).decode(),
            sealed=sealed,
            created_at=clock.now(),
        )

    async def add(self, work: UnitOfWork, request: IdentityRequest) -> None:
        """Keep a request until its certificate is uploaded."""
        requests = IdentityRequestRepository(work.connection)
        if await requests.count_locked(request.account_id) >= MAX_REQUESTS:
            raise TooManyIdentityRequestsError
        await requests.add(request)

    async def list(self, account_id: UUID) -> list[IdentityRequest]:
        """List an account's open requests, oldest first."""
        async with self._database.connection() as connection:
            return await IdentityRequestRepository(connection).list_all(account_id)

    async def delete(self, account_id: UUID, request_id: UUID | None) -> None:
        """Delete a request with its key: a certificate for it can no longer be used."""
        async with self._database.work() as work:
            requests = IdentityRequestRepository(work.connection)
            if request_id is None or not await requests.delete(account_id, request_id):
                raise RequestNotFoundError

    async def keys(self, account_id: UUID) -> Sequence[SigningKey]:
        """Open the keys that wait for a certificate."""
        return [
            load_trusted_key(
                self._master_keys.open(
                    request.sealed, purpose=REQUEST_PURPOSE, owner=str(account_id)
                )
            )
            for request in await self.list(account_id)
        ]

    async def settle(self, work: UnitOfWork, account_id: UUID, identity: SigningIdentity) -> None:
        """End the request whose certificate has come; its key is the identity's from now on."""
        await IdentityRequestRepository(work.connection).delete_by_key(
            account_id, public_key_sha256(identity.private_key)
        )
