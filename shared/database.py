"""PostgreSQL for one service: a pool under its own role, units of work that announce facts."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import structlog
from asyncpg.pool import PoolConnectionProxy

from shared.contracts.message import Event, Lane
from shared.errors import UnavailableError
from shared.identifiers import new_id

if TYPE_CHECKING:  # the class takes a parameter in its stubs only
    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = PoolConnectionProxy

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
"""What the server says when it is going, gone or full."""

PERHAPS_AWAY = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises on a lost connection, but also for mistakes that no waiting mends."""

MOST_BYTES = 900 * 1024
"""The longest body of an event; no message is over 1 MiB."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class DatabaseAwayError(UnavailableError):
    """The database is away for the moment; the same request may be sent again."""

    code = "database_away"


def role_of(schema: str) -> str:
    """Name the database role that owns the data of one service."""
    return f"passwright_{schema}"


class Database:
    """The pool of one service: its schema as search path, its role as rights.

    Nothing waits for ever: a connection is acquired within `acquire_timeout` seconds and a
    statement ends within `statement_timeout` seconds, else `DatabaseAwayError`.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str,
        size: int = 8,
        acquire_timeout: float = 0.9,
        statement_timeout: float = 30.0,
    ) -> None:
        self.schema = schema
        self.url = url
        self.committed = asyncio.Event()
        """Set after each commit that left rows in the outbox: the relay's wake-up."""
        self._size = size
        self._acquire_timeout = acquire_timeout
        self._statement_timeout = statement_timeout
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        """Make the pool; the first connection is made when first needed, so start order is free."""
        self._pool = await asyncpg.create_pool(
            self.url,
            min_size=0,
            max_size=self._size,
            timeout=self._acquire_timeout,
            command_timeout=self._statement_timeout,
            init=_speak_json,
            reset=_leave_as_it_is,
            server_settings={
                "application_name": f"passwright {self.schema}",
                "role": role_of(self.schema),
                "search_path": self.schema,
                "statement_timeout": str(int(self._statement_timeout * 1000)),
                "idle_in_transaction_session_timeout": "60000",
                "jit": "off",
            },
        )

    async def stop(self) -> None:
        """Close the pool within 5 seconds, politely or not."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), timeout=5)
        except TimeoutError:
            self._pool.terminate()
        self._pool = None

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend a connection outside any transaction, for reading."""
        pool = self._pool
        if pool is None:
            raise DatabaseAwayError
        try:
            connection = await pool.acquire(timeout=self._acquire_timeout)
        except (asyncpg.PostgresError, *PERHAPS_AWAY, TimeoutError) as error:
            raise self._away(error) from error
        try:
            yield connection
        except AWAY as error:
            raise self._away(error) from error
        except PERHAPS_AWAY as error:
            if not _is_lost(connection):
                raise
            raise self._away(error) from error
        finally:
            await pool.release(connection, timeout=2)

    @asynccontextmanager
    async def work(self, lane: Lane = "interactive") -> AsyncGenerator["UnitOfWork"]:
        """Open a unit of work: one transaction, whose announcements commit with it."""
        async with self.connection() as connection, connection.transaction():
            work = UnitOfWork(connection, lane)
            yield work
            await work.write_outbox()
        if work.announced:
            self.committed.set()
        for act in work.afterwards:
            act()

    async def check(self) -> None:
        """Ask the server for a sign of life within a second."""
        try:
            async with self.connection() as connection:
                await connection.execute("SELECT 1", timeout=1)
        except TimeoutError as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> DatabaseAwayError:
        log.warning("database_away", schema=self.schema, reason=type(error).__name__)
        return DatabaseAwayError()


class UnitOfWork:
    """One transaction and the facts that become true with it."""

    def __init__(self, connection: Connection, lane: Lane) -> None:
        self.connection = connection
        self.lane: Lane = lane
        self.announced: list[Event] = []
        self.afterwards: list[Callable[[], None]] = []

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do something quick in this process once the transaction has committed."""
        self.afterwards.append(act)

    def publish(self, *events: Event) -> None:
        """Announce facts in this work's lane; they leave only if the transaction commits."""
        self.announced.extend(events)

    async def write_outbox(self) -> None:
        """Write what was announced, in one statement."""
        if not self.announced:
            return
        rows = [(event.name, body) for event in self.announced for body in _bodies(event)]
        await self.connection.execute(
            "INSERT INTO outbox (message_id, name, lane, body)"
            " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[])",
            [new_id() for _ in rows],
            [name for name, _ in rows],
            [self.lane] * len(rows),
            [body for _, body in rows],
        )


def _bodies(event: Event) -> Iterator[bytes]:
    """Write an event, in halves while it is too long and holds several rows."""
    body = event.model_dump_json(exclude_defaults=True).encode()
    halves = event.halves() if len(body) > MOST_BYTES else ()
    if halves:
        for half in halves:
            yield from _bodies(half)
    else:
        yield body


def _is_lost(connection: Connection) -> bool:
    """Tell whether the server hung up; a lost connection leaves the pool, its proxy refuses all."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


async def _speak_json(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, encoder=_encode_json, decoder=orjson.loads, schema="pg_catalog"
        )


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """Skip the reset statement at each release: nobody here changes a session, only SET LOCAL."""


def _encode_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON can say
    return orjson.dumps(value).decode()


def json_array(values: Sequence[Any]) -> list[str]:
    """Encode values for a `text[]` parameter that the statement casts to jsonb.

    asyncpg encodes an array of jsonb element by element in Python; text is one pass in C.
    """
    return [orjson.dumps(value).decode() for value in values]
