import asyncio
from typing import TypeVar, cast
from uuid import UUID

import pytest
from pydantic import BaseModel

from services.gateway.catalogue import notes as module
from services.gateway.catalogue.notes import MAX_IN_FLIGHT, Notes
from shared.contracts.message import Lane, Request
from shared.contracts.notifier import ReadEndpoint
from shared.errors import UnavailableError
from shared.messaging.requests import Requester
from shared.messaging.transport import Transport

Reply = TypeVar("Reply", bound=BaseModel)
NOTE = ReadEndpoint(account_id=UUID(int=1), endpoint_id=UUID(int=2))


class Slow(Requester):
    """A requester whose owner answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(cast("Transport", None))
        self.asked = 0
        self.answered = 0
        self.may_answer = asyncio.Event()
        self.error: UnavailableError | None = None

    async def ask(
        self,
        request: Request,
        reply: type[Reply],
        *,
        lane: Lane = "interactive",
        patience: float | None = None,
    ) -> Reply:
        self.asked += 1
        await self.may_answer.wait()
        if self.error:
            raise self.error
        self.answered += 1
        return reply()


async def test_notes_wait_for_nobody_and_are_dropped_when_there_are_too_many():
    owner = Slow()
    notes = Notes(owner)

    for _ in range(MAX_IN_FLIGHT + 50):
        notes.tell(NOTE)
    await asyncio.sleep(0)
    assert owner.asked == MAX_IN_FLIGHT

    owner.may_answer.set()
    await notes.close()
    assert owner.answered == MAX_IN_FLIGHT
    notes.tell(NOTE)
    await notes.close()
    assert owner.answered == MAX_IN_FLIGHT + 1


async def test_a_note_that_cannot_be_told_is_let_go():
    owner = Slow()
    owner.error = UnavailableError()
    owner.may_answer.set()
    notes = Notes(owner)

    notes.tell(NOTE)
    await notes.close()

    assert (owner.asked, owner.answered) == (1, 0)


async def test_closing_gives_up_what_takes_too_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CLOSING_SECONDS", 0.01)
    owner = Slow()
    notes = Notes(owner)
    notes.tell(NOTE)

    async with asyncio.timeout(5):
        await notes.close()

    assert (owner.asked, owner.answered) == (1, 0)
