"""What is known of members: their facts as passes show them, newest version wins."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from services.triggers.domain import facts_of
from shared.contracts.member import Member
from shared.database import Connection, json_array

MemberKey = tuple[UUID, str]


class MemberRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn(self, members: Iterable[Member]) -> dict[MemberKey, dict[str, Any] | None]:
        """Keep what is newer, lock every row named, and return the facts as they are then.

        The lock is what makes a member's change reach a pass that is being created at that
        moment: whichever comes second sees what the first did.
        """
        newest: dict[MemberKey, Member] = {}
        for member in members:
            key = (member.account_id, member.member_id)
            if key not in newest or newest[key].version < member.version:
                newest[key] = member
        if not newest:
            return {}
        ordered = [newest[key] for key in sorted(newest)]
        rows = await self._connection.fetch(
            "INSERT INTO members (account_id, member_id, version, facts)"
            " SELECT account_id, member_id, version, facts::jsonb FROM"
            " unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[])"
            " AS new (account_id, member_id, version, facts)"
            " ON CONFLICT (account_id, member_id) DO UPDATE SET"
            " version = greatest(members.version, excluded.version),"
            " facts = CASE WHEN excluded.version > members.version"
            " THEN excluded.facts ELSE members.facts END"
            " RETURNING account_id, member_id, facts",
            [member.account_id for member in ordered],
            [member.member_id for member in ordered],
            [member.version for member in ordered],
            json_array([facts_of(member) for member in ordered]),
        )
        return {(row["account_id"], row["member_id"]): row["facts"] for row in rows}

    async def facts(self, keys: Iterable[MemberKey]) -> dict[MemberKey, dict[str, Any] | None]:
        """Find the facts of members; unknown ones are missing."""
        wanted = sorted(set(keys))
        if not wanted:
            return {}
        rows = await self._connection.fetch(
            "SELECT account_id, member_id, facts FROM members JOIN"
            " unnest($1::uuid[], $2::text[]) AS wanted (account_id, member_id)"
            " USING (account_id, member_id)",
            [account_id for account_id, _ in wanted],
            [member_id for _, member_id in wanted],
        )
        return {(row["account_id"], row["member_id"]): row["facts"] for row in rows}
