"""Accounts in PostgreSQL, and the authority that issues their development identities."""

from uuid import UUID

from services.gateway.domain import Account
from shared.database import Connection

_ACCOUNT = (
    "account_id, name, organization_name, managed_by, created_at, email, subscription_expires_at,"
    " additional, whitelabel, background_color, credential_epoch, utc_offset, keyless_links"
)


class AccountRepository:
    """Issuers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(
        self, account_id: UUID, name: str, organization_name: str, managed_by: UUID | None
    ) -> Account:
        """Add an account."""
        row = await self._connection.fetchrow(
            f"""
            INSERT INTO accounts (account_id, name, organization_name, managed_by)
            VALUES ($1, $2, $3, $4)
            RETURNING {_ACCOUNT}
            """,  # noqa: S608  our own columns
            account_id,
            name,
            organization_name,
            managed_by,
        )
        return Account(**(row or {}))

    async def find(self, viewer_id: UUID, account_id: UUID) -> Account | None:
        """Find the viewer's own account, or one that it manages."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {_ACCOUNT}
            FROM accounts
            WHERE account_id = $2
                AND (account_id = $1 OR managed_by = $1)
            """,  # noqa: S608  our own columns
            viewer_id,
            account_id,
        )
        return Account(**row) if row else None

    async def list_managed(self, account_id: UUID, after: UUID | None, limit: int) -> list[Account]:
        """List accounts that this one manages, oldest first."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_ACCOUNT}
            FROM accounts
            WHERE managed_by = $1
                AND ($2::uuid IS NULL OR account_id > $2)
            ORDER BY account_id
            LIMIT $3
            """,  # noqa: S608  our own columns
            account_id,
            after,
            limit,
        )
        return [Account(**row) for row in rows]

    async def list_keyless(self, account_id: UUID | None, limit: int) -> list[UUID]:
        """List accounts whose members' passes may be linked to without a key."""
        rows = await self._connection.fetch(
            """
            SELECT account_id
            FROM accounts
            WHERE keyless_links
                AND ($1::uuid IS NULL OR account_id = $1)
            ORDER BY account_id
            LIMIT $2
            """,
            account_id,
            limit,
        )
        return [row["account_id"] for row in rows]

    async def list_epochs(self, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """List accounts whose credentials ever changed, and at which they are."""
        rows = await self._connection.fetch(
            """
            SELECT account_id, credential_epoch
            FROM accounts
            WHERE credential_epoch > 1
                AND ($1::uuid IS NULL OR account_id > $1)
            ORDER BY account_id
            LIMIT $2
            """,
            after,
            limit,
        )
        return [(row["account_id"], row["credential_epoch"]) for row in rows]


class AuthorityRepository:
    """The one development authority of this installation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self) -> str | None:
        """Find it, sealed."""
        return await self._connection.fetchval("SELECT sealed FROM development_authorities")

    async def add(self, sealed: str) -> None:
        """Add it, unless another process was faster."""
        await self._connection.execute(
            "INSERT INTO development_authorities (sealed) VALUES ($1) ON CONFLICT DO NOTHING",
            sealed,
        )
