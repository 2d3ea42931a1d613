"""Requests for certificates in PostgreSQL, their keys sealed."""

from uuid import UUID

from services.gateway.domain import IdentityRequest
from shared.database import Connection

_REQUEST = "request_id, account_id, public_key_sha256, csr, sealed, created_at"


class IdentityRequestRepository:
    """Keys of accounts that wait for their certificate."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def count_locked(self, account_id: UUID) -> int:
        """Count an account's requests, and let nobody add one until the transaction ends."""
        await self._connection.execute(
            "SELECT FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE", account_id
        )
        return await self._connection.fetchval(
            "SELECT count(*) FROM identity_requests WHERE account_id = $1", account_id
        )

    async def add(self, request: IdentityRequest) -> None:
        """Keep a request."""
        await self._connection.execute(
            f"INSERT INTO identity_requests ({_REQUEST}) VALUES ($1, $2, $3, $4, $5, $6)",  # noqa: S608  our own columns
            request.request_id,
            request.account_id,
            request.public_key_sha256,
            request.csr,
            request.sealed,
            request.created_at,
        )

    async def list_all(self, account_id: UUID) -> list[IdentityRequest]:
        """List an account's requests, oldest first."""
        rows = await self._connection.fetch(
            f"SELECT {_REQUEST} FROM identity_requests WHERE account_id = $1 ORDER BY request_id",  # noqa: S608  our own columns
            account_id,
        )
        return [IdentityRequest(**row) for row in rows]

    async def delete(self, account_id: UUID, request_id: UUID) -> bool:
        """Delete a request with its key; whether there was one."""
        found = await self._connection.fetchval(
            "DELETE FROM identity_requests WHERE account_id = $1 AND request_id = $2 RETURNING 1",
            account_id,
            request_id,
        )
        return found is not None

    async def delete_by_key(self, account_id: UUID, public_key_sha256: str) -> None:
        """Delete the request whose certificate has come."""
        await self._connection.execute(
            "DELETE FROM identity_requests WHERE account_id = $1 AND public_key_sha256 = $2",
            account_id,
            public_key_sha256,
        )
