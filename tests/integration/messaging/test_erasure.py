"""What messages at rest tell of a person goes when the person does, and nothing else with it."""

from typing import Any

import pytest

from shared import clock
from shared.contracts.member import Member, MembersChanged
from shared.contracts.message import Event
from shared.contracts.triggers import Pass, PassesChanged
from shared.database import Database, UnitOfWork
from shared.errors import InvalidError
from shared.identifiers import new_handle, new_id
from shared.messaging.consumer import EventConsumer
from shared.messaging.envelope import Envelope
from shared.messaging.erasure import erase_persons
from shared.messaging.letters import LetterErasedError, open_letter
from shared.messaging.subscription import on
from shared.messaging.topology import MAX_ATTEMPTS
from tests.integration.messaging.toys import KEYS, HandDelivery

ACCOUNT = new_id()


def a_member(name: str, **fields: Any) -> Member:
    at = clock.now()
    return Member(
        account_id=ACCOUNT, member_id=name.lower(), version=1, name=f"{name} Canary",
        created_at=at, updated_at=at, **fields,
    )  # fmt: skip


def a_pass(member: Member | None) -> Pass:
    at = clock.now()
    return Pass(
        handle=new_handle(), account_id=ACCOUNT, template_id=new_id(), serial_number="1",
        member_id=member.member_id if member else None, version=1, values={},
        member={"name": member.name} if member else None, created_at=at, updated_at=at,
    )  # fmt: skip


def members_changed(*members: Member) -> MembersChanged:
    return MembersChanged(members=list(members))


async def announce(database: Database, *events: Event) -> None:
    async with database.work() as work:
        work.publish(*events)


async def erase(database: Database, *members: Member) -> None:
    async with database.work() as work:
        work.erase(member.person for member in members)


async def told(database: Database) -> str:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT body FROM outbox ORDER BY outbox_id")
    return " ".join(row["body"].decode() for row in rows)


async def count(database: Database, table: str) -> int:
    async with database.connection() as connection:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")


async def test_facts_about_a_deleted_person_lose_what_they_tell_of_it_and_keep_the_rest(
    toys: Database,
):
    ada, bob = a_member("Ada"), a_member("Bob")
    nobodys = a_pass(None)
    await announce(
        toys,
        members_changed(ada, bob),
        members_changed(ada),
        PassesChanged(passes=[a_pass(ada), a_pass(bob), nobodys]),
    )

    await erase(toys, ada)
    await erase_persons(toys)

    text = await told(toys)
    assert "Ada Canary" not in text
    assert text.count("Bob Canary") == 2
    assert nobodys.handle in text
    assert await count(toys, "outbox") == 3
    assert await count(toys, "outbox_persons") == 2
    assert await count(toys, "erasures WHERE done_at IS NULL") == 0


async def test_more_facts_than_one_turn_holds_are_all_rid_of_a_person(toys: Database):
    ada, bob = a_member("Ada"), a_member("Bob")
    await announce(toys, *(members_changed(ada, bob) for _ in range(150)))

    await erase(toys, ada, bob)
    await erase_persons(toys)

    assert "Canary" not in await told(toys)


async def test_what_is_told_of_a_person_that_comes_back_stays(toys: Database):
    ada = a_member("Ada")
    await announce(toys, members_changed(ada))
    await erase(toys, ada)
    await announce(toys, members_changed(ada.model_copy(update={"name": "Ada again"})))

    await erase_persons(toys)

    assert "Ada Canary" not in await told(toys)
    assert "Ada again" in await told(toys)


async def test_a_fact_that_the_relay_holds_is_erased_the_next_time(toys: Database):
    ada = a_member("Ada")
    await announce(toys, members_changed(ada))
    await erase(toys, ada)

    async with toys.work() as relay:
        await relay.connection.execute("SELECT FROM outbox FOR UPDATE")
        await erase_persons(toys)
        held = await told(toys)
    await erase_persons(toys)

    assert "Ada Canary" in held
    assert "Ada Canary" not in await told(toys)


async def test_facts_about_nobody_cost_no_rows(toys: Database):
    gone = a_member("Ada", deleted=True)
    await announce(toys, members_changed(gone), PassesChanged(passes=[a_pass(None)]))

    assert await count(toys, "outbox_persons") == 0


async def refuse(_events: list[MembersChanged], _work: UnitOfWork) -> None:
    raise InvalidError


def a_consumer(database: Database, handler: Any = refuse) -> EventConsumer:
    return EventConsumer("notifier", database, [on(MembersChanged, handler)], KEYS)


def an_envelope(event: Event, attempts: int = MAX_ATTEMPTS - 1) -> Envelope:
    body = event.model_dump_json().encode()
    return Envelope(new_id(), event.name, "interactive", body, attempts)


async def buried(database: Database, event: Event) -> HandDelivery:
    delivery = HandDelivery(an_envelope(event))
    await a_consumer(database).receive([delivery])
    return delivery


async def shown(database: Database, letter: HandDelivery) -> bytes:
    async with database.connection() as connection:
        return await open_letter(connection, KEYS, letter.envelope.message_id, letter.buried)


async def test_a_dead_letter_lies_sealed_and_opens_with_the_key_that_its_consumer_keeps(
    toys: Database,
):
    letter = await buried(toys, members_changed(a_member("Ada")))

    assert b"Canary" not in letter.buried
    assert await shown(toys, letter) == letter.envelope.body


async def test_a_dead_letter_that_is_replayed_is_handled_as_it_was(toys: Database):
    ada = a_member("Ada")
    letter = await buried(toys, members_changed(ada))
    handled: list[Member] = []

    async def handle(events: list[MembersChanged], _work: UnitOfWork) -> None:
        handled.extend(member for event in events for member in event.members)

    envelope = Envelope(
        letter.envelope.message_id, letter.envelope.name, "interactive", letter.buried
    )
    await a_consumer(toys, handle).receive([HandDelivery(envelope)])

    assert handled == [ada]


async def test_a_dead_letter_that_is_replayed_and_dies_again_still_opens(toys: Database):
    letter = await buried(toys, members_changed(a_member("Ada")))
    envelope = Envelope(
        letter.envelope.message_id, letter.envelope.name, "interactive", letter.buried, 7
    )
    again = HandDelivery(envelope)
    await a_consumer(toys).receive([again])

    async with toys.connection() as connection:
        body = await open_letter(connection, KEYS, envelope.message_id, again.buried)
    assert body == letter.envelope.body


async def test_nobody_reads_a_dead_letter_of_a_deleted_person(toys: Database):
    ada, bob = a_member("Ada"), a_member("Bob")
    hers, his = (
        await buried(toys, members_changed(ada, bob)),
        await buried(toys, members_changed(bob)),
    )

    await erase(toys, ada)
    await erase_persons(toys)
    late = await buried(toys, members_changed(ada))

    assert await shown(toys, his) == his.envelope.body
    for letter in (hers, late):
        with pytest.raises(LetterErasedError):
            await shown(toys, letter)


async def test_a_letter_without_a_key_counts_as_handled_when_it_is_replayed(toys: Database):
    ada = a_member("Ada")
    letter = await buried(toys, members_changed(ada))
    await erase(toys, ada)
    await erase_persons(toys)

    envelope = Envelope(
        letter.envelope.message_id, letter.envelope.name, "interactive", letter.buried
    )
    again = HandDelivery(envelope)
    await a_consumer(toys).receive([again])

    assert again.settled == [("done", "", 0)]
