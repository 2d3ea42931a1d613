"""Goes over all passes of a template, a page at a time, in turns that hold no lock for long."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Final, Protocol, TypeVar

from services.triggers.domain import (
    PassRecord,
    announcements,
    forget,
    push,
    restyle,
    settle_expiry,
    shows,
)
from services.triggers.repository.corrections import Correction, CorrectionRepository
from services.triggers.repository.passes import PassRepository
from services.triggers.repository.styles import (
    Restyling,
    RestylingRepository,
    StyleRepository,
)
from services.triggers.repository.template_pushes import RunningPush, TemplatePushRepository
from services.triggers.repository.templates import TemplateCache
from shared import clock
from shared.database import Connection, Database, UnitOfWork

PAGE: Final = 500
CORRECT_TURNS: Final = 10

Stage = TypeVar("Stage")
"""A template that is gone over, and how far."""


class Progress(Protocol[Stage]):
    """Which templates are to be gone over, and where each has come to; its row is locked."""

    async def next_locked(self) -> Stage | None: ...
    async def lock_passes(self, stage: Stage, most: int, /) -> list[PassRecord]: ...
    async def advance(self, stage: Stage, passes: Sequence[PassRecord], /) -> None: ...
    async def end(self, stage: Stage, /) -> None: ...


async def go_over(
    database: Database,
    progress_in: Callable[[Connection], Progress[Stage]],
    visit: Callable[[Stage, list[PassRecord], UnitOfWork], Awaitable[None]],
    *,
    turns: int | None = None,
) -> None:
    """Visit pages of locked passes until nothing is left, or for so many turns."""
    for _ in count() if turns is None else range(turns):
        async with database.work("bulk") as work:
            progress = progress_in(work.connection)
            stage = await progress.next_locked()
            if stage is None:
                return
            records = await progress.lock_passes(stage, PAGE)
            if not records:
                await progress.end(stage)
                continue
            await visit(stage, records, work)
            await PassRepository(work.connection).save(records)
            work.publish(*announcements(records))
            await progress.advance(stage, records)


async def push_passes(database: Database, cache: TemplateCache) -> None:
    """Go on with pushing all installed passes of templates."""

    async def push_all(running: RunningPush, records: list[PassRecord], work: UnitOfWork) -> None:
        if running.forget:
            needed = {running.template_id: running.template_revision}
            template = (await cache.at_least(work.connection, needed))[running.template_id]
            for record in records:
                forget(record, running.forget, template.compiled, clock.now())
        for record in records:
            push(record, clock.now())
            record.template_revision = running.template_revision

    await go_over(database, TemplatePushRepository, push_all)


async def restyle_passes(database: Database) -> None:
    """Go on with composing passes anew whose style or group has changed."""

    async def restyle_all(
        restyling: Restyling, records: list[PassRecord], work: UnitOfWork
    ) -> None:
        styles = StyleRepository(work.connection)
        groups = await styles.groups_of(restyling.account_id, restyling.changed_id)
        for record in records:
            if shows(record, restyling.changed_id, restyling.template, groups):
                restyle(record, {restyling.changed_id: restyling.revision}, clock.now())

    await go_over(database, RestylingRepository, restyle_all)


async def correct_dates(database: Database, cache: TemplateCache) -> None:
    """Go over passes whose template's new revision changes when they expire, unhurriedly."""

    async def settle_all(
        correction: Correction, records: list[PassRecord], work: UnitOfWork
    ) -> None:
        needed = {correction.template_id: 0}
        template = (await cache.at_least(work.connection, needed))[correction.template_id]
        for record in records:
            settle_expiry(record, template.compiled, clock.now())

    await go_over(database, CorrectionRepository, settle_all, turns=CORRECT_TURNS)
