"""Requests to Google Wallet's REST API, with tokens of service accounts."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp import hdrs
from cachetools import LRUCache

from shared import clock
from shared.google.accounts import TOKEN_URL, ServiceAccount
from shared.http.outgoing import read_retry_after

PATH: Final = "/walletobjects/v1"
API: Final = f"https://walletobjects.googleapis.com{PATH}"
KEYS_URL: Final = "https://pay.google.com/gp/m/issuer/keys"
SAVE_URL: Final = "https://pay.google.com/gp/v/save"
GOOGLES_HOST: Final = "walletobjects.googleapis.com"

TOTAL_SECONDS: Final = 15.0
MAX_ANSWER_BYTES: Final = 1024 * 1024
RENEWED_EARLY: Final = timedelta(minutes=5)
MAX_TOKENS: Final = 10_000
MAX_MESSAGE_CHARACTERS: Final = 500
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class GoogleAwayError(Exception):
    """No answer came: what was asked may have been done or not."""


@dataclass(frozen=True, slots=True)
class GoogleAddresses:
    """Where Google is, or what stands for it."""

    api: str = API
    """With the path of its version, as Google's discovery document has it."""
    token_url: str = TOKEN_URL
    keys_url: str = KEYS_URL
    save_url: str = SAVE_URL
    root: Path | None = None
    """A PEM file of who vouches for these servers; whom the system trusts if unset."""

    @property
    def is_google(self) -> bool:
        """Whether it is Google's own API, which knows nothing of development issuers."""
        return urlsplit(self.api).hostname == GOOGLES_HOST


@dataclass(frozen=True, slots=True)
class GoogleAnswer:
    """What Google answered."""

    status: int
    body: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    retry_after: float | None = None
    """Seconds, if the answer said so."""

    @property
    def is_done(self) -> bool:
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def reason(self) -> str:
        """The machine-readable reason of a refusal, such as `quotaExceeded`."""
        errors = self._error.get("errors")
        first: object = (
            cast("list[object]", errors)[0] if isinstance(errors, list) and errors else {}
        )
        reason = (
            cast("Mapping[str, object]", first).get("reason") if isinstance(first, dict) else ""
        )
        return str(reason or self._error.get("status") or "")

    @property
    def message(self) -> str:
        """What a refusal says in words."""
        return str(self._error.get("message") or "")[:MAX_MESSAGE_CHARACTERS]

    @property
    def _error(self) -> Mapping[str, object]:
        error = self.body.get("error")
        return cast("Mapping[str, object]", error) if isinstance(error, dict) else {}


@dataclass(slots=True)
class _Token:
    text: str = field(repr=False)
    until: float
    """On the clock of `monotonic`."""


class GoogleApi:
    """One client for all service accounts: connections kept, tokens in memory only.

    A token is asked for once by however many wait for it, renewed five minutes before its end, and
    forgotten when it is refused.
    """

    def __init__(self, addresses: GoogleAddresses) -> None:
        self.addresses = addresses
        self._session: aiohttp.ClientSession | None = None
        self._tokens = LRUCache[str, _Token](MAX_TOKENS)
        self._asking: dict[str, asyncio.Task[_Token | GoogleAnswer]] = {}

    async def open(self) -> None:
        """Make the session that holds the connections."""
        root = self.addresses.root
        tls = True if root is None else ssl.create_default_context(cafile=str(root))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS),
            auto_decompress=True,
        )

    async def close(self) -> None:
        """End the connections, and what waits for a token."""
        for task in self._asking.values():
            task.cancel()
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, account: ServiceAccount, method: str, path: str, body: object = None
    ) -> GoogleAnswer:
        """Ask something as an account; a refused token is renewed once.

        GoogleAwayError if no answer came. A 401 or 400 of the token endpoint is given as a 401: the
        key is not, or no longer, known to Google.
        """
        answer = await self._ask_once(account, method, path, body)
        if answer.status == HTTPStatus.UNAUTHORIZED and account.key_id in self._tokens:
            del self._tokens[account.key_id]
            answer = await self._ask_once(account, method, path, body)
        return answer

    async def fetch_keys(self) -> tuple[bytes, str]:
        """Read the keys that sign callbacks, and the Cache-Control that they came with."""
        try:
            async with self._open_session().get(
                self.addresses.keys_url, allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise GoogleAwayError
                content = await _read(response)
                return content, response.headers.get(hdrs.CACHE_CONTROL, "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GoogleAwayError from error

    async def _ask_once(
        self, account: ServiceAccount, method: str, path: str, body: object
    ) -> GoogleAnswer:
        token = await self._token(account)
        if isinstance(token, GoogleAnswer):
            return token
        headers = {
            "Authorization": f"Bearer {token.text}",
            "Content-Type": "application/json",
        }
        data = None if body is None else orjson.dumps(body)
        return await self._send(method, f"{self.addresses.api}/{path}", data, headers)

    async def _token(self, account: ServiceAccount) -> "_Token | GoogleAnswer":
        known = self._tokens.get(account.key_id)
        if known is not None and monotonic() < known.until:
            return known
        asking = self._asking.get(account.key_id)
        if asking is None:
            asking = asyncio.create_task(self._fetch_token(account))
            self._asking[account.key_id] = asking
            asking.add_done_callback(lambda _: self._asking.pop(account.key_id, None))
        return await asyncio.shield(asking)

    async def _fetch_token(self, account: ServiceAccount) -> "_Token | GoogleAnswer":
        assertion = await asyncio.to_thread(
            account.assertion, self.addresses.token_url, clock.now()
        )
        form = aiohttp.FormData({"grant_type": _GRANT, "assertion": assertion})
        answer = await self._send("POST", self.addresses.token_url, form(), {})
        text, life = answer.body.get("access_token"), answer.body.get("expires_in")
        if not answer.is_done:
            is_refused = answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)
            said = str(answer.body.get("error_description") or answer.body.get("error") or "")
            error = {"error": {"message": said[:MAX_MESSAGE_CHARACTERS], "status": "KEY_REFUSED"}}
            return GoogleAnswer(401 if is_refused else answer.status, error, answer.retry_after)
        if not isinstance(text, str) or not isinstance(life, int):
            raise GoogleAwayError
        until = monotonic() + max(0.0, life - RENEWED_EARLY.total_seconds())
        token = self._tokens[account.key_id] = _Token(text, until)
        return token

    async def _send(
        self,
        method: str,
        url: str,
        data: object,
        headers: Mapping[str, str],
    ) -> GoogleAnswer:
        try:
            async with self._open_session().request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                content = await _read(response)
                seconds = read_retry_after(response.headers.get(hdrs.RETRY_AFTER))
                return GoogleAnswer(response.status, _object(content), seconds)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GoogleAwayError from error

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise GoogleAwayError
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            raise GoogleAwayError
    return bytes(content)


def _object(content: bytes) -> dict[str, Any]:
    try:
        found: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
