"""Posts deliveries that are due."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from services.notifier.feed.domain.happenings import Happening
from services.notifier.feed.handlers.events import Tell
from services.notifier.partners.clients import WebhookSender
from services.notifier.partners.domain.happenings import of_disabled, of_exhausted
from services.notifier.partners.domain.webhooks import (
    DueDelivery,
    FinishedDelivery,
    Outcome,
    RoundRobin,
    decide,
)
from services.notifier.partners.repository import SendingRepository
from shared import clock
from shared.crashing import crash_point
from shared.database import Database
from shared.errors import UnavailableError
from shared.logs import trace_of

MAX_IN_FLIGHT: Final = 100
MAX_PER_ENDPOINT: Final = 10
LOOK_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 3.0

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class DeliveryJob:
    """Posts due deliveries: a pipeline that refills each place as soon as it is free.

    Endpoints take turns, and each has few places, so that no backlog delays another's events. One
    whose last attempt here timed out has a single place until it answers again. Any number of
    processes may do this side by side: each delivery is leased before it is posted.
    """

    def __init__(
        self,
        database: Database,
        sender: WebhookSender,
        round_robin: RoundRobin,
        due: asyncio.Event,
        tell: Tell,
    ) -> None:
        self._database = database
        self._tell = tell
        self._sender = sender
        self._round_robin = round_robin
        self._due = due
        self._in_flight: dict[asyncio.Task[None], DueDelivery] = {}
        self._places: Counter[UUID] = Counter()
        self._finished: list[FinishedDelivery] = []
        self._slow: set[UUID] = set()
        self._looked_at = float("-inf")

    async def run(self) -> None:
        """Post until nothing is due and nothing is under way."""
        await self._look()
        while True:
            self._due.clear()
            await self._take_turn()
            if not (self._in_flight or self._finished or self._round_robin):
                return
            if not self._finished:
                await self._wait()
            if asyncio.get_running_loop().time() - self._looked_at >= LOOK_SECONDS:
                await self._look()

    async def renew(self) -> None:
        """Hold the leases of what is under way."""
        deliveries = [*self._in_flight.values(), *(one.delivery for one in self._finished)]
        if deliveries:
            async with self._database.work() as work:
                sending = SendingRepository(work.connection)
                await sending.do_not_wait_for_disk()
                await sending.renew(deliveries)

    async def stop(self) -> None:
        """Let what is under way land for a moment, record it, and give the rest back."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=DRAIN_SECONDS)
        lost = dict(self._in_flight)
        for task in lost:
            task.cancel()
        await asyncio.gather(*lost, return_exceptions=True)
        if not (self._finished or lost):
            return
        try:
            async with self._database.work() as work:
                sending = SendingRepository(work.connection)
                news = await _record(self._finished, sending)
                await sending.release(lost.values())
                await self._tell(work, news)
        except UnavailableError:
            log.warning("results_lost", count=len(self._finished))  # their leases end by themselves
        self._finished.clear()

    async def _look(self) -> None:
        self._looked_at = asyncio.get_running_loop().time()
        async with self._database.connection() as connection:
            self._round_robin.add(await SendingRepository(connection).find_due_endpoints())

    async def _take_turn(self) -> None:
        """Record what has finished and claim for the free places, in one transaction."""
        wanted = self._round_robin.take(MAX_IN_FLIGHT - len(self._in_flight), self._free_places)
        if not (self._finished or wanted):
            return
        finished, self._finished = self._finished, []
        try:
            async with self._database.work() as work:
                sending = SendingRepository(work.connection)
                await sending.do_not_wait_for_disk()
                news = await _record(finished, sending)
                claimed = await sending.claim(wanted) if wanted else []
                if news:
                    await sending.wait_for_disk()
                    await self._tell(work, news)
        except BaseException:
            self._finished = finished + self._finished
            raise
        if claimed:
            crash_point("deliveries.claimed")
        for delivery in claimed:
            self._start(delivery)
        found = Counter(delivery.endpoint_id for delivery in claimed)
        self._round_robin.remove(e for e, most in wanted.items() if found[e] < most)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._due.wait(), timeout=LOOK_SECONDS)
        except TimeoutError:
            return

    def _free_places(self, endpoint_id: UUID) -> int:
        most = 1 if endpoint_id in self._slow else MAX_PER_ENDPOINT
        return most - self._places[endpoint_id]

    def _start(self, delivery: DueDelivery) -> None:
        self._places[delivery.endpoint_id] += 1
        task = asyncio.create_task(self._post(delivery))
        self._in_flight[task] = delivery
        task.add_done_callback(self._finish)

    async def _post(self, delivery: DueDelivery) -> None:
        at = clock.now()
        try:
            outcome = await self._sender.send(delivery)
        except Exception as error:  # noqa: BLE001 - one post must not end the others
            log.error(  # noqa: TRY400 - a trace with its message may show personal values
                "delivery_failed",
                delivery_id=str(delivery.delivery_id),
                kind=type(error).__name__,
                trace=trace_of(error),
            )
            outcome = Outcome(0, our_fault=True)
        crash_point("deliveries.posted")
        chance = random.random()  # noqa: S311 - jitter
        decision = decide(outcome, delivery.tries, clock.now(), chance)
        self._finished.append(FinishedDelivery(delivery, at, outcome, decision))
        if outcome.timed_out:
            self._slow.add(delivery.endpoint_id)
        else:
            self._slow.discard(delivery.endpoint_id)

    def _finish(self, task: asyncio.Task[None]) -> None:
        delivery = self._in_flight.pop(task)
        self._places[delivery.endpoint_id] -= 1
        if not self._places[delivery.endpoint_id]:
            del self._places[delivery.endpoint_id]
        self._due.set()


async def _record(
    finished: Sequence[FinishedDelivery], sending: SendingRepository
) -> list[Happening]:
    """Record attempts, in one order for all processes; what partners are to be told of it."""
    ordered = sorted(finished, key=lambda r: r.delivery.delivery_id)
    exhausted, disabled = await sending.record(ordered)
    now = clock.now()
    return [
        *(of_exhausted(deliveries, now) for deliveries in exhausted),
        *(of_disabled(endpoint, now) for endpoint in disabled),
    ]
