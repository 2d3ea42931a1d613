"""The three kinds of messages: facts, requests that change something, and questions."""

from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Any, ClassVar, Literal, NamedTuple, Self, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict

Lane = Literal["interactive", "bulk"]
"""People wait for `interactive`; `bulk` is long work that must never delay them."""


class Person(NamedTuple):
    """Whom values are about: a member of an account."""

    account_id: UUID
    member_id: str

    @property
    def digest(self) -> int:
        """Name the person in 64 bits."""
        name = self.account_id.bytes + self.member_id.encode()
        return int.from_bytes(blake2b(name, digest_size=8).digest(), "big", signed=True)


class Message(BaseModel):
    """One shape on the wire; `name` is written out and versioned, never derived from the class."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: ClassVar[str]


class Event(Message):
    """A fact, already true. Delivered at least once; handled once in effect."""

    def halves(self) -> tuple[Self, ...]:
        """Split the rows of a plural event into two events; nothing if there are not two rows."""
        for field in type(self).model_fields:
            rows = cast("object", getattr(self, field))
            if not isinstance(rows, list):
                continue
            rows = cast("list[object]", rows)
            middle = len(rows) // 2
            if middle:
                parts = (rows[:middle], rows[middle:])
                return tuple(self.model_copy(update={field: part}) for part in parts)
        return ()

    def persons(self) -> Iterable[Person]:
        """Name those of whom it tells more than the id."""
        return ()

    def without(self, persons: Collection[Person]) -> Self:  # noqa: ARG002 - of nobody, here
        """Leave out the rows that tell of these persons; newer rows have taken their place."""
        return self


class CatalogueEvent(Event):
    """A fact about what is configured; it travels in queues of its own, before all else."""


class Request(Message):
    """One row that wants one answer; the gateway joins many rows into one message."""

    reply: ClassVar[type[BaseModel]]


class Command(Request):
    """A request that changes something. Its id makes it safe to repeat: the outcome is stored."""

    command_id: UUID


class Query(Request):
    """A question; asking twice changes nothing."""


class Done(BaseModel):
    """The answer of a command that has nothing to tell."""


JsonObject = dict[str, Any]
