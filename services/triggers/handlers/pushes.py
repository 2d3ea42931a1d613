"""Pushes of all installed passes of a template: begun, followed and halted."""

from typing import Final

from services.triggers.repository.templates import TemplateCache
from services.triggers.repository.walks import WalkRepository
from shared import clock
from shared.contracts.triggers import (
    ControlPushJob,
    ListPushJobs,
    PassesPushed,
    PushJob,
    PushJobPage,
    PushPasses,
    ReadPushJob,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, ConflictError, NotFoundError, NotReadyError

_STATE_AFTER: Final = {"pause": "paused", "resume": "running", "cancel": "cancelled"}
_ENDED: Final = ("cancelled", "done")


class PushJobNotFoundError(NotFoundError):
    """There is no such push job in this account, or it ended more than 30 days ago."""

    code = "push_job_not_found"


class PushJobEndedError(ConflictError):
    """The push job has ended."""

    code = "push_job_ended"


async def push_passes(
    commands: list[PushPasses], work: UnitOfWork, *, cache: TemplateCache
) -> list[PassesPushed | NotReadyError]:
    """Begin to push installed passes; a job goes on with it, turn by turn."""
    walks = WalkRepository(work.connection)
    named = {command.template_id for command in commands if command.template_revision}
    known = await cache.newest(work.connection, named) if named else {}
    replies: list[PassesPushed | NotReadyError] = []
    for command in commands:
        template = known.get(command.template_id)
        if command.template_revision > (template.revision if template else 0):
            replies.append(NotReadyError())
            continue
        count = await walks.begin(command)
        replies.append(PassesPushed(count=count, job_id=command.command_id))
    return replies


async def control_push_jobs(
    commands: list[ControlPushJob], work: UnitOfWork
) -> list[PushJob | ApplicationError]:
    """Pause, resume or cancel; what is so already stays so."""
    walks = WalkRepository(work.connection)
    outcomes: list[PushJob | ApplicationError] = []
    for command in commands:
        job = await walks.find(command.account_id, command.job_id, lock=True)
        if job is None:
            outcomes.append(PushJobNotFoundError())
        elif job.state in _ENDED:
            outcomes.append(PushJobEndedError(f"The push job is {job.state}."))
        else:
            state = _STATE_AFTER[command.action]
            ended_at = clock.now() if state in _ENDED else None
            job = job.model_copy(update={"state": state, "ended_at": ended_at})
            await walks.save(job)
            outcomes.append(job)
    return outcomes


async def read_push_jobs(
    queries: list[ReadPushJob], work: UnitOfWork
) -> list[PushJob | ApplicationError]:
    walks = WalkRepository(work.connection)
    return [
        await walks.find(query.account_id, query.job_id) or PushJobNotFoundError()
        for query in queries
    ]


async def list_push_jobs(queries: list[ListPushJobs], work: UnitOfWork) -> list[PushJobPage]:
    walks = WalkRepository(work.connection)
    pages: list[PushJobPage] = []
    for query in queries:
        jobs = await walks.list_jobs(query, query.limit + 1)
        pages.append(PushJobPage(jobs=jobs[: query.limit], more=len(jobs) > query.limit))
    return pages
