"""Every row of a question gets its own outcome, once and for all, in time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import orjson
import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from shared.database import Database, UnitOfWork
from shared.errors import ApplicationError, NotReadyError, UnavailableError
from shared.messaging.consumer import QuestionConsumer
from shared.messaging.envelope import Question
from shared.messaging.requests import PATIENCE, Requester
from shared.messaging.subscription import Memory, answer
from shared.messaging.transport import NoAnswerError
from tests.integration.messaging.conftest import Wire
from tests.integration.messaging.toys import (
    Asked,
    Stamped,
    StampPass,
    WrongStampError,
    a_command,
    effects,
    note,
    transactions,
    until,
)

Handler = Callable[
    [list[StampPass], UnitOfWork],
    Awaitable[Sequence[BaseModel | ApplicationError | NotReadyError]],
]


async def stamp(commands: list[StampPass], work: UnitOfWork) -> list[Stamped]:
    await note(work, [command.handle for command in commands])
    return [Stamped(handle=command.handle, count=1) for command in commands]


def stamp_unless(handle: str, error: Exception, times: int = 1_000_000) -> Handler:
    """Raises when this handle is among the rows, the first `times` times."""
    left = times

    async def handler(commands: list[StampPass], work: UnitOfWork) -> list[Stamped]:
        nonlocal left
        stamped = await stamp(commands, work)
        if left and any(command.handle == handle for command in commands):
            left -= 1
            raise error
        return stamped

    return handler


def returning(handle: str, error: ApplicationError) -> Handler:
    """Gives this handle's row back as failed; the list goes on."""

    async def handler(
        commands: list[StampPass], work: UnitOfWork
    ) -> list[Stamped | ApplicationError]:
        await stamp([c for c in commands if c.handle != handle], work)
        return [error if c.handle == handle else Stamped(handle=c.handle) for c in commands]

    return handler


def stamp_if(is_ready: Callable[[str], bool]) -> Handler:
    """Stamps the handles that are ready; the others are to be asked for again."""

    async def handler(commands: list[StampPass], work: UnitOfWork) -> list[Stamped | NotReadyError]:
        ready = {c.handle for c in commands if is_ready(c.handle)}
        await note(work, sorted(ready))
        return [
            Stamped(handle=c.handle) if c.handle in ready else NotReadyError() for c in commands
        ]

    return handler


def a_consumer(database: Database, handler: Handler = stamp) -> QuestionConsumer:
    return QuestionConsumer("notifier", "interactive", database, [answer(StampPass, handler)])


async def receive(consumer: QuestionConsumer, *asked: Asked) -> None:
    await consumer.receive([a.question for a in asked])


async def codes(asked: Asked) -> list[str]:
    """What became of each row; a dash stands for a row that is not ready."""
    return [o.error.code if o.error else "ok" if o.ok else "-" for o in await asked.outcomes()]


async def test_questions_of_one_name_are_answered_in_one_transaction_each_its_own(toys: Database):
    first = Asked(a_command("blue"), a_command("red"))
    second = Asked(a_command("green"))

    await receive(a_consumer(toys), first, second)

    assert [o.ok for o in await first.outcomes()] == [
        Stamped(handle="blue", count=1),
        Stamped(handle="red", count=1),
    ]
    assert [o.ok for o in await second.outcomes()] == [Stamped(handle="green", count=1)]
    assert await transactions(toys) == 1


async def test_a_reply_that_is_not_to_rest_is_stored_in_part_and_recalled_whole(toys: Database):
    async def recall(
        commands: list[StampPass], kept: list[Stamped], _work: UnitOfWork
    ) -> list[Stamped | ApplicationError]:
        return [
            WrongStampError() if c.handle == "gone" else Stamped(handle=c.handle, count=one.count)
            for c, one in zip(commands, kept, strict=True)
        ]

    memory = Memory(lambda reply: Stamped(handle="", count=reply.count), recall)
    consumer = QuestionConsumer("notifier", "interactive", toys, [answer(StampPass, stamp, memory)])
    commands = [a_command("blue"), a_command("gone")]
    first, again, alone = Asked(*commands), Asked(*commands, a_command("red")), Asked(commands[0])

    await receive(consumer, first)
    await receive(consumer, again)
    await receive(consumer, alone)

    assert await codes(first) == ["ok", "ok"]
    assert await codes(again) == ["ok", "wrong_stamp", "ok"]
    assert await alone.outcomes() == (await first.outcomes())[:1] == (await again.outcomes())[:1]
    assert await effects(toys) == ["blue", "gone", "red"]
    async with toys.connection() as connection:
        stored = await connection.fetch("SELECT outcome FROM inbox")
    assert [row["outcome"] for row in stored if "blue" in row["outcome"]] == []


async def test_an_expired_question_is_not_begun(toys: Database):
    late, timely = Asked(a_command("late"), seconds=-0.01), Asked(a_command("timely"))

    await receive(a_consumer(toys), late, timely)

    assert await effects(toys) == ["timely"]
    assert not late.answered


async def test_a_repeated_command_gets_its_stored_outcome(toys: Database):
    command = a_command("blue")
    consumer, first, again = a_consumer(toys), Asked(command), Asked(command, a_command("red"))

    await receive(consumer, first)
    await receive(consumer, again)

    assert (await again.outcomes())[0] == (await first.outcomes())[0]
    assert await effects(toys) == ["blue", "red"]


async def test_twins_in_one_list_are_one_command(toys: Database):
    command = a_command("blue")
    asked, other = Asked(command, command), Asked(command)

    await receive(a_consumer(toys), asked, other)

    assert await codes(asked) == ["ok", "ok"]
    assert await codes(other) == ["ok"]
    assert await effects(toys) == ["blue"]


async def test_twins_at_two_consumers_at_once_are_one_command(toys: Database):
    commands = [a_command(f"ticket-{n}") for n in range(10)]
    asked = [Asked(*commands), Asked(*reversed(commands)), Asked(*commands[3:7])]

    await asyncio.gather(*(receive(a_consumer(toys), one) for one in asked))

    assert [await codes(one) for one in asked] == [["ok"] * 10, ["ok"] * 10, ["ok"] * 4]
    assert await effects(toys) == sorted(command.handle for command in commands)


async def test_a_failure_is_stored_too(toys: Database):
    command = a_command("wrong")
    first, again = Asked(command), Asked(command)
    await receive(a_consumer(toys, stamp_unless("wrong", WrongStampError())), first)

    await receive(a_consumer(toys), again)

    assert await codes(first) == await codes(again) == ["wrong_stamp"]
    assert await effects(toys) == []


async def test_a_failure_that_its_twins_success_caused_gives_way_to_it(toys: Database):
    command = a_command("only-once")
    both_looked = asyncio.Barrier(2)

    async def take_single(commands: list[StampPass], work: UnitOfWork) -> list[Stamped]:
        await both_looked.wait()
        inserted = await work.connection.execute(
            "INSERT INTO singles SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
            [c.handle for c in commands],
        )
        if inserted.endswith(" 0"):
            raise WrongStampError
        return [Stamped(handle=c.handle) for c in commands]

    asked = Asked(command), Asked(command)

    await asyncio.gather(*(receive(a_consumer(toys, take_single), one) for one in asked))

    assert [await codes(one) for one in asked] == [["ok"], ["ok"]]


@pytest.mark.parametrize("make", [stamp_unless, returning])
async def test_unavailable_is_not_stored(
    toys: Database, make: Callable[[str, ApplicationError], Handler]
):
    command = a_command("early")
    first, again = Asked(command), Asked(command)
    await receive(a_consumer(toys, make("early", UnavailableError("away"))), first)

    await receive(a_consumer(toys), again)

    assert (await codes(first), await codes(again)) == (["unavailable"], ["ok"])


async def test_a_row_that_fails_alone_leaves_the_others(toys: Database):
    asked = Asked(a_command("blue"), a_command("wrong"), a_command("red"))

    await receive(a_consumer(toys, stamp_unless("wrong", WrongStampError())), asked)

    assert await codes(asked) == ["ok", "wrong_stamp", "ok"]
    assert await effects(toys) == ["blue", "red"]


async def test_a_row_given_back_as_failed_leaves_its_list_whole(toys: Database):
    asked = Asked(a_command("blue"), a_command("wrong"), a_command("red"))

    await receive(a_consumer(toys, returning("wrong", WrongStampError())), asked)

    assert await codes(asked) == ["ok", "wrong_stamp", "ok"]
    assert await transactions(toys) == 1


async def test_an_unforeseen_error_is_a_500_of_its_row_and_its_trace_holds_no_values(
    toys: Database,
):
    secret = "ada@example.com"
    asked = Asked(a_command("blue"), a_command("odd"))

    with capture_logs() as logs:
        await receive(a_consumer(toys, stamp_unless("odd", RuntimeError(secret))), asked)

    assert await codes(asked) == ["ok", "internal"]
    [line] = [line for line in logs if line["event"] == "request_failed"]
    assert line["kind"] == "RuntimeError"
    assert any("handler" in frame for frame in line["trace"])
    assert secret not in repr(logs)
    assert secret not in asked.raw.decode()


async def test_a_row_not_ready_is_answered_when_it_is(toys: Database):
    asked = Asked(a_command("early"))

    await receive(a_consumer(toys, stamp_unless("early", NotReadyError(), times=4)), asked)

    assert await codes(asked) == ["ok"]
    assert await effects(toys) == ["early"]


async def test_a_row_never_ready_is_told_so_before_its_deadline_and_may_be_repeated(
    toys: Database,
):
    command = a_command("early")
    asked, again = Asked(command, seconds=0.8), Asked(command)

    await receive(a_consumer(toys, stamp_unless("early", NotReadyError())), asked)

    assert await codes(asked) == ["-"]
    assert asked.answered_at is not None
    assert asked.answered_at < asked.expires_at
    await receive(a_consumer(toys), again)
    assert await codes(again) == ["ok"]


async def test_a_row_not_ready_keeps_no_reply_of_its_question_waiting(toys: Database):
    asked = Asked(a_command("early"), a_command("blue"))

    await receive(a_consumer(toys, stamp_if(lambda handle: handle == "blue")), asked)

    assert asked.answered
    assert await codes(asked) == ["-", "ok"]


async def test_rows_that_wait_together_are_answered_when_the_first_is_ready(toys: Database):
    asked = Asked(a_command("blue"), a_command("early"), a_command("red"))
    tries = 0

    def is_ready(handle: str) -> bool:
        nonlocal tries
        tries += 1
        return handle == "red" and tries > 20

    await receive(a_consumer(toys, stamp_if(is_ready)), asked)

    assert await codes(asked) == ["-", "-", "ok"]
    assert await effects(toys) == ["red"]


async def test_a_row_not_ready_does_not_delay_the_questions_of_others(toys: Database):
    consumer = a_consumer(toys, stamp_unless("early", NotReadyError()))
    early, beside, after = (
        Asked(a_command("early"), seconds=2),
        Asked(a_command("beside")),
        Asked(a_command("after")),
    )

    await receive(consumer, early, beside)
    await receive(consumer, after)

    assert beside.answered
    assert after.answered
    assert not early.answered
    await consumer.drain()
    assert await codes(early) == ["-"]


async def test_a_list_does_not_wait_in_vain_row_by_row_when_the_database_is_away(toys: Database):
    tries = 0

    async def find_it_away(commands: list[StampPass], work: UnitOfWork) -> list[Stamped]:
        nonlocal tries
        tries += 1
        raise UnavailableError

    asked = Asked(*(a_command(f"ticket-{n}") for n in range(100)))

    await receive(a_consumer(toys, find_it_away), asked)

    assert set(await codes(asked)) == {"unavailable"}
    assert tries == 1


async def test_an_unreadable_question_harms_no_other(toys: Database):
    unreadable, good = Asked(body=b'[{"handle":7}]'), Asked(a_command("blue"))

    await receive(a_consumer(toys), unreadable, good)

    assert await codes(good) == ["ok"]
    assert orjson.loads(unreadable.raw)["status"] == 503


async def test_asking_through_a_transport_finds_the_rows_outcomes(wire: Wire, toys: Database):
    consumer = a_consumer(toys, stamp_unless("wrong", WrongStampError("not with us")))
    wire.transport.receive_questions("notifier", "interactive", consumer.receive, most=20)
    await wire.transport.start()
    await until(lambda: wire.transport.connected)
    requester = Requester(wire.transport)
    commands = [a_command("wrong" if n == 30 else f"ticket-{n}") for n in range(60)]

    found = await asyncio.gather(
        *(requester.ask(command, Stamped) for command in commands), return_exceptions=True
    )

    error = found.pop(30)
    assert isinstance(error, ApplicationError)
    assert (error.status, error.code, error.detail) == (409, "wrong_stamp", "not with us")
    assert [s.handle for s in found if isinstance(s, Stamped)] == [
        c.handle for c in commands if c.handle != "wrong"
    ]


async def test_who_waits_longer_than_a_message_is_answered_and_keeps_nobody_waiting(
    wire: Wire, toys: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(PATIENCE, "interactive", 2.0)
    is_over = False

    consumer = a_consumer(toys, stamp_if(lambda handle: is_over or not handle.startswith("run")))
    wire.transport.receive_questions("notifier", "interactive", consumer.receive, most=20)
    await wire.transport.start()
    await until(lambda: wire.transport.connected)
    requester = Requester(wire.transport)
    loop = asyncio.get_running_loop()
    started = loop.time()

    def ask(handle: str, patience: float | None = None) -> asyncio.Task[Stamped]:
        return asyncio.create_task(requester.ask(a_command(handle), Stamped, patience=patience))

    patient, hasty = ask("run-1", 20), ask("run-2")
    beside = [ask(f"ticket-{n}") for n in range(20)]
    await asyncio.gather(*beside)
    waiting = [patient.done(), hasty.done()]
    with pytest.raises(NoAnswerError):
        await hasty
    await until(lambda: loop.time() - started > 2.2)
    waiting.append(patient.done())
    is_over = True

    assert (await patient).handle == "run-1"
    assert waiting == [False, False, False]
    assert "run-2" not in await effects(toys)


async def test_a_patient_row_is_answered_by_the_successor_of_its_owner(
    wire: Wire, toys: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(PATIENCE, "interactive", 0.7)
    answers = 0

    async def die_after_the_first(questions: list[Question]) -> None:
        nonlocal answers
        answers += 1
        if answers == 1:
            await a_consumer(toys, stamp_unless("run", NotReadyError())).receive(questions)
        elif answers > 2:
            await a_consumer(toys).receive(questions)

    wire.transport.receive_questions("notifier", "interactive", die_after_the_first, most=20)
    await wire.transport.start()
    await until(lambda: wire.transport.connected)

    stamped = await Requester(wire.transport).ask(a_command("run"), Stamped, patience=20)

    assert (stamped.handle, answers) == ("run", 3)
    assert await effects(toys) == ["run"]


async def test_a_question_of_an_unknown_name_harms_no_other(toys: Database):
    good = Asked(a_command("blue"))
    answers: list[bytes] = []

    async def take(body: bytes) -> None:
        answers.append(body)

    unknown = Question("notifier.nobody.v1", b"[]", good.expires_at, take)

    await a_consumer(toys).receive([unknown, good.question])

    assert await codes(good) == ["ok"]
    assert [orjson.loads(answer)["status"] for answer in answers] == [503]
