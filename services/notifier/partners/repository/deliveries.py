"""Events on their way to endpoints: made, shown, made again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg import Record

from services.notifier.feed.domain.happenings import Happening, webhook_id
from services.notifier.feed.repository.events import ROWS_A_TURN
from services.notifier.partners.domain.webhooks import (
    MAX_REPLAYED,
    DeliveryNotFoundError,
    TooManyReplayedError,
)
from shared.contracts.notifier import Attempt, Delivery
from shared.database import Connection, columns
from shared.identifiers import new_id

MAX_ATTEMPTS_SHOWN: Final = 12
MAX_RESPONSES_CHARACTERS: Final = 250_000
"""Characters of responses in one answer, which must stay below 1 MiB."""
MAX_RESPONSE_CHARACTERS: Final = 16_384

_DELIVERY: Final = (
    "d.delivery_id, d.endpoint_id, d.event_id, d.kind, d.handle, d.state, d.next_attempt_at,"
    " d.created_at"
)

_WANTED: Final = """
    SELECT v.event_id, v.number
    FROM events v JOIN endpoints e ON e.account_id = v.account_id
    WHERE v.account_id = $1 AND e.endpoint_id = $2 AND e.deleted_at IS NULL
    AND (e.template_id IS NULL OR e.template_id = v.template_id)
    AND (e.kinds = '{}' OR e.kinds && ARRAY[v.kind, split_part(v.kind, '.', 1) || '.*', '*'])
    AND v.number IS NOT NULL AND v.received_at > now() - interval '30 days'
"""


class DeliveryRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_all(self, rows: Sequence[tuple[UUID, Happening]]) -> list[UUID]:
        """Make deliveries of events to endpoints; one that is there already stays as it is."""
        events = [event for _, event in rows]
        delivery_ids = [new_id() for _ in rows]
        await self._connection.execute(
            """
            INSERT INTO deliveries (
                delivery_id, account_id, endpoint_id, event_id, handle, kind, next_attempt_at
            )
            SELECT
                delivery_id, account_id, endpoint_id, event_id, handle, kind,
                least(occurred_at, now())
            FROM unnest(
                $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[],
                $7::timestamptz[]
            ) AS made (
                delivery_id, account_id, endpoint_id, event_id, handle, kind, occurred_at
            )
            ON CONFLICT DO NOTHING
            """,
            delivery_ids,
            [e.account_id for e in events],
            [endpoint_id for endpoint_id, _ in rows],
            *columns(events, "event_id", "handle", "type", "occurred_at"),
        )
        return delivery_ids

    async def find_event(self, account_id: UUID, endpoint_id: UUID, event_id: UUID) -> UUID | None:
        """Find an event of the account that the endpoint wants."""
        return await self._connection.fetchval(
            f"SELECT event_id FROM ({_WANTED}) AS wanted WHERE event_id = $3",  # noqa: S608 - our own columns
            account_id, endpoint_id, event_id,
        )  # fmt: skip

    async def find_between(
        self,
        account_id: UUID,
        endpoint_id: UUID,
        since: datetime,
        until: datetime | None,
        *,
        only_failed: bool,
    ) -> list[UUID]:
        """Find what the endpoint wants of all that happened in a time, in the feed's order."""
        rows = await self._connection.fetch(
            f"""
            SELECT event_id
            FROM (
                {_WANTED} AND v.occurred_at >= $3 AND (
                    $6::timestamptz IS NULL OR v.occurred_at < $6
                )
            ) AS wanted
            WHERE NOT $4
                OR EXISTS (
                    SELECT
                    FROM deliveries d
                    WHERE d.endpoint_id = $2
                        AND d.event_id = wanted.event_id
                        AND (d.state = 'exhausted' OR (d.state = 'pending' AND d.attempts > 0))
                )
            ORDER BY number
            LIMIT $5
            """,  # noqa: S608 - our own columns
            account_id, endpoint_id, since, only_failed, MAX_REPLAYED + 1, until,
        )  # fmt: skip
        if len(rows) > MAX_REPLAYED:
            raise TooManyReplayedError
        return [row["event_id"] for row in rows]

    async def replay(self, endpoint_id: UUID, event_ids: Sequence[UUID]) -> None:
        """Make events due now, in the order given, each at the start of its schedule."""
        await self._connection.execute(
            """
            INSERT INTO deliveries (
                delivery_id, account_id, endpoint_id, event_id, handle, kind, next_attempt_at
            )
            SELECT
                made.delivery_id, v.account_id, $1, v.event_id, v.handle, v.kind,
                now() - interval '1 second' + made.place * interval '1 microsecond'
            FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS made (
                delivery_id, event_id, place
            )
            JOIN events v USING (event_id)
            ON CONFLICT (endpoint_id, event_id) DO UPDATE SET
                state = 'pending', next_attempt_at = excluded.next_attempt_at, tries = 0,
                round = deliveries.round + 1
            """,
            endpoint_id, [new_id() for _ in event_ids], event_ids,
        )  # fmt: skip

    async def list_page(
        self,
        account_id: UUID,
        *,
        endpoint_id: UUID | None = None,
        handle: str | None = None,
        state: str | None = None,
        before: UUID | None = None,
        limit: int,
    ) -> tuple[list[Delivery], bool]:
        """Find a page, newest event first, and whether there is more."""
        before_event = await self._event_before(account_id, before) if before else None
        if handle is None:
            rows = await self._connection.fetch(
                f"""
                SELECT {_DELIVERY}
                FROM endpoints e
                CROSS JOIN LATERAL (
                    SELECT *
                    FROM deliveries n
                    WHERE n.endpoint_id = e.endpoint_id
                        AND ($3::text IS NULL OR n.state = $3)
                        AND (
                            $4::uuid IS NULL OR (
                                n.event_id <= $4 AND (n.event_id, n.delivery_id) < ($4, $5)
                            )
                        )
                    ORDER BY n.event_id DESC
                    LIMIT $6
                ) AS d
                WHERE e.account_id = $1
                    AND ($2::uuid IS NULL OR e.endpoint_id = $2)
                ORDER BY d.event_id DESC, d.delivery_id DESC
                LIMIT $6
                """,  # noqa: S608 - our own columns
                account_id, endpoint_id, state, before_event, before, limit + 1,
            )  # fmt: skip
        else:
            rows = await self._connection.fetch(
                f"""
                SELECT {_DELIVERY}
                FROM deliveries d
                WHERE d.account_id = $1
                    AND d.handle = $2
                    AND ($3::uuid IS NULL OR d.endpoint_id = $3)
                    AND ($4::text IS NULL OR d.state = $4)
                    AND ($5::uuid IS NULL OR (d.event_id, d.delivery_id) < ($5, $6))
                ORDER BY d.event_id DESC, d.delivery_id DESC
                LIMIT $7
                """,  # noqa: S608 - our own columns
                account_id, handle, endpoint_id, state, before_event, before, limit + 1,
            )  # fmt: skip
        return await self._with_attempts(rows[:limit], limit), len(rows) > limit

    async def forget_old(self, age: timedelta) -> bool:
        """Delete some deliveries and attempts older than `age`; whether there may be more."""
        attempts = await self._connection.execute(
            """
            DELETE FROM attempts
            WHERE ctid = ANY(
                ARRAY(
                    SELECT ctid
                    FROM attempts
                    WHERE at < now() - $1::interval
                    LIMIT $2
                )
            )
            """,
            age, ROWS_A_TURN,
        )  # fmt: skip
        deliveries = await self._connection.execute(
            """
            DELETE FROM deliveries
            WHERE ctid = ANY(
                ARRAY(
                    SELECT ctid
                    FROM deliveries
                    WHERE created_at < now() - $1::interval
                        AND (state <> 'pending' OR next_attempt_at < now() - interval '4 days')
                    LIMIT $2
                )
            )
            """,
            age, ROWS_A_TURN,
        )  # fmt: skip
        return f"DELETE {ROWS_A_TURN}" in (attempts, deliveries)

    async def drop_stray(self) -> None:
        """Drop deliveries made while their endpoint was being deleted."""
        await self._connection.execute(
            """
            UPDATE deliveries d
            SET state = 'dropped', next_attempt_at = NULL, lease_until = NULL
            FROM endpoints e
            WHERE e.endpoint_id = d.endpoint_id
                AND e.deleted_at IS NOT NULL
                AND d.state = 'pending'
            """
        )

    async def _event_before(self, account_id: UUID, delivery_id: UUID) -> UUID:
        event_id = await self._connection.fetchval(
            "SELECT event_id FROM deliveries WHERE account_id = $1 AND delivery_id = $2",
            account_id, delivery_id,
        )  # fmt: skip
        if event_id is None:
            raise DeliveryNotFoundError
        return event_id

    async def _with_attempts(self, rows: Sequence[Record], limit: int) -> list[Delivery]:
        characters = min(
            MAX_RESPONSE_CHARACTERS, MAX_RESPONSES_CHARACTERS // (limit * MAX_ATTEMPTS_SHOWN)
        )
        attempts: dict[UUID, list[Attempt]] = {row["delivery_id"]: [] for row in rows}
        for a in await self._connection.fetch(
            """
            SELECT
                a.delivery_id, a.number, a.at, a.status, a.error, a.milliseconds,
                left(a.response, $2) AS response
            FROM unnest($1::uuid[]) AS shown (delivery_id)
            CROSS JOIN LATERAL (
                SELECT *
                FROM attempts t
                WHERE t.delivery_id = shown.delivery_id
                ORDER BY t.number DESC
                LIMIT $3
            ) AS a
            ORDER BY a.delivery_id, a.number
            """,
            list(attempts), characters, MAX_ATTEMPTS_SHOWN,
        ):  # fmt: skip
            attempts[a["delivery_id"]].append(
                Attempt(number=a["number"], at=a["at"], status=a["status"], error=a["error"],
                        milliseconds=a["milliseconds"], response=a["response"])
            )  # fmt: skip
        return [_delivery(row, attempts[row["delivery_id"]]) for row in rows]


def _delivery(row: Record, attempts: list[Attempt]) -> Delivery:
    return Delivery(
        delivery_id=row["delivery_id"],
        endpoint_id=row["endpoint_id"],
        event_id=row["event_id"],
        webhook_id=webhook_id(row["event_id"]),
        kind=row["kind"],
        handle=row["handle"],
        state=row["state"],
        next_attempt_at=row["next_attempt_at"],
        created_at=row["created_at"],
        attempts=attempts,
    )
