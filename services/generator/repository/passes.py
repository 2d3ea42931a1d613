"""The newest state of each pass: lists in, one conditional statement."""

from collections.abc import Collection, Iterable, Sequence

from services.generator.domain import KnownPass
from shared.contracts.triggers import DeletedPass, Pass
from shared.database import Connection, columns

IN_COLUMNS = {"handle", "account_id", "template_id", "version"}
"""What of a pass is not in its state, since it has a column."""


class PassRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def keep(self, passes: Collection[Pass]) -> dict[str, str | None]:
        """Keep states that are newer than what is known, and lock their rows.

        Gives the handles of those, each with the issuer by whom somebody wants it at Google.
        """
        ordered = sorted(passes, key=lambda pass_: pass_.handle)
        rows = await self._connection.fetch(
            """
            INSERT INTO passes AS old (handle, account_id, template_id, version, state)
            SELECT *
            FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[])
            ON CONFLICT (handle) DO UPDATE SET
                version = excluded.version,
                state = excluded.state
            WHERE old.deleted_at IS NULL
                AND old.version < excluded.version
            RETURNING handle, google_issuer_id
            """,
            *columns(ordered, "handle", "account_id", "template_id", "version"),
            [pass_.model_dump_json(exclude=IN_COLUMNS, exclude_defaults=True) for pass_ in ordered],
        )
        return {row["handle"]: row["google_issuer_id"] for row in rows}

    async def find(self, handles: Iterable[str]) -> dict[str, KnownPass]:
        """Find the newest states that have arrived."""
        rows = await self._connection.fetch(
            """
            SELECT
                handle, account_id, template_id, version, state,
                deleted_at IS NOT NULL AS is_deleted
            FROM passes
            WHERE handle = ANY($1::text[])
            """,
            list(set(handles)),
        )
        return {row["handle"]: KnownPass(**row) for row in rows}

    async def lock(self, handles: Iterable[str]) -> None:
        """Lock passes, in one order for all: nobody else writes their contents meanwhile."""
        await self._connection.execute(
            """
            SELECT
            FROM passes
            WHERE handle = ANY($1::text[])
            ORDER BY handle
            FOR NO KEY UPDATE
            """,
            list(handles),
        )

    async def versions(self, handles: Iterable[str]) -> dict[str, int]:
        """Find the newest version known of each pass, deleted ones too."""
        rows = await self._connection.fetch(
            """
            SELECT handle, version
            FROM passes
            WHERE handle = ANY($1::text[])
            """,
            list(set(handles)),
        )
        return {row["handle"]: row["version"] for row in rows}

    async def delete(self, passes: Sequence[DeletedPass]) -> None:
        """Leave tombstones, which refuse what arrives late; the contents go."""
        ordered = sorted(passes, key=lambda pass_: pass_.handle)
        await self._connection.execute(
            """
            INSERT INTO passes AS old (
                handle, account_id, template_id, version, state, deleted_at
            )
            SELECT handle, account_id, account_id, version, '', now()
            FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS gone (
                handle, account_id, version
            )
            ON CONFLICT (handle) DO UPDATE SET
                version = excluded.version,
                state = '',
                deleted_at = coalesce(old.deleted_at, now())
            """,
            *columns(ordered, "handle", "account_id", "version"),
        )
        await self._connection.execute(
            "DELETE FROM apple_contents WHERE handle = ANY($1::text[])",
            [pass_.handle for pass_ in ordered],
        )

    async def forget_deleted(self, days: int, most: int) -> int:
        """Drop tombstones older than `days`; returns how many went."""
        rows = await self._connection.fetch(
            """
            DELETE FROM passes
            WHERE handle = ANY(
                ARRAY(
                    SELECT handle
                    FROM passes
                    WHERE deleted_at < now() - $1 * interval '1 day'
                    LIMIT $2
                )
            )
            RETURNING 1
            """,
            days, most,
        )  # fmt: skip
        return len(rows)
