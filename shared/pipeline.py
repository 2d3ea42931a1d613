"""Work in leased pieces: claimed, acted on outside every transaction, and recorded."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

import structlog

from shared.errors import UnavailableError
from shared.logs import trace_of

Leased = TypeVar("Leased")
"""A row that this process has leased, with all that acting on it needs."""

Result = TypeVar("Result")
"""What came of one, to be recorded."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Pipeline(ABC, Generic[Leased, Result]):
    """Acts on rows that are due, many at once, and refills each place as soon as it is free.

    Any number of processes may do this side by side: each row is leased before it is acted on. What
    a process held that died is due again once its lease ends, so an act may be made twice.

    A subclass gives the four methods that are abstract here. Their transactions are its own; none
    is open during an act. `run` and `renew` are jobs: `renew` has to come several times in the time
    of a lease. `stop` comes last, when neither is running any more.
    """

    def __init__(
        self,
        due: asyncio.Event,
        *,
        places: int,
        look_seconds: float,
        drain_seconds: float,
        failure: str,
    ) -> None:
        """Take the limits.

        `due` is set by whoever makes something due, and by an exchange that knows of more than it
        claimed. At most `places` acts are under way; `look_seconds` is the longest time between two
        exchanges while any is, `drain_seconds` what `stop` leaves them. `failure` is the log event
        of an act that raised.
        """
        self.due = due
        self.drain_seconds = drain_seconds
        self._places = places
        self._look_seconds = look_seconds
        self._failure = failure
        self._in_flight: dict[asyncio.Task[None], Leased] = {}
        self._finished: list[tuple[Leased, Result]] = []

    @abstractmethod
    async def exchange(self, finished: Sequence[Result], free: int, /) -> Sequence[Leased]:
        """Record what has finished and lease at most `free` rows, in one transaction.

        At least one of the two is there. If it raises, the same results are given again.
        """

    @abstractmethod
    async def act(self, leased: Leased, /) -> Result | None:
        """Do what is due; returns what is to be recorded, or None if that is done already.

        What it raises is logged, and nothing recorded: the lease ends and the act is made again.
        """

    @abstractmethod
    async def renew_leases(self, held: Sequence[Leased], /) -> None:
        """Hold leases for longer, as far as they are still this process's."""

    @abstractmethod
    async def give_back(self, finished: Sequence[Result], lost: Sequence[Leased], /) -> None:
        """Record what has finished and end the leases of what was broken off, at the end.

        UnavailableError is logged with the number of results lost; their leases end by themselves.
        """

    async def settle(self, finished: Sequence[Result], /) -> None:
        """Do what follows from results that are recorded, once what was claimed is under way."""

    @property
    def in_flight(self) -> Collection[Leased]:
        """The rows that are being acted on."""
        return self._in_flight.values()

    async def run(self) -> None:
        """Go on until nothing is due and nothing is under way.

        Raises what an exchange raises. Acts go on then, and the next call takes up their results.
        """
        while True:
            self.due.clear()
            await self._take_turn()
            if not (self._in_flight or self._finished or self.due.is_set()):
                return
            if not self._finished:
                await self._wait()

    async def renew(self) -> None:
        """Hold the leases of what is under way, and of what is not recorded yet."""
        held = [*self._in_flight.values(), *(leased for leased, _ in self._finished)]
        if held:
            await self.renew_leases(held)

    async def stop(self) -> None:
        """Let what is under way land for a moment, record it, and give the rest back."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=self.drain_seconds)
        lost = {task: leased for task, leased in self._in_flight.items() if not task.done()}
        for task in lost:
            task.cancel()
        await asyncio.gather(*lost, return_exceptions=True)
        finished, self._finished = self._finished, []
        if not (finished or lost):
            return
        try:
            await self.give_back([result for _, result in finished], list(lost.values()))
        except UnavailableError:
            log.warning("results_lost", count=len(finished))

    async def _take_turn(self) -> None:
        free = self._places - len(self._in_flight)
        finished, self._finished = self._finished, []
        if not (finished or free):
            return
        results = [result for _, result in finished]
        try:
            claimed = await self.exchange(results, free)
        except BaseException:
            self._finished = finished + self._finished
            raise
        for leased in claimed:
            task = asyncio.create_task(self._carry_out(leased))
            self._in_flight[task] = leased
            task.add_done_callback(self._free_place)
        await self.settle(results)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self.due.wait(), timeout=self._look_seconds)
        except TimeoutError:
            return

    async def _carry_out(self, leased: Leased) -> None:
        try:
            result = await self.act(leased)
        except Exception as error:  # noqa: BLE001 - one act must not end the others
            log.warning(self._failure, kind=type(error).__name__, trace=trace_of(error))
            return
        if result is not None:
            self._finished.append((leased, result))

    def _free_place(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self.due.set()
