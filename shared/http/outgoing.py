"""Calls addresses that customers name, and never lets them reach into our own network."""

import errno
import re
import socket
from asyncio import get_running_loop, timeout
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.resolver import AsyncResolver
from aiohttp.streams import StreamReader
from yarl import URL

from shared import clock
from shared.errors import InvalidError

TOTAL_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
MAX_URL_CHARACTERS: Final = 2000
MAX_INFORMATIONAL: Final = 16
MAX_EXCERPT_BYTES: Final = 16 * 1024
TOO_LARGE: Final = "response larger than 16 KiB"
UNFINISHED: Final = "response did not end in time"

# Python's `is_global` lets 6to4, NAT64, multicast and some reserved nets pass; so each is named.
_DENIED_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, unspecified
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT, Alibaba's metadata
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's metadata
            "169.254.0.0/16",  # link-local, metadata of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments, Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # automatic multicast tunnelling
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)

_GLOBAL_V6: Final = IPv6Network("2000::/3")
"""All that is given out; the rest holds unspecified, loopback, v4-mapped and v4-compatible,
NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard, 5f00::/16, ULA, link-local, site-local, multicast."""

_DENIED_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # 6bone
            "3fff::/20",  # documentation
        ),
    )
)

_LOCAL_NAMES: Final = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home",
                       "corp", "private", "home.arpa")  # fmt: skip

_OUR_TROUBLE: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENETDOWN}
)

FAILURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "timeout": "no answer in time",
        "name": "the host's name could not be resolved",
        "connect": "the connection could not be made or was cut",
        "tls": "the TLS connection could not be made",
        "protocol": "the answer was not HTTP",
        "redirects": "there were too many redirects",
    }
)
"""What the kinds of an OutgoingFailedError mean to who named the address."""

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})
"""Redirects that repeat the method and the body."""
_CARRIED: Final = frozenset({"content-type", "accept", "idempotency-key", "passwright-depth"})
"""Headers that also another host may see."""

AddressInformation = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, Any]


class AddressRefusedError(Exception):
    """The address is not one we connect to."""


class OutgoingFailedError(Exception):
    """No answer came.

    `kind`: timeout, name, connect, tls, protocol, redirects (too many), or ours (our own trouble).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


class _RefusedAtSocketError(OSError):
    """What the connector understands; it never leaves this module."""


@dataclass(frozen=True, slots=True)
class OutgoingResponse:
    status: int
    retry_after: float | None
    """Seconds to wait before the next try, if the answer said so."""
    excerpt: str
    """The body, or a sentence instead if it was too large or did not end."""
    milliseconds: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """By lower-case name."""


@dataclass(frozen=True, slots=True)
class OutgoingAddressPolicy:
    """Says which addresses may be connected to: public ones; loopback only in development."""

    allow_loopback: bool = False

    def allows(self, address: str) -> bool:
        """Judge an IP address as a socket takes it; what is no address is refused."""
        try:
            return self._allows_v4(IPv4Address(address))
        except AddressValueError:
            pass
        try:
            return self._allows_v6(IPv6Address(address))
        except AddressValueError:
            return False

    def objection(self, url: str) -> str | None:
        """Say what is wrong with a URL as far as can be seen without resolving its name."""
        if len(url) > MAX_URL_CHARACTERS:
            return f"it may have at most {MAX_URL_CHARACTERS} characters"
        if not url.isprintable() or " " in url or "\\" in url:
            return "it holds characters that a URL may not hold"
        if "@" in re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]:
            return "it may not hold a user or a password"
        try:
            parsed = URL(url)
            host, _ = parsed.raw_host, parsed.port
        except ValueError:
            return "it is not a URL"
        return self._form_objection(parsed) or self._host_objection(host or "")

    def open_socket(self, information: AddressInformation) -> socket.socket:
        """Make the socket for an address about to be connected to, or refuse."""
        family, kind, protocol, _, address = information
        if family not in (socket.AF_INET, socket.AF_INET6) or not self.allows(address[0]):
            raise _RefusedAtSocketError("address refused")
        return socket.socket(family=family, type=kind, proto=protocol)

    def _form_objection(self, parsed: URL) -> str | None:
        schemes = ("https", "http") if self.allow_loopback else ("https",)
        if parsed.scheme not in schemes:
            return f"it must begin with {schemes[0]}://"
        if not parsed.raw_host or parsed.port == 0:
            return "it names no host"
        return None

    def _allows_v4(self, address: IPv4Address) -> bool:
        if self.allow_loopback and address.is_loopback:
            return True
        return not any(address in network for network in _DENIED_V4)

    def _allows_v6(self, address: IPv6Address) -> bool:
        if self.allow_loopback and address == IPv6Address(1):
            return True
        if address.scope_id is not None or address not in _GLOBAL_V6:
            return False
        return not any(address in network for network in _DENIED_V6)

    def _host_objection(self, host: str) -> str | None:
        name = host.rstrip(".").lower()
        last = name.rpartition(".")[2]
        if ":" in name or last.isdigit() or last.startswith("0x"):
            return None if self.allows(name) else "its address is not a public one"
        if self.allow_loopback:
            return None
        if "." not in name or any(name == n or name.endswith(f".{n}") for n in _LOCAL_NAMES):
            return "its host is not a public name"
        return None


class _Handler(ResponseHandler):
    """Gives up on a server that sends more informational answers (1xx) than any has reason to.

    aiohttp reads them without end, and without letting others have their turn.
    """

    _informational = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take the head of an answer."""
        is_final = data[0].code >= HTTPStatus.OK or data[0].code == HTTPStatus.SWITCHING_PROTOCOLS
        self._informational = 0 if is_final else self._informational + 1
        if self._informational <= MAX_INFORMATIONAL:
            super().feed_data(data, size)
        elif self.exception() is None:
            self._buffer.clear()
            self.set_exception(aiohttp.ClientPayloadError("too many informational answers"))
            if self.transport is not None:
                self.transport.close()


class _Connector(aiohttp.TCPConnector):
    """Makes our handler of answers, for which aiohttp has no setting."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - those of the base class
        super().__init__(**settings)  # pyright: ignore[reportUnknownMemberType]
        self._factory = partial(_Handler, loop=self._loop)


class OutgoingClient:
    """Calls addresses customers name. Each address is checked when its socket is made.

    That is after names are resolved, so the address checked is the address connected to. Nothing
    is followed unless asked for, nothing is read from the environment, and of an answer at most
    16 KiB are kept. The caller bounds how many calls run at a time.
    """

    def __init__(
        self,
        policy: OutgoingAddressPolicy,
        *,
        total_seconds: float = TOTAL_SECONDS,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Ask a `resolver` that is given each time; answers of the usual one are kept for 10 s.

        That asks the system's name servers without threads, of which there are few for all: names
        that a stranger's server never answers for would take them from everybody else.
        """
        self._policy = policy
        self._total_seconds = total_seconds
        self._given = resolver
        self._resolver: AbstractResolver | None = None
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the connection pool."""
        self._resolver = self._given or AsyncResolver()
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                limit=0,
                resolver=self._resolver,
                use_dns_cache=self._given is None,
                socket_factory=self._policy.open_socket,
            ),
            timeout=aiohttp.ClientTimeout(
                total=self._total_seconds, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "Passwright", "Accept": "*/*", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
            read_bufsize=MAX_EXCERPT_BYTES // 2,
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._resolver is not None and self._given is None:
            await self._resolver.close()

    def check_url(self, url: str) -> None:
        """Refuse a URL early, with a reason; what its name resolves to is checked at each call."""
        objection = self._policy.objection(url)
        if objection is not None:
            raise InvalidError(
                f"The URL cannot be used: {objection}.",
                errors=[{"pointer": "/url", "detail": objection}],
            )

    async def fetch(self, url: str, *, most: int, redirects: int = 0) -> bytes:
        """Get the whole body of a 200, at most that many bytes, after so many redirects at most.

        AddressRefusedError, or OutgoingFailedError, whose kind may also be `status` or `size`.
        """
        async with self._exchange("GET", url, redirects=redirects) as response:
            if response.status != HTTPStatus.OK:
                response.close()
                raise OutgoingFailedError("status")
            content = await _read_most(response, most)
        if content is None:
            raise OutgoingFailedError("size")
        return content

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, redirects: int = 0
    ) -> OutgoingResponse:
        """Post once. AddressRefusedError, or OutgoingFailedError when no answer came.

        With `redirects` that many are followed; without, a redirect is an answer like others.
        """
        return await self._send("POST", url, headers, body, redirects)

    async def get(
        self, url: str, headers: Mapping[str, str], *, redirects: int = 0
    ) -> OutgoingResponse:
        """Get once, of the body an excerpt. Follows redirects and raises as `post` does."""
        return await self._send("GET", url, headers, None, redirects)

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        redirects: int,
    ) -> OutgoingResponse:
        started = get_running_loop().time()
        async with self._exchange(
            method, url, headers=headers, body=body, redirects=redirects
        ) as response:
            return OutgoingResponse(
                status=response.status,
                retry_after=read_retry_after(response.headers.get("Retry-After")),
                excerpt=await _read_excerpt(response),
                milliseconds=round((get_running_loop().time() - started) * 1000),
                headers={name.lower(): value for name, value in response.headers.items()},
            )

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
        redirects: int,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Call and follow redirects; each address is checked, and all share the time there is."""
        left = redirects
        try:
            async with timeout(self._total_seconds if redirects else None) as time:
                while True:
                    async with self._session_for(url).request(
                        method, URL(url), data=body, headers=headers, allow_redirects=False
                    ) as response:
                        target = _target_of(response) if redirects else None
                        if target is None:
                            time.reschedule(None)  # the session's own limit ends a slow body
                            yield response
                            return
                        response.close()
                    if not left:
                        raise OutgoingFailedError("redirects")
                    left -= 1
                    if response.status not in _SAME_METHOD and body is not None:
                        method, body = "GET", None
                        headers = {k: v for k, v in headers.items() if k.lower() != "content-type"}
                    if URL(url).origin() != target.origin():
                        headers = {k: v for k, v in headers.items() if k.lower() in _CARRIED}
                    url = str(target)
        except TimeoutError:
            raise OutgoingFailedError("timeout") from None
        except aiohttp.ClientError as error:
            raise _named(error) from None
        except OSError as error:
            raise OutgoingFailedError(_kind_of(error)) from None

    def _session_for(self, url: str) -> aiohttp.ClientSession:
        if self._session is None:
            raise OutgoingFailedError("ours")
        objection = self._policy.objection(url)
        if objection is not None:
            raise AddressRefusedError(f"the URL cannot be used: {objection}")
        return self._session


def _target_of(response: aiohttp.ClientResponse) -> URL | None:
    """Read where an answer sends us, if it does; AddressRefusedError for what is no address."""
    location = response.headers.get("Location")
    if response.status not in _REDIRECTS or location is None:
        return None
    try:
        return response.url.join(URL(location[: MAX_URL_CHARACTERS + 1]))
    except ValueError:
        raise AddressRefusedError("the URL of a redirect cannot be used") from None


async def _read_most(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """Read the body; None as soon as it proves too long."""
    if (response.content_length or 0) > most:
        response.close()
        return None
    content = bytearray()
    async for chunk in response.content.iter_any():
        if len(content) + len(chunk) > most:
            response.close()
            return None
        content += chunk
    return bytes(content)


async def _read_excerpt(response: aiohttp.ClientResponse) -> str:
    try:
        content = await _read_most(response, MAX_EXCERPT_BYTES)
    except (TimeoutError, aiohttp.ClientError):
        response.close()
        return UNFINISHED
    if content is None:
        return TOO_LARGE
    # PostgreSQL's text holds every character but this one.
    return content.decode(errors="replace").replace("\0", "\ufffd")


def _named(error: aiohttp.ClientError) -> Exception:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return OutgoingFailedError("name")
    if isinstance(error, aiohttp.ClientSSLError):
        return OutgoingFailedError("tls")
    if isinstance(error, aiohttp.InvalidURL):
        return AddressRefusedError("the URL cannot be used")
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, _RefusedAtSocketError):
            return AddressRefusedError("the host's address is not a public one")
        return OutgoingFailedError(_kind_of(error.os_error))
    return OutgoingFailedError(
        "connect" if isinstance(error, aiohttp.ClientConnectionError) else "protocol"
    )


def _kind_of(error: OSError) -> str:
    return "ours" if error.errno in _OUR_TROUBLE else "connect"


def read_retry_after(value: str | None) -> float | None:
    """Read a Retry-After in seconds: a number, or a moment (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:  # noqa: PLR2004 - three centuries
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment - clock.now()).total_seconds())
    except (TypeError, ValueError, OverflowError):  # a date without a zone cannot be subtracted
        return None
