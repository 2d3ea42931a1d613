"""A message as the transports see it: a name, a body, and what may be done with a delivery."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.contracts.message import Lane


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event on its way. `attempts` counts deliveries that ended in a failure."""

    message_id: UUID
    name: str
    lane: Lane
    body: bytes
    attempts: int = 0
    reason: str | None = None
    """Why it failed last: the kind of error only, never its data."""

    def failed(self, reason: str) -> "Envelope":
        return replace(self, attempts=self.attempts + 1, reason=reason)


class Delivery(Protocol):
    """An event at its consumer, who settles it exactly one way."""

    envelope: Envelope
    redelivered: bool
    """It was delivered before and not settled: its consumer died, or the connection did."""

    async def done(self) -> None:
        """Forget it."""
        ...

    async def retry(self, reason: str, delay: float) -> None:
        """Deliver it again after about `delay` seconds, counted as failed once more."""
        ...

    async def bury(self, reason: str, body: bytes) -> None:
        """Lay it among the service's dead letters, with another body: sealed."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A joined request at its owner: rows of one name, to be answered before `expires_at`."""

    name: str
    body: bytes
    expires_at: float
    """On the event loop's clock."""
    answer: Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A summary of a message that could not be handled; it never shows the body."""

    message_id: UUID
    name: str
    attempts: int
    reason: str | None
    size: int
    died_at: datetime | None


EventReceiver = Callable[[list[Delivery]], Awaitable[None]]
QuestionReceiver = Callable[[list[Question]], Awaitable[None]]
