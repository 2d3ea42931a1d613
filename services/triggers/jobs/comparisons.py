"""Compares newest versions and log lines with what generator and notifier know, page by page."""

from typing import Final

from services.triggers.repository.comparisons import Comparison, ComparisonRepository
from shared.contracts.triggers import EventsListed, PassesListed
from shared.database import Database, UnitOfWork

PAGE: Final = 1000
MAX_AHEAD: Final = 5
"""Pages of a comparison on command that wait for their answers."""

ENDED_DAYS: Final = 7


async def compare_in_background(database: Database) -> None:
    """Send one page of each subject now and then, once the one before is answered."""
    async with database.work("bulk") as work:
        comparisons = ComparisonRepository(work.connection)
        await comparisons.begin("passes", in_background=True)
        await comparisons.begin("events", in_background=True)
        await comparisons.forget_ended(ENDED_DAYS)
    for _ in range(2):
        async with database.work("bulk") as work:
            comparisons = ComparisonRepository(work.connection)
            due = await comparisons.next_locked(in_background=True, max_ahead=1)
            if due is not None:
                await _send_page(due, comparisons, work)


async def compare_on_command(database: Database) -> None:
    """Send pages of what a command asked for, as fast as they are answered."""
    while True:
        async with database.work("bulk") as work:
            comparisons = ComparisonRepository(work.connection)
            due = await comparisons.next_locked(in_background=False, max_ahead=MAX_AHEAD)
            if due is None:
                return
            await _send_page(due, comparisons, work)


async def _send_page(due: Comparison, comparisons: ComparisonRepository, work: UnitOfWork) -> None:
    if due.subject == "passes":
        passes = await comparisons.list_passes(due.after_handle, PAGE)
        if passes:
            work.publish(PassesListed(comparison_id=due.comparison_id, passes=passes))
            await comparisons.advance(due, passes[-1].handle, 0, len(passes))
            return
    else:
        events = await comparisons.list_events(due.after_handle, due.after_sequence, PAGE)
        if events:
            work.publish(EventsListed(comparison_id=due.comparison_id, events=events))
            last = events[-1]
            await comparisons.advance(due, last.handle, last.sequence, len(events))
            return
    await comparisons.end(due)
