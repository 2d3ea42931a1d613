"""Members under /v1: the people known to an account, and their points."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from services.gateway.context import Context
from services.gateway.routes.v1.paging import uuid_position
from services.gateway.routes.v1.reading import answered, begin, cursor_at, text_position
from services.gateway.usecases.passes import pointed
from shared.contracts.member import (
    MAX_POINTS,
    MEMBER_ID,
    MEMBER_TEXTS,
    REASON,
    AdjustPoints,
    DeleteMember,
    ListMembers,
    ListPoints,
    Member,
    MemberPage,
    MemberSaved,
    PointsEntry,
    PointsPage,
    ReadMember,
    SaveMember,
    TextForm,
)
from shared.errors import ApplicationError, ConflictError, NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import Page, PageQuery
from shared.http.parsing import WholeNumber
from shared.identifiers import new_id

TAG = "Members"
MAX_TEXT = 1000


def _text(form: TextForm) -> FieldInfo:
    """Describe a text; the member service refuses in words what does not fit."""
    return Field(max_length=MAX_TEXT, json_schema_extra=_schema_of(form))


def _schema_of(form: TextForm) -> JsonDict:
    return {"pattern": f"^{form.pattern}$", "maxLength": form.max_length}


Name = Annotated[str, _text(MEMBER_TEXTS["name"])]
Email = Annotated[str, _text(MEMBER_TEXTS["email"])]
Phone = Annotated[str, _text(MEMBER_TEXTS["phone"])]
ExternalId = Annotated[str, _text(MEMBER_TEXTS["external_id"])]
Tier = Annotated[str, _text(MEMBER_TEXTS["tier"])]
MemberId = Annotated[str, _text(MEMBER_ID)]
Reason = Annotated[str, _text(REASON)]
IN_PATH: Final[Mapping[str, Any]] = {
    "name": "member_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", **_schema_of(MEMBER_ID)},
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


class MemberState(BaseModel):
    """A member as it is now."""

    member_id: str
    version: int = Field(description="Rises with every change.")
    name: str | None
    email: str | None
    phone: str | None
    external_id: str | None
    tier: str | None
    points: int
    created_at: datetime
    updated_at: datetime


class PointsLine(BaseModel):
    """One line of a member's points ledger."""

    entry_id: UUID
    delta: int
    balance: int = Field(description="The balance after it.")
    reason: str | None
    created_at: datetime


class MembersQuery(PageQuery):
    """Which members to list."""

    external_id: ExternalId | None = None


class MembersPage(Page[MemberState]):
    """Members by id."""


class LedgerPage(Page[PointsLine]):
    """A points ledger, newest first."""


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


async def read_member(call: Call[None, None], *, context: Context) -> MemberState:
    """Read one member."""
    question = ReadMember(account_id=call.caller.account_id, member_id=call.path["member_id"])
    return _state(await context.requester.ask(question, Member))


async def list_members(call: Call[None, MembersQuery], *, context: Context) -> MembersPage:
    """List the account's members."""
    query = call.query
    question = ListMembers(
        account_id=call.caller.account_id,
        after=text_position(query),
        external_id=query.external_id,
        limit=query.limit,
    )
    page = await context.requester.ask(question, MemberPage)
    after = cursor_at(page.members[-1].member_id) if page.more else None
    return MembersPage(data=[_state(member) for member in page.members], next_cursor=after)


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
    claim = await begin(context, call)
    command = SaveMember(
        command_id=claim.command_id,
        account_id=call.caller.account_id,
        member_id=member_id,
        mode=mode,
        fields=call.body.model_dump(exclude_unset=True, exclude={"member_id"}),
    )
    try:
        saved = await context.requester.ask(command, MemberSaved)
    except ApplicationError as error:
        raise pointed(error, names="") from error
    if not saved.created:
        return answered(claim, _state(saved.member), status=200)
    location = f"/v1/members/{quote(saved.member.member_id, safe='')}"
    return answered(claim, _state(saved.member), status=201, headers={"Location": location})


def _state(member: Member) -> MemberState:
    return MemberState(**{name: getattr(member, name) for name in MemberState.model_fields})


def _line(entry: PointsEntry) -> PointsLine:
    return PointsLine(**{name: getattr(entry, name) for name in PointsLine.model_fields})


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    all_, one, points = "/v1/members", "/v1/members/{member_id}", "/v1/members/{member_id}/points"
    read, write = "members:read", "members:write"
    return [
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
            all_,
            partial(list_members, context=context),
            summary="List members",
            tag=TAG,
            scope=read,
            query=MembersQuery,
            returns=MembersPage,
        ),
        Endpoint(
            "GET",
            one,
            partial(read_member, context=context),
            parameters=(IN_PATH,),
            summary="Read a member",
            tag=TAG,
            scope=read,
            returns=MemberState,
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
    ]
