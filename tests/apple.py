"""A push server that behaves as Apple's: HTTP/2 over TLS, client certificates, answers as told.

From the command line: `python -m tests.apple .data/development_root.pem` prints each push.
"""

import argparse
import asyncio
import json
import ssl
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error, StreamClosedError
from h2.settings import SettingCodes, Settings

from tests.sockets import Identity

Trick = Literal["drop", "goaway", "hang", "reset", "bare"]
"""Close the connection, end it politely, never answer, end the stream, or leave out the body."""


@dataclass(frozen=True)
class Answer:
    status: int = 200
    reason: str = ""
    timestamp: datetime | None = None
    trick: Trick | None = None


OK = Answer()
BAD_TOKEN = Answer(400, "BadDeviceToken")
TOO_MANY = Answer(429, "TooManyRequests")
TROUBLE = Answer(500, "InternalServerError")
AWAY = Answer(503, "ServiceUnavailable")


def gone(since: datetime) -> Answer:
    return Answer(410, "Unregistered", since)


@dataclass(frozen=True)
class Push:
    """One push as it arrived, and what was answered."""

    token: str
    topic: str
    headers: dict[str, str]
    body: str
    fingerprint: str
    """SHA-256 of the certificate it came with."""
    answer: Answer


@dataclass
class PushServer:
    """Answers each token with its next answer, the last one again and again; 200 by default."""

    client_root: str
    """PEM: who issued the certificates that may come."""
    most_streams: int = 1000
    answers: dict[str, list[Answer]] = field(default_factory=dict[str, list[Answer]])
    default: Answer = OK
    refused: set[str] = field(default_factory=set[str])
    """Fingerprints of certificates that are answered 403 BadCertificate."""
    heard: list[Push] = field(default_factory=list[Push])
    counts: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Pushes answered 200, by token and topic."""
    listeners: list[Callable[[Push], None]] = field(default_factory=list[Callable[[Push], None]])
    """Called with each push that is answered 200."""
    connections: "set[_Connection]" = field(default_factory=set["_Connection"])
    connected: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    kept: Path | None = None
    """Where key and certificate lie, so that whoever trusts them does so after a restart too."""

    async def start(self) -> None:
        """Listen, on the same port and with the same certificate as before if there was one."""
        context = self._identity.server_context()
        context.set_alpn_protocols(["h2"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self.client_root)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, ssl=context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every connection; `start` may follow."""
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def __post_init__(self) -> None:
        name = "Push server for tests"
        self._identity = Identity.kept(self.kept, name) if self.kept else Identity.create(name)
        self.root = self._identity.certificate

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def drop(self) -> None:
        """Cut every connection without a word."""
        for connection in list(self.connections):
            connection.cut()

    def pushes_to(self, token: str) -> list[Push]:
        return [push for push in self.heard if push.token == token]

    async def until(self, true: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until something is true of what was heard."""
        async with asyncio.timeout(seconds):
            while not true():
                self.arrived.clear()
                await self.arrived.wait()

    def take(self, headers: dict[str, str], body: str, certificate: x509.Certificate) -> Answer:
        token = headers[":path"].removeprefix("/3/device/")
        topic = headers.get("apns-topic", "")
        fingerprint = certificate.fingerprint(SHA256()).hex()
        if fingerprint in self.refused:
            answer = Answer(403, "BadCertificate")
        elif topic not in _user_ids(certificate):
            answer = Answer(400, "TopicDisallowed")
        else:
            told = self.answers.get(token, [self.default])
            answer = told.pop(0) if len(told) > 1 else told[0]
        push = Push(token, topic, headers, body, fingerprint, answer)
        self.heard.append(push)
        if answer == OK:
            self.counts[token, topic] += 1
            for listener in self.listeners:
                listener(push)
        self.arrived.set()
        return answer


class _Connection(asyncio.Protocol):
    def __init__(self, server: PushServer) -> None:
        self._server = server
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, dict[str, str]] = {}
        self._bodies: defaultdict[int, bytes] = defaultdict(bytes)
        self._unsent: deque[tuple[int, bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        tls = self._transport.get_extra_info("ssl_object")
        self._certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
        self._server.connections.add(self)
        self._server.connected += 1
        taken = {SettingCodes.MAX_CONCURRENT_STREAMS: self._server.most_streams}
        self._h2.local_settings = Settings(client=False, initial_values=taken)
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                match event:
                    case RequestReceived():
                        named = cast("list[tuple[str, str]]", event.headers)
                        self._requests[event.stream_id] = dict(named)
                    case DataReceived():
                        self._bodies[event.stream_id] += event.data
                        size = event.flow_controlled_length
                        self._h2.acknowledge_received_data(size, event.stream_id)
                    case StreamEnded():
                        self._answer(event.stream_id)
                    case StreamReset():
                        self._requests.pop(event.stream_id, None)
                        self._bodies.pop(event.stream_id, None)
                    case ConnectionTerminated():
                        self._transport.close()
                    case _:
                        pass
        except H2Error:
            pass  # h2 has a GOAWAY ready that says what was wrong
        self._flush()

    def cut(self) -> None:
        self._transport.abort()

    def _answer(self, stream_id: int) -> None:
        headers = self._requests.pop(stream_id)
        body = self._bodies.pop(stream_id, b"").decode()
        answer = self._server.take(headers, body, self._certificate)
        match answer.trick:
            case "drop":
                self.cut()
            case "goaway":
                self._flush()
                self._unsent.clear()  # what the client has made no room for is never sent
                self._h2.close_connection(last_stream_id=stream_id - 2 if stream_id > 1 else 0)
                self._flush()
                self._transport.close()
            case "hang":
                pass
            case "reset":
                self._h2.reset_stream(stream_id)
            case "bare" | None:
                self._send(stream_id, answer, headers["apns-id"])

    def _send(self, stream_id: int, answer: Answer, apns_id: str) -> None:
        body: dict[str, str | int] = {"reason": answer.reason} if answer.reason else {}
        if answer.timestamp:
            body["timestamp"] = int(answer.timestamp.timestamp() * 1000)
        whole = not body or answer.trick == "bare"
        self._h2.send_headers(
            stream_id, [(":status", str(answer.status)), ("apns-id", apns_id)], end_stream=whole
        )
        if not whole:
            self._unsent.append((stream_id, json.dumps(body).encode()))

    def _flush(self) -> None:
        while self._unsent:
            stream_id, body = self._unsent[0]
            with suppress(StreamClosedError):
                if self._h2.local_flow_control_window(stream_id) < len(body):
                    break
                self._h2.send_data(stream_id, body, end_stream=True)
            self._unsent.popleft()
        if not self._transport.is_closing():
            self._transport.write(self._h2.data_to_send())


@asynccontextmanager
async def a_push_server(client_root: bytes) -> AsyncGenerator[PushServer]:
    """Run one on a port of its own; `client_root` is PEM, a development authority's for example."""
    server = PushServer(client_root.decode())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _user_ids(certificate: x509.Certificate) -> list[str | bytes]:
    return [one.value for one in certificate.subject.get_attributes_for_oid(NameOID.USER_ID)]


async def _serve(arguments: argparse.Namespace) -> None:
    server = PushServer(arguments.client_root.read_text(), port=arguments.port)
    for told in arguments.answer:
        token, _, status = told.partition("=")
        reasons = {"400": BAD_TOKEN, "429": TOO_MANY, "500": TROUBLE, "503": AWAY}
        if status == "410":
            server.answers[token] = [gone(datetime.now(UTC))]  # noqa: TID251
        else:
            server.answers[token] = [reasons[status]]
    server.listeners.append(lambda push: print("pushed", push.topic, push.token, flush=True))
    await server.start()
    arguments.certificate.write_bytes(server.root)
    print(f"PASSWRIGHT_PUSH_SERVER={server.url} PASSWRIGHT_PUSH_ROOT={arguments.certificate}")
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client_root", type=Path, help="PEM file of who issued the certificates")
    parser.add_argument("--port", type=int, default=2197)
    parser.add_argument("--certificate", type=Path, default=Path("push_root.pem"),
                        help="where to write the certificate to trust")  # fmt: skip
    parser.add_argument("--answer", action="append", default=[], metavar="TOKEN=STATUS",
                        help="answer a token 400, 410, 429, 500 or 503")  # fmt: skip
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
