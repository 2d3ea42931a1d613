"""Classes and objects: as they are wanted, and as far as is known how they are at Google."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.notifier.google.domain.documents import Wanted
from services.notifier.google.domain.limits import MAX_SPACING_SECONDS
from services.notifier.google.domain.notices import watched_digests
from services.notifier.google.domain.sending import Finished, Issuer
from services.notifier.google.repository.issuers import issuer_of
from shared.contracts.message import JsonObject, Person
from shared.contracts.notifier import GoogleState
from shared.database import Connection, columns, json_array

MAX_REFUSALS: Final = 10

DEVELOPMENT: Final = "A development issuer: nothing of it is sent to Google itself."

_STATE: Final = """
    CASE
        WHEN d.refusal IS NOT NULL THEN 'refused'
        WHEN d.wanted_digest = d.sent_digest THEN 'there'
        WHEN c.refusal IS NOT NULL AND d.sent IS NULL THEN 'refused'
        ELSE 'waiting'
    END
"""
"""How far an object `d` of a class `c` is; one that is not there is refused with its class."""

_WORDS: Final = """
    coalesce(
        CASE
            WHEN d.sent IS NULL THEN c.refusal
        END,
        d.refusal
    )
"""
"""Google's words about it."""


@dataclass(frozen=True, slots=True)
class Known:
    """A document as it was before; its row is locked."""

    version: int
    revision: int
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """An object as it is kept, with what is known of it."""

    document_id: str
    account_id: UUID
    template_id: UUID
    type: str
    handle: str
    class_id: str
    issuer_id: str
    state: GoogleState
    words: str
    """Google's, or why it has not come there yet."""
    wanted_version: int
    sent_version: int
    sent_at: datetime | None
    has_users: bool
    held: bool
    saved_at: datetime | None
    notified_at: datetime | None
    is_there: bool
    """Whether Google has it, in whatever state."""
    is_deleted: bool
    is_of_development: bool

    def detail(self, *, at_google: bool) -> str:
        """Say why it waits or was refused; what Google does not know is never sent there."""
        is_held = self.is_of_development and at_google and self.state == "waiting"
        return DEVELOPMENT if is_held else self.words


@dataclass(frozen=True, slots=True)
class Count:
    """How far the objects of a template are."""

    wanted: int
    there: int
    waiting: int
    refused: int
    holders: int
    oldest_waiting_at: datetime | None
    review: str
    refusals: list[str]
    refuses_locations: bool


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
                watched = excluded.watched,
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
                    WHEN d.deleted_at IS NOT NULL OR r.is_told THEN '{}'
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
                $17::text[], $18::boolean[]
            ) AS r (
                document_id, at, is_gone, wanted_digest, sent_digest, sent_version, sent,
                sent_watched, refusal, review, messages, is_cleared, is_told, telling,
                is_notified, has_users, trouble, is_accepted
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

    async def find(self, handles: Collection[tuple[UUID, str]]) -> dict[tuple[UUID, str], Kept]:
        """Find the objects of accounts' passes."""
        return {
            (one.account_id, one.handle): one
            for one in await self._kept(
                """
                JOIN unnest($1::uuid[], $2::text[]) AS asked (account_id, handle)
                    ON d.account_id = asked.account_id
                    AND d.handle = asked.handle
                """,
                [account_id for account_id, _ in handles],
                [handle for _, handle in handles],
            )
        }

    async def find_ids(self, document_ids: Collection[str]) -> dict[str, Kept]:
        """Find objects by Google's ids."""
        found = await self._kept(
            "JOIN unnest($1::text[]) AS asked (document_id) USING (document_id)",
            list(document_ids),
        )
        return {one.document_id: one for one in found}

    async def _kept(self, asked: str, *arguments: object) -> list[Kept]:
        rows = await self._connection.fetch(
            f"""
            SELECT
                d.document_id, d.account_id, d.template_id, d.type, d.handle, d.class_id,
                d.issuer_id, {_STATE} AS state,
                coalesce(
                    {_WORDS}, nullif(i.waits_why, ''), nullif(d.trouble, ''), c.trouble, ''
                ) AS words,
                d.wanted_version, d.sent_version, d.sent_at, d.has_users, d.held, d.saved_at,
                d.notified_at, d.sent IS NOT NULL AS is_there,
                d.deleted_at IS NOT NULL AS is_deleted,
                coalesce(i.development, false) AS is_of_development
            FROM google_documents d
            {asked}
            LEFT JOIN google_documents c ON c.document_id = d.class_id
            LEFT JOIN google_issuers i ON i.issuer_id = d.issuer_id
            WHERE d.handle IS NOT NULL
            """,  # noqa: S608 - our own words
            *arguments,
        )
        return [Kept(**row) for row in rows]

    async def count(self, account_id: UUID, template_id: UUID) -> Count:
        """Count the living objects of a template."""
        [row] = await self._connection.fetch(
            f"""
            WITH objects AS (
                SELECT
                    {_STATE} AS state, d.issuer_id, d.has_users, d.wanted_at,
                    {_WORDS} AS words, c.review
                FROM google_documents d
                LEFT JOIN google_documents c ON c.document_id = d.class_id
                WHERE d.account_id = $1
                    AND d.template_id = $2
                    AND d.handle IS NOT NULL
                    AND d.deleted_at IS NULL
            )
            SELECT
                count(*) AS wanted,
                count(*) FILTER (WHERE state = 'there') AS there,
                count(*) FILTER (WHERE state = 'waiting') AS waiting,
                count(*) FILTER (WHERE state = 'refused') AS refused,
                count(*) FILTER (WHERE has_users) AS holders,
                min(wanted_at) FILTER (WHERE state = 'waiting') AS oldest_waiting_at,
                coalesce(min(review), '') AS review,
                ARRAY(
                    SELECT words
                    FROM objects
                    WHERE state = 'refused'
                    GROUP BY words
                    ORDER BY max(wanted_at) DESC
                    LIMIT $3
                ) AS refusals,
                EXISTS (
                    SELECT
                    FROM google_issuers
                    WHERE refuses_locations
                        AND issuer_id IN (SELECT issuer_id FROM objects)
                ) AS refuses_locations
            FROM objects
            """,  # noqa: S608 - our own words
            account_id, template_id, MAX_REFUSALS,
        )  # fmt: skip
        return Count(**row)

    async def count_calls(self, template_id: UUID, rate: float) -> tuple[int, float]:
        """Count the calls up to a template's last one, and the seconds that they take."""
        [row] = await self._connection.fetch(
            """
            WITH last AS (
                SELECT i.project_id, max(j.lane) AS lane
                FROM google_documents d
                JOIN google_jobs j ON j.document_id = d.document_id
                JOIN google_issuers i ON i.issuer_id = d.issuer_id
                WHERE d.template_id = $1
                GROUP BY i.project_id
            )
            SELECT
                count(*) AS calls,
                count(*) * max(least($3, l.slowness / $2))::float AS seconds
            FROM last
            JOIN google_limits l ON l.project_id = last.project_id
            JOIN google_issuers i ON i.project_id = last.project_id
            JOIN google_jobs j ON j.issuer_id = i.issuer_id AND j.lane <= last.lane
            """,
            template_id, rate, MAX_SPACING_SECONDS,
        )  # fmt: skip
        return row["calls"], row["seconds"] or 0.0

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
