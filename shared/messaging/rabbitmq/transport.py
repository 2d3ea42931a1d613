"""The transport itself: two supervised connections, what is sent and what is received."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
)

from shared.contracts.message import Lane
from shared.contracts.services import ServiceName
from shared.identifiers import new_id
from shared.logs import trace_of
from shared.messaging.envelope import (
    DeadLetter,
    Delivery,
    Envelope,
    EventReceiver,
    Question,
    QuestionReceiver,
)
from shared.messaging.intake import Intake
from shared.messaging.rabbitmq import dead_letters
from shared.messaging.rabbitmq.declaration import Names, declare
from shared.messaging.rabbitmq.delivery import QueueDelivery
from shared.messaging.rabbitmq.wire import (
    AWAY,
    UnroutedError,
    close_quietly,
    closer,
    guarded,
    refusal_of,
    setter,
    write_event,
)
from shared.messaging.topology import ROUTES, requests_queue
from shared.messaging.transport import (
    HEAVIEST_LIST,
    NoAnswerError,
    TransportAwayError,
    TransportRefusedError,
)

CONNECT_SECONDS = 5.0
PUBLISH_SECONDS = 10.0
HEARTBEAT_SECONDS = 15

PULSE = "pulse"
"""The correlation id of a message to ourselves."""

RESTORE_SECONDS = 1.0
"""After this time a queue that is missing is made anew."""

PULSE_SECONDS = 0.3
SILENT_SECONDS = 0.6
"""How often the broker is sent a message to ourselves, and how long nothing may come back."""

GRACE_SECONDS = 0.05
"""For a message that is there, but was not read because this process itself stood still."""

WATCH_SECONDS = 10.0
"""How often a process looks whether its queues are there and have a consumer."""

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


class RabbitMQTransport:
    """Two connections, so that a broker that blocks publishers does not stop consumers.

    Both reconnect by themselves, declare the whole topology and resume what was subscribed.
    aio-pika's robust connection is not used: ours fails pending requests at once and drops
    deliveries of a lost channel, which its replaying of state hides.
    """

    def __init__(self, url: str, *, prefix: str = "passwright") -> None:
        self._url = url
        self.names = Names(prefix)
        self._subscriptions: list[_Subscription] = []
        self._pending: dict[str, asyncio.Future[bytes]] = {}
        self._supervisors: list[asyncio.Task[None]] = []
        self._publishing: AbstractConnection | None = None
        self._consuming: AbstractConnection | None = None
        self._confirmed: AbstractChannel | None = None
        self._restoring: asyncio.Task[None] | None = None
        self._quick: AbstractChannel | None = None
        self._replies: str | None = None
        self._ready = asyncio.Event()
        self._refusal: asyncio.Future[str] | None = None
        """While starting: what no waiting mends."""
        self._receiving = True
        self._is_stopping = False
        self._is_stalled = False
        self._heard_at = 0.0

    @property
    def connected(self) -> bool:
        return self._confirmed is not None and self._replies is not None and not self._is_stalled

    async def start(self) -> None:
        if self._supervisors:
            return
        self._is_stopping = False
        self._refusal = refusal = asyncio.get_running_loop().create_future()
        for subscription in self._subscriptions:
            subscription.intake.start()
        self._supervisors = [
            asyncio.create_task(self._supervise(self._open_publishing, self._lose_publishing)),
            asyncio.create_task(self._supervise(self._open_consuming, self._lose_consuming)),
            asyncio.create_task(self._watch_consumers()),
            asyncio.create_task(self._watch_pulse()),
        ]
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait(
            {ready, refusal}, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        self._refusal = None
        if refusal.done():
            raise TransportRefusedError(refusal.result())
        if not self._ready.is_set():
            log.warning("broker_away_at_start")

    async def stop(self) -> None:
        await self.stop_receiving()
        self._is_stopping = True
        for supervisor in self._supervisors:
            supervisor.cancel()
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        self._supervisors = []
        if self._restoring is not None:
            await asyncio.gather(self._restoring, return_exceptions=True)

    # Sending

    async def publish(self, envelopes: list[Envelope]) -> set[UUID]:
        # Queue by queue, because the broker returns a message only if it fits into none.
        sent = [
            (envelope, queue)
            for envelope in envelopes
            for queue in ROUTES.get((envelope.name, envelope.lane), ())
        ]
        arrived = await asyncio.gather(*(self.deliver(queue, envelope) for envelope, queue in sent))
        return {
            envelope.message_id
            for (envelope, _), is_there in zip(sent, arrived, strict=True)
            if not is_there
        }

    async def deliver(self, queue: str, envelope: Envelope) -> bool:
        try:
            await self.send("", self.names.of(queue), envelope)
        except UnroutedError:
            return False
        return True

    async def send(
        self, exchange: str, key: str, envelope: Envelope, origin: str | None = None
    ) -> None:
        """Publish one event and await its confirm; UnroutedError when no queue takes it."""
        channel = self._confirmed
        if channel is None:
            raise TransportAwayError
        message = write_event(envelope, origin)
        target = await self._exchange(channel, exchange)
        try:
            await guarded(target.publish(message, key, mandatory=True), PUBLISH_SECONDS)
        except UnroutedError:
            self._restore_topology()
            raise

    async def ask(
        self, service: ServiceName, lane: Lane, name: str, body: bytes, seconds: float
    ) -> bytes:
        channel, replies = self._quick, self._replies
        if channel is None or replies is None or self._is_stalled:
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
                await guarded(
                    channel.default_exchange.publish(
                        message, self.names.of(requests_queue(service, lane)), mandatory=False
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
        name = self.names.of(queue)

        def wrap(message: AbstractIncomingMessage) -> Delivery:
            return QueueDelivery(message, name, self.names, self.send)

        self._subscribe(
            _Subscription(
                name, 2 * most, Intake(receiver, most, _delivery_size, HEAVIEST_LIST), wrap
            )
        )

    def receive_questions(
        self, service: ServiceName, lane: Lane, receiver: QuestionReceiver, *, most: int
    ) -> None:
        name = self.names.of(requests_queue(service, lane))
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
        return await dead_letters.list_letters(self._link(), self.names, service, most)

    async def dead_body(self, service: ServiceName, message_id: UUID) -> bytes | None:
        return await dead_letters.find_body(self._link(), self.names, service, message_id)

    async def replay(self, service: ServiceName, message_id: UUID | None = None) -> int:
        return await dead_letters.replay(self._link(), self.names, service, message_id, self.send)

    def _link(self) -> AbstractConnection:
        if self._consuming is None:
            raise TransportAwayError
        return self._consuming

    # Connections

    async def _supervise(
        self, open_: Callable[[AbstractConnection], Awaitable[None]], lose: Callable[[], None]
    ) -> None:
        pause = 0.2
        # A library may swallow the cancellation that ends us, where it comes as a call fails.
        while not self._is_stopping:
            closed = asyncio.Event()
            connection: AbstractConnection | None = None
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    connection = await aio_pika.connect(self._url, heartbeat=HEARTBEAT_SECONDS)
                connection.close_callbacks.add(setter(closed))
                async with asyncio.timeout(4 * CONNECT_SECONDS):
                    await open_(connection)
                if self._is_stopping:
                    return
                if self.connected:
                    self._ready.set()
                pause = 0.2
                await closed.wait()
                log.warning("broker_lost")
            except (*AWAY, TimeoutError, ValueError) as error:
                log.warning("broker_away", reason=type(error).__name__)
                reason = refusal_of(error)
                if reason and self._refusal is not None and not self._refusal.done():
                    self._refusal.set_result(reason)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                log.warning("broker_away", reason="stalled")
            except Exception as error:  # noqa: BLE001 - nothing may end the reconnecting
                log.error("broker_lost_oddly", kind=type(error).__name__, trace=trace_of(error))  # noqa: TRY400
            finally:
                lose()
                if connection is not None and not connection.is_closed:
                    await close_quietly(connection)
            # Spread, so that all processes do not come back in the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause = min(pause * 2, 2.0)

    async def _open_publishing(self, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await declare(channel, self.names)
        self._quick = await connection.channel(publisher_confirms=False)
        self._publishing = connection
        self._confirmed = channel
        channel.close_callbacks.add(closer(connection))

    def _restore_topology(self) -> None:
        """Make anew what somebody deleted; one look at a time."""
        if self._restoring is None or self._restoring.done():
            self._restoring = asyncio.create_task(self._declare_again())

    async def _declare_again(self) -> None:
        connection = self._publishing
        if connection is None:
            return
        log.warning("broker_topology_incomplete")
        # A queue that is made anew at once may leave the consumers of the old one without a word.
        await asyncio.sleep(RESTORE_SECONDS)
        try:
            async with asyncio.timeout(4 * CONNECT_SECONDS):
                channel = await connection.channel()
                await declare(channel, self.names)
                await channel.close()
        except (*AWAY, TimeoutError):
            await close_quietly(connection)  # and start over

    def _lose_publishing(self) -> None:
        self._confirmed = self._quick = self._publishing = None
        self._ready.clear()
        self._fail_pending()

    async def _open_consuming(self, connection: AbstractConnection) -> None:
        channel = await connection.channel()
        await declare(channel, self.names)
        replies = await channel.declare_queue(
            self.names.of(f"replies.{new_id().hex}"), exclusive=True, auto_delete=True
        )
        await replies.consume(self._take_reply, no_ack=True)
        self._consuming = connection
        for subscription in self._subscriptions:
            await self._open_subscription(subscription)
        self._replies = replies.name

    async def _watch_pulse(self) -> None:
        """Notice a broker that takes nothing: an alarm blocks who publishes, without an error."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            channel, replies = self._quick, self._replies
            if channel is None or replies is None:
                self._is_stalled = False  # which `connected` knows by itself
                continue
            since = loop.time()
            beating = asyncio.create_task(self._beat(channel, replies))
            await asyncio.wait({beating}, timeout=SILENT_SECONDS)
            if not beating.done():
                await asyncio.sleep(GRACE_SECONDS)
            is_alive = self._heard_at >= since or (not beating.done() and self._replies is None)
            if is_alive == self._is_stalled:
                self._is_stalled = not is_alive
                log.warning("broker_stalled" if self._is_stalled else "broker_goes_on")
                if self._is_stalled:
                    self._fail_pending()
            if not beating.done():
                await asyncio.wait({beating}, timeout=CONNECT_SECONDS)
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beat(self, channel: AbstractChannel, replies: str) -> None:
        """Send a message to ourselves and wait for it, or for anything else, to arrive."""
        heard = asyncio.get_running_loop().create_future()
        self._pending[PULSE] = heard
        try:
            message = aio_pika.Message(b"", correlation_id=PULSE, expiration=CONNECT_SECONDS)
            await channel.default_exchange.publish(message, replies, mandatory=False)
            await heard
        except (*AWAY, TransportAwayError):
            return
        finally:
            self._pending.pop(PULSE, None)

    async def _watch_consumers(self) -> None:
        """Start over when a queue is gone or nobody reads it, should the broker not have said."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            connection = self._consuming
            if connection is None or not self._receiving or self._replies is None:
                continue
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    is_whole = await self._all_consumed(connection)
            except (*AWAY, TimeoutError):
                is_whole = False
            if not is_whole and self._receiving and connection is self._consuming:
                log.warning("broker_consumers_lost")
                await close_quietly(connection)

    async def _all_consumed(self, connection: AbstractConnection) -> bool:
        channel = await connection.channel()
        try:
            for subscription in self._subscriptions:
                queue = await channel.declare_queue(subscription.queue, passive=True)
                if not queue.declaration_result.consumer_count:
                    return False
        finally:
            if not channel.is_closed:
                await channel.close()
        return True

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
        close = closer(connection)

        def start_over(*_: object) -> None:
            if self._receiving:
                close()

        channel.close_callbacks.add(start_over)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(start_over)

    async def _exchange(self, channel: AbstractChannel, name: str) -> AbstractExchange:
        if not name:
            return channel.default_exchange
        return await channel.get_exchange(name, ensure=False)

    async def _take_reply(self, message: AbstractIncomingMessage) -> None:
        self._heard_at = asyncio.get_running_loop().time()
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


def _delivery_size(delivery: Delivery) -> int:
    return len(delivery.envelope.body)


def _question_size(question: Question) -> int:
    return len(question.body)
