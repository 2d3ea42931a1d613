"""A pipeline acts on what is due, many at once, and loses no result, whatever fails."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from shared.errors import UnavailableError
from shared.pipeline import Pipeline

OFTEN, NEVER = 0.001, 3600.0


class AwayError(UnavailableError):
    """The rows are out of reach."""


class Rows(Pipeline[int, str]):
    """Numbers that are due; an act waits until it is let, and what came of it is a text."""

    def __init__(
        self, *due: int, places: int = 2, look: float = NEVER, drain: float = NEVER
    ) -> None:
        super().__init__(
            asyncio.Event(),
            places=places,
            look_seconds=look,
            drain_seconds=drain,
            failure="row_failed",
        )
        self.rows = list(due)
        self.away = False
        self.started: asyncio.Queue[int] = asyncio.Queue()
        self.may_end: dict[int, asyncio.Event] = {}
        self.recorded: list[str] = []
        self.renewed: list[int] = []
        self.given_back: list[int] = []
        self.exchanges = 0

    async def exchange(self, finished: Sequence[str], free: int, /) -> list[int]:
        self.exchanges += 1
        await self.reach()
        self.recorded += finished
        claimed, self.rows = self.rows[:free], self.rows[free:]
        return claimed

    async def act(self, row: int, /) -> str | None:
        self.started.put_nowait(row)
        if row in self.may_end:
            await self.may_end[row].wait()
        return f"{row} done"

    async def renew_leases(self, held: Sequence[int], /) -> None:
        self.renewed += held

    async def give_back(self, finished: Sequence[str], lost: Sequence[int], /) -> None:
        await self.reach()
        self.recorded += finished
        self.given_back += lost

    def hold(self, *rows: int) -> None:
        self.may_end |= {row: asyncio.Event() for row in rows}

    def let(self, row: int) -> None:
        self.may_end[row].set()

    async def reach(self) -> None:
        if self.away:
            raise AwayError


@asynccontextmanager
async def running(rows: Rows, *started: int) -> AsyncGenerator[asyncio.Task[None]]:
    """Run until some acts have started; what still runs at the end of the block is cancelled."""
    task = asyncio.create_task(rows.run())
    for _ in started:
        await rows.started.get()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_all_that_is_due_is_acted_on_and_recorded():
    rows = Rows(1, 2, 3, 4, 5)

    await rows.run()

    assert sorted(rows.recorded) == [f"{row} done" for row in (1, 2, 3, 4, 5)]
    assert list(rows.in_flight) == []


async def test_place_that_is_free_is_taken_while_others_are_not():
    rows = Rows(1, 2, 3)
    rows.hold(1, 2, 3)

    async with running(rows, 1, 2) as task:
        assert list(rows.in_flight) == [1, 2]
        assert rows.rows == [3]
        rows.let(2)
        assert await rows.started.get() == 3
        assert list(rows.in_flight) == [1, 3]
        rows.let(1)
        rows.let(3)
        await task

    assert sorted(rows.recorded) == ["1 done", "2 done", "3 done"]


async def test_nothing_is_claimed_while_all_places_are_taken():
    rows = Rows(1, 2, places=1)
    rows.hold(1)

    async with running(rows, 1) as task:
        rows.due.set()
        while rows.due.is_set():
            await asyncio.sleep(0)  # its turn
        assert rows.exchanges == 1
        rows.let(1)
        await task

    assert rows.recorded == ["1 done", "2 done"]


async def test_what_comes_due_meanwhile_is_acted_on_at_once():
    rows = Rows(1)
    rows.hold(1)

    async with running(rows, 1) as task:
        rows.rows.append(2)
        rows.due.set()
        assert await rows.started.get() == 2
        rows.let(1)
        await task

    assert rows.recorded == ["2 done", "1 done"]


async def test_what_nobody_told_of_is_found_by_looking():
    rows = Rows(1, look=OFTEN)
    rows.hold(1)

    async with running(rows, 1) as task:
        rows.rows.append(2)
        assert await rows.started.get() == 2
        rows.let(1)
        await task


async def test_exchange_that_knows_of_more_is_asked_again():
    class Shy(Rows):
        async def exchange(self, finished: Sequence[str], free: int, /) -> list[int]:
            claimed = await super().exchange(finished, min(free, 1))
            if self.exchanges == 1:
                self.due.set()
            return claimed

    rows = Shy(1, 2)
    rows.hold(1, 2)

    async with running(rows, 1, 2):
        assert list(rows.in_flight) == [1, 2]


async def test_results_are_given_again_when_they_could_not_be_recorded():
    rows = Rows(1, 2)
    rows.hold(1, 2)

    async with running(rows, 1, 2) as task:
        rows.away = True
        rows.let(1)
        with pytest.raises(AwayError):
            await task
        assert list(rows.in_flight) == [2]
        rows.let(2)
    rows.away = False
    await rows.run()

    assert rows.recorded == ["1 done", "2 done"]


async def test_act_that_raises_is_logged_without_its_message_and_ends_no_other():
    class Failing(Rows):
        async def act(self, row: int, /) -> str | None:
            if row == 1:
                raise ValueError("secret")
            return await super().act(row)

    rows = Failing(1, 2)

    with capture_logs() as logs:
        await rows.run()

    assert rows.recorded == ["2 done"]
    [line] = logs
    assert (line["event"], line["kind"]) == ("row_failed", "ValueError")
    assert "secret" not in str(line)


async def test_act_that_has_recorded_for_itself_leaves_nothing_to_record():
    class Own(Rows):
        async def act(self, row: int, /) -> None:
            await super().act(row)

    rows = Own(1, 2, 3)

    await rows.run()

    assert rows.started.qsize() == 3
    assert rows.recorded == []


async def test_what_follows_comes_once_results_are_recorded_and_claims_under_way():
    class Following(Rows):
        followed: Sequence[tuple[list[str], list[str], list[int]]] = ()

        async def settle(self, finished: Sequence[str], /) -> None:
            state = (list(finished), list(self.recorded), list(self.in_flight))
            self.followed = [*self.followed, state]

    rows = Following(1, 2, places=1)

    await rows.run()

    assert rows.followed == [
        ([], [], [1]),
        (["1 done"], ["1 done"], [2]),
        (["2 done"], ["1 done", "2 done"], []),
    ]


async def test_leases_are_renewed_of_what_is_under_way_and_of_what_is_not_recorded():
    rows = Rows(1, 2, 3)
    rows.hold(1, 2)
    async with running(rows, 1, 2) as task:
        rows.away = True
        rows.let(1)
        with pytest.raises(AwayError):
            await task

        await rows.renew()

        assert sorted(rows.renewed) == [1, 2]
    rows.let(2)
    await rows.stop()


async def test_nothing_is_renewed_or_given_back_where_nothing_is_held():
    rows = Rows()
    rows.away = True

    await rows.renew()
    await rows.stop()

    assert rows.renewed == []


async def test_stop_records_what_lands_in_time_and_gives_the_rest_back():
    rows = Rows(1, 2, drain=0)
    rows.hold(1, 2)
    async with running(rows, 1, 2):
        rows.let(1)

    await rows.stop()

    assert (rows.recorded, rows.given_back) == (["1 done"], [2])
    await rows.stop()
    assert (rows.recorded, rows.given_back) == (["1 done"], [2])


async def test_stop_waits_for_what_is_under_way():
    rows = Rows(1)
    rows.hold(1)
    async with running(rows, 1):
        pass

    stopping = asyncio.create_task(rows.stop())
    rows.let(1)
    await stopping

    assert (rows.recorded, rows.given_back) == (["1 done"], [])


async def test_results_that_the_stop_cannot_record_are_counted():
    rows = Rows(1, 2, drain=0)
    rows.hold(2)
    async with running(rows, 1, 2):
        pass
    rows.away = True

    with capture_logs() as logs:
        await rows.stop()

    assert [(line["event"], line["count"]) for line in logs] == [("results_lost", 1)]
