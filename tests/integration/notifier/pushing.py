"""Devices of a notifier under trial, and the push job that wakes them."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from services.notifier.apple.clients.apns import APPLE, ApplePushSender
from services.notifier.apple.handlers import contents, devices
from services.notifier.apple.handlers.identities import keep_identities
from services.notifier.apple.jobs.pushes import PushWorker
from services.notifier.feed.repository.events import read_body
from shared import clock
from shared.contracts.gateway import IDENTITY_PURPOSE, IdentitySaved
from shared.contracts.generator import BuiltContent, ContentBuilt
from shared.contracts.notifier import DeviceKind, Observation, RegisterDevice
from shared.identifiers import new_id
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.identities import SigningIdentity, identity_to_pem
from tests.apple import PushServer
from tests.integration.notifier.partner import Notifier

TOPIC = "pass.com.example.coffee"
AUTHORITY = DevelopmentAuthority.create(clock.now())
ISSUED = AUTHORITY.issue(TOPIC, "TEAM", "Coffee", clock.now())


@dataclass
class Pushing:
    """A notifier whose pushes go to a server, driven by hand: `run` pushes until nothing is due."""

    notifier: Notifier
    account_id: UUID = field(default_factory=new_id)
    template_id: UUID = field(default_factory=new_id)
    identity_id: UUID = field(default_factory=new_id)
    due: asyncio.Event = field(default_factory=asyncio.Event)
    versions: Counter[str] = field(default_factory=Counter[str])
    senders: list[ApplePushSender] = field(default_factory=list[ApplePushSender])

    def aim(self, apple: PushServer, root: Path) -> None:
        root.write_bytes(apple.root)
        self.job = self.a_job(apple.url, root)

    def a_job(self, server: str = APPLE, root: Path | None = None) -> PushWorker:
        """Another process that pushes."""
        self.senders.append(ApplePushSender(self.notifier.keys, server, root))
        return PushWorker(
            self.notifier.database,
            self.senders[-1],
            self.due,
            tell=self.notifier.announce,
            remove_device=devices.remove_device,
        )

    async def run(self) -> None:
        await self.job.run()

    async def stop(self) -> None:
        await self.job.stop()
        for sender in self.senders:
            await sender.close()

    async def keep(
        self, issued: SigningIdentity = ISSUED, revision: int = 1, not_after: datetime | None = None
    ) -> None:
        pem = identity_to_pem(issued)
        saved = IdentitySaved(
            identity_id=self.identity_id,
            account_id=self.account_id,
            revision=revision,
            pass_type_identifier=issued.pass_type_identifier,
            team_identifier=issued.team_identifier,
            sealed=self.notifier.keys.seal(
                pem, purpose=IDENTITY_PURPOSE, owner=str(self.account_id)
            ),
            not_after=not_after or issued.not_after,
        )
        await self.notifier.tell(partial(keep_identities, start_pushing=self.due.set), saved)

    async def register(
        self, device: str, *handles: str, token: str = "", kind: DeviceKind = "apple"
    ) -> None:
        commands = [
            RegisterDevice(
                command_id=new_id(),
                account_id=self.account_id,
                template_id=self.template_id,
                handle=handle,
                pass_type_identifier=TOPIC,
                serial_number=f"serial of {handle}",
                device=device,
                push_token=token or token_of(device),
                kind=kind,
            )
            for handle in handles
        ]
        handler = partial(
            devices.register_devices, start_pushing=self.due.set, keys=self.notifier.keys
        )
        await self.notifier.tell(handler, *commands)

    async def change(self, *handles: str) -> None:
        """Have new bytes built for passes, with a push asked for."""
        built: list[BuiltContent] = []
        for handle in handles:
            self.versions[handle] = version = max(self.versions[handle] + 1, 2)
            built.append(
                BuiltContent(
                    handle=handle,
                    account_id=self.account_id,
                    template_id=self.template_id,
                    content_number=version,
                    pass_version=version,
                    push_version=version,
                    last_modified=clock.now(),
                    pass_type_identifier=TOPIC,
                    serial_number=f"serial of {handle}",
                    since_version=version,
                )
            )
        await self.notifier.tell(
            partial(contents.store_contents, start_pushing=self.due.set),
            ContentBuilt(contents=built),
        )

    async def seen(self, handle: str, *kinds: str) -> list[Observation]:
        """What the timeline shows of pushes, the oldest first."""
        shown = (await self.notifier.notices(self.account_id, handle)).observations
        return [one for one in reversed(shown) if one.kind in (kinds or PUSHES)]

    async def told(self, kind: str) -> list[dict[str, Any]]:
        rows = await self.notifier.sql("SELECT * FROM events WHERE kind = $1 ORDER BY number", kind)
        return [json.loads(read_body(row)) for row in rows]

    async def wakes(self) -> list[dict[str, Any]]:
        rows = await self.notifier.sql(
            """
            SELECT
                device, handles, asked, tries, lease_until,
                extract(epoch FROM due_at - now())::float AS due_in
            FROM wakes
            ORDER BY device
            """
        )
        return [dict(row) for row in rows]

    async def devices(self) -> list[str]:
        rows = await self.notifier.sql("SELECT device FROM devices ORDER BY device")
        return [row["device"] for row in rows]

    async def bring_forward(self) -> None:
        """Make everything that waits due now, and each lease over."""
        await self.notifier.sql("UPDATE wakes SET due_at = now(), lease_until = NULL")


PUSHES = ("pushed", "push_failed")


def token_of(device: str) -> str:
    return f"{device.encode().hex()}00"
