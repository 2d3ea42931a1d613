"""What a transport must do; RabbitMQ and the embedded one both pass the same test suite."""

from typing import Protocol
from uuid import UUID

from shared.contracts.message import Lane
from shared.contracts.services import ServiceName
from shared.errors import UnavailableError
from shared.messaging.envelope import DeadLetter, Envelope, EventReceiver, QuestionReceiver


class TransportAwayError(UnavailableError):
    """The messaging system is away for the moment; the same request may be sent again."""

    code = "broker_away"


class TransportRefusedError(Exception):
    """Why no waiting gets this process to the messaging system, as what follows a colon."""


class NoAnswerError(UnavailableError):
    """No answer in time. Send the same request again, with its Idempotency-Key if it has one."""

    code = "no_answer"


HEAVIEST_LIST = 256 * 1024
"""Bytes of bodies after which a list is long enough to be handled, some 500 rows."""


class Transport(Protocol):
    """Carries events durably and requests quickly."""

    @property
    def connected(self) -> bool:
        """Whether messages can leave now."""
        ...

    async def start(self) -> None:
        """Declare the whole topology and begin; returns also while the broker is still away.

        TransportRefusedError tells what no waiting mends.
        """
        ...

    async def stop(self) -> None: ...

    async def publish(self, envelopes: list[Envelope]) -> set[UUID]:
        """Send events to all queues that want them; returns when every one is safe, else raises.

        Returns the message ids of those that could not be put into each of their queues: a queue
        is missing. The transport makes it anew by itself; they have to be sent again.
        """
        ...

    async def deliver(self, queue: str, envelope: Envelope) -> bool:
        """Put a message into one queue of events; whether it is there."""
        ...

    async def ask(
        self, service: ServiceName, lane: Lane, name: str, body: bytes, seconds: float
    ) -> bytes:
        """Send a joined request and await its answer; NoAnswerError after `seconds`."""
        ...

    def receive_events(self, queue: str, receiver: EventReceiver, *, most: int) -> None:
        """Hand over what lies in a queue of events, in lists of at most `most` messages.

        A list also ends at HEAVIEST_LIST bytes. One list at a time; each delivery is settled by
        the receiver.
        """
        ...

    def receive_questions(
        self, service: ServiceName, lane: Lane, receiver: QuestionReceiver, *, most: int
    ) -> None:
        """Hand over requests as they come, in lists of at most `most` messages, one at a time."""
        ...

    async def stop_receiving(self) -> None:
        """Take nothing new, and wait for the lists that are in work."""
        ...

    async def dead_letters(self, service: ServiceName, most: int = 1000) -> list[DeadLetter]: ...

    async def dead_body(self, service: ServiceName, message_id: UUID) -> bytes | None:
        """Return the body of one dead letter."""
        ...

    async def replay(self, service: ServiceName, message_id: UUID | None = None) -> int:
        """Put one dead letter, or all, back to the queues it came from; how many."""
        ...
