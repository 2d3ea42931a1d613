"""Answers to comparisons: what generator or notifier lack is announced again."""

from typing import Final

from services.triggers.repository.comparisons import ComparisonRepository
from services.triggers.repository.passes import PassRepository
from shared.contracts.generator import PassesCompared
from shared.contracts.notifier import EventsCompared
from shared.contracts.triggers import DeletedPass, EventsLogged, PassesChanged, PassesDeleted
from shared.database import UnitOfWork

TURN: Final = 100
"""Passes or lines in one announcement: no message is over 1 MiB."""


async def announce_missed_passes(events: list[PassesCompared], work: UnitOfWork) -> None:
    """Announce passes as they are now; whoever knows more by then drops it."""
    await ComparisonRepository(work.connection).note_answers(
        [event.comparison_id for event in events], [len(event.missing) for event in events]
    )
    missed = {handle for event in events for handle in event.missing}
    if not missed:
        return
    # Locked, so that nothing is told of a member beside its deletion.
    records = (await PassRepository(work.connection).lock(missed)).values()
    living = [record.to_contract() for record in records if record.deleted_at is None]
    deleted = [
        DeletedPass(handle=r.handle, account_id=r.account_id, version=r.version)
        for r in records
        if r.deleted_at is not None
    ]
    work.publish(
        *(PassesChanged(passes=living[n : n + TURN]) for n in range(0, len(living), TURN)),
        *(PassesDeleted(passes=deleted[n : n + TURN]) for n in range(0, len(deleted), TURN)),
    )


async def announce_missed_events(events: list[EventsCompared], work: UnitOfWork) -> None:
    """Announce lines of the log again; those that are known by then are told to nobody twice."""
    comparisons = ComparisonRepository(work.connection)
    await comparisons.note_answers(
        [event.comparison_id for event in events], [len(event.missing) for event in events]
    )
    missed = [missed for event in events for missed in event.missing]
    if missed:
        lines = await comparisons.read_events(missed)
        work.publish(
            *(EventsLogged(events=lines[n : n + TURN]) for n in range(0, len(lines), TURN))
        )
