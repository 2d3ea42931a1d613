"""Logins in PostgreSQL: passwords as scrypt leaves them, and where they were right."""

from datetime import timedelta
from uuid import UUID

from services.gateway.domain import Account
from services.gateway.repository.accounts import AccountRepository
from shared.database import Connection
from shared.errors import ConflictError


class EmailTakenError(ConflictError):
    """Another account has this e-mail address."""

    code = "email_taken"


class LoginRepository:
    """The login of each account."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_locked(self, account_id: UUID) -> Account | None:
        """Find an account and keep it as it is until the transaction ends."""
        await self._connection.execute(
            "SELECT FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE", account_id
        )
        return await AccountRepository(self._connection).find(account_id, account_id)

    async def save(self, account: Account) -> None:
        """Write what may change of an account; EmailTakenError if its address is another's.

        Looked for first, by one at a time: PostgreSQL would write the address of a conflict to its
        log.
        """
        taken = await self._connection.fetchval(
            "SELECT EXISTS (SELECT FROM accounts WHERE email = $1 AND account_id <> $2)",
            account.email,
            account.account_id,
        )
        if taken:
            raise EmailTakenError
        await self._connection.execute(
            """
            UPDATE accounts
            SET
                email = $2, subscription_expires_at = $3, additional = $4, whitelabel = $5,
                background_color = $6, credential_epoch = $7, utc_offset = $8,
                keyless_links = $9
            WHERE account_id = $1
            """,
            account.account_id,
            account.email,
            account.subscription_expires_at,
            account.additional,
            account.whitelabel,
            account.background_color,
            account.credential_epoch,
            account.utc_offset,
            account.keyless_links,
        )

    async def save_password(self, account_id: UUID, secret: str | None) -> None:
        """Write a password as scrypt left it, or none."""
        await self._connection.execute(
            "UPDATE accounts SET password = $2 WHERE account_id = $1", account_id, secret
        )

    async def read_password(self, account_id: UUID) -> str | None:
        """Read an account's password as scrypt left it."""
        return await self._connection.fetchval(
            "SELECT password FROM accounts WHERE account_id = $1", account_id
        )

    async def find_password(self, email: str) -> tuple[UUID, str | None] | None:
        """Find whose e-mail address this is: this is how the account becomes known."""
        row = await self._connection.fetchrow(
            "SELECT account_id, password FROM accounts WHERE email = $1", email
        )
        return (row["account_id"], row["password"]) if row else None

    async def is_used(self, place: bytes) -> bool:
        """Whether a login has succeeded at this place."""
        return await self._connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM login_networks WHERE place = $1)
            """,
            place,
        )

    async def note_use(self, place: bytes) -> None:
        """Note that a login has succeeded at this place."""
        await self._connection.execute(
            """
            INSERT INTO login_networks (place)
            VALUES ($1)
            ON CONFLICT (place) DO UPDATE SET used_at = now()
            """,
            place,
        )

    async def forget_unused(self, within: timedelta) -> None:
        """Delete places at which no login has succeeded within this time."""
        await self._connection.execute(
            """
            DELETE FROM login_networks
            WHERE used_at <= now() - $1::interval
            """,
            within,
        )
