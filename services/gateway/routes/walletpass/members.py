"""Members: registered, read, changed; their points given, taken or set."""

import asyncio
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.context import Context
from services.gateway.routes.once import REPEAT_ERRORS, answered, begin
from services.gateway.routes.walletpass.dialect import ROOT, endpoint
from services.gateway.routes.walletpass.words import (
    Description,
    ExternalId,
    MemberEmail,
    MemberId,
    MemberName,
    Phone,
    Success,
    Tier,
    naming,
    warnings_of,
)
from services.gateway.routes.words import Words
from services.gateway.usecases.passes import pointed
from shared.contracts.member import (
    MAX_POINTS,
    MEMBER_ID,
    AdjustPoints,
    Member,
    MemberSaved,
    PointsEntry,
    ReadMember,
    SaveMember,
)
from shared.contracts.notifier import GoogleObjects, ListGoogleObjects
from shared.contracts.triggers import ListPasses, Pass, PassPage
from shared.errors import ApplicationError, ConflictError, InvalidError, NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Reply
from shared.http.parsing import WHOLE

BRONZE: Final = "bronze"
MAX_SHOWN_PASSES: Final = 250

_FIELDS: Final = {
    "member_name": "name",
    "member_email": "email",
    "phone_number": "phone",
    "external_id": "external_id",
    "tier": "tier",
    "points": "points",
    "style_group_id": "style_group_id",
    "pass_style_id": "style_id",
}
"""Names of this API → those of members."""

_KNOWN: Final = "member_id:(?!register$)[^/]+"
"""Nobody may be asked for under the address at which members are registered."""

_IN_PATH: Final[dict[str, Any]] = {
    "name": "member_id",
    "in": "path",
    "required": True,
    "schema": {
        "type": "string",
        "pattern": f"^{MEMBER_ID.pattern}$",
        "maxLength": MEMBER_ID.max_length,
    },
    "example": "$MEMBER_ID",
}

Points = Annotated[int, Field(ge=0, le=MAX_POINTS), WHOLE]


class MemberFields(Words):
    """What may be said of a member."""

    phone_number: Phone | None = None
    external_id: ExternalId | None = Field(None, description="Unique within the account.")
    points: Points = 0
    style_group_id: UUID | None = Field(
        None, description="Chooses the style of all passes that choose none by themselves."
    )
    pass_style_id: UUID | None = None

    def fields(self) -> dict[str, Any]:
        """Give what was sent, by the names of members."""
        given = self.model_dump(mode="json", exclude_unset=True, include=set(_FIELDS))
        return {_FIELDS[name]: value for name, value in given.items()}


class MemberChange(MemberFields):
    """What is to change of a member; what is left out stays, null empties it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="WalletPassMemberChange",
        json_schema_extra={"examples": [{"member_name": "Ada Lovelace", "tier": "gold"}]},
    )

    member_name: MemberName | None = None
    member_email: MemberEmail | None = None
    tier: Tier | None = None


class NewMember(MemberFields):
    """Somebody to be registered."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="WalletPassNewMember",
        json_schema_extra={
            "examples": [
                {
                    "member_id": "MEMBER-001",
                    "member_name": "Member 001",
                    "member_email": "member001@example.com",
                }
            ]
        },
    )

    member_id: MemberId
    member_name: MemberName = Field(min_length=1)
    member_email: MemberEmail
    tier: Tier = BRONZE

    def fields(self) -> dict[str, Any]:
        return {"tier": self.tier, **super().fields()}


class PointsChange(Words):
    """What is to happen to the points of a member."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="WalletPassPointsChange",
        json_schema_extra={"examples": [{"points": 10, "operation": "add"}]},
    )

    points: Points
    operation: Literal["add", "subtract", "set"] = "set"
    description: Description | None = Field(None, description="Kept in the points ledger.")


class MemberPassView(BaseModel):
    """A pass of a member, in one wallet."""

    pass_id: str
    pass_type: Literal["apple", "google"]
    created_at: datetime


class MemberView(BaseModel):
    """A member."""

    model_config = ConfigDict(title="WalletPassMember")

    id: UUID
    member_id: str
    member_name: str | None
    member_email: str | None
    phone_number: str | None
    external_id: str | None
    points: int
    tier: str | None
    status: Literal["active"] = "active"
    style_group_id: UUID | None
    pass_style_id: UUID | None
    passes: list[MemberPassView] | None = Field(
        description="At most 250. Null: the API key lacks the scope `passes:read`."
    )
    created_at: datetime
    updated_at: datetime


async def register_member(call: Call[NewMember, None], *, context: Context) -> Reply:
    """Register a member."""
    body = call.body
    return await _save(call, context, body.member_id, "create", status=HTTPStatus.CREATED)


async def change_member(call: Call[MemberChange, None], *, context: Context) -> Reply:
    """Change a member."""
    return await _save(call, context, call.path["member_id"], "merge")


async def read_member(call: Call[None, None], *, context: Context) -> Success[MemberView]:
    """Read a member."""
    member = await find_member(context, call.caller.account_id, call.path["member_id"])
    return Success[MemberView](data=await _view(call, context, member))


async def change_points(call: Call[PointsChange, None], *, context: Context) -> Reply:
    """Give, take or set the points of a member."""
    body, account_id, member_id = call.body, call.caller.account_id, call.path["member_id"]
    claim = await begin(context, call)
    if body.operation == "set":
        saving = SaveMember(
            command_id=claim.command_id,
            account_id=account_id,
            member_id=member_id,
            mode="merge",
            fields={"points": body.points},
            reason=body.description,
        )
        await _ask(context, saving, MemberSaved)
    elif body.points:
        delta = body.points if body.operation == "add" else -body.points
        adjusting = AdjustPoints(
            command_id=claim.command_id,
            account_id=account_id,
            member_id=member_id,
            delta=delta,
            reason=body.description,
        )
        await _ask(context, adjusting, PointsEntry)
    view = await _view(call, context, await find_member(context, account_id, member_id))
    return answered(claim, Success[MemberView](data=view, warnings=warnings_of(body)))


async def find_member(context: Context, account_id: UUID, member_id: str) -> Member:
    """Find a member; one that was erased is unknown."""
    question = ReadMember(account_id=account_id, member_id=member_id)
    member = await context.requester.ask(question, Member)
    if member.deleted:
        raise NotFoundError
    return member


async def _save(
    call: Call[Any, None],
    context: Context,
    member_id: str,
    mode: Literal["create", "merge"],
    *,
    status: int = HTTPStatus.OK,
) -> Reply:
    body: MemberFields = call.body
    account_id = call.caller.account_id
    await check_styles(context, account_id, body.pass_style_id, body.style_group_id)
    claim = await begin(context, call)
    command = SaveMember(
        command_id=claim.command_id,
        account_id=account_id,
        member_id=member_id,
        mode=mode,
        fields=body.fields(),
    )
    saved = await _ask(context, command, MemberSaved)
    view = await _view(call, context, saved.member)
    answer = Success[MemberView](data=view, warnings=warnings_of(body))
    return answered(claim, answer, status=status)


async def check_styles(
    context: Context, account_id: UUID, style_id: UUID | None, group_id: UUID | None
) -> None:
    """Refuse a style or group that there is not in this account, as what is not found."""
    if style_id is not None:
        with naming("pass_style_id"):
            await context.styles.get(account_id, style_id)
    if group_id is not None:
        with naming("style_group_id"):
            await context.style_groups.get(account_id, group_id)


async def _ask(context: Context, command: Any, reply: Any) -> Any:  # noqa: ANN401 - as Requester.ask
    """Ask the owner of members; faults name places by the names of this API."""
    try:
        return await context.requester.ask(command, reply)
    except ApplicationError as error:
        ours = {theirs: name for name, theirs in _FIELDS.items()}
        ours |= {"delta": "points", "reason": "description"}
        told = pointed(error, names="")
        told.errors = [
            {**fault, "pointer": "/" + ours.get(name, name)}
            for fault in told.errors
            for name in [str(fault["pointer"]).strip("/")]
        ]
        raise told from error


async def _view(call: Call[Any, None], context: Context, member: Member) -> MemberView:
    return MemberView(
        id=uuid5(member.account_id, member.member_id),
        member_id=member.member_id,
        member_name=member.name,
        member_email=member.email,
        phone_number=member.phone,
        external_id=member.external_id,
        points=member.points,
        tier=member.tier,
        style_group_id=member.style_group_id,
        pass_style_id=member.style_id,
        passes=await _passes(call, context, member),
        created_at=member.created_at,
        updated_at=member.updated_at,
    )


async def _passes(
    call: Call[Any, None], context: Context, member: Member
) -> list[MemberPassView] | None:
    """List the passes of a member: one that is in both wallets is told twice."""
    if not call.caller.may("passes:read"):
        return None
    account_id, member_id = member.account_id, member.member_id
    listing = ListPasses(account_id=account_id, member_id=member_id, limit=MAX_SHOWN_PASSES)
    page, made_for, at_google = await asyncio.gather(
        context.requester.ask(listing, PassPage),
        context.member_passes.wallets(account_id, member_id),
        context.requester.ask(
            ListGoogleObjects(account_id=account_id, member_id=member_id), GoogleObjects
        ),
    )
    there = {one.handle for one in at_google.objects}
    return [
        MemberPassView(pass_id=one.handle, pass_type=wallet, created_at=one.created_at)
        for one in page.passes
        for wallet in _wallets(one, made_for, there)
    ]


def _wallets(
    one: Pass, made_for: dict[str, str], at_google: set[str]
) -> list[Literal["apple", "google"]]:
    if made_for.get(one.handle) == "google":
        return ["google"]
    return ["apple", "google"] if one.handle in at_google else ["apple"]


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of members."""
    one, known = f"{ROOT}v1/members/{{member_id}}", f"{ROOT}v1/members/{{{_KNOWN}}}"
    answer: partial[AnyEndpoint] = partial(endpoint, returns=Success[MemberView])
    return [
        answer(
            "POST",
            f"{ROOT}v1/members/register",
            partial(register_member, context=context),
            summary="Register a member",
            scope="members:write",
            body=NewMember,
            status=201,
            errors=(ConflictError, NotFoundError, *REPEAT_ERRORS),
            description="Points begin at 0, the tier is `bronze` unless given. 409: there is a "
            "member of this id.",
        ),
        answer(
            "GET",
            known,
            partial(read_member, context=context),
            shown=(one,),
            summary="Read a member with its passes",
            scope="members:read",
            parameters=(_IN_PATH,),
            errors=(NotFoundError,),
        ),
        answer(
            "PUT",
            known,
            partial(change_member, context=context),
            shown=(one,),
            summary="Change a member",
            scope="members:write",
            body=MemberChange,
            parameters=(_IN_PATH,),
            errors=(NotFoundError, ConflictError),
            description="What is left out stays; null empties a field. Passes follow at once.",
        ),
        answer(
            "PUT",
            f"{one}/points",
            partial(change_points, context=context),
            summary="Give, take or set the points of a member",
            scope="members:write",
            body=PointsChange,
            parameters=(_IN_PATH,),
            errors=(NotFoundError, ConflictError, InvalidError),
            description="Never below 0. Passes follow at once.",
        ),
    ]
