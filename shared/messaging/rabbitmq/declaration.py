"""Declares the whole topology, always the same, whichever service we are."""

from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel

from shared.contracts.services import LISTENERS
from shared.messaging.topology import (
    EVENT_QUEUES,
    LANES,
    RETRY_DELAYS,
    dead_queue,
    requests_queue,
)

DELIVERY_LIMIT = 20
"""The broker's own backstop; the consumer gives up on a message that kills long before."""


class Names:
    """Our names at the broker: the topology's, behind a prefix, so that many may share one."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def of(self, queue: str) -> str:
        return f"{self._prefix}.{queue}"

    def plain(self, name: str) -> str:
        return name.removeprefix(f"{self._prefix}.")

    def retry(self, delay: float) -> str:
        """Name the exchange before the queue in which a message waits about this long (s)."""
        fitting = next((d for d in RETRY_DELAYS if d >= delay), RETRY_DELAYS[-1])
        return self.of(f"retry.{fitting}")


async def declare(channel: AbstractChannel, names: Names) -> None:
    """Declare exchanges, queues and bindings; what is there already stays as it is."""
    for service in LISTENERS:
        # Classic, because peeking at a dead letter counts as a delivery on a quorum queue.
        await channel.declare_queue(names.of(dead_queue(service)), durable=True)
        for lane in LANES:
            await channel.declare_queue(names.of(requests_queue(service, lane)), durable=True)
    for queue, service in EVENT_QUEUES.items():
        await channel.declare_queue(
            names.of(queue),
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                **_dead_lettering(names.of(dead_queue(service))),
            },
        )
    for delay in RETRY_DELAYS:
        exchange = await channel.declare_exchange(
            names.of(f"retry.{delay}"), aio_pika.ExchangeType.FANOUT, durable=True
        )
        # When its time is over a message leaves by the default exchange under its own
        # routing key, which is the queue it came from.
        waiting = await channel.declare_queue(
            names.of(f"retry.{delay}"),
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-message-ttl": delay * 1000,
                **_dead_lettering(None),
            },
        )
        await waiting.bind(exchange)


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
