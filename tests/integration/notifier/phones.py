"""What devices and the other services say to the notifier, and what it made of it."""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal
from uuid import UUID

from services.notifier import handlers
from services.notifier.apple.handlers import contents, devices
from shared import clock
from shared.contracts.generator import BuiltContent, ContentBuilt
from shared.contracts.notifier import (
    ContentNotice,
    DeviceAct,
    DeviceRegistered,
    DevicesActed,
    ListUpdated,
    NoteFetch,
    Observation,
    PassNotices,
    RegisterDevice,
    UnregisterDevice,
    UpdatedPasses,
)
from shared.contracts.triggers import DeletedPass, LoggedEvent, PassesDeleted
from shared.identifiers import new_handle, new_id, new_serial
from tests.integration.notifier.partner import Notifier, an_event


def a_device() -> str:
    return hashlib.sha256(new_id().bytes).hexdigest()


@dataclass(frozen=True)
class Card:
    """A pass as the other services know it."""

    account_id: UUID = field(default_factory=new_id)
    template_id: UUID = field(default_factory=new_id)
    handle: str = field(default_factory=new_handle)
    pass_type_identifier: str = field(default_factory=lambda: f"pass.{new_serial()}")
    serial_number: str = field(default_factory=new_serial)

    def another(self) -> "Card":
        """Make one more of the same type."""
        return replace(self, handle=new_handle(), serial_number=new_serial())

    def names(self) -> dict[str, Any]:
        return {
            "account_id": self.account_id,
            "template_id": self.template_id,
            "handle": self.handle,
            "pass_type_identifier": self.pass_type_identifier,
            "serial_number": self.serial_number,
        }

    def built(
        self, number: int, *, version: int = 0, since: int = 0, push: int | None = None
    ) -> BuiltContent:
        """Content that is pushed, unless `push` is lower than `since`."""
        version = version or number
        return BuiltContent(
            **self.names(), content_number=number, pass_version=version,
            push_version=version if push is None else push, last_modified=clock.now(),
            since_version=since,
        )  # fmt: skip

    def push(self, version: int) -> LoggedEvent:
        return an_event(
            self.account_id, "push", template_id=self.template_id, handle=self.handle,
            version=version,
        )  # fmt: skip

    def registered(self, device: str, token: str = "00ff", **fields: Any) -> RegisterDevice:
        return RegisterDevice(
            command_id=new_id(), **self.names(), device=device, push_token=token, **fields
        )

    def unregistered(self, device: str) -> UnregisterDevice:
        return UnregisterDevice(
            command_id=new_id(), device=device, serial_number=self.serial_number,
            pass_type_identifier=self.pass_type_identifier,
        )  # fmt: skip

    def fetched(
        self, number: int, *, source: Literal["device", "public"] = "device",
        status: Literal[200, 304] = 200,
    ) -> NoteFetch:  # fmt: skip
        return NoteFetch(
            **self.names(), content_number=number, pass_version=number, status=status,
            source=source, at=clock.now(),
        )  # fmt: skip


@dataclass(frozen=True)
class Phones:
    """A notifier, spoken to as the gateway, generator and triggers do."""

    notifier: Notifier

    async def register(self, *commands: RegisterDevice) -> list[DeviceRegistered]:
        handler = partial(
            devices.register_devices,
            start_pushing=self.notifier.pushes.set,
            keys=self.notifier.keys,
        )
        return await self.notifier.tell(handler, *commands)

    async def unregister(self, *commands: UnregisterDevice) -> None:
        await self.notifier.tell(devices.unregister_devices, *commands)

    async def ask(self, device: str, card: Card, since: str | None = None) -> UpdatedPasses:
        query = ListUpdated(
            device=device, pass_type_identifier=card.pass_type_identifier, since=since
        )
        return (await self.notifier.tell(devices.list_updated, query))[0]

    async def fetch(self, *notes: NoteFetch) -> None:
        tell, start_pushing = self.notifier.announce, self.notifier.pushes.set
        await self.notifier.tell(
            partial(handlers.tell_fetches, tell=tell, start_pushing=start_pushing), *notes
        )

    async def build(self, *contents: BuiltContent) -> None:
        await self.notifier.build(ContentBuilt(contents=list(contents)))

    async def log(self, *events: LoggedEvent) -> None:
        await self.notifier.log(*events)

    async def delete(self, *cards: Card) -> None:
        gone = [DeletedPass(handle=c.handle, account_id=c.account_id, version=9) for c in cards]
        await self.notifier.tell(contents.mark_deleted, PassesDeleted(passes=gone))

    async def acts(self, *cards: Card) -> list[DeviceAct]:
        """All that was announced of some passes, in the order of their numbers."""
        rows = await self.notifier.sql(
            "SELECT body FROM outbox WHERE name = $1 ORDER BY message_id", DevicesActed.name
        )
        events = [DevicesActed.model_validate_json(row["body"]) for row in rows]
        handles = {card.handle for card in cards}
        found = [act for event in events for act in event.acts if act.handle in handles]
        return sorted(found, key=lambda act: (act.handle, act.number))

    async def wakes(self, card: Card) -> dict[str, list[str]]:
        """The handles that each device is to be woken for, of the card's type."""
        rows = await self.notifier.sql(
            "SELECT device, handles FROM wakes WHERE pass_type_identifier = $1",
            card.pass_type_identifier,
        )
        return {row["device"]: row["handles"] for row in rows}

    async def push(self, card: Card, device: str | None = None) -> dict[str, list[str]]:
        """Wake the devices that are to be woken, or one of them, as the push job does."""
        rows = await self.notifier.sql(
            """
            DELETE FROM wakes
            WHERE pass_type_identifier = $1
                AND device = coalesce($2, device)
            RETURNING device, handles
            """,
            card.pass_type_identifier, device,
        )  # fmt: skip
        return {row["device"]: row["handles"] for row in rows}

    async def seen(self, card: Card, account_id: UUID | None = None) -> list[Observation]:
        return (await self._notices(card, account_id)).observations

    async def contents(self, card: Card) -> list[ContentNotice]:
        return (await self._notices(card)).contents

    async def _notices(self, card: Card, account_id: UUID | None = None) -> PassNotices:
        return await self.notifier.notices(account_id or card.account_id, card.handle)

    async def until_blocked(self, task: asyncio.Task[Any]) -> None:
        """Wait until a statement waits for a lock; fails if the task ends without waiting."""
        waiting = """
            SELECT count(*)
            FROM pg_locks
            JOIN pg_stat_activity USING (pid)
            WHERE NOT granted
                AND datname = current_database()
            """
        async with asyncio.timeout(10):
            while not (await self.notifier.sql(waiting))[0]["count"]:
                assert not task.done(), "it did not wait"
                await asyncio.sleep(0.01)
