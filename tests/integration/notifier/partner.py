"""A notifier to try, and a partner's server that hears what it posts."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import web
from standardwebhooks import Webhook

from services.notifier import app, handlers
from services.notifier.app import build
from services.notifier.apple.handlers.contents import store_contents
from services.notifier.feed.domain.happenings import Happening
from services.notifier.feed.handlers import events, feed
from services.notifier.partners.clients import WebhookSender
from services.notifier.partners.domain.webhooks import RoundRobin
from services.notifier.partners.handlers import deliveries, endpoints
from services.notifier.partners.jobs.deliveries import DeliveryJob
from services.notifier.settings import Settings
from shared.contracts.generator import ContentBuilt
from shared.contracts.notifier import (
    SECRET_PURPOSE,
    CreateEndpoint,
    Delivery,
    Endpoint,
    EndpointSecret,
    FeedPage,
    ListDeliveries,
    ListEvents,
    PassNotices,
    ReadNotices,
    ReplayDeliveries,
    TriedEndpoint,
    TryEndpoint,
)
from shared.contracts.triggers import EventKind, EventsLogged, LoggedEvent
from shared.database import Database, UnitOfWork
from shared.http.outgoing import OutgoingAddressPolicy, OutgoingClient
from shared.identifiers import new_id
from shared.messaging.embedded import EmbeddedTransport
from shared.migrations import MESSAGING, migrate
from shared.sealing import MasterKeys
from shared.service import Service
from tests.schemas import checked

MIGRATIONS = Path(app.__file__).parent / "migrations"


@dataclass(frozen=True)
class Made:
    """An endpoint and its secret, as its owner sees them once."""

    endpoint: Endpoint
    secret: str


@dataclass
class Notifier:
    """One process of the notifier, driven by hand: `run` posts until nothing is due."""

    database: Database
    keys: MasterKeys
    client: OutgoingClient
    round_robin: RoundRobin = field(default_factory=RoundRobin)
    due: asyncio.Event = field(default_factory=asyncio.Event)
    pushes: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when devices have to be woken."""

    def __post_init__(self) -> None:
        self.sender = WebhookSender(self.client, self.keys)
        deliver = partial(deliveries.deliver, notify=self.notify)
        self.announce = partial(events.tell, deliver=deliver)
        self.job = DeliveryJob(
            self.database, self.sender, self.round_robin, self.due, self.announce
        )
        self.run = self.job.run

    def notify(self, endpoint_ids: Collection[UUID]) -> None:
        self.round_robin.add(endpoint_ids)

    async def tell(self, handler: Callable[[list[Any], UnitOfWork], Any], *messages: Any) -> Any:
        async with self.database.work() as work:
            return await handler(list(messages), work)

    async def notices(self, account_id: UUID, handle: str) -> PassNotices:
        """What is known of a pass; what stands for Google is not Google."""
        handler = partial(handlers.read_notices, at_google=False)
        query = ReadNotices(account_id=account_id, handle=handle)
        return (await self.tell(handler, query))[0]

    async def create(self, command: CreateEndpoint) -> Made:
        handler = partial(
            endpoints.create_endpoints, check_url=self.client.check_url, keys=self.keys
        )
        return opened(self.keys, (await self.tell(handler, command))[0])

    async def update(self, command: Any) -> Any:
        handler = partial(
            endpoints.update_endpoints, check_url=self.client.check_url, notify=self.notify
        )
        return (await self.tell(handler, command))[0]

    async def rotate(self, command: Any) -> Made:
        handler = partial(endpoints.rotate_secrets, keys=self.keys)
        return opened(self.keys, (await self.tell(handler, command))[0])

    async def log(self, *logged: LoggedEvent) -> None:
        handler = partial(handlers.store_events, tell=self.announce, start_pushing=self.pushes.set)
        await self.tell(handler, EventsLogged(events=list(logged)))

    async def build(self, *messages: ContentBuilt) -> None:
        await self.tell(partial(store_contents, start_pushing=self.pushes.set), *messages)

    async def happen(self, *happenings: Happening) -> None:
        async with self.database.work() as work:
            await self.announce(work, happenings)

    async def until_waiting_for_a_lock(self) -> None:
        """Wait until some statement of ours waits for another transaction."""
        waiting = """
            SELECT
            FROM pg_locks
            JOIN pg_stat_activity USING (pid)
            WHERE NOT granted
                AND datname = current_database()
            """
        async with asyncio.timeout(10):
            while not await self.sql(waiting):
                await asyncio.sleep(0.01)

    async def replay(self, command: ReplayDeliveries) -> int:
        handler = partial(deliveries.replay_deliveries, notify=self.notify)
        return (await self.tell(handler, command))[0].count

    async def test(self, endpoint: Endpoint) -> TriedEndpoint:
        command = TryEndpoint(
            command_id=new_id(), account_id=endpoint.account_id, endpoint_id=endpoint.endpoint_id
        )
        handler = partial(deliveries.try_endpoints, notify=self.notify)
        return (await self.tell(handler, command))[0]

    async def feed(self, account_id: UUID, **fields: Any) -> FeedPage:
        """One page of an account's feed, or the error."""
        [page] = await self.tell(feed.list_events, ListEvents(account_id=account_id, **fields))
        if isinstance(page, Exception):
            raise page
        return page

    async def told(self, account_id: UUID, **fields: Any) -> list[dict[str, Any]]:
        """What the feed holds, as a consumer reads it: each of its schema."""
        page = await self.feed(account_id, **{"limit": 1000} | fields)
        return [checked(event) for event in page.events]

    async def deliveries(self, account_id: UUID, **filters: Any) -> list[Delivery]:
        query = ListDeliveries(account_id=account_id, **filters)
        return (await self.tell(deliveries.list_deliveries, query))[0].deliveries

    async def sql(self, statement: str, *arguments: Any) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetch(statement, *arguments)

    async def bring_forward(self) -> None:
        """Make everything that waits due now, and each lease over."""
        await self.sql("UPDATE deliveries SET next_attempt_at = now() WHERE state = 'pending'")


@contextlib.asynccontextmanager
async def a_notifier(
    url: str, *, development: bool = True, total: float = 15.0
) -> AsyncGenerator[Notifier]:
    """Prepare the schema and start one."""
    await migrate(url, {"notifier": [MESSAGING, MIGRATIONS]})
    database = Database(url, schema="notifier", size=8, acquire_timeout=5)
    await database.start()
    client = OutgoingClient(OutgoingAddressPolicy(allow_loopback=development), total_seconds=total)
    await client.open()
    notifier = Notifier(database, MasterKeys([bytes(32)]), client)
    try:
        yield notifier
    finally:
        await notifier.job.stop()
        await client.close()
        await database.stop()


def a_service(url: str, master_keys: str) -> tuple[Service, EmbeddedTransport]:
    settings = Settings.model_validate(
        {"database_url": url, "master_keys": master_keys, "allow_loopback": True}
    )
    transport = EmbeddedTransport(url)
    return build(settings, transport), transport


@dataclass
class Heard:
    path: str
    body: str
    headers: dict[str, str]


@dataclass
class Partner:
    """Answers each path with its next status, the last one again and again; 200 by default."""

    url: str = ""
    answers: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    headers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    held: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    heard: list[Heard] = field(default_factory=list[Heard])
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    at_once: int = 0
    most_at_once: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path.strip("/")
        body = await request.text()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        async with self.arrived:
            checked(body)
            self.heard.append(Heard(path, body, dict(request.headers)))
            self.arrived.notify_all()
        try:
            if path in self.held:
                await self.held[path].wait()
        finally:
            self.at_once -= 1
        statuses = self.answers.get(path, [200])
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        return web.Response(status=status, text=f"was {status}", headers=self.headers.get(path))

    def at(self, path: str) -> list[Heard]:
        return [one for one in self.heard if one.path == path]

    async def until(self, true: Callable[[], bool], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(true)


@contextlib.asynccontextmanager
async def a_partner() -> AsyncGenerator[Partner]:
    partner = Partner()
    application = web.Application()
    application.router.add_post("/{path}", partner.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    partner.url = f"http://{host}:{port}"
    try:
        yield partner
    finally:
        for event in partner.held.values():
            event.set()
        await runner.cleanup()


def verified(secret: str, heard: Heard) -> dict[str, Any]:
    """Verify as a partner would, with the official library."""
    checked(heard.body)
    return Webhook(secret).verify(heard.body, heard.headers)


def an_endpoint(account_id: UUID, url: str, **fields: Any) -> CreateEndpoint:
    return CreateEndpoint(
        command_id=new_id(), account_id=account_id, endpoint_id=new_id(), url=url, **fields
    )


def an_event(account_id: UUID, kind: EventKind = "scan", **fields: Any) -> LoggedEvent:
    given: dict[str, Any] = {
        "event_id": new_id(), "account_id": account_id, "template_id": new_id(), "handle": "handle",
        "kind": kind, "sequence": 1, "version": 2, "occurred_at": datetime.now(UTC),  # noqa: TID251
        "data": {"changes": {"points": [1, 2]}},
    }  # fmt: skip
    return LoggedEvent(**given | fields)


def statuses(deliveries: Sequence[Delivery]) -> list[list[int | None]]:
    return [[attempt.status for attempt in d.attempts] for d in deliveries]


def opened(keys: MasterKeys, reply: EndpointSecret) -> Made:
    owner = str(reply.endpoint.account_id)
    secret = keys.open(reply.sealed_secret, purpose=SECRET_PURPOSE, owner=owner)
    return Made(reply.endpoint, secret.decode())
