"""A triggers service to try: templates, members, commands, and handlers called by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import orjson

from services.triggers.handlers import catalogue, devices, passes, pushes, questions
from services.triggers.repository.channels import ChannelCache
from services.triggers.repository.templates import TemplateCache
from shared.contracts.gateway import TemplateDeleted, TemplateSaved
from shared.contracts.member import Member, MembersChanged
from shared.contracts.message import Event, Query, Request
from shared.contracts.notifier import DeviceAct, DevicesActed, GoogleWanted, WantedPass
from shared.contracts.triggers import (
    ChangePass,
    Counts,
    CreatePass,
    EventsLogged,
    FindPass,
    ListPasses,
    LoggedEvent,
    Pass,
    PassChanged,
    PassCreated,
    PassesChanged,
    PassPage,
    PassSince,
    PushPasses,
    ReadCounts,
    ReadPass,
    ReadPassSince,
    ReadTimeline,
)
from shared.database import Database, UnitOfWork
from shared.errors import ApplicationError
from shared.identifiers import new_handle, new_id, new_serial
from shared.messaging.consumer import QuestionConsumer
from shared.messaging.envelope import Question
from shared.messaging.subscription import answer
from shared.sealing import MasterKeys

ACCOUNT = UUID(int=1)
OTHER_ACCOUNT = UUID(int=2)
TEMPLATE = UUID(int=10)
POINTS = "structure_headerFields_points_value"
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)

DOCUMENT: dict[str, Any] = {
    "pass": {
        "description": "Coffee card",
        "storeCard": {"headerFields": [{"key": "points", "label": "Points", "value": 0}]},
        "barcodes": [{"format": "PKBarcodeFormatQR"}],
    },
    "properties": {"stamps": 0, "welcomes": 0, "note": "", "psScanText": "", "psScanColor": ""},
    "triggers": {
        "onCreate": {"action": "PSActionIncrementValue", "targetPath": "welcomes", "amount": 1},
        "onScan": [
            {"action": "PSActionIncrementValue", "targetPath": "stamps", "amount": 1},
            {"action": "PSActionSetValue", "targetPath": "psScanText", "value": "{stamps} stamps"},
        ],
        "onCheck": {"action": "PSActionSetValue", "targetPath": "psScanText", "value": "Checked"},
    },
}

Reply = TypeVar("Reply")


def a_template(
    revision: int = 1,
    *,
    template_id: UUID = TEMPLATE,
    account_id: UUID = ACCOUNT,
    document: dict[str, Any] | None = None,
) -> TemplateSaved:
    return TemplateSaved(
        template_id=template_id,
        account_id=account_id,
        revision=revision,
        template_name="Card",
        organization_name="Beans",
        apple_identity_id=UUID(int=20),
        document=document or DOCUMENT,
        images={},
    )


def a_member(
    version: int = 1, member_id: str = "ann", *, account_id: UUID = ACCOUNT, **facts: Any
) -> Member:
    return Member(
        account_id=account_id,
        member_id=member_id,
        version=version,
        created_at=MOMENT,
        updated_at=MOMENT,
        **facts,
    )


def a_creation(
    values: dict[str, Any] | None = None,
    *,
    member: Member | None = None,
    template_id: UUID = TEMPLATE,
    account_id: UUID = ACCOUNT,
    revision: int = 1,
    handle: str | None = None,
    **how: Any,
) -> CreatePass:
    return CreatePass(
        command_id=new_id(),
        account_id=account_id,
        template_id=template_id,
        template_revision=revision,
        handle=handle or new_handle(),
        serial_number=new_serial(),
        member=member,
        values=values or {},
        **how,
    )


def a_change(
    handle: str,
    kind: Any,
    values: dict[str, Any] | None = None,
    *,
    account_id: UUID = ACCOUNT,
    **how: Any,
) -> ChangePass:
    return ChangePass(
        command_id=new_id(),
        account_id=account_id,
        handle=handle,
        kind=kind,
        values=values or {},
        **how,
    )


@dataclass
class Life:
    """One process of the service; `told` holds what the last call announced."""

    database: Database
    cache: TemplateCache = field(
        default_factory=lambda: TemplateCache(
            MasterKeys.parse(MasterKeys.generate_text()), "https://passes.example"
        )
    )
    channels: ChannelCache = field(default_factory=ChannelCache)
    told: list[Event] = field(default_factory=list[Event])

    async def create(self, *commands: CreatePass) -> list[PassCreated | ApplicationError]:
        return await self._do(
            passes.create_passes, commands, cache=self.cache, channels=self.channels
        )

    async def change(self, *commands: ChangePass) -> list[PassChanged | ApplicationError]:
        return await self._do(passes.change_passes, commands, cache=self.cache)

    async def issued(self, values: dict[str, Any] | None = None, **rest: Any) -> str:
        """Issue a pass and give its handle."""
        command = a_creation(values, **rest)
        good((await self.create(command))[0])
        return command.handle

    async def happened(
        self, handle: str, kind: str, values: dict[str, Any] | None = None, **how: Any
    ) -> PassChanged:
        return good((await self.change(a_change(handle, kind, values, **how)))[0])

    async def push_all(self, *, account_id: UUID = ACCOUNT) -> int:
        command = PushPasses(command_id=new_id(), account_id=account_id, template_id=TEMPLATE)
        return (await self._do(pushes.push_passes, [command], cache=self.cache))[0].count

    async def act(self, *acts: DeviceAct) -> None:
        await self._do(devices.follow_devices, [DevicesActed(acts=list(acts))], cache=self.cache)

    async def want_at_google(self, *handles: str, account_id: UUID = ACCOUNT) -> None:
        wanted = [WantedPass(account_id=account_id, handle=handle) for handle in handles]
        await self._do(devices.note_at_google, [GoogleWanted(passes=wanted)])

    async def keep(self, *templates: TemplateSaved) -> None:
        await self._do(catalogue.keep_templates, templates)

    async def drop(self, deletion: TemplateDeleted) -> None:
        await self._do(catalogue.delete_templates, [deletion])

    async def follow(self, *members: Member) -> None:
        await self._do(
            catalogue.follow_members,
            [MembersChanged(members=list(members))],
            cache=self.cache,
        )

    async def read(self, *handles: str, account_id: UUID | None = ACCOUNT) -> list[Pass]:
        queries = [ReadPass(account_id=account_id, handle=handle) for handle in handles]
        return [good(one) for one in await self._do(questions.read_passes, queries)]

    async def find(self, *serial_numbers: str) -> list[Pass | ApplicationError]:
        """Find passes as devices name them."""
        queries = [FindPass(serial_number=number) for number in serial_numbers]
        return await self._do(questions.find_passes, queries)

    async def since(
        self, handle: str, version: int, *, account_id: UUID = ACCOUNT
    ) -> PassSince | ApplicationError:
        """Ask for a pass if it is at another version."""
        query = ReadPassSince(account_id=account_id, handle=handle, version=version)
        return (await self._do(questions.read_passes_since, [query]))[0]

    async def timeline(self, handle: str, **rest: Any) -> list[LoggedEvent]:
        query = ReadTimeline(account_id=ACCOUNT, handle=handle, **rest)
        return good((await self._do(questions.read_timelines, [query]))[0]).events

    async def page(self, **rest: Any) -> PassPage:
        query = ListPasses.model_validate({"account_id": ACCOUNT, **rest})
        return (await self._do(questions.list_passes, [query]))[0]

    async def counts(self, *, account_id: UUID = ACCOUNT) -> Counts:
        query = ReadCounts(account_id=account_id, template_id=TEMPLATE)
        return (await self._do(questions.read_counts, [query]))[0]

    async def ask(self, handler: Callable[..., Awaitable[Reply]], *queries: Query) -> Reply:
        return await self._do(handler, queries)

    def consumer(self) -> QuestionConsumer:
        return QuestionConsumer(
            "triggers",
            "interactive",
            self.database,
            [
                answer(
                    CreatePass,
                    partial(passes.create_passes, cache=self.cache, channels=self.channels),
                ),
                answer(ChangePass, partial(passes.change_passes, cache=self.cache)),
            ],
        )

    def changed(self) -> list[Pass]:
        """Give the passes that the last call announced as changed."""
        return [p for event in self.told if isinstance(event, PassesChanged) for p in event.passes]

    def logged(self) -> list[LoggedEvent]:
        return [e for event in self.told if isinstance(event, EventsLogged) for e in event.events]

    async def _do(
        self, handler: Callable[..., Awaitable[Any]], messages: Sequence[Any], **clients: Any
    ) -> Any:
        async with self.database.work() as work:
            outcome = await handler(list(messages), work, **clients)
        self.told = work.announced
        return outcome


async def put(
    consumer: QuestionConsumer, *rows: Request, patience: float = 5
) -> list[dict[str, Any]]:
    """Ask as the gateway does, and give the answers by row."""
    reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(body: bytes) -> None:
        reply.set_result(body)

    body = b"[%s]" % b",".join(row.model_dump_json().encode() for row in rows)
    deadline = asyncio.get_running_loop().time() + patience
    await consumer.receive([Question(rows[0].name, body, deadline, take)])
    return orjson.loads(await reply)


async def until_somebody_waits(database: Database) -> None:
    async with asyncio.timeout(10), database.connection() as connection:
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


async def create_in(work: UnitOfWork, life: Life, command: CreatePass) -> None:
    good((await passes.create_passes([command], work, cache=life.cache, channels=life.channels))[0])


def good(outcome: Reply | ApplicationError) -> Reply:
    if isinstance(outcome, ApplicationError):
        raise outcome
    return outcome


def kinds(outcomes: Sequence[Any]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]
