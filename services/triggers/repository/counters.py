"""What happened to the passes of templates, counted by day and by where they come from."""

from collections import Counter
from datetime import date
from uuid import UUID

from services.triggers.repository.channels import NO_PROGRAM, channel_of
from shared.contracts.triggers import (
    CampaignCount,
    ChannelCount,
    Counts,
    ReadCampaigns,
    ReadChannels,
)
from shared.database import Connection


class CounterRepository:
    """Events per template, day, kind and the channel of their pass.

    `passes_<kind>` counts passes it happened to at all.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, account_id: UUID, template_id: UUID) -> Counts:
        """Sum up what is folded and what is not, in one snapshot: always fresh."""
        rows = await self._connection.fetch(
            """
            SELECT day, kind, sum(amount)::bigint AS amount
            FROM (
                SELECT day, kind, amount
                FROM counters
                WHERE template_id = $2
                UNION ALL
                SELECT day, kind, amount
                FROM counter_deltas
                WHERE template_id = $2
            ) AS both_kinds
            WHERE EXISTS (
                SELECT
                FROM templates
                WHERE template_id = $2
                    AND account_id = $1
            )
            GROUP BY day, kind
            ORDER BY day, kind
            """,
            account_id,
            template_id,
        )
        totals: Counter[str] = Counter()
        days: dict[str, dict[str, int]] = {}
        for row in rows:
            totals[row["kind"]] += row["amount"]
            day: date = row["day"]
            days.setdefault(day.isoformat(), {})[row["kind"]] = row["amount"]
        return Counts(totals=dict(totals), days=days)

    async def read_campaigns(self, query: ReadCampaigns) -> list[CampaignCount]:
        """List what came of the links of a program by campaign and source."""
        rows = await self._connection.fetch(
            """
            SELECT
                campaign, source,
                coalesce(sum(amount) FILTER (WHERE kind = 'create'), 0)::bigint AS issued,
                coalesce(sum(amount) FILTER (WHERE kind = 'passes_install'), 0)::bigint
                    AS installed
            FROM channels
            JOIN (
                SELECT channel_id, kind, amount
                FROM counters
                WHERE template_id = $2
                UNION ALL
                SELECT channel_id, kind, amount
                FROM counter_deltas
                WHERE template_id = $2
            ) AS both_kinds USING (channel_id)
            WHERE program_id = $3
                AND kind IN ('create', 'passes_install')
                AND ($4::text IS NULL OR (campaign, source) > ($4, $5::text))
                AND EXISTS (
                    SELECT
                    FROM templates
                    WHERE template_id = $2
                        AND account_id = $1
                )
            GROUP BY campaign, source
            ORDER BY campaign, source
            LIMIT $6
            """,
            query.account_id,
            query.template_id,
            query.program_id,
            query.after and query.after.campaign,
            query.after and query.after.source,
            query.limit,
        )
        return [CampaignCount(**row) for row in rows]

    async def read_channels(self, query: ReadChannels, limit: int) -> list[ChannelCount]:
        """List what came of channels by day: passes issued, and those that got onto a device."""
        after = query.after.channel if query.after else None
        rows = await self._connection.fetch(
            """
            SELECT
                program_id, source, medium, campaign, term, content, day,
                coalesce(sum(amount) FILTER (WHERE kind = 'create'), 0)::bigint AS issued,
                coalesce(sum(amount) FILTER (WHERE kind = 'passes_install'), 0)::bigint
                    AS installed
            FROM (
                SELECT channel_id, day, kind, amount
                FROM counters
                WHERE template_id = $2
                    AND channel_id <> 0
                UNION ALL
                SELECT channel_id, day, kind, amount
                FROM counter_deltas
                WHERE template_id = $2
                    AND channel_id <> 0
            ) AS both_kinds
            JOIN channels USING (channel_id)
            WHERE kind IN ('create', 'passes_install')
                AND ($3::uuid IS NULL OR program_id = $3)
                AND (
                    $10::date IS NULL
                    OR (program_id, source, medium, campaign, term, content, day)
                        > ($4::uuid, $5::text, $6::text, $7::text, $8::text, $9::text, $10::date)
                )
                AND EXISTS (
                    SELECT
                    FROM templates
                    WHERE template_id = $2
                        AND account_id = $1
                )
            GROUP BY program_id, source, medium, campaign, term, content, day
            ORDER BY program_id, source, medium, campaign, term, content, day
            LIMIT $11
            """,
            query.account_id,
            query.template_id,
            query.program_id,
            (after.program_id if after else None) or NO_PROGRAM,
            *((after.source, after.medium, after.campaign) if after else ("", "", "")),
            *((after.term, after.content) if after else ("", "")),
            query.after.day if query.after else None,
            limit,
        )
        return [
            ChannelCount(
                channel=channel_of(dict(row)),
                day=row["day"],
                issued=row["issued"],
                installed=row["installed"],
            )
            for row in rows
        ]

    async def fold(self) -> None:
        """Add the deltas of whole batches into one row per template, day, kind and channel."""
        await self._connection.execute(
            """
            WITH gone AS (
                DELETE FROM counter_deltas RETURNING template_id, day, kind, channel_id, amount
            )
            INSERT INTO counters (template_id, day, kind, channel_id, amount)
            SELECT template_id, day, kind, channel_id, sum(amount)
            FROM gone
            GROUP BY template_id, day, kind, channel_id
            ORDER BY template_id, day, kind, channel_id
            ON CONFLICT (template_id, day, kind, channel_id) DO UPDATE SET
                amount = counters.amount + excluded.amount
            """
        )
