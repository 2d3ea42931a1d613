"""Pushes of all installed passes of a template: begun, followed and halted."""

from typing import Final

from services.triggers.repository.template_pushes import TemplatePushRepository
from services.triggers.repository.templates import TemplateCache
from shared import clock
from shared.contracts.triggers import (
    ControlTemplatePush,
    ListTemplatePushes,
    PassesPushed,
    PushPasses,
    ReadTemplatePush,
    TemplatePush,
    TemplatePushPage,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, ConflictError, NotFoundError, NotReadyError

_STATE_AFTER: Final = {"pause": "paused", "resume": "running", "cancel": "cancelled"}
_ENDED: Final = ("cancelled", "done")


class TemplatePushNotFoundError(NotFoundError):
    """There is no such push job in this account, or it ended more than 30 days ago."""

    code = "push_job_not_found"


class TemplatePushEndedError(ConflictError):
    """The push job has ended."""

    code = "push_job_ended"


async def push_passes(
    commands: list[PushPasses], work: UnitOfWork, *, cache: TemplateCache
) -> list[PassesPushed | NotReadyError]:
    """Begin to push installed passes; a job goes on with it, turn by turn."""
    template_pushes = TemplatePushRepository(work.connection)
    named = {command.template_id for command in commands if command.template_revision}
    known = await cache.newest(work.connection, named) if named else {}
    replies: list[PassesPushed | NotReadyError] = []
    for command in commands:
        template = known.get(command.template_id)
        if command.template_revision > (template.revision if template else 0):
            replies.append(NotReadyError())
            continue
        count = await template_pushes.begin(command)
        replies.append(PassesPushed(count=count, job_id=command.command_id))
    return replies


async def control_template_pushes(
    commands: list[ControlTemplatePush], work: UnitOfWork
) -> list[TemplatePush | ApplicationError]:
    """Pause, resume or cancel; no change if already in that state."""
    template_pushes = TemplatePushRepository(work.connection)
    outcomes: list[TemplatePush | ApplicationError] = []
    for command in commands:
        job = await template_pushes.find(command.account_id, command.job_id, lock=True)
        if job is None:
            outcomes.append(TemplatePushNotFoundError())
        elif job.state in _ENDED:
            outcomes.append(TemplatePushEndedError(f"The push job is {job.state}."))
        else:
            state = _STATE_AFTER[command.action]
            ended_at = clock.now() if state in _ENDED else None
            job = job.model_copy(update={"state": state, "ended_at": ended_at})
            await template_pushes.save(job)
            outcomes.append(job)
    return outcomes


async def read_template_pushes(
    queries: list[ReadTemplatePush], work: UnitOfWork
) -> list[TemplatePush | ApplicationError]:
    template_pushes = TemplatePushRepository(work.connection)
    return [
        await template_pushes.find(query.account_id, query.job_id) or TemplatePushNotFoundError()
        for query in queries
    ]


async def list_template_pushes(
    queries: list[ListTemplatePushes], work: UnitOfWork
) -> list[TemplatePushPage]:
    template_pushes = TemplatePushRepository(work.connection)
    pages: list[TemplatePushPage] = []
    for query in queries:
        jobs = await template_pushes.list_jobs(query, query.limit + 1)
        pages.append(TemplatePushPage(jobs=jobs[: query.limit], more=len(jobs) > query.limit))
    return pages
