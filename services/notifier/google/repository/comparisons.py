"""What lists of Google say of classes and objects, beside what was sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notifier.google.domain.sending import Issuer
from services.notifier.google.repository.issuers import issuer_of
from shared.contracts.message import JsonObject
from shared.database import Connection, json_array


@dataclass(frozen=True, slots=True)
class ListedClass:
    """A class whose objects are to be listed."""

    class_id: str
    type: str
    is_ours: bool
    """Not one that was adopted."""
    issuer: Issuer


@dataclass(frozen=True, slots=True)
class Settled:
    """A document that is at Google as it is wanted."""

    document_id: str
    wanted: JsonObject
    sent: dict[str, str]


class ComparisonRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take_turn(self, age: timedelta, *, at_google: bool) -> ListedClass | None:
        """Take a class that has objects at Google and was not listed for `age`, if there is any.

        Whoever takes it has it for so long.
        """
        row = await self._connection.fetchrow(
            """
            WITH turn AS (
                SELECT c.class_id, o.type, o.issuer_id
                FROM (
                    SELECT DISTINCT class_id
                    FROM google_documents
                    WHERE class_id IS NOT NULL
                ) AS c
                CROSS JOIN LATERAL (
                    SELECT type, issuer_id
                    FROM google_documents
                    WHERE class_id = c.class_id
                        AND sent IS NOT NULL
                    LIMIT 1
                ) AS o
                JOIN google_issuers i ON i.issuer_id = o.issuer_id
                    AND i.waits_until IS NULL
                    AND NOT (i.development AND $2)
                LEFT JOIN google_lists l ON l.class_id = c.class_id
                WHERE coalesce(l.listed_at < now() - $1::interval, true)
                LIMIT 1
            ), taken AS (
                INSERT INTO google_lists AS l (class_id, listed_at)
                SELECT class_id, now()
                FROM turn
                ON CONFLICT (class_id) DO UPDATE SET listed_at = excluded.listed_at
                WHERE l.listed_at < now() - $1::interval
                RETURNING class_id
            )
            SELECT
                turn.class_id, turn.type,
                EXISTS (
                    SELECT
                    FROM google_documents d
                    WHERE d.document_id = turn.class_id
                ) AS is_ours,
                i.*
            FROM taken
            JOIN turn USING (class_id)
            JOIN google_issuers i USING (issuer_id)
            """,
            age, at_google,
        )  # fmt: skip
        if row is None:
            return None
        return ListedClass(row["class_id"], row["type"], row["is_ours"], issuer_of(row))

    async def lock_settled(self, document_ids: Collection[str]) -> list[Settled]:
        """Lock those of some documents that are at Google as they are wanted."""
        rows = await self._connection.fetch(
            """
            SELECT document_id, wanted, sent
            FROM google_documents
            WHERE document_id = ANY($1::text[])
                AND sent IS NOT NULL
                AND wanted_digest = sent_digest
            ORDER BY document_id
            FOR UPDATE
            """,
            list(document_ids),
        )
        return [Settled(**row) for row in rows]

    async def note_listed(self, users: Mapping[str, bool], at: datetime) -> dict[str, bool]:
        """Note who has objects that a list names; returns what is to be told of it."""
        rows = await self._connection.fetch(
            """
            UPDATE google_documents d
            SET has_users = l.has_users, listed_at = $3
            FROM unnest($1::text[], $2::boolean[]) AS l (document_id, has_users)
            WHERE d.document_id = l.document_id
            RETURNING d.document_id, d.has_users, d.held
            """,
            list(users), list(users.values()), at,
        )  # fmt: skip
        return {r["document_id"]: r["has_users"] for r in rows if r["has_users"] != r["held"]}

    async def forget_sent(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Note that some keys of documents are not as they were sent."""
        await self._connection.execute(
            """
            UPDATE google_documents d
            SET
                sent = d.sent - ARRAY(SELECT jsonb_array_elements_text(k.keys::jsonb)),
                sent_digest = NULL
            FROM unnest($1::text[], $2::text[]) AS k (document_id, keys)
            WHERE d.document_id = k.document_id
            """,
            list(keys),
            json_array([list(named) for named in keys.values()]),
        )

    async def note_missing(self, class_id: str, since: datetime) -> list[str]:
        """Note that objects are not there that a list from then on did not name."""
        rows = await self._connection.fetch(
            """
            UPDATE google_documents d
            SET sent = NULL, sent_digest = NULL
            FROM (
                SELECT document_id
                FROM google_documents
                WHERE class_id = $1
                    AND sent_at < $2
                    AND sent IS NOT NULL
                    AND coalesce(listed_at < $2, true)
                ORDER BY document_id
                FOR UPDATE
            ) AS missing
            WHERE d.document_id = missing.document_id
            RETURNING d.document_id
            """,
            class_id, since,
        )  # fmt: skip
        return [row["document_id"] for row in rows]
