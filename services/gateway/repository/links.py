"""Link programs in PostgreSQL, their keys, what was revoked of their links, and clicks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from services.gateway.domain.links import LinkKey, LinkProgram
from shared.database import Connection, columns

_PROGRAM = (
    "program_id, account_id, template_id, name, auto_fill_external_id, create_on, valid_days,"
    " one_time, default_region, created_at, updated_at"
)
_KEY = "program_id, key_id, kind, sealed, created_at, ends_at"

RevocationKind = Literal["link", "campaign"]


@dataclass(frozen=True, slots=True)
class LinkMark:
    """What a link may be revoked by."""

    program_id: UUID
    link_id: str
    campaign: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class ClickCount:
    """How often links of a campaign and source were clicked on a day, in UTC."""

    program_id: UUID
    campaign: str
    source: str
    day: date
    clicks: int


class LinkRepository:
    """Programs by account, but for those who click: they know only the program's id."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def count_locked(self, account_id: UUID) -> int:
        """Count an account's programs, and let nobody add one until the transaction ends."""
        await self._connection.execute(
            "SELECT FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE", account_id
        )
        return await self._connection.fetchval(
            "SELECT count(*) FROM link_programs WHERE account_id = $1", account_id
        )

    async def add(self, program: LinkProgram) -> None:
        await self._connection.execute(
            f"""
            INSERT INTO link_programs ({_PROGRAM})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,  # noqa: S608  our own columns
            *_values(program),
        )

    async def save(self, program: LinkProgram) -> None:
        """Write what may change of a program."""
        await self._connection.execute(
            """
            UPDATE link_programs
            SET name = $2, auto_fill_external_id = $3, create_on = $4, valid_days = $5,
                one_time = $6, default_region = $7, updated_at = $8
            WHERE program_id = $1
            """,
            program.program_id,
            program.name,
            program.auto_fill_external_id,
            program.create_on,
            program.valid_days,
            program.one_time,
            program.default_region,
            program.updated_at,
        )

    async def find(
        self, account_id: UUID, program_id: UUID, *, locked: bool = False
    ) -> LinkProgram | None:
        """Find a program; a locked one stays as it is until the transaction ends."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {_PROGRAM}
            FROM link_programs
            WHERE account_id = $1
                AND program_id = $2
            {"FOR NO KEY UPDATE" if locked else ""}
            """,  # noqa: S608  our own columns
            account_id,
            program_id,
        )
        return LinkProgram(**row) if row else None

    async def find_public(self, program_ids: Collection[UUID]) -> dict[UUID, LinkProgram]:
        """Find programs by id, whosever they are: this is how a click leads to an account."""
        rows = await self._connection.fetch(
            f"SELECT {_PROGRAM} FROM link_programs WHERE program_id = ANY($1)",  # noqa: S608  our own columns
            program_ids,
        )
        return {row["program_id"]: LinkProgram(**row) for row in rows}

    async def list_page(
        self, account_id: UUID, before: UUID | None, limit: int
    ) -> list[LinkProgram]:
        """List an account's programs, newest first."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_PROGRAM}
            FROM link_programs
            WHERE account_id = $1
                AND ($2::uuid IS NULL OR program_id < $2)
            ORDER BY program_id DESC
            LIMIT $3
            """,  # noqa: S608  our own columns
            account_id,
            before,
            limit,
        )
        return [LinkProgram(**row) for row in rows]

    async def delete(self, account_id: UUID, program_id: UUID) -> bool:
        """Delete a program with its keys, so that no link of it can be read again."""
        found = await self._connection.fetchval(
            """
            DELETE FROM link_programs
            WHERE account_id = $1
                AND program_id = $2
            RETURNING 1
            """,
            account_id,
            program_id,
        )
        return found is not None

    async def add_key(self, key: LinkKey) -> bool:
        """Add a key; whether it was not there already."""
        found = await self._connection.fetchval(
            f"""
            INSERT INTO link_keys ({_KEY})
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT DO NOTHING
            RETURNING 1
            """,  # noqa: S608  our own columns
            key.program_id,
            key.key_id,
            key.kind,
            key.sealed,
            key.created_at,
            key.ends_at,
        )
        return found is not None

    async def keys_of(self, program_ids: Collection[UUID]) -> list[LinkKey]:
        """List the keys of programs, newest first."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_KEY}
            FROM link_keys
            WHERE program_id = ANY($1)
            ORDER BY created_at DESC, key_id
            """,  # noqa: S608  our own columns
            program_ids,
        )
        return [LinkKey(**row) for row in rows]

    async def end_keys(self, key: LinkKey, grace: timedelta) -> None:
        """Let a key end after `grace` at the latest."""
        await self._connection.execute(
            """
            UPDATE link_keys
            SET ends_at = least(ends_at, now() + $3::interval)
            WHERE program_id = $1
                AND key_id = $2
            """,
            key.program_id,
            key.key_id,
            grace,
        )

    async def revoke(self, program_id: UUID, kind: RevocationKind, name: str) -> None:
        """Revoke a link, or those of a campaign that were made until now."""
        await self._connection.execute(
            """
            INSERT INTO link_revocations (program_id, kind, name)
            VALUES ($1, $2, $3)
            ON CONFLICT (program_id, kind, name) DO UPDATE SET revoked_at = now()
            """,
            program_id,
            kind,
            name,
        )

    async def find_revoked(self, marks: Sequence[LinkMark]) -> set[tuple[UUID, str]]:
        """Find which of these links are revoked, by program and link id."""
        rows = await self._connection.fetch(
            """
            SELECT asked.program_id, asked.link_id
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
                AS asked (program_id, link_id, campaign, made_at)
            WHERE EXISTS (
                    SELECT
                    FROM link_revocations
                    WHERE program_id = asked.program_id
                        AND kind = 'link'
                        AND name = asked.link_id
                )
                OR EXISTS (
                    SELECT
                    FROM link_revocations
                    WHERE program_id = asked.program_id
                        AND kind = 'campaign'
                        AND name = asked.campaign
                        AND revoked_at >= asked.made_at
                )
            """,
            *columns(marks, "program_id", "link_id", "campaign", "made_at"),
        )
        return {(row["program_id"], row["link_id"]) for row in rows}

    async def count_clicks(self, counts: Sequence[ClickCount]) -> None:
        """Add clicks; those of programs that are gone count no more."""
        await self._connection.execute(
            """
            INSERT INTO link_clicks (program_id, campaign, source, day, clicks)
            SELECT program_id, campaign, source, day, clicks
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::bigint[])
                AS new (program_id, campaign, source, day, clicks)
            JOIN link_programs USING (program_id)
            ORDER BY program_id, campaign, source, day
            ON CONFLICT (program_id, campaign, source, day)
                DO UPDATE SET clicks = link_clicks.clicks + excluded.clicks
            """,
            *columns(counts, "program_id", "campaign", "source", "day", "clicks"),
        )

    async def read_clicks(
        self, program_id: UUID, after: tuple[str, str] | None, limit: int
    ) -> dict[tuple[str, str], int]:
        """Sum clicks by campaign and source, in their order."""
        rows = await self._connection.fetch(
            """
            SELECT campaign, source, sum(clicks)::bigint AS clicks
            FROM link_clicks
            WHERE program_id = $1
                AND ($2::text IS NULL OR (campaign, source) > ($2, $3))
            GROUP BY campaign, source
            ORDER BY campaign, source
            LIMIT $4
            """,
            program_id,
            *(after or (None, None)),
            limit,
        )
        return {(row["campaign"], row["source"]): row["clicks"] for row in rows}


def _values(program: LinkProgram) -> list[object]:
    return [getattr(program, name) for name in _PROGRAM.split(", ")]
