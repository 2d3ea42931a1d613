"""What goes over the wire and back: events as AMQP messages, lost connections as one error."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import UUID

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelInvalidStateError,
    ProbableAuthenticationError,
    PublishError,
)
from aiormq.exceptions import ChannelAccessRefused, InvalidFrameError

from shared.contracts.message import Lane
from shared.identifiers import new_id
from shared.messaging.envelope import Envelope
from shared.messaging.transport import TransportAwayError

AWAY = (AMQPError, OSError, ChannelInvalidStateError, RuntimeError)
"""What aio-pika raises when connection or channel are lost."""


def refusal_of(error: Exception) -> str | None:
    """Say what no waiting mends; None about a broker that may come back."""
    if isinstance(error, AuthenticationError | ProbableAuthenticationError):
        return "RabbitMQ refuses its user or password"
    if isinstance(error, InvalidFrameError):  # it closes where it should have opened
        return "RabbitMQ has no such virtual host, or none for its user"
    if isinstance(error, ChannelAccessRefused):
        return "RabbitMQ does not let its user declare and use queues in the virtual host"
    if isinstance(error, ValueError):
        return "no server can have such a name"
    return None


class UnroutedError(TransportAwayError):
    """The queue is missing: the broker has given the message back."""


NO_ID = UUID(int=0)
"""A message that is not ours; it is unknown by name too, and ends among the dead letters."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def write_event(envelope: Envelope, origin: str | None) -> aio_pika.Message:
    """Write an event; `origin` is the queue it came from, if it was delivered before."""
    headers: dict[str, Any] = {"attempts": envelope.attempts, "lane": envelope.lane}
    if envelope.reason is not None:
        headers["reason"] = envelope.reason
    if origin is not None:
        headers["origin"] = origin
    return aio_pika.Message(
        envelope.body,
        headers=headers,
        type=envelope.name,
        # Unique per publish: returns and confirms are told apart by it.
        message_id=str(new_id()),
        correlation_id=str(envelope.message_id),
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        content_type="application/json",
    )


def read_event(message: AbstractIncomingMessage) -> Envelope:
    """Read an event; it also stands what others may have put into our queues."""
    headers = message.headers
    attempts = headers.get("attempts", 0)
    reason = headers.get("reason")
    lane: Lane = "bulk" if headers.get("lane") == "bulk" else "interactive"
    try:
        message_id = UUID(message.correlation_id)
    except (TypeError, ValueError):
        message_id = NO_ID
    return Envelope(
        message_id,
        message.type or "",
        lane,
        message.body,
        attempts if isinstance(attempts, int) else 0,
        reason if isinstance(reason, str) else None,
    )


def broker_reason(message: AbstractIncomingMessage) -> str | None:
    """Tell why the broker itself gave a message up."""
    deaths = cast("list[dict[str, Any]]", message.headers.get("x-death") or [])
    return str(deaths[0].get("reason")) if deaths else None


async def guarded(publishing: Awaitable[object], seconds: float) -> None:
    """Await a publish; whatever says "the broker is away" becomes one error."""
    try:
        async with asyncio.timeout(seconds):
            await publishing
    except PublishError as error:
        raise UnroutedError from error
    except (*AWAY, TimeoutError) as error:
        raise TransportAwayError from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # A stalled broker shows itself as a cancelled confirm, nobody having cancelled us.
        raise TransportAwayError from error


def setter(event: asyncio.Event) -> Callable[..., None]:
    def set_event(*_: object) -> None:
        event.set()

    return set_event


def closer(connection: AbstractConnection) -> Callable[..., None]:
    closing: list[asyncio.Task[None]] = []

    def close(*_: object) -> None:
        if not closing and not connection.is_closed:
            closing.append(asyncio.ensure_future(close_quietly(connection)))

    return close


async def close_quietly(connection: AbstractConnection) -> None:
    try:
        await asyncio.wait_for(connection.close(), timeout=2)
    except (TimeoutError, *AWAY):
        log.debug("connection_closed_roughly")
