"""Remembers what was handled, in the transaction that handles it: the effect is once."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared import clock
from shared.database import Connection, Database
from shared.identifiers import FIRST_ID, LAST_ID, id_before

ROWS_A_TURN = 10_000
"""How many rows are looked at, and the old ones deleted, by one statement."""

RETENTION_DAYS = 14
"""Longer than any retry or replay in between: 75 hours of webhooks, a week of dead letters."""


async def claim(connection: Connection, message_ids: Sequence[UUID]) -> set[UUID]:
    """Mark events as handled; returns those that were not before."""
    rows = await connection.fetch(
        """
        INSERT INTO inbox (message_id)
        SELECT unnest($1::uuid[])
        ON CONFLICT DO NOTHING
        RETURNING message_id
        """,
        sorted(set(message_ids)),
    )
    return {row["message_id"] for row in rows}


async def stored_outcomes(connection: Connection, command_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Find the outcomes of commands that were handled before."""
    rows = await connection.fetch(
        "SELECT message_id, outcome FROM inbox WHERE message_id = ANY($1::uuid[])", command_ids
    )
    return {row["message_id"]: row["outcome"] for row in rows}


async def store_outcomes(connection: Connection, outcomes: dict[UUID, str]) -> None:
    """Store what became of commands; a unique violation means another process was faster."""
    await connection.execute(
        "INSERT INTO inbox (message_id, outcome) SELECT * FROM unnest($1::uuid[], $2::text[])",
        list(outcomes),
        list(outcomes.values()),
    )


async def count_attempt(database: Database, message_id: UUID) -> int:
    """Count one more start on a redelivered message, at once and for good; returns how many."""
    async with database.connection() as connection:
        return await connection.fetchval(
            """
            INSERT INTO suspects (message_id, attempts)
            VALUES ($1, 1)
            ON CONFLICT (message_id) DO UPDATE SET
                attempts = suspects.attempts + 1, last_at = now()
            RETURNING attempts
            """,
            message_id,
        )


async def note_failure(database: Database, message_id: UUID) -> None:
    """Note that handling a message failed, for the sender that asks what became of it."""
    async with database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO suspects (message_id, attempts, failed_at)
            VALUES ($1, 0, now())
            ON CONFLICT (message_id) DO UPDATE
            SET last_at = now(),
                failed_at = now(),
                dead_at = NULL
            """,
            message_id,
        )


async def forget_old(database: Database, turn: int = ROWS_A_TURN) -> None:
    """Drop what is older than the retention, in turns that hold no lock for long.

    Ids begin with the time, so the oldest are at the head of the index, and behind the newest lie
    only those that were made otherwise. No turn looks at what an earlier one has looked at.
    """
    retention = timedelta(days=RETENTION_DAYS)
    spans = (
        (FIRST_ID, id_before(clock.now() - retention)),
        (id_before(clock.now() + retention), LAST_ID),
    )
    for span in spans:
        await _forget_span(database, span, turn)
    async with database.connection() as connection:
        await connection.execute(
            "DELETE FROM erasures WHERE asked_at < now() - $1::interval", retention
        )


async def _forget_span(database: Database, span: tuple[UUID, UUID], turn: int) -> None:
    """Drop old rows whose ids lie in between."""
    for table, column in (("inbox", "received_at"), ("suspects", "last_at")):
        after, until = span
        is_over = False
        while not is_over:
            async with database.connection() as connection:
                row = await connection.fetchrow(
                    f"""
                    WITH looked_at AS (
                        SELECT message_id, {column} < now() - $4::interval AS is_old
                        FROM {table}
                        WHERE message_id > $1 AND message_id < $2
                        ORDER BY message_id
                        LIMIT $3
                    ), gone AS (
                        DELETE FROM {table}
                        WHERE message_id = ANY(ARRAY(SELECT message_id FROM looked_at WHERE is_old))
                    )
                    SELECT count(*),
                        (SELECT message_id FROM looked_at ORDER BY message_id DESC LIMIT 1) AS last
                    FROM looked_at
                    """,  # noqa: S608 - our own names
                    after,
                    until,
                    turn,
                    timedelta(days=RETENTION_DAYS),
                )
            is_over = row is None or row["count"] < turn
            if row is not None:
                after = row["last"]
