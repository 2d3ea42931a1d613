"""Deliveries that are due: leased, then recorded. The row owns the count of attempts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Final
from uuid import UUID

from services.notifier.feed.repository.events import read_body
from services.notifier.partners.domain.happenings import DisabledEndpoint, ExhaustedDeliveries
from services.notifier.partners.domain.webhooks import (
    FAILED_TOO_LONG,
    FAILING_FOR,
    DueDelivery,
    FinishedDelivery,
)
from shared.contracts.partners import EXHAUSTED
from shared.database import Connection, columns

LEASED: Final = tuple(field.name for field in fields(DueDelivery) if field.name != "body")
"""What of a delivery that is due its rows say."""

LEASE_SECONDS: Final = 8
"""Renewed every 2 s while a post is on its way; what a killed process held is free after it."""


class SendingRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def do_not_wait_for_disk(self) -> None:
        """Commit this transaction without a flush.

        A lease or result lost when the server crashes leads to one more attempt, no worse.
        """
        await self._connection.execute("SET LOCAL synchronous_commit = off")

    async def wait_for_disk(self) -> None:
        """Commit it with a flush after all: it holds what others may have read once it is there."""
        await self._connection.execute("SET LOCAL synchronous_commit = on")

    async def find_due_endpoints(self) -> list[UUID]:
        """Find every enabled endpoint with a due delivery: one look into the index for each."""
        rows = await self._connection.fetch(
            """
            WITH RECURSIVE waiting AS (
                (
                    SELECT endpoint_id
                    FROM deliveries
                    WHERE state = 'pending'
                    ORDER BY endpoint_id
                    LIMIT 1
                )
                UNION ALL
                SELECT
                    (
                        SELECT d.endpoint_id
                        FROM deliveries d
                        WHERE d.state = 'pending'
                            AND d.endpoint_id > w.endpoint_id
                        ORDER BY d.endpoint_id
                        LIMIT 1
                    )
                FROM waiting w
                WHERE w.endpoint_id IS NOT NULL
            )
            SELECT w.endpoint_id
            FROM waiting w
            JOIN endpoints e ON e.endpoint_id = w.endpoint_id AND e.enabled
            WHERE EXISTS (
                SELECT
                FROM deliveries d
                WHERE d.endpoint_id = w.endpoint_id
                    AND d.state = 'pending'
                    AND d.next_attempt_at <= now()
                    AND (d.lease_until IS NULL OR d.lease_until <= now())
            )
            """
        )
        return [row["endpoint_id"] for row in rows]

    async def claim(self, wanted: Mapping[UUID, int]) -> list[DueDelivery]:
        """Lease at most so many due deliveries of each endpoint, the oldest first."""
        rows = await self._connection.fetch(
            """
            UPDATE deliveries d
            SET lease_until = now() + $3 * interval '1 second'
            FROM (
                SELECT
                    due.delivery_id, e.url, e.secret, e.secret_version,
                    ARRAY(
                        SELECT f ->> 'secret'
                        FROM jsonb_array_elements(e.former_secrets) AS f
                        WHERE (f ->> 'until')::timestamptz > now()
                    ) AS former_secrets, v.template_id, v.occurred_at, v.cause, v.body, v.number
                FROM unnest($1::uuid[], $2::int[]) AS wanted (endpoint_id, most)
                JOIN endpoints e ON e.endpoint_id = wanted.endpoint_id AND e.enabled
                CROSS JOIN LATERAL (
                    SELECT n.delivery_id, n.event_id
                    FROM deliveries n
                    WHERE n.endpoint_id = e.endpoint_id
                        AND n.state = 'pending'
                        AND n.next_attempt_at <= now()
                        AND (n.lease_until IS NULL OR n.lease_until <= now())
                    ORDER BY n.next_attempt_at
                    LIMIT wanted.most
                    FOR UPDATE SKIP LOCKED
                ) AS due
                JOIN events v ON v.event_id = due.event_id
            ) AS claimed
            WHERE d.delivery_id = claimed.delivery_id
            RETURNING
                d.delivery_id, d.account_id, d.endpoint_id, d.event_id, d.attempts, d.tries,
                d.round, d.handle, d.kind, claimed.url, claimed.secret, claimed.secret_version,
                claimed.former_secrets, claimed.template_id, claimed.occurred_at, claimed.cause,
                claimed.body, claimed.number
            """,
            list(wanted), list(wanted.values()), LEASE_SECONDS,
        )  # fmt: skip
        return [DueDelivery(*(row[name] for name in LEASED), body=read_body(row)) for row in rows]

    async def renew(self, deliveries: Collection[DueDelivery]) -> None:
        """Hold leases for longer, as long as they are held at all."""
        await self._connection.execute(
            """
            UPDATE deliveries d
            SET lease_until = now() + $3 * interval '1 second'
            FROM (
                SELECT d.delivery_id
                FROM deliveries d
                JOIN unnest($1::uuid[], $2::int[]) AS held (delivery_id, attempts)
                    ON d.delivery_id = held.delivery_id
                    AND d.attempts = held.attempts
                WHERE d.lease_until IS NOT NULL
                ORDER BY d.delivery_id
                FOR UPDATE OF d
            ) AS held
            WHERE d.delivery_id = held.delivery_id
            """,
            *columns(deliveries, "delivery_id", "attempts"),
            LEASE_SECONDS,
        )

    async def release(self, deliveries: Collection[DueDelivery]) -> None:
        """Give leases back, for another process to take at once."""
        await self._connection.execute(
            """
            UPDATE deliveries d
            SET lease_until = NULL
            FROM unnest($1::uuid[], $2::int[]) AS given (delivery_id, attempts)
            WHERE d.delivery_id = given.delivery_id
                AND d.attempts = given.attempts
            """,
            *columns(deliveries, "delivery_id", "attempts"),
        )

    async def record(
        self, finished: Sequence[FinishedDelivery]
    ) -> tuple[list[ExhaustedDeliveries], list[DisabledEndpoint]]:
        """Record what became of attempts; returns what came to its end by it."""
        own = [r for r in finished if r.outcome.our_fault]
        charged = [r for r in finished if not r.outcome.our_fault]
        if own:
            await self._postpone(own)
        if not charged:
            return [], []
        await self._add_attempts(charged)
        exhausted = await self._move_on(charged)
        return exhausted, await self._judge_endpoints(charged)

    async def _postpone(self, finished: Sequence[FinishedDelivery]) -> None:
        await self._connection.execute(
            """
            UPDATE deliveries d
            SET lease_until = NULL, next_attempt_at = r.next_attempt_at
            FROM unnest($1::uuid[], $2::int[], $3::timestamptz[]) AS r (
                delivery_id, attempts, next_attempt_at
            )
            WHERE d.delivery_id = r.delivery_id
                AND d.attempts = r.attempts
                AND d.state = 'pending'
            """,
            *columns(
                finished, "delivery.delivery_id", "delivery.attempts", "decision.next_attempt_at"
            ),
        )

    async def _add_attempts(self, finished: Sequence[FinishedDelivery]) -> None:
        await self._connection.execute(
            """
            INSERT INTO attempts (
                delivery_id, number, at, status, error, milliseconds, response
            )
            SELECT *
            FROM unnest(
                $1::uuid[], $2::int[], $3::timestamptz[], $4::int[], $5::text[], $6::int[],
                $7::text[]
            )
            ON CONFLICT DO NOTHING
            """,
            [r.delivery.delivery_id for r in finished],
            [r.delivery.attempts + 1 for r in finished],
            *columns(
                finished,
                "at",
                "outcome.status",
                "outcome.error",
                "outcome.milliseconds",
                "outcome.response",
            ),
        )

    async def _move_on(self, finished: Sequence[FinishedDelivery]) -> list[ExhaustedDeliveries]:
        """Count the attempt. A replay asked for meanwhile began a new round and goes on.

        Returns, by endpoint, the events of the feed that were attempted for the last time; of
        those that only say so themselves, none.
        """
        rows = await self._connection.fetch(
            """
            WITH moved AS (
                UPDATE deliveries d
                SET lease_until = NULL, attempts = r.number,
                    state = CASE WHEN d.round = r.round THEN r.state ELSE d.state END,
                    tries = CASE WHEN d.round = r.round THEN d.tries + 1 ELSE d.tries END,
                    next_attempt_at = CASE
                        WHEN d.round = r.round THEN r.next_attempt_at
                        ELSE d.next_attempt_at
                    END
                FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::timestamptz[])
                    AS r (delivery_id, number, round, state, next_attempt_at)
                WHERE d.delivery_id = r.delivery_id
                AND d.attempts = r.number - 1
                AND d.state = 'pending'
                RETURNING d.endpoint_id, d.account_id, d.event_id, d.kind, d.state
            )
            SELECT moved.endpoint_id, moved.account_id,
                array_agg(v.event_id ORDER BY v.number) AS event_ids,
                min(v.occurred_at) AS since
            FROM moved
            JOIN events v USING (event_id)
            WHERE moved.state = 'exhausted' AND moved.kind <> $6 AND v.number IS NOT NULL
            GROUP BY moved.endpoint_id, moved.account_id
            """,
            [r.delivery.delivery_id for r in finished],
            [r.delivery.attempts + 1 for r in finished],
            *columns(finished, "delivery.round", "decision.state", "decision.next_attempt_at"),
            EXHAUSTED,
        )
        return [ExhaustedDeliveries(**row) for row in rows]

    async def _judge_endpoints(
        self, finished: Sequence[FinishedDelivery]
    ) -> list[DisabledEndpoint]:
        """Note who succeeds and who fails, writing only what changes; disable who must be."""
        succeeded = {r.delivery.endpoint_id for r in finished if r.outcome.succeeded}
        failed = {r.delivery.endpoint_id for r in finished} - succeeded
        reasons = {
            r.delivery.endpoint_id: r.decision.disable for r in finished if r.decision.disable
        }
        if succeeded:
            await self._connection.execute(
                """
                UPDATE endpoints
                SET failing_since = NULL
                WHERE endpoint_id = ANY($1::uuid[])
                    AND failing_since IS NOT NULL
                """,
                sorted(succeeded),
            )
        at = max(r.at for r in finished)
        if failed:
            await self._connection.execute(
                """
                UPDATE endpoints
                SET failing_since = $2
                WHERE endpoint_id = ANY($1::uuid[])
                    AND failing_since IS NULL
                """,
                sorted(failed), at,
            )  # fmt: skip
        if not (failed or reasons):
            return []
        judged = sorted(failed | reasons.keys())
        rows = await self._connection.fetch(
            """
            UPDATE endpoints e
            SET enabled = false, updated_at = now(), disabled_reason = coalesce(r.reason, $3)
            FROM unnest($1::uuid[], $2::text[]) AS r (endpoint_id, reason)
            WHERE e.endpoint_id = r.endpoint_id
                AND e.enabled
                AND e.deleted_at IS NULL
                AND (r.reason IS NOT NULL OR e.failing_since <= $4)
            RETURNING e.endpoint_id, e.account_id, e.disabled_reason
            """,
            judged, [reasons.get(e) for e in judged], FAILED_TOO_LONG, at - FAILING_FOR,
        )  # fmt: skip
        return [
            DisabledEndpoint(row["endpoint_id"], row["account_id"], row["disabled_reason"])
            for row in rows
        ]
