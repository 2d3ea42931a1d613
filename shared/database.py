"""PostgreSQL for one service: a pool under its own role, units of work that announce facts."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import structlog
from asyncpg.pool import PoolConnectionProxy

from shared.contracts.message import Event, Lane, Person
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
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresIOError,
)
"""What the server says when it is going, gone, full, out of disk or read-only."""

REFUSED_SECONDS = 5.0
"""So long a server that has refused to write counts as not ready."""

PULSE_SECONDS = 0.3
SILENT_SECONDS = 0.6
"""How often the server is asked for a sign of life, and how long it may say nothing at all."""

GRACE_SECONDS = 0.05
GRACE_TURNS = 10
"""For an answer that is there, but was not read because this process itself stood still.

A busy loop takes some turns to bring it where it is awaited, however long each of them is.
"""

REFUSALS = (
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresIOError,
)

PERHAPS_AWAY = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises on a lost connection, but also for mistakes that no waiting mends."""

MAX_BYTES = 900 * 1024
"""The longest body of an event; no message is over 1 MiB."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def columns(rows: Iterable[Any], *fields: str | int) -> list[list[Any]]:
    """Turn rows into a list for each field, as `unnest` takes them.

    A field is an attribute, such as `entry.reason`, or the place of an item in a tuple.
    """
    listed = list(rows)
    getters = [attrgetter(f) if isinstance(f, str) else itemgetter(f) for f in fields]
    return [list(map(getter, listed)) for getter in getters]


class DatabaseAwayError(UnavailableError):
    """The database is away for the moment; the same request may be sent again."""

    code = "database_away"


def role_of(schema: str) -> str:
    """Name the database role that owns the data of one service."""
    return f"passwright_{schema}"


class Database:
    """The pool of one service: its schema as search path, its role as rights.

    Nothing waits for ever: a connection is acquired within `acquire_timeout` seconds and a
    statement ends within `statement_timeout` seconds, else `DatabaseAwayError`. A server that
    stands still, and ends no statement, is away within a second for all who wait for it.
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
        self._lent: set[Connection] = set()
        self._watching: asyncio.Task[None] | None = None
        self._is_silent = False
        self._heard_at = 0.0
        self._refused_at = float("-inf")

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
        self._watching = asyncio.create_task(self._watch(), name=f"{self.schema} pulse")

    async def stop(self) -> None:
        """Close the pool within 5 seconds, politely or not."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
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
        if pool is None or self._is_silent:
            raise DatabaseAwayError
        try:
            connection = await pool.acquire(timeout=self._acquire_timeout)
        except (asyncpg.PostgresError, *PERHAPS_AWAY, TimeoutError) as error:
            raise self._away(error) from error
        self._lent.add(connection)
        try:
            yield connection
        except AWAY as error:
            if isinstance(error, REFUSALS):
                self._refused_at = asyncio.get_running_loop().time()
            raise self._away(error) from error
        except PERHAPS_AWAY as error:
            if not _is_lost(connection):
                raise
            raise self._away(error) from error
        else:
            self._heard_at = asyncio.get_running_loop().time()
        finally:
            self._lent.discard(connection)
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

    @asynccontextmanager
    async def reading(self, lane: Lane = "interactive") -> AsyncGenerator["UnitOfWork"]:
        """Open a unit of work for statements that only read, each by itself: no transaction."""
        async with self.connection() as connection:
            yield UnitOfWork(connection, lane)

    async def check(self) -> None:
        """Ask the server for a sign of life within a second; it must not have refused to write."""
        if asyncio.get_running_loop().time() - self._refused_at < REFUSED_SECONDS:
            raise DatabaseAwayError
        try:
            async with self.connection() as connection:
                is_read_only = await connection.fetchval(
                    "SELECT current_setting('transaction_read_only') = 'on'", timeout=1
                )
        except TimeoutError as error:
            raise self._away(error) from error
        if is_read_only:
            raise DatabaseAwayError

    async def _watch(self) -> None:
        """Notice a server that stands still: connections to it are cut, and none are lent."""
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(
                    self.url,
                    timeout=2,
                    server_settings={"application_name": f"passwright {self.schema} pulse"},
                )
                while await self._has_pulse(connection):
                    self._is_silent = False
                    await asyncio.sleep(PULSE_SECONDS)
                self._fall_silent()
            except (asyncpg.PostgresError, *PERHAPS_AWAY, TimeoutError):
                log.debug("pulse_lost", schema=self.schema)
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(PULSE_SECONDS)

    async def _has_pulse(self, connection: asyncpg.Connection) -> bool:
        """Wait until the server says something, here or in any other statement."""
        loop = asyncio.get_running_loop()
        asked = asyncio.create_task(connection.execute("SELECT 1"))
        try:
            while True:
                since = loop.time()
                await asyncio.wait({asked}, timeout=SILENT_SECONDS)
                stood_still = loop.time() - since > SILENT_SECONDS + GRACE_SECONDS
                for _ in range(GRACE_TURNS):
                    if not asked.done():
                        await asyncio.sleep(GRACE_SECONDS / GRACE_TURNS)
                if asked.done():
                    asked.result()
                    return True
                if self._heard_at < since and not stood_still:
                    return False
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    def _fall_silent(self) -> None:
        log.warning("database_silent", schema=self.schema, lent=len(self._lent))
        self._is_silent = True
        for connection in self._lent:
            connection.terminate()

    def _away(self, error: Exception) -> DatabaseAwayError:
        log.warning("database_away", schema=self.schema, reason=type(error).__name__)
        return DatabaseAwayError()


class UnitOfWork:
    """One transaction and the facts that become true with it."""

    def __init__(self, connection: Connection, lane: Lane) -> None:
        self.connection = connection
        self.lane: Lane = lane
        self.announced: list[Event] = []
        self.erased: set[Person] = set()
        self.afterwards: list[Callable[[], None]] = []

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do something quick in this process once the transaction has committed."""
        self.afterwards.append(act)

    def publish(self, *events: Event) -> None:
        """Announce facts in this work's lane; they leave only if the transaction commits."""
        self.announced.extend(events)

    def erase(self, persons: Iterable[Person]) -> None:
        """Have what messages at rest tell of persons taken out of them; they are deleted.

        Their rows must be locked: what is told of them later, should they come back, stays.
        """
        self.erased.update(persons)

    async def write_outbox(self) -> None:
        """Write what was announced, and of whom it tells, in one statement."""
        if self.erased:
            await self._ask_for_erasure()
        if not self.announced:
            return
        rows = [(new_id(), part, body) for event in self.announced for part, body in _parts(event)]
        columns = (
            [message_id for message_id, _, _ in rows],
            [part.name for _, part, _ in rows],
            [self.lane] * len(rows),
            [body for _, _, body in rows],
        )
        told = [(i, digest) for i, part, _ in rows for digest in {p.digest for p in part.persons()}]
        if not told:
            await self.connection.execute(_ADD_TO_OUTBOX, *columns)
            return
        await self.connection.execute(
            f"""
            WITH written AS ({_ADD_TO_OUTBOX} RETURNING outbox_id, message_id)
            INSERT INTO outbox_persons (outbox_id, person)
            SELECT outbox_id, person
            FROM written
            JOIN unnest($5::uuid[], $6::bigint[]) AS t (message_id, person) USING (message_id)
            """,  # noqa: S608 - our own text
            *columns,
            [message_id for message_id, _ in told],
            [digest for _, digest in told],
        )

    async def _ask_for_erasure(self) -> None:
        persons = sorted(self.erased)
        await self.connection.execute(
            """
            INSERT INTO erasures (account_id, member_id, person, upto_id)
            SELECT account_id, member_id, person,
                nextval(pg_get_serial_sequence('outbox', 'outbox_id'))
            FROM unnest($1::uuid[], $2::text[], $3::bigint[])
                AS erased (account_id, member_id, person)
            ON CONFLICT (account_id, member_id) DO UPDATE
            SET upto_id = excluded.upto_id,
                asked_at = now(),
                done_at = NULL
            """,
            [account_id for account_id, _ in persons],
            [member_id for _, member_id in persons],
            [person.digest for person in persons],
        )


_ADD_TO_OUTBOX = """
    INSERT INTO outbox (message_id, name, lane, body)
    SELECT *
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[])
    """


def _parts(event: Event) -> Iterator[tuple[Event, bytes]]:
    """Write an event, in halves while it is too long and holds several rows."""
    body = event.model_dump_json(exclude_defaults=True).encode()
    halves = event.halves() if len(body) > MAX_BYTES else ()
    if halves:
        for half in halves:
            yield from _parts(half)
    else:
        yield event, body


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
