"""What happened, numbered, kept to be posted and read."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from services.notifier.feed.domain.happenings import Happening, KeptEvent, numbered
from shared.database import Connection, columns

ROWS_A_TURN = 10_000
"""How many old rows are deleted by one statement."""


class EventRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_all(self, happenings: Sequence[Happening]) -> set[UUID]:
        """Store what is new, numbered in the order given; returns which events were.

        Each account's row in `feeds` is held from here until the commit, so the order of numbers is
        that of commits: who sees a number sees all before it. Accounts are taken in one order.
        """
        stored = await self._add(happenings)
        if len(stored) < len(happenings):
            await self._take_back(happenings, stored)
            stored = await self._add([h for h in happenings if h.event_id in stored])
        return stored

    async def _add(self, happenings: Sequence[Happening]) -> set[UUID]:
        rows = await self._connection.fetch(
            """
            WITH fed AS (
                INSERT INTO feeds AS f (account_id, last)
                SELECT account_id, count(*)
                FROM unnest($2::uuid[]) AS account_id
                GROUP BY account_id
                ORDER BY account_id
                ON CONFLICT (account_id) DO UPDATE SET last = f.last + excluded.last
                RETURNING account_id, last
            )
            INSERT INTO events (
                event_id, account_id, template_id, handle, kind, occurred_at, cause, body,
                number
            )
            SELECT
                event_id, account_id, template_id, handle, kind, occurred_at, cause, body,
                last - behind
            FROM unnest(
                $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
                $6::timestamptz[], $7::text[], $8::text[], $9::bigint[]
            ) AS told (
                event_id, account_id, template_id, handle, kind, occurred_at, cause, body,
                behind
            )
            JOIN fed USING (account_id)
            ON CONFLICT (event_id) DO NOTHING
            RETURNING event_id
            """,
            *_columns(happenings),
            _behind([h.account_id for h in happenings]),
        )
        return {row["event_id"] for row in rows}

    async def _take_back(self, happenings: Sequence[Happening], stored: Iterable[UUID]) -> None:
        """Take back what was stored and numbered just now, so that no number is left out."""
        await self._connection.execute(
            "DELETE FROM events WHERE event_id = ANY($1::uuid[])", list(stored)
        )
        await self._connection.execute(
            """
            UPDATE feeds
            SET last = last - given.count
            FROM (
                SELECT account_id, count(*)
                FROM unnest($1::uuid[]) AS account_id
                GROUP BY account_id
            ) AS given
            WHERE feeds.account_id = given.account_id
            """,
            [h.account_id for h in happenings],
        )

    async def known(self, event_ids: Iterable[UUID]) -> set[UUID]:
        """Find which of these events are kept."""
        rows = await self._connection.fetch(
            """
            SELECT event_id
            FROM events
            WHERE event_id = ANY($1::uuid[])
            """,
            list(event_ids),
        )
        return {row["event_id"] for row in rows}

    async def add_test(self, test: Happening) -> None:
        """Store an event that is in no feed."""
        await self._connection.execute(
            """
            INSERT INTO events (
                event_id, account_id, template_id, handle, kind, occurred_at, cause, body
            )
            SELECT *
            FROM unnest(
                $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
                $6::timestamptz[], $7::text[], $8::text[]
            )
            """,
            *_columns([test]),
        )

    async def forget_old(self, age: timedelta) -> bool:
        """Delete some events older than `age`, and note how far; whether there may be more."""
        gone = await self._connection.fetchval(
            """
            WITH gone AS (
                DELETE FROM events
                WHERE ctid = ANY(
                    ARRAY(
                        SELECT ctid
                        FROM events
                        WHERE received_at < now() - $1::interval
                        LIMIT $2
                    )
                )
                RETURNING account_id, number
            ), noted AS (
                INSERT INTO forgotten AS f (account_id, number)
                SELECT account_id, max(number)
                FROM gone
                WHERE number IS NOT NULL
                GROUP BY account_id
                ORDER BY account_id
                ON CONFLICT (account_id) DO UPDATE SET
                    number = greatest(f.number, excluded.number)
            )
            SELECT count(*)
            FROM gone
            """,
            age, ROWS_A_TURN,
        )  # fmt: skip
        return gone == ROWS_A_TURN


def read_body(row: asyncpg.Record) -> str:
    """Write an event with its number as it is told."""
    kept = KeptEvent(*(row[field.name] for field in fields(KeptEvent)))
    return numbered(kept.whole_body, row["number"])


def _columns(happenings: Sequence[Happening]) -> list[list[Any]]:
    return columns(map(KeptEvent.of, happenings), *(field.name for field in fields(KeptEvent)))


def _behind(account_ids: Sequence[UUID]) -> list[int]:
    """Count for each row how many of the same account come after it."""
    left = Counter(account_ids)
    behind: list[int] = []
    for account_id in account_ids:
        left[account_id] -= 1
        behind.append(left[account_id])
    return behind
