"""The transport inside one process: event queues in a PostgreSQL table, requests in memory."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog

from shared.contracts.message import Lane
from shared.contracts.services import ServiceName
from shared.database import Database, DatabaseAwayError
from shared.logs import trace_of
from shared.messaging.envelope import (
    DeadLetter,
    Delivery,
    Envelope,
    EventReceiver,
    Question,
    QuestionReceiver,
)
from shared.messaging.intake import Intake
from shared.messaging.topology import EVENT_QUEUES, ROUTES, requests_queue
from shared.messaging.transport import HEAVIEST_LIST, NoAnswerError, TransportAwayError

SCHEMA = "messaging"
MIGRATIONS = Path(__file__).parent / "embedded_migrations"

LOOK_SECONDS = 0.5
"""How often a queue is looked at for messages whose delay has passed."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(slots=True)
class TableDelivery:
    """A row of the queue table, in the hands of its one consumer."""

    envelope: Envelope
    redelivered: bool
    message_number: int
    settle: Callable[..., Awaitable[None]]
    """Runs a statement of this row."""

    async def done(self) -> None:
        await self.settle("DELETE FROM messages WHERE message_number = $1", self.message_number)

    async def retry(self, reason: str, delay: float) -> None:
        await self.settle(
            """
            UPDATE messages
            SET attempts = attempts + 1, taken = 0, reason = $2, due_at = now() + $3
            WHERE message_number = $1
            """,
            self.message_number, reason, timedelta(seconds=delay),
        )  # fmt: skip

    async def bury(self, reason: str, body: bytes) -> None:
        await self.settle(
            """
            UPDATE messages
            SET attempts = attempts + 1, taken = 0, reason = $2, body = $3, dead_at = now()
            WHERE message_number = $1
            """,
            self.message_number, reason, body,
        )  # fmt: skip


class EmbeddedTransport:
    """All five services share one; a queue is read by one consumer, in this process only."""

    def __init__(self, database_url: str) -> None:
        self._database = Database(database_url, schema=SCHEMA, size=6)
        self._due: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._readers: list[asyncio.Task[None]] = []
        self._receivers: list[tuple[str, EventReceiver, int]] = []
        self._intakes: dict[str, Intake[Question]] = {}
        self._stopping = False
        self._started = False

    @property
    def connected(self) -> bool:
        return self._started

    async def start(self) -> None:
        if self._started:
            return
        await self._database.start()
        self._started = True
        for queue, receiver, most in self._receivers:
            self._read(queue, receiver, most)

    async def stop(self) -> None:
        await self.stop_receiving()
        await self._database.stop()
        self._started = False

    async def publish(self, envelopes: list[Envelope]) -> set[UUID]:
        await self._insert(
            [(queue, e) for e in envelopes for queue in ROUTES.get((e.name, e.lane), ())]
        )
        return set()

    async def deliver(self, queue: str, envelope: Envelope) -> bool:
        await self._insert([(queue, envelope)])
        return True

    async def _insert(self, sent: list[tuple[str, Envelope]]) -> None:
        rows = [(queue, e.message_id, e.name, e.lane, e.body) for queue, e in sent]
        if not rows:
            return
        async with self._database.connection() as connection:
            await connection.execute(
                """
                INSERT INTO messages (queue, message_id, name, lane, body)
                SELECT *
                FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bytea[])
                ON CONFLICT DO NOTHING
                """,
                *(list(column) for column in zip(*rows, strict=True)),
            )
        for queue in {row[0] for row in rows}:
            self._due[queue].set()

    async def ask(
        self, service: ServiceName, lane: Lane, name: str, body: bytes, seconds: float
    ) -> bytes:
        if not self._started or self._stopping:
            raise TransportAwayError
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()

        async def answer(reply: bytes) -> None:
            if not answered.done():
                answered.set_result(reply)

        intake = self._intakes.get(requests_queue(service, lane))
        if intake is not None:
            intake.put(Question(name, body, loop.time() + seconds, answer))
        try:
            return await asyncio.wait_for(answered, seconds)
        except TimeoutError as error:
            raise NoAnswerError from error

    def receive_events(self, queue: str, receiver: EventReceiver, *, most: int) -> None:
        self._receivers.append((queue, receiver, most))
        if self._started:
            self._read(queue, receiver, most)

    def receive_questions(
        self, service: ServiceName, lane: Lane, receiver: QuestionReceiver, *, most: int
    ) -> None:
        intake = Intake(receiver, most, lambda question: len(question.body), HEAVIEST_LIST)
        intake.start()
        self._intakes[requests_queue(service, lane)] = intake

    async def stop_receiving(self) -> None:
        self._stopping = True
        for due in self._due.values():
            due.set()
        await asyncio.gather(*(intake.stop() for intake in self._intakes.values()))
        if self._readers:
            await asyncio.wait(self._readers, timeout=20)
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def dead_letters(self, service: ServiceName, most: int = 1000) -> list[DeadLetter]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                SELECT
                    message_id, name, attempts, reason, length(body) AS size, dead_at AS died_at
                FROM messages
                WHERE queue = ANY($1)
                    AND dead_at IS NOT NULL
                ORDER BY dead_at
                LIMIT $2
                """,
                _queues_of(service),
                most,
            )
        return [DeadLetter(**row) for row in rows]

    async def dead_body(self, service: ServiceName, message_id: UUID) -> bytes | None:
        async with self._database.connection() as connection:
            return await connection.fetchval(
                """
                SELECT body
                FROM messages
                WHERE queue = ANY($1)
                    AND message_id = $2
                    AND dead_at IS NOT NULL
                LIMIT 1
                """,
                _queues_of(service),
                message_id,
            )

    async def replay(self, service: ServiceName, message_id: UUID | None = None) -> int:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                UPDATE messages
                SET dead_at = NULL, due_at = now(), attempts = 0, reason = NULL
                WHERE queue = ANY($1)
                    AND dead_at IS NOT NULL
                    AND ($2::uuid IS NULL OR message_id = $2)
                RETURNING queue
                """,
                _queues_of(service),
                message_id,
            )
        for row in rows:
            self._due[row["queue"]].set()
        return len(rows)

    def _read(self, queue: str, receiver: EventReceiver, most: int) -> None:
        self._readers.append(asyncio.create_task(self._read_queue(queue, receiver, most)))

    async def _read_queue(self, queue: str, receiver: EventReceiver, most: int) -> None:
        due = self._due[queue]
        while not self._stopping:
            due.clear()
            try:
                deliveries = await self._take(queue, most)
                if deliveries:
                    await receiver(deliveries)
                    continue
            except DatabaseAwayError:
                pass
            except Exception as error:  # noqa: BLE001 - the list comes back, and the reader stays
                log.error(  # noqa: TRY400 - a trace with its message may show personal values
                    "receiver_failed", queue=queue, kind=type(error).__name__, trace=trace_of(error)
                )
            try:
                await asyncio.wait_for(due.wait(), timeout=LOOK_SECONDS)
            except TimeoutError:
                continue

    async def _take(self, queue: str, most: int) -> list[Delivery]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                UPDATE messages
                SET taken = taken + 1
                WHERE message_number = ANY(
                    ARRAY(
                        SELECT message_number
                        FROM (
                            SELECT
                                message_number,
                                sum(length(body)) OVER (ORDER BY message_number) - length(body)
                                    AS before
                            FROM (
                                SELECT message_number, body
                                FROM messages
                                WHERE queue = $1
                                    AND dead_at IS NULL
                                    AND due_at <= now()
                                ORDER BY message_number
                                LIMIT $2
                            ) AS due
                        ) AS weighed
                        WHERE before < $3
                    )
                )
                RETURNING message_number, message_id, name, lane, body, attempts, reason, taken
                """,
                queue,
                most,
                HEAVIEST_LIST,
            )
        return [
            TableDelivery(
                Envelope(*(row[key] for key in Envelope.__slots__)),
                row["taken"] > 1,
                row["message_number"],
                self._settle,
            )
            for row in rows
        ]

    async def _settle(self, statement: str, *arguments: object) -> None:
        async with self._database.connection() as connection:
            await connection.execute(statement, *arguments)


def _queues_of(service: ServiceName) -> list[str]:
    return [queue for queue, reader in EVENT_QUEUES.items() if reader == service]
