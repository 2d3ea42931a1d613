"""Sends what is due at Google, at its pace: what people wait for first, and nothing twice."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from services.notifier.feed.repository import ObservationRepository
from services.notifier.google.clients.sender import GoogleSender
from services.notifier.google.domain.lanes import BACKFILL, choose
from services.notifier.google.domain.limits import AHEAD_SECONDS
from services.notifier.google.domain.notices import Ledger
from services.notifier.google.domain.observations import seen_of
from services.notifier.google.domain.sending import (
    Document,
    Due,
    Finished,
    Outcome,
    Step,
    notice_of,
    pause_after,
    step_of,
)
from services.notifier.google.repository import (
    DocumentRepository,
    IssuerRepository,
    JobRepository,
    LimitRepository,
    NoticeRepository,
)
from shared import clock
from shared.crashing import crash_point
from shared.database import Database, UnitOfWork
from shared.logs import trace_of
from shared.metrics import google_seconds, google_steps
from shared.pipeline import Pipeline

MAX_IN_FLIGHT: Final = 100
LOOK_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 3.0

TellActs = Callable[[Mapping[str, bool], UnitOfWork], Awaitable[None]]
"""Tells who has objects now: id → whether anybody has."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class SendingWorker(Pipeline[Due, Finished]):
    """Sends documents, one step each time.

    What was sent and not recorded is sent again, which is harmless but for a message: that is
    looked for first.
    """

    def __init__(
        self,
        database: Database,
        sender: GoogleSender,
        due: asyncio.Event,
        *,
        tell_acts: TellActs,
        rate: float,
        at_google: bool,
    ) -> None:
        """Take so many slots a second; `at_google` leaves out what Google does not know."""
        super().__init__(
            due,
            places=MAX_IN_FLIGHT,
            look_seconds=LOOK_SECONDS,
            drain_seconds=DRAIN_SECONDS,
            failure="google_failed",
        )
        self._database = database
        self._sender = sender
        self._tell_acts = tell_acts
        self._rate = rate
        self._at_google = at_google

    async def exchange(self, finished: Sequence[Finished], free: int, /) -> list[Due]:
        """Record what has finished, take slots, and give them to the foremost."""
        async with self._database.work() as work:
            await self._record(work, finished)
            due = await self._claim(work, free)
        if due:
            crash_point("google.claimed")
        return due

    async def act(self, due: Due, /) -> Finished:
        """Wait for the slot, send, and decide whether it is tried again."""
        await asyncio.sleep(due.slot_at - asyncio.get_running_loop().time())
        outcome = await self._send(due)
        at, document = clock.now(), due.document
        google_steps.labels(due.step, outcome.verdict).inc()
        if due.step == "write" and outcome.verdict == "done":
            google_seconds.observe((at - document.asked_at).total_seconds())
        chance = random.random()  # noqa: S311 - jitter
        return Finished(due, at, outcome, pause_after(outcome, document.tries, chance))

    async def renew_leases(self, held: Sequence[Due], /) -> None:
        """Hold the leases of what is being sent."""
        async with self._database.work() as work:
            await JobRepository(work.connection).renew([due.document for due in held])

    async def give_back(self, finished: Sequence[Finished], lost: Sequence[Due], /) -> None:
        """Record what has finished; another process may send the rest at once."""
        async with self._database.work() as work:
            await self._record(work, finished)
            await JobRepository(work.connection).release([due.document for due in lost])

    async def _send(self, due: Due) -> Outcome:
        try:
            return await self._sender.send(due)
        except Exception as error:  # noqa: BLE001 - it is our trouble, and is tried again later
            kind = type(error).__name__
            log.error("google_failed", kind=kind, trace=trace_of(error))  # noqa: TRY400
            return Outcome("later", reason="our own trouble", detail="our own trouble")

    async def _record(self, work: UnitOfWork, finished: Sequence[Finished]) -> None:
        """Record what came of documents whose lease was still ours, and what follows for others."""
        if not finished:
            return
        connection = work.connection
        jobs, documents = JobRepository(connection), DocumentRepository(connection)
        ours = await jobs.lock_ours(finished)
        await documents.record(ours)
        ended = await jobs.record(ours)
        await _put_classes_first(ours, documents, jobs)
        await IssuerRepository(connection).record(ours)
        await _keep_ledger(ours, NoticeRepository(connection))
        slow = {
            one.document.issuer.project_id: one.outcome.retry_after or 0.0
            for one in ours
            if one.outcome.verdict == "slow_down"
        }
        if slow:
            await LimitRepository(connection).slow_down(slow, self._rate)
        await jobs.unblock(ended)
        gone = {
            one.document.document_id: False
            for one in ours
            if one.document.looks and one.outcome.has_users is False
        }
        await self._tell_acts(gone, work)
        seen = [one for each in ours for one in seen_of(each)]
        await ObservationRepository(connection).add(seen)

    async def _claim(self, work: UnitOfWork, free: int) -> list[Due]:
        limits, jobs = LimitRepository(work.connection), JobRepository(work.connection)
        loop, taken, claimed = asyncio.get_running_loop(), dict[str, int](), list[Due]()
        pauses: list[float] = []
        for limit in await limits.lock_busy(at_google=self._at_google) if free else []:
            count = min(limit.count(self._rate), free - len(claimed))
            if not count:
                pauses.append(limit.pause())
                continue
            now = loop.time()
            candidates = await jobs.list_foremost(
                limit.project_id, count, at_google=self._at_google
            )
            slots = range(limit.slots + 1, limit.slots + count + 1)
            chosen = choose(candidates, slots)
            documents = await jobs.lease([one.document_id for one in chosen])
            spacing = limit.spacing(self._rate)
            claimed += await _noticed(
                work,
                [
                    (document, now + limit.wait + place * spacing)
                    for place, document in enumerate(documents)
                ],
            )
            taken[limit.project_id] = len(documents)
            if len(documents) == count:
                pauses.append(max(0.0, limit.wait + count * spacing - AHEAD_SECONDS))
        if taken:
            await limits.advance(taken, self._rate)
        if pauses:  # there may be more, as soon as there are slots
            loop.call_later(min(pauses), self.due.set)
        return claimed


async def _noticed(work: UnitOfWork, leased: Sequence[tuple[Document, float]]) -> list[Due]:
    """Decide what is done for each, and reserve in the ledger what it tells its holder."""
    steps: dict[str, Step] = {one.document_id: step_of(one) for one, _ in leased}
    notices, at = NoticeRepository(work.connection), clock.now()
    ledgers = await notices.find(
        {d.document_id: d.class_id or d.document_id for d, _ in leased if d.has_users}
    )
    due = [
        Due(
            document,
            step := steps[document.document_id],
            notice_of(document, step, ledgers.get(document.document_id, Ledger()), at),
            slot_at,
        )
        for document, slot_at in leased
    ]
    reserved = {one.document.document_id: at for one in due if one.notice.reserved_at == at}
    telling = [document_id for document_id, step in steps.items() if step == "tell"]
    if reserved:
        await notices.add(list(reserved.items()))
    if reserved or telling:
        await JobRepository(work.connection).mark_telling(telling, reserved)
    return due


async def _put_classes_first(
    finished: Sequence[Finished], documents: DocumentRepository, jobs: JobRepository
) -> None:
    """Send classes that are missing before their objects; look at those that may be refused."""
    missing = {
        one.document.document_id: one.document
        for one in finished
        if one.outcome.verdict == "class_missing" and one.document.class_id
    }
    if missing:
        lost = await documents.lose({str(document.class_id) for document in missing.values()})
        await jobs.ask({class_id: min(d.lane for d in missing.values()) for class_id in lost})
        await jobs.ask({document_id: d.lane for document_id, d in missing.items()})
    doubtful = {
        str(one.document.class_id)
        for one in finished
        if one.refusal is not None and one.document.sent is None and one.document.class_id
    }
    if doubtful:
        await jobs.ask_look(doubtful)
    opened = [one.document.document_id for one in finished if one.opens_class]
    if opened:
        retried = await documents.retry_refused(opened)
        await jobs.ask(dict.fromkeys(retried, BACKFILL))


async def _keep_ledger(finished: Sequence[Finished], notices: NoticeRepository) -> None:
    unused = [
        (one.document.document_id, place)
        for one in finished
        if (place := one.unused_place) is not None
    ]
    if unused:
        await notices.give_back(unused)
    spent = [one.document.document_id for one in finished if one.outcome.notices_spent]
    if spent:
        await notices.fill(spent, clock.now())
