"""Finds out whether what was sent was handled, and has what the broker lost sent again.

A confirm says that the broker has a message, not that it keeps it: a queue may be deleted, or a
whole broker be replaced. So the sender asks, through the queue itself, which of its messages the
consumer's inbox knows. A question that is lost with the queue is asked again; what the inbox does
not know goes out once more, and the inbox absorbs the twin of what was only late.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from shared import metrics
from shared.contracts.services import ServiceName
from shared.crashing import crash_point
from shared.database import Database
from shared.identifiers import new_id
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.topology import RETRY_DELAYS, events_queue, owner_of_queue
from shared.messaging.transport import Transport

ASKED: Final = "messaging.receipts_asked.v1"
GIVEN: Final = "messaging.receipts_given.v1"
CONTROL: Final = frozenset({ASKED, GIVEN})
"""Messages between the mechanisms of two services; no handler sees them."""

ASK_SECONDS = 5.0
"""How often a service looks for facts whose receipts are due."""

MAX_ASKED = 1000
"""Facts in one question, about 60 KB."""

ASK_AGAIN: Final = (60, 120, 180)
"""Seconds until the same fact is asked for again, by how often it was; then the last."""

KEPT_BACK: Final = timedelta(seconds=2 * RETRY_DELAYS[-1])
"""How long a fact whose handling failed counts as waiting to be tried again."""

Verdict = Literal["handled", "waiting", "missing"]

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class ReceiptsAsked(BaseModel):
    """A sender's question about facts that it sent to a queue: has the consumer handled them."""

    model_config = ConfigDict(frozen=True)

    sender: ServiceName
    queue: str
    outbox_ids: list[int]
    message_ids: list[UUID]


class ReceiptsGiven(BaseModel):
    """The consumer's answer: a verdict for each fact, in the order asked."""

    model_config = ConfigDict(frozen=True)

    queue: str
    outbox_ids: list[int]
    message_ids: list[UUID]
    verdicts: list[Verdict]


@dataclass(frozen=True)
class Receipts:
    """Asks for a service's own facts, and answers for those that it handles."""

    service: ServiceName
    database: Database
    transport: Transport

    async def ask(self) -> None:
        """Ask the consumers of all facts that are due."""
        while self.transport.connected:
            by_queue = await self._claim_due()
            if not by_queue:
                return
            crash_point("receipts.asking")
            await asyncio.gather(
                *(
                    self._tell(
                        queue,
                        ASKED,
                        ReceiptsAsked(
                            sender=self.service,
                            queue=queue,
                            outbox_ids=[outbox_id for outbox_id, _ in facts],
                            message_ids=[message_id for _, message_id in facts],
                        ),
                    )
                    for queue, facts in by_queue.items()
                )
            )

    async def receive(self, deliveries: Sequence[Delivery]) -> None:
        """Answer questions and note answers; one that cannot be read is dropped."""
        for delivery in deliveries:
            body = delivery.envelope.body
            try:
                if delivery.envelope.name == ASKED:
                    await self._answer(ReceiptsAsked.model_validate_json(body))
                else:
                    await self._note(ReceiptsGiven.model_validate_json(body))
            except ValidationError:
                log.error("receipts_unreadable", name=delivery.envelope.name)  # noqa: TRY400 - the trace shows the data
            crash_point("receipts.noted")
            await delivery.done()

    async def _claim_due(self) -> dict[str, list[tuple[int, UUID]]]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                """
                WITH due AS (
                    SELECT outbox_id
                    FROM outbox
                    WHERE ask_at <= now()
                    ORDER BY ask_at
                    LIMIT $1
                    FOR UPDATE SKIP LOCKED
                )
                UPDATE outbox
                SET asks = asks + 1,
                    ask_at = now()
                        + interval '1 second' * ($2::int[])[least(asks + 1, cardinality($2))]
                FROM due
                WHERE outbox.outbox_id = due.outbox_id
                RETURNING outbox.outbox_id, message_id, awaiting
                """,
                MAX_ASKED,
                list(ASK_AGAIN),
            )
        by_queue: dict[str, list[tuple[int, UUID]]] = defaultdict(list)
        for row in rows:
            for queue in row["awaiting"] or ():
                by_queue[queue].append((row["outbox_id"], row["message_id"]))
        return by_queue

    async def _answer(self, asked: ReceiptsAsked) -> None:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                """
                SELECT message_id, 'handled' AS verdict
                FROM inbox
                WHERE message_id = ANY($1::uuid[])
                UNION ALL
                SELECT message_id, 'waiting'
                FROM suspects
                WHERE message_id = ANY($1::uuid[])
                    AND (dead_at IS NOT NULL OR failed_at > now() - $2::interval)
                ORDER BY verdict DESC
                """,
                asked.message_ids,
                KEPT_BACK,
            )
        known: dict[UUID, Verdict] = {row["message_id"]: row["verdict"] for row in rows}
        given = ReceiptsGiven(
            queue=asked.queue,
            outbox_ids=asked.outbox_ids,
            message_ids=asked.message_ids,
            verdicts=[known.get(message_id, "missing") for message_id in asked.message_ids],
        )
        crash_point("receipts.answering")
        await self._tell(events_queue(asked.sender, "interactive"), GIVEN, given)

    async def _note(self, given: ReceiptsGiven) -> None:
        if owner_of_queue(given.queue) is None:
            return
        async with self.database.work() as work:
            missing = await work.connection.fetchval(
                """
                WITH given AS (
                    SELECT *
                    FROM unnest($2::bigint[], $3::uuid[], $4::text[])
                        AS given (outbox_id, message_id, verdict)
                    WHERE verdict <> 'waiting'
                ), noted AS (
                    UPDATE outbox
                    SET awaiting = CASE WHEN verdict = 'handled'
                            THEN nullif(array_remove(awaiting, $1), '{}') END,
                        ask_at = CASE WHEN verdict = 'handled' AND awaiting <> ARRAY[$1]
                            THEN ask_at END,
                        sent_at = CASE WHEN verdict = 'handled' THEN sent_at END
                    FROM given
                    WHERE outbox.outbox_id = given.outbox_id
                        AND outbox.message_id = given.message_id
                        AND $1 = ANY(awaiting)
                    RETURNING verdict
                )
                SELECT count(*) FILTER (WHERE verdict = 'missing') FROM noted
                """,
                given.queue,
                given.outbox_ids,
                given.message_ids,
                given.verdicts,
            )
        if missing:
            metrics.events_sent_again.labels(self.service, given.queue).inc(missing)
            log.warning("events_lost", queue=given.queue, count=missing)
            self.database.committed.set()

    async def _tell(self, queue: str, name: str, message: BaseModel) -> None:
        """Send a control message; one that is lost is made up for by the next question."""
        body = message.model_dump_json().encode()
        await self.transport.deliver(queue, Envelope(new_id(), name, "interactive", body))
