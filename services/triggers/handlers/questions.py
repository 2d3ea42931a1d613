"""Queries: one pass, pages of passes, timelines, counts."""

from services.triggers.domain import PassDeletedError, PassNotFoundError
from services.triggers.repository.passes import CounterRepository, PassRepository
from shared.contracts.triggers import (
    Counts,
    EventPage,
    ListPasses,
    Pass,
    PassPage,
    ReadCounts,
    ReadPass,
    ReadTimeline,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError


async def read_passes(queries: list[ReadPass], work: UnitOfWork) -> list[Pass | ApplicationError]:
    records = await PassRepository(work.connection).find(query.handle for query in queries)
    answers: list[Pass | ApplicationError] = []
    for query in queries:
        record = records.get(query.handle)
        if record is None or query.account_id not in (None, record.account_id):
            answers.append(PassNotFoundError())
        elif record.deleted_at is not None:
            answers.append(PassDeletedError())
        else:
            answers.append(record.to_contract())
    return answers


async def list_passes(queries: list[ListPasses], work: UnitOfWork) -> list[PassPage]:
    passes = PassRepository(work.connection)
    pages: list[PassPage] = []
    for query in queries:
        found = await passes.list_passes(
            query.account_id, query.template_id, query.member_id, query.after, query.limit + 1
        )
        page = [record.to_contract() for record in found[: query.limit]]
        pages.append(PassPage(passes=page, more=len(found) > query.limit))
    return pages


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
