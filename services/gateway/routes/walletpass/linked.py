"""Passes that are linked to a member's loyalty pass at Google, also without an API key."""

from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import ClassVar, Final, Literal
from uuid import UUID

from aiohttp import hdrs
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue import attempts
from services.gateway.catalogue.attempts import Limit, TooManyAttemptsError
from services.gateway.catalogue.google_issuers import GoogleNotConfiguredError
from services.gateway.context import Context
from services.gateway.routes.authentication import HEADER, authenticate, read_key
from services.gateway.routes.walletpass.dialect import ROOT, endpoint
from services.gateway.routes.walletpass.members import find_member
from services.gateway.routes.walletpass.words import (
    MAX_BARCODE,
    MAX_COMPANY,
    MAX_TITLE,
    MemberEmail,
    MemberId,
    MemberName,
    Success,
    naming,
    warnings_of,
)
from services.gateway.routes.words import Words, is_none
from services.gateway.usecases.linked_passes import (
    NoLoyaltyPassError,
    OtherIssuerError,
    link_pass,
)
from shared.contracts.message import JsonObject
from shared.errors import (
    InvalidError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from shared.http.endpoint import AnyEndpoint, Call, Reply
from shared.http.forwarding import client_address, network_of
from shared.passes.language.paths import ALT_TEXT_PATH, MESSAGE_PATH

MEMBER: Final = "Member"
PRIMARY: Final = "Linked pass created and attached to primary loyalty pass."
WAITING: Final = (
    "Linked pass created; it is attached to the primary loyalty pass as soon as Google answers."
)
BY_HAND: Final = "If it does not appear in Google Wallet, pass_url adds it."

KEYLESS: Final = Limit(60, timedelta(minutes=10))
"""Requests without a key from one network."""

KEYLESS_OF_MEMBER: Final = Limit(10, timedelta(minutes=10))
"""The same for one member."""


class TenantNotFoundError(NotFoundError):
    """There is no such tenant that may be asked so."""

    code = "tenant_not_found"


class TenantNeededError(InvalidError):
    """`tenant_id` must say whose member is meant."""

    code = "tenant_needed"


class TooManyLinksError(TooManyRequestsError):
    """Too many requests without an API key: wait as long as Retry-After says."""

    code = "too_many_keyless_links"

    def __init__(self, retry_after: str = "1") -> None:
        super().__init__()
        self.headers = {hdrs.RETRY_AFTER: retry_after}


class LinkedOrder(Words):
    """A pass that is to appear beside a member's loyalty pass in Google Wallet."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="WalletPassLinkedOrder",
        json_schema_extra={
            "examples": [
                {
                    "member_id": "MEMBER-001",
                    "member_name": "Member 001",
                    "header_title": "Bonus pass",
                    "card_title": "WalletPass.ai",
                }
            ]
        },
    )

    member_id: MemberId = Field(description="Same member ID as the primary loyalty pass")
    member_name: MemberName = Field(MEMBER, description="Display name")
    member_email: MemberEmail | None = Field(None, description="Account email; not shown")
    card_title: str = Field(
        "WalletPass.ai", min_length=1, max_length=MAX_COMPANY, description="Issuer/card title"
    )
    header_title: str = Field(
        "Bonus pass", min_length=1, max_length=MAX_TITLE, description="Pass title"
    )
    barcode_value: str | None = Field(
        None, max_length=MAX_BARCODE, description="Barcode value; LINKED-{member_id} unless given"
    )
    qr_code_value: str | None = Field(
        None, max_length=MAX_BARCODE, description="Overrides barcode_value unless empty"
    )
    pass_style_id: UUID | None = Field(None, description="Needs tenant_id")
    tenant_id: UUID | None = Field(
        None, description="The account; needed with pass_style_id, or where several may be meant"
    )


class LinkedData(BaseModel):
    """A pass that was linked."""

    model_config = ConfigDict(title="WalletPassLinked")

    linked_object_id: str
    primary_member_id: str
    pass_url: str = Field(repr=False)
    pass_type: Literal["google"] = "google"  # noqa: S105 - a wallet


class UsageParameter(BaseModel):
    """A part of the body."""

    model_config = ConfigDict(title="WalletPassParameter")

    name: str
    required: bool
    description: str
    default: str | None = Field(default=None, exclude_if=is_none)


class Usage(BaseModel):
    """How passes are linked."""

    model_config = ConfigDict(title="WalletPassUsage")

    method: Literal["POST"] = "POST"
    content_type: Literal["application/json"] = "application/json"
    parameters: list[UsageParameter]


class Health(BaseModel):
    """That this API is there."""

    model_config = ConfigDict(title="WalletPassHealth")

    status: Literal["ok"] = "ok"


async def create_linked_pass(call: Call[LinkedOrder, None], *, context: Context) -> Reply:
    """Make a pass of a member, linked to its loyalty pass, or bring up to date the one there is."""
    body = call.body
    if body.pass_style_id is not None and body.tenant_id is None:
        raise TenantNeededError(
            errors=[{"pointer": "/tenant_id", "detail": "Needed with pass_style_id"}]
        )
    account_id = await _account(call, context)
    if body.pass_style_id is not None:
        with naming("pass_style_id"):
            await context.styles.get(account_id, body.pass_style_id)
    with naming("member_id"):
        member = await find_member(context, account_id, body.member_id)
        linked = await link_pass(context, member, _values(body), body.pass_style_id)
    answer = Success[LinkedData](
        message=f"{PRIMARY if linked.is_attached else WAITING} {BY_HAND}",
        data=LinkedData(
            linked_object_id=linked.object_id,
            primary_member_id=body.member_id,
            pass_url=linked.pass_url,
        ),
        warnings=warnings_of(body),
    )
    return Reply(answer, HTTPStatus.CREATED if linked.is_new else HTTPStatus.OK)


async def show_usage(_call: Call[None, None]) -> Success[Usage]:
    """Say how passes are linked."""
    parameters = [
        UsageParameter(
            name=name,
            required=info.is_required(),
            description=info.description or "",
            default=info.default if isinstance(info.default, str) else None,
        )
        for name, info in LinkedOrder.model_fields.items()
    ]
    return Success[Usage](data=Usage(parameters=parameters))


async def show_health(_call: Call[None, None]) -> Success[Health]:
    """Say that this API is there."""
    return Success[Health](data=Health())


async def _account(call: Call[LinkedOrder, None], context: Context) -> UUID:
    """Find whose member is meant: that of the key, or one of those who ask for no key."""
    tenant_id = call.body.tenant_id
    if read_key(call.request) is not None:
        caller = await authenticate(context.keyring, call.request, "passes:write")
        if tenant_id not in (None, caller.account_id):
            raise _unknown_tenant()
        return caller.account_id
    await _count(call, context)
    open_ = await context.accounts.list_keyless(tenant_id)
    if len(open_) == 1:
        return open_[0]
    if tenant_id is not None:
        raise _unknown_tenant()
    if not open_:
        raise UnauthorizedError(f"Send an API key in the header {HEADER}.")
    raise TenantNeededError(
        errors=[{"pointer": "/tenant_id", "detail": "Several tenants may be meant"}]
    )


async def _count(call: Call[LinkedOrder, None], context: Context) -> None:
    """Count a request without a key for its network and for the member that it names."""
    network = network_of(client_address(call.request))
    places = {
        attempts.place("keyless links", network): KEYLESS,
        attempts.place("keyless links of", call.body.member_id): KEYLESS_OF_MEMBER,
    }
    try:
        async with context.database.work() as work:
            await attempts.begin(work, places)
    except TooManyAttemptsError as error:
        raise TooManyLinksError(error.headers[hdrs.RETRY_AFTER]) from None


def _unknown_tenant() -> TenantNotFoundError:
    return TenantNotFoundError(errors=[{"pointer": "/tenant_id", "detail": "Unknown tenant"}])


def _values(body: LinkedOrder) -> JsonObject:
    message = body.qr_code_value or body.barcode_value or f"LINKED-{body.member_id}"
    return {
        "organizationName": body.card_title,
        "logoText": body.card_title,
        "structure_primaryFields_title_value": body.header_title,
        "structure_secondaryFields_holder_value": body.member_name or MEMBER,
        "account_email": body.member_email,
        MESSAGE_PATH: message,
        ALT_TEXT_PATH: message,
    }


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of linked passes, and that of health."""
    path = f"{ROOT}demo/google/linked-pass"
    return [
        endpoint(
            "POST",
            path,
            partial(create_linked_pass, context=context),
            summary="Create a pass that is linked to a member's Google Wallet loyalty pass",
            scope=None,
            body=LinkedOrder,
            returns=Success[LinkedData],
            status=HTTPStatus.CREATED,
            also=(HTTPStatus.OK,),
            errors=(
                NoLoyaltyPassError,
                TenantNotFoundError,
                TenantNeededError,
                OtherIssuerError,
                GoogleNotConfiguredError,
                TooManyLinksError,
                UnauthorizedError,
                UnavailableError,
            ),
            description="Without an API key it works for members of accounts that have "
            "`keyless_links`, 60 times in ten minutes from one network and 10 times for one "
            "member. A repeat brings the linked pass up to date and answers 200.",
        ),
        endpoint(
            "GET",
            path,
            show_usage,
            summary="Read how passes are linked",
            scope=None,
            returns=Success[Usage],
            description="The method and the parameters of the body.",
        ),
        endpoint(
            "GET",
            f"{ROOT}health",
            show_health,
            summary="Ask whether this API is there",
            scope=None,
            returns=Success[Health],
            description="It says no more than that the gateway answers.",
        ),
    ]
