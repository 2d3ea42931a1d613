"""No secret and no personal value of an event reaches a log line or a dead letter's summary."""

import pytest

from shared.contracts.triggers import EventsLogged
from shared.database import Database, UnitOfWork
from shared.errors import InvalidError
from shared.logs import configure_logs
from shared.messaging.consumer import EventConsumer
from shared.messaging.envelope import Envelope
from shared.messaging.intake import Intake
from shared.messaging.subscription import on
from tests.integration.messaging.conftest import Wire
from tests.integration.messaging.toys import QUEUE, an_event, until

CANARY = "ada.canary@example.com whsec_CANARY"


@pytest.mark.parametrize("kind", [InvalidError, RuntimeError])
async def test_a_failing_event_tells_no_values(
    wire: Wire, toys: Database, capsys: pytest.CaptureFixture[str], kind: type[Exception]
):
    configure_logs(service="notifier", level="DEBUG", json=True)

    async def fail(events: list[EventsLogged], work: UnitOfWork) -> None:
        raise kind(f"{events[0].events[0].handle} failed")

    consumer = EventConsumer("notifier", toys, [on(EventsLogged, fail)])
    wire.transport.receive_events(QUEUE, consumer.receive, most=10)
    await wire.transport.start()
    await until(lambda: wire.transport.connected)

    await wire.transport.publish([an_event(CANARY)])
    unreadable = Envelope(an_event("").message_id, EventsLogged.name, "interactive",
                          CANARY.encode())  # fmt: skip
    await wire.transport.publish([unreadable])
    expected = 2 if kind is InvalidError else 1

    async def buried() -> bool:
        return len(await wire.transport.dead_letters("notifier")) >= expected

    await until(buried)
    seen: list[str] = [capsys.readouterr().out]

    def failed() -> bool:
        seen.append(capsys.readouterr().out)
        text = "".join(seen)
        return "event_dead" in text and (kind is InvalidError or "event_failed" in text)

    await until(failed)

    letters = repr(await wire.transport.dead_letters("notifier"))
    lines = "".join(seen) + capsys.readouterr().out
    assert "CANARY" not in lines
    assert "canary" not in lines
    assert "CANARY" not in letters


async def test_a_receiver_that_fails_tells_no_values(capsys: pytest.CaptureFixture[str]):
    configure_logs(service="notifier", level="DEBUG", json=True)

    async def fail(items: list[str]) -> None:
        raise RuntimeError(items[0])

    intake = Intake[str](fail, 10, len, 1000)
    intake.start()
    intake.put(CANARY)
    seen: list[str] = []

    def failed() -> bool:
        seen.append(capsys.readouterr().out)
        return "receiver_failed" in "".join(seen)

    await until(failed)
    await intake.stop()

    assert "CANARY" not in "".join(seen)
