"""Looks after the dead letters at the broker."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from shared.contracts.services import ServiceName
from shared.messaging.envelope import DeadLetter, Envelope
from shared.messaging.rabbitmq.declaration import Names
from shared.messaging.rabbitmq.wire import broker_reason, read_event
from shared.messaging.topology import EVENT_QUEUES, ROUTES, dead_queue

Look = Callable[[AbstractIncomingMessage], Awaitable[bool]]
"""Looks at one; says whether to go on."""

Send = Callable[[str, str, Envelope], Awaitable[None]]
"""Sends an event to (exchange, routing key)."""


async def list_letters(
    connection: AbstractConnection, names: Names, service: ServiceName, most: int
) -> list[DeadLetter]:
    letters: list[DeadLetter] = []

    async def look(message: AbstractIncomingMessage) -> bool:
        envelope = read_event(message)
        letters.append(
            DeadLetter(
                envelope.message_id,
                envelope.name,
                envelope.attempts,
                envelope.reason or broker_reason(message),
                len(message.body),
                message.timestamp,
            )
        )
        return len(letters) < most

    await _walk(connection, names, service, look)
    return letters


async def find_body(
    connection: AbstractConnection, names: Names, service: ServiceName, message_id: UUID
) -> bytes | None:
    found: list[bytes] = []

    async def look(message: AbstractIncomingMessage) -> bool:
        if read_event(message).message_id == message_id:
            found.append(message.body)
        return not found

    await _walk(connection, names, service, look)
    return found[0] if found else None


async def replay(
    connection: AbstractConnection,
    names: Names,
    service: ServiceName,
    message_id: UUID | None,
    send: Send,
) -> int:
    """Send one, or all, back to the queues they came from; returns how many."""
    replayed = 0

    async def put_back(message: AbstractIncomingMessage) -> bool:
        nonlocal replayed
        envelope = read_event(message)
        if message_id in (None, envelope.message_id):
            fresh = Envelope(envelope.message_id, envelope.name, envelope.lane, envelope.body)
            await send("", _origin(message, fresh, names, service), fresh)
            await message.ack()
            replayed += 1
        return message_id is None or not replayed

    await _walk(connection, names, service, put_back)
    return replayed


async def _walk(
    connection: AbstractConnection, names: Names, service: ServiceName, look: Look
) -> None:
    """Look at dead letters one by one; those not settled lie there again afterwards."""
    channel = await connection.channel()
    try:
        queue = await channel.get_queue(names.of(dead_queue(service)), ensure=False)
        while (message := await queue.get(fail=False)) is not None:
            if not await look(message):
                break
    finally:
        await channel.close()


def _origin(
    message: AbstractIncomingMessage, envelope: Envelope, names: Names, service: ServiceName
) -> str:
    origin = message.headers.get("origin")
    if isinstance(origin, str):
        return origin
    queues = ROUTES.get((envelope.name, envelope.lane), [])
    return names.of(next(queue for queue in queues if EVENT_QUEUES[queue] == service))
