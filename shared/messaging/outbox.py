"""The relay: the only one that publishes events, from the outbox, with confirms."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from shared import metrics
from shared.crashing import crash_point
from shared.database import Connection, Database
from shared.errors import UnavailableError
from shared.messaging.envelope import Envelope
from shared.messaging.topology import ROUTES
from shared.messaging.transport import Transport

TURN = 100
"""Rows per turn; many relays may work side by side, each on rows of its own."""

IDLE_SECONDS = 1.0
"""A look for rows whose own process died before it could wake its relay."""

MAX_SENT_AGE: Final = timedelta(hours=24)
"""How long a sent row is kept, to be sent again if the broker loses what it holds."""

FIRST_ASK: Final = timedelta(seconds=30)
"""After this time the consumers are asked for their receipts (`shared/messaging/receipts.py`)."""

ROWS_A_TURN = 5_000
"""How many rows are looked at, and the old ones deleted, by one statement."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Relay:
    """Moves committed rows of one service's outbox to the transport, at least once each."""

    def __init__(self, database: Database, transport: Transport) -> None:
        self._database = database
        self._transport = transport

    async def run(self) -> None:
        """Relay until cancelled, woken by commits."""
        while True:
            self._database.committed.clear()
            try:
                while await self.relay_turn() == TURN:
                    pass
            except UnavailableError as error:
                log.warning("relay_waits", schema=self._database.schema, reason=error.code)
                await asyncio.sleep(IDLE_SECONDS / 2)
                continue
            try:
                await asyncio.wait_for(self._database.committed.wait(), timeout=IDLE_SECONDS)
            except TimeoutError:
                await self._note_age()

    async def drain(self) -> None:
        """Relay what is there, turn by turn, until nothing is, or nothing can leave."""
        while await self.relay_turn():
            pass

    async def relay_turn(self) -> int:
        """Publish some rows and note that they are sent; returns how many.

        If we die in between, the inbox absorbs the twin. What the transport cannot route stays.
        """
        if not self._transport.connected:
            return 0
        async with self._database.work() as work:
            rows = await work.connection.fetch(
                """
                SELECT outbox_id, message_id, name, lane, body
                FROM outbox
                WHERE sent_at IS NULL
                ORDER BY outbox_id
                LIMIT $1
                FOR UPDATE SKIP LOCKED
                """,
                TURN,
            )
            if not rows:
                return 0
            crash_point("outbox.publishing")
            unrouted = await self._transport.publish(
                [Envelope(row["message_id"], row["name"], row["lane"], row["body"]) for row in rows]
            )
            crash_point("outbox.published")
            sent = [row for row in rows if row["message_id"] not in unrouted]
            await _mark_sent(
                work.connection,
                [row["outbox_id"] for row in sent],
                [" ".join(ROUTES.get((row["name"], row["lane"]), ())) for row in sent],
            )
        if unrouted:
            log.warning("events_unrouted", schema=self._database.schema, count=len(unrouted))
        return len(sent)

    async def _note_age(self) -> None:
        try:
            async with self._database.connection() as connection:
                age = await connection.fetchval(
                    """
                    SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
                    FROM outbox
                    WHERE sent_at IS NULL
                    """
                )
        except UnavailableError:
            return
        metrics.outbox_oldest_age_seconds.labels(self._database.schema).set(age)


async def _mark_sent(
    connection: Connection, outbox_ids: Sequence[int], queues: Sequence[str]
) -> None:
    """Note rows as sent, and when the consumers of their `queues` (by a space each) are asked."""
    await connection.execute(
        """
        UPDATE outbox
        SET sent_at = now(),
            awaiting = string_to_array(nullif(sent.queues, ''), ' '),
            ask_at = CASE WHEN sent.queues <> '' THEN now() + $3::interval END
        FROM unnest($1::bigint[], $2::text[]) AS sent (outbox_id, queues)
        WHERE outbox.outbox_id = sent.outbox_id
        """,
        outbox_ids,
        queues,
        FIRST_ASK,
    )


async def resend(database: Database, since: datetime | None = None) -> int:
    """Have all that was sent since then, of the last 24 hours, sent again; returns how many."""
    async with database.work() as work:
        count = await work.connection.fetchval(
            """
            WITH again AS (
                UPDATE outbox
                SET sent_at = NULL, awaiting = NULL, ask_at = NULL, asks = 0
                WHERE sent_at >= coalesce($1, '-infinity'::timestamptz)
                RETURNING 1
            )
            SELECT count(*) FROM again
            """,
            since,
        )
    database.committed.set()
    return count


async def forget_sent(database: Database, turn: int = ROWS_A_TURN) -> None:
    """Drop what was sent more than 24 hours ago, in turns that hold no lock for long.

    In the order of their numbers, so that no turn looks at what an earlier one has looked at.
    """
    after: int | None = 0
    while after is not None:
        async with database.connection() as connection:
            after = await _forget_turn(connection, after, turn)


async def _forget_turn(connection: Connection, after: int, turn: int) -> int | None:
    """Drop some old rows behind a number; returns how far that came, None if the rest is young."""
    row = await connection.fetchrow(
        """
        WITH looked_at AS (
            SELECT outbox_id, created_at, sent_at
            FROM outbox
            WHERE outbox_id > $1
            ORDER BY outbox_id
            LIMIT $2
        ), gone AS (
            DELETE FROM outbox
            WHERE outbox_id = ANY(ARRAY(
                SELECT outbox_id FROM looked_at WHERE sent_at < now() - $3::interval
            ))
            RETURNING outbox_id
        ), unknown AS (
            DELETE FROM outbox_persons USING gone WHERE outbox_persons.outbox_id = gone.outbox_id
        )
        SELECT count(*) AS count,
            max(outbox_id) AS last,
            max(created_at) < now() - $3::interval AS is_old
        FROM looked_at
        """,
        after,
        turn,
        MAX_SENT_AGE,
    )
    return row["last"] if row is not None and row["count"] == turn and row["is_old"] else None
