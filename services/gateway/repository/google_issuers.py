"""Google Wallet issuers in PostgreSQL."""

from dataclasses import astuple, fields
from uuid import UUID

from services.gateway.domain import GoogleIssuer
from shared.database import Connection

_ISSUER = ", ".join(field.name for field in fields(GoogleIssuer))
_PLACES = ", ".join(f"${number}" for number in range(1, len(fields(GoogleIssuer)) + 1))


class GoogleIssuerRepository:
    """An issuer is its account's; those that an account may use are its own and lent ones."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, issuer: GoogleIssuer) -> bool:
        """Add an issuer; False if somebody has this number already."""
        row = await self._connection.fetchrow(
            f"""
            INSERT INTO google_issuers ({_ISSUER})
            VALUES ({_PLACES})
            ON CONFLICT (issuer_id) DO NOTHING
            RETURNING 1
            """,  # noqa: S608  our own columns
            *astuple(issuer),
        )
        return row is not None

    async def update(self, issuer: GoogleIssuer) -> None:
        """Write what may change of an issuer."""
        await self._connection.execute(
            """
            UPDATE google_issuers
            SET
                revision = $2, name = $3, email = $4, key_id = $5, project_id = $6, sealed = $7,
                is_default = $8, is_lent = $9, access = $10, access_detail = $11,
                updated_at = $12
            WHERE issuer_id = $1
            """,
            issuer.issuer_id,
            issuer.revision,
            issuer.name,
            issuer.email,
            issuer.key_id,
            issuer.project_id,
            issuer.sealed,
            issuer.is_default,
            issuer.is_lent,
            issuer.access,
            issuer.access_detail,
            issuer.updated_at,
        )

    async def end_default(self, account_id: UUID, but: str) -> None:
        """Let no other issuer of an account be its default."""
        await self._connection.execute(
            """
            UPDATE google_issuers
            SET is_default = false
            WHERE account_id = $1
                AND issuer_id <> $2
                AND is_default
            """,
            account_id,
            but,
        )

    async def find(
        self, account_id: UUID, issuer_id: str, *, locked: bool = False
    ) -> GoogleIssuer | None:
        """Find an issuer of the account itself; locked, it stays as it is until the end."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {_ISSUER}
            FROM google_issuers
            WHERE account_id = $1
                AND issuer_id = $2
            {"FOR NO KEY UPDATE" if locked else ""}
            """,  # noqa: S608  our own columns
            account_id,
            issuer_id,
        )
        return GoogleIssuer(**row) if row else None

    async def find_usable(self, account_id: UUID, issuer_id: str | None) -> GoogleIssuer | None:
        """Find an issuer that an account may use: its own, or one lent by who manages it.

        Without a number its default one, then a lent one that is its manager's default.
        """
        row = await self._connection.fetchrow(
            f"""
            SELECT {_ISSUER}
            FROM google_issuers
            WHERE (
                    account_id = $1
                    OR (
                        is_lent
                        AND account_id = (
                            SELECT managed_by FROM accounts WHERE accounts.account_id = $1
                        )
                    )
                )
                AND CASE WHEN $2::text IS NULL THEN is_default ELSE issuer_id = $2 END
            ORDER BY account_id = $1 DESC
            LIMIT 1
            """,  # noqa: S608  our own columns
            account_id,
            issuer_id,
        )
        return GoogleIssuer(**row) if row else None

    async def is_known(self, issuer_id: str) -> bool:
        """Whether anybody has this issuer: Google names it, not its account."""
        return await self._connection.fetchval(
            "SELECT EXISTS (SELECT FROM google_issuers WHERE issuer_id = $1)", issuer_id
        )

    async def list_page(
        self, account_id: UUID, after: str | None, limit: int
    ) -> list[GoogleIssuer]:
        """List an account's issuers by number."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_ISSUER}
            FROM google_issuers
            WHERE account_id = $1
                AND ($2::text IS NULL OR issuer_id > $2)
            ORDER BY issuer_id
            LIMIT $3
            """,  # noqa: S608  our own columns
            account_id,
            after,
            limit,
        )
        return [GoogleIssuer(**row) for row in rows]

    async def list_all(self, after: str | None, limit: int) -> list[GoogleIssuer]:
        """List issuers of all accounts, to be announced again."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_ISSUER}
            FROM google_issuers
            WHERE $1::text IS NULL OR issuer_id > $1
            ORDER BY issuer_id
            LIMIT $2
            """,  # noqa: S608  our own columns
            after,
            limit,
        )
        return [GoogleIssuer(**row) for row in rows]
