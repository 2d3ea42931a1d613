"""Wakes that are due: leased, pushed, recorded."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notifier.apple.domain.pushes import FinishedPush, Wake
from shared.database import Connection, columns

LEASE_SECONDS: Final = 8
"""Renewed every 2 s while a push is on its way; what a killed process held is free after it."""


class PushingRepository:
    """A wake is recorded by whoever holds its lease, so a late result takes no later wake away."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(self, most: int) -> list[Wake]:
        """Lease at most so many that are due, the longest waiting first."""
        rows = await self._connection.fetch(
            """
            WITH due AS (
                SELECT device, pass_type_identifier
                FROM wakes
                WHERE due_at <= now()
                    AND (lease_until IS NULL OR lease_until <= now())
                ORDER BY due_at
                LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            UPDATE wakes w
            SET leased_at = clock_timestamp(), lease_until = now() + $2 * interval '1 second'
            FROM due
            LEFT JOIN devices d ON d.device = due.device
            WHERE w.device = due.device
                AND w.pass_type_identifier = due.pass_type_identifier
            RETURNING
                w.device, w.pass_type_identifier, w.account_id, w.handles, w.asked, w.asked_at,
                w.tries, w.leased_at, d.push_token, d.kind
            """,
            most, LEASE_SECONDS,
        )  # fmt: skip
        return [Wake(**row) for row in rows]

    async def renew(self, wakes: Collection[Wake]) -> None:
        """Hold leases for longer, as long as they are held at all."""
        await self._connection.execute(
            """
            UPDATE wakes w
            SET lease_until = now() + $4 * interval '1 second'
            FROM (
                SELECT w.device, w.pass_type_identifier
                FROM wakes w
                JOIN unnest($1::text[], $2::text[], $3::timestamptz[])
                    AS held (device, type, leased_at)
                    ON w.device = held.device
                    AND w.pass_type_identifier = held.type
                    AND w.leased_at = held.leased_at
                WHERE w.lease_until IS NOT NULL
                ORDER BY w.device, w.pass_type_identifier
                FOR UPDATE OF w
            ) AS held
            WHERE w.device = held.device
                AND w.pass_type_identifier = held.pass_type_identifier
            """,
            *_leases(wakes),
            LEASE_SECONDS,
        )

    async def release(self, wakes: Collection[Wake]) -> None:
        """Give leases back, for another process to take at once."""
        await self._connection.execute(
            """
            UPDATE wakes w
            SET lease_until = NULL
            FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS given (
                device, type, leased_at
            )
            WHERE w.device = given.device
                AND w.pass_type_identifier = given.type
                AND w.leased_at = given.leased_at
            """,
            *_leases(wakes),
        )

    async def record(self, finished: Sequence[FinishedPush]) -> list[FinishedPush]:
        """Record what became of pushes; returns those whose lease was still ours.

        A wake that was asked for again meanwhile is due again: the device may have listed before.
        """
        rows = await self._connection.fetch(
            """
            SELECT w.device, w.pass_type_identifier, w.asked
            FROM wakes w
            JOIN unnest($1::text[], $2::text[], $3::timestamptz[]) AS r (
                device, type, leased_at
            ) ON w.device = r.device
                AND w.pass_type_identifier = r.type
                AND w.leased_at = r.leased_at
            ORDER BY w.device, w.pass_type_identifier
            FOR UPDATE OF w
            """,
            *_leases([one.wake for one in finished]),
        )
        asked = {(row["device"], row["pass_type_identifier"]): row["asked"] for row in rows}
        ours = [one for one in finished if one.wake.key in asked]
        over = [r for r in ours if r.pause is None and asked[r.wake.key] == r.wake.asked]
        again = [r for r in ours if r.pause is None and asked[r.wake.key] != r.wake.asked]
        await self._remove([one.wake for one in over])
        await self._begin_again([one.wake for one in again])
        await self._postpone([one for one in ours if one.pause is not None])
        return ours

    async def find_templates(self, handles: Collection[str]) -> dict[str, UUID]:
        """Find of which templates passes are."""
        rows = await self._connection.fetch(
            "SELECT handle, template_id FROM passes WHERE handle = ANY($1::text[])", list(handles)
        )
        return {row["handle"]: row["template_id"] for row in rows}

    async def do_not_wait_for_disk(self) -> None:
        """Commit this transaction without a flush: a push forgotten in a crash is made again."""
        await self._connection.execute("SET LOCAL synchronous_commit = off")

    async def hurry(self, pass_types: Collection[tuple[UUID, str]]) -> None:
        """Make due now what waits for another attempt."""
        await self._connection.execute(
            """
            UPDATE wakes
            SET due_at = now(), tries = 0
            WHERE (device, pass_type_identifier) IN (
                SELECT w.device, w.pass_type_identifier
                FROM wakes w
                JOIN unnest($1::uuid[], $2::text[]) AS given (account_id, type) ON w.account_id
                    = given.account_id
                    AND w.pass_type_identifier = given.type
                WHERE w.tries > 0
                ORDER BY w.device, w.pass_type_identifier
                FOR UPDATE OF w
            )
            """,
            [account_id for account_id, _ in pass_types],
            [pass_type for _, pass_type in pass_types],
        )

    async def _remove(self, wakes: Sequence[Wake]) -> None:
        if wakes:
            await self._connection.execute(
                """
                DELETE FROM wakes w
                USING unnest($1::text[], $2::text[]) AS r (device, type)
                WHERE w.device = r.device
                    AND w.pass_type_identifier = r.type
                """,
                *columns(wakes, "device", "pass_type_identifier"),
            )

    async def _begin_again(self, wakes: Sequence[Wake]) -> None:
        if wakes:
            await self._connection.execute(
                """
                UPDATE wakes w
                SET lease_until = NULL, tries = 0, due_at = now(), asked_at = now()
                FROM unnest($1::text[], $2::text[]) AS r (device, type)
                WHERE w.device = r.device
                    AND w.pass_type_identifier = r.type
                """,
                *columns(wakes, "device", "pass_type_identifier"),
            )

    async def _postpone(self, finished: Sequence[FinishedPush]) -> None:
        if finished:
            await self._connection.execute(
                """
                UPDATE wakes w
                SET lease_until = NULL, tries = w.tries + 1, due_at = now() + r.pause
                FROM unnest($1::text[], $2::text[], $3::interval[]) AS r (device, type, pause)
                WHERE w.device = r.device
                    AND w.pass_type_identifier = r.type
                """,
                *columns(finished, "wake.device", "wake.pass_type_identifier", "pause"),
            )


def _leases(wakes: Collection[Wake]) -> tuple[list[str], list[str], list[datetime]]:
    return (
        [wake.device for wake in wakes],
        [wake.pass_type_identifier for wake in wakes],
        [wake.leased_at for wake in wakes],
    )
