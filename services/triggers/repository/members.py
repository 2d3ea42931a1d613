"""What is known of members: their facts as passes show them, newest version wins."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.triggers.domain import facts_of
from shared.contracts.member import Member
from shared.database import Connection, columns, json_array

MemberKey = tuple[UUID, str]
Facts = dict[str, Any] | None
"""What passes show of a member; None when deleted, or not heard of yet."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A locked member's facts as they were and as they are."""

    before: Facts
    after: Facts


class MemberRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn(self, members: Iterable[Member]) -> dict[MemberKey, Learned]:
        """Lock every member named, keep what is newer, and return the facts before and after.

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
        keys = sorted(newest)
        columns = [account_id for account_id, _ in keys], [member_id for _, member_id in keys]
        await self._connection.execute(
            """
            INSERT INTO members (account_id, member_id, version)
            SELECT account_id, member_id, 0
            FROM unnest($1::uuid[], $2::text[]) AS new (account_id, member_id)
            ON CONFLICT DO NOTHING
            """,
            *columns,
        )
        rows = await self._connection.fetch(
            """
            SELECT account_id, member_id, version, facts
            FROM members
            WHERE (account_id, member_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
            ORDER BY account_id, member_id
            FOR NO KEY UPDATE
            """,
            *columns,
        )
        learned: dict[MemberKey, Learned] = {}
        newer: list[Member] = []
        for row in rows:
            key = (row["account_id"], row["member_id"])
            member = newest[key]
            is_newer = member.version > row["version"]
            after = facts_of(member) if is_newer else row["facts"]
            learned[key] = Learned(row["facts"], after)
            if is_newer:
                newer.append(member)
        await self._save(newer)
        return learned

    async def _save(self, members: list[Member]) -> None:
        if not members:
            return
        await self._connection.execute(
            """
            UPDATE members
            SET version = new.version, facts = new.facts::jsonb
            FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[]) AS new (
                account_id, member_id, version, facts
            )
            WHERE (members.account_id, members.member_id) = (new.account_id, new.member_id)
            """,
            *columns(members, "account_id", "member_id", "version"),
            json_array([facts_of(member) for member in members]),
        )

    async def facts(self, keys: Iterable[MemberKey]) -> dict[MemberKey, Facts]:
        """Find the facts of members; unknown ones are missing."""
        wanted = sorted(set(keys))
        if not wanted:
            return {}
        rows = await self._connection.fetch(
            """
            SELECT account_id, member_id, facts
            FROM members
            JOIN unnest($1::uuid[], $2::text[]) AS wanted (account_id, member_id) USING (
                account_id, member_id
            )
            """,
            [account_id for account_id, _ in wanted],
            [member_id for _, member_id in wanted],
        )
        return {(row["account_id"], row["member_id"]): row["facts"] for row in rows}
