"""Compares, once a day, what is at Google with what was sent: what was lost is found out here.

Callbacks are hints that may stop for days, and Google may lose or change what it has.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from services.notifier.google.clients.sender import GoogleSender
from services.notifier.google.domain.documents import is_within
from services.notifier.google.domain.lanes import BACKFILL
from services.notifier.google.jobs.sending import TellActs
from services.notifier.google.repository import ComparisonRepository, JobRepository
from services.notifier.google.repository.comparisons import ListedClass
from shared import clock
from shared.contracts.message import JsonObject
from shared.database import Database, UnitOfWork
from shared.google.api import GoogleAwayError

EVERY: Final = timedelta(days=1)

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Reconciler:
    """Goes over classes whose turn it is, page by page, each page a transaction of its own."""

    def __init__(
        self, database: Database, sender: GoogleSender, *, tell_acts: TellActs, at_google: bool
    ) -> None:
        self._database = database
        self._sender = sender
        self._tell_acts = tell_acts
        self._at_google = at_google

    async def run(self) -> None:
        """Go over every class that was not listed for a day; one that is refused comes later."""
        while True:
            async with self._database.work() as work:
                one = await ComparisonRepository(work.connection).take_turn(
                    EVERY, at_google=self._at_google
                )
            if one is None:
                return
            try:
                await self._compare(one)
            except GoogleAwayError:
                log.warning("google_not_listed", class_id=one.class_id)

    async def _compare(self, one: ListedClass) -> None:
        begun, token = clock.now(), ""
        while True:
            page = await self._sender.list_page(one.issuer, one.type, one.class_id, token)
            if not page.is_done:
                log.warning("google_not_listed", class_id=one.class_id, status=page.status)
                return
            listed: list[JsonObject] = page.body.get("resources", [])
            async with self._database.work("bulk") as work:
                await self._compare_page(listed, begun, work)
            pagination: dict[str, Any] = page.body.get("pagination", {})
            token = str(pagination.get("nextPageToken") or "")
            if not token:
                break
        async with self._database.work("bulk") as work:
            lists, jobs = ComparisonRepository(work.connection), JobRepository(work.connection)
            missing = await lists.note_missing(one.class_id, begun)
            await jobs.ask(dict.fromkeys(missing, BACKFILL))
            if one.is_ours:
                await jobs.ask_look([one.class_id])
        if missing:
            log.warning("google_lost", class_id=one.class_id, count=len(missing))

    async def _compare_page(self, listed: list[JsonObject], at: datetime, work: UnitOfWork) -> None:
        """Note who has objects, and have what is different there sent again."""
        lists, jobs = ComparisonRepository(work.connection), JobRepository(work.connection)
        found = {str(each.get("id")): each for each in listed}
        settled = await lists.lock_settled(found)
        drifted = {
            one.document_id: drift
            for one in settled
            if (drift := _drift(one.wanted, found[one.document_id], one.sent))
        }
        users = {key: bool(each.get("hasUsers")) for key, each in found.items()}
        held = await lists.note_listed(users, at)
        await lists.forget_sent(drifted)
        await jobs.ask(dict.fromkeys(drifted, BACKFILL))
        await self._tell_acts(held, work)


def _drift(wanted: JsonObject, found: JsonObject, sent: dict[str, str]) -> list[str]:
    """List the keys that Google has otherwise than they were sent."""
    return [key for key in sent if not is_within(wanted.get(key), found.get(key))]
