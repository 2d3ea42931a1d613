"""A process starts, tells how it is, and drains without losing what it had begun."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import ClientSession
from structlog.testing import capture_logs

from shared.contracts.message import Event
from shared.contracts.services import LISTENERS
from shared.contracts.triggers import EventsLogged
from shared.database import Database, UnitOfWork
from shared.errors import ApplicationError
from shared.messaging.requests import Requester
from shared.messaging.subscription import Subscription, answer, on
from shared.service import Job, RunningServices, Service
from tests.integration.messaging.conftest import Wire
from tests.integration.messaging.toys import (
    KEYS,
    Stamped,
    StampPass,
    an_event,
    effects,
    note_events,
    until,
)


async def ignore(events: list[Event], work: UnitOfWork) -> None:
    return None


def subscriptions(handler: object = note_events) -> list[Subscription]:
    others = [event for event in LISTENERS["notifier"] if event is not EventsLogged]
    return [on(EventsLogged, handler), *(on(event, ignore) for event in others)]  # type: ignore[arg-type]


def a_service(
    database: Database, listen: Sequence[Subscription] | None = None, jobs: Sequence[Job] = ()
) -> Service:
    return Service(
        name="notifier",
        database=Database(database.url, schema="notifier"),
        keys=KEYS,
        migrations=Path(),
        subscriptions=subscriptions() if listen is None else listen,
        jobs=jobs,
    )


def test_a_service_that_does_not_listen_as_all_others_declare_is_refused():
    database = Database("postgresql://nowhere", schema="notifier")

    with pytest.raises(ValueError, match="must listen"):
        a_service(database, subscriptions()[:-1])
    with pytest.raises(ValueError, match="must listen"):
        Service("member", database, KEYS, Path(), subscriptions())


async def test_what_is_in_work_at_the_end_is_finished_and_its_announcements_leave(
    wire: Wire,
    toys: Database,
):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work_slowly(events: list[EventsLogged], work: UnitOfWork) -> None:
        begun.set()
        await note_events(events, work)
        await go_on.wait()
        work.publish(*events)

    running = RunningServices([a_service(toys, subscriptions(work_slowly))], wire.transport)
    await running.start()
    await until(lambda: wire.transport.connected)
    await wire.transport.publish([an_event("blue")])
    await begun.wait()

    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.1)
    ready = (await running.ready())["accepting"]
    waited = not stopping.done()
    go_on.set()
    await stopping

    assert (ready, waited) == (False, True)
    assert await effects(toys) == ["blue"]
    async with toys.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 0


async def test_a_question_that_was_taken_is_answered_before_the_end(
    wire: Wire,
    toys: Database,
):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def stamp_slowly(
        commands: list[StampPass], work: UnitOfWork
    ) -> list[Stamped | ApplicationError]:
        begun.set()
        await go_on.wait()
        return [Stamped(handle=command.handle) for command in commands]

    service = a_service(toys, [*subscriptions(), answer(StampPass, stamp_slowly)])
    running = RunningServices([service], wire.transport)
    await running.start()
    asker = Requester(wire.transport)
    await until(lambda: wire.transport.connected)
    asked = asyncio.create_task(
        asker.ask(StampPass(command_id=an_event("").message_id, handle="blue"), Stamped)
    )
    await begun.wait()

    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.05)
    go_on.set()

    assert await asked == Stamped(handle="blue")
    await stopping


async def test_a_process_tells_its_health_readiness_and_metrics(wire: Wire, toys: Database):
    running = RunningServices([a_service(toys)], wire.transport, health_port=0)
    await running.start()
    await until(lambda: wire.transport.connected)
    address = f"http://127.0.0.1:{running.ports['health']}"
    async with ClientSession(address) as session:
        async with session.get("/health") as response:
            health = (response.status, await response.json())
        async with session.get("/ready") as response:
            ready = (response.status, await response.json())
        async with session.get("/metrics") as response:
            text = await response.text()
    await running.stop()

    assert health == (200, {"status": "ok", "services": "notifier"})
    assert ready[0] == 200
    assert ready[1]["checks"] == {"accepting": True, "transport": True, "notifier_database": True}
    assert "passwright_messages_total" in text


async def test_a_job_that_failed_runs_again_and_tells_no_values(
    wire: Wire,
    toys: Database,
):
    runs = 0

    async def stumble() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("ada.canary@example.com")

    jobs = [Job("stumble", stumble, every=0.05)]
    with capture_logs() as lines:
        running = RunningServices([a_service(toys, jobs=jobs)], wire.transport)
        await running.start()
        await until(lambda: runs >= 3)
        await running.stop()

    failed = [line for line in lines if line["event"] == "task_failed"]
    assert [line["kind"] for line in failed] == ["RuntimeError"]
    assert "canary" not in repr(lines)
    assert not any("exc_info" in line for line in lines)


async def test_a_job_runs_at_once_when_it_is_woken(wire: Wire, toys: Database):
    runs = 0

    async def count() -> None:
        nonlocal runs
        runs += 1

    due = asyncio.Event()
    jobs = [Job("count", count, every=3600, due=due)]
    running = RunningServices([a_service(toys, jobs=jobs)], wire.transport)
    await running.start()
    await until(lambda: runs == 1)

    due.set()
    await until(lambda: runs == 2)
    await running.stop()
