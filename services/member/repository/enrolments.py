"""Enrolments of members, and how often links were used."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import asyncpg

from services.member.domain.enrolments import Entry, Link, Seat
from services.member.domain.members import Key
from shared.contracts.member import Enrolment
from shared.database import Connection, columns

_ENROLMENT = (
    "e.enrolment_id, e.account_id, e.template_id, e.member_id, e.handle, m.external_id,"
    " e.program_id, e.campaign, e.created_at"
)


class EnrolmentRepository:
    """Enrolments, one for each template and member, and the uses of limited links.

    Links are locked before members, members before enrolments.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_links(self, links: Iterable[Link]) -> dict[Link, int]:
        """Lock the uses of links, also of those that were never used; tells how many they are."""
        rows = await self._connection.fetch(
            """
            INSERT INTO link_uses (account_id, link_id, uses)
            SELECT DISTINCT account_id, link_id, 0
            FROM unnest($1::uuid[], $2::uuid[]) AS wanted (account_id, link_id)
            ORDER BY account_id, link_id
            ON CONFLICT (account_id, link_id) DO UPDATE SET uses = link_uses.uses
            RETURNING account_id, link_id, uses
            """,
            *columns(links, 0, 1),
        )
        return {(row["account_id"], row["link_id"]): row["uses"] for row in rows}

    async def store_uses(self, uses: Mapping[Link, int]) -> None:
        await self._connection.execute(
            """
            UPDATE link_uses AS u
            SET uses = n.uses
            FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS n (account_id, link_id, uses)
            WHERE u.account_id = n.account_id
                AND u.link_id = n.link_id
            """,
            *columns(uses, 0, 1),
            list(uses.values()),
        )

    async def lock(
        self, seats: Iterable[Seat], handles: Iterable[tuple[UUID, str]], links: Iterable[Link]
    ) -> list[Entry]:
        """Lock enrolments in the order of their ids: of these members, with these handles.

        Also those that had such a handle before, and the first of each link that led to no pass.
        """
        rows = await self._connection.fetch(
            f"""
            SELECT {_ENROLMENT}, e.replaced_handle, e.open_link_id
            FROM enrolments AS e
            JOIN members AS m USING (account_id, member_id)
            WHERE (e.account_id, e.enrolment_id) IN (
                SELECT account_id, enrolment_id
                FROM unnest($1::uuid[], $2::uuid[], $3::text[])
                    AS seat (account_id, template_id, member_id)
                JOIN enrolments USING (account_id, template_id, member_id)
                UNION
                SELECT account_id, enrolment_id
                FROM unnest($4::uuid[], $5::text[]) AS named (account_id, handle)
                JOIN enrolments USING (account_id, handle)
                UNION
                SELECT account_id, enrolment_id
                FROM unnest($4::uuid[], $5::text[]) AS named (account_id, replaced_handle)
                JOIN enrolments USING (account_id, replaced_handle)
                UNION
                SELECT link.account_id, first.enrolment_id
                FROM unnest($6::uuid[], $7::uuid[]) AS link (account_id, link_id)
                CROSS JOIN LATERAL (
                    SELECT enrolment_id
                    FROM enrolments
                    WHERE account_id = link.account_id
                        AND open_link_id = link.link_id
                    ORDER BY enrolment_id
                    LIMIT 1
                ) AS first
            )
            ORDER BY e.account_id, e.enrolment_id
            FOR UPDATE OF e
            """,  # noqa: S608 - our own columns
            *columns(seats, 0, 1, 2),
            *columns(handles, 0, 1),
            *columns(links, 0, 1),
        )
        return [Entry(_enrolment(row), row["replaced_handle"], row["open_link_id"]) for row in rows]

    async def add(self, entries: Sequence[Entry]) -> None:
        await self._connection.execute(
            """
            INSERT INTO enrolments (
                account_id, enrolment_id, template_id, member_id, handle, program_id, campaign,
                open_link_id, created_at
            )
            SELECT *
            FROM unnest(
                $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[],
                $7::text[], $8::uuid[], $9::timestamptz[]
            )
            """,
            *columns(
                entries,
                "enrolment.account_id",
                "enrolment.enrolment_id",
                "enrolment.template_id",
                "enrolment.member_id",
                "enrolment.handle",
                "enrolment.program_id",
                "enrolment.campaign",
                "open_link_id",
                "enrolment.created_at",
            ),
        )

    async def replace_handles(self, entries: Sequence[Entry]) -> None:
        """Store the new handles of locked enrolments."""
        await self._connection.execute(
            """
            UPDATE enrolments AS e
            SET handle = n.handle,
                replaced_handle = n.replaced_handle
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
                AS n (account_id, enrolment_id, handle, replaced_handle)
            WHERE e.account_id = n.account_id
                AND e.enrolment_id = n.enrolment_id
            """,
            *columns(
                entries,
                "enrolment.account_id",
                "enrolment.enrolment_id",
                "enrolment.handle",
                "replaced_handle",
            ),
        )

    async def close(self, handles: Iterable[tuple[UUID, str]]) -> None:
        """Note that these passes were made: no link gives their enrolments again."""
        await self._connection.execute(
            """
            WITH made AS (
                SELECT account_id, enrolment_id
                FROM unnest($1::uuid[], $2::text[]) AS named (account_id, handle)
                JOIN enrolments AS e USING (account_id, handle)
                WHERE e.open_link_id IS NOT NULL
                ORDER BY account_id, enrolment_id
                FOR UPDATE OF e
            )
            UPDATE enrolments AS e
            SET open_link_id = NULL
            FROM made
            WHERE e.account_id = made.account_id
                AND e.enrolment_id = made.enrolment_id
            """,
            *columns(handles, 0, 1),
        )

    async def find_by_handles(
        self, handles: Iterable[tuple[UUID, str]]
    ) -> dict[tuple[UUID, str], Enrolment]:
        rows = await self._connection.fetch(
            f"""
            SELECT {_ENROLMENT}
            FROM unnest($1::uuid[], $2::text[]) AS named (account_id, handle)
            JOIN enrolments AS e USING (account_id, handle)
            JOIN members AS m USING (account_id, member_id)
            """,  # noqa: S608 - our own columns
            *columns(handles, 0, 1),
        )
        return {(row["account_id"], row["handle"]): _enrolment(row) for row in rows}

    async def find(self, ids: Iterable[tuple[UUID, UUID]]) -> dict[UUID, Enrolment]:
        """Find enrolments by account and id."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_ENROLMENT}
            FROM unnest($1::uuid[], $2::uuid[]) AS named (account_id, enrolment_id)
            JOIN enrolments AS e USING (account_id, enrolment_id)
            JOIN members AS m USING (account_id, member_id)
            """,  # noqa: S608 - our own columns
            *columns(ids, 0, 1),
        )
        return {row["enrolment_id"]: _enrolment(row) for row in rows}

    async def list_of_member(self, key: Key, before: UUID | None, limit: int) -> list[Enrolment]:
        """List the newest enrolments of a member, or those older than `before`."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_ENROLMENT}
            FROM enrolments AS e
            JOIN members AS m USING (account_id, member_id)
            WHERE e.account_id = $1
                AND e.member_id = $2
                AND ($3::uuid IS NULL OR e.enrolment_id < $3)
            ORDER BY e.enrolment_id DESC
            LIMIT $4
            """,  # noqa: S608 - our own columns
            *key,
            before,
            limit,
        )
        return [_enrolment(row) for row in rows]

    async def delete_of(self, keys: Iterable[Key]) -> None:
        """Delete all enrolments of these members."""
        await self._connection.execute(
            """
            DELETE FROM enrolments
            WHERE (account_id, enrolment_id) IN (
                SELECT account_id, enrolment_id
                FROM unnest($1::uuid[], $2::text[]) AS k (account_id, member_id)
                JOIN enrolments AS e USING (account_id, member_id)
                ORDER BY account_id, enrolment_id
                FOR UPDATE OF e
            )
            """,
            *columns(keys, 0, 1),
        )


def _enrolment(row: asyncpg.Record) -> Enrolment:
    return Enrolment(**{name: row[name] for name in Enrolment.model_fields})
