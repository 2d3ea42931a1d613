"""No secret and no personal value of an event reaches a log line or a dead letter's summary."""

import pytest
from structlog.testing import capture_logs

from shared.contracts.triggers import EventsLogged
from shared.database import Database, UnitOfWork
from shared.errors import InvalidError
from shared.messaging.consumer import EventConsumer
from shared.messaging.envelope import Envelope
from shared.messaging.intake import Intake
from shared.messaging.subscription import on
from shared.messaging.topology import MAX_ATTEMPTS
from tests.integration.messaging.conftest import Wire
from tests.integration.messaging.toys import KEYS, QUEUE, HandDelivery, an_event, until

CANARY = "ada.canary@example.com whsec_CANARY"


def tells(lines: list[dict[str, object]], caplog: pytest.LogCaptureFixture) -> bool:
    """Whether the canary is in a line, or an exception whose message would be printed."""
    return (
        "canary" in repr(lines).lower()
        or any("exc_info" in line for line in lines)
        or "canary" in caplog.text.lower()
    )


async def test_a_refused_and_an_unreadable_event_tell_no_values(
    wire: Wire, toys: Database, caplog: pytest.LogCaptureFixture
):
    async def refuse(events: list[EventsLogged], work: UnitOfWork) -> None:
        raise InvalidError(f"{events[0].events[0].handle} failed")

    consumer = EventConsumer("notifier", toys, [on(EventsLogged, refuse)], KEYS)
    wire.transport.receive_events(QUEUE, consumer.receive, most=10)
    await wire.transport.start()
    await until(lambda: wire.transport.connected)
    event = an_event(CANARY)
    unreadable = Envelope(an_event("").message_id, EventsLogged.name, "interactive", event.body[1:])

    with capture_logs() as lines:
        await wire.transport.publish([event, unreadable])

        async def buried() -> bool:
            return len(await wire.transport.dead_letters("notifier")) == 2

        await until(buried)

    letters = await wire.transport.dead_letters("notifier")
    assert [line["event"] for line in lines].count("event_dead") == 2
    assert not tells([dict(line) for line in lines], caplog)
    assert "canary" not in repr(letters).lower()


async def test_a_handler_that_breaks_tells_no_values(
    toys: Database, caplog: pytest.LogCaptureFixture
):
    async def fail(events: list[EventsLogged], work: UnitOfWork) -> None:
        raise RuntimeError(f"{events[0].events[0].handle} failed")

    consumer = EventConsumer("notifier", toys, [on(EventsLogged, fail)], KEYS)
    delivery = HandDelivery(an_event(CANARY, attempts=MAX_ATTEMPTS - 1))

    with capture_logs() as lines:
        await consumer.receive([delivery])

    assert [line["event"] for line in lines] == ["event_failed", "event_dead"]
    assert not tells([dict(line) for line in lines], caplog)
    assert delivery.settled == [("bury", "RuntimeError", 0)]


async def test_a_receiver_that_fails_tells_no_values(caplog: pytest.LogCaptureFixture):
    async def fail(items: list[str]) -> None:
        raise RuntimeError(items[0])

    intake = Intake[str](fail, 10, len, 1000)
    intake.start()

    with capture_logs() as lines:
        intake.put(CANARY)
        await intake.stop()

    assert [line["event"] for line in lines] == ["receiver_failed"]
    assert not tells([dict(line) for line in lines], caplog)
