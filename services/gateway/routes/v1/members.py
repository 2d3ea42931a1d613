"""Members under /v1: the people known to an account, their points and how they enrolled."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.context import Context
from services.gateway.routes.once import answered, begin
from services.gateway.routes.v1 import member_lists
from services.gateway.routes.v1.member_lists import (
    TAG,
    MemberState,
    described,
    schema_of,
    shown,
)
from services.gateway.routes.v1.paging import uuid_position
from services.gateway.routes.v1.pass_lists import PassesPage, passes_page
from services.gateway.routes.v1.reading import cursor_at
from services.gateway.usecases.passes import check_styling, pointed
from shared.contracts.member import (
    MAX_POINTS,
    MEMBER_ID,
    MEMBER_TEXTS,
    REASON,
    AdjustPoints,
    DeleteMember,
    Enrolment,
    EnrolmentPage,
    ListEnrolments,
    ListPoints,
    Member,
    MemberSaved,
    PointsEntry,
    PointsPage,
    ReadMember,
    SaveMember,
)
from shared.contracts.triggers import ListPasses
from shared.errors import ApplicationError, ConflictError, NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import Page, PageQuery
from shared.http.parsing import WholeNumber
from shared.identifiers import new_id

Name = Annotated[str, described(MEMBER_TEXTS["name"])]
Email = Annotated[str, described(MEMBER_TEXTS["email"])]
Phone = Annotated[str, described(MEMBER_TEXTS["phone"])]
ExternalId = Annotated[str, described(MEMBER_TEXTS["external_id"])]
Tier = Annotated[str, described(MEMBER_TEXTS["tier"])]
MemberId = Annotated[str, described(MEMBER_ID)]
Reason = Annotated[str, described(REASON)]
IN_PATH: Final[Mapping[str, Any]] = {
    "name": "member_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", **schema_of(MEMBER_ID)},
}


class MemberFields(BaseModel):
    """What an account says about a member; personal values stay out of all logs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "Ada Lovelace", "email": "ada@example.com", "tier": "Gold"}]
        },
    )

    name: Name | None = None
    email: Email | None = None
    phone: Phone | None = None
    external_id: ExternalId | None = Field(
        None, description="The account's own name; unique within it."
    )
    tier: Tier | None = None
    style_id: UUID | None = Field(None, description="What its passes look like.")
    style_group_id: UUID | None = Field(
        None, description="The same by points; it goes before `style_id`."
    )
    points: WholeNumber = Field(
        0, ge=-MAX_POINTS, le=MAX_POINTS, description="Sets the balance by a ledger entry."
    )


class NewMember(MemberFields):
    """A member to be."""

    member_id: MemberId | None = Field(
        None,
        description="1 to 64 of A-Z a-z 0-9 . _ ~ and -; made by us unless given.",
    )


class PointsChange(BaseModel):
    """Points to give or take."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"delta": 5, "reason": "A birthday"}]}
    )

    delta: WholeNumber = Field(
        ge=-MAX_POINTS,
        le=MAX_POINTS,
        description="Below zero takes points; not 0.",
        json_schema_extra={"not": {"const": 0}},
    )
    reason: Reason | None = None


class PointsLine(BaseModel):
    """One line of a member's points ledger."""

    entry_id: UUID
    delta: int
    balance: int = Field(description="The balance after it.")
    reason: str | None
    created_at: datetime


class LedgerPage(Page[PointsLine]):
    """A points ledger, newest first."""


class EnrolmentState(BaseModel):
    """How a member came to the pass of a template: by a link or a batch."""

    enrolment_id: UUID
    template_id: UUID
    handle: str = Field(description="Of the pass; of a pass that was deleted, until the next.")
    program_id: UUID | None = Field(description="The link program; null: it was a batch.")
    campaign: str
    created_at: datetime


class EnrolmentsPage(Page[EnrolmentState]):
    """How a member came to its passes, newest first."""


class MemberDetail(MemberState):
    """A member as it is now, with the first of its passes and enrolments."""

    passes: PassesPage | None = Field(
        description="Go on with `GET /v1/passes?member_id=…&cursor=…`. Null: the API key lacks the "
        "scope `passes:read`."
    )
    enrolments: EnrolmentsPage = Field(
        description="Go on with `GET /v1/members/{member_id}/enrolments?cursor=…`."
    )


async def create_member(call: Call[NewMember, None], *, context: Context) -> Reply:
    """Create a member."""
    member_id = call.body.member_id if call.body.member_id is not None else str(new_id())
    return await _save(call, context, member_id, "create")


async def replace_member(call: Call[MemberFields, None], *, context: Context) -> Reply:
    """Create a member or replace all that is known of it."""
    return await _save(call, context, call.path["member_id"], "replace")


async def update_member(call: Call[MemberFields, None], *, context: Context) -> Reply:
    """Change the fields given of a member."""
    return await _save(call, context, call.path["member_id"], "merge")


async def read_member(call: Call[None, None], *, context: Context) -> MemberDetail:
    """Read one member, with the first of its passes and enrolments."""
    account_id, member_id = call.caller.account_id, call.path["member_id"]
    member, enrolments, passes = await asyncio.gather(
        context.requester.ask(ReadMember(account_id=account_id, member_id=member_id), Member),
        _enrolments(context, ListEnrolments(account_id=account_id, member_id=member_id)),
        _passes(context, call),
    )
    return MemberDetail(**shown(member), passes=passes, enrolments=enrolments)


async def list_enrolments(call: Call[None, PageQuery], *, context: Context) -> EnrolmentsPage:
    """List how a member came to its passes."""
    question = ListEnrolments(
        account_id=call.caller.account_id,
        member_id=call.path["member_id"],
        before=uuid_position(call.query),
        limit=call.query.limit,
    )
    return await _enrolments(context, question)


async def delete_member(call: Call[None, None], *, context: Context) -> Reply:
    """Erase a member's data; its passes stay, without it."""
    claim = await begin(context, call)
    command = DeleteMember(
        command_id=claim.command_id,
        account_id=call.caller.account_id,
        member_id=call.path["member_id"],
    )
    await context.requester.ask(command, Member)
    return answered(claim, None)


async def adjust_points(call: Call[PointsChange, None], *, context: Context) -> Reply:
    """Give or take points."""
    claim = await begin(context, call)
    command = AdjustPoints(
        command_id=claim.command_id,
        account_id=call.caller.account_id,
        member_id=call.path["member_id"],
        delta=call.body.delta,
        reason=call.body.reason,
    )
    try:
        entry = await context.requester.ask(command, PointsEntry)
    except ApplicationError as error:
        raise pointed(error, names="") from error
    return answered(claim, _line(entry))


async def list_points(call: Call[None, PageQuery], *, context: Context) -> LedgerPage:
    """List a member's points ledger."""
    question = ListPoints(
        account_id=call.caller.account_id,
        member_id=call.path["member_id"],
        before=uuid_position(call.query),
        limit=call.query.limit,
    )
    page = await context.requester.ask(question, PointsPage)
    before = cursor_at(page.entries[-1].entry_id) if page.more else None
    return LedgerPage(data=[_line(entry) for entry in page.entries], next_cursor=before)


async def _save(
    call: Call[MemberFields, None],
    context: Context,
    member_id: str,
    mode: Literal["create", "replace", "merge"],
) -> Reply:
    account_id, body = call.caller.account_id, call.body
    await check_styling(context, account_id, body.style_id, body.style_group_id)
    claim = await begin(context, call)
    command = SaveMember(
        command_id=claim.command_id,
        account_id=account_id,
        member_id=member_id,
        mode=mode,
        fields=body.model_dump(mode="json", exclude_unset=True, exclude={"member_id"}),
    )
    try:
        saved = await context.requester.ask(command, MemberSaved)
    except ApplicationError as error:
        raise pointed(error, names="") from error
    if not saved.created:
        return answered(claim, MemberState(**shown(saved.member)), status=200)
    location = f"/v1/members/{quote(saved.member.member_id, safe='')}"
    return answered(
        claim, MemberState(**shown(saved.member)), status=201, headers={"Location": location}
    )


async def _passes(context: Context, call: Call[None, None]) -> PassesPage | None:
    if not call.caller.may("passes:read"):
        return None
    account_id, member_id = call.caller.account_id, call.path["member_id"]
    return await passes_page(context, ListPasses(account_id=account_id, member_id=member_id))


async def _enrolments(context: Context, question: ListEnrolments) -> EnrolmentsPage:
    page = await context.requester.ask(question, EnrolmentPage)
    before = cursor_at(page.enrolments[-1].enrolment_id) if page.more else None
    return EnrolmentsPage(data=[_enrolment(one) for one in page.enrolments], next_cursor=before)


def _enrolment(one: Enrolment) -> EnrolmentState:
    return EnrolmentState(**{name: getattr(one, name) for name in EnrolmentState.model_fields})


def _line(entry: PointsEntry) -> PointsLine:
    return PointsLine(**{name: getattr(entry, name) for name in PointsLine.model_fields})


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    all_, one, points = "/v1/members", "/v1/members/{member_id}", "/v1/members/{member_id}/points"
    read, write = "members:read", "members:write"
    return [
        *member_lists.endpoints(context),
        Endpoint(
            "POST",
            all_,
            partial(create_member, context=context),
            summary="Create a member",
            tag=TAG,
            scope=write,
            body=NewMember,
            returns=MemberState,
            status=201,
            errors=(ConflictError,),
        ),
        Endpoint(
            "GET",
            one,
            partial(read_member, context=context),
            parameters=(IN_PATH,),
            summary="Read a member",
            tag=TAG,
            scope=read,
            returns=MemberDetail,
            errors=(NotFoundError,),
        ),
        Endpoint(
            "PUT",
            one,
            partial(replace_member, context=context),
            parameters=(IN_PATH,),
            summary="Create a member, or replace all that is known of it",
            tag=TAG,
            scope=write,
            body=MemberFields,
            returns=MemberState,
            also=(201,),
            errors=(ConflictError,),
            description="201 when the member is new, else 200. What is not given is empty then.",
        ),
        Endpoint(
            "PATCH",
            one,
            partial(update_member, context=context),
            parameters=(IN_PATH,),
            summary="Change a member",
            tag=TAG,
            scope=write,
            body=MemberFields,
            returns=MemberState,
            errors=(NotFoundError, ConflictError),
            description="Fields that are not given stay as they are; null empties one.",
        ),
        Endpoint(
            "DELETE",
            one,
            partial(delete_member, context=context),
            parameters=(IN_PATH,),
            summary="Erase a member",
            tag=TAG,
            scope=write,
            status=204,
            errors=(NotFoundError,),
            description="Its data are gone for good; its passes stay, without them.",
        ),
        Endpoint(
            "POST",
            points,
            partial(adjust_points, context=context),
            parameters=(IN_PATH,),
            summary="Give or take points",
            tag=TAG,
            scope=write,
            body=PointsChange,
            returns=PointsLine,
            status=201,
            errors=(NotFoundError, ConflictError),
        ),
        Endpoint(
            "GET",
            points,
            partial(list_points, context=context),
            parameters=(IN_PATH,),
            summary="List a member's points ledger",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=LedgerPage,
            errors=(NotFoundError,),
        ),
        Endpoint(
            "GET",
            f"{one}/enrolments",
            partial(list_enrolments, context=context),
            parameters=(IN_PATH,),
            summary="List how a member came to its passes",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=EnrolmentsPage,
            errors=(NotFoundError,),
        ),
    ]
