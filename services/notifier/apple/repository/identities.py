"""Certificates of pass types, as the gateway announced them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from services.notifier.apple.domain.pushes import WARNED_DAYS, ExpiringIdentity, Identity
from shared.contracts.gateway import IdentitySaved
from shared.database import Connection, columns

MAX_TRIED: Final = 2
"""The newest and the one before."""

PassType = tuple[UUID, str]
"""An account, and one of its pass type identifiers."""


class IdentityRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def save_all(self, saved: Sequence[IdentitySaved]) -> set[PassType]:
        """Keep revisions, sealed as they were announced last; returns whose were new."""
        newest = {(one.identity_id, one.revision): one for one in saved}
        rows = await self._connection.fetch(
            """
            INSERT INTO identities (
                identity_id, revision, account_id, pass_type_identifier, sealed, not_after
            )
            SELECT *
            FROM unnest(
                $1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[]
            )
            ON CONFLICT (identity_id, revision) DO UPDATE SET sealed = excluded.sealed
            RETURNING account_id, pass_type_identifier, xmax = 0 AS is_new
            """,
            [identity_id for identity_id, _ in newest],
            [revision for _, revision in newest],
            *columns(newest.values(), "account_id", "pass_type_identifier", "sealed", "not_after"),
        )
        return {(r["account_id"], r["pass_type_identifier"]) for r in rows if r["is_new"]}

    async def list_valid(self, wanted: Collection[PassType]) -> dict[PassType, list[Identity]]:
        """List what each pass type may be pushed with, newest first."""
        rows = await self._connection.fetch(
            """
            SELECT i.*
            FROM unnest($1::uuid[], $2::text[]) AS wanted (account_id, type)
            CROSS JOIN LATERAL (
                SELECT identity_id, revision, account_id, pass_type_identifier, sealed
                FROM identities k
                WHERE k.account_id = wanted.account_id
                    AND k.pass_type_identifier = wanted.type
                    AND k.not_after > now()
                ORDER BY k.revision DESC
                LIMIT $3
            ) AS i
            """,
            [account_id for account_id, _ in wanted],
            [pass_type for _, pass_type in wanted],
            MAX_TRIED,
        )
        found: defaultdict[PassType, list[Identity]] = defaultdict(list)
        for row in rows:
            found[row["account_id"], row["pass_type_identifier"]].append(Identity(**row))
        return found

    async def mark_expiring(self) -> list[ExpiringIdentity]:
        """Find what has come nearer to its end than was warned of, and note the warning.

        What a later certificate replaces ends in peace.
        """
        rows = await self._connection.fetch(
            """
            UPDATE identities i
            SET warned_days = near.days
            FROM (
                SELECT
                    identity_id, revision,
                    (
                        SELECT min(days)
                        FROM unnest($1::int[]) AS days
                        WHERE not_after <= now() + days * interval '1 day'
                    ) AS days
                FROM identities
                WHERE not_after > now()
                    AND not_after <= now() + $2 * interval '1 day'
            ) AS near
            WHERE i.identity_id = near.identity_id
                AND i.revision = near.revision
                AND (i.warned_days IS NULL OR i.warned_days > near.days)
                AND NOT EXISTS (
                    SELECT
                    FROM identities later
                    WHERE later.account_id = i.account_id
                        AND later.pass_type_identifier = i.pass_type_identifier
                        AND later.revision > i.revision
                )
            RETURNING
                i.identity_id, i.revision, i.account_id, i.pass_type_identifier, i.not_after
            """,
            list(WARNED_DAYS),
            max(WARNED_DAYS),
        )
        return [ExpiringIdentity(**row) for row in rows]

    async def forget_ended(self, age: timedelta) -> None:
        """Delete what ended longer ago than `age`."""
        await self._connection.execute(
            "DELETE FROM identities WHERE not_after < now() - $1::interval", age
        )
