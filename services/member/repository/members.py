"""Members, living and deleted, and the ledger of their points."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.member.domain.listing import Listing
from services.member.domain.members import ExternalIdTakenError, Key, LedgerLine
from services.member.repository.listing import (
    FEW,
    expectation,
    is_filtered,
    listing_in_order,
    listing_of_few,
)
from shared.contracts.member import Member, PointsEntry, SortKey
from shared.database import Connection, columns

_MEMBER = (
    "m.account_id, m.member_id, m.version, m.name, m.email, m.phone, m.external_id, m.tier,"
    " m.points, m.style_id, m.style_group_id, m.created_at, m.updated_at, m.deleted"
)


class MemberRepository:
    """Members, living and deleted, and the ledger of their points."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def reserve(self, rows: Iterable[tuple[UUID, str, str | None]], moment: datetime) -> None:
        """Make a row for each member there is none of, so that there is something to lock.

        A row is account, member id and the external id it is for: there is one row for each
        external id too, whoever asks at the same time.
        """
        await self._connection.execute(
            """
            INSERT INTO members (
                account_id, member_id, external_id, version, created_at, updated_at, deleted
            )
            SELECT DISTINCT
                account_id, member_id, external_id, 0, $4::timestamptz, $4::timestamptz, true
            FROM unnest($1::uuid[], $2::text[] COLLATE "C", $3::text[] COLLATE "C")
                AS wanted (account_id, member_id, external_id)
            ORDER BY account_id, external_id, member_id
            ON CONFLICT DO NOTHING
            """,
            *columns(rows, 0, 1, 2),
            moment,
        )

    async def release(self, keys: Sequence[Key]) -> None:
        """Take back reservations that were not used."""
        await self._connection.execute(
            """
            DELETE FROM members AS m
            USING unnest($1::uuid[], $2::text[]) AS k (account_id, member_id)
            WHERE m.account_id = k.account_id
                AND m.member_id = k.member_id
                AND m.version = 0
            """,
            *columns(keys, 0, 1),
        )

    async def lock(
        self, keys: Iterable[Key], external_ids: Iterable[tuple[UUID, str]] = ()
    ) -> dict[Key, Member]:
        """Lock these members and the holders of these external ids, in the order of their keys."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_MEMBER}
            FROM members AS m
            WHERE (m.account_id, m.member_id) IN (
                SELECT *
                FROM unnest($1::uuid[], $2::text[])
                UNION
                SELECT h.account_id, h.member_id
                FROM unnest($3::uuid[], $4::text[]) AS e (account_id, external_id)
                JOIN members AS h USING (account_id, external_id)
            )
            ORDER BY m.account_id, m.member_id
            FOR UPDATE OF m
            """,  # noqa: S608 - our own columns
            *columns(keys, 0, 1),
            *columns(external_ids, 0, 1),
        )
        return {(row["account_id"], row["member_id"]): _member(row) for row in rows}

    async def give_up_external_ids(self, keys: Sequence[Key]) -> None:
        """Free external ids that go to another member: the index is checked row by row."""
        await self._connection.execute(
            """
            UPDATE members AS m
            SET external_id = NULL
            FROM unnest($1::uuid[], $2::text[]) AS k (account_id, member_id)
            WHERE m.account_id = k.account_id
                AND m.member_id = k.member_id
            """,
            *columns(keys, 0, 1),
        )

    async def update(self, members: Sequence[Member]) -> None:
        """Store the new state of locked members."""
        try:
            await self._connection.execute(
                """
                UPDATE members AS m
                SET
                    version = n.version, name = n.name, email = n.email, phone = n.phone,
                    external_id = n.external_id, tier = n.tier, points = n.points,
                    style_id = n.style_id, style_group_id = n.style_group_id,
                    created_at = n.created_at, updated_at = n.updated_at, deleted = n.deleted
                FROM unnest(
                    $1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::bigint[], $10::uuid[], $11::uuid[],
                    $12::timestamptz[], $13::timestamptz[], $14::boolean[]
                ) AS n (
                    account_id, member_id, version, name, email, phone, external_id, tier,
                    points, style_id, style_group_id, created_at, updated_at, deleted
                )
                WHERE m.account_id = n.account_id
                    AND m.member_id = n.member_id
                """,
                *columns(
                    members,
                    "account_id",
                    "member_id",
                    "version",
                    "name",
                    "email",
                    "phone",
                    "external_id",
                    "tier",
                    "points",
                    "style_id",
                    "style_group_id",
                    "created_at",
                    "updated_at",
                    "deleted",
                ),
            )
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != "members_external_id":
                raise
            # Somebody took it between our look and now. The cause would tell the id: drop it.
            raise ExternalIdTakenError from None

    async def append(self, lines: Sequence[LedgerLine]) -> None:
        """Add lines to the ledger."""
        await self._connection.execute(
            """
            INSERT INTO points_entries (
                account_id, member_id, version, entry_id, delta, balance, reason, created_at
            )
            SELECT *
            FROM unnest(
                $1::uuid[], $2::text[], $3::bigint[], $4::uuid[], $5::bigint[], $6::bigint[],
                $7::text[], $8::timestamptz[]
            )
            """,
            *columns(
                lines,
                "account_id",
                "entry.member_id",
                "version",
                "entry.entry_id",
                "entry.delta",
                "entry.balance",
                "entry.reason",
                "entry.created_at",
            ),
        )

    async def erase_reasons(self, keys: Iterable[Key]) -> None:
        """Forget why the points of these members changed."""
        await self._connection.execute(
            """
            UPDATE points_entries AS p
            SET reason = NULL
            FROM unnest($1::uuid[], $2::text[]) AS k (account_id, member_id)
            WHERE p.account_id = k.account_id
                AND p.member_id = k.member_id
                AND p.reason IS NOT NULL
            """,
            *columns(keys, 0, 1),
        )

    async def find_reasons(self, entries: Iterable[tuple[UUID, str, UUID]]) -> dict[UUID, str]:
        """Find the reasons of entries, named by account, member and entry; some have none."""
        listed = list(entries)
        rows = await self._connection.fetch(
            """
            SELECT entry_id, reason
            FROM points_entries
            JOIN unnest($1::uuid[], $2::text[], $3::uuid[]) AS wanted (
                account_id, member_id, entry_id
            ) USING (account_id, member_id, entry_id)
            WHERE reason IS NOT NULL
            """,
            [account_id for account_id, _, _ in listed],
            [member_id for _, member_id, _ in listed],
            [entry_id for _, _, entry_id in listed],
        )
        return {row["entry_id"]: row["reason"] for row in rows}

    async def find_living(self, keys: Iterable[Key]) -> dict[Key, Member]:
        rows = await self._connection.fetch(
            f"""
            SELECT {_MEMBER}
            FROM members AS m
            WHERE (m.account_id, m.member_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
                AND NOT m.deleted
            """,  # noqa: S608 - our own columns
            *columns(keys, 0, 1),
        )
        return {(row["account_id"], row["member_id"]): _member(row) for row in rows}

    async def find_named(self, named: Iterable[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
        """Find which styles and groups, each with its account, living members name."""
        rows = await self._connection.fetch(
            """
            SELECT account_id, named_id
            FROM unnest($1::uuid[], $2::uuid[]) AS asked (account_id, named_id)
            WHERE EXISTS (
                SELECT
                FROM members AS m
                WHERE m.account_id = asked.account_id
                    AND m.style_id = named_id
            )
                OR EXISTS (
                    SELECT
                    FROM members AS m
                    WHERE m.account_id = asked.account_id
                        AND m.style_group_id = named_id
                )
            """,
            *columns(named, 0, 1),
        )
        return {(row["account_id"], row["named_id"]) for row in rows}

    async def list_page(self, asked: Listing) -> list[tuple[Member, SortKey | None]]:
        """List a page of living members and one more, with what each is sorted by."""
        # Which index is the best depends on the arguments: how many members a filter lets through.
        await self._connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        if is_filtered(asked.query):
            [plan] = await self._connection.fetchval(*expectation(asked).parts)
            if plan["Plan"]["Plan Rows"] <= FEW:
                rows = await self._connection.fetch(*listing_of_few(asked, _MEMBER).parts)
                if not rows or rows[0]["found"] <= FEW:
                    return _with_keys(rows)
        rows = await self._connection.fetch(*listing_in_order(asked, _MEMBER).parts)
        return _with_keys(rows)

    async def list_points(self, key: Key, before: UUID | None, limit: int) -> list[PointsEntry]:
        """List the newest entries, or those older than `before`."""
        rows = await self._connection.fetch(
            """
            SELECT entry_id, member_id, delta, balance, reason, created_at
            FROM points_entries
            WHERE account_id = $1
                AND member_id = $2
                AND version < CASE
                    WHEN $3::uuid IS NULL THEN 9223372036854775807
                    ELSE (
                        SELECT version
                        FROM points_entries
                        WHERE account_id = $1
                            AND member_id = $2
                            AND entry_id = $3
                    )
                END
            ORDER BY version DESC
            LIMIT $4
            """,
            *key,
            before,
            limit,
        )
        return [PointsEntry(**row) for row in rows]


def _member(row: asyncpg.Record) -> Member:
    return Member(**{name: row[name] for name in Member.model_fields})


def _with_keys(rows: Sequence[asyncpg.Record]) -> list[tuple[Member, SortKey | None]]:
    keys = (row["key"] for row in rows)
    plain = (key.isoformat() if isinstance(key, datetime) else key for key in keys)
    return list(zip(map(_member, rows), plain, strict=True))
