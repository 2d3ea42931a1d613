"""Remembers what was handled, in the transaction that handles it: the effect is once."""

from collections.abc import Sequence
from uuid import UUID

from shared.database import Connection, Database

ROWS_A_TURN = 10_000
"""How many old rows are deleted by one statement."""

RETENTION_DAYS = 14
"""Longer than any retry or replay in between: 75 hours of webhooks, a week of dead letters."""


async def claim(connection: Connection, message_ids: Sequence[UUID]) -> set[UUID]:
    """Mark events as handled; returns those that were not before."""
    rows = await connection.fetch(
        "INSERT INTO inbox (message_id) SELECT unnest($1::uuid[])"
        " ON CONFLICT DO NOTHING RETURNING message_id",
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
            "INSERT INTO suspects (message_id, attempts) VALUES ($1, 1)"
            " ON CONFLICT (message_id)"
            " DO UPDATE SET attempts = suspects.attempts + 1, last_at = now()"
            " RETURNING attempts",
            message_id,
        )


async def note_failure(database: Database, message_id: UUID, *, dead: bool) -> None:
    """Note that handling a message failed, for the sender that asks what became of it."""
    async with database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO suspects (message_id, attempts, failed_at, dead_at)
            VALUES ($1, 0, now(), CASE WHEN $2 THEN now() END)
            ON CONFLICT (message_id) DO UPDATE
            SET last_at = now(),
                failed_at = now(),
                dead_at = excluded.dead_at
            """,
            message_id,
            dead,
        )


async def forget_old(database: Database) -> None:
    """Drop what is older than the retention, in turns that hold no lock for long."""
    for table, column in (("inbox", "received_at"), ("suspects", "last_at")):
        gone = ROWS_A_TURN
        while gone == ROWS_A_TURN:
            async with database.connection() as connection:
                gone = await connection.fetchval(
                    f"""
                    WITH gone AS (
                        DELETE FROM {table}
                        WHERE ctid = ANY(ARRAY(
                            SELECT ctid
                            FROM {table}
                            WHERE {column} < now() - $1 * interval '1 day'
                            LIMIT $2
                        ))
                        RETURNING 1
                    )
                    SELECT count(*) FROM gone
                    """,  # noqa: S608 - our own names
                    RETENTION_DAYS,
                    ROWS_A_TURN,
                )
