"""A toy service on a real database: it notes the handles of the events and commands it gets."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, cast
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from shared.clock import now
from shared.contracts.message import Command, Lane
from shared.contracts.triggers import EventsLogged, LoggedEvent
from shared.database import Database, UnitOfWork
from shared.errors import ApplicationError
from shared.identifiers import new_id
from shared.messaging.envelope import Envelope, Question
from shared.messaging.requests import Outcome
from shared.migrations import MESSAGING, migrate
from shared.sealing import MasterKeys

SCHEMA = "notifier"
QUEUE = "notifier.events.interactive"
KEYS = MasterKeys([bytes(32)])
TOY_MIGRATIONS = Path(__file__).parent / "toy_migrations"


class Stamped(BaseModel):
    handle: str
    count: int = 0


class StampPass(Command):
    """A command whose handler does what its handle says."""

    name: ClassVar = "notifier.stamp_pass.v1"
    reply: ClassVar = Stamped

    handle: str


async def migrate_toys(url: str) -> None:
    await migrate(url, {SCHEMA: [MESSAGING, TOY_MIGRATIONS]})


@asynccontextmanager
async def toy_database(url: str, **options: float):
    """The toy service's database, migrated and open."""
    await migrate_toys(url)
    async with opened(Database(url, schema=SCHEMA, **options)) as database:  # type: ignore[arg-type]
        yield database


@asynccontextmanager
async def opened(database: Database):
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


def a_logged_event(handle: str) -> LoggedEvent:
    return LoggedEvent(
        event_id=new_id(),
        account_id=new_id(),
        template_id=new_id(),
        handle=handle,
        kind="scan",
        sequence=1,
        version=1,
        occurred_at=now(),
    )


def an_event(handle: str, *, attempts: int = 0, lane: Lane = "interactive") -> Envelope:
    body = EventsLogged(events=[a_logged_event(handle)]).model_dump_json().encode()
    return Envelope(new_id(), EventsLogged.name, lane, body, attempts)


async def note_events(events: list[EventsLogged], work: UnitOfWork) -> None:
    handles = [logged.handle for event in events for logged in event.events]
    await note(work, handles)


async def note(work: UnitOfWork, handles: Sequence[str]) -> None:
    await work.connection.execute(
        "INSERT INTO effects (effect) SELECT unnest($1::text[])", list(handles)
    )


async def effects(database: Database) -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT effect FROM effects ORDER BY effect")
    return [row["effect"] for row in rows]


async def transactions(database: Database) -> int:
    """How many transactions made effects."""
    async with database.connection() as connection:
        return await connection.fetchval("SELECT count(DISTINCT transaction_id) FROM effects")


@dataclass
class HandDelivery:
    """A delivery put into the consumer's hand; it notes how it was settled."""

    envelope: Envelope
    redelivered: bool = False
    settled: list[tuple[str, str, float]] = field(default_factory=list[tuple[str, str, float]])
    buried: bytes = b""

    async def done(self) -> None:
        self.settled.append(("done", "", 0))

    async def retry(self, reason: str, delay: float) -> None:
        self.settled.append(("retry", reason, delay))

    async def bury(self, reason: str, body: bytes) -> None:
        self.settled.append(("bury", reason, 0))
        self.buried = body


def a_command(handle: str, command_id: UUID | None = None) -> StampPass:
    return StampPass(command_id=command_id or new_id(), handle=handle)


class Asked:
    """Commands in the form of one question, and the answer they got."""

    def __init__(self, *commands: StampPass, seconds: float = 5.0, body: bytes = b"") -> None:
        rows = b",".join(command.model_dump_json().encode() for command in commands)
        self.answered_at: float | None = None
        self.raw = b""
        self._answered = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.expires_at = self._loop.time() + seconds
        self.question = Question(
            StampPass.name, body or b"[%s]" % rows, self.expires_at, self._take
        )

    async def _take(self, answer: bytes) -> None:
        self.raw = answer
        self.answered_at = self._loop.time()
        self._answered.set()

    @property
    def answered(self) -> bool:
        return self._answered.is_set()

    async def outcomes(self, seconds: float = 10) -> list[Outcome[Stamped]]:
        async with asyncio.timeout(seconds):
            await self._answered.wait()
        return TypeAdapter(list[Outcome[Stamped]]).validate_json(self.raw)


async def until(
    true: Callable[[], Awaitable[object]] | Callable[[], object],
    seconds: float = 20,
    pause: float = 0.03,
) -> None:
    """Look until it is true; fail after a deadline."""
    async with asyncio.timeout(seconds):
        while True:
            found = true()
            if await cast("Awaitable[object]", found) if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(pause)


class WrongStampError(ApplicationError):
    """This stamp is not ours."""

    status = 409
    code = "wrong_stamp"
