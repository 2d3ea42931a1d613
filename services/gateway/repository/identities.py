"""Signing identities in PostgreSQL, sealed."""

from uuid import UUID

from services.gateway.domain import Identity
from shared.database import Connection

_IDENTITY = (
    "identity_id, account_id, revision, pass_type_identifier, team_identifier, fingerprint,"
    " development, not_after, root, sealed, created_at, updated_at"
)


class IdentityRepository:
    """One identity per account and pass type."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, account_id: UUID, identity_id: UUID) -> Identity | None:
        row = await self._connection.fetchrow(
            f"""
            SELECT {_IDENTITY}
            FROM identities
            WHERE account_id = $1
                AND identity_id = $2
            """,  # noqa: S608  our own columns
            account_id,
            identity_id,
        )
        return Identity(**row) if row else None

    async def find_best(self, account_id: UUID) -> Identity | None:
        """Find the newest real one that has not expired, else the development one."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {_IDENTITY}
            FROM identities
            WHERE account_id = $1
            ORDER BY development OR not_after <= now(), NOT development, identity_id DESC
            LIMIT 1
            """,  # noqa: S608  our own columns
            account_id,
        )
        return Identity(**row) if row else None

    async def find_by_pass_type(
        self, account_id: UUID, pass_type_identifier: str
    ) -> Identity | None:
        """Find it and keep it as it is until the transaction ends."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {_IDENTITY}
            FROM identities
            WHERE account_id = $1
                AND pass_type_identifier = $2
            FOR NO KEY UPDATE
            """,  # noqa: S608  our own columns
            account_id,
            pass_type_identifier,
        )
        return Identity(**row) if row else None

    async def save(self, identity: Identity) -> Identity:
        """Add an identity, or make it the next revision of the one for its pass type."""
        row = await self._connection.fetchrow(
            f"""
            INSERT INTO identities AS known (
                identity_id, account_id, revision, pass_type_identifier, team_identifier,
                fingerprint, development, not_after, root, sealed
            )
            VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (account_id, pass_type_identifier) DO UPDATE SET
                revision = known.revision + 1, team_identifier = excluded.team_identifier,
                fingerprint = excluded.fingerprint, development = excluded.development,
                not_after = excluded.not_after, root = excluded.root, sealed = excluded.sealed,
                updated_at = now()
            RETURNING {_IDENTITY}
            """,  # noqa: S608  our own columns
            identity.identity_id,
            identity.account_id,
            identity.pass_type_identifier,
            identity.team_identifier,
            identity.fingerprint,
            identity.development,
            identity.not_after,
            identity.root,
            identity.sealed,
        )
        return Identity(**(row or {}))

    async def list_page(self, account_id: UUID, after: UUID | None, limit: int) -> list[Identity]:
        """List an account's identities, oldest first."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_IDENTITY}
            FROM identities
            WHERE account_id = $1
                AND ($2::uuid IS NULL OR identity_id > $2)
            ORDER BY identity_id
            LIMIT $3
            """,  # noqa: S608  our own columns
            account_id,
            after,
            limit,
        )
        return [Identity(**row) for row in rows]

    async def is_any_real(self) -> bool:
        """Whether any account has one that is not made by Passwright."""
        return await self._connection.fetchval(
            "SELECT EXISTS (SELECT FROM identities WHERE NOT development)"
        )

    async def list_all(self, after: UUID | None, limit: int) -> list[Identity]:
        """Identities of all accounts, to be announced again."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_IDENTITY}
            FROM identities
            WHERE $1::uuid IS NULL OR identity_id > $1
            ORDER BY identity_id
            LIMIT $2
            """,  # noqa: S608  our own columns
            after,
            limit,
        )
        return [Identity(**row) for row in rows]
