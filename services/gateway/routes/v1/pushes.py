"""Pushes of all installed passes of a template under /v1: begun, followed, halted."""

from datetime import datetime
from functools import partial
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel

from services.gateway.catalogue.templates import TemplateNotFoundError
from services.gateway.context import Context
from services.gateway.routes.once import answered, begin
from services.gateway.routes.v1.paging import uuid_position
from services.gateway.routes.v1.pass_lists import Flag
from services.gateway.routes.v1.reading import cursor_at, id_in_path
from services.gateway.usecases import google, pushes
from shared.contracts.triggers import (
    ControlTemplatePush,
    ListTemplatePushes,
    ReadTemplatePush,
    TemplatePush,
    TemplatePushPage,
)
from shared.errors import ConflictError, NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import Page, PageQuery

TAG = "Pushes"


class PushJobView(BaseModel):
    """A push of all installed passes of a template, on its way."""

    job_id: UUID
    template_id: UUID
    state: Literal["running", "paused", "cancelled", "done"]
    total: int = Field(
        description="How many passes were on a device, or wanted at Google, when it began."
    )
    done: int = Field(description="How many have been gone over.")
    created_at: datetime
    ended_at: datetime | None


class UpdateCost(BaseModel):
    """What an update of all takes at Google, which passes do not fetch by themselves."""

    model_config = ConfigDict(title="GoogleUpdateCost")

    calls: int = Field(description="At most: its classes, and each pass that is there.")
    seconds: int = Field(description="Until the last of them, behind those that wait already.")
    class_calls: int = Field(
        description="How many it takes if all that is new is on its classes: names, colours, "
        "logos, and texts on the back that are the same for all and announce no change."
    )
    class_seconds: int


class PushOutlook(BaseModel):
    """What a push of all would take; nothing was done."""

    google: UpdateCost | None = Field(description="Null: no pass was wanted at Google.")


class BegunPushJob(PushJobView, PushOutlook):
    """A push of all installed passes of a template, and what it takes at Google."""


class BegunPush(RootModel[BegunPushJob | PushOutlook]):
    """A push job, or what it would take."""


class PushQuery(BaseModel):
    """Whether it is to be done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dry_run: Flag = Field(default=False, description="Only say what it would take.")


class PushJobsQuery(PageQuery):
    """Which push jobs to list."""

    template_id: UUID | None = None


class PushJobsPage(Page[PushJobView]):
    """Push jobs, newest first."""


async def push_template(call: Call[None, PushQuery], *, context: Context) -> Reply:
    """Push all installed passes of a template."""
    account_id, template_id = call.caller.account_id, id_in_path(call, "template_id")
    if template_id not in await context.templates.current(account_id, [template_id]):
        raise TemplateNotFoundError
    cost = await _cost(context, account_id, template_id)
    if call.query.dry_run:
        return Reply(PushOutlook(google=cost), 200)
    claim = await begin(context, call)
    pushed = await pushes.push_all(context, account_id, template_id, command_id=claim.command_id)
    job_id = pushed.job_id or claim.command_id
    question = ReadTemplatePush(account_id=account_id, job_id=job_id)
    job = await context.requester.ask(question, TemplatePush)
    begun = BegunPushJob(**dict(_view(job)), google=cost)
    return answered(claim, begun, headers={"Location": address_of(job_id)})


async def _cost(context: Context, account_id: UUID, template_id: UUID) -> UpdateCost | None:
    seen = await google.outlook(context, account_id, template_id)
    if seen is None:
        return None
    calls = seen.classes + seen.objects
    return UpdateCost(
        calls=calls,
        seconds=google.seconds_of(seen, calls),
        class_calls=seen.classes,
        class_seconds=google.seconds_of(seen, seen.classes),
    )


async def list_template_pushes(
    call: Call[None, PushJobsQuery], *, context: Context
) -> PushJobsPage:
    """List the account's push jobs of the last 30 days."""
    question = ListTemplatePushes(
        account_id=call.caller.account_id,
        template_id=call.query.template_id,
        before=uuid_position(call.query),
        limit=call.query.limit,
    )
    page = await context.requester.ask(question, TemplatePushPage)
    after = cursor_at(page.jobs[-1].job_id) if page.more else None
    return PushJobsPage(data=[_view(job) for job in page.jobs], next_cursor=after)


async def read_push_job(call: Call[None, None], *, context: Context) -> PushJobView:
    """Tell how far a push job is."""
    question = ReadTemplatePush(
        account_id=call.caller.account_id, job_id=id_in_path(call, "job_id")
    )
    return _view(await context.requester.ask(question, TemplatePush))


async def pause_push_job(call: Call[None, None], *, context: Context) -> Reply:
    """Let a push job wait."""
    return await _control(call, context, "pause")


async def resume_push_job(call: Call[None, None], *, context: Context) -> Reply:
    """Let a push job go on."""
    return await _control(call, context, "resume")


async def cancel_push_job(call: Call[None, None], *, context: Context) -> Reply:
    """End a push job where it is."""
    return await _control(call, context, "cancel")


def address_of(job_id: UUID) -> str:
    """Say where a push job is followed."""
    return f"/v1/push-jobs/{job_id}"


async def _control(
    call: Call[None, None], context: Context, action: Literal["pause", "resume", "cancel"]
) -> Reply:
    job_id = id_in_path(call, "job_id")
    claim = await begin(context, call)
    command = ControlTemplatePush(
        command_id=claim.command_id,
        account_id=call.caller.account_id,
        job_id=job_id,
        action=action,
    )
    return answered(claim, _view(await context.requester.ask(command, TemplatePush)))


def _view(job: TemplatePush) -> PushJobView:
    return PushJobView(**dict(job))


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    jobs, read, write = "/v1/push-jobs", "passes:read", "passes:write"

    return [
        Endpoint(
            "POST",
            "/v1/templates/{template_id}/push",
            partial(push_template, context=context),
            summary="Push all installed passes of a template",
            tag=TAG,
            scope=write,
            query=PushQuery,
            returns=BegunPush,
            status=202,
            also=(200,),
            errors=(TemplateNotFoundError,),
            description="A job goes over the passes that are on a device or were wanted at Google; "
            "whose bytes are new, by the template's present revision, those devices are told, and "
            "Google is sent what is different there: `google` says what that takes at most. Two "
            "jobs take turns.",
        ),
        Endpoint(
            "GET",
            jobs,
            partial(list_template_pushes, context=context),
            summary="List push jobs",
            tag=TAG,
            scope=read,
            query=PushJobsQuery,
            returns=PushJobsPage,
        ),
        Endpoint(
            "GET",
            f"{jobs}/{{job_id}}",
            partial(read_push_job, context=context),
            summary="Read how far a push job is",
            tag=TAG,
            scope=read,
            returns=PushJobView,
            errors=(NotFoundError,),
        ),
        *(
            Endpoint(
                "POST",
                f"{jobs}/{{job_id}}/{action}",
                partial(handler, context=context),
                summary=summary,
                tag=TAG,
                scope=write,
                returns=PushJobView,
                errors=(NotFoundError, ConflictError),
                description="No change if already in that state; a job that has ended answers 409.",
            )
            for action, handler, summary in (
                ("pause", pause_push_job, "Pause a push job"),
                ("resume", resume_push_job, "Resume a push job"),
                ("cancel", cancel_push_job, "Cancel a push job"),
            )
        ),
    ]
