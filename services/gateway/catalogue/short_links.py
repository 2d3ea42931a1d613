"""Short links: what is behind each rests sealed, and becomes a pass when it is opened first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from services.gateway.catalogue.links import LinkNotFoundError
from services.gateway.domain import SHORT_LINK_PURPOSE
from services.gateway.repository.short_links import KeptLink, ShortLinkRepository
from shared.contracts.message import JsonObject
from shared.database import Database
from shared.sealing import MasterKeys


@dataclass(frozen=True, slots=True)
class ShortLink:
    """A link to a pass to be: of which template, with which values."""

    short_key: str
    account_id: UUID
    template_id: UUID
    handle: str
    """Of the pass, whoever makes it."""
    values: JsonObject = field(repr=False)


class ShortLinks:
    """The short links of accounts."""

    def __init__(self, database: Database, master_keys: MasterKeys) -> None:
        self._database = database
        self._master_keys = master_keys

    async def add(self, links: Sequence[ShortLink]) -> None:
        """Keep links; one that is there stays as it is."""
        kept = [
            KeptLink(
                link.short_key,
                link.account_id,
                link.template_id,
                link.handle,
                self._master_keys.seal(
                    orjson.dumps(link.values),
                    purpose=SHORT_LINK_PURPOSE,
                    owner=str(link.account_id),
                ),
            )
            for link in links
        ]
        async with self._database.work("bulk") as work:
            await ShortLinkRepository(work.connection).add_all(kept)

    async def open(self, short_key: str) -> ShortLink:
        """Read a link; LinkNotFoundError."""
        async with self._database.connection() as connection:
            kept = await ShortLinkRepository(connection).find(short_key)
        if kept is None:
            raise LinkNotFoundError
        values = self._master_keys.open(
            kept.sealed, purpose=SHORT_LINK_PURPOSE, owner=str(kept.account_id)
        )
        return ShortLink(
            kept.short_key, kept.account_id, kept.template_id, kept.handle, orjson.loads(values)
        )
