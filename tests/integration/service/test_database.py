"""Nothing waits for ever, nothing half done stays, and no service reaches into another."""

import asyncio
import time
from typing import cast

import asyncpg
import pytest

from shared import database
from shared.contracts.triggers import EventsLogged
from shared.database import Database, DatabaseAwayError, role_of
from shared.migrations import MESSAGING, migrate
from tests.integration.messaging.toys import a_logged_event, effects, note, opened


async def test_an_exhausted_pool_is_told_within_about_a_second(toys: Database, fresh_database: str):
    async with opened(Database(fresh_database, schema="notifier", size=1)) as small:
        async with small.connection():
            started = time.monotonic()
            with pytest.raises(DatabaseAwayError):
                async with small.work():
                    pass
            seconds = time.monotonic() - started
        await small.check()

    assert seconds < 20  # a statement may take thirty, and none is sent


class AnsweringSlowly:
    """A connection of a process that is so busy that each turn of its loop takes long."""

    async def execute(self, statement: str) -> None:
        assert statement == "SELECT 1"
        for _ in range(6):
            time.sleep(0.02)
            await asyncio.sleep(0)


class AnsweringNothing:
    """A connection to a server that stands still."""

    async def execute(self, _statement: str) -> None:
        await asyncio.Event().wait()


async def test_a_busy_process_does_not_take_its_own_slowness_for_the_server_s(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(database, "SILENT_SECONDS", 0.01)
    monkeypatch.setattr(database, "GRACE_SECONDS", 0.002)
    watched = Database("postgresql://127.0.0.1:1/none", schema="notifier")

    pulses = [
        await watched._has_pulse(cast("asyncpg.Connection", connection))  # pyright: ignore[reportPrivateUsage]
        for connection in (AnsweringSlowly(), AnsweringNothing())
    ]

    assert pulses == [True, False]


async def test_a_database_nobody_serves_is_told_at_once():
    async with opened(
        Database("postgresql://postgres@127.0.0.1:1/none", schema="notifier")
    ) as away:
        started = time.monotonic()

        with pytest.raises(DatabaseAwayError):
            await away.check()

        assert time.monotonic() - started < 20


async def test_a_database_not_started_or_stopped_is_away(fresh_database: str):
    with pytest.raises(DatabaseAwayError):
        await Database(fresh_database, schema="notifier").check()


async def test_a_work_that_fails_leaves_nothing(toys: Database):
    async def fail() -> None:
        async with toys.work() as work:
            await note(work, ["never"])
            work.publish(EventsLogged(events=[a_logged_event("never")]))
            work.after_commit(lambda: pytest.fail("it did not commit"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert await effects(toys) == []
    assert await outbox(toys) == []
    assert not toys.committed.is_set()


async def test_a_work_that_is_cancelled_leaves_nothing_and_gives_its_connection_back(
    toys: Database, fresh_database: str
):
    async with opened(Database(fresh_database, schema="notifier", size=1)) as small:

        async def work_on() -> None:
            async with small.work() as work:
                await note(work, ["never"])
                await work.connection.execute("SELECT pg_sleep(20)")

        working = asyncio.create_task(work_on())
        await asyncio.sleep(0.2)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

        assert await effects(small) == []


async def test_what_a_work_announced_commits_with_it_in_its_lane(toys: Database):
    done: list[str] = []

    async with toys.work("bulk") as work:
        work.publish(EventsLogged(events=[a_logged_event("blue")]))
        work.after_commit(lambda: done.append("after"))
        before = [*done]

    assert (before, done) == ([], ["after"])
    assert [(row["name"], row["lane"]) for row in await outbox(toys)] == [
        (EventsLogged.name, "bulk")
    ]
    assert toys.committed.is_set()


async def test_a_long_event_leaves_in_parts_below_the_size_of_a_message(toys: Database):
    rows = [
        a_logged_event(f"ticket-{n}").model_copy(update={"data": {"text": "x" * 300_000}})
        for n in range(7)
    ]

    async with toys.work() as work:
        work.publish(EventsLogged(events=rows))

    bodies = [row["body"] for row in await outbox(toys)]
    parts = [EventsLogged.model_validate_json(body) for body in bodies]
    assert max(map(len, bodies)) < 1024 * 1024
    assert sorted(e.handle for p in parts for e in p.events) == [r.handle for r in rows]


async def test_a_mistaken_statement_is_not_taken_for_a_lost_server(toys: Database):
    with pytest.raises(asyncpg.InterfaceError):
        async with toys.connection() as connection:
            await connection.fetch("SELECT $1::int")
    with pytest.raises(asyncpg.DataError):
        async with toys.connection() as connection:
            await connection.fetch("SELECT $1::int", 2**40)


async def test_a_lost_server_is_told_also_from_within_a_work(toys: Database, fresh_database: str):
    async def lose_it() -> None:
        async with toys.work() as work:
            pid = await work.connection.fetchval("SELECT pg_backend_pid()")
            other = await asyncpg.connect(fresh_database)
            await other.execute("SELECT pg_terminate_backend($1, 2000)", pid)
            await other.close()
            await work.connection.execute("SELECT 1")

    with pytest.raises(DatabaseAwayError):
        await lose_it()

    await toys.check()


async def test_a_service_is_denied_the_tables_of_another(toys: Database, fresh_database: str):
    await migrate(fresh_database, {"member": [MESSAGING]})
    async with toys.connection() as connection:
        for statement in (
            "SELECT * FROM member.outbox",
            "INSERT INTO member.inbox (message_id) VALUES (gen_random_uuid())",
            "CREATE TABLE member.intruder ()",
            "DROP TABLE outbox",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_connection_keeps_its_role_when_it_is_lent_again(
    toys: Database, fresh_database: str
):
    async with opened(Database(fresh_database, schema="notifier", size=1)) as small:
        for _ in range(2):
            async with small.connection() as connection:
                found = await connection.fetchrow(
                    "SELECT current_user::text AS role, current_schema() AS schema"
                )
                assert dict(found or {}) == {"role": role_of("notifier"), "schema": "notifier"}


async def test_stopping_takes_no_longer_than_a_lent_connection_may_cost(
    toys: Database, fresh_database: str
):
    database = Database(fresh_database, schema="notifier")
    await database.start()
    started = time.monotonic()

    async with database.connection():
        await database.stop()

    assert time.monotonic() - started < 20


async def outbox(database: Database) -> list[asyncpg.Record]:
    async with database.connection() as connection:
        return await connection.fetch("SELECT name, lane, body FROM outbox")


@pytest.mark.parametrize("code", ["53100", "53200", "25006", "58030"])
async def test_a_server_that_refuses_to_write_is_away_and_not_ready(toys: Database, code: str):
    """No room on disk, no memory, read-only, an error of the disk."""
    with pytest.raises(DatabaseAwayError):
        async with toys.work() as work:
            await work.connection.execute(f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$")
    with pytest.raises(DatabaseAwayError):
        await toys.check()


async def test_a_read_only_server_is_not_ready(toys: Database, fresh_database: str):
    connection = await asyncpg.connect(fresh_database)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()

    async with opened(Database(fresh_database, schema="notifier")) as database:
        with pytest.raises(DatabaseAwayError):
            await database.check()
