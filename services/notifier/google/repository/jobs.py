"""Documents of which something is to be done at Google: leased, done, recorded."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.notifier.google.domain.lanes import Candidate
from services.notifier.google.domain.sending import Document, Finished
from services.notifier.google.repository.issuers import issuer_of
from shared.database import Connection, columns

LEASE_SECONDS: Final = 30
"""Renewed every 2 s while a call is on its way; longer than Google is waited for."""

_MISSING: Final = """
    (
        SELECT r.document_id
        FROM google_documents r
        WHERE r.document_id = ANY(d.needs)
            AND (
                r.sent IS NULL
                OR (r.refusal IS NOT NULL AND d.sent IS NULL)
                OR EXISTS (
                    SELECT
                    FROM google_jobs first
                    WHERE first.document_id = r.document_id
                )
            )
        ORDER BY r.handle IS NOT NULL
        LIMIT 1
    )
"""
"""What has to be there before a document `d` is sent, and is not."""

_DOCUMENT: Final = (
    "document_id", "account_id", "type", "handle", "class_id", "wanted", "wanted_digest",
    "wanted_version", "push_version", "watched", "sent", "sent_digest", "sent_version",
    "sent_watched", "messages", "clears_messages", "telling", "has_users", "is_deleted",
    "is_refused", "class_watched", "header", "asked", "asked_at", "lane", "tries", "looks", "tells",
    "reserved_at", "leased_at",
)  # fmt: skip


class JobRepository:
    """A job is recorded by whoever holds its lease, so a late result takes no later one away."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ask(self, lanes: Mapping[str, int]) -> None:
        """Have documents sent that differ from what is there; document → lane.

        One that waits for another attempt is not due any sooner, and one that Google has refused
        waits until it is another.
        """
        await self._connection.execute(
            f"""
            INSERT INTO google_jobs AS old (document_id, issuer_id, lane, waits_for)
            SELECT d.document_id, d.issuer_id, asked.lane, {_MISSING}
            FROM unnest($1::text[], $2::smallint[]) AS asked (document_id, lane)
            JOIN google_documents d ON d.document_id = asked.document_id
            WHERE d.refusal IS NULL
                AND (
                    d.clears_messages
                    OR d.wanted_digest IS DISTINCT FROM d.sent_digest
                    OR cardinality(d.telling) > 0
                )
            ORDER BY 1
            ON CONFLICT (document_id) DO UPDATE SET
                lane = least(old.lane, excluded.lane), asked = old.asked + 1,
                waits_for = excluded.waits_for
            """,  # noqa: S608 - our own words
            list(lanes),
            list(lanes.values()),
        )

    async def ask_look(self, document_ids: Collection[str]) -> None:
        """Have Google asked who has objects."""
        await self._connection.execute(
            """
            INSERT INTO google_jobs AS old (document_id, issuer_id, lane, looks)
            SELECT document_id, issuer_id, 0, true
            FROM google_documents
            WHERE document_id = ANY($1::text[])
            ORDER BY 1
            ON CONFLICT (document_id) DO UPDATE SET asked = old.asked + 1, looks = true
            """,
            list(document_ids),
        )

    async def list_foremost(
        self, project_id: str, most: int, *, at_google: bool
    ) -> list[Candidate]:
        """List the first jobs of each lane of a project, whose limit is locked."""
        rows = await self._connection.fetch(
            """
            SELECT j.document_id, j.lane, j.due_at
            FROM google_issuers i
            CROSS JOIN unnest('{0,1,2}'::smallint[]) AS lanes (lane)
            CROSS JOIN LATERAL (
                SELECT document_id, lane, due_at
                FROM google_jobs
                WHERE issuer_id = i.issuer_id
                    AND lane = lanes.lane
                    AND waits_for IS NULL
                    AND due_at <= now()
                    AND (lease_until IS NULL OR lease_until <= now())
                ORDER BY due_at
                LIMIT CASE
                    WHEN i.waits_until IS NULL THEN $2
                    ELSE 1
                END
            ) AS j
            WHERE i.project_id = $1
                AND NOT (i.development AND $3)
                AND (i.waits_until IS NULL OR i.waits_until <= now())
            """,
            project_id, most, at_google,
        )  # fmt: skip
        return [Candidate(**row) for row in rows]

    async def lease(self, document_ids: Sequence[str]) -> list[Document]:
        """Lease jobs, in the order given; one that somebody holds just now is left out.

        A message that is due is taken for sent from here on, until an answer says otherwise.
        """
        rows = await self._connection.fetch(
            """
            WITH foremost AS (
                SELECT j.document_id, j.tells
                FROM google_jobs j
                WHERE j.document_id = ANY($1::text[])
                    AND (j.lease_until IS NULL OR j.lease_until <= now())
                ORDER BY j.document_id
                FOR UPDATE SKIP LOCKED
            ), leased AS (
                UPDATE google_jobs j
                SET
                    leased_at = clock_timestamp(),
                    lease_until = now() + $2 * interval '1 second'
                FROM foremost f
                WHERE j.document_id = f.document_id
                RETURNING j.*
            )
            SELECT
                d.document_id, d.account_id, d.type, d.handle, d.class_id, d.wanted,
                d.wanted_digest, d.wanted_version, d.push_version, d.watched, d.sent,
                d.sent_digest, d.sent_version, d.sent_watched, d.messages, d.clears_messages,
                d.telling, d.has_users OR d.handle IS NULL AS has_users,
                d.deleted_at IS NOT NULL AS is_deleted, d.refusal IS NOT NULL AS is_refused,
                coalesce(c.watched, '{}') AS class_watched,
                coalesce(c.wanted ->> 'issuerName', d.wanted ->> 'issuerName', '') AS header,
                j.asked, j.asked_at, j.lane, j.tries, j.looks, j.tells, j.reserved_at,
                j.leased_at,
                i.issuer_id, i.account_id AS issuer_account_id, i.revision, i.key_id, i.email,
                i.project_id, i.development, i.refuses_locations, i.sealed
            FROM leased j
            JOIN google_documents d ON d.document_id = j.document_id
            JOIN google_issuers i ON i.issuer_id = j.issuer_id
            LEFT JOIN google_documents c ON c.document_id = d.class_id
            """,
            document_ids, LEASE_SECONDS,
        )  # fmt: skip
        place = {document_id: number for number, document_id in enumerate(document_ids)}
        documents = [_document(row) for row in rows]
        return sorted(documents, key=lambda one: place[one.document_id])

    async def mark_telling(
        self, document_ids: Collection[str], reserved: Mapping[str, datetime]
    ) -> None:
        """Note before they are sent which messages are on their way, and whose place is taken."""
        asked = sorted({*document_ids, *reserved})
        await self._connection.execute(
            """
            UPDATE google_jobs j
            SET tells = r.tells, reserved_at = coalesce(r.reserved_at, j.reserved_at)
            FROM unnest($1::text[], $2::boolean[], $3::timestamptz[]) AS r (
                document_id, tells, reserved_at
            )
            WHERE j.document_id = r.document_id
            """,
            asked,
            [document_id in document_ids for document_id in asked],
            [reserved.get(document_id) for document_id in asked],
        )

    async def renew(self, documents: Collection[Document]) -> None:
        """Hold leases for longer, as long as they are held at all."""
        await self._connection.execute(
            """
            UPDATE google_jobs j
            SET lease_until = now() + $3 * interval '1 second'
            FROM (
                SELECT j.document_id
                FROM google_jobs j
                JOIN unnest($1::text[], $2::timestamptz[]) AS held (document_id, leased_at)
                    ON j.document_id = held.document_id
                    AND j.leased_at = held.leased_at
                WHERE j.lease_until IS NOT NULL
                ORDER BY j.document_id
                FOR UPDATE OF j
            ) AS held
            WHERE j.document_id = held.document_id
            """,
            *columns(documents, "document_id", "leased_at"),
            LEASE_SECONDS,
        )

    async def release(self, documents: Collection[Document]) -> None:
        """Give leases back, for another process to take at once."""
        await self._connection.execute(
            """
            UPDATE google_jobs j
            SET lease_until = NULL
            FROM unnest($1::text[], $2::timestamptz[]) AS given (document_id, leased_at)
            WHERE j.document_id = given.document_id
                AND j.leased_at = given.leased_at
            """,
            *columns(documents, "document_id", "leased_at"),
        )

    async def lock_ours(self, finished: Sequence[Finished]) -> list[Finished]:
        """Lock documents and jobs of results; returns those whose lease is still ours."""
        rows = await self._connection.fetch(
            """
            SELECT j.document_id
            FROM google_documents d
            JOIN google_jobs j ON j.document_id = d.document_id
            JOIN unnest($1::text[], $2::timestamptz[]) AS r (document_id, leased_at)
                ON j.document_id = r.document_id
                AND j.leased_at = r.leased_at
            ORDER BY d.document_id
            FOR UPDATE OF d, j
            """,
            *columns(finished, "document.document_id", "document.leased_at"),
        )
        ours = {row["document_id"] for row in rows}
        return [one for one in finished if one.document.document_id in ours]

    async def record(self, finished: Sequence[Finished]) -> list[str]:
        """Take away jobs of which nothing is left, and end the leases of others.

        Returns the documents that are over. The rows are locked, and the documents recorded.
        """
        over = [one for one in finished if one.pause is None]
        rows = await self._connection.fetch(
            """
            DELETE FROM google_jobs j
            USING unnest($1::text[], $2::boolean[], $3::bigint[]) AS r (
                document_id, has_looked, asked
            ), google_documents d
            WHERE j.document_id = r.document_id
                AND d.document_id = r.document_id
                AND (NOT j.looks OR (r.has_looked AND j.asked = r.asked))
                AND NOT d.clears_messages
                AND (d.refusal IS NOT NULL OR d.wanted_digest = d.sent_digest)
                AND (d.refusal IS NOT NULL OR cardinality(d.telling) = 0)
            RETURNING j.document_id
            """,
            *columns(over, "document.document_id", "has_looked", "document.asked"),
        )
        ended = {row["document_id"] for row in rows}
        await self._go_on([one for one in over if one.document.document_id not in ended])
        await self._postpone([one for one in finished if one.pause is not None])
        return sorted(ended)

    async def unblock(self, document_ids: Collection[str]) -> None:
        """Let go what waited for documents that are there now, unless it waits for others."""
        if document_ids:
            await self._connection.execute(
                f"""
                UPDATE google_jobs j
                SET waits_for = waiting.missing
                FROM (
                    SELECT j.document_id, {_MISSING} AS missing
                    FROM google_jobs j
                    JOIN google_documents d ON d.document_id = j.document_id
                    WHERE j.waits_for = ANY($1::text[])
                    ORDER BY j.document_id
                    FOR UPDATE OF j
                ) AS waiting
                WHERE j.document_id = waiting.document_id
                """,  # noqa: S608 - our own words
                list(document_ids),
            )

    async def forget(self, document_ids: Collection[str]) -> None:
        await self._connection.execute(
            "DELETE FROM google_jobs WHERE document_id = ANY($1::text[])", list(document_ids)
        )

    async def _go_on(self, finished: Sequence[Finished]) -> None:
        """Make due at once what has another step, or was asked for again meanwhile."""
        if finished:
            await self._connection.execute(
                """
                UPDATE google_jobs j
                SET
                    lease_until = NULL, leased_at = NULL, tries = 0, due_at = now(),
                    looks = j.looks AND NOT (r.has_looked AND j.asked = r.asked), tells = false,
                    reserved_at = NULL
                FROM unnest($1::text[], $2::boolean[], $3::bigint[]) AS r (
                    document_id, has_looked, asked
                )
                WHERE j.document_id = r.document_id
                """,
                *columns(finished, "document.document_id", "has_looked", "document.asked"),
            )

    async def _postpone(self, finished: Sequence[Finished]) -> None:
        if finished:
            await self._connection.execute(
                """
                UPDATE google_jobs j
                SET
                    lease_until = NULL, leased_at = NULL,
                    tries = CASE
                        WHEN r.pause > interval '0' THEN j.tries + 1
                        ELSE j.tries
                    END,
                    due_at = now() + r.pause, tells = j.tells AND r.may_be_told,
                    reserved_at = CASE
                        WHEN r.keeps_place THEN j.reserved_at
                    END
                FROM unnest($1::text[], $2::interval[], $3::boolean[], $4::boolean[])
                    AS r (document_id, pause, may_be_told, keeps_place)
                WHERE j.document_id = r.document_id
                """,
                *columns(finished, "document.document_id", "pause", "may_be_told", "keeps_place"),
            )


def _document(row: asyncpg.Record) -> Document:
    given = dict(row)
    issuer = issuer_of(given | {"account_id": given["issuer_account_id"]})
    return Document(**{name: given[name] for name in _DOCUMENT}, issuer=issuer)
