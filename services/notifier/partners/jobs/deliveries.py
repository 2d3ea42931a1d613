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
from shared.logs import trace_of
from shared.pipeline import Pipeline

MAX_IN_FLIGHT: Final = 100
MAX_PER_ENDPOINT: Final = 10
LOOK_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 3.0

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class DeliveryJob(Pipeline[DueDelivery, FinishedDelivery]):
    """Posts deliveries that are due.

    Endpoints take turns, and each has few places, so that no backlog delays another's events. One
    whose last attempt here timed out has a single place until it answers again.
    """

    def __init__(
        self,
        database: Database,
        sender: WebhookSender,
        round_robin: RoundRobin,
        due: asyncio.Event,
        tell: Tell,
    ) -> None:
        super().__init__(
            due,
            places=MAX_IN_FLIGHT,
            look_seconds=LOOK_SECONDS,
            drain_seconds=DRAIN_SECONDS,
            failure="delivery_failed",
        )
        self._database = database
        self._tell = tell
        self._sender = sender
        self._round_robin = round_robin
        self._slow: set[UUID] = set()
        self._looked_at = float("-inf")

    async def run(self) -> None:
        """Post until nothing is due and nothing is under way."""
        await self._look()
        await super().run()

    async def exchange(
        self, finished: Sequence[FinishedDelivery], free: int, /
    ) -> list[DueDelivery]:
        """Record what has finished and claim for the endpoints whose turn it is."""
        if asyncio.get_running_loop().time() - self._looked_at >= LOOK_SECONDS:
            await self._look()
        wanted = self._take_turns(free)
        if not (finished or wanted):
            return []
        async with self._database.work() as work:
            sending = SendingRepository(work.connection)
            await sending.do_not_wait_for_disk()
            news = await _record(finished, sending)
            claimed = await sending.claim(wanted) if wanted else []
            if news:
                await sending.wait_for_disk()
                await self._tell(work, news)
        if claimed:
            crash_point("deliveries.claimed")
        found = Counter(delivery.endpoint_id for delivery in claimed)
        self._round_robin.remove(e for e, most in wanted.items() if found[e] < most)
        if self._round_robin and not (claimed or self.in_flight):
            self.due.set()  # others wait for a turn
        return claimed

    async def act(self, delivery: DueDelivery, /) -> FinishedDelivery:
        """Post it, and decide what becomes of it."""
        at = clock.now()
        try:
            outcome = await self._sender.send(delivery)
        except Exception as error:  # noqa: BLE001 - it is our fault, and is tried again later
            log.error(  # noqa: TRY400 - a trace with its message may show personal values
                "delivery_failed",
                delivery_id=str(delivery.delivery_id),
                kind=type(error).__name__,
                trace=trace_of(error),
            )
            outcome = Outcome(0, our_fault=True)
        crash_point("deliveries.posted")
        if outcome.timed_out:
            self._slow.add(delivery.endpoint_id)
        else:
            self._slow.discard(delivery.endpoint_id)
        chance = random.random()  # noqa: S311 - jitter
        decision = decide(outcome, delivery.tries, clock.now(), chance)
        return FinishedDelivery(delivery, at, outcome, decision)

    async def renew_leases(self, held: Sequence[DueDelivery], /) -> None:
        """Hold the leases of deliveries that are being posted."""
        async with self._database.work() as work:
            sending = SendingRepository(work.connection)
            await sending.do_not_wait_for_disk()
            await sending.renew(held)

    async def give_back(
        self, finished: Sequence[FinishedDelivery], lost: Sequence[DueDelivery], /
    ) -> None:
        """Record what has finished; another process may post the rest at once."""
        async with self._database.work() as work:
            sending = SendingRepository(work.connection)
            news = await _record(finished, sending)
            await sending.release(lost)
            await self._tell(work, news)

    async def _look(self) -> None:
        self._looked_at = asyncio.get_running_loop().time()
        async with self._database.connection() as connection:
            self._round_robin.add(await SendingRepository(connection).find_due_endpoints())

    def _take_turns(self, free: int) -> dict[UUID, int]:
        """Share the free places among endpoints: endpoint → how many."""
        taken = Counter(delivery.endpoint_id for delivery in self.in_flight)
        return self._round_robin.take(
            free, lambda e: (1 if e in self._slow else MAX_PER_ENDPOINT) - taken[e]
        )


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
