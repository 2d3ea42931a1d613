"""Connections to the push server: aioapns's, made to survive what happens to connections."""

import asyncio
import json
import logging
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from aioapns.common import NotificationRequest, NotificationResult
from aioapns.connection import APNsCertConnectionPool, APNsTLSClientProtocol
from aioapns.exceptions import ConnectionClosed
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes

CONNECT_SECONDS: Final = 10.0
REST_SECONDS: Final = 1.0
"""How long nobody tries to connect after it failed: a crowd would wait for each other's turn."""
MAX_STREAMS: Final = 1_000
MAX_CONNECTIONS: Final = 4
MAX_BODY_BYTES: Final = 4_096


class CertificateRefusedError(Exception):
    """The server did not take our certificate."""


@dataclass(slots=True)
class _Answer:
    status: str
    body: bytes = b""


class PushConnection(APNsTLSClientProtocol):
    """One connection. It answers every push that it took: with a result, or with ConnectionClosed.

    aioapns's own loses pushes whose answer has no body, comes in parts or is a reset, ends with an
    error when a push was cancelled, never gives back the room that bodies took, hands itself out
    after a GOAWAY, and holds a dead peer for alive as long as it writes.
    """

    INACTIVITY_TIME = 300

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - as aioapns makes it
        super().__init__(*arguments)
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the server has said how much it takes at a time."""
        self._answers: dict[int, _Answer] = {}
        self._heard_at = 0.0
        self._leaving = False

    @property
    def is_busy(self) -> bool:
        return self._leaving or super().is_busy

    async def send_notification(self, request: NotificationRequest) -> NotificationResult:
        sent_at = asyncio.get_running_loop().time()
        try:
            return await super().send_notification(request)
        except asyncio.CancelledError:
            self._give_up(request.notification_id, sent_at)
            raise
        except H2Error as error:
            self.abort()
            raise ConnectionClosed from error

    def data_received(self, data: bytes) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        try:
            for event in self.conn.receive_data(data):
                self._take(event)
            self.flush()
        except H2Error:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leaving = True
        if self.inactivity_timer:
            self.inactivity_timer.cancel()
        if not self.settled.done():
            self.settled.set_exception(_why(exc))
        if self.on_connection_lost:
            self.on_connection_lost(self)
        for future in self.requests.values():
            if not future.done():
                future.set_exception(ConnectionClosed())
        self.requests.clear()

    def close(self) -> None:
        self._leaving = True
        super().close()

    def abort(self) -> None:
        """Leave at once; what is under way fails and is tried again on another connection."""
        self._leaving = True
        if self.transport is not None:
            self.transport.abort()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self._answers[event.stream_id] = _Answer(_status(event))
            case DataReceived():
                answer = self._answers.get(event.stream_id)
                if answer is not None and len(answer.body) < MAX_BODY_BYTES:
                    answer.body += event.data
                size = event.flow_controlled_length
                self.conn.acknowledge_received_data(size, event.stream_id)
            case StreamReset():
                self._answers.pop(event.stream_id, None)
                self._finish(event.stream_id)
            case StreamEnded():
                self._finish(event.stream_id)
            case RemoteSettingsChanged():
                most = event.changed_settings.get(SettingCodes.MAX_CONCURRENT_STREAMS)
                if most is not None:
                    self.free_channels.bound = min(most.new_value, MAX_STREAMS)
                if not self.settled.done():
                    self.settled.set_result(None)
            case ConnectionTerminated():
                self.abort()
            case _:
                return

    def _finish(self, stream_id: int) -> None:
        self.free_channels.release()
        answer = self._answers.pop(stream_id, None)
        notification_id = self.request_streams.pop(stream_id, "")
        future = self.requests.pop(notification_id, None)
        if future is None or future.done():
            return
        if answer is None:
            future.set_exception(ConnectionClosed())
        else:
            reason, timestamp = _parsed(answer.body)
            future.set_result(NotificationResult(notification_id, answer.status, reason, timestamp))

    def _give_up(self, notification_id: str, sent_at: float) -> None:
        """Take back a push that nobody waits for; leave a server that was deaf ever since."""
        self.requests.pop(notification_id, None)
        if self._leaving:
            return
        if self._heard_at <= sent_at:
            self.abort()
            return
        streams = [s for s, given in self.request_streams.items() if given == notification_id]
        for stream_id in streams:
            with suppress(H2Error):
                self.conn.reset_stream(stream_id, ErrorCodes.CANCEL)
            self._finish(stream_id)
            self.flush()


class PushPool(APNsCertConnectionPool):
    """The connections that one certificate opens."""

    def __init__(
        self, cert_file: str, topic: str, context: ssl.SSLContext, host: str, port: int
    ) -> None:
        """`cert_file` is read here and never again."""
        # It logs each connection at length, and its HPACK every header, tokens among them.
        for name in ("aioapns", "hpack"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        super().__init__(cert_file, topic, max_connections=MAX_CONNECTIONS, ssl_context=context)
        self.protocol_class = type(
            "PushConnectionTo", (PushConnection,), {"APNS_SERVER": host, "APNS_PORT": port}
        )
        self._trouble: Exception = ConnectionClosed()
        self._rests_until = float("-inf")

    async def create_connection(self) -> PushConnection:
        """Connect, and wait for the server's first word.

        With TLS 1.3 a certificate is refused only after the handshake; and who sends before the
        server has said how much it takes at a time may send too much.
        """
        if self.loop.time() < self._rests_until:
            raise self._trouble.with_traceback(None)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._connected()
        except (OSError, TimeoutError, CertificateRefusedError, ConnectionClosed) as error:
            self._rests_until = self.loop.time() + REST_SECONDS
            self._trouble = _why(error) if isinstance(error, ssl.SSLError) else error
            raise self._trouble from None

    async def _connected(self) -> PushConnection:
        connection = cast("PushConnection", await super().create_connection())
        try:
            await connection.settled
        except BaseException:
            connection.abort()
            raise
        return connection

    def discard_connection(self, connection: Any) -> None:  # noqa: ANN401 - as aioapns calls it
        """Forget a lost connection, which may have been lost before it was one of ours."""
        if connection in self.connections:
            self.connections.remove(connection)


def _why(error: Exception | None) -> Exception:
    """Tell a refused certificate from a server that is away."""
    reason = getattr(error, "reason", None) or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error  # theirs, not ours
    if isinstance(error, ssl.SSLError) and "ALERT" in reason:
        return CertificateRefusedError(f"refused in the TLS handshake: {reason.lower()}")
    if error is None or isinstance(error, ConnectionResetError | ssl.SSLEOFError):
        return CertificateRefusedError("closed right after the TLS handshake")
    return error


def _parsed(body: bytes) -> tuple[str, int | None]:
    try:
        answer: Any = json.loads(body or b"{}")
        reason, timestamp = answer.get("reason"), answer.get("timestamp")
    except (ValueError, AttributeError):
        return "", None
    return (
        reason[:100] if isinstance(reason, str) else "",
        timestamp if isinstance(timestamp, int) else None,
    )


def _status(event: ResponseReceived) -> str:
    return next(bytes(value).decode() for name, value in event.headers if bytes(name) == b":status")
