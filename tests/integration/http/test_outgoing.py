"""Calls to customers' addresses go where they may, take little, and end in time."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from select import select

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidError
from shared.http import outgoing as outgoing_module
from shared.http.outgoing import (
    TOO_LARGE,
    UNFINISHED,
    AddressRefusedError,
    OutgoingAddressPolicy,
    OutgoingClient,
    OutgoingFailedError,
)


def words(text: str) -> list[str]:
    return text.split()


DENIED = words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1
127.0.0.2 127.1.2.3 127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2
172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1
192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1
::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:2::1 2001:10::1 2001:db8::1 2002:7f00:1::
2002:808:808::1 2620:4f:8000::1 3ffe::1 3fff::1 3fff:fff:ffff::1 4000::1 5f00::1 fc00::1 fd00::1
fd00:ec2::254 fdff:ffff::1 fe80::1 fe80::1%lo fec0::1 ff00::1 ff02::1 ff0e::1
""")

ODD_HOSTS = words("""
localhost LOCALHOST localhost. a.localhost localhost.localdomain printer.local db.internal
metadata.google.internal router.lan intranet 2130706433 127.1 127.0.1 0177.0.0.1 0x7f.0.0.1
0x7f000001 017700000001 127.0.0.1. 1.2.3.256 1.2.3
""")

ALLOWED = words("""
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 223.255.255.255 2600::1 2a00:1450::1
2606:4700:4700::1111 2003::1
""")


@pytest.mark.parametrize("address", DENIED)
def test_address_that_is_not_public_is_denied(address: str):
    assert not OutgoingAddressPolicy().allows(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_public_address_is_allowed(address: str):
    assert OutgoingAddressPolicy().allows(address)


def test_development_allows_loopback_and_nothing_else():
    policy = OutgoingAddressPolicy(allow_loopback=True)

    allowed = {address for address in DENIED if policy.allows(address)}

    assert allowed == {"127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.255", "::1"}


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_never_allowed(address: object):
    if OutgoingAddressPolicy().allows(str(address)):
        assert getattr(address, "is_global")  # noqa: B009 - v4 or v6
        assert not getattr(address, "is_multicast")  # noqa: B009


@pytest.mark.parametrize("host", [f"[{a}]" if ":" in a else a for a in DENIED] + ODD_HOSTS)
async def test_denied_address_is_never_connected_to(host: str):
    async with tripwire() as wire, client() as outgoing:
        url = f"https://{host}:{wire.port}/"

        with pytest.raises(InvalidError):
            outgoing.check_url(url)
        with pytest.raises(AddressRefusedError):
            await outgoing.post(url, b"{}", {})

        assert wire.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_name_that_resolves_to_a_denied_address_is_refused(address: str):
    async with tripwire() as wire, client(resolver=FakeResolver([address])) as outgoing:
        url = f"https://partner.example.com:{wire.port}/"
        outgoing.check_url(url)

        with pytest.raises(AddressRefusedError):
            await outgoing.post(url, b"{}", {})

        assert wire.connections == 0


async def test_resolver_that_alternates_between_public_and_loopback_is_refused():
    policy = PretendPublic()
    async with tripwire() as wire, a_server(answer(200), "127.0.0.9", wire.port) as public:
        resolver = FakeResolver(["127.0.0.9", "127.0.0.1"])
        outgoing = OutgoingClient(policy, resolver=resolver)
        await outgoing.open()
        url = f"http://partner.example.com:{wire.port}/"

        for _ in range(3):
            assert (await outgoing.post(url, b"{}", {})).status == 200
            with pytest.raises(AddressRefusedError):
                await outgoing.post(url, b"{}", {})

        assert public.connections == 3
        assert wire.connections == 0
        await outgoing.close()


@pytest.mark.parametrize(
    "url",
    ["", "partner.example.com", "//partner.example.com/", "http://partner.example.com/",
     "ftp://partner.example.com/", "file:///etc/passwd", "https://", "https:///path",
     "https://user@partner.example.com/", "https://user:word@partner.example.com/",
     "https://@partner.example.com/", "https://partner.example.com:99999/", "https://a b.example/",
     "https://partner.example.com\\@127.0.0.1/", "https://partner.example.com/\r\nX: y",
     "https://[::1", "https://partner.example.com:0/", "https://partner.example.com/" + "x" * 2000],
)  # fmt: skip
def test_url_that_cannot_be_used_is_refused_with_a_reason(url: str):
    with pytest.raises(InvalidError) as caught:
        OutgoingClient(OutgoingAddressPolicy()).check_url(url)

    assert caught.value.errors[0]["pointer"] == "/url"


@pytest.mark.parametrize(
    "url", ["https://partner.example.com/hook?a=b", "https://8.8.8.8/", "https://bücher.example/",
            "https://[2600::1]:8443/"],
)  # fmt: skip
def test_url_that_can_be_used_is_taken(url: str):
    OutgoingClient(OutgoingAddressPolicy()).check_url(url)


async def test_answer_is_told_with_what_the_receiver_asks_for():
    reply = b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nX-A: b\r\nContent-Length: 5\r\n\r\nno\0\xff."
    async with a_server(says(reply)) as server, client(development=True) as outgoing:
        response = await outgoing.post(server.url, b"{}", {"webhook-id": "evt_1"})

        assert (response.status, response.retry_after) == (503, 7.0)
        assert response.excerpt == "no\ufffd\ufffd."
        assert response.headers["x-a"] == "b"
        assert b"User-Agent: Passwright\r\n" in server.heard[0]
        assert b"webhook-id: evt_1\r\n" in server.heard[0]


@pytest.mark.parametrize(
    "value", [b"soon", b"-1", b"1e9", b"99999999999999", b"Wed, 21 Oct 2015 07:28:00"]
)
async def test_retry_after_that_makes_no_sense_is_ignored(value: bytes):
    reply = b"HTTP/1.1 503 No\r\nRetry-After: " + value + b"\r\nContent-Length: 0\r\n\r\n"
    async with a_server(says(reply)) as server, client(development=True) as outgoing:
        assert (await outgoing.post(server.url, b"{}", {})).retry_after is None


async def test_redirect_is_told_and_not_followed():
    async with tripwire() as wire:
        reply = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{wire.port}/\r\n"
        async with (
            a_server(says(reply.encode() + b"Content-Length: 0\r\n\r\n")) as server,
            client(development=True) as outgoing,
        ):
            assert (await outgoing.post(server.url, b"{}", {})).status == 302

            assert wire.connections == 0


@pytest.mark.parametrize(
    "head", [b"Content-Length: 10000000000\r\n", b"Connection: close\r\n"], ids=["said", "unsaid"]
)
async def test_oversized_answer_is_cut_off(head: bytes):
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                sent += 65_536

    async with a_server(flood) as server, client(development=True) as outgoing:
        response = await outgoing.post(server.url, b"{}", {})

        assert (response.status, response.excerpt) == (200, TOO_LARGE)
    assert sent < 64 * 1024 * 1024


async def test_compressed_answer_is_not_unpacked():
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    async with a_server(says(reply)) as server, client(development=True) as outgoing:
        assert (await outgoing.post(server.url, b"{}", {})).excerpt == "abc"


async def test_answer_that_drips_ends_in_time_with_its_status():
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)

    async with a_server(drip) as server, client(development=True, total=0.3) as outgoing:
        response = await outgoing.post(server.url, b"{}", {})

        assert (response.status, response.excerpt) == (200, UNFINISHED)


@pytest.mark.parametrize("at_once", [1, 4000])
async def test_informational_answers_without_end_are_given_up(at_once: int):
    sent = 0

    async def go_on(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * at_once)
            sent += at_once
            await writer.drain()
            await asyncio.sleep(0)

    async with a_server(go_on) as server, client(development=True) as outgoing:
        assert await kind_of(outgoing, server.url) == "protocol"

    assert sent < 1_000_000


async def test_some_informational_answers_are_no_fault():
    reply = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 10 + (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )
    async with a_server(says(reply)) as server, client(development=True) as outgoing:
        assert (await outgoing.post(server.url, b"{}", {})).excerpt == "ok"


async def test_names_that_nobody_answers_for_hold_up_no_other(monkeypatch: pytest.MonkeyPatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        asks = partial(AsyncResolver, nameservers=[f"127.0.0.1:{silent.getsockname()[1]}"])
        monkeypatch.setattr(outgoing_module, "AsyncResolver", asks)
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        async with a_server(says(reply)) as server, client(development=True) as outgoing:
            url = server.url.replace("127.0.0.1", "localhost")
            waiting = [
                asyncio.create_task(kind_of(outgoing, f"http://x{n}.silent.example/"))
                for n in range(100)
            ]
            while not select([silent], [], [], 0)[0]:  # they have been asked for
                await asyncio.sleep(0.01)
            async with asyncio.timeout(3):
                assert (await outgoing.post(url, b"{}", {})).status == 200

            assert not any(task.done() for task in waiting)
            assert set(await asyncio.gather(*waiting)) == {"timeout"}


async def test_failures_are_told_by_kind():
    async with (
        a_server(hang) as silent,
        a_server(says(b"what?\r\n\r\n")) as odd,
        a_server(hang_up) as cut,
        a_server(answer(200), waits=False) as plain,
        client(development=True, total=0.3) as outgoing,
        client(resolver=FakeResolver([])) as nameless,
    ):
        assert await kind_of(outgoing, silent.url) == "timeout"
        assert await kind_of(outgoing, odd.url) == "protocol"
        assert await kind_of(outgoing, cut.url) == "connect"
        assert await kind_of(outgoing, "http://127.0.0.1:1/") == "connect"
        assert await kind_of(outgoing, plain.url.replace("http:", "https:")) == "tls"
        assert await kind_of(nameless, "https://partner.example.com/") == "name"


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def sends_to(url: str, status: int = 302) -> Answer:
    head = f"HTTP/1.1 {status} Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n"
    return says(head.encode())


async def test_redirects_are_followed_as_often_as_allowed():
    async with (
        client(development=True) as outgoing,
        a_server(answer(204)) as last,
        a_server(sends_to(last.url)) as middle,
        a_server(sends_to(middle.url)) as first,
    ):
        there = await outgoing.post(first.url, b"{}", {}, redirects=2)
        with pytest.raises(OutgoingFailedError) as caught:
            await outgoing.post(first.url, b"{}", {}, redirects=1)

    assert there.status == 204
    assert caught.value.kind == "redirects"


@pytest.mark.parametrize(
    ("status", "method"),
    [(301, b"GET"), (302, b"GET"), (303, b"GET"), (307, b"POST"), (308, b"POST")],
)
async def test_redirect_says_whether_the_method_is_repeated(status: int, method: bytes):
    headers = {"Idempotency-Key": "k", "Authorization": "secret"}
    async with (
        client(development=True) as outgoing,
        a_server(answer(200)) as last,
        a_server(sends_to(last.url, status)) as first,
    ):
        await outgoing.post(first.url, b"{}", headers, redirects=3)

    assert last.heard[0].startswith(method + b" / ")
    assert b"Idempotency-Key: k" in last.heard[0]
    assert b"secret" not in last.heard[0]  # which is of another host


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:{port}/", "https://10.0.0.1/", "ftp://x.example/", "http://[::1/"]
)
async def test_each_hop_of_a_redirect_is_checked(target: str):
    async with tripwire() as wire, a_server(sends_to(target.format(port=wire.port))) as first:
        outgoing = OutgoingClient(OnlyLoopbackOne(allow_loopback=True))
        await outgoing.open()
        try:
            with pytest.raises(AddressRefusedError):
                await outgoing.fetch(first.url, most=5, redirects=3)
        finally:
            await outgoing.close()

        assert wire.connections == 0


class OnlyLoopbackOne(OutgoingAddressPolicy):
    """Takes 127.0.0.1 only, so that 127.0.0.2 stands for a private address."""

    def allows(self, address: str) -> bool:
        return address == "127.0.0.1"


async def test_answer_that_drips_behind_a_redirect_ends_in_time_with_its_status():
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.05)

    async with (
        client(development=True, total=0.5) as outgoing,
        a_server(drip) as last,
        a_server(sends_to(last.url)) as first,
    ):
        response = await outgoing.get(first.url, {}, redirects=3)

    assert (response.status, response.excerpt) == (200, UNFINISHED)


async def test_hops_share_the_time_there_is():
    async with (
        client(development=True, total=0.5) as outgoing,
        a_server(hang) as last,
        a_server(sends_to(last.url)) as first,
    ):
        with pytest.raises(OutgoingFailedError) as caught:
            await outgoing.fetch(first.url, most=5, redirects=3)

    assert caught.value.kind == "timeout"


async def test_fetched_content_is_given_whole():
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n\x89PNG\x00"
    async with a_server(says(reply)) as server, client(development=True) as outgoing:
        assert await outgoing.fetch(server.url, most=5) == b"\x89PNG\x00"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n123456", "size"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n123456", "size"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "status"),
        (b"HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "status"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12", "protocol"),
    ],
)
async def test_fetch_that_fails_is_told_by_kind(reply: bytes, kind: str):
    async with a_server(says(reply)) as server, client(development=True) as outgoing:
        with pytest.raises(OutgoingFailedError) as caught:
            await outgoing.fetch(server.url, most=5)

    assert caught.value.kind == kind


async def test_fetch_never_reaches_a_private_address():
    async with tripwire() as wire, client() as outgoing:
        for url in (f"https://127.0.0.1:{wire.port}/", f"https://[::1]:{wire.port}/"):
            with pytest.raises(AddressRefusedError):
                await outgoing.fetch(url, most=5)

        assert wire.connections == 0


class PretendPublic(OutgoingAddressPolicy):
    """Takes 127.0.0.9 for a public address, so that no test leaves this machine."""

    def __init__(self) -> None:
        super().__init__(allow_loopback=True)

    def allows(self, address: str) -> bool:
        return address == "127.0.0.9"


@dataclass
class FakeResolver(AbstractResolver):
    """Gives its addresses in turn."""

    addresses: list[str]
    calls: int = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if not self.addresses:
            raise OSError("unknown name")
        address = self.addresses[self.calls % len(self.addresses)]
        self.calls += 1
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)
        ]

    async def close(self) -> None:
        return


@dataclass
class Server:
    port: int = 0
    connections: int = 0
    heard: list[bytes] = field(default_factory=list[bytes])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def says(reply: bytes) -> Answer:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()

    return say


def answer(status: int) -> Answer:
    return says(b"HTTP/1.1 %d OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status)


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@contextlib.asynccontextmanager
async def a_server(
    say: Answer, host: str = "127.0.0.1", port: int = 0, *, waits: bool = True
) -> AsyncGenerator[Server]:
    server = Server()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            if waits:
                server.heard.append(await reader.readuntil(b"\r\n\r\n"))
            await say(reader, writer)
        writer.close()

    listening = await asyncio.start_server(accept, host, port)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


@contextlib.asynccontextmanager
async def tripwire() -> AsyncGenerator[Server]:
    """Listen on loopback and count who comes; nobody should."""
    async with a_server(answer(200)) as server:
        yield server
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def client(
    *,
    development: bool = False,
    total: float = 15.0,
    resolver: AbstractResolver | None = None,
) -> AsyncGenerator[OutgoingClient]:
    policy = OutgoingAddressPolicy(allow_loopback=development)
    outgoing = OutgoingClient(policy, total_seconds=total, resolver=resolver)
    await outgoing.open()
    try:
        yield outgoing
    finally:
        await outgoing.close()


async def kind_of(outgoing: OutgoingClient, url: str) -> str:
    with pytest.raises(OutgoingFailedError) as caught:
        await outgoing.post(url, b"{}", {})
    return caught.value.kind
