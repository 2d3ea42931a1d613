"""A command that is sent again is answered, though nothing of who a member is was stored for it."""

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import TypeAdapter

from services.member.app import build
from services.member.settings import Settings
from shared.contracts.member import Enrolled, MemberSaved, PointsEntry
from shared.contracts.message import Command
from shared.database import Database
from shared.messaging.consumer import QuestionConsumer
from shared.messaging.embedded import EmbeddedTransport
from shared.messaging.envelope import Question
from shared.messaging.requests import Outcome
from shared.sealing import MasterKeys
from tests.integration.member.people import (
    a_confirmation,
    a_deletion,
    a_save,
    an_adjustment,
    an_enrolment,
)

FIELDS: dict[str, Any] = {
    "name": "Ada",
    "email": "ada@example.com",
    "phone": "+44 20",
    "tier": "gold",
}
REASON = "her birthday"


@pytest.fixture
def consumer(database: Database) -> QuestionConsumer:
    settings = {"database_url": database.url, "master_keys": MasterKeys.generate_text()}
    service = build(Settings.model_validate(settings), EmbeddedTransport(database.url))
    return QuestionConsumer("member", "interactive", database, service.subscriptions)


async def ask(consumer: QuestionConsumer, *commands: Command) -> Sequence[Outcome[MemberSaved]]:
    return TypeAdapter(list[Outcome[MemberSaved]]).validate_json(await answer(consumer, *commands))


async def answer(consumer: QuestionConsumer, *commands: Command) -> bytes:
    answers: list[bytes] = []

    async def take(given: bytes) -> None:
        answers.append(given)

    rows = b",".join(command.model_dump_json().encode() for command in commands)
    await consumer.receive([Question(commands[0].name, b"[%s]" % rows, float("inf"), take)])
    [given] = answers
    return given


async def stored(database: Database) -> str:
    async with database.connection() as connection:
        return await connection.fetchval("SELECT string_agg(outcome, ' ') FROM inbox")


async def test_a_repeated_save_is_answered_as_before_and_nothing_personal_is_stored(
    consumer: QuestionConsumer, database: Database
):
    command = a_save(**FIELDS)

    [first] = await ask(consumer, command)
    [again] = await ask(consumer, command)

    assert first.ok is not None
    assert first.ok.created
    assert first.ok.member.model_dump(include=set(FIELDS)) == FIELDS
    assert again == first
    text = await stored(database)
    assert [value for value in FIELDS.values() if value in text] == []


async def test_a_repeated_save_tells_the_member_as_it_is_by_then(consumer: QuestionConsumer):
    command = a_save(**FIELDS)
    await ask(consumer, command)
    await ask(consumer, a_save(mode="merge", name="Grace"))

    [again] = await ask(consumer, command)

    assert again.ok is not None
    assert (again.ok.member.name, again.ok.member.version) == ("Grace", 2)
    assert again.ok.created


async def test_a_save_that_is_repeated_after_the_deletion_finds_no_member(
    consumer: QuestionConsumer,
):
    command = a_save(**FIELDS)
    await ask(consumer, command)
    await answer(consumer, a_deletion())

    [again] = await ask(consumer, command)

    assert again.error is not None
    assert again.error.code == "member_not_found"


async def test_a_repeated_adjustment_is_answered_with_the_reason_that_the_ledger_has(
    consumer: QuestionConsumer, database: Database
):
    await ask(consumer, a_save(**FIELDS))
    command = an_adjustment(5, reason=REASON)

    first = await answer(consumer, command)
    again = await answer(consumer, command)
    text = await stored(database)
    await answer(consumer, a_deletion())
    after = await answer(consumer, command)

    [entry] = TypeAdapter(list[Outcome[PointsEntry]]).validate_json(first)
    assert entry.ok is not None
    assert entry.ok.reason == REASON
    assert again == first
    assert REASON not in text
    assert REASON.encode() not in after


async def test_a_repeated_enrolment_is_answered_as_before_and_nothing_personal_is_stored(
    consumer: QuestionConsumer, database: Database
):
    command = an_enrolment("crm-7", **FIELDS)
    confirmation = a_confirmation(command.handle)

    first = await answer(consumer, command)
    again = await answer(consumer, command)
    confirmed = [await answer(consumer, confirmation) for _ in range(2)]
    text = await stored(database)
    await answer(consumer, a_deletion(command.member_id))
    after = [await answer(consumer, command), await answer(consumer, confirmation)]

    [one] = TypeAdapter(list[Outcome[Enrolled]]).validate_json(first)
    assert one.ok is not None
    assert one.ok.enrolment.external_id == "crm-7"
    assert one.ok.member.model_dump(include=set(FIELDS)) == FIELDS
    assert again == first
    assert confirmed[0] == confirmed[1]
    assert b"crm-7" in confirmed[0]
    assert [value for value in (*FIELDS.values(), "crm-7") if value in text] == []
    assert all(b"member_not_found" in reply and b"crm-7" not in reply for reply in after)
