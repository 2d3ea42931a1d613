"""The pace of projects of Google Cloud, kept where every process sees it."""

from collections.abc import Collection, Mapping
from typing import Final

from services.notifier.google.domain.limits import AHEAD_SECONDS, MAX_SPACING_SECONDS, Limit
from shared.database import Connection

QUIET_SECONDS: Final = 60
"""So long without a complaint the pace rises by a tenth."""

EASED: Final = 0.9

_READY: Final = """
    j.waits_for IS NULL
    AND j.due_at <= now()
    AND (j.lease_until IS NULL OR j.lease_until <= now())
"""


class LimitRepository:
    """A slot is taken by who holds the project's row, and used once that is committed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, projects: Collection[str]) -> None:
        await self._connection.execute(
            """
            INSERT INTO google_limits (project_id)
            SELECT project_id
            FROM unnest($1::text[]) AS project_id
            ORDER BY 1
            ON CONFLICT DO NOTHING
            """,
            sorted(set(projects)),
        )

    async def lock_busy(self, *, at_google: bool) -> list[Limit]:
        """Lock the limits of projects that have something to send now."""
        rows = await self._connection.fetch(
            f"""
            SELECT
                l.project_id, l.slots, l.slowness,
                greatest(0, extract(epoch FROM l.next_slot - clock_timestamp()))::float AS wait,
                greatest(
                    0, coalesce(extract(epoch FROM l.frozen_until - clock_timestamp()), 0)
                )::float AS frozen
            FROM google_limits l
            WHERE EXISTS (
                SELECT
                FROM google_issuers i
                JOIN google_jobs j ON j.issuer_id = i.issuer_id
                WHERE i.project_id = l.project_id
                    AND NOT (i.development AND $1)
                    AND (i.waits_until IS NULL OR i.waits_until <= now())
                    AND {_READY}
            )
            ORDER BY l.project_id
            FOR UPDATE OF l
            """,  # noqa: S608 - our own words
            at_google,
        )
        return [Limit(**row) for row in rows]

    async def advance(self, taken: Mapping[str, int], rate: float) -> None:
        """Take so many slots of each project, which are locked."""
        await self._connection.execute(
            """
            UPDATE google_limits l
            SET
                next_slot = greatest(l.next_slot, clock_timestamp())
                    + t.count * least($4, l.slowness / $3) * interval '1 second',
                slots = l.slots + t.count,
                slowness = CASE
                    WHEN l.slowed_at < now() - $5 * interval '1 second'
                    THEN greatest(1, l.slowness * $6)
                    ELSE l.slowness
                END,
                slowed_at = CASE
                    WHEN l.slowed_at < now() - $5 * interval '1 second'
                    THEN CASE WHEN l.slowness * $6 > 1 THEN now() END
                    ELSE l.slowed_at
                END
            FROM unnest($1::text[], $2::int[]) AS t (project_id, count)
            WHERE l.project_id = t.project_id
            """,
            list(taken), list(taken.values()), rate, MAX_SPACING_SECONDS, QUIET_SECONDS, EASED,
        )  # fmt: skip

    async def take(self, project_id: str, rate: float) -> tuple[bool, float]:
        """Take one slot: whether it was taken, and the seconds until it comes, or may be taken."""
        row = await self._connection.fetchrow(
            """
            WITH before AS (
                SELECT
                    project_id, greatest(next_slot, clock_timestamp()) AS slot,
                    greatest(
                        next_slot - $4 * interval '1 second', frozen_until, clock_timestamp()
                    ) AS open_at
                FROM google_limits
                WHERE project_id = $1
                FOR UPDATE
            ), taken AS (
                UPDATE google_limits l
                SET
                    next_slot = b.slot + least($3, l.slowness / $2) * interval '1 second',
                    slots = l.slots + 1
                FROM before b
                WHERE l.project_id = b.project_id
                    AND b.open_at <= clock_timestamp()
                RETURNING b.slot
            )
            SELECT
                EXISTS (SELECT FROM taken) AS is_taken,
                extract(
                    epoch FROM coalesce((SELECT slot FROM taken), open_at) - clock_timestamp()
                )::float AS wait
            FROM before
            """,
            project_id, rate, MAX_SPACING_SECONDS, AHEAD_SECONDS,
        )  # fmt: skip
        return (row["is_taken"], max(0.0, row["wait"])) if row else (True, 0.0)

    async def slow_down(self, pauses: Mapping[str, float], rate: float) -> None:
        """Double the spacing of projects, once a second at most, and wait as long as Google says.

        Many calls are on their way when the first is refused; they are one complaint.
        """
        await self._connection.execute(
            """
            UPDATE google_limits l
            SET
                slowness = CASE
                    WHEN l.slowed_at > now() - interval '1 second' THEN l.slowness
                    ELSE least($3::float * $4::float, l.slowness * 2)
                END,
                slowed_at = CASE
                    WHEN l.slowed_at > now() - interval '1 second' THEN l.slowed_at
                    ELSE now()
                END,
                frozen_until = greatest(l.frozen_until, now() + p.seconds * interval '1 second')
            FROM unnest($1::text[], $2::float[]) AS p (project_id, seconds)
            WHERE l.project_id = p.project_id
            """,
            list(pauses), list(pauses.values()), rate, MAX_SPACING_SECONDS,
        )  # fmt: skip
