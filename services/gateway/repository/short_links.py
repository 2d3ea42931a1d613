"""Short links by their keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.database import Connection, columns


@dataclass(frozen=True, slots=True)
class KeptLink:
    """A short link as it rests."""

    short_key: str
    account_id: UUID
    template_id: UUID
    handle: str
    sealed: str = field(repr=False)


class ShortLinkRepository:
    """Links that only their key names; one that is added again stays as it was."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_all(self, links: Sequence[KeptLink]) -> None:
        await self._connection.execute(
            """
            INSERT INTO short_links (short_key, account_id, template_id, handle, sealed)
            SELECT *
            FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
            ON CONFLICT DO NOTHING
            """,
            *columns(links, "short_key", "account_id", "template_id", "handle", "sealed"),
        )

    async def find(self, short_key: str) -> KeptLink | None:
        row = await self._connection.fetchrow(
            """
            SELECT short_key, account_id, template_id, handle, sealed
            FROM short_links
            WHERE short_key = $1
            """,
            short_key,
        )
        return KeptLink(**row) if row else None
