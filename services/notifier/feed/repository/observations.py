"""What was seen of passes on their way to devices."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from services.notifier.feed.domain.observations import DIGITS, Seen
from services.notifier.feed.repository.events import ROWS_A_TURN
from shared.contracts.notifier import Observation
from shared.database import Connection, columns, json_array
from shared.identifiers import new_id

MAX_A_DAY: Final = 1_000
MAX_LINES_A_DAY: Final = 200
"""Of one kind and pass, within 24 hours; what is more is not kept."""


class ObservationRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, rows: Sequence[Seen]) -> Counter[tuple[str, str]]:
        """Keep what was seen, within limits; returns how many were kept: handle, kind → count."""
        if not rows:
            return Counter()
        kept = await self._connection.fetch(
            """
            WITH new AS (
                SELECT *
                FROM unnest(
                    $1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[],
                    $6::text[], $7::text[]
                ) AS new (observation_id, account_id, handle, at, kind, device, data)
            ), there AS (
                SELECT
                    handle, kind,
                    CASE kind
                        WHEN 'device_log' THEN $8::bigint
                        ELSE $9::bigint
                    END - (
                        SELECT count(*)
                        FROM (
                            SELECT
                            FROM observations o
                            WHERE o.handle = n.handle
                                AND o.kind = n.kind
                                AND o.at > now() - interval '1 day'
                            LIMIT $9
                        ) AS today
                    ) AS room
                FROM (SELECT DISTINCT handle COLLATE "C" AS handle, kind FROM new) AS n
            )
            INSERT INTO observations (
                observation_id, account_id, handle, at, kind, device, data
            )
            SELECT observation_id, account_id, handle, at, kind, device, data::jsonb
            FROM (
                SELECT
                    new.*, there.room,
                    row_number() OVER (PARTITION BY new.handle, new.kind ORDER BY new.at) AS
                        place
                FROM new
                JOIN there ON there.handle = new.handle AND there.kind = new.kind
            ) AS placed
            WHERE place <= room
            RETURNING handle, kind
            """,
            [new_id() for _ in rows],
            *columns(rows, "account_id", "handle", "at", "kind"),
            [r.device and r.device[:DIGITS] for r in rows],
            json_array([r.data for r in rows]),
            MAX_LINES_A_DAY,
            MAX_A_DAY,
        )
        return Counter((row["handle"], row["kind"]) for row in kept)

    async def list_newest(self, account_id: UUID, handle: str, limit: int) -> list[Observation]:
        """List what was seen of a pass; or, by its id, of a class at Google."""
        rows = await self._connection.fetch(
            """
            SELECT at, kind, device, data
            FROM observations
            WHERE account_id = $1
                AND handle = $2
            ORDER BY at DESC, observation_id DESC
            LIMIT $3
            """,
            account_id, handle, limit,
        )  # fmt: skip
        return [
            Observation(at=r["at"], kind=r["kind"], device=r["device"], data=r["data"])
            for r in rows
        ]

    async def forget_old(self, age: timedelta) -> bool:
        """Delete some observations older than `age`; whether there may be more."""
        status = await self._connection.execute(
            """
            DELETE FROM observations
            WHERE ctid = ANY(
                ARRAY(
                    SELECT ctid
                    FROM observations
                    WHERE at < now() - $1::interval
                    LIMIT $2
                )
            )
            """,
            age, ROWS_A_TURN,
        )  # fmt: skip
        return status == f"DELETE {ROWS_A_TURN}"
