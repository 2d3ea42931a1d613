"""The calls of a device to its passes' servers: traced, and lost where a test says so."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

Call = Literal["install", "register", "unregister", "list", "fetch", "log"]

PATTERNS: Final[dict[Call, tuple[str, str]]] = {
    "install": ("GET", "a link"),
    "register": ("POST", "/v1/devices/{device}/registrations/{type}/{serial}"),
    "unregister": ("DELETE", "/v1/devices/{device}/registrations/{type}/{serial}"),
    "list": ("GET", "/v1/devices/{device}/registrations/{type}"),
    "fetch": ("GET", "/v1/passes/{type}/{serial}"),
    "log": ("POST", "/v1/log"),
}
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
TRACE_LENGTH: Final = 2000
TOO_MANY: Final = 429
TROUBLE: Final = 500


class LostError(Exception):
    """No answer that counts: the network failed, or the server is in trouble. Ask again."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question to the server; no secret is in it, so that it may be printed."""

    call: Call
    method: str
    pattern: str
    status: int | None
    """None: no answer came."""
    milliseconds: float
    note: str = ""

    def __str__(self) -> str:
        status = "---" if self.status is None else str(self.status)
        note = f"  ({self.note})" if self.note else ""
        return f"{status}  {self.method:6} {self.pattern}  {self.milliseconds:.0f} ms{note}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass
class Caller:
    """Asks servers, for one device."""

    http: aiohttp.ClientSession
    on_exchange: Callable[[Exchange], None] | None = None
    trace: deque[Exchange] = field(default_factory=lambda: deque[Exchange](maxlen=TRACE_LENGTH))
    is_online: bool = True
    to_lose: Counter[Call] = field(default_factory=Counter[Call])
    """How many answers of each call are lost on their way back."""

    async def ask(
        self,
        call: Call,
        address: str,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Get the server's answer; LostError when it is none to go on with."""
        method, pattern = PATTERNS[call]
        url = URL(address, encoded=True)
        if url.scheme != "https" and url.host not in LOOPBACK:
            raise ValueError("a web service speaks https, but on one's own machine")
        headers = headers or {}
        if token is not None:
            headers["Authorization"] = f"ApplePass {token}"
        started = time.perf_counter()
        status, note = None, ""
        try:
            answer = await self._send(call, method, url, headers, body)
            status = answer.status
        except (LostError, aiohttp.ClientError, TimeoutError, OSError) as error:
            note = str(error) or type(error).__name__
            raise LostError(note) from error
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            self._record(Exchange(call, method, pattern, status, milliseconds, note))
        return answer

    async def _send(
        self, call: Call, method: str, url: URL, headers: dict[str, str], body: Any
    ) -> Answer:
        if not self.is_online:
            raise LostError("offline")
        follow = call == "install"
        async with self.http.request(
            method, url, json=body, headers=headers, allow_redirects=follow
        ) as response:
            data = await response.read()
        if self.to_lose[call]:
            self.to_lose[call] -= 1
            raise LostError("answer lost")
        if response.status >= TROUBLE or response.status == TOO_MANY:
            raise LostError(f"unexpected response code {response.status}")
        return Answer(response.status, response.headers, data)

    def _record(self, exchange: Exchange) -> None:
        self.trace.append(exchange)
        if self.on_exchange is not None:
            self.on_exchange(exchange)
