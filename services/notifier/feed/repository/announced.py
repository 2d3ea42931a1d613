"""What partners were last told of members and templates."""

from collections.abc import Collection, Iterable
from datetime import timedelta

from services.notifier.feed.domain.news import Announced, AnnouncedKey
from shared.database import Connection, columns, json_array


class AnnouncedRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, keys: Collection[AnnouncedKey]) -> dict[AnnouncedKey, Announced]:
        """Lock what was told of some things, in one order for all; also what is new."""
        columns = [list(column) for column in zip(*sorted(keys), strict=True)]
        await self._connection.execute(
            """
            INSERT INTO announced (account_id, kind, id)
            SELECT *
            FROM unnest($1::uuid[], $2::text[], $3::text[])
            ON CONFLICT DO NOTHING
            """,
            *columns,
        )
        rows = await self._connection.fetch(
            """
            SELECT account_id, kind, id, version, living, facts
            FROM announced
            WHERE (account_id, kind, id) IN (
                SELECT *
                FROM unnest($1::uuid[], $2::text[], $3::text[])
            )
            ORDER BY account_id, kind, id
            FOR UPDATE
            """,
            *columns,
        )
        found = [Announced(**row) for row in rows]
        return {announced.key: announced for announced in found}

    async def save(self, announced: Iterable[Announced]) -> None:
        rows = list(announced)
        await self._connection.execute(
            """
            UPDATE announced t
            SET
                version = n.version, living = n.living, facts = n.facts::jsonb,
                changed_at = now()
            FROM unnest(
                $1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::text[]
            ) AS n (account_id, kind, id, version, living, facts)
            WHERE (t.account_id, t.kind, t.id) = (n.account_id, n.kind, n.id)
            """,
            *columns(rows, "account_id", "kind", "id", "version", "living"),
            json_array([t.facts for t in rows]),
        )

    async def forget_gone(self, age: timedelta) -> None:
        """Delete what is kept of things gone for `age`."""
        await self._connection.execute(
            "DELETE FROM announced WHERE NOT living AND changed_at < now() - $1::interval", age
        )
