"""The handling side: batches in one transaction, row by row when a batch fails."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar
from uuid import UUID

import asyncpg
import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared import metrics
from shared.contracts.message import Command, Event, Lane, Message, Request
from shared.crashing import crash_point
from shared.database import Database, DatabaseAwayError, UnitOfWork
from shared.errors import (
    ApplicationError,
    InternalError,
    NotReadyError,
    RetryableError,
    UnavailableError,
)
from shared.logs import trace_of
from shared.messaging import inbox
from shared.messaging.envelope import Delivery, Envelope, Question
from shared.messaging.letters import open_letters, seal_letter
from shared.messaging.receipts import CONTROL, Receipts
from shared.messaging.requests import (
    NOT_READY,
    failure_of,
    read_reply,
    write_failure,
    write_reply,
)
from shared.messaging.subscription import Subscription
from shared.messaging.topology import MAX_ATTEMPTS, retry_delay
from shared.sealing import MasterKeys

MAX_STARTS = 5
"""Starts without an end after which a redelivered message is taken for one that kills."""

ANSWER_SECONDS = 0.25
"""What is kept of a deadline for the last look and the way back."""

MAX_PAUSE_SECONDS = 0.5
"""Seconds between two looks at a row that is not ready: there may be hundreds of them."""

MAX_ROWS = 200
"""Rows of requests handled in one transaction."""

Result = TypeVar("Result")

_NOT_UNDERSTOOD = (
    failure_of(
        UnavailableError("the owner of this request is of another release; send it again soon")
    )
    .model_dump_json()
    .encode()
)
"""Answers a joined message as a whole, when it is not known how many rows it has."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class UnknownEventError(ApplicationError):
    """Nobody here handles events of this name."""


class EventConsumer:
    """Handles the events of one service: inbox, handler and outbox in one transaction."""

    def __init__(
        self,
        service: str,
        database: Database,
        subscriptions: Sequence[Subscription],
        keys: MasterKeys,
        receipts: Receipts | None = None,
    ) -> None:
        self._service = service
        self._database = database
        self._keys = keys
        self._subscriptions = {s.message.name: s for s in subscriptions}
        self._receipts = receipts

    async def receive(self, deliveries: list[Delivery]) -> None:
        """Settle each delivery: fresh ones in batches by name, redelivered ones singly.

        A redelivered message may be the one that killed its process; handled alone and counted
        beforehand, it cannot take innocent ones with it. Questions for receipts come last: they
        ask about what lay before them in the queue.
        """
        crash_point("events.received")
        groups: dict[str, list[Delivery]] = defaultdict(list)
        control: list[Delivery] = []
        for delivery in deliveries:
            if self._receipts is not None and delivery.envelope.name in CONTROL:
                control.append(delivery)
            elif delivery.redelivered:
                await self._receive_suspect(delivery)
            else:
                groups[delivery.envelope.name].append(delivery)
        for group in groups.values():
            await self._receive_group(group)
        if self._receipts is not None and control:
            receipts = self._receipts
            await _until_database(lambda: receipts.receive(control))

    async def _receive_suspect(self, delivery: Delivery) -> None:
        starts = await _until_database(
            lambda: inbox.count_attempt(self._database, delivery.envelope.message_id)
        )
        if starts > MAX_STARTS:
            await self._bury(delivery, "kills its process")
        else:
            await self._receive_group([delivery])

    async def _receive_group(self, group: list[Delivery]) -> None:
        name = group[0].envelope.name
        started = time.perf_counter()
        try:
            await _until_database(lambda: self._handle([d.envelope for d in group]))
        except Exception as error:  # noqa: BLE001 - decided below, by kind
            if len(group) > 1:
                for delivery in group:
                    await self._receive_group([delivery])
                return
            await self._settle_failed(group[0], error)
            return
        seconds = time.perf_counter() - started
        metrics.count_messages(self._service, name, "done", len(group), seconds)
        log.debug("events_handled", name=name, count=len(group), milliseconds=seconds * 1000)
        crash_point("events.committed")
        await asyncio.gather(*(delivery.done() for delivery in group))

    async def _handle(self, envelopes: list[Envelope]) -> None:
        subscription = self._subscriptions.get(envelopes[0].name)
        if subscription is None:
            raise UnknownEventError
        async with self._database.work(envelopes[0].lane) as work:
            fresh = await inbox.claim(work.connection, [e.message_id for e in envelopes])
            unique = {e.message_id: e for e in envelopes if e.message_id in fresh}
            if twins := len(envelopes) - len(unique):
                metrics.count_messages(self._service, envelopes[0].name, "twin", twins, 0)
            # A letter that nobody can read any more counts as handled.
            bodies = await open_letters(work.connection, self._keys, list(unique.values()))
            if bodies:
                events = [_parse(subscription.message, body) for body in bodies.values()]
                await subscription.handler(events, work)
            crash_point("events.committing")

    async def _settle_failed(self, delivery: Delivery, error: Exception) -> None:
        envelope = delivery.envelope
        reason = type(error).__name__
        passing = isinstance(error, RetryableError | NotReadyError | UnavailableError)
        final = isinstance(error, ApplicationError | ValidationError) and not passing
        if not final and not passing:
            log.error(
                "event_failed",
                name=envelope.name,
                message_id=str(envelope.message_id),
                kind=reason,
                trace=trace_of(error),
            )
        if final or envelope.attempts + 1 >= MAX_ATTEMPTS:
            await self._bury(delivery, reason)
            return
        metrics.count_messages(self._service, envelope.name, "retried", 1, 0)
        await _until_database(lambda: inbox.note_failure(self._database, envelope.message_id))
        await delivery.retry(reason, retry_delay(envelope.attempts + 1))

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        envelope = delivery.envelope
        metrics.count_messages(self._service, envelope.name, "dead", 1, 0)
        metrics.dead_letters.labels(self._service, envelope.name).inc()
        log.error(
            "event_dead",
            name=envelope.name,
            message_id=str(envelope.message_id),
            reason=reason,
            attempts=envelope.attempts + 1,
        )
        persons = self._persons_of(envelope)
        sealed = await _until_database(
            lambda: seal_letter(self._database, self._keys, envelope, persons)
        )
        await delivery.bury(reason, sealed)

    def _persons_of(self, envelope: Envelope) -> list[int]:
        """Tell of whom a message tells, as far as it can be read."""
        subscription = self._subscriptions.get(envelope.name)
        if subscription is None:
            return []
        try:
            event = _parse(subscription.message, envelope.body)
        except ValidationError:
            return []
        return sorted({person.digest for person in event.persons()})


class QuestionConsumer:
    """Answers the requests of one service in one lane."""

    def __init__(
        self,
        service: str,
        lane: Lane,
        database: Database,
        subscriptions: Sequence[Subscription],
    ) -> None:
        self._service = service
        self._lane: Lane = lane
        self._database = database
        self._subscriptions = {s.message.name: s for s in subscriptions}
        self._unready: set[asyncio.Task[None]] = set()

    async def receive(self, questions: list[Question]) -> None:
        """Answer what has not expired, rows of one name joined into one transaction."""
        crash_point("requests.received")
        groups: dict[str, list[Question]] = defaultdict(list)
        now = asyncio.get_running_loop().time()
        for question in questions:
            if question.expires_at > now:
                groups[question.name].append(question)
        for name, group in groups.items():
            await self._receive_group(name, group)

    async def drain(self) -> None:
        """Wait for the rows that are not ready yet."""
        await asyncio.gather(*self._unready, return_exceptions=True)

    async def _receive_group(self, name: str, group: list[Question]) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            log.error("request_unknown", name=name)
            for question in group:
                await question.answer(_NOT_UNDERSTOOD)
            return
        joined: list[tuple[Question, list[Request]]] = []
        for question in group:
            try:
                rows = _parse_rows(subscription.message, question.body)
            except ValidationError:
                log.error("request_unreadable", name=name)  # noqa: TRY400 - a trace shows the data
                await question.answer(_NOT_UNDERSTOOD)
                continue
            joined.append((question, rows))
        while joined:
            turn = [joined.pop(0)]
            while joined and sum(len(r) for _, r in turn) + len(joined[0][1]) <= MAX_ROWS:
                turn.append(joined.pop(0))
            await self._answer_turn(subscription, turn)

    async def _answer_turn(
        self, subscription: Subscription, turn: list[tuple[Question, list[Request]]]
    ) -> None:
        started = time.perf_counter()
        rows = [row for _, question_rows in turn for row in question_rows]
        outcomes = await self._outcomes(subscription, rows)
        crash_point("requests.committed")
        seconds = time.perf_counter() - started
        metrics.count_messages(self._service, subscription.message.name, "done", len(rows), seconds)
        for question, question_rows in turn:
            mine = outcomes[: len(question_rows)]
            outcomes = outcomes[len(question_rows) :]
            if all(outcome is None for outcome in mine):
                task = asyncio.create_task(
                    self._answer_later(subscription, question, question_rows)
                )
                self._unready.add(task)
                task.add_done_callback(self._unready.discard)
            else:
                await question.answer(_write(mine))

    async def _answer_later(
        self,
        subscription: Subscription,
        question: Question,
        rows: list[Request],
    ) -> None:
        """Try rows again, 5, 10, 20 … 500 ms apart, until one is ready or the deadline has come.

        What is ready is not kept waiting for the others; whoever asked asks for those again.
        """
        loop = asyncio.get_running_loop()
        outcomes: list[str | None] = []
        pause = 0.005
        while not any(outcomes) and loop.time() + pause < question.expires_at - ANSWER_SECONDS:
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
            outcomes = [await self._outcome(subscription, row) for row in rows]
        await question.answer(_write(outcomes or [None] * len(rows)))

    async def _outcomes(self, subscription: Subscription, rows: list[Request]) -> list[str | None]:
        """Answer all rows in one transaction; if that fails, each in its own. None: not ready."""
        if len(rows) > 1:
            try:
                return await self._handle(subscription, rows)
            except UnavailableError as error:
                # Row by row each would wait in vain, and those who ask behind them too.
                return [write_failure(error)] * len(rows)
            except Exception as error:  # noqa: BLE001 - each row finds out for itself
                log.debug("batch_failed", name=subscription.message.name, kind=type(error).__name__)
        return [await self._outcome(subscription, row) for row in rows]

    async def _outcome(self, subscription: Subscription, row: Request) -> str | None:
        cause: Exception | None = None
        for _ in range(2):
            try:
                return (await self._handle(subscription, [row]))[0]
            except NotReadyError:
                return None
            except UnavailableError as error:
                return write_failure(error)
            except ApplicationError as error:
                return await self._store_failure(subscription, row, write_failure(error))
            except asyncpg.UniqueViolationError as error:
                cause = error
                if error.table_name != "inbox":
                    break
                # A twin of this command was faster; its outcome is there now.
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
                cause = error  # somebody else got through; now it is our turn
            except Exception as error:  # noqa: BLE001 - the row is answered as failed
                cause = error
                break
        kind = type(cause).__name__
        log.error("request_failed", name=row.name, kind=kind, trace=trace_of(cause))
        metrics.count_messages(self._service, row.name, "failed", 1, 0)
        return write_failure(InternalError())

    async def _store_failure(self, subscription: Subscription, row: Request, outcome: str) -> str:
        if isinstance(row, Command):
            try:
                async with self._database.work(self._lane) as work:
                    await inbox.store_outcomes(work.connection, {row.command_id: outcome})
            except asyncpg.UniqueViolationError:
                return await self._twins_outcome(subscription, row) or outcome
            except UnavailableError:
                log.warning("failure_not_stored", name=row.name)
        return outcome

    async def _twins_outcome(self, subscription: Subscription, command: Command) -> str | None:
        """Find what became of a command whose twin was faster, perhaps so that we failed."""
        try:
            async with self._database.work(self._lane) as work:
                return (await _recalled(subscription, [command], work)).get(command.command_id)
        except UnavailableError:
            return None

    async def _handle(
        self, subscription: Subscription, rows: Sequence[Request]
    ) -> list[str | None]:
        if subscription.is_plain_read:
            async with self._database.reading(self._lane) as work:
                return _write_all(await subscription.handler(list(rows), work))
        async with self._database.work(self._lane) as work:
            commands = [row for row in rows if isinstance(row, Command)]
            if not commands:
                return _write_all(await subscription.handler(list(rows), work))
            ids = [command.command_id for command in commands]
            known = await _recalled(subscription, commands, work)
            fresh = {c.command_id: c for c in commands if c.command_id not in known}
            if fresh:
                replies = await subscription.handler(list(fresh.values()), work)
                new = dict(zip(fresh, replies, strict=True))
                done = {i: r for i, r in new.items() if not isinstance(r, NotReadyError)}
                written = {command_id: _write_outcome(reply) for command_id, reply in done.items()}
                lasting = [i for i, r in done.items() if not isinstance(r, UnavailableError)]
                stored = {i: _reduced(subscription, done[i], written[i]) for i in lasting}
                await inbox.store_outcomes(work.connection, stored)
                known |= written
                crash_point("requests.committing")
            return [known.get(command_id) for command_id in ids]


async def _recalled(
    subscription: Subscription, commands: Sequence[Command], work: UnitOfWork
) -> dict[UUID, str]:
    """Find the outcomes of commands that were handled before, whole again."""
    stored = await inbox.stored_outcomes(work.connection, [c.command_id for c in commands])
    if not stored or subscription.memory is None:
        return stored
    replies = {
        command.command_id: reply
        for command in commands
        if (text := stored.get(command.command_id)) is not None
        and (reply := read_reply(type(command), text)) is not None
    }
    repeated = {c.command_id: c for c in commands if c.command_id in replies}
    recalled = await subscription.memory.recall(
        list(repeated.values()), [replies[i] for i in repeated], work
    )
    return stored | {i: _write_outcome(reply) for i, reply in zip(repeated, recalled, strict=True)}


def _reduced(subscription: Subscription, reply: BaseModel | ApplicationError, written: str) -> str:
    """Write an outcome as it is stored."""
    if subscription.memory is None or isinstance(reply, ApplicationError):
        return written
    reduced = subscription.memory.reduce(reply)
    return written if reduced is reply else write_reply(reduced)


async def _until_database(act: Callable[[], Awaitable[Result]]) -> Result:
    """Act, and while the database is away wait for it: its absence is no message's fault."""
    pause = 0.1
    while True:
        try:
            return await act()
        except DatabaseAwayError:
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)


def _parse(message: type[Message], body: bytes) -> Event:
    event = message.model_validate_json(body)
    if not isinstance(event, Event):
        raise TypeError(message)
    return event


_rows: dict[type[Message], TypeAdapter[list[Request]]] = {}


def _parse_rows(message: type[Message], body: bytes) -> list[Request]:
    adapter = _rows.get(message)
    if adapter is None:
        adapter = _rows[message] = TypeAdapter(list[message])  # type: ignore[valid-type]
    return adapter.validate_json(body)


def _write_all(
    replies: Iterable[BaseModel | ApplicationError | NotReadyError],
) -> list[str | None]:
    return [
        None if isinstance(reply, NotReadyError) else _write_outcome(reply) for reply in replies
    ]


def _write_outcome(reply: BaseModel | ApplicationError) -> str:
    return write_failure(reply) if isinstance(reply, ApplicationError) else write_reply(reply)


def _write(outcomes: Sequence[str | None]) -> bytes:
    return f"[{','.join(o or NOT_READY for o in outcomes)}]".encode()
