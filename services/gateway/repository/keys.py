"""API keys in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.gateway.domain import ApiKey, ApiKeyText
from shared.database import Connection

_KEY = "key_id, name, scopes, created_at, last_used_at"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is needed to let a request in."""

    key_id: str
    account_id: UUID
    scopes: list[str]
    digests: list[bytes]
    expiries: list[datetime | None]
    """When each digest ends, None for never."""


class ApiKeyRepository:
    """Keys and their secrets' digests."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_known(self, key_ids: Sequence[str]) -> dict[str, KnownKey]:
        """Find living keys by id, whosever they are: this is how the account becomes known."""
        rows = await self._connection.fetch(
            """
            SELECT
                k.key_id, k.account_id, k.scopes, array_agg(s.sha256) AS digests,
                array_agg(s.expires_at) AS expiries
            FROM api_keys k
            JOIN api_key_secrets s USING (key_id)
            WHERE k.key_id = ANY($1::text[])
                AND k.revoked_at IS NULL
            GROUP BY k.key_id
            """,
            key_ids,
        )
        return {row["key_id"]: KnownKey(**row) for row in rows}

    async def stamp_used(self, key_ids: Sequence[str]) -> None:
        """Note that keys were used; leaves out those that another gateway is stamping."""
        await self._connection.execute(
            """
            UPDATE api_keys
            SET last_used_at = now()
            WHERE key_id IN (
                SELECT key_id
                FROM api_keys
                WHERE key_id = ANY($1::text[])
                    AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
                FOR UPDATE SKIP LOCKED
            )
            """,
            key_ids,
        )

    async def count_locked(self, account_id: UUID) -> int:
        """Count an account's living keys, and let nobody add one until the transaction ends."""
        await self._connection.execute(
            "SELECT FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE", account_id
        )
        return await self._connection.fetchval(
            "SELECT count(*) FROM api_keys WHERE account_id = $1 AND revoked_at IS NULL",
            account_id,
        )

    async def add(
        self, account_id: UUID, key: ApiKeyText, name: str, scopes: Sequence[str]
    ) -> ApiKey:
        """Add a key and its first secret."""
        row = await self._connection.fetchrow(
            f"""
            INSERT INTO api_keys (key_id, account_id, name, scopes)
            VALUES ($1, $2, $3, $4)
            RETURNING {_KEY}
            """,  # noqa: S608  our own columns
            key.key_id,
            account_id,
            name,
            scopes,
        )
        await self.add_secret(key)
        return ApiKey(**(row or {}))

    async def add_secret(self, key: ApiKeyText) -> None:
        """Let one more secret open the key."""
        await self._connection.execute(
            "INSERT INTO api_key_secrets (key_id, sha256) VALUES ($1, $2)", key.key_id, key.digest
        )

    async def list_living(self, account_id: UUID) -> list[ApiKey]:
        """All keys of an account that are not revoked."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_KEY}
            FROM api_keys
            WHERE account_id = $1
                AND revoked_at IS NULL
            ORDER BY created_at, key_id
            """,  # noqa: S608  our own columns
            account_id,
        )
        return [ApiKey(**row) for row in rows]

    async def find_locked(self, account_id: UUID, key_id: str) -> ApiKey | None:
        """Find a living key and keep it as it is until the transaction ends."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {_KEY}
            FROM api_keys
            WHERE account_id = $1
                AND key_id = $2
                AND revoked_at IS NULL
            FOR NO KEY UPDATE
            """,  # noqa: S608  our own columns
            account_id,
            key_id,
        )
        return ApiKey(**row) if row else None

    async def expire_secrets(self, key_id: str, grace: timedelta) -> int:
        """Let the present secrets of a key end after `grace` at the latest; how many live on."""
        await self._connection.execute(
            "DELETE FROM api_key_secrets WHERE key_id = $1 AND expires_at <= now()", key_id
        )
        rows = await self._connection.fetch(
            """
            UPDATE api_key_secrets
            SET expires_at = least(expires_at, now() + $2::interval)
            WHERE key_id = $1
            RETURNING 1
            """,
            key_id,
            grace,
        )
        return len(rows) if grace else 0

    async def revoke(self, account_id: UUID, key_id: str) -> bool:
        """End a key; whether there was one."""
        row = await self._connection.fetchrow(
            """
            UPDATE api_keys
            SET revoked_at = now()
            WHERE account_id = $1
                AND key_id = $2
                AND revoked_at IS NULL
            RETURNING 1
            """,
            account_id,
            key_id,
        )
        return row is not None
