"""The asking side: single requests joined into messages, each answered by its own outcome."""

import asyncio
from collections.abc import Iterator
from functools import cache
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from shared.contracts.message import Lane, Request
from shared.crashing import crash_point
from shared.errors import (
    ApplicationError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InternalError,
    InvalidError,
    NotFoundError,
    NotReadyError,
    TooLargeError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from shared.messaging.joining import Joiner
from shared.messaging.topology import owner_of
from shared.messaging.transport import NoAnswerError, Transport, TransportAwayError

Reply = TypeVar("Reply", bound=BaseModel)

PATIENCE: dict[Lane, float] = {"interactive": 5.0, "bulk": 30.0}
"""Seconds until the deadline of a message, and of a request that asks for no longer one."""

LAST_SECONDS = 0.5
"""With less than this left a row that is not ready is not asked for again."""

NOT_READY = "{}"
"""An outcome that is none yet."""

IN_FLIGHT: dict[Lane, int] = {"interactive": 1, "bulk": 2}
"""Messages on the way per owner, lane and name; a second one keeps a bulk owner from idling."""


MAX_BYTES = 512 * 1024
"""Rows of one joined message; no message is over 1 MiB."""


class Failure(BaseModel):
    """An error as it crosses: enough to raise it again on the other side."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, object]] = []


class Outcome(BaseModel, Generic[Reply]):
    """What became of one row: a reply or a failure; neither while it is not ready."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    ok: Reply | None = None
    error: Failure | None = None


_ERRORS: dict[int, type[ApplicationError]] = {
    error.status: error
    for error in (
        ApplicationError,
        ConflictError,
        ForbiddenError,
        GoneError,
        InternalError,
        InvalidError,
        NotFoundError,
        TooLargeError,
        TooManyRequestsError,
        UnauthorizedError,
        UnavailableError,
    )
}


def failure_of(error: ApplicationError) -> Failure:
    return Failure(status=error.status, code=error.code, detail=error.detail, errors=error.errors)


def write_reply(reply: BaseModel) -> str:
    """Write a reply as an outcome."""
    return f'{{"ok":{reply.model_dump_json(exclude_defaults=True)}}}'


def read_reply(request: type[Request], outcome: str) -> BaseModel | None:
    """Read the reply out of an outcome; None if it is a failure."""
    [read] = _outcomes(request.reply).validate_json(f"[{outcome}]")
    return read.ok


def write_failure(error: ApplicationError) -> str:
    """Write an error as an outcome."""
    return f'{{"error":{failure_of(error).model_dump_json()}}}'


def raised_from(failure: Failure) -> ApplicationError:
    """Make the error the owner meant, with its own code."""
    kind = _ERRORS.get(failure.status, ApplicationError)
    error = kind(failure.detail, errors=failure.errors)
    error.code = failure.code  # type: ignore[misc]  # the instance keeps the owner's finer code
    return error


@cache
def _outcomes(reply: type[BaseModel]) -> TypeAdapter[list[Outcome[BaseModel]]]:
    return TypeAdapter(list[Outcome[reply]])  # type: ignore[valid-type]  # made at run time


class Requester:
    """Asks the owners of requests; one joiner per owner, lane and name."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._joiners: dict[tuple[str, Lane], Joiner[bytes, BaseModel]] = {}

    async def ask(
        self,
        request: Request,
        reply: type[Reply],
        *,
        lane: Lane = "interactive",
        patience: float | None = None,
    ) -> Reply:
        """Send one request and return its reply, or raise what the owner raised.

        `reply` is the request's own reply type, repeated for the type checker. For a row that is
        not ready we wait `patience` seconds if given; for an owner that is silent never longer.
        """
        if not self._transport.connected:
            raise TransportAwayError
        # Written before it is joined: what cannot be written fails alone.
        row = request.model_dump_json(exclude_defaults=True).encode()
        deadline = asyncio.get_running_loop().time() + (patience or PATIENCE[lane])
        try:
            async with asyncio.timeout(PATIENCE[lane]):
                answer = await self._joiner(type(request), lane).join(row)
        except TimeoutError as error:
            raise NoAnswerError from error
        except NotReadyError:
            answer = await self._ask_again(type(request), row, lane, deadline)
        if not isinstance(answer, reply):
            raise TypeError(answer)
        return answer

    async def _ask_again(
        self, request: type[Request], row: bytes, lane: Lane, deadline: float
    ) -> BaseModel:
        """Ask for a row that was not ready until it is, alone, so that no other waits for it."""
        loop = asyncio.get_running_loop()
        while (left := deadline - loop.time()) > LAST_SECONDS:
            try:
                [answer] = await self._send(request, [row], lane, min(left, PATIENCE[lane]))
            except NoAnswerError:
                continue  # its owner may have been restarted meanwhile
            if not isinstance(answer, Exception):
                return answer
            if not isinstance(answer, NotReadyError):
                raise answer
        raise NoAnswerError

    def _joiner(self, request: type[Request], lane: Lane) -> Joiner[bytes, BaseModel]:
        joiner = self._joiners.get((request.name, lane))
        if joiner is None:

            async def send(rows: list[bytes]) -> list[BaseModel | Exception]:
                return await self._send(request, rows, lane, PATIENCE[lane])

            joiner = self._joiners[request.name, lane] = Joiner(
                send, most=100, in_flight=IN_FLIGHT[lane]
            )
        return joiner

    async def _send(
        self, request: type[Request], rows: list[bytes], lane: Lane, seconds: float
    ) -> list[BaseModel | Exception]:
        name = request.name
        crash_point("asks.sending")
        answers = await asyncio.gather(
            *(
                self._transport.ask(owner_of(name), lane, name, body, seconds)
                for body in _bodies(rows)
            )
        )
        crash_point("asks.answered")
        for answer in answers:
            if answer.startswith(b"{"):  # the owner could not read the message at all
                raise raised_from(Failure.model_validate_json(answer))
        return [
            outcome.ok if outcome.ok is not None else _error(outcome)
            for answer in answers
            for outcome in _outcomes(request.reply).validate_json(answer)
        ]


def _bodies(rows: list[bytes]) -> Iterator[bytes]:
    """Write rows as JSON arrays, each below the size that a message may have."""
    body: list[bytes] = []
    size = 0
    for row in rows:
        if body and size + len(row) > MAX_BYTES:
            yield b"[%s]" % b",".join(body)
            body, size = [], 0
        body.append(row)
        size += len(row)
    yield b"[%s]" % b",".join(body)


def _error(outcome: Outcome[BaseModel]) -> ApplicationError | NotReadyError:
    return NotReadyError() if outcome.error is None else raised_from(outcome.error)
