"""Asking: rows joined into messages of a bounded size, each answered by its own outcome."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, cast

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from shared.contracts.generator import Content
from shared.contracts.message import Command, JsonObject, Lane, Query
from shared.contracts.services import ServiceName
from shared.errors import (
    ApplicationError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InternalError,
    InvalidError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from shared.identifiers import new_id
from shared.messaging import requests
from shared.messaging.requests import MAX_BYTES, Outcome, Requester, failure_of, raised_from
from shared.messaging.transport import NoAnswerError, Transport, TransportAwayError

Rows = list[dict[str, Any]]


class Echoed(BaseModel):
    text: str = ""
    number: int = 0


class Echo(Command):
    name: ClassVar = "member.echo.v1"
    reply: ClassVar = Echoed

    text: str
    number: int = 0
    more: JsonObject = Field(default_factory=dict)


class Whisper(Query):
    name: ClassVar = "member.whisper.v1"
    reply: ClassVar = Echoed

    text: str


def well(row: dict[str, Any]) -> object:
    return {"ok": {"text": row["text"]}}


class Owner:
    """Stands for the transport and the owner behind it; it notes every message."""

    def __init__(self, outcome: Callable[[dict[str, Any]], object] = well) -> None:
        self.connected = True
        self.messages: list[tuple[ServiceName, Lane, str, bytes]] = []
        self.holding: Callable[[], Awaitable[object]] | None = None
        self._outcome = outcome

    async def ask(
        self, service: ServiceName, lane: Lane, name: str, body: bytes, seconds: float
    ) -> bytes:
        self.messages.append((service, lane, name, body))
        if self.holding is not None:
            await self.holding()
        return json.dumps([self._outcome(row) for row in json.loads(body)]).encode()

    @property
    def lengths(self) -> list[int]:
        return [len(cast("Rows", json.loads(body))) for *_, body in self.messages]


def a_requester(owner: Owner) -> Requester:
    return Requester(cast("Transport", owner))


def an_echo(text: str, **fields: Any) -> Echo:
    return Echo(command_id=new_id(), text=text, **fields)


async def test_a_request_goes_to_its_owner_in_its_lane_without_defaults():
    owner = Owner()
    request = an_echo("blue")

    reply = await a_requester(owner).ask(request, Echoed, lane="bulk")

    [(service, lane, name, body)] = owner.messages
    assert reply == Echoed(text="blue")
    assert (service, lane, name) == ("member", "bulk", "member.echo.v1")
    assert json.loads(body) == [{"command_id": str(request.command_id), "text": "blue"}]


async def test_requests_that_arrive_together_are_joined_in_order_and_at_most_a_hundred():
    owner = Owner()
    owner.holding = lambda: asyncio.sleep(0.01)
    requester = a_requester(owner)

    replies = await asyncio.gather(
        *(requester.ask(an_echo(f"ticket-{n}"), Echoed) for n in range(250))
    )

    assert [reply.text for reply in replies] == [f"ticket-{n}" for n in range(250)]
    assert owner.lengths == [100, 100, 50]


async def test_different_names_and_lanes_do_not_wait_for_each_other():
    owner = Owner()
    all_three = asyncio.Barrier(3)
    owner.holding = all_three.wait
    requester = a_requester(owner)

    async with asyncio.timeout(10):
        await asyncio.gather(
            requester.ask(an_echo("a"), Echoed),
            requester.ask(an_echo("b"), Echoed, lane="bulk"),
            requester.ask(Whisper(text="c"), Echoed),
        )

    assert owner.lengths == [1, 1, 1]


async def test_a_row_fails_alone_with_the_owners_own_code_and_errors():
    def outcome(row: dict[str, Any]) -> object:
        if row["text"] == "wrong":
            faults = [{"pointer": "/text", "detail": "not this"}]
            failure = {"status": 422, "code": "odd_text", "detail": "No.", "errors": faults}
            return {"error": failure}
        return {"ok": {"text": row["text"]}}

    requester = a_requester(Owner(outcome))

    found = await asyncio.gather(
        *(requester.ask(an_echo(text), Echoed) for text in ("a", "wrong", "b")),
        return_exceptions=True,
    )

    error = found[1]
    assert isinstance(error, InvalidError)
    assert (error.code, error.detail) == ("odd_text", "No.")
    assert error.errors == [{"pointer": "/text", "detail": "not this"}]
    assert [found[0], found[2]] == [Echoed(text="a"), Echoed(text="b")]
    assert InvalidError.code == "invalid"


@pytest.mark.parametrize(
    "kind",
    [
        ApplicationError,
        ConflictError,
        ForbiddenError,
        GoneError,
        InternalError,
        InvalidError,
        NotFoundError,
        TooLargeError,
        UnauthorizedError,
        UnavailableError,
    ],
)
def test_every_error_crosses_as_what_it_is(kind: type[ApplicationError]):
    error = kind("so it is", errors=[{"pointer": "/a", "detail": "b"}])

    crossed = raised_from(failure_of(error))

    assert type(crossed) is kind
    assert (crossed.status, crossed.code, crossed.detail) == (kind.status, kind.code, "so it is")
    assert crossed.errors == error.errors


async def test_rows_too_big_for_one_message_are_split_and_stay_in_order():
    owner = Owner()
    requester = a_requester(owner)
    big = "x" * (MAX_BYTES // 4)

    replies = await asyncio.gather(
        *(requester.ask(an_echo(f"{n}{big}"), Echoed) for n in range(10))
    )

    assert [reply.text[0] for reply in replies] == [str(n) for n in range(10)]
    assert all(len(body) < 1024 * 1024 for *_, body in owner.messages)
    assert len(owner.messages) > 2
    assert sum(owner.lengths) == 10


async def test_a_row_too_big_for_any_company_goes_alone():
    owner = Owner()
    requester = a_requester(owner)
    texts = ["a", "x" * (MAX_BYTES + 1), "b"]

    replies = await asyncio.gather(*(requester.ask(an_echo(text), Echoed) for text in texts))

    assert [reply.text for reply in replies] == texts
    assert owner.lengths == [1, 1, 1]


async def test_a_row_that_cannot_be_written_fails_alone():
    requester = a_requester(Owner())

    found = await asyncio.gather(
        requester.ask(an_echo("a"), Echoed),
        requester.ask(an_echo("b", more={"odd": object()}), Echoed),
        requester.ask(an_echo("c"), Echoed),
        return_exceptions=True,
    )

    assert [found[0], found[2]] == [Echoed(text="a"), Echoed(text="c")]
    assert isinstance(found[1], Exception)


async def test_with_the_transport_away_nothing_waits():
    owner = Owner()
    owner.connected = False

    with pytest.raises(TransportAwayError):
        await a_requester(owner).ask(an_echo("blue"), Echoed)

    assert owner.messages == []


async def test_a_lost_reply_is_told_at_the_deadline(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(requests.PATIENCE, "interactive", 0.2)
    owner = Owner()
    owner.holding = asyncio.Event().wait
    requester = a_requester(owner)
    loop = asyncio.get_running_loop()
    started = loop.time()

    found = await asyncio.gather(
        *(requester.ask(an_echo(text), Echoed) for text in "ab"), return_exceptions=True
    )

    assert [type(error) for error in found] == [NoAnswerError, NoAnswerError]
    assert loop.time() - started > 0.15


async def test_bytes_of_a_reply_cross_whole():
    content = Content.model_validate(
        {
            "handle": "h",
            "content_number": 1,
            "pass_version": 1,
            "last_modified": "2026-01-01T00:00:00Z",
        }
    ).model_copy(update={"pass_json": bytes(range(256)), "signature": b"\x00\xff"})
    wire = f'[{{"ok":{content.model_dump_json(exclude_defaults=True)}}}]'

    [outcome] = TypeAdapter(list[Outcome[Content]]).validate_json(wire)

    assert outcome.ok == content
