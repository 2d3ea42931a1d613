"""Pushes to devices that have to be told of news."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

import structlog

from services.notifier.apple.clients.apns import ApplePushSender
from services.notifier.apple.domain.pushes import (
    DuePush,
    FinishedPush,
    Outcome,
    failures_of,
    pause_after,
    seen_of,
)
from services.notifier.apple.repository import (
    DeviceRepository,
    IdentityRepository,
    PushingRepository,
)
from services.notifier.feed.handlers.events import Tell
from services.notifier.feed.repository import ObservationRepository
from shared import clock
from shared.crashing import crash_point
from shared.database import Database, UnitOfWork
from shared.logs import trace_of
from shared.metrics import push_seconds, pushes
from shared.pipeline import Pipeline

MAX_IN_FLIGHT: Final = 200
LOOK_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 3.0

RemoveDevice = Callable[[UnitOfWork, str, datetime | None], Awaitable[object]]
"""Removes a device, unless it registered after a moment."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class PushWorker(Pipeline[DuePush, FinishedPush]):
    """Pushes to devices that are due.

    One that is pushed but not recorded is pushed again, which costs a device no more than a look.
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
        super().__init__(
            due,
            places=MAX_IN_FLIGHT,
            look_seconds=LOOK_SECONDS,
            drain_seconds=DRAIN_SECONDS,
            failure="push_failed",
        )
        self._database = database
        self._sender = sender
        self._tell = tell
        self._remove_device = remove_device

    async def exchange(self, finished: Sequence[FinishedPush], free: int, /) -> list[DuePush]:
        """Record what has finished, and claim what has waited longest."""
        async with self._database.work() as work:
            ours = await _record(work, finished)
            claimed = await PushingRepository(work.connection).claim(free)
            identities = await IdentityRepository(work.connection).list_valid(
                {wake.pass_type for wake in claimed}
            )
            await self._tell_failures(work, ours)
        if claimed:
            crash_point("pushes.claimed")
        return [DuePush(wake, identities.get(wake.pass_type, [])) for wake in claimed]

    async def act(self, due: DuePush, /) -> FinishedPush:
        """Push it, and decide whether it is tried again."""
        at, wake = clock.now(), due.wake
        outcome = await self._push(due)
        crash_point("pushes.sent")
        pushes.labels(outcome.verdict).inc()
        if outcome.verdict == "delivered":
            push_seconds.observe((clock.now() - wake.asked_at).total_seconds())
        chance = random.random()  # noqa: S311 - jitter
        return FinishedPush(wake, at, outcome, pause_after(outcome, wake.tries, chance))

    async def settle(self, finished: Sequence[FinishedPush], /) -> None:
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

    async def renew_leases(self, held: Sequence[DuePush], /) -> None:
        """Hold the leases of wakes that are being pushed."""
        async with self._database.work() as work:
            wakes = PushingRepository(work.connection)
            await wakes.do_not_wait_for_disk()
            await wakes.renew([due.wake for due in held])

    async def give_back(self, finished: Sequence[FinishedPush], lost: Sequence[DuePush], /) -> None:
        """Record what has finished; another process may push the rest at once."""
        async with self._database.work() as work:
            await PushingRepository(work.connection).release([due.wake for due in lost])
            await self._tell_failures(work, await _record(work, finished))

    async def _tell_failures(self, work: UnitOfWork, finished: Sequence[FinishedPush]) -> None:
        given_up = [one for one in finished if one.given_up]
        if given_up:
            handles = {handle for one in given_up for handle in one.wake.handles}
            templates = await PushingRepository(work.connection).find_templates(handles)
            await self._tell(work, [h for one in given_up for h in failures_of(one, templates)])

    async def _push(self, due: DuePush) -> Outcome:
        if not due.wake.reachable:
            return Outcome("unreachable")
        try:
            return await self._sender.push(due.wake, due.identities)
        except Exception as error:  # noqa: BLE001 - it is our trouble, and is tried again later
            kind = type(error).__name__
            log.error("push_failed", kind=kind, trace=trace_of(error))  # noqa: TRY400
            return Outcome("failed", reason="our own trouble")


async def _record(work: UnitOfWork, finished: Sequence[FinishedPush]) -> list[FinishedPush]:
    """Record pushes; returns those whose lease was still ours."""
    wakes = PushingRepository(work.connection)
    if not any(one.given_up for one in finished):  # a crash takes back nothing that is told
        await wakes.do_not_wait_for_disk()
    if not finished:
        return []
    ours = await wakes.record(finished)
    await ObservationRepository(work.connection).add([s for one in ours for s in seen_of(one)])
    return ours
