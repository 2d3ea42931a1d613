"""Queries: one pass, pages of passes, timelines, counts."""

import asyncio

import orjson

from services.triggers.domain import PassDeletedError, PassNotFoundError, PassRecord
from services.triggers.repository.counters import CounterRepository
from services.triggers.repository.passes import PassRepository
from shared import clock
from shared.contracts.member import StyleUse
from shared.contracts.triggers import (
    CampaignCounts,
    ChannelCounts,
    Counts,
    EventPage,
    FindPass,
    LastEvent,
    ListPasses,
    Pass,
    PassPage,
    PassSince,
    ReadCampaigns,
    ReadChannels,
    ReadCounts,
    ReadLastEvent,
    ReadPass,
    ReadPassSince,
    ReadPassStyleUse,
    ReadTimeline,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError

MAX_BYTES = 700 * 1024
"""Passes of one answer: no message is over 1 MiB."""

SETTLE_LOOKS = 25
SETTLE_SECONDS = 0.02
"""How often and how long the end of a list waits for transactions that are creating passes."""

PASS_BYTES = 600
"""What a pass takes on the wire besides its values and its member."""


async def read_passes(queries: list[ReadPass], work: UnitOfWork) -> list[Pass | ApplicationError]:
    records = await PassRepository(work.connection).find(query.handle for query in queries)
    answers: list[Pass | ApplicationError] = []
    for query in queries:
        record = records.get(query.handle)
        is_theirs = record is not None and query.account_id in (None, record.account_id)
        answers.append(_living(record if is_theirs else None))
    return answers


async def find_passes(queries: list[FindPass], work: UnitOfWork) -> list[Pass | ApplicationError]:
    records = await PassRepository(work.connection).find_by_serial(
        query.serial_number for query in queries
    )
    return [_living(records.get(query.serial_number)) for query in queries]


async def read_passes_since(
    queries: list[ReadPassSince], work: UnitOfWork
) -> list[PassSince | ApplicationError]:
    """Look at versions only; passes are read whose version is another one."""
    passes = PassRepository(work.connection)
    asked = [(query.account_id, query.handle, query.version) for query in queries]
    unchanged = await passes.find_unchanged(asked)
    others = {known[1] for known in asked if known not in unchanged}
    records = await passes.find(others) if others else {}
    answers: list[PassSince | ApplicationError] = []
    for query, known in zip(queries, asked, strict=True):
        if known in unchanged:
            answers.append(PassSince())
            continue
        record = records.get(query.handle)
        is_theirs = record is not None and record.account_id == query.account_id
        found = _living(record if is_theirs else None)
        answers.append(found if isinstance(found, ApplicationError) else PassSince(changed=found))
    return answers


async def read_style_uses(queries: list[ReadPassStyleUse], work: UnitOfWork) -> list[StyleUse]:
    """Say which styles and groups passes name."""
    asked = [(query.account_id, query.named_id) for query in queries]
    named = await PassRepository(work.connection).find_named(asked)
    return [StyleUse(in_use=one in named) for one in asked]


def _living(record: PassRecord | None) -> Pass | ApplicationError:
    if record is None:
        return PassNotFoundError()
    if record.deleted_at is not None:
        return PassDeletedError()
    return record.to_contract(with_passcode=True)


async def list_passes(queries: list[ListPasses], work: UnitOfWork) -> list[PassPage]:
    passes = PassRepository(work.connection)
    pages: list[PassPage] = []
    room = MAX_BYTES
    for query in queries:
        found = await _list(passes, query)
        kept, room = _within(found[: query.limit], room)
        pages.append(
            PassPage(
                passes=[record.to_contract() for record in kept],
                more=len(found) > len(kept),
                last=kept[-1].position if kept else query.after,
            )
        )
    return pages


async def _list(passes: PassRepository, query: ListPasses) -> list[PassRecord]:
    """Read a page; at its end, wait a moment for whoever is just creating passes before it.

    So a pass that was answered is in the list, and nothing gets in before what was listed.
    """
    settled, highest = await passes.settled()
    target = highest
    limit, at = query.limit + 1, clock.now()
    found = await passes.list_passes(query, limit=limit, settled=settled, at=at)
    for _ in range(SETTLE_LOOKS):
        if len(found) > query.limit or settled >= target:
            break
        await asyncio.sleep(SETTLE_SECONDS)
        settled, _ = await passes.settled()
        found = await passes.list_passes(query, limit=limit, settled=settled, at=at)
    return found


def _within(records: list[PassRecord], room: int) -> tuple[list[PassRecord], int]:
    """Take as many as a message holds, at least one, and the room that is left."""
    for position, record in enumerate(records):
        room -= PASS_BYTES + len(orjson.dumps([record.own_values, record.member]))
        if room < 0 and position:
            return records[:position], 0
    return records, max(room, 0)


async def read_last_events(
    queries: list[ReadLastEvent], work: UnitOfWork
) -> list[LastEvent | ApplicationError]:
    passes = PassRepository(work.connection)
    records = await passes.find(query.handle for query in queries)
    answers: list[LastEvent | ApplicationError] = []
    for query in queries:
        record = records.get(query.handle)
        if record is None or record.account_id != query.account_id:
            answers.append(PassNotFoundError())
        elif record.deleted_at is not None:
            answers.append(PassDeletedError())
        elif not record.has(query.kind):
            answers.append(LastEvent(happened=False))
        else:
            moment = await passes.find_last_event(query.handle, query.kind)
            answers.append(LastEvent(happened=True, occurred_at=moment))
    return answers


async def read_timelines(
    queries: list[ReadTimeline], work: UnitOfWork
) -> list[EventPage | ApplicationError]:
    passes = PassRepository(work.connection)
    records = await passes.find(query.handle for query in queries)
    pages: list[EventPage | ApplicationError] = []
    for query in queries:
        record = records.get(query.handle)
        if record is None or record.account_id != query.account_id:
            pages.append(PassNotFoundError())
            continue
        events = await passes.list_events(record, query.after, query.limit + 1)
        pages.append(EventPage(events=events[: query.limit], more=len(events) > query.limit))
    return pages


async def read_counts(queries: list[ReadCounts], work: UnitOfWork) -> list[Counts]:
    counters = CounterRepository(work.connection)
    return [await counters.read(query.account_id, query.template_id) for query in queries]


async def read_campaigns(queries: list[ReadCampaigns], work: UnitOfWork) -> list[CampaignCounts]:
    """Count issues and installs of link programs by campaign and source."""
    counters = CounterRepository(work.connection)
    return [CampaignCounts(counts=await counters.read_campaigns(query)) for query in queries]


async def read_channels(queries: list[ReadChannels], work: UnitOfWork) -> list[ChannelCounts]:
    """Count issues and installs by channel and day."""
    counters = CounterRepository(work.connection)
    pages: list[ChannelCounts] = []
    for query in queries:
        found = await counters.read_channels(query, query.limit + 1)
        pages.append(ChannelCounts(counts=found[: query.limit], more=len(found) > query.limit))
    return pages
