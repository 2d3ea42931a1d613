"""The relay: the only one that publishes events, from the outbox, with confirms."""

import asyncio

import structlog

from shared import metrics
from shared.database import Database
from shared.errors import UnavailableError
from shared.messaging.envelope import Envelope
from shared.messaging.transport import Transport

TURN = 100
"""Rows per turn; many relays may work side by side, each on rows of its own."""

IDLE_SECONDS = 1.0
"""A look for rows whose own process died before it could wake its relay."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Relay:
    """Moves committed rows of one service's outbox to the transport, at least once each."""

    def __init__(self, database: Database, transport: Transport) -> None:
        self._database = database
        self._transport = transport

    async def run(self) -> None:
        """Relay until cancelled, woken by commits."""
        while True:
            self._database.committed.clear()
            try:
                while await self.relay_turn() == TURN:
                    pass
            except UnavailableError as error:
                log.warning("relay_waits", schema=self._database.schema, reason=error.code)
                await asyncio.sleep(IDLE_SECONDS / 2)
                continue
            try:
                await asyncio.wait_for(self._database.committed.wait(), timeout=IDLE_SECONDS)
            except TimeoutError:
                await self._note_age()

    async def drain(self) -> None:
        """Relay what is there, turn by turn, until nothing is."""
        while await self.relay_turn():
            pass

    async def relay_turn(self) -> int:
        """Publish some rows and forget them; if we die in between, the inbox absorbs the twin."""
        if not self._transport.connected:
            return 0
        async with self._database.work() as work:
            rows = await work.connection.fetch(
                "DELETE FROM outbox WHERE outbox_id = ANY(ARRAY("
                "SELECT outbox_id FROM outbox ORDER BY outbox_id LIMIT $1 FOR UPDATE SKIP LOCKED))"
                " RETURNING message_id, name, lane, body",
                TURN,
            )
            if rows:
                await self._transport.publish([Envelope(**row) for row in rows])
        return len(rows)

    async def _note_age(self) -> None:
        try:
            async with self._database.connection() as connection:
                age = await connection.fetchval(
                    "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8"
                    " FROM outbox"
                )
        except UnavailableError:
            return
        metrics.outbox_oldest_age_seconds.labels(self._database.schema).set(age)
