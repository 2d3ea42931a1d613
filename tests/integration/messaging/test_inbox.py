"""What was handled is remembered for 14 days and then forgotten, however much it is."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared import clock
from shared.database import Database
from shared.identifiers import derived_id, id_before, new_id
from shared.messaging import inbox

OLD = timedelta(days=inbox.RETENTION_DAYS, hours=1)


async def remember(database: Database, ids: Sequence[UUID], age: timedelta) -> None:
    async with database.connection() as connection:
        for table, column in (("inbox", "received_at"), ("suspects", "last_at")):
            attempts = ", attempts" if table == "suspects" else ""
            await connection.execute(
                f"""
                INSERT INTO {table} (message_id, {column}{attempts})
                SELECT unnest($1::uuid[]), now() - $2::interval{", 1" if attempts else ""}
                """,
                ids,
                age,
            )


async def remembered(database: Database, table: str = "inbox") -> set[UUID]:
    async with database.connection() as connection:
        return {row[0] for row in await connection.fetch(f"SELECT message_id FROM {table}")}


def made_before(age: timedelta, number: int) -> UUID:
    return UUID(int=id_before(clock.now() - age).int + number)


async def test_all_that_is_old_goes_at_once_in_as_many_turns_as_it_needs(toys: Database):
    old = [made_before(OLD, number) for number in range(1, 96)]
    young = [new_id() for _ in range(30)]
    await remember(toys, old, OLD)
    await remember(toys, young, timedelta(days=13))

    await inbox.forget_old(toys, turn=10)

    assert await remembered(toys) == set(young)
    assert await remembered(toys, "suspects") == set(young)


async def test_an_old_message_that_came_late_is_remembered_from_then_on(toys: Database):
    late = made_before(OLD, 1)
    await remember(toys, [late], timedelta(days=1))

    await inbox.forget_old(toys)

    assert await remembered(toys) == {late}


async def test_ids_that_do_not_begin_with_the_time_are_forgotten_too(toys: Database):
    random = [UUID(int=secrets.randbits(127) | 1 << 127) for _ in range(25)]
    await remember(toys, random[:20], OLD)
    await remember(toys, random[20:], timedelta(days=1))

    await inbox.forget_old(toys, turn=7)

    assert await remembered(toys) == set(random[20:])


def test_the_id_of_a_part_lies_beside_that_of_the_whole_and_is_always_the_same():
    whole = new_id()

    parts = [derived_id(whole, number) for number in range(500)]

    assert len({whole, *parts}) == 501
    assert parts == [derived_id(whole, number) for number in range(500)]
    assert {part.bytes[:6] for part in parts} == {whole.bytes[:6]}
    assert {(part.version, part.variant) for part in parts} == {(7, whole.variant)}
