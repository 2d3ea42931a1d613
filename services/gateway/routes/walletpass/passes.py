"""Passes that are created from members, for either wallet, and their files."""

from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.gateway.catalogue.google_issuers import GoogleNotConfiguredError
from services.gateway.catalogue.passcodes import PasscodeNeededError
from services.gateway.context import Context
from services.gateway.routes.files import WALLET_MEDIA, send_pass_file
from services.gateway.routes.once import REPEAT_ERRORS, answered, begin
from services.gateway.routes.walletpass.dialect import ROOT, endpoint
from services.gateway.routes.walletpass.members import check_styles, find_member
from services.gateway.routes.walletpass.words import (
    MAX_BARCODE,
    MAX_COMPANY,
    ExpirationDate,
    MemberId,
    Success,
    naming,
    warnings_of,
)
from services.gateway.routes.words import Words, is_none
from services.gateway.usecases import google, member_passes, passes
from services.gateway.usecases.member_passes import MemberPassOrder
from shared.contracts.message import JsonObject
from shared.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from shared.http.endpoint import AnyEndpoint, Call, Reply
from shared.http.schema_view import IN_COMMANDS
from shared.identifiers import trim_handle
from shared.passes.language.paths import ALT_TEXT_PATH, MESSAGE_PATH
from shared.passes.template.expiry import EXPIRATION_PATH

MEMBER_ID_PATH: Final = "structure_backFields_member_id_value"
"""Of the template that an account gets: what Google shows as the id of the account."""

_PASS_ID: Final[dict[str, Any]] = {
    "name": "pass_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
    "example": "$HANDLE",
}


_ORDERED: Final[JsonDict] = {
    "member_id": "$MEMBER_ID",
    "pass_type": "$WALLET",
    "company_name": "My Company",
}
"""What commands of documents send: `pass_type` by itself is Apple's, in addresses of phones."""


class OrderFields(Words):
    """What is said of a pass that a member is to have."""

    member_id: MemberId
    pass_type: Literal["apple", "google"]
    company_name: str = Field(min_length=1, max_length=MAX_COMPANY)
    pass_style_id: UUID | None = None
    external_id: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_BARCODE,
        description="What the barcode says; `member_id` unless given.",
    )
    expiration_date: ExpirationDate | None = Field(
        None, description="With time and zone; without it the style's, without that none."
    )


class PassOrder(OrderFields):
    """A pass that a member is to have."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="WalletPassOrder",
        json_schema_extra={
            "examples": [
                {"member_id": "MEMBER-001", "pass_type": "apple", "company_name": "My Company"}
            ],
            IN_COMMANDS: _ORDERED,
        },
    )

    style_group_id: UUID | None = Field(None, description="Goes before `pass_style_id`.")


class GroupedPassOrder(OrderFields):
    """A pass whose style follows the member's points."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="WalletPassGroupedOrder",
        json_schema_extra={
            "examples": [
                {
                    "member_id": "MEMBER-001",
                    "pass_type": "apple",
                    "company_name": "My Company",
                    "style_group_id": "0197c1f0-7a52-7a4e-9d0e-2f1f6c1f4a10",
                }
            ],
            IN_COMMANDS: {**_ORDERED, "style_group_id": "$TIER_GROUP_ID"},
        },
    )

    style_group_id: UUID


Order = PassOrder | GroupedPassOrder


class PassData(BaseModel):
    """A pass, and how its holder comes to it."""

    model_config = ConfigDict(title="WalletPassPass")

    pass_id: str
    pass_type: Literal["apple", "google"]
    download_url: str | None = Field(
        default=None,
        exclude_if=is_none,
        description="Of an apple pass: its file, for whoever knows the address.",
    )
    pass_url: str | None = Field(
        default=None,
        exclude_if=is_none,
        repr=False,
        description="Of a google pass: a save link, or while Google is slow our page that has one.",
    )


async def create_from_member(call: Call[Order, None], *, context: Context) -> Reply:
    """Make a pass of a member, or bring up to date the one that was made so before."""
    body, wallet, account_id = call.body, call.body.pass_type, call.caller.account_id
    with naming("member_id"):
        member = await find_member(context, account_id, body.member_id)
    await check_styles(context, account_id, body.pass_style_id, body.style_group_id)
    if wallet == "google":
        await google.check(
            context, account_id, await context.ready_templates.find(account_id, "loyalty")
        )
    claim = await begin(context, call)
    order = MemberPassOrder(
        member=member,
        wallet=wallet,
        purpose=(body.company_name, str(body.pass_style_id), str(body.style_group_id)),
        values=_values(body),
        style_id=body.pass_style_id,
        style_group_id=body.style_group_id,
    )
    made = await member_passes.make(context, order)
    data = PassData(pass_id=made.issued.handle, pass_type=wallet)
    if wallet == "google":
        await google.keep(context, account_id, made.issued.template_id, made.issued)
        data.pass_url = await google.give_link(context, made.issued)
    else:
        path = f"{ROOT}v1/passes/{made.issued.handle}/download"
        data.download_url = f"{context.base_url}{path}"
    is_first = made.is_new or claim.replayed
    return answered(
        claim,
        Success[PassData](data=data, warnings=warnings_of(body)),
        status=HTTPStatus.CREATED if is_first else HTTPStatus.OK,
    )


async def create_grouped_from_member(
    call: Call[GroupedPassOrder, None], *, context: Context
) -> Reply:
    """Make a pass of a member whose style follows the member's points."""
    return await create_from_member(call, context=context)


async def download_pass(call: Call[None, Any], *, context: Context) -> web.StreamResponse:
    """Give out the file of a pass to whoever knows its id."""
    issued = await passes.read(context, None, trim_handle(call.path["pass_id"]))
    context.passcodes.guard(issued, call.request.cookies)
    return await send_pass_file(call.request, context, issued)


def _values(body: OrderFields) -> JsonObject:
    message = body.external_id or body.member_id
    return {
        "organizationName": body.company_name,
        "logoText": body.company_name,
        MESSAGE_PATH: message,
        ALT_TEXT_PATH: message,
        MEMBER_ID_PATH: message,
        EXPIRATION_PATH: body.expiration_date,
    }


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of passes."""
    create: partial[AnyEndpoint] = partial(
        endpoint,
        "POST",
        scope="passes:write",
        returns=Success[PassData],
        status=HTTPStatus.CREATED,
        also=(HTTPStatus.OK,),
        errors=(
            NotFoundError,
            GoogleNotConfiguredError,
            ConflictError,
            InvalidError,
            UnavailableError,
            *REPEAT_ERRORS,
        ),
        description="A repeat with the same member, wallet, company and style brings that pass up "
        "to date and answers 200.",
    )
    return [
        create(
            f"{ROOT}v1/passes/create-from-member",
            partial(create_from_member, context=context),
            summary="Create a pass of a member",
            body=PassOrder,
        ),
        create(
            f"{ROOT}v1/passes/stylegroup/create-from-member",
            partial(create_grouped_from_member, context=context),
            summary="Create a pass of a member whose style follows its points",
            body=GroupedPassOrder,
        ),
        endpoint(
            "GET",
            f"{ROOT}v1/passes/{{pass_id}}/download",
            partial(download_pass, context=context),
            summary="Download the file of a pass",
            scope=None,
            raw=True,
            media=WALLET_MEDIA,
            parameters=(_PASS_ID,),
            errors=(NotFoundError, PasscodeNeededError),
            description="No API key: whoever knows the id may have the file.",
        ),
    ]
