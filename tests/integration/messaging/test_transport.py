"""What both transports promise."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from shared.contracts.message import Lane
from shared.contracts.triggers import EventsLogged, PassesChanged
from shared.identifiers import new_id
from shared.messaging.envelope import Delivery, Envelope, Question
from shared.messaging.transport import NoAnswerError, Transport
from tests.integration.messaging.conftest import Wire

QUEUE = "notifier.events.interactive"


def an_event(lane: Lane = "interactive", name: str = EventsLogged.name) -> Envelope:
    return Envelope(new_id(), name, lane, b'{"events":[]}')


class Inbox:
    """A consumer that settles what it gets as it was told."""

    def __init__(self, settle: str = "done") -> None:
        self.settle = settle
        self.got: list[Envelope] = []
        self.redelivered: list[bool] = []
        self.arrived = asyncio.Event()

    async def receive(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self.got.append(delivery.envelope)
            self.redelivered.append(delivery.redelivered)
            if self.settle == "done":
                await delivery.done()
            elif self.settle == "retry":
                self.settle = "done"
                await delivery.retry("Trouble", 1)
            elif self.settle == "bury":
                await delivery.bury("Hopeless", b"sealed")
            self.arrived.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.got) < count:
                self.arrived.clear()
                await self.arrived.wait()


async def test_a_published_event_reaches_its_listener_whole(wire: Wire):
    inbox, event = Inbox(), an_event()
    wire.transport.receive_events(QUEUE, inbox.receive, most=10)
    await wire.transport.start()

    await wire.transport.publish([event])
    await inbox.until(1)

    assert inbox.got == [event]
    assert inbox.redelivered == [False]


async def test_each_lane_has_its_own_queue(wire: Wire):
    interactive, bulk = Inbox(), Inbox()
    wire.transport.receive_events(QUEUE, interactive.receive, most=10)
    wire.transport.receive_events("notifier.events.bulk", bulk.receive, most=10)
    await wire.transport.start()
    slow, quick = an_event("bulk"), an_event()

    await wire.transport.publish([slow, quick])
    await interactive.until(1)
    await bulk.until(1)

    assert (interactive.got, bulk.got) == ([quick], [slow])


async def test_an_event_waits_for_a_listener_that_starts_later(wire: Wire):
    await wire.transport.start()
    event = an_event()
    await wire.transport.publish([event])
    await wire.transport.stop()
    inbox, later = Inbox(), await wire.reopen()
    later.receive_events(QUEUE, inbox.receive, most=10)

    await later.start()
    await inbox.until(1)

    assert inbox.got == [event]


async def test_an_event_nobody_settled_comes_back_marked(wire: Wire):
    careless = Inbox("nothing")
    wire.transport.receive_events(QUEUE, careless.receive, most=10)
    await wire.transport.start()
    event = an_event()
    await wire.transport.publish([event])
    await careless.until(1)
    await wire.transport.stop()
    inbox, later = Inbox(), await wire.reopen()
    later.receive_events(QUEUE, inbox.receive, most=10)

    await later.start()
    await inbox.until(1)

    assert inbox.got == [event]
    assert inbox.redelivered == [True]


async def test_a_retried_event_comes_back_later_with_its_count(wire: Wire):
    inbox = Inbox("retry")
    wire.transport.receive_events(QUEUE, inbox.receive, most=10)
    await wire.transport.start()

    await wire.transport.publish([an_event()])
    await inbox.until(2)

    assert [envelope.attempts for envelope in inbox.got] == [0, 1]
    assert inbox.got[1].reason == "Trouble"
    assert inbox.redelivered == [False, False]


async def test_a_buried_event_is_listed_shown_and_replayed(wire: Wire):
    inbox = Inbox("bury")
    wire.transport.receive_events(QUEUE, inbox.receive, most=10)
    await wire.transport.start()
    event = an_event()
    await wire.transport.publish([event])
    await inbox.until(1)

    letter = (await until_dead(wire.transport, 1))[0]
    body = await wire.transport.dead_body("notifier", event.message_id)
    inbox.settle = "done"
    replayed = await wire.transport.replay("notifier", event.message_id)
    await inbox.until(2)

    assert (letter.message_id, letter.name) == (event.message_id, event.name)
    assert (letter.attempts, letter.reason) == (1, "Hopeless")
    assert body == b"sealed"
    assert replayed == 1
    assert await wire.transport.dead_letters("notifier") == []
    assert inbox.got[1] == replace(event, body=b"sealed")


async def test_replaying_one_dead_letter_leaves_the_others(wire: Wire):
    inbox = Inbox("bury")
    wire.transport.receive_events(QUEUE, inbox.receive, most=10)
    await wire.transport.start()
    events = [an_event() for _ in range(3)]
    await wire.transport.publish(events)
    await inbox.until(3)
    await until_dead(wire.transport, 3)
    inbox.settle = "done"

    await wire.transport.replay("notifier", events[1].message_id)
    await inbox.until(4)

    left = {letter.message_id for letter in await wire.transport.dead_letters("notifier")}
    assert left == {events[0].message_id, events[2].message_id}


async def test_an_event_without_listeners_in_a_service_goes_only_where_it_is_wanted(wire: Wire):
    notifier, generator = Inbox(), Inbox()
    wire.transport.receive_events(QUEUE, notifier.receive, most=10)
    wire.transport.receive_events("generator.events.interactive", generator.receive, most=10)
    await wire.transport.start()
    wanted = an_event(name=PassesChanged.name)

    await wire.transport.publish([wanted])
    await wire.transport.publish([an_event()])
    await generator.until(1)
    await notifier.until(1)

    assert generator.got == [wanted]
    assert wanted not in notifier.got


async def test_a_question_gets_its_answer(wire: Wire):
    async def answer(questions: list[Question]) -> None:
        for question in questions:
            await question.answer(question.name.encode() + question.body)

    wire.transport.receive_questions("member", "interactive", answer, most=5)
    await wire.transport.start()

    answers = await asyncio.gather(
        *(
            wire.transport.ask("member", "interactive", "member.q.v1", b"%d" % n, 10)
            for n in range(50)
        )
    )

    assert answers == [b"member.q.v1%d" % n for n in range(50)]


async def test_a_question_nobody_answers_ends_at_its_deadline(wire: Wire):
    await wire.transport.start()

    with pytest.raises(NoAnswerError):
        await wire.transport.ask("member", "interactive", "member.q.v1", b"", 0.2)


async def test_many_events_arrive_exactly_once_while_all_is_well(wire: Wire):
    inbox = Inbox()
    wire.transport.receive_events(QUEUE, inbox.receive, most=50)
    await wire.transport.start()
    events = [an_event() for _ in range(500)]

    for start in range(0, 500, 100):
        await wire.transport.publish(events[start : start + 100])
    await inbox.until(500)

    assert ids(inbox.got) == ids(events)
    assert len(inbox.got) == 500


def ids(envelopes: list[Envelope]) -> set[UUID]:
    return {envelope.message_id for envelope in envelopes}


async def until_dead(transport: Transport, count: int):
    async with asyncio.timeout(15):
        while len(letters := await transport.dead_letters("notifier")) < count:
            await asyncio.sleep(0.05)
    return letters
