"""Passes of a notifier under trial that are to be at Google, and the worker that sends them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from services.notifier import handlers
from services.notifier.google.clients.accounts import ServiceAccounts
from services.notifier.google.clients.sender import GoogleSender
from services.notifier.google.domain.documents import digest_of
from services.notifier.google.handlers import (
    acts,
    callbacks,
    issuers,
    messages,
    passes,
    reading,
)
from services.notifier.google.jobs.sending import SendingWorker
from services.notifier.google.jobs.slots import Slots
from shared.contracts.gateway import GOOGLE_PURPOSE, GoogleIssuerSaved
from shared.contracts.generator import GoogleBuilt, GoogleDocument, GooglePass
from shared.contracts.message import Lane, Person
from shared.contracts.notifier import (
    DeviceAct,
    DevicesActed,
    GoogleKept,
    GoogleLink,
    GoogleObject,
    GoogleOutlook,
    GooglePassState,
    GoogleTemplateStatus,
    KeepGoogle,
    ListGoogleObjects,
    NoteGoogleCallback,
    Observation,
    ReadGoogleLink,
    ReadGoogleOutlook,
    ReadGoogleState,
    ReadGoogleStatus,
    TellGoogle,
)
from shared.contracts.triggers import DeletedPass, PassesDeleted
from shared.errors import ApplicationError, NotReadyError
from shared.google.accounts import TOKEN_URL
from shared.google.api import GoogleAddresses, GoogleApi
from shared.identifiers import new_id
from tests import forking
from tests.google.routes import BASE
from tests.google.server import ISSUER, FakeGoogle
from tests.google.world import Request
from tests.integration.google.documents import class_of, object_of
from tests.integration.notifier.partner import Notifier
from tests.system import clean_environment

CLASS = f"{ISSUER}.t_card"


@dataclass
class Googling:
    """A notifier whose passes go to a Google, driven by hand: `run` sends until nothing is due."""

    notifier: Notifier
    google: FakeGoogle
    api: GoogleApi
    account_id: UUID = field(default_factory=new_id)
    template_id: UUID = field(default_factory=new_id)
    due: asyncio.Event = field(default_factory=asyncio.Event)
    rate: float = 10_000
    workers: list[SendingWorker] = field(default_factory=list[SendingWorker])

    def __post_init__(self) -> None:
        self.accounts = ServiceAccounts(self.notifier.keys, TOKEN_URL)
        self.worker = self.a_worker()

    def a_worker(self, *, at_google: bool = False) -> SendingWorker:
        """Another process that sends."""
        slots = Slots(self.notifier.database, self.rate)
        self.sender = GoogleSender(self.api, self.accounts, slots.take)
        worker = SendingWorker(
            self.notifier.database,
            self.sender,
            self.due,
            tell_acts=acts.tell_acts,
            rate=self.rate,
            at_google=at_google,
        )
        self.workers.append(worker)
        return worker

    async def run(self) -> None:
        """Send until nothing is due; what waits for a slot is due."""
        await self.worker.run()

    async def keep_issuer(
        self, key_file: dict[str, str] | None = None, revision: int = 1, **fields: Any
    ) -> None:
        file = (key_file or self.google.key_file) | {"token_uri": TOKEN_URL}
        saved = GoogleIssuerSaved(
            issuer_id=fields.pop("issuer_id", ISSUER),
            account_id=self.account_id,
            revision=revision,
            email=file["client_email"],
            key_id=file["private_key_id"],
            project_id=file["project_id"],
            sealed=self.notifier.keys.seal(
                orjson.dumps(file), purpose=GOOGLE_PURPOSE, owner=str(self.account_id)
            ),
            **fields,
        )
        await self.notifier.tell(
            partial(issuers.keep_google_issuers, start_sending=self.due.set), saved
        )

    def a_pass(
        self,
        handle: str = "handle",
        *,
        type_: str = "loyalty",
        version: int = 1,
        push_version: int = 0,
        revision: int = 1,
        class_id: str = CLASS,
        of_class: dict[str, Any] | None = None,
        adopted: bool = False,
        watched: dict[str, tuple[str, str]] | None = None,
        member_id: str | None = None,
        issuer_id: str = ISSUER,
        **of_object: Any,
    ) -> GooglePass:
        """What Google is to have of a pass, as the generator says it."""
        class_body = class_of(type_, id=class_id) | (of_class or {})
        body = object_of(type_, id=object_id(handle, issuer_id), classId=class_id) | of_object
        body = {key: value for key, value in body.items() if value is not None}
        return GooglePass.model_validate(
            {
                "account_id": self.account_id,
                "template_id": self.template_id,
                "handle": handle,
                "member_id": member_id,
                "version": version,
                "push_version": push_version,
                "issuer_id": issuer_id,
                "class_id": class_id,
                "class_revision": revision,
                "class_document": None if adopted else a_document(type_, class_body),
                "object_document": a_document(type_, body),
                "watched": watched or {},
            }
        )

    async def keep(
        self, *wanted: GooglePass, lane: Any = "interactive", at_google: bool = False
    ) -> list[GoogleKept]:
        """Somebody wants passes there."""
        commands = [KeepGoogle(command_id=new_id(), google_pass=one, lane=lane) for one in wanted]
        handler = partial(handlers.keep_google, start_sending=self.due.set, at_google=at_google)
        return await self.notifier.tell(handler, *commands)

    async def build(self, *built: GooglePass, lane: Lane = "interactive") -> None:
        """The generator tells that passes are different."""
        async with self.notifier.database.work(lane) as work:
            message = GoogleBuilt(passes=list(built))
            await handlers.follow_google([message], work, start_sending=self.due.set)

    async def want(self, *handles: str, **fields: Any) -> None:
        """Somebody wants passes there, and Google takes them."""
        await self.keep(*(self.a_pass(handle, **fields) for handle in handles))
        await self.run()

    async def delete(self, *handles: str) -> None:
        handler = partial(handlers.end_passes, start_sending=self.due.set)
        await self.notifier.tell(handler, self.gone(*handles))

    def gone(self, *handles: str) -> PassesDeleted:
        """What triggers tells of deleted passes."""
        gone = [DeletedPass(handle=h, account_id=self.account_id, version=9) for h in handles]
        return PassesDeleted(passes=gone)

    async def erase(self, *persons: Person) -> None:
        """Members are deleted."""
        async with self.notifier.database.work() as work:
            await passes.erase_persons(set(persons), work, start_sending=self.due.set)

    async def link(
        self, handle: str = "handle", addresses: GoogleAddresses | None = None, **fields: Any
    ) -> GoogleLink:
        query = ReadGoogleLink(
            account_id=self.account_id, handle=handle, origin="https://pass.example", **fields
        )
        handler = partial(
            reading.read_google_links,
            accounts=self.accounts,
            addresses=addresses or self.api.addresses,
        )
        [link] = await self.notifier.tell(handler, query)
        if isinstance(link, ApplicationError | NotReadyError):
            raise link
        return link

    async def save(self, *handles: str, told: bool = True) -> None:
        """Somebody saves passes, by their links; Google tells it."""
        for handle in handles:
            await self.google.save((await self.link(handle)).save_url)
            if told:
                await self.call_back("save", handle)

    async def call_back(self, event_type: str, *handles: str, **fields: Any) -> None:
        commands = [
            NoteGoogleCallback.model_validate(
                {
                    "command_id": new_id(),
                    "issuer_id": ISSUER,
                    "class_id": CLASS,
                    "object_id": object_id(handle),
                    "event_type": event_type,
                    "at": self.google.clock.now(),
                }
                | fields
            )
            for handle in handles
        ]
        handler = partial(callbacks.note_google_callbacks, start_sending=self.due.set)
        await self.notifier.tell(handler, *commands)

    async def acts(self) -> list[DeviceAct]:
        """All installs and removals that were told, in order."""
        rows = await self.notifier.sql(
            "SELECT body FROM outbox WHERE name = $1 ORDER BY outbox_id", DevicesActed.name
        )
        return [a for row in rows for a in DevicesActed.model_validate_json(row["body"]).acts]

    async def objects_of(self, member_id: str) -> list[GoogleObject]:
        query = ListGoogleObjects(account_id=self.account_id, member_id=member_id)
        [listed] = await self.notifier.tell(reading.list_google_objects, query)
        return listed.objects

    async def state(self, handle: str = "handle") -> GooglePassState:
        query = ReadGoogleState(account_id=self.account_id, handle=handle)
        handler = partial(reading.read_google_states, at_google=False)
        [state] = await self.notifier.tell(handler, query)
        return state

    async def status(self) -> GoogleTemplateStatus:
        query = ReadGoogleStatus(account_id=self.account_id, template_id=self.template_id)
        handler = partial(reading.read_google_status, rate=self.rate)
        [status] = await self.notifier.tell(handler, query)
        return status

    async def seen(self, handle: str = "handle") -> list[Observation]:
        """What the timeline shows of Google, the oldest first."""
        shown = (await self.notifier.notices(self.account_id, handle)).observations
        return [one for one in reversed(shown) if one.kind.startswith("google_")]

    async def tell(self, text: str, field: str = "offer", said: str = "New: %@") -> int:
        """Tell all holders something; how many classes do."""
        command = TellGoogle(
            command_id=new_id(), account_id=self.account_id, template_id=self.template_id,
            field=field, text=text, said=said,
        )  # fmt: skip
        handler = partial(messages.tell_google, start_sending=self.due.set)
        [told] = await self.notifier.tell(handler, command)
        return told.classes

    async def outlook(self, handle: str | None = None, *, at_google: bool = False) -> GoogleOutlook:
        query = ReadGoogleOutlook(
            account_id=self.account_id, template_id=self.template_id, handle=handle
        )
        handler = partial(reading.read_google_outlooks, rate=self.rate, at_google=at_google)
        [outlook] = await self.notifier.tell(handler, query)
        return outlook

    async def jobs(self) -> list[dict[str, Any]]:
        rows = await self.notifier.sql(
            """
            SELECT *, extract(epoch FROM due_at - now())::float AS due_in
            FROM google_jobs
            ORDER BY document_id
            """
        )
        return [dict(row) for row in rows]

    async def bring_forward(self) -> None:
        """Make everything that waits due now, and each lease over."""
        await self.notifier.sql("UPDATE google_jobs SET due_at = now(), lease_until = NULL")
        await self.notifier.sql(
            "UPDATE google_issuers SET waits_until = now() WHERE waits_until IS NOT NULL"
        )
        await self.notifier.sql("UPDATE google_limits SET frozen_until = NULL")

    async def until_sent(self) -> None:
        """Send again and again, without the pauses between."""
        async with asyncio.timeout(30):
            while await self.jobs():
                await self.bring_forward()
                await self.run()

    def asked(self, *methods: str) -> list[str]:
        """What was asked of Google about classes and objects, in short."""
        return [short(one) for one in self.calls() if not methods or one.method in methods]

    def calls(self) -> list[Request]:
        return [one for one in self.google.requests if one.path.startswith(BASE)]

    def at_google(self, handle: str = "handle") -> dict[str, Any]:
        """The object as Google has it."""
        return self.google.objects[object_id(handle)].document

    def notices(self, handle: str = "handle") -> list[str]:
        """What the holder of a pass heard of."""
        changes = self.google.holders.changes
        return [one.notice for one in changes if one.object_id == object_id(handle) and one.notice]

    async def run_process(self, rate: float = 500, crash_at: str = "") -> int:
        """Send in a process of its own until nothing waits; the code it ended with."""
        addresses = self.api.addresses
        code, _, _ = await forking.run(
            "tests.integration.notifier.sending_process",
            self.notifier.database.url, addresses.api, addresses.token_url, str(addresses.root),
            str(rate), crash_at,
            environment=clean_environment(),
        )  # fmt: skip
        return code

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.stop()


def object_id(handle: str, issuer_id: str = ISSUER) -> str:
    return f"{issuer_id}.p_{handle}"


def a_document(type_: str, body: dict[str, Any]) -> GoogleDocument:
    return GoogleDocument.model_validate(
        {"type": type_, "id": body["id"], "body": body, "digest": digest_of(body)}
    )


def short(request: Request) -> str:
    """As `PATCH loyaltyObject 200`."""
    kind, _, rest = request.path.removeprefix(f"{BASE}/").partition("/")
    action = " addMessage" if rest.endswith("addMessage") else ""
    return f"{request.method} {kind}{action} {request.status}"


@asynccontextmanager
async def a_client(google: FakeGoogle, folder: Path) -> AsyncGenerator[GoogleApi]:
    """A client that trusts this Google, and no other."""
    root = folder / "google.pem"
    root.write_bytes(google.root)
    api = GoogleApi(
        GoogleAddresses(
            f"{google.url}{BASE}",
            google.token_url,
            f"{google.url}/gp/m/issuer/keys",
            google.save_url.rstrip("/"),
            root,
        )
    )
    await api.open()
    try:
        yield api
    finally:
        await api.close()
