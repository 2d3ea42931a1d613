"""Pairs a message with its handler; a handler paired with the wrong message is a type error."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.contracts.message import Command, Event, Message, Query
from shared.database import UnitOfWork
from shared.errors import ApplicationError, NotReadyError

AnyEvent = TypeVar("AnyEvent", bound=Event)
AnyRequest = TypeVar("AnyRequest", bound=Command | Query)
AnyQuery = TypeVar("AnyQuery", bound=Query)

EventHandler = Callable[[list[AnyEvent], UnitOfWork], Awaitable[None]]
RequestHandler = Callable[
    [list[AnyRequest], UnitOfWork],
    Awaitable[Sequence[BaseModel | ApplicationError | NotReadyError]],
]


@dataclass(frozen=True, slots=True)
class Memory:
    """How the replies to a command are stored for its repeats, where they are not to rest whole."""

    reduce: Callable[[Any], BaseModel]
    """What is stored of a reply: nothing of who a person is, and no secret."""
    recall: Callable[
        [list[Any], list[Any], UnitOfWork], Awaitable[Sequence[BaseModel | ApplicationError]]
    ]
    """Makes the replies to repeated commands of what was stored of them, row by row."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A message and the function that handles lists of it, in one transaction."""

    message: type[Message]
    handler: Callable[[list[Any], UnitOfWork], Awaitable[Any]]
    memory: Memory | None = None
    is_plain_read: bool = False
    """Whether it only reads, and each statement by itself is right: no transaction is opened."""

    @property
    def handler_name(self) -> str:
        return getattr(getattr(self.handler, "func", self.handler), "__name__", "handler")


def on(event: type[AnyEvent], handler: EventHandler[AnyEvent]) -> Subscription:
    """Handle an event: the list holds each message once, whatever was delivered twice."""
    return Subscription(event, handler)


def read(query: type[AnyQuery], handler: RequestHandler[AnyQuery]) -> Subscription:
    """Answer a question by statements of which each is right by itself, without a transaction."""
    return Subscription(query, handler, is_plain_read=True)


def answer(
    request: type[AnyRequest], handler: RequestHandler[AnyRequest], memory: Memory | None = None
) -> Subscription:
    """Answer a request: one outcome per row, in order; an error fails only its own row.

    A NotReadyError in the list keeps what was done, and has its row asked again until the deadline.
    """
    return Subscription(request, handler, memory)
