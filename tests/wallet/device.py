"""A device that behaves as iOS does: installs passes, registers, and follows pushes."""

import asyncio
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.wallet import loglines
from tests.wallet.calls import Answer, Call, Caller, LostError
from tests.wallet.files import PASS_MEDIA, InvalidPassError, PassFile, open_pass, verify_signature

REPEAT_SECONDS: Final = 0.3
"""What is asked again waits this long; a phone waits minutes."""
PATIENCE_SECONDS: Final = 120.0
MAX_LINES: Final = 20
NEVER_CHANGE: Final = ("passTypeIdentifier", "serialNumber", "authenticationToken")


class RefusedError(Exception):
    """The server answered what it must not."""


@dataclass
class Card:
    """A pass that the device holds."""

    file: PassFile
    last_modified: str | None
    is_registered: bool = False
    is_dead: bool = False
    """The server said 401: the device does not ask again."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One fetch at a time, so that no older answer comes after a newer."""

    @property
    def content(self) -> dict[str, Any]:
        return self.file.content

    @property
    def name(self) -> tuple[str, str]:
        return self.file.name

    @property
    def service(self) -> str:
        return self.content["webServiceURL"].rstrip("/")

    @property
    def token(self) -> str:
        return self.content["authenticationToken"]


@dataclass
class Updating:
    """How far the device is with the passes of one type."""

    tag: str | None = None
    """What the last list that answered 200 gave; a 204 leaves it."""
    is_pushed: bool = False
    is_busy: bool = False
    owed: set[str] = field(default_factory=set[str])
    """Named by a list and not fetched yet."""


@dataclass
class Device:
    """A phone: what it holds, what it asked, and what can go wrong with it."""

    calls: Caller
    root: Path | None = None
    """Up to which the signature of each file is verified; None: not at all."""
    device_id: str = field(default_factory=lambda: secrets.token_hex(16))
    push_token: str = field(default_factory=lambda: secrets.token_hex(32))
    cards: dict[tuple[str, str], Card] = field(default_factory=dict[tuple[str, str], Card])
    types: dict[str, Updating] = field(default_factory=dict[str, Updating])
    complaints: list[str] = field(default_factory=list[str])
    """What the server did that it must not."""
    pushes: Counter[str] = field(default_factory=Counter[str])
    """Pushes that came, by topic."""
    on_change: Callable[[Card], None] | None = None
    repeat_seconds: float = REPEAT_SECONDS
    patience_seconds: float = PATIENCE_SECONDS

    _kept_by_apple: set[str] = field(default_factory=set[str])
    _lines: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def install(self, link: str) -> Card:
        """Open a link, take the pass, register; a pass of the same name is replaced."""
        url = link if ".pkpass" in link or "?" in link else f"{link}.pkpass"
        answer = await self.calls.ask("install", url)
        self._expect(answer, "install", 200)
        self._demand(answer.headers["Content-Type"] == PASS_MEDIA, "Wallet's media type")
        file, last_modified = await self._open(answer.body), answer.headers.get("Last-Modified")
        card = self.cards.get(file.name)
        if card is None:
            card = self.cards[file.name] = Card(file, last_modified)
        else:
            self._replace(card, file, last_modified)
        if "webServiceURL" in file.content:
            await self._until_answered(lambda: self.register(card))
        return card

    async def remove(self, card: Card) -> None:
        """Throw a pass away."""
        del self.cards[card.name]
        if card.is_registered:
            await self._until_answered(lambda: self.unregister(card))

    async def refresh(self, card: Card) -> None:
        """Pull a pass down to see whether there is a newer one."""
        await self._until_answered(lambda: self.fetch(card))

    def lose(self, call: Call, times: int = 1) -> None:
        """Lose the answers of the next calls of a kind, after the server has given them."""
        self.calls.to_lose[call] += times

    def go_offline(self) -> None:
        self.calls.is_online = False

    def go_online(self) -> None:
        """Come back: Apple delivers the last push it kept for each topic."""
        self.calls.is_online = True
        kept, self._kept_by_apple = self._kept_by_apple, set()
        for topic in kept:
            self.receive_push(topic)

    def receive_push(self, topic: str) -> None:
        """Take a push; the device asks for news in the background."""
        if not self.calls.is_online:
            self._kept_by_apple.add(topic)
            return
        self.pushes[topic] += 1
        task = asyncio.create_task(self._follow(topic))
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    async def on_push(self, topic: str) -> None:
        """List, fetch what is named, one push at a time; those meanwhile make one more list."""
        updating = self.types.setdefault(topic, Updating())
        updating.is_pushed = True
        if updating.is_busy:
            return
        updating.is_busy = True
        try:
            while updating.is_pushed and self._service_of(topic) is not None:
                updating.is_pushed = False
                await self._until_answered(lambda: self.list_news(topic))
                await self._fetch_owed(topic, updating)
                await self._send_lines()
        finally:
            updating.is_busy = False

    async def until_quiet(self) -> None:
        """Wait for what the device does in the background."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Switch it off in the middle of whatever it does; what broke it before is raised."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def register(self, card: Card) -> int:
        """Call E1; give the status: 201 or 200."""
        body = {"pushToken": self.push_token}
        answer = await self.calls.ask("register", self._registration(card), card.token, body)
        if answer.status == 401:
            error = "Authentication failure"
            self._note(
                card.service,
                loglines.register_failed(self.device_id, card.name, card.service, error),
            )
        self._expect(answer, "register", 200, 201)
        card.is_registered = True
        self.types.setdefault(card.name[0], Updating())
        return answer.status

    async def unregister(self, card: Card) -> int:
        """Call E2; give the status."""
        answer = await self.calls.ask("unregister", self._registration(card), card.token)
        self._expect(answer, "unregister", 200)
        card.is_registered = False
        return answer.status

    async def list_news(self, topic: str) -> list[str]:
        """Call E3: which passes of a type are new since the kept tag; it takes no token."""
        updating = self.types.setdefault(topic, Updating())
        service = self._service_of(topic)
        address = f"{service}/v1/devices/{_part(self.device_id)}/registrations/{_part(topic)}"
        if updating.tag is not None:
            address += f"?passesUpdatedSince={_part(updating.tag)}"
        try:
            answer = await self.calls.ask("list", address)
        except LostError as error:
            about = (self.device_id, topic, updating.tag, service or "")
            self._note(service, loglines.list_failed(*about, str(error)))
            raise
        self._expect(answer, "list", 200, 204)
        if answer.status == 204:
            self._demand(not answer.body, "a 204 without a body")
            return []
        body = json.loads(answer.body)
        serials, tag = body["serialNumbers"], body["lastUpdated"]
        self._demand(isinstance(tag, str) and tag, "a lastUpdated that is a text")
        self._demand(serials and len(set(serials)) == len(serials), "each serial number once")
        updating.tag = tag
        updating.owed |= set(serials)
        return serials

    async def fetch(self, card: Card, *, was_named: bool = False) -> int:
        """Call E4: the newest pass, unless the device has it; give the status."""
        async with card.asking:
            return await self._fetch(card, was_named=was_named)

    async def _fetch(self, card: Card, *, was_named: bool) -> int:
        address = f"{card.service}/v1/passes/{_part(card.name[0])}/{_part(card.name[1])}"
        since = {} if card.last_modified is None else {"If-Modified-Since": card.last_modified}
        try:
            answer = await self.calls.ask("fetch", address, card.token, headers=since)
        except LostError as error:
            about = (card.name, card.last_modified, card.service)
            self._note(card.service, loglines.fetch_failed(*about, str(error)))
            raise
        self._expect(answer, "fetch", 200, 304, 401)
        if answer.status == 401:
            card.is_dead = True
        elif answer.status == 200:
            await self._take(card, answer)
        elif was_named:
            self._note(card.service, loglines.unchanged(card.name, card.service))
        return answer.status

    async def log(self, lines: Iterable[str], service: str) -> None:
        """Call E5: tell the server what went wrong."""
        body = {"logs": [loglines.dated(line) for line in lines]}
        answer = await self.calls.ask("log", f"{service}/v1/log", body=body)
        self._expect(answer, "log", 200)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        """Forget what is done; what broke the device stays until somebody waits for it."""
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)

    async def _follow(self, topic: str) -> None:
        try:
            await self.on_push(topic)
        except LostError as error:
            self.complaints.append(f"no answer within {self.patience_seconds} s: {error}")
        except RefusedError:
            return  # it is among the complaints

    async def _open(self, data: bytes) -> PassFile:
        file = open_pass(data)
        if self.root is not None:
            await asyncio.to_thread(verify_signature, file.entries, self.root)
        return file

    async def _take(self, card: Card, answer: Answer) -> None:
        self._demand(answer.headers["Content-Type"] == PASS_MEDIA, "Wallet's media type")
        try:
            file = await self._open(answer.body)
        except InvalidPassError as problem:
            self._demand(False, f"a pass that can be read: {problem}")  # noqa: FBT003
            error = "Received invalid pass data (The pass cannot be read because it isn't valid.)"
            about = (card.name, card.last_modified, card.service)
            self._note(card.service, loglines.fetch_failed(*about, error))
            return
        if file.data == card.file.data and card.last_modified is not None:
            self._note(
                card.service, loglines.ignored_since(card.name, card.service, card.last_modified)
            )
        self._replace(card, file, answer.headers.get("Last-Modified"))

    def _replace(self, card: Card, file: PassFile, last_modified: str | None) -> None:
        for key in NEVER_CHANGE:
            self._demand(file.content.get(key) == card.content.get(key), f"{key} as it was")
        is_changed = file.data != card.file.data
        card.file, card.last_modified = file, last_modified
        if is_changed and self.on_change is not None:
            self.on_change(card)

    async def _fetch_owed(self, topic: str, updating: Updating) -> None:
        """Fetch all that is owed; what fails stays owed, and is asked for again."""
        for serial in sorted(updating.owed):
            card = self.cards.get((topic, serial))
            if card is not None and not card.is_dead:
                await self._until_answered(lambda card=card: self.fetch(card, was_named=True))
            updating.owed.discard(serial)

    async def _until_answered(self, ask: Callable[[], Awaitable[Any]]) -> None:
        """Ask again until an answer comes; LostError when patience ends."""
        deadline = time.monotonic() + self.patience_seconds
        while True:
            try:
                await ask()
            except LostError:
                if self.calls.is_online and time.monotonic() > deadline:
                    raise
                await asyncio.sleep(self.repeat_seconds * random.uniform(0.5, 1.5))
            else:
                return

    async def _send_lines(self) -> None:
        """Send the log once; as on a phone, lines that get lost are not sent again."""
        lines, self._lines = self._lines, []
        for service in {service for service, _ in lines}:
            with suppress(LostError):
                await self.log([line for of, line in lines if of == service], service)

    def _note(self, service: str | None, line: str) -> None:
        if service is not None and len(self._lines) < MAX_LINES:
            self._lines.append((service, line))

    def _expect(self, answer: Answer, call: Call, *statuses: int) -> None:
        if answer.status not in statuses:
            text = f"{call} was answered {answer.status}"
            self.complaints.append(text)
            raise RefusedError(text)

    def _demand(self, is_so: object, law: str) -> None:
        if not is_so:
            self.complaints.append(f"no {law}")

    def _registration(self, card: Card) -> str:
        device = f"{card.service}/v1/devices/{_part(self.device_id)}"
        return f"{device}/registrations/{_part(card.name[0])}/{_part(card.name[1])}"

    def _service_of(self, topic: str) -> str | None:
        held = (card.service for (name, _), card in self.cards.items() if name == topic)
        return next(held, None)


def _part(text: str) -> str:
    return quote(text, safe="")
