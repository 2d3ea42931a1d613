"""How passes and templates stand at Google, for those who ask."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notifier.google.domain.limits import MAX_SPACING_SECONDS
from services.notifier.google.domain.notices import NOTICES_A_DAY
from shared.contracts.message import JsonObject
from shared.contracts.notifier import GoogleObject, GoogleOutlook, GoogleState, ReadGoogleOutlook
from shared.database import Connection

MAX_REFUSALS: Final = 10
MAX_LISTED: Final = 250
"""Objects of one member."""

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
    is_failing: bool
    """Whether it could not be sent, though its class is there and its issuer may send."""
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


class StandingRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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

    async def find_wanted(self, document_ids: Collection[str]) -> dict[str, JsonObject]:
        """Find what classes and objects are to be at Google."""
        rows = await self._connection.fetch(
            "SELECT document_id, wanted FROM google_documents WHERE document_id = ANY($1::text[])",
            list(document_ids),
        )
        return {row["document_id"]: row["wanted"] for row in rows}

    async def find_of_members(
        self, members: Collection[tuple[UUID, str]]
    ) -> dict[tuple[UUID, str], list[GoogleObject]]:
        """Find the objects of members' living passes, at most 250 of each."""
        rows = await self._connection.fetch(
            """
            SELECT
                account_id, member_id, d.document_id AS object_id, d.handle,
                d.type = 'loyalty' AS is_loyalty
            FROM unnest($1::uuid[], $2::text[]) AS asked (account_id, member_id)
            CROSS JOIN LATERAL (
                SELECT document_id, handle, type
                FROM google_documents d
                WHERE d.account_id = asked.account_id
                    AND d.member_id = asked.member_id
                    AND d.deleted_at IS NULL
                ORDER BY document_id
                LIMIT $3
            ) AS d
            """,
            [account_id for account_id, _ in members],
            [member_id for _, member_id in members],
            MAX_LISTED,
        )
        found: defaultdict[tuple[UUID, str], list[GoogleObject]] = defaultdict(list)
        for row in map(dict, rows):
            key = row.pop("account_id"), row.pop("member_id")
            found[key].append(GoogleObject(**row))
        return found

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
                greatest(
                    d.notified_at, CASE WHEN c.notified_at >= d.saved_at THEN c.notified_at END
                ) AS notified_at,
                d.sent IS NOT NULL AS is_there,
                c.sent IS NOT NULL AND c.refusal IS NULL AND i.waits_until IS NULL
                    AND EXISTS (
                        SELECT
                        FROM google_jobs j
                        WHERE j.document_id = d.document_id
                            AND j.tries > 0
                    ) AS is_failing,
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

    async def foresee(
        self, query: ReadGoogleOutlook, at: datetime, rate: float, *, at_google: bool
    ) -> GoogleOutlook:
        """Count what of a template, or of one pass of it, is at Google, and what waits before it.

        Of a development issuer nothing is sent to Google itself.
        """
        [row] = await self._connection.fetch(
            """
            WITH objects AS (
                SELECT d.document_id, d.class_id, d.issuer_id, d.has_users
                FROM google_documents d
                JOIN google_issuers i ON i.issuer_id = d.issuer_id
                    AND NOT (i.development AND $7)
                WHERE d.account_id = $1
                    AND d.template_id = $2
                    AND ($3::text IS NULL OR d.handle = $3)
                    AND d.handle IS NOT NULL
                    AND d.deleted_at IS NULL
            ), told AS (
                SELECT document_id, count(*) AS times
                FROM google_notices
                CROSS JOIN unnest(moments) AS moment
                WHERE moment > $4::timestamptz - interval '24 hours'
                GROUP BY document_id
            ), project AS (
                SELECT project_id
                FROM google_issuers
                WHERE issuer_id IN (SELECT issuer_id FROM objects)
                LIMIT 1
            )
            SELECT
                count(*) AS objects,
                count(*) FILTER (WHERE o.has_users) AS holders,
                count(*) FILTER (
                    WHERE o.has_users
                        AND coalesce(own.times, 0) + coalesce(class.times, 0) >= $8
                ) AS silent,
                count(DISTINCT c.document_id) AS classes,
                (
                    SELECT count(*)
                    FROM google_jobs j
                    JOIN google_issuers i ON i.issuer_id = j.issuer_id
                    WHERE i.project_id IN (SELECT project_id FROM project)
                ) AS waiting,
                coalesce(
                    (
                        SELECT least($6, l.slowness / $5)
                        FROM google_limits l
                        JOIN project USING (project_id)
                    ),
                    0
                )::float AS spacing
            FROM objects o
            LEFT JOIN google_documents c ON c.document_id = o.class_id
            LEFT JOIN told own ON own.document_id = o.document_id
            LEFT JOIN told class ON class.document_id = o.class_id
            """,
            query.account_id,
            query.template_id,
            query.handle,
            at,
            rate,
            MAX_SPACING_SECONDS,
            at_google,
            NOTICES_A_DAY,
        )
        return GoogleOutlook(**row)

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
