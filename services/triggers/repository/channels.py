"""The channels that passes come from, each with a number by which things are counted."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from cachetools import LRUCache

from shared.contracts.triggers import Channel
from shared.database import Connection, UnitOfWork, columns

NO_PROGRAM: Final = UUID(int=0)
MAX_KNOWN: Final = 50_000

_PARTS: Final = ("source", "medium", "campaign", "term", "content")


class ChannelCache:
    """Numbers of channels, which never change; those used last are kept in memory."""

    def __init__(self) -> None:
        self._known = LRUCache[Channel, int](MAX_KNOWN)

    async def numbers(self, work: UnitOfWork, channels: Collection[Channel]) -> dict[Channel, int]:
        """Give each channel its number, a new one if it is new."""
        found = {channel: self._known[channel] for channel in channels if channel in self._known}
        unknown = [channel for channel in set(channels) if channel not in found]
        if not unknown:
            return found
        read = await ChannelRepository(work.connection).numbers(unknown)
        work.after_commit(lambda: self._known.update(read))  # a rollback takes new numbers back
        return found | read


class ChannelRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def numbers(self, channels: Collection[Channel]) -> dict[Channel, int]:
        """Find the numbers of channels, and number those that are new, in one order for all."""
        rows = sorted(channels, key=lambda channel: (_program(channel), *_texts(channel)))
        values = [[_program(channel) for channel in rows], *columns(rows, *_PARTS)]
        await self._connection.execute(
            """
            INSERT INTO channels (program_id, source, medium, campaign, term, content)
            SELECT *
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
            ON CONFLICT DO NOTHING
            """,
            *values,
        )
        found = await self._connection.fetch(
            """
            SELECT channel_id, program_id, source, medium, campaign, term, content
            FROM channels
            JOIN unnest(
                $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]
            ) AS wanted (program_id, source, medium, campaign, term, content)
                USING (program_id, source, medium, campaign, term, content)
            """,
            *values,
        )
        return {channel_of(dict(row)): row["channel_id"] for row in found}


def channel_of(row: dict[str, object]) -> Channel:
    """Read a channel from a row that has its parts."""
    program_id = row["program_id"]
    given = None if program_id == NO_PROGRAM else program_id
    return Channel.model_validate({"program_id": given, **{name: row[name] for name in _PARTS}})


def _program(channel: Channel) -> UUID:
    return channel.program_id or NO_PROGRAM


def _texts(channel: Channel) -> tuple[str, ...]:
    return (channel.source, channel.medium, channel.campaign, channel.term, channel.content)
