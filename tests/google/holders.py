"""Holders: they open save links, keep cards, throw them away; Google tells the issuer."""

import hashlib
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

import aiohttp

from tests.google.accounts import Issuer
from tests.google.callbacks import CallbackKeys, message_of
from tests.google.cards import Card
from tests.google.clock import Clock
from tests.google.documents import Document
from tests.google.errors import GoogleError, LinkError
from tests.google.images import Images
from tests.google.links import Link
from tests.google.resources import Change, Kind, Resource, Resources
from tests.google.rules import check, image_urls, issuer_of

HOLDER: Final = "holder@example.com"
EventType = Literal["save", "del"]


@dataclass
class Callback:
    """A callback, and what the issuer's server answered."""

    url: str
    envelope: dict[str, Any]
    status: int | None = None
    """None: it was not sent, or nobody answered."""


@dataclass
class Holders:
    """Who has which card, by e-mail address."""

    clock: Clock
    resources: Resources
    issuers: dict[str, Issuer]
    images: Images
    keys: CallbackKeys
    sends_callbacks: bool = True
    """Off, callbacks are only kept, to be sent by `deliver`."""
    callbacks: list[Callback] = field(default_factory=list[Callback])
    changes: list[Change] = field(default_factory=list[Change])
    """What holders saw and heard of, in order."""
    listeners: list[Callable[[Change], None]] = field(
        default_factory=list[Callable[[Change], None]]
    )

    def see(self, change: Change) -> None:
        self.changes.append(change)
        for listener in self.listeners:
            listener(change)

    def card(self, object_id: str, language: str = "en") -> Card:
        object_ = self.resources.objects[object_id]
        class_ = self.resources.class_of(object_)
        return Card(object_.kind, class_.document, object_.document, language)

    def preview(self, link: Link) -> list[Card]:
        """Show what a link would save, without saving it."""
        with _told_to_holders():
            shown = {
                entry.get("id"): self._found(link, kind, entry) or _described(kind, entry)
                for kind, entry in link.entries
            }
            objects = [one for one in shown.values() if one.kind.part == "object"]
            classes = shown | self.resources.classes
            pairs = [(one, classes.get(one.document["classId"])) for one in objects]
            return [
                Card(one.kind, class_.document if class_ else {}, one.document)
                for one, class_ in pairs
            ]

    async def create(self, link: Link, http: aiohttp.ClientSession) -> list[Resource]:
        """Make what a link describes and is not there yet; what is there does not change."""
        with _told_to_holders():
            return [
                self._found(link, kind, entry) or await self._made(kind, entry, http)
                for kind, entry in link.entries
            ]

    async def save(self, link: Link, holder: str, http: aiohttp.ClientSession) -> list[Card]:
        """Take the cards of a link; the issuer hears of each that this holder did not have."""
        objects = [one for one in await self.create(link, http) if one.kind.part == "object"]
        for one in objects:
            self._check_may_have(one, holder)
        for one in objects:
            users = self.resources.users.setdefault(one.id, set())
            if holder not in users:
                users.add(holder)
                self.resources.spread_links(one)
                await self._call_back(one, "save", http)
        return [self.card(one.id) for one in objects]

    async def remove(self, object_id: str, holder: str, http: aiohttp.ClientSession) -> None:
        users = self.resources.users.get(object_id, set())
        if holder not in users:
            raise LinkError(f"{holder} has no card {object_id}.")
        users.remove(holder)
        await self._call_back(self.resources.objects[object_id], "del", http)

    def callback_of(
        self, object_id: str, event_type: str, *, nonce: str = "", **changes: Any
    ) -> dict[str, Any]:
        """Sign a callback, also one that does not tell the truth: `changes` are laid over it."""
        class_id = self.resources.objects[object_id].document["classId"]
        now = self.clock.now()
        message = message_of(class_id, object_id, event_type, nonce or _new_nonce(), now)
        return self.keys.sign(issuer_of(object_id), message | changes, now)

    async def deliver(self, callback: Callback, http: aiohttp.ClientSession) -> None:
        """Send a callback, again if need be; nobody hears of it when that fails."""
        headers = {"User-Agent": "Googlebot"}
        try:
            async with http.post(
                callback.url, json=callback.envelope, headers=headers, allow_redirects=False
            ) as response:
                callback.status = response.status
        except (aiohttp.ClientError, TimeoutError):
            callback.status = None

    async def _call_back(
        self, object_: Resource, event: EventType, http: aiohttp.ClientSession
    ) -> None:
        class_ = self.resources.class_of(object_)
        url = class_.document.get("callbackOptions", {}).get("url")
        url = url or self.issuers[issuer_of(object_.id)].callback_url
        if not url:
            return
        callback = Callback(url, self.callback_of(object_.id, event))
        self.callbacks.append(callback)
        if self.sends_callbacks:
            await self.deliver(callback, http)

    def _found(self, link: Link, kind: Kind, entry: Document) -> Resource | None:
        """Find what an entry of a link names; None when it describes something new."""
        id_ = entry.get("id", "")
        issuer = self.issuers.get(issuer_of(id_))
        if issuer is None or link.account.email not in issuer.invited:
            text = f"The issuer has not made this pass available: {link.account.email} may not"
            raise LinkError(f"{text} issue {id_}.")
        if self.resources.find(id_):
            return self.resources.get(kind, id_)
        if entry.keys() <= {"id", "classId"} and kind.part == "object":
            raise LinkError(f"There is no object {id_}, and the link does not describe one.")
        return None

    async def _made(self, kind: Kind, entry: Document, http: aiohttp.ClientSession) -> Resource:
        await self.images.fetch(image_urls(kind.schema, entry), http)
        return self.resources.insert(kind, entry)

    def _check_may_have(self, object_: Resource, holder: str) -> None:
        class_ = self.resources.class_of(object_).document
        if class_.get("reviewStatus") in ("DRAFT", "REJECTED"):
            raise LinkError(f"The class of {object_.id} is {class_['reviewStatus']}.")
        restrictions = object_.document.get("saveRestrictions", {})
        wanted = restrictions.get("restrictToEmailSha256")
        if wanted and wanted != hashlib.sha256(holder.encode()).hexdigest():
            raise LinkError(f"{object_.id} is for another e-mail address.")
        is_for_one = class_.get("multipleDevicesAndHoldersAllowedStatus", "") in _FOR_ONE
        if is_for_one and self.resources.users.get(object_.id, set()) - {holder}:
            raise LinkError(f"{object_.id} was saved by somebody else.")


def _described(kind: Kind, entry: Document) -> Resource:
    check(kind.type, kind.part, entry)
    return Resource(kind, entry)


@contextmanager
def _told_to_holders() -> Generator[None]:
    """Tell holders in words what Google would answer an issuer's server."""
    try:
        yield
    except GoogleError as error:
        raise LinkError(error.message) from None


def _new_nonce() -> str:
    return str(UUID(bytes=secrets.token_bytes(16), version=4))


_FOR_ONE: Final = (
    "ONE_USER_ALL_DEVICES",
    "ONE_USER_ONE_DEVICE",
    "oneUserAllDevices",
    "oneUserOneDevice",
)
