"""An event in the hands of its consumer, who settles it exactly one way."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared.messaging.envelope import Envelope
from shared.messaging.rabbitmq.declaration import Names
from shared.messaging.rabbitmq.wire import AWAY, UnroutedError, read_event
from shared.messaging.topology import EVENT_QUEUES, dead_queue
from shared.messaging.transport import TransportAwayError

Send = Callable[[str, str, Envelope, str | None], Awaitable[None]]
"""Sends an event to (exchange, routing key), with the queue it came from."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class QueueDelivery:
    """A message of a quorum queue; settling it on a lost connection changes nothing.

    The broker delivers such a message again, and the inbox knows it.
    """

    __slots__ = ("_message", "_names", "_queue", "_send", "envelope", "redelivered")

    def __init__(
        self, message: AbstractIncomingMessage, queue: str, names: Names, send: Send
    ) -> None:
        self._message = message
        self._queue = queue
        self._names = names
        self._send = send
        self.envelope = read_event(message)
        self.redelivered = bool(message.redelivered)

    async def done(self) -> None:
        try:
            await self._message.ack()
        except AWAY:
            log.debug("ack_lost", name=self.envelope.name)

    async def retry(self, reason: str, delay: float) -> None:
        exchange = self._names.retry(delay)
        await self._move(exchange, self._queue, self.envelope.failed(reason))

    async def bury(self, reason: str, body: bytes) -> None:
        service = EVENT_QUEUES[self._names.plain(self._queue)]
        target = self._names.of(dead_queue(service))
        await self._move("", target, replace(self.envelope.failed(reason), body=body))

    async def _move(self, exchange: str, key: str, envelope: Envelope) -> None:
        try:
            await self._send(exchange, key, envelope, self._queue)
        except UnroutedError:
            await self._give_back()  # to where it came from: the queue is being made anew
            return
        except TransportAwayError:
            return  # unsettled: it comes back as it was
        await self.done()

    async def _give_back(self) -> None:
        try:
            await self._message.nack(requeue=True)
        except AWAY:
            log.debug("nack_lost", name=self.envelope.name)
