"""The contents built for passes, for their timelines."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from services.notifier.feed.repository.events import ROWS_A_TURN
from shared.contracts.generator import BuiltContent
from shared.contracts.notifier import ContentNotice, NoteFetch
from shared.contracts.triggers import DeletedPass
from shared.database import Connection, columns


class ContentRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_all(self, contents: Sequence[BuiltContent]) -> None:
        """Note contents built, but none twice."""
        await self._connection.execute(
            """
            INSERT INTO contents (handle, content_number, account_id, pass_version)
            SELECT *
            FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::bigint[])
            ON CONFLICT DO NOTHING
            """,
            *columns(contents, "handle", "content_number", "account_id", "pass_version"),
        )

    async def add_first(self, notes: Sequence[NoteFetch]) -> None:
        """Note first contents, which are built for whoever fetches them first."""
        await self._connection.execute(
            """
            INSERT INTO contents (handle, content_number, account_id, pass_version, at)
            SELECT *
            FROM unnest(
                $1::text[], $2::bigint[], $3::uuid[], $4::bigint[], $5::timestamptz[]
            )
            ON CONFLICT DO NOTHING
            """,
            *columns(
                sorted(notes, key=lambda note: note.at),
                "handle",
                "content_number",
                "account_id",
                "pass_version",
                "at",
            ),
        )

    async def mark_deleted(self, passes: Iterable[DeletedPass]) -> None:
        """Note that passes are gone: what is kept of them will go too."""
        rows = list(passes)
        await self._connection.execute(
            """
            INSERT INTO deleted_passes (handle, account_id)
            SELECT *
            FROM unnest($1::text[], $2::uuid[])
            ON CONFLICT DO NOTHING
            """,
            *columns(rows, "handle", "account_id"),
        )

    async def list_newest(self, account_id: UUID, handle: str, limit: int) -> list[ContentNotice]:
        rows = await self._connection.fetch(
            """
            SELECT content_number, pass_version, at
            FROM contents
            WHERE account_id = $1
                AND handle = $2
            ORDER BY content_number DESC
            LIMIT $3
            """,
            account_id, handle, limit,
        )  # fmt: skip
        return [
            ContentNotice(
                content_number=r["content_number"], pass_version=r["pass_version"], at=r["at"]
            )
            for r in rows
        ]

    async def forget_old(self, age: timedelta) -> bool:
        """Delete what is kept of some passes gone for `age`; whether there may be more."""
        handles = await self._connection.fetch(
            """
            DELETE FROM deleted_passes
            WHERE handle = ANY(
                ARRAY(
                    SELECT handle
                    FROM deleted_passes
                    WHERE deleted_at < now() - $1::interval
                    LIMIT $2
                )
            )
            RETURNING handle
            """,
            age, ROWS_A_TURN,
        )  # fmt: skip
        await self._connection.execute(
            "DELETE FROM contents WHERE handle = ANY($1::text[])", [r["handle"] for r in handles]
        )
        return len(handles) == ROWS_A_TURN
