"""Idempotency keys in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.gateway.domain import CLAIM_LIFE
from shared.database import Connection, columns


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that names itself by a key."""

    account_id: UUID
    operation: str
    key: str
    fingerprint: bytes
    command_id: UUID

    @property
    def place(self) -> tuple[UUID, str, str]:
        """What may be claimed once."""
        return (self.account_id, self.operation, self.key)


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds a key: the first request that named it."""

    command_id: UUID
    fingerprint: bytes
    response: str | None


class ClaimRepository:
    """Keys that requests have claimed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(self, attempts: Sequence[Attempt]) -> list[Held]:
        """Claim each key, or find who holds it; of twins in one list the first counts.

        Waits for a transaction that is just claiming the same key.
        """
        first = {attempt.place: attempt for attempt in reversed(attempts)}
        rows = sorted(first.values(), key=lambda attempt: attempt.place)
        found = await self._connection.fetch(
            """
            INSERT INTO idempotency_keys AS held (
                account_id, operation, key, command_id, fingerprint, expires_at
            )
            SELECT *, now() + $6::interval
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::bytea[])
            ON CONFLICT (account_id, operation, key) DO UPDATE SET
                (command_id, fingerprint, response, expires_at) = (
                    SELECT
                        (CASE WHEN old THEN excluded.command_id ELSE held.command_id END),
                        (CASE WHEN old THEN excluded.fingerprint ELSE held.fingerprint END),
                        (CASE WHEN old THEN NULL ELSE held.response END),
                        (CASE WHEN old THEN excluded.expires_at ELSE held.expires_at END)
                    FROM (SELECT held.expires_at <= now() AS old) AS age
                )
            RETURNING account_id, operation, key, command_id, fingerprint, response
            """,
            *columns(rows, "account_id", "operation", "key", "command_id", "fingerprint"),
            CLAIM_LIFE,
        )
        held = {
            (row["account_id"], row["operation"], row["key"]): Held(
                row["command_id"], row["fingerprint"], row["response"]
            )
            for row in found
        }
        return [held[attempt.place] for attempt in attempts]

    async def store_response(self, attempt: Attempt, sealed: str) -> None:
        """Keep what was answered."""
        await self._connection.execute(
            """
            UPDATE idempotency_keys
            SET response = $4
            WHERE account_id = $1
                AND operation = $2
                AND key = $3
            """,
            *attempt.place,
            sealed,
        )

    async def forget_expired(self, most: int) -> int:
        """Delete keys whose time is over; how many."""
        rows = await self._connection.fetch(
            """
            DELETE FROM idempotency_keys
            WHERE (account_id, operation, key) IN (
                SELECT account_id, operation, key
                FROM idempotency_keys
                WHERE expires_at <= now()
                ORDER BY expires_at
                LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            RETURNING 1
            """,
            most,
        )
        return len(rows)
