"""Which passes members got for which wallet."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.database import Connection


@dataclass(frozen=True, slots=True)
class MemberPassKey:
    """What tells a pass of a member from its others."""

    account_id: UUID
    member_id: str
    wallet: str
    purpose: bytes


class MemberPassRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(self, key: MemberPassKey, handle: str) -> str:
        """Keep a handle for a pass, unless there is one; gives the one that is kept."""
        return await self._connection.fetchval(
            """
            INSERT INTO member_passes AS old (account_id, member_id, wallet, purpose, handle)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (account_id, member_id, wallet, purpose) DO UPDATE SET handle = old.handle
            RETURNING handle
            """,
            key.account_id,
            key.member_id,
            key.wallet,
            key.purpose,
            handle,
        )

    async def replace(self, key: MemberPassKey, gone: str, handle: str) -> str:
        """Keep another handle instead of one whose pass is gone; gives the one that is kept."""
        await self._connection.execute(
            """
            UPDATE member_passes
            SET handle = $6, created_at = now()
            WHERE account_id = $1
                AND member_id = $2
                AND wallet = $3
                AND purpose = $4
                AND handle = $5
            """,
            key.account_id,
            key.member_id,
            key.wallet,
            key.purpose,
            gone,
            handle,
        )
        return await self.claim(key, handle)

    async def wallets(self, account_id: UUID, member_id: str) -> dict[str, str]:
        """Tell for which wallet passes of a member were made: handle → wallet."""
        rows = await self._connection.fetch(
            """
            SELECT handle, wallet
            FROM member_passes
            WHERE account_id = $1
                AND member_id = $2
            """,
            account_id,
            member_id,
        )
        return {row["handle"]: row["wallet"] for row in rows}

    async def forget_members(self, gone: Mapping[UUID, Collection[str]]) -> None:
        """Forget the passes of members who are gone."""
        pairs = [(account_id, one) for account_id, members in gone.items() for one in members]
        await self._connection.execute(
            """
            DELETE FROM member_passes
            WHERE (account_id, member_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
            """,
            [account_id for account_id, _ in pairs],
            [member_id for _, member_id in pairs],
        )
