"""Webhook endpoints: who wants to hear what, and where."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.notifier.partners.domain.happenings import DisabledEndpoint
from services.notifier.partners.domain.webhooks import (
    MAX_ENDPOINTS,
    MAX_FORMER_SECRETS,
    TEMPLATE_DELETED,
    EndpointExistsError,
    EndpointNotFoundError,
    Recipient,
    RotatedTooOftenError,
    TooManyEndpointsError,
)
from shared.contracts.notifier import CreateEndpoint, Endpoint
from shared.database import Connection


class EndpointRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_accounts(self, account_ids: Iterable[UUID]) -> None:
        """Let nobody else add endpoints to these accounts until the transaction ends."""
        await self._connection.execute(
            """
            SELECT pg_advisory_xact_lock(number)
            FROM (
                SELECT DISTINCT hashtextextended(account::text, 0) AS number
                FROM unnest($1::uuid[]) AS account
                ORDER BY 1
            ) AS numbers
            """,
            list(account_ids),
        )

    async def add(self, command: CreateEndpoint, fields: dict[str, Any], sealed: str) -> Endpoint:
        """Add an endpoint; its account is locked."""
        there = await self._connection.fetchval(
            "SELECT count(*) FROM endpoints WHERE account_id = $1 AND deleted_at IS NULL",
            command.account_id,
        )
        if there >= MAX_ENDPOINTS:
            raise TooManyEndpointsError
        row = await self._connection.fetchrow(
            """
            INSERT INTO endpoints (
                endpoint_id, account_id, url, description, kinds, template_id, secret
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT DO NOTHING
            RETURNING *
            """,
            command.endpoint_id, command.account_id, fields["url"], fields["description"],
            fields["kinds"], fields["template_id"], sealed,
        )  # fmt: skip
        if row is None:
            raise EndpointExistsError
        return _endpoint(row)

    async def get(self, account_id: UUID, endpoint_id: UUID) -> Endpoint:
        row = await self._connection.fetchrow(
            """
            SELECT *
            FROM endpoints
            WHERE account_id = $1
                AND endpoint_id = $2
                AND deleted_at IS NULL
            """,
            account_id, endpoint_id,
        )  # fmt: skip
        if row is None:
            raise EndpointNotFoundError
        return _endpoint(row)

    async def update(self, account_id: UUID, endpoint_id: UUID, fields: dict[str, Any]) -> Endpoint:
        """Set the fields given. A new address or a new start forgets past failures."""
        names = list(fields)
        sets = "".join(f", {name} = ${number}" for number, name in enumerate(names, start=3))
        if fields.get("enabled") is not None:
            sets += ", disabled_reason = NULL"
        if fields.get("enabled") or "url" in fields:
            sets += ", failing_since = NULL"
        row = await self._connection.fetchrow(
            f"""
            UPDATE endpoints
            SET updated_at = now(){sets}
            WHERE account_id = $1
                AND endpoint_id = $2
                AND deleted_at IS NULL
            RETURNING *
            """,  # noqa: S608 - checked names
            account_id, endpoint_id, *fields.values(),
        )  # fmt: skip
        if row is None:
            raise EndpointNotFoundError
        return _endpoint(row)

    async def rotate_secret(
        self, account_id: UUID, endpoint_id: UUID, sealed: str, grace: int
    ) -> Endpoint:
        """Sign with a new secret, and with those before for at most `grace` seconds more.

        Those of earlier rotations keep their own time, if that ends sooner. RotatedTooOftenError
        if 10 are still signed with.
        """
        row = await self._connection.fetchrow(
            """
            WITH kept AS (
                SELECT f.secret, least(f.until, now() + $4 * interval '1 second') AS until
                FROM endpoints e,
                    jsonb_to_recordset(e.former_secrets) AS f (secret text, until timestamptz)
                WHERE e.account_id = $1 AND e.endpoint_id = $2 AND f.until > now() AND $4 > 0
            )
            UPDATE endpoints
            SET secret = $3, secret_version = secret_version + 1, updated_at = now(),
                former_secrets = CASE WHEN $4 > 0 THEN
                    jsonb_build_array(jsonb_build_object(
                        'secret', secret, 'until', now() + $4 * interval '1 second'))
                    || coalesce((SELECT jsonb_agg(kept ORDER BY kept.until DESC) FROM kept), '[]')
                ELSE '[]' END
            WHERE account_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL
            RETURNING *, jsonb_array_length(former_secrets) AS former
            """,
            account_id,
            endpoint_id,
            sealed,
            grace,
        )
        if row is None:
            raise EndpointNotFoundError
        if row["former"] > MAX_FORMER_SECRETS:
            raise RotatedTooOftenError
        return _endpoint(row)

    async def find_secrets(self, keys: Iterable[tuple[UUID, UUID]]) -> dict[UUID, str]:
        """Find the sealed secrets of endpoints, named by account and endpoint."""
        listed = list(keys)
        rows = await self._connection.fetch(
            """
            SELECT endpoint_id, secret
            FROM endpoints
            JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (account_id, endpoint_id) USING (
                account_id, endpoint_id
            )
            WHERE deleted_at IS NULL
            """,
            [account_id for account_id, _ in listed],
            [endpoint_id for _, endpoint_id in listed],
        )
        return {row["endpoint_id"]: row["secret"] for row in rows}

    async def delete(self, account_id: UUID, endpoint_id: UUID) -> None:
        """Delete an endpoint, with its secrets; what was under way to it is dropped."""
        deleted = await self._connection.fetchval(
            """
            UPDATE endpoints
            SET deleted_at = now(), enabled = false, secret = '', former_secrets = '[]'
            WHERE account_id = $1
                AND endpoint_id = $2
                AND deleted_at IS NULL
            RETURNING endpoint_id
            """,
            account_id, endpoint_id,
        )  # fmt: skip
        if deleted is None:
            raise EndpointNotFoundError
        await self._connection.execute(
            """
            UPDATE deliveries
            SET state = 'dropped', next_attempt_at = NULL, lease_until = NULL
            WHERE endpoint_id = $1
                AND state = 'pending'
            """,
            endpoint_id,
        )

    async def list_page(
        self, account_id: UUID, after: UUID | None, limit: int
    ) -> tuple[list[Endpoint], bool]:
        """Find a page in order of creation, and whether there is more."""
        rows = await self._connection.fetch(
            """
            SELECT *
            FROM endpoints
            WHERE account_id = $1
                AND deleted_at IS NULL
                AND ($2::uuid IS NULL OR endpoint_id > $2)
            ORDER BY endpoint_id
            LIMIT $3
            """,
            account_id, after, limit + 1,
        )  # fmt: skip
        return [_endpoint(row) for row in rows[:limit]], len(rows) > limit

    async def list_recipients(self, account_ids: Iterable[UUID]) -> list[Recipient]:
        """All enabled endpoints of some accounts."""
        rows = await self._connection.fetch(
            """
            SELECT endpoint_id, account_id, kinds, template_id
            FROM endpoints
            WHERE account_id = ANY($1::uuid[])
                AND deleted_at IS NULL
                AND enabled
            """,
            list(account_ids),
        )
        return [
            Recipient(r["endpoint_id"], r["account_id"], frozenset(r["kinds"]), r["template_id"])
            for r in rows
        ]

    async def disable_of_templates(self, template_ids: Iterable[UUID]) -> list[DisabledEndpoint]:
        """Disable the endpoints that listen to templates which are gone."""
        rows = await self._connection.fetch(
            """
            UPDATE endpoints
            SET enabled = false, disabled_reason = $2, updated_at = now()
            WHERE template_id = ANY($1::uuid[])
                AND deleted_at IS NULL
                AND enabled
            RETURNING endpoint_id, account_id, disabled_reason
            """,
            list(template_ids), TEMPLATE_DELETED,
        )  # fmt: skip
        return [
            DisabledEndpoint(row["endpoint_id"], row["account_id"], row["disabled_reason"])
            for row in rows
        ]


def _endpoint(row: Record) -> Endpoint:
    return Endpoint(
        endpoint_id=row["endpoint_id"],
        account_id=row["account_id"],
        url=row["url"],
        description=row["description"],
        kinds=row["kinds"],
        template_id=row["template_id"],
        enabled=row["enabled"],
        disabled_reason=row["disabled_reason"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
