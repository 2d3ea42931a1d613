"""One way to start, run and drain a process, whichever services are in it."""

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import structlog
import uvloop
from aiohttp import web

from shared import crashing, metrics
from shared.command_line import CommandParser
from shared.contracts.message import Command, Lane, Query
from shared.contracts.services import LISTENERS, ServiceName
from shared.database import Database, role_of
from shared.errors import UnavailableError
from shared.http.server import HttpServer, operational_routes
from shared.logs import configure_logs, trace_of
from shared.messaging import inbox
from shared.messaging.consumer import EventConsumer, QuestionConsumer
from shared.messaging.erasure import erase_persons
from shared.messaging.outbox import Relay, forget_sent
from shared.messaging.precedence import Precedence
from shared.messaging.rabbitmq import RabbitMQTransport
from shared.messaging.receipts import ASK_SECONDS, Receipts
from shared.messaging.subscription import Subscription
from shared.messaging.topology import LANES, catalogue_queue, events_queue
from shared.messaging.transport import Transport, TransportRefusedError
from shared.migrations import MESSAGING
from shared.resealing import SealedColumn
from shared.sealing import MasterKeys
from shared.settings import DATABASE_FORM, CommonSettings, StartUpError, read_settings

MAX_EVENTS = 50
"""Event messages handled in one transaction; a list ends sooner when they are long."""

MAX_QUESTIONS = 20
"""Joined requests taken at a time."""

DRAIN_SECONDS = 20.0

ERASE_SECONDS = 5.0
"""How often a service looks for persons whose values are to go."""

AS_OWNER = "run `python -m services migrate` as the owner of the database, who may create roles"

NOT_MIGRATED = (
    "The database that DATABASE_URL names is not migrated: run `python -m services migrate`."
)

AnySettings = TypeVar("AnySettings", bound=CommonSettings)

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True)
class Job:
    """Work that the clock starts: again `every` seconds after it ended, or when `due` is set."""

    name: str
    run: Callable[[], Awaitable[Any]]
    every: float
    due: asyncio.Event | None = None


@dataclass(frozen=True)
class Service:
    """All that a service is: `build()` in its `app.py` makes one, `run()` brings it to life."""

    name: ServiceName
    database: Database
    keys: MasterKeys
    migrations: Path
    subscriptions: Sequence[Subscription] = ()
    jobs: Sequence[Job] = ()
    application: web.Application | None = None
    """Public HTTP; only the gateway has one."""
    port: int = 0
    host: str = "127.0.0.1"
    lanes: tuple[Lane, ...] = LANES
    sealed: Sequence[SealedColumn] = ()
    """What of its own tables master keys have sealed."""
    opened: Sequence[Callable[[], Awaitable[None]]] = field(default_factory=tuple)
    """Called once the database pool is there, before anything is received."""
    closed: Sequence[Callable[[], Awaitable[None]]] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        """Refuse a service whose table disagrees with the topology that all others declare."""
        mine = {s.message for s in self.subscriptions if not issubclass(s.message, Command | Query)}
        if mine != set(LISTENERS[self.name]):
            raise ValueError(f"{self.name} must listen to exactly {LISTENERS[self.name]}")


class RunningServices:
    """Services that share a process and a transport; started and drained together."""

    def __init__(
        self, services: Sequence[Service], transport: Transport, health_port: int | None = None
    ) -> None:
        self._services = services
        self._transport = transport
        self._health_port = health_port
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[HttpServer] = []
        self._health: list[HttpServer] = []
        self._questions: list[QuestionConsumer] = []
        self._draining = False
        self.stopping = asyncio.Event()
        self.ports: dict[str, int] = {}
        """Where each application, and `health`, listens."""

    async def start(self) -> None:
        for service in self._services:
            await service.database.start()
            await check_database(service.database, service.migrations)
            for opened in service.opened:
                await opened()
            self._receive(service)
        await start_transport(self._transport)
        for service in self._services:
            relay = Relay(service.database, self._transport)
            self._spawn(f"{service.name} relay", relay.run)
            for job in (*service.jobs, *self._messaging_jobs(service)):
                self._spawn(f"{service.name} {job.name}", lambda job=job: _repeat(job))
            if service.application is not None:
                server = await self._serve(
                    service.name, service.application, service.host, service.port
                )
                self._servers.append(server)
        if self._health_port is not None:
            host = self._services[0].host
            health = await self._serve("health", web.Application(), host, self._health_port)
            self._health.append(health)

    async def stop(self) -> None:
        """Drain: no new requests, finish what is in work, relay what was announced, close."""
        self._draining = True
        for server in self._servers:
            await server.stop(DRAIN_SECONDS)
        await self._transport.stop_receiving()
        for consumer in self._questions:
            await consumer.drain()
        # Before the last look at the outbox: a relay that goes on beside us hides the rows it holds
        # and, cancelled in the middle, leaves them behind.
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for service in self._services:
            relay = Relay(service.database, self._transport)
            try:
                async with asyncio.timeout(5):
                    await relay.drain()
            except Exception as error:  # noqa: BLE001 - the rows stay, and the rest must close
                log.warning("outbox_left", service=service.name, kind=type(error).__name__)
        await self._transport.stop()
        for service in self._services:
            for closed in service.closed:
                await closed()
            await service.database.stop()
        for server in self._health:  # last, so that a probe hears "not ready" while we drain
            await server.stop(1)

    async def ready(self) -> dict[str, bool]:
        """Check what each service needs to do its work, all at once."""
        databases = await asyncio.gather(*(_answers(s.database) for s in self._services))
        return {
            "accepting": not self._draining,
            "transport": self._transport.connected,
            **{f"{s.name}_database": ok for s, ok in zip(self._services, databases, strict=True)},
        }

    def _receive(self, service: Service) -> None:
        events = [s for s in service.subscriptions if not issubclass(s.message, Command | Query)]
        requests = [s for s in service.subscriptions if issubclass(s.message, Command | Query)]
        receipts = Receipts(service.name, service.database, self._transport)
        consumer = EventConsumer(service.name, service.database, events, service.keys, receipts)
        catalogue = catalogue_queue(service.name)
        self._transport.receive_events(catalogue, consumer.receive, most=MAX_EVENTS)
        precedence = Precedence()
        for lane in service.lanes:
            in_turn = precedence.first if lane == "interactive" else precedence.behind
            self._transport.receive_events(
                events_queue(service.name, lane), in_turn(consumer.receive), most=MAX_EVENTS
            )
            if requests:
                questions = QuestionConsumer(service.name, lane, service.database, requests)
                self._questions.append(questions)
                self._transport.receive_questions(
                    service.name, lane, in_turn(questions.receive), most=MAX_QUESTIONS
                )

    def _messaging_jobs(self, service: Service) -> list[Job]:
        database = service.database
        receipts = Receipts(service.name, database, self._transport)
        return [
            Job("ask for receipts", receipts.ask, every=ASK_SECONDS),
            Job("erase persons", lambda: erase_persons(database), every=ERASE_SECONDS),
            Job("forget old messages", lambda: inbox.forget_old(database), every=600),
            Job("forget sent events", lambda: forget_sent(database), every=600),
        ]

    def _spawn(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(_supervised(name, run), name=name))

    async def _serve(
        self, name: str, application: web.Application, host: str, port: int
    ) -> HttpServer:
        health = {"services": " ".join(service.name for service in self._services)}
        render = metrics.render if name == "health" else None
        application.add_routes(operational_routes(health, self.ready, render))
        server = HttpServer(application, host, port)
        setting = "PASSWRIGHT_HEALTH_PORT" if name == "health" else "PASSWRIGHT_PORT"
        try:
            self.ports[name] = await server.start()
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise StartUpError(f"PASSWRIGHT_HOST is wrong: {host} is not here.") from None
            taken = error.errno == errno.EADDRINUSE
            why = f"port {port} is in use" if taken else f"{host}:{port} cannot be listened on"
            raise StartUpError(f"{setting} is wrong: {why}.") from None
        return server


async def _answers(database: Database) -> bool:
    try:
        await database.check()
    except UnavailableError:
        return False
    return True


async def _supervised(name: str, run: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await run()
        except UnavailableError as error:
            log.warning("task_waits", task=name, reason=error.code)
        except Exception as error:  # noqa: BLE001 - one failure must not end it for good
            log.error(  # noqa: TRY400 - a trace with its message may show personal values
                "task_failed", task=name, kind=type(error).__name__, trace=trace_of(error)
            )
        await asyncio.sleep(1.0)


async def _repeat(job: Job) -> None:
    while True:
        if job.due is not None:
            job.due.clear()
        await job.run()
        if job.due is None:
            await asyncio.sleep(job.every)
            continue
        with suppress(TimeoutError):
            await asyncio.wait_for(job.due.wait(), timeout=job.every)


@asynccontextmanager
async def running_until_stopped(
    services: Sequence[Service], transport: Transport, health_port: int | None = None
) -> AsyncGenerator[RunningServices]:
    """Start; SIGTERM or SIGINT sets `stopping`; drain at the end of the block."""
    running = RunningServices(services, transport, health_port)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.stopping.set)
    try:
        await running.start()
        log.info("started", services=[s.name for s in services], ports=running.ports)
        yield running
    finally:
        log.info("draining")
        await running.stop()


async def check_database(database: Database, migrations: Path) -> None:
    """Say at once what no waiting mends; a server that is away may come."""
    role, schema = role_of(database.schema), database.schema
    try:
        async with database.connection() as connection:
            may_use = await connection.fetchval(
                "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1",
                schema,
            )
            has_table = await connection.fetchval("SELECT to_regclass('migrations') IS NOT NULL")
            applied = await connection.fetch("SELECT name FROM migrations") if has_table else []
    except UnavailableError as error:
        reason = error.__cause__
        if isinstance(reason, asyncpg.InsufficientPrivilegeError):
            raise StartUpError(
                f"DATABASE_URL is wrong: its user may not take on the role {role}; {AS_OWNER}."
            ) from None
        if reason is not None and (sentence := refusal_of(reason)):
            raise StartUpError(sentence) from None
        return
    except (asyncpg.PostgresError, ValueError) as error:
        raise StartUpError(refusal_of(error) or NOT_MIGRATED) from None
    if may_use is False:
        raise StartUpError(
            f"DATABASE_URL is wrong: the role {role} may not use the schema {schema}; {AS_OWNER}."
        )
    files = {path.name for folder in (MESSAGING, migrations) for path in folder.glob("*.sql")}
    if not files <= {row["name"] for row in applied}:
        raise StartUpError(NOT_MIGRATED)


def refusal_of(error: BaseException) -> str | None:
    """Say what no waiting mends about PostgreSQL; None about a server that may come back."""
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return "DATABASE_URL is wrong: PostgreSQL refuses its user or password."
        case asyncpg.InvalidCatalogNameError():
            return "DATABASE_URL is wrong: there is no such database."
        case asyncpg.InsufficientPrivilegeError():
            return f"DATABASE_URL is wrong: its user lacks rights in the database; {AS_OWNER}."
        case (
            asyncpg.InvalidParameterValueError()  # as a role, that there is none
            | asyncpg.UndefinedObjectError()
            | asyncpg.UndefinedTableError()
            | asyncpg.UndefinedColumnError()
        ):
            return NOT_MIGRATED
        case ValueError() | OverflowError():
            return f"DATABASE_URL is wrong: it looks like {DATABASE_FORM}."
        case _:
            return None


async def start_transport(transport: Transport) -> None:
    """Start it; say what no waiting mends."""
    try:
        await transport.start()
    except TransportRefusedError as error:
        raise StartUpError(f"AMQP_URL is wrong: {error}.") from None


def tune_collector() -> None:
    """Collect garbage less often: what a request leaves is freed by counting, what stays stays."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def main(build: Callable[[AnySettings, Transport], Service], kind: type[AnySettings]) -> None:
    """Run one service as a process of its own, on RabbitMQ; `--lane` leaves it one lane only."""
    service = build.__module__.rpartition(".")[0]
    parser = CommandParser(prog=f"python -m {service}", description=main.__doc__)
    parser.add_argument("--lane", choices=LANES, help="only this lane; both when not given")
    lane: Lane | None = parser.parse_args().lane
    try:
        _run(build, read_settings(kind), lane)
    except StartUpError as error:
        raise SystemExit(str(error)) from None


def _run(
    build: Callable[[AnySettings, Transport], Service], settings: AnySettings, lane: Lane | None
) -> None:
    if settings.amqp_url is None:
        raise StartUpError("AMQP_URL is not set; without RabbitMQ run `python -m services run`.")
    url, prefix = settings.amqp_url.get_secret_value(), settings.amqp_prefix

    async def live() -> None:
        transport = RabbitMQTransport(url, prefix=prefix)
        service = build(settings, transport)
        if lane is not None:
            service = replace(service, lanes=(lane,))
        async with running_until_stopped([service], transport, settings.health_port) as running:
            await running.stopping.wait()

    crashing.arm(settings.crash_at)
    tune_collector()
    configure_logs(service=build.__module__.split(".")[1], level=settings.log_level,
                   json=settings.log_json)  # fmt: skip
    uvloop.run(live())
