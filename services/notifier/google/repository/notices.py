"""When holders were notified: a rolling ledger of the last three moments, by object and class."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from services.notifier.google.domain.notices import NOTICES_A_DAY, Ledger
from shared.database import Connection


class NoticeRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, objects: Mapping[str, str]) -> dict[str, Ledger]:
        """Find the ledgers of objects, with what was told by their classes: object → class."""
        if not objects:
            return {}
        rows = await self._connection.fetch(
            """
            SELECT asked.object_id, array_agg(moment) AS moments
            FROM unnest($1::text[], $2::text[]) AS asked (object_id, class_id)
            JOIN google_notices n ON n.document_id IN (asked.object_id, asked.class_id)
            CROSS JOIN unnest(n.moments) AS moment
            GROUP BY asked.object_id
            """,
            list(objects),
            list(objects.values()),
        )
        found = {row["object_id"]: Ledger(row["moments"]) for row in rows}
        return {object_id: found.get(object_id, Ledger()) for object_id in objects}

    async def add(self, moments: Sequence[tuple[str, datetime]]) -> None:
        """Reserve places; the oldest fall out."""
        await self._connection.execute(
            """
            INSERT INTO google_notices AS old (document_id, moments)
            SELECT document_id, array_agg(moment)
            FROM unnest($1::text[], $2::timestamptz[]) AS new (document_id, moment)
            GROUP BY document_id
            ORDER BY document_id
            ON CONFLICT (document_id) DO UPDATE SET
                moments = (old.moments || excluded.moments)[
                    greatest(1, cardinality(old.moments || excluded.moments) - $3 + 1):
                ]
            """,
            [document_id for document_id, _ in moments],
            [moment for _, moment in moments],
            NOTICES_A_DAY,
        )

    async def give_back(self, moments: Sequence[tuple[str, datetime]]) -> None:
        """Take reserved places back that were not used."""
        await self._connection.execute(
            """
            UPDATE google_notices n
            SET moments = array_remove(n.moments, given.moment)
            FROM unnest($1::text[], $2::timestamptz[]) AS given (document_id, moment)
            WHERE n.document_id = given.document_id
            """,
            [document_id for document_id, _ in moments],
            [moment for _, moment in moments],
        )

    async def fill(self, document_ids: Collection[str], at: datetime) -> None:
        """Note that Google allows no more today, whatever we counted."""
        await self._connection.execute(
            """
            INSERT INTO google_notices (document_id, moments)
            SELECT document_id, array_fill($2::timestamptz, ARRAY[$3::int])
            FROM unnest($1::text[]) AS document_id
            ORDER BY document_id
            ON CONFLICT (document_id) DO UPDATE SET moments = excluded.moments
            """,
            sorted(set(document_ids)), at, NOTICES_A_DAY,
        )  # fmt: skip

    async def forget(self, document_ids: Collection[str]) -> None:
        await self._connection.execute(
            "DELETE FROM google_notices WHERE document_id = ANY($1::text[])", list(document_ids)
        )
