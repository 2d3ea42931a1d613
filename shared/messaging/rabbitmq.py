"""The transport over RabbitMQ: quorum queues for events, quick ones for requests."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
)
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from shared.contracts.message import Lane
from shared.contracts.services import LISTENERS, ServiceName
from shared.identifiers import new_id
from shared.messaging.envelope import (
    DeadLetter,
    Delivery,
    Envelope,
    EventReceiver,
    Question,
    QuestionReceiver,
)
from shared.messaging.intake import Intake
from shared.messaging.topology import (
    EVENT_QUEUES,
    LANES,
    RETRY_DELAYS,
    ROUTES,
    dead_queue,
    requests_queue,
)
from shared.messaging.transport import HEAVIEST_LIST, NoAnswerError, TransportAwayError

CONNECT_SECONDS = 5.0
PUBLISH_SECONDS = 10.0
HEARTBEAT_SECONDS = 15
DELIVERY_LIMIT = 20
"""The broker's own backstop; the consumer gives up on a message that kills long before."""

AWAY = (AMQPError, OSError, ChannelInvalidStateError, RuntimeError)

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Subscription:
    queue: str
    prefetch: int
    intake: Intake[Any]
    wrap: Callable[[AbstractIncomingMessage], Any]
    at_once: bool = False
    """Acknowledge on arrival: what a request lost with its owner becomes, its sender finds out."""
    channel: AbstractChannel | None = field(default=None)


class QueueDelivery:
    """A message of a quorum queue; settling it on a lost connection changes nothing.

    The broker delivers such a message again, and the inbox knows it.
    """

    __slots__ = ("_message", "_queue", "_transport", "envelope", "redelivered")

    def __init__(
        self, message: AbstractIncomingMessage, queue: str, transport: "RabbitMQTransport"
    ) -> None:
        self._message = message
        self._queue = queue
        self._transport = transport
        self.envelope = _envelope(message)
        self.redelivered = bool(message.redelivered)

    async def done(self) -> None:
        try:
            await self._message.ack()
        except AWAY:
            log.debug("ack_lost", name=self.envelope.name)

    async def retry(self, reason: str, delay: float) -> None:
        exchange = self._transport.retry_exchange(delay)
        await self._move(exchange, self._queue, self.envelope.failed(reason))

    async def bury(self, reason: str) -> None:
        service = EVENT_QUEUES[self._transport.plain(self._queue)]
        target = self._transport.name(dead_queue(service))
        await self._move("", target, self.envelope.failed(reason))

    async def _move(self, exchange: str, key: str, envelope: Envelope) -> None:
        try:
            await self._transport.send(exchange, key, envelope, origin=self._queue)
        except TransportAwayError:
            return  # unsettled: it comes back as it was
        await self.done()


class RabbitMQTransport:
    """Two connections, so that a broker that blocks publishers does not stop consumers.

    Both reconnect by themselves, declare the whole topology and resume what was subscribed.
    aio-pika's robust connection is not used: ours fails pending requests at once and drops
    deliveries of a lost channel, which its replaying of state hides.
    """

    def __init__(self, url: str, *, prefix: str = "passwright") -> None:
        self._url = url
        self._prefix = prefix
        self._subscriptions: list[_Subscription] = []
        self._pending: dict[str, asyncio.Future[bytes]] = {}
        self._supervisors: list[asyncio.Task[None]] = []
        self._publishing: AbstractConnection | None = None
        self._consuming: AbstractConnection | None = None
        self._confirmed: AbstractChannel | None = None
        self._events: AbstractExchange | None = None
        self._quick: AbstractChannel | None = None
        self._replies: str | None = None
        self._ready = asyncio.Event()
        self._receiving = True

    @property
    def connected(self) -> bool:
        return self._confirmed is not None and self._replies is not None

    def name(self, queue: str) -> str:
        return f"{self._prefix}.{queue}"

    def plain(self, name: str) -> str:
        return name.removeprefix(f"{self._prefix}.")

    def retry_exchange(self, delay: float) -> str:
        fitting = next((d for d in RETRY_DELAYS if d >= delay), RETRY_DELAYS[-1])
        return self.name(f"retry.{fitting}")

    async def start(self) -> None:
        if self._supervisors:
            return
        for subscription in self._subscriptions:
            subscription.intake.start()
        self._supervisors = [
            asyncio.create_task(self._supervise(self._open_publishing, self._lose_publishing)),
            asyncio.create_task(self._supervise(self._open_consuming, self._lose_consuming)),
        ]
        try:
            await asyncio.wait_for(self._ready.wait(), timeout=CONNECT_SECONDS)
        except TimeoutError:
            log.warning("broker_away_at_start")

    async def stop(self) -> None:
        await self.stop_receiving()
        for supervisor in self._supervisors:
            supervisor.cancel()
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        self._supervisors = []

    # Sending

    async def publish(self, envelopes: list[Envelope]) -> None:
        exchange = self.name("events")
        await asyncio.gather(
            *(
                self.send(exchange, f"{envelope.lane}.{envelope.name}", envelope)
                for envelope in envelopes
            )
        )

    async def send(
        self, exchange: str, key: str, envelope: Envelope, origin: str | None = None
    ) -> None:
        """Publish one event and await its confirm."""
        channel = self._confirmed
        if channel is None:
            raise TransportAwayError
        headers: dict[str, Any] = {"attempts": envelope.attempts, "lane": envelope.lane}
        if envelope.reason is not None:
            headers["reason"] = envelope.reason
        if origin is not None:
            headers["origin"] = origin
        message = aio_pika.Message(
            envelope.body,
            headers=headers,
            type=envelope.name,
            # Unique per publish: returns and confirms are told apart by it.
            message_id=str(new_id()),
            correlation_id=str(envelope.message_id),
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            content_type="application/json",
        )
        target = await self._exchange(channel, exchange)
        await self._guarded(target.publish(message, key, mandatory=False), PUBLISH_SECONDS)

    async def ask(
        self, service: ServiceName, lane: Lane, name: str, body: bytes, seconds: float
    ) -> bytes:
        channel, replies = self._quick, self._replies
        if channel is None or replies is None:
            raise TransportAwayError
        number = new_id().hex
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[number] = answered
        message = aio_pika.Message(
            body,
            type=name,
            correlation_id=number,
            reply_to=replies,
            expiration=seconds,
            delivery_mode=aio_pika.DeliveryMode.NOT_PERSISTENT,
        )
        try:
            async with asyncio.timeout(seconds):
                await self._guarded(
                    channel.default_exchange.publish(
                        message, self.name(requests_queue(service, lane)), mandatory=False
                    ),
                    seconds,
                )
                return await answered
        except TimeoutError as error:
            raise NoAnswerError from error
        finally:
            self._pending.pop(number, None)

    # Receiving

    def receive_events(self, queue: str, receiver: EventReceiver, *, most: int) -> None:
        name = self.name(queue)

        def wrap(message: AbstractIncomingMessage) -> Delivery:
            return QueueDelivery(message, name, self)

        self._subscribe(
            _Subscription(
                name, 2 * most, Intake(receiver, most, _delivery_size, HEAVIEST_LIST), wrap
            )
        )

    def receive_questions(
        self, service: ServiceName, lane: Lane, receiver: QuestionReceiver, *, most: int
    ) -> None:
        name = self.name(requests_queue(service, lane))
        intake = Intake(receiver, most, _question_size, HEAVIEST_LIST)
        self._subscribe(_Subscription(name, 2 * most, intake, self._question, at_once=True))

    async def stop_receiving(self) -> None:
        self._receiving = False
        for subscription in self._subscriptions:
            # Closing the channel gives back what was prefetched, but not while lists are in
            # work whose acknowledgements need it: so cancel by closing only after the intake.
            # What was acknowledged on arrival has nobody else to answer it.
            if not subscription.at_once:
                subscription.intake.clear()
        await asyncio.gather(*(s.intake.stop() for s in self._subscriptions))
        for subscription in self._subscriptions:
            if subscription.channel is not None:
                try:
                    await asyncio.wait_for(subscription.channel.close(), timeout=2)
                except (TimeoutError, *AWAY):
                    log.debug("channel_closed_roughly")
                subscription.channel = None

    # Dead letters

    async def dead_letters(self, service: ServiceName, most: int = 1000) -> list[DeadLetter]:
        letters: list[DeadLetter] = []

        async def look(message: AbstractIncomingMessage) -> bool:
            envelope = _envelope(message)
            letters.append(
                DeadLetter(
                    envelope.message_id,
                    envelope.name,
                    envelope.attempts,
                    envelope.reason or _broker_reason(message),
                    len(message.body),
                    message.timestamp,
                )
            )
            return len(letters) < most

        await self._walk_dead(service, look)
        return letters

    async def dead_body(self, service: ServiceName, message_id: UUID) -> bytes | None:
        found: list[bytes] = []

        async def look(message: AbstractIncomingMessage) -> bool:
            if _envelope(message).message_id == message_id:
                found.append(message.body)
            return not found

        await self._walk_dead(service, look)
        return found[0] if found else None

    async def replay(self, service: ServiceName, message_id: UUID | None = None) -> int:
        replayed = 0

        async def put_back(message: AbstractIncomingMessage) -> bool:
            nonlocal replayed
            envelope = _envelope(message)
            if message_id in (None, envelope.message_id):
                fresh = Envelope(envelope.message_id, envelope.name, envelope.lane, envelope.body)
                await self.send("", self._origin(message, fresh, service), fresh)
                await message.ack()
                replayed += 1
            return message_id is None or not replayed

        await self._walk_dead(service, put_back)
        return replayed

    async def _walk_dead(
        self,
        service: ServiceName,
        look: Callable[[AbstractIncomingMessage], Awaitable[bool]],
    ) -> None:
        """Look at dead letters one by one; those not settled lie there again afterwards."""
        if self._consuming is None:
            raise TransportAwayError
        channel = await self._consuming.channel()
        try:
            queue = await channel.get_queue(self.name(dead_queue(service)), ensure=False)
            while (message := await queue.get(fail=False)) is not None:
                if not await look(message):
                    break
        finally:
            await channel.close()

    def _origin(
        self, message: AbstractIncomingMessage, envelope: Envelope, service: ServiceName
    ) -> str:
        origin = message.headers.get("origin")
        if isinstance(origin, str):
            return origin
        queues = ROUTES.get((envelope.name, envelope.lane), [])
        return self.name(next(queue for queue in queues if EVENT_QUEUES[queue] == service))

    # Connections

    async def _supervise(
        self, open_: Callable[[AbstractConnection], Awaitable[None]], lose: Callable[[], None]
    ) -> None:
        pause = 0.2
        while True:
            closed = asyncio.Event()
            connection: AbstractConnection | None = None
            try:
                connection = await asyncio.wait_for(
                    aio_pika.connect(self._url, heartbeat=HEARTBEAT_SECONDS),
                    timeout=CONNECT_SECONDS,
                )
                connection.close_callbacks.add(_setter(closed))
                await asyncio.wait_for(open_(connection), timeout=4 * CONNECT_SECONDS)
                if self.connected:
                    self._ready.set()
                pause = 0.2
                await closed.wait()
                log.warning("broker_lost")
            except (*AWAY, TimeoutError) as error:
                log.warning("broker_away", reason=type(error).__name__)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                log.warning("broker_away", reason="stalled")
            finally:
                lose()
                if connection is not None and not connection.is_closed:
                    await _close_quietly(connection)
            # Spread, so that all processes do not come back in the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause = min(pause * 2, 2.0)

    async def _open_publishing(self, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=False)
        await self._declare(channel)
        self._quick = await connection.channel(publisher_confirms=False)
        self._events = await channel.get_exchange(self.name("events"), ensure=False)
        self._publishing = connection
        self._confirmed = channel
        channel.close_callbacks.add(_closer(connection))

    def _lose_publishing(self) -> None:
        self._confirmed = self._quick = self._events = self._publishing = None
        self._ready.clear()
        self._fail_pending()

    async def _open_consuming(self, connection: AbstractConnection) -> None:
        channel = await connection.channel()
        await self._declare(channel)
        replies = await channel.declare_queue(
            self.name(f"replies.{new_id().hex}"), exclusive=True, auto_delete=True
        )
        await replies.consume(self._take_reply, no_ack=True)
        self._consuming = connection
        for subscription in self._subscriptions:
            await self._open_subscription(subscription)
        self._replies = replies.name

    def _lose_consuming(self) -> None:
        self._replies = self._consuming = None
        self._ready.clear()
        for subscription in self._subscriptions:
            subscription.channel = None
            subscription.intake.clear()
        self._fail_pending()

    def _subscribe(self, subscription: _Subscription) -> None:
        if self._supervisors:
            raise RuntimeError("subscribe before the transport starts")
        self._subscriptions.append(subscription)

    async def _open_subscription(self, subscription: _Subscription) -> None:
        if self._consuming is None or not self._receiving:
            return
        connection = self._consuming
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=subscription.prefetch)
        queue = await channel.get_queue(subscription.queue, ensure=False)

        async def take(message: AbstractIncomingMessage) -> None:
            if self._receiving:
                subscription.intake.put(subscription.wrap(message))
                if subscription.at_once:
                    await message.ack()

        await queue.consume(take, no_ack=False)
        subscription.channel = channel

        # A channel that the broker closes alone, or a consumer that it cancels because its queue
        # was deleted, would stay silent: start over with the whole connection. When we closed it
        # ourselves, to drain, the connection is still needed: the relay sends only with both.
        close = _closer(connection)

        def start_over(*_: object) -> None:
            if self._receiving:
                close()

        channel.close_callbacks.add(start_over)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(start_over)

    async def _declare(self, channel: AbstractChannel) -> None:
        """Declare everything, always the same, whichever service we are."""
        events = await channel.declare_exchange(
            self.name("events"), aio_pika.ExchangeType.TOPIC, durable=True
        )
        for service in LISTENERS:
            # Classic, because peeking at a dead letter counts as a delivery on a quorum queue.
            await channel.declare_queue(self.name(dead_queue(service)), durable=True)
            for lane in LANES:
                await channel.declare_queue(self.name(requests_queue(service, lane)), durable=True)
        for queue, service in EVENT_QUEUES.items():
            await channel.declare_queue(
                self.name(queue),
                durable=True,
                arguments={
                    "x-queue-type": "quorum",
                    "x-delivery-limit": DELIVERY_LIMIT,
                    **_dead_lettering(self.name(dead_queue(service))),
                },
            )
        for (name, lane), queues in ROUTES.items():
            for queue in queues:
                bound = await channel.get_queue(self.name(queue), ensure=False)
                await bound.bind(events, f"{lane}.{name}")
        for delay in RETRY_DELAYS:
            exchange = await channel.declare_exchange(
                self.name(f"retry.{delay}"), aio_pika.ExchangeType.FANOUT, durable=True
            )
            # When its time is over a message leaves by the default exchange under its own
            # routing key, which is the queue it came from.
            waiting = await channel.declare_queue(
                self.name(f"retry.{delay}"),
                durable=True,
                arguments={
                    "x-queue-type": "quorum",
                    "x-message-ttl": delay * 1000,
                    **_dead_lettering(None),
                },
            )
            await waiting.bind(exchange)

    async def _exchange(self, channel: AbstractChannel, name: str) -> AbstractExchange:
        if not name:
            return channel.default_exchange
        if self._events is not None and name == self._events.name:
            return self._events
        return await channel.get_exchange(name, ensure=False)

    async def _guarded(self, publishing: Awaitable[object], seconds: float) -> None:
        """Await a publish; whatever says "the broker is away" becomes one error."""
        try:
            async with asyncio.timeout(seconds):
                await publishing
        except (*AWAY, TimeoutError) as error:
            raise TransportAwayError from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # A stalled broker shows itself as a cancelled confirm, nobody having cancelled us.
            raise TransportAwayError from error

    async def _take_reply(self, message: AbstractIncomingMessage) -> None:
        answered = self._pending.get(message.correlation_id or "")
        if answered is not None and not answered.done():
            answered.set_result(message.body)

    def _question(self, message: AbstractIncomingMessage) -> Question:
        seconds = message.expiration or 0
        remaining = seconds if isinstance(seconds, int | float) else 5.0
        reply_to, number = message.reply_to, message.correlation_id

        async def answer(body: bytes) -> None:
            channel = self._quick
            if channel is None or reply_to is None:
                return
            reply = aio_pika.Message(body, correlation_id=number)
            try:
                await channel.default_exchange.publish(reply, reply_to, mandatory=False)
            except AWAY:
                log.debug("reply_lost", name=message.type)

        loop = asyncio.get_running_loop()
        return Question(message.type or "", message.body, loop.time() + remaining, answer)

    def _fail_pending(self) -> None:
        for answered in self._pending.values():
            if not answered.done():
                answered.set_exception(TransportAwayError())
        self._pending.clear()


def _dead_lettering(queue: str | None) -> dict[str, Any]:
    """At least once needs both of these, else the broker silently does it at most once."""
    arguments: dict[str, Any] = {
        "x-dead-letter-exchange": "",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    if queue is not None:
        arguments["x-dead-letter-routing-key"] = queue
    return arguments


def _envelope(message: AbstractIncomingMessage) -> Envelope:
    headers = message.headers
    attempts = headers.get("attempts", 0)
    reason = headers.get("reason")
    lane: Lane = "bulk" if headers.get("lane") == "bulk" else "interactive"
    return Envelope(
        UUID(message.correlation_id),
        message.type or "",
        lane,
        message.body,
        attempts if isinstance(attempts, int) else 0,
        reason if isinstance(reason, str) else None,
    )


def _broker_reason(message: AbstractIncomingMessage) -> str | None:
    deaths = cast("list[dict[str, Any]]", message.headers.get("x-death") or [])
    return str(deaths[0].get("reason")) if deaths else None


def _delivery_size(delivery: Delivery) -> int:
    return len(delivery.envelope.body)


def _question_size(question: Question) -> int:
    return len(question.body)


def _setter(event: asyncio.Event) -> Callable[..., None]:
    def set_event(*_: object) -> None:
        event.set()

    return set_event


def _closer(connection: AbstractConnection) -> Callable[..., None]:
    closing: list[asyncio.Task[None]] = []

    def close(*_: object) -> None:
        if not closing and not connection.is_closed:
            closing.append(asyncio.ensure_future(_close_quietly(connection)))

    return close


async def _close_quietly(connection: AbstractConnection) -> None:
    try:
        await asyncio.wait_for(connection.close(), timeout=2)
    except (TimeoutError, *AWAY):
        log.debug("connection_closed_roughly")
