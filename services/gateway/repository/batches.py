"""Batches, their chunks of rows, and what is marked of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.gateway.domain.batches import Batch, Terms
from shared.database import Connection

_COLUMNS: Final = (
    "batch_id, account_id, kind, state, terms, sealed, rows, done, failed, fault, created_at, "
    "started_at, resumed_at, resumed_done, ended_at"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a batch, sealed, and what became of them, if that is known."""

    number: int
    first_line: int
    rows: int
    content: bytes
    outcomes: bytes | None = None
    attempts: int = 0


class BatchRepository:
    """Batches that are received, done, and at last forgotten."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, batch_id: UUID, account_id: UUID, kind: str, sealed: str) -> None:
        """Begin to receive a batch; nobody sees it yet."""
        await self._connection.execute(
            """
            INSERT INTO batches (batch_id, account_id, kind, sealed)
            VALUES ($1, $2, $3, $4)
            """,
            batch_id,
            account_id,
            kind,
            sealed,
        )

    async def count_open(self, account_id: UUID) -> int:
        """Count the batches on their way, those that are being received too."""
        return await self._connection.fetchval(
            "SELECT count(*) FROM batches WHERE account_id = $1 AND ended_at IS NULL", account_id
        )

    async def add_chunk(self, batch_id: UUID, chunk: Chunk) -> None:
        await self._connection.execute(
            """
            WITH seen AS (UPDATE batches SET turned_at = now() WHERE batch_id = $1)
            INSERT INTO batch_chunks (batch_id, number, first_line, rows, content)
            VALUES ($1, $2, $3, $4, $5)
            """,
            batch_id,
            chunk.number,
            chunk.first_line,
            chunk.rows,
            chunk.content,
        )

    async def mark(
        self, batch_id: UUID, digests: Sequence[bytes], lines: Sequence[int]
    ) -> dict[bytes, int]:
        """Mark lines; returns the first line of each mark."""
        await self._connection.execute(
            """
            INSERT INTO batch_marks (batch_id, digest, line)
            SELECT $1, digest, line
            FROM unnest($2::bytea[], $3::bigint[]) AS t (digest, line)
            ON CONFLICT DO NOTHING
            """,
            batch_id,
            digests,
            lines,
        )
        rows = await self._connection.fetch(
            """
            SELECT digest, min(line) AS line
            FROM batch_marks
            WHERE batch_id = $1 AND digest = ANY($2::bytea[])
            GROUP BY digest
            """,
            batch_id,
            digests,
        )
        return {row["digest"]: row["line"] for row in rows}

    async def lock_account(self, account_id: UUID) -> None:
        """Let no other batch of the account be admitted meanwhile."""
        await self._connection.execute(
            "SELECT 1 FROM accounts WHERE account_id = $1 FOR UPDATE", account_id
        )

    async def find_same(self, account_id: UUID, fingerprint: bytes) -> Batch | None:
        """Find a batch of the last day with the same rows on the same terms."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {_COLUMNS}
            FROM batches
            WHERE account_id = $1
                AND fingerprint = $2
                AND created_at > now() - interval '1 day'
                AND state NOT IN ('receiving', 'cancelled', 'failed')
            ORDER BY batch_id DESC
            LIMIT 1
            """,  # noqa: S608 - our own names
            account_id,
            fingerprint,
        )
        return _batch(row) if row else None

    async def admit(self, batch_id: UUID, fingerprint: bytes, rows: int, terms: Terms) -> Batch:
        """Let the rows of a batch that is here as a whole begin."""
        row = await self._connection.fetchrow(
            f"""
            UPDATE batches
            SET state = 'queued', fingerprint = $2, rows = $3, terms = $4, turned_at = now()
            WHERE batch_id = $1
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - our own names
            batch_id,
            fingerprint,
            rows,
            terms.dump(),
        )
        if row is None:
            raise LookupError(batch_id)
        return _batch(row)

    async def find(self, account_id: UUID, batch_id: UUID, *, lock: bool = False) -> Batch | None:
        row = await self._connection.fetchrow(
            f"""
            SELECT {_COLUMNS}
            FROM batches
            WHERE account_id = $1
                AND batch_id = $2
                AND state <> 'receiving'
            {"FOR UPDATE" if lock else ""}
            """,  # noqa: S608 - our own names
            account_id,
            batch_id,
        )
        return _batch(row) if row else None

    async def list_page(self, account_id: UUID, before: UUID | None, limit: int) -> list[Batch]:
        """List batches, newest first."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_COLUMNS}
            FROM batches
            WHERE account_id = $1
                AND state <> 'receiving'
                AND ($2::uuid IS NULL OR batch_id < $2)
            ORDER BY batch_id DESC
            LIMIT $3
            """,  # noqa: S608 - our own names
            account_id,
            before,
            limit,
        )
        return [_batch(row) for row in rows]

    async def set_state(self, batch_id: UUID, state: str, fault: str | None = None) -> Batch:
        """Keep the state of a locked batch; one that goes on begins to reckon its rate anew."""
        row = await self._connection.fetchrow(
            f"""
            UPDATE batches
            SET
                state = $2,
                fault = $3,
                ended_at = CASE WHEN $2 IN ('finished', 'cancelled', 'failed') THEN now() END,
                resumed_at = CASE WHEN $2 = 'queued' THEN NULL ELSE resumed_at END
            WHERE batch_id = $1
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - our own names
            batch_id,
            state,
            fault,
        )
        if row is None:
            raise LookupError(batch_id)
        return _batch(row)

    # Doing rows

    async def list_due(self) -> list[UUID]:
        """List batches that go on: of the accounts whose last turn is longest ago first."""
        rows = await self._connection.fetch(
            """
            SELECT batch_id
            FROM (
                SELECT batch_id, turned_at,
                    max(turned_at) OVER (PARTITION BY account_id) AS account_turned_at
                FROM batches
                WHERE ended_at IS NULL AND state IN ('queued', 'running')
            ) AS open
            ORDER BY account_turned_at, turned_at
            """
        )
        return [row["batch_id"] for row in rows]

    async def lease(self, batch_id: UUID, seconds: float) -> tuple[Batch, Chunk] | None:
        """Lease the next chunk of a batch that nobody has in hand, if the batch goes on."""
        if not await self.lock(batch_id, states=("queued", "running")):
            return None
        chunk = await self._connection.fetchrow(
            """
            UPDATE batch_chunks
            SET leased_until = now() + make_interval(secs => $2), attempts = attempts + 1
            WHERE batch_id = $1
                AND number = (
                    SELECT number
                    FROM batch_chunks
                    WHERE batch_id = $1
                        AND outcomes IS NULL
                        AND (leased_until IS NULL OR leased_until < now())
                    ORDER BY number
                    LIMIT 1
                )
            RETURNING number, first_line, rows, content, outcomes, attempts
            """,
            batch_id,
            seconds,
        )
        if chunk is None:
            return None
        row = await self._connection.fetchrow(
            f"""
            UPDATE batches
            SET
                state = 'running',
                turned_at = clock_timestamp(),
                started_at = coalesce(started_at, now()),
                resumed_done = CASE WHEN resumed_at IS NULL THEN done ELSE resumed_done END,
                resumed_at = coalesce(resumed_at, now())
            WHERE batch_id = $1
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - our own names
            batch_id,
        )
        return (_batch(row), Chunk(**chunk)) if row else None

    async def renew(self, batch_ids: list[UUID], numbers: list[int], seconds: float) -> None:
        """Hold the leases of chunks for longer."""
        await self._connection.execute(
            """
            UPDATE batch_chunks
            SET leased_until = now() + make_interval(secs => $3)
            WHERE outcomes IS NULL
                AND (batch_id, number) IN (
                    SELECT *
                    FROM unnest($1::uuid[], $2::integer[])
                )
            """,
            batch_ids,
            numbers,
            seconds,
        )

    async def record(
        self, batch_id: UUID, number: int, content: bytes | None, outcomes: bytes, failed: int
    ) -> Batch | None:
        """Keep what became of a chunk of a locked batch; None if that is known already.

        `content` takes the place of what it held. The batch is finished with its last chunk.
        """
        rows = await self._connection.fetchval(
            """
            UPDATE batch_chunks
            SET outcomes = $4, content = coalesce($3, content), leased_until = NULL
            WHERE batch_id = $1
                AND number = $2
                AND outcomes IS NULL
            RETURNING rows
            """,
            batch_id,
            number,
            content,
            outcomes,
        )
        if rows is None:
            return None
        row = await self._connection.fetchrow(
            f"""
            UPDATE batches
            SET
                done = done + $2,
                failed = failed + $3,
                ended_at = CASE WHEN done + $2 = rows THEN coalesce(ended_at, now())
                    ELSE ended_at END,
                state = CASE WHEN done + $2 = rows AND ended_at IS NULL THEN 'finished'
                    ELSE state END
            WHERE batch_id = $1
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - our own names
            batch_id,
            rows,
            failed,
        )
        return _batch(row) if row else None

    async def lock(self, batch_id: UUID, *, states: Sequence[str] | None = None) -> bool:
        """Lock a batch before its chunks; whether it is still there, in one of these states."""
        found = await self._connection.fetchval(
            """
            SELECT 1
            FROM batches
            WHERE batch_id = $1
                AND ($2::text[] IS NULL OR state = ANY($2))
            FOR UPDATE
            """,
            batch_id,
            states,
        )
        return found is not None

    # Reading results

    async def read_chunk(self, batch_id: UUID, number: int) -> Chunk | None:
        row = await self._connection.fetchrow(
            """
            SELECT number, first_line, rows, content, outcomes, attempts
            FROM batch_chunks
            WHERE batch_id = $1 AND number = $2
            """,
            batch_id,
            number,
        )
        return Chunk(**row) if row else None

    # Erasing members

    async def list_with_contents(
        self, account_ids: Collection[UUID]
    ) -> list[tuple[UUID, UUID, str]]:
        """List accounts' batches with their sealed keys, in one order for all."""
        rows = await self._connection.fetch(
            """
            SELECT batch_id, account_id, sealed
            FROM batches
            WHERE account_id = ANY($1::uuid[])
            ORDER BY batch_id
            """,
            list(account_ids),
        )
        return [(row["batch_id"], row["account_id"], row["sealed"]) for row in rows]

    async def find_marked(self, batch_id: UUID, digests: Collection[bytes]) -> dict[int, set[int]]:
        """Find marked lines, by the chunks in which they are, in their order."""
        rows = await self._connection.fetch(
            """
            SELECT number, array_agg(line) AS lines
            FROM batch_marks AS m
            CROSS JOIN LATERAL (
                SELECT number
                FROM batch_chunks AS c
                WHERE c.batch_id = $1 AND c.first_line <= m.line
                ORDER BY number DESC
                LIMIT 1
            ) AS chunk
            WHERE m.batch_id = $1 AND m.digest = ANY($2::bytea[])
            GROUP BY number
            ORDER BY number
            """,
            batch_id,
            list(digests),
        )
        return {row["number"]: set(row["lines"]) for row in rows}

    async def note_erasures(self, batch_id: UUID, digests: Collection[bytes]) -> None:
        """Note whom rows to come may not tell of any more."""
        await self._connection.execute(
            """
            INSERT INTO batch_erasures (batch_id, digest)
            SELECT $1, unnest($2::bytea[])
            WHERE EXISTS (
                SELECT 1
                FROM batch_chunks
                WHERE batch_id = $1 AND outcomes IS NULL
            )
            ON CONFLICT DO NOTHING
            """,
            batch_id,
            list(digests),
        )

    async def list_erasures(self, batch_id: UUID) -> set[bytes]:
        rows = await self._connection.fetch(
            "SELECT digest FROM batch_erasures WHERE batch_id = $1", batch_id
        )
        return {row["digest"] for row in rows}

    async def rewrite(
        self, batch_id: UUID, number: int, content: bytes, outcomes: bytes | None
    ) -> None:
        await self._connection.execute(
            """
            UPDATE batch_chunks
            SET content = $3, outcomes = $4
            WHERE batch_id = $1 AND number = $2
            """,
            batch_id,
            number,
            content,
            outcomes,
        )

    # Forgetting

    async def list_over(self, days: int, abandoned_seconds: float) -> list[UUID]:
        """List batches that ended long ago, and those whose sender has gone."""
        rows = await self._connection.fetch(
            """
            SELECT batch_id
            FROM batches
            WHERE ended_at < now() - make_interval(days => $1)
                OR (state = 'receiving' AND turned_at < now() - make_interval(secs => $2))
            """,
            days,
            abandoned_seconds,
        )
        return [row["batch_id"] for row in rows]

    async def forget_some(self, batch_id: UUID, chunks: int, marks: int) -> bool:
        """Delete a part of a batch; whether it is gone as a whole."""
        left = await self._connection.fetchval(
            """
            WITH chunks AS (
                DELETE FROM batch_chunks
                WHERE batch_id = $1
                    AND number IN (
                        SELECT number
                        FROM batch_chunks
                        WHERE batch_id = $1
                        ORDER BY number
                        LIMIT $2
                    )
                RETURNING 1
            ), marks AS (
                DELETE FROM batch_marks
                WHERE batch_id = $1
                    AND (digest, line) IN (
                        SELECT digest, line
                        FROM batch_marks
                        WHERE batch_id = $1
                        ORDER BY digest, line
                        LIMIT $3
                    )
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM chunks) + (SELECT count(*) FROM marks)
            """,
            batch_id,
            chunks,
            marks,
        )
        if left:
            return False
        await self._connection.execute("DELETE FROM batch_erasures WHERE batch_id = $1", batch_id)
        await self._connection.execute("DELETE FROM batches WHERE batch_id = $1", batch_id)
        return True


def _batch(row: asyncpg.Record) -> Batch:
    facts: dict[str, Any] = dict(row)
    facts["terms"] = Terms.load(facts["terms"])
    return Batch(**facts)
