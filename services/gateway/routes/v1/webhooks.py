"""Webhook endpoints under /v1: where partners are told what happens to passes."""

import re
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from services.gateway.context import Context
from services.gateway.routes.once import answered, begin
from services.gateway.routes.v1.events import Patterns
from services.gateway.routes.v1.paging import uuid_position
from services.gateway.routes.v1.reading import check_template, cursor_at, id_in_path
from services.gateway.usecases.passes import pointed
from shared.contracts import notifier
from shared.contracts.message import Command, Done
from shared.contracts.notifier import (
    SECRET_PURPOSE,
    CreateEndpoint,
    DeleteEndpoint,
    EndpointPage,
    EndpointSecret,
    ListEndpoints,
    ReadEndpoint,
    RotateSecret,
    UpdateEndpoint,
)
from shared.errors import ApplicationError, ConflictError, NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import Page, PageQuery
from shared.http.parsing import WholeNumber
from shared.identifiers import new_id

TAG = "Webhooks"
DAY = 86_400
MAX_GRACE_SECONDS = 7 * DAY
MAX_DESCRIPTION_CHARACTERS = 200

Answer = TypeVar("Answer", bound=BaseModel)


def _trim(address: object) -> object:
    return address.strip() if isinstance(address, str) else address


def _check(address: str) -> str:
    if not _WEB_ADDRESS.fullmatch(address):
        raise ValueError("An address that begins with https:// is needed")
    return address


_WEB_ADDRESS = re.compile(r"[hH][tT][tT][pP][sS]?://\S+")

Address = Annotated[
    str,
    BeforeValidator(_trim),
    AfterValidator(_check),
    Field(max_length=2048, json_schema_extra={"pattern": rf"^\s*{_WEB_ADDRESS.pattern}\s*$"}),
]
"""Blanks around it are dropped; the notifier says what else is wrong with it."""

Description = Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARACTERS)]


class NewWebhook(BaseModel):
    """An address that wants to be told."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.com/passes", "types": ["pass.scanned"]}]
        },
    )

    url: Address
    description: Description | None = None
    types: Patterns = []
    template_id: UUID | None = Field(None, description="Only what happens to passes of this one.")


class WebhookChange(BaseModel):
    """What is to be different about a webhook; what is not given stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"types": ["pass.scanned", "member.*"]}]}
    )

    url: Address = Field(default_factory=str)  # none in the schema: "" is no address
    description: Description | None = None
    types: Patterns = []
    template_id: UUID | None = None
    enabled: bool = True


class SecretRotation(BaseModel):
    """How to change a signing secret."""

    model_config = ConfigDict(extra="forbid")

    grace: WholeNumber = Field(
        DAY, ge=0, le=MAX_GRACE_SECONDS, description="Seconds in which the old one signs beside it."
    )


class Webhook(BaseModel):
    """An address that is told what happens."""

    webhook_id: UUID
    url: str
    description: str | None
    types: list[str]
    template_id: UUID | None
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook):
    """A webhook and the secret that signs what it is sent."""

    secret: str = Field(description="Shown only now.", examples=["whsec_C2FVsBQIhrscChlQIMV"])


class WebhooksPage(Page[Webhook]):
    """Webhooks in the order in which they were created."""


async def create_webhook(call: Call[NewWebhook, None], *, context: Context) -> Reply:
    """Add a webhook endpoint."""
    body, account_id = call.body, call.caller.account_id
    await check_template(context, account_id, body.template_id)
    claim = await begin(context, call)
    command = CreateEndpoint(
        command_id=claim.command_id,
        account_id=account_id,
        endpoint_id=new_id(),
        url=body.url,
        description=body.description,
        kinds=list(body.types),
        template_id=body.template_id,
    )
    made = await _ask(context, command, EndpointSecret)
    location = f"/v1/webhooks/{made.endpoint.endpoint_id}"
    return answered(claim, _with_secret(context, made), headers={"Location": location})


async def list_webhooks(call: Call[None, PageQuery], *, context: Context) -> WebhooksPage:
    """List the account's webhook endpoints."""
    question = ListEndpoints(
        account_id=call.caller.account_id,
        after=uuid_position(call.query),
        limit=call.query.limit,
    )
    page = await context.requester.ask(question, EndpointPage)
    after = cursor_at(page.endpoints[-1].endpoint_id) if page.more else None
    return WebhooksPage(data=[_webhook(each) for each in page.endpoints], next_cursor=after)


async def read_webhook(call: Call[None, None], *, context: Context) -> Webhook:
    """Read one webhook endpoint."""
    question = ReadEndpoint(
        account_id=call.caller.account_id, endpoint_id=id_in_path(call, "webhook_id")
    )
    return _webhook(await context.requester.ask(question, notifier.Endpoint))


async def update_webhook(call: Call[WebhookChange, None], *, context: Context) -> Reply:
    """Change, enable or disable a webhook endpoint."""
    account_id, webhook_id = call.caller.account_id, id_in_path(call, "webhook_id")
    await check_template(context, account_id, call.body.template_id)
    fields = call.body.model_dump(mode="json", exclude_unset=True)
    if "types" in fields:
        fields["kinds"] = fields.pop("types")
    claim = await begin(context, call)
    command = UpdateEndpoint(
        command_id=claim.command_id, account_id=account_id, endpoint_id=webhook_id, fields=fields
    )
    return answered(claim, _webhook(await _ask(context, command, notifier.Endpoint)))


async def delete_webhook(call: Call[None, None], *, context: Context) -> Reply:
    """Remove a webhook endpoint."""
    account_id, webhook_id = call.caller.account_id, id_in_path(call, "webhook_id")
    claim = await begin(context, call)
    command = DeleteEndpoint(
        command_id=claim.command_id, account_id=account_id, endpoint_id=webhook_id
    )
    await _ask(context, command, Done)
    return answered(claim, None)


async def rotate_webhook_secret(call: Call[SecretRotation, None], *, context: Context) -> Reply:
    """Give a webhook endpoint a new signing secret."""
    account_id, webhook_id = call.caller.account_id, id_in_path(call, "webhook_id")
    claim = await begin(context, call)
    command = RotateSecret(
        command_id=claim.command_id,
        account_id=account_id,
        endpoint_id=webhook_id,
        grace=call.body.grace,
    )
    return answered(claim, _with_secret(context, await _ask(context, command, EndpointSecret)))


async def _ask(context: Context, command: Command, reply: type[Answer]) -> Answer:
    try:
        return await context.requester.ask(command, reply)
    except ApplicationError as error:
        in_our_words = pointed(error, names="")
        for fault in in_our_words.errors:
            fault["pointer"] = fault["pointer"].replace("/kinds", "/types")
        raise in_our_words from error


def _webhook(found: notifier.Endpoint) -> Webhook:
    return Webhook(**_facts(found))


def _with_secret(context: Context, made: EndpointSecret) -> WebhookWithSecret:
    owner = str(made.endpoint.account_id)
    secret = context.master_keys.open(made.sealed_secret, purpose=SECRET_PURPOSE, owner=owner)
    return WebhookWithSecret(**_facts(made.endpoint), secret=secret.decode())


def _facts(found: notifier.Endpoint) -> dict[str, Any]:
    facts = dict(found)
    return {**facts, "webhook_id": facts["endpoint_id"], "types": facts["kinds"]}


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    all_, one = "/v1/webhooks", "/v1/webhooks/{webhook_id}"
    read, write = "webhooks:read", "webhooks:write"
    return [
        Endpoint(
            "POST",
            all_,
            partial(create_webhook, context=context),
            summary="Add a webhook endpoint",
            tag=TAG,
            scope=write,
            body=NewWebhook,
            returns=WebhookWithSecret,
            status=201,
            errors=(ConflictError,),
            description="The secret that signs what is sent is shown only now.",
        ),
        Endpoint(
            "GET",
            all_,
            partial(list_webhooks, context=context),
            summary="List webhook endpoints",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=WebhooksPage,
        ),
        Endpoint(
            "GET",
            one,
            partial(read_webhook, context=context),
            summary="Read a webhook endpoint",
            tag=TAG,
            scope=read,
            returns=Webhook,
            errors=(NotFoundError,),
        ),
        Endpoint(
            "PATCH",
            one,
            partial(update_webhook, context=context),
            summary="Change, enable or disable a webhook endpoint",
            tag=TAG,
            scope=write,
            body=WebhookChange,
            returns=Webhook,
            errors=(NotFoundError,),
        ),
        Endpoint(
            "DELETE",
            one,
            partial(delete_webhook, context=context),
            summary="Remove a webhook endpoint",
            tag=TAG,
            scope=write,
            status=204,
            errors=(NotFoundError,),
        ),
        Endpoint(
            "POST",
            f"{one}/rotate-secret",
            partial(rotate_webhook_secret, context=context),
            summary="Give a webhook endpoint a new signing secret",
            tag=TAG,
            scope=write,
            body=SecretRotation,
            returns=WebhookWithSecret,
            errors=(NotFoundError, ConflictError),
            description="For the grace given, what is sent is signed with the former secrets too; "
            "those of earlier rotations keep their own time.",
        ),
    ]
