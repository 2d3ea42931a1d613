"""Which pass a member has for which wallet and purpose: who asks again gets the same one."""

from collections.abc import Collection, Mapping
from typing import Literal
from uuid import UUID

from services.gateway.repository.member_passes import MemberPassKey, MemberPassRepository
from shared.database import Database, UnitOfWork

WalletName = Literal["apple", "google"]


class MemberPasses:
    """The handles that passes of members have, or will have once they are made."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, key: MemberPassKey, handle: str) -> str:
        """Keep a new handle for a pass, unless there is one; gives the one that is kept."""
        async with self._database.work() as work:
            return await MemberPassRepository(work.connection).claim(key, handle)

    async def replace(self, key: MemberPassKey, gone: str, handle: str) -> str:
        """Keep another handle instead of one whose pass was deleted; gives the one kept then."""
        async with self._database.work() as work:
            return await MemberPassRepository(work.connection).replace(key, gone, handle)

    async def wallets(self, account_id: UUID, member_id: str) -> dict[str, str]:
        """Tell for which wallet passes of a member were made, handle → wallet; others lack."""
        async with self._database.connection() as connection:
            return await MemberPassRepository(connection).wallets(account_id, member_id)

    async def forget_members(self, work: UnitOfWork, gone: Mapping[UUID, Collection[str]]) -> None:
        """Forget the passes of members who are gone; the passes themselves stay."""
        await MemberPassRepository(work.connection).forget_members(gone)
