"""All that is at Google, whether it listens or not."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tests.google.accounts import Accounts, Issuer
from tests.google.callbacks import CallbackKeys
from tests.google.clock import Clock
from tests.google.faults import Faults
from tests.google.holders import Holders
from tests.google.images import Images
from tests.google.quotas import RequestQuota
from tests.google.resources import Change, Resources, Switches

REQUESTS_A_SECOND: Final = 20


@dataclass(frozen=True)
class Request:
    """One request of an issuer's server, and what was answered."""

    at: datetime
    """On Google's clock."""
    method: str
    path: str
    email: str
    """Of the service account; empty: of nobody known."""
    body: Any
    """Its JSON; None, if it was none."""
    status: int
    reason: str
    """Google's word for why not; empty: it was done."""

    def __str__(self) -> str:
        return f"{self.status}  {self.method:6} {self.path}  {self.reason}".rstrip()


class World:
    """The parts of Google, put together."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.switches = Switches()
        self.requests_a_second: int | None = REQUESTS_A_SECOND
        """Of a project of Google Cloud; None: as many as they like."""
        self.request_quota = RequestQuota()
        self.accounts = Accounts(self.clock)
        self.issuers: dict[str, Issuer] = {}
        self.images = Images()
        self.keys = CallbackKeys()
        self.faults = Faults()
        self.requests: list[Request] = []
        self.listeners: list[Callable[[Request], None]] = []
        """Called with each request."""
        self.resources = Resources(self.clock, self.switches, self._see)
        self.holders = Holders(self.clock, self.resources, self.issuers, self.images, self.keys)
        self._news = asyncio.Event()

    @property
    def token_url(self) -> str:
        return f"{self.url}/token"

    @property
    def save_url(self) -> str:
        return f"{self.url}/gp/v/save/"

    def issuer(self, id_: str, name: str = "An issuer") -> Issuer:
        """Return an issuer, made when it is first named."""
        return self.issuers.setdefault(id_, Issuer(id_, name))

    def record(self, request: Request) -> None:
        self.requests.append(request)
        self._news.set()
        for listener in self.listeners:
            listener(request)

    async def until(self, true: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until something is true of what was asked, or of what holders saw."""
        async with asyncio.timeout(seconds):
            while not true():
                self._news.clear()
                await self._news.wait()

    def _see(self, change: Change) -> None:
        self.holders.see(change)
        self._news.set()
