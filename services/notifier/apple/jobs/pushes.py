"""Pushes to devices that have to be told of news."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

import structlog

from services.notifier.apple.clients.apns import ApplePushSender
from services.notifier.apple.domain.pushes import (
    FinishedPush,
    Identity,
    Outcome,
    Wake,
    failures_of,
    pause_after,
    seen_of,
)
from services.notifier.apple.repository import (
    DeviceRepository,
    IdentityRepository,
    ObservationRepository,
    PushingRepository,
)
from services.notifier.feed.handlers.events import Tell
from shared import clock
from shared.crashing import crash_point
from shared.database import Database, UnitOfWork
from shared.errors import UnavailableError
from shared.logs import trace_of
from shared.metrics import push_seconds, pushes

MAX_IN_FLIGHT: Final = 200
LOOK_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 3.0

RemoveDevice = Callable[[UnitOfWork, str, datetime | None], Awaitable[object]]
"""Removes a device, unless it registered after a moment."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class PushWorker:
    """Pushes to devices that are due: a pipeline that refills each place as soon as it is free.

    Any number of processes may do this side by side: each wake is leased before it is pushed. One
    that is pushed but not recorded is pushed again, which costs a device no more than a look.
    """

    def __init__(
        self,
        database: Database,
        sender: ApplePushSender,
        due: asyncio.Event,
        *,
        tell: Tell,
        remove_device: RemoveDevice,
    ) -> None:
        self._database = database
        self._sender = sender
        self._due = due
        self._tell = tell
        self._remove_device = remove_device
        self._in_flight: dict[asyncio.Task[None], Wake] = {}
        self._finished: list[FinishedPush] = []

    async def run(self) -> None:
        """Push until nothing is due and nothing is under way."""
        while True:
            self._due.clear()
            await self._take_turn()
            if not (self._in_flight or self._finished):
                return
            if not self._finished:
                await self._wait()

    async def renew(self) -> None:
        """Hold the leases of what is under way."""
        wakes = [*self._in_flight.values(), *(one.wake for one in self._finished)]
        if wakes:
            async with self._database.work() as work:
                repository = PushingRepository(work.connection)
                await repository.do_not_wait_for_disk()
                await repository.renew(wakes)

    async def stop(self) -> None:
        """Let what is under way land for a moment, record it, and give the rest back."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=DRAIN_SECONDS)
        lost = dict(self._in_flight)
        for task in lost:
            task.cancel()
        await asyncio.gather(*lost, return_exceptions=True)
        finished, self._finished = self._finished, []
        try:
            async with self._database.work() as work:
                await PushingRepository(work.connection).release(lost.values())
                await self._tell_failures(work, await self._record(work, finished))
        except UnavailableError:
            log.warning("results_lost", count=len(finished))  # their leases end by themselves

    async def _take_turn(self) -> None:
        """Record what has finished and claim for the free places, in one transaction."""
        finished, self._finished = self._finished, []
        try:
            async with self._database.work() as work:
                ours = await self._record(work, finished)
                claimed = await PushingRepository(work.connection).claim(
                    MAX_IN_FLIGHT - len(self._in_flight)
                )
                identities = await IdentityRepository(work.connection).list_valid(
                    {wake.pass_type for wake in claimed}
                )
                await self._tell_failures(work, ours)
        except BaseException:
            self._finished = finished + self._finished
            raise
        if claimed:
            crash_point("pushes.claimed")
        for wake in claimed:
            self._start(wake, identities.get(wake.pass_type, []))
        await self._remove_devices(finished)

    async def _record(
        self, work: UnitOfWork, finished: Sequence[FinishedPush]
    ) -> list[FinishedPush]:
        wakes = PushingRepository(work.connection)
        if not any(one.given_up for one in finished):  # a crash takes back nothing that is told
            await wakes.do_not_wait_for_disk()
        if not finished:
            return []
        ours = await wakes.record(finished)
        await ObservationRepository(work.connection).add([s for one in ours for s in seen_of(one)])
        return ours

    async def _tell_failures(self, work: UnitOfWork, finished: Sequence[FinishedPush]) -> None:
        given_up = [one for one in finished if one.given_up]
        if given_up:
            handles = {handle for one in given_up for handle in one.wake.handles}
            templates = await PushingRepository(work.connection).find_templates(handles)
            await self._tell(work, [h for one in given_up for h in failures_of(one, templates)])

    async def _remove_devices(self, finished: Sequence[FinishedPush]) -> None:
        """Remove devices that Apple says are gone, unless they have come back meanwhile.

        Each in a transaction of its own, which locks devices before wakes. If one fails, the next
        push is answered the same.
        """
        for one in (one for one in finished if one.outcome.ends_device):
            async with self._database.work() as work:
                device = one.wake.device
                known = await DeviceRepository(work.connection).lock([device])
                if device in known and known[device].push_token == one.wake.push_token:
                    await self._remove_device(work, device, one.outcome.gone_at)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._due.wait(), timeout=LOOK_SECONDS)
        except TimeoutError:
            return

    def _start(self, wake: Wake, identities: Sequence[Identity]) -> None:
        task = asyncio.create_task(self._send(wake, identities))
        self._in_flight[task] = wake
        task.add_done_callback(self._finish)

    async def _send(self, wake: Wake, identities: Sequence[Identity]) -> None:
        at = clock.now()
        outcome = await self._push(wake, identities)
        crash_point("pushes.sent")
        chance = random.random()  # noqa: S311 - jitter
        pause = pause_after(outcome, wake.tries, chance)
        self._finished.append(FinishedPush(wake, at, outcome, pause))
        pushes.labels(outcome.verdict).inc()
        if outcome.verdict == "delivered":
            push_seconds.observe((clock.now() - wake.asked_at).total_seconds())

    async def _push(self, wake: Wake, identities: Sequence[Identity]) -> Outcome:
        if not wake.reachable:
            return Outcome("unreachable")
        try:
            return await self._sender.push(wake, identities)
        except Exception as error:  # noqa: BLE001 - one push must not end the others
            kind = type(error).__name__
            log.error("push_failed", kind=kind, trace=trace_of(error))  # noqa: TRY400
            return Outcome("failed", reason="our own trouble")

    def _finish(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self._due.set()
