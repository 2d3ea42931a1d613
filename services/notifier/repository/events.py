"""What happened to passes, kept to be posted and posted again; and the contents built for them."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from services.notifier.domain.webhooks import envelope
from shared.contracts.generator import BuiltContent
from shared.contracts.notifier import ContentNotice
from shared.contracts.triggers import DeletedPass, LoggedEvent
from shared.database import Connection

ROWS_A_TURN = 10_000
"""How many old rows are deleted by one statement."""


class EventRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_all(self, events: Sequence[LoggedEvent]) -> None:
        """Store events, but none twice."""
        await self._connection.execute(
            "INSERT INTO events"
            " (event_id, account_id, template_id, handle, kind, body, occurred_at)"
            " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],"
            " $6::text[], $7::timestamptz[]) ON CONFLICT DO NOTHING",
            [e.event_id for e in events],
            [e.account_id for e in events],
            [e.template_id for e in events],
            [e.handle for e in events],
            [f"pass.{e.kind}" for e in events],
            [envelope(e) for e in events],
            [e.occurred_at for e in events],
        )

    async def forget_old(self, age: timedelta) -> bool:
        """Delete some events older than `age`; whether there may be more."""
        status = await self._connection.execute(
            "DELETE FROM events WHERE ctid = ANY(ARRAY(SELECT ctid FROM events"
            " WHERE received_at < now() - $1::interval LIMIT $2))",
            age, ROWS_A_TURN,
        )  # fmt: skip
        return status == f"DELETE {ROWS_A_TURN}"


class ContentRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_all(self, contents: Sequence[BuiltContent]) -> None:
        """Note contents built, but none twice."""
        await self._connection.execute(
            "INSERT INTO contents (handle, content_number, account_id, pass_version)"
            " SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::bigint[])"
            " ON CONFLICT DO NOTHING",
            [c.handle for c in contents],
            [c.content_number for c in contents],
            [c.account_id for c in contents],
            [c.pass_version for c in contents],
        )

    async def mark_deleted(self, passes: Iterable[DeletedPass]) -> None:
        """Note that passes are gone: what is kept of them will go too."""
        rows = list(passes)
        await self._connection.execute(
            "INSERT INTO deleted_passes (handle, account_id)"
            " SELECT * FROM unnest($1::text[], $2::uuid[]) ON CONFLICT DO NOTHING",
            [p.handle for p in rows],
            [p.account_id for p in rows],
        )

    async def list_newest(self, account_id: UUID, handle: str, limit: int) -> list[ContentNotice]:
        rows = await self._connection.fetch(
            "SELECT content_number, pass_version, at FROM contents"
            " WHERE account_id = $1 AND handle = $2 ORDER BY content_number DESC LIMIT $3",
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
            "DELETE FROM deleted_passes WHERE handle = ANY(ARRAY(SELECT handle FROM deleted_passes"
            " WHERE deleted_at < now() - $1::interval LIMIT $2)) RETURNING handle",
            age, ROWS_A_TURN,
        )  # fmt: skip
        await self._connection.execute(
            "DELETE FROM contents WHERE handle = ANY($1::text[])", [r["handle"] for r in handles]
        )
        return len(handles) == ROWS_A_TURN
