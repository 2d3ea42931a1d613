"""Classes and objects: as they are wanted, and as far as is known how they are at Google."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.notifier.google.domain.documents import Wanted
from services.notifier.google.domain.notices import watched_digests
from services.notifier.google.domain.sending import Finished
from shared.contracts.message import JsonObject, Person
from shared.contracts.notifier import TellGoogle
from shared.database import Connection, columns, json_array


@dataclass(frozen=True, slots=True)
class Known:
    """A document as it was before; its row is locked."""

    version: int
    revision: int
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Act:
    """An install or removal of an object's pass, with its number."""

    account_id: UUID
    handle: str
    held: bool
    number: int


class DocumentRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, document_ids: Collection[str]) -> dict[str, Known]:
        rows = await self._connection.fetch(
            """
            SELECT
                document_id, wanted_version AS version, wanted_revision AS revision,
                deleted_at IS NOT NULL AS is_deleted
            FROM google_documents
            WHERE document_id = ANY($1::text[])
            ORDER BY document_id
            FOR UPDATE
            """,
            list(document_ids),
        )
        return {
            row["document_id"]: Known(row["version"], row["revision"], row["is_deleted"])
            for row in rows
        }

    async def want(self, documents: Sequence[Wanted]) -> None:
        """Keep what is wanted; what was refused is refused no more once it is another."""
        await self._connection.execute(
            """
            INSERT INTO google_documents AS old (
                document_id, issuer_id, account_id, template_id, type, handle, member_id,
                class_id, needs, wanted, wanted_digest, wanted_version, wanted_revision,
                push_version, watched
            )
            SELECT
                document_id, issuer_id, account_id, template_id, type, handle, member_id,
                class_id, ARRAY(SELECT jsonb_array_elements_text(needs::jsonb)),
                wanted::jsonb, wanted_digest, wanted_version, wanted_revision, push_version,
                watched::jsonb
            FROM unnest(
                $1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[],
                $13::bigint[], $14::bigint[], $15::text[]
            ) AS new (
                document_id, issuer_id, account_id, template_id, type, handle, member_id,
                class_id, wanted_digest, needs, wanted, wanted_version, wanted_revision,
                push_version, watched
            )
            ON CONFLICT (document_id) DO UPDATE SET
                account_id = excluded.account_id, template_id = excluded.template_id,
                type = excluded.type, member_id = excluded.member_id,
                class_id = excluded.class_id, needs = excluded.needs, wanted = excluded.wanted,
                wanted_digest = excluded.wanted_digest,
                wanted_version = excluded.wanted_version,
                wanted_revision = excluded.wanted_revision,
                wanted_at = CASE
                    WHEN old.wanted_digest = excluded.wanted_digest THEN old.wanted_at
                    ELSE now()
                END,
                push_version = greatest(old.push_version, excluded.push_version),
                watched = CASE
                    WHEN old.handle IS NULL THEN old.watched
                    ELSE excluded.watched
                END,
                refusal = CASE
                    WHEN old.wanted_digest = excluded.wanted_digest THEN old.refusal
                END,
                trouble = CASE
                    WHEN old.wanted_digest = excluded.wanted_digest THEN old.trouble
                    ELSE ''
                END
            """,
            *columns(
                documents,
                "document_id",
                "issuer_id",
                "account_id",
                "template_id",
                "type",
                "handle",
                "member_id",
                "class_id",
                "digest",
            ),
            json_array([list(one.needs) for one in documents]),
            json_array([one.body for one in documents]),
            *columns(documents, "version", "revision", "push_version"),
            json_array([one.watched for one in documents]),
        )

    async def lock_objects(self, handles: Collection[str]) -> list[tuple[str, str, JsonObject]]:
        """Lock the living objects of passes: id, type, what is wanted."""
        rows = await self._connection.fetch(
            """
            SELECT document_id, type, wanted
            FROM google_documents
            WHERE handle = ANY($1::text[])
                AND deleted_at IS NULL
            ORDER BY document_id
            FOR UPDATE
            """,
            list(handles),
        )
        return [(row["document_id"], row["type"], row["wanted"]) for row in rows]

    async def end(self, documents: Mapping[str, tuple[JsonObject, str]]) -> None:
        """Want nothing of passes any more but that they are void there: id → body, digest."""
        await self._connection.execute(
            """
            UPDATE google_documents d
            SET
                wanted = e.body::jsonb, wanted_digest = e.digest, watched = '{}',
                sent_watched = '{}', telling = '{}', refusal = NULL, trouble = '',
                member_id = NULL, needs = '{}', clears_messages = d.messages > 0, deleted_at = now()
            FROM unnest($1::text[], $2::text[], $3::text[]) AS e (document_id, body, digest)
            WHERE d.document_id = e.document_id
            """,
            list(documents),
            json_array([body for body, _ in documents.values()]),
            [digest for _, digest in documents.values()],
        )

    async def forget_unsent(self, document_ids: Collection[str]) -> list[str]:
        """Delete those of documents that Google has never heard of; returns which."""
        rows = await self._connection.fetch(
            """
            DELETE FROM google_documents d
            WHERE d.document_id = ANY($1::text[])
                AND d.sent IS NULL
                AND NOT EXISTS (
                    SELECT
                    FROM google_jobs j
                    WHERE j.document_id = d.document_id
                        AND j.leased_at IS NOT NULL
                )
            RETURNING d.document_id
            """,
            list(document_ids),
        )
        return [row["document_id"] for row in rows]

    async def clear_messages(self, persons: Collection[Person]) -> list[str]:
        """Have the messages of persons' objects taken away; returns which have any."""
        rows = await self._connection.fetch(
            """
            UPDATE google_documents d
            SET clears_messages = true, telling = '{}'
            FROM (
                SELECT d.document_id
                FROM google_documents d
                JOIN unnest($1::uuid[], $2::text[]) AS gone (account_id, member_id)
                    USING (account_id, member_id)
                WHERE d.messages > 0 OR cardinality(d.telling) > 0
                ORDER BY d.document_id
                FOR UPDATE OF d
            ) AS theirs
            WHERE d.document_id = theirs.document_id
            RETURNING d.document_id
            """,
            [person.account_id for person in persons],
            [person.member_id for person in persons],
        )
        return [row["document_id"] for row in rows]

    async def tell(self, command: TellGoogle) -> list[str]:
        """Have the classes of a template say something, of which somebody has an object.

        What they said last is what they watch. What is to be said of the same field and has not
        been said yet is said no more. Returns the classes.
        """
        rows = await self._connection.fetch(
            """
            UPDATE google_documents c
            SET
                watched = c.watched || jsonb_build_object(
                    $3::text, jsonb_build_array($4::text, $5::text)
                ),
                telling = array_remove(c.telling, $3) || $3::text,
                push_version = c.push_version + 1
            FROM (
                SELECT document_id
                FROM google_documents
                WHERE account_id = $1
                    AND template_id = $2
                    AND handle IS NULL
                    AND sent IS NOT NULL
                    AND refusal IS NULL
                    AND EXISTS (
                        SELECT
                        FROM google_documents o
                        WHERE o.class_id = google_documents.document_id
                            AND o.has_users
                    )
                ORDER BY document_id
                FOR UPDATE
            ) AS heard
            WHERE c.document_id = heard.document_id
            RETURNING c.document_id
            """,
            command.account_id,
            command.template_id,
            command.field,
            command.text,
            command.said,
        )
        return [row["document_id"] for row in rows]

    async def record(self, finished: Sequence[Finished]) -> None:
        """Note what is at Google now; the rows are locked."""
        rows = sorted(finished, key=lambda one: one.document.document_id)
        await self._connection.execute(
            """
            UPDATE google_documents d
            SET
                sent = CASE
                    WHEN r.is_gone THEN NULL
                    ELSE coalesce(r.sent::jsonb, d.sent)
                END,
                sent_digest = CASE
                    WHEN r.is_gone THEN NULL
                    ELSE coalesce(r.sent_digest, d.sent_digest)
                END,
                sent_version = coalesce(r.sent_version, d.sent_version),
                sent_watched = CASE
                    WHEN d.deleted_at IS NULL THEN coalesce(r.sent_watched::jsonb, d.sent_watched)
                    ELSE '{}'
                END,
                sent_at = CASE
                    WHEN r.sent IS NULL THEN d.sent_at
                    ELSE r.at
                END,
                refusal = CASE
                    WHEN d.wanted_digest = r.wanted_digest AND r.refusal IS NOT NULL
                    THEN r.refusal
                    WHEN d.wanted_digest = d.sent_digest AND r.is_accepted THEN NULL
                    ELSE d.refusal
                END,
                review = coalesce(r.review, d.review),
                messages = coalesce(r.messages, d.messages),
                clears_messages = d.clears_messages AND NOT r.is_cleared,
                telling = CASE
                    WHEN d.deleted_at IS NOT NULL THEN '{}'
                    WHEN r.is_told AND (d.handle IS NOT NULL OR d.push_version = r.push_version)
                    THEN '{}'
                    ELSE ARRAY(
                        SELECT DISTINCT field
                        FROM unnest(
                            d.telling
                            || ARRAY(SELECT jsonb_array_elements_text(r.telling::jsonb))
                        ) AS field
                        ORDER BY field
                    )
                END,
                notified_at = CASE
                    WHEN r.is_notified THEN r.at
                    ELSE d.notified_at
                END,
                has_users = coalesce(r.has_users, d.has_users), trouble = r.trouble
            FROM unnest(
                $1::text[], $2::timestamptz[], $3::boolean[], $4::text[], $5::text[],
                $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::int[],
                $12::boolean[], $13::boolean[], $14::text[], $15::boolean[], $16::boolean[],
                $17::text[], $18::boolean[], $19::bigint[]
            ) AS r (
                document_id, at, is_gone, wanted_digest, sent_digest, sent_version, sent,
                sent_watched, refusal, review, messages, is_cleared, is_told, telling,
                is_notified, has_users, trouble, is_accepted, push_version
            )
            WHERE d.document_id = r.document_id
            """,
            [one.document.document_id for one in rows],
            [one.at for one in rows],
            [one.outcome.verdict == "gone" for one in rows],
            [one.document.wanted_digest for one in rows],
            [one.document.wanted_digest if one.is_written else None for one in rows],
            [one.document.wanted_version if one.is_written else None for one in rows],
            [_json(one.outcome.sent if one.is_written else None) for one in rows],
            [
                _json(watched_digests(one.document.watched) if one.is_written else None)
                for one in rows
            ],
            [one.refusal for one in rows],
            [one.outcome.review for one in rows],
            [one.outcome.messages for one in rows],
            [one.is_written and one.document.clears_messages for one in rows],
            [one.is_told for one in rows],
            [_json(one.telling) for one in rows],
            [one.outcome.notified for one in rows],
            [one.outcome.has_users for one in rows],
            [one.trouble for one in rows],
            [one.is_accepted for one in rows],
            [one.document.push_version for one in rows],
        )

    async def lose(self, class_ids: Collection[str]) -> list[str]:
        """Note that classes are not there, whatever was known; returns those that are ours."""
        rows = await self._connection.fetch(
            """
            UPDATE google_documents
            SET sent = NULL, sent_digest = NULL
            WHERE document_id = ANY($1::text[])
            RETURNING document_id
            """,
            sorted(set(class_ids)),
        )
        return [row["document_id"] for row in rows]

    async def retry_refused(self, class_ids: Collection[str]) -> list[str]:
        """Let objects be tried again that Google refused when their class was another one."""
        rows = await self._connection.fetch(
            """
            UPDATE google_documents d
            SET refusal = NULL
            FROM (
                SELECT document_id
                FROM google_documents
                WHERE class_id = ANY($1::text[])
                    AND refusal IS NOT NULL
                    AND sent IS NULL
                ORDER BY document_id
                FOR UPDATE
            ) AS refused
            WHERE d.document_id = refused.document_id
            RETURNING d.document_id
            """,
            list(class_ids),
        )
        return [row["document_id"] for row in rows]

    async def count_acts(self, held: Mapping[str, bool]) -> list[Act]:
        """Count what is told now, and number it: object → whether somebody has it."""
        rows = await self._connection.fetch(
            """
            UPDATE google_documents d
            SET
                held = h.held, has_users = h.held, acts = d.acts + 1,
                saved_at = CASE
                    WHEN h.held THEN now()
                    ELSE d.saved_at
                END
            FROM unnest($1::text[], $2::boolean[]) AS h (document_id, held)
            WHERE d.document_id = h.document_id
                AND d.deleted_at IS NULL
                AND (h.held OR d.held)
            RETURNING d.account_id, d.handle, d.held, d.acts AS number
            """,
            list(held),
            list(held.values()),
        )
        return [Act(**row) for row in rows]

    async def find_forgettable(self, age: timedelta, most: int) -> list[str]:
        """Find some objects of passes that have been gone for `age`."""
        rows = await self._connection.fetch(
            """
            SELECT document_id
            FROM google_documents
            WHERE deleted_at < now() - $1::interval
            ORDER BY deleted_at
            LIMIT $2
            """,
            age, most,
        )  # fmt: skip
        return [row["document_id"] for row in rows]

    async def forget(self, document_ids: Collection[str]) -> None:
        await self._connection.execute(
            "DELETE FROM google_documents WHERE document_id = ANY($1::text[])", list(document_ids)
        )


def _json(value: object) -> str | None:
    return None if value is None else json_array([value])[0]
