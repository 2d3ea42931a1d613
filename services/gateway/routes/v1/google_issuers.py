"""Google Wallet issuers over HTTP: who makes classes and objects at Google, by which key."""

from base64 import b64decode
from datetime import datetime
from functools import partial
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.google_issuers import (
    CheckedKey,
    GoogleIssuerNotFoundError,
    GoogleIssuerTakenError,
    GoogleKeyError,
)
from services.gateway.context import Context
from services.gateway.domain import GoogleAccess, GoogleIssuer
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.reading import cursor_at, text_position
from shared.contracts.message import JsonObject
from shared.database import UnitOfWork
from shared.google.accounts import MAX_FILE_BYTES
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import InvalidCursorError, Page, PageQuery

TAG = "Google Wallet issuers"
_KEY = (
    "The key file of a service account, as Google Cloud gives it out, or the file in base64; it is "
    "never shown again."
)
KeyFile = JsonObject | Annotated[str, Field(max_length=MAX_FILE_BYTES * 2)]


class NewIssuer(BaseModel):
    """An issuer of the Google Pay and Wallet console."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer_id: str = Field(
        min_length=1, max_length=40, description="Its number.", examples=["3388000000022141777"]
    )
    name: str = Field(min_length=1, max_length=200, examples=["Blue Bottle"])
    service_account: KeyFile = Field(description=_KEY, repr=False, examples=["$SERVICE_ACCOUNT"])
    is_default: bool = Field(
        default=False, description="Whether templates that name none use it. The first one is."
    )
    is_lent: bool = Field(
        default=False, description="Whether the accounts that this one manages may use it."
    )


class ChangedIssuer(BaseModel):
    """What is to change of an issuer; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"name": "Blue Bottle"}]}
    )

    name: str | None = Field(None, min_length=1, max_length=200)
    service_account: KeyFile | None = Field(None, description=_KEY, repr=False)
    is_default: bool | None = None
    is_lent: bool | None = None


class IssuerView(BaseModel):
    """A Google Wallet issuer."""

    model_config = ConfigDict(from_attributes=True, title="GoogleIssuer")

    issuer_id: str
    name: str
    email: str = Field(description="Of the service account that acts for it.")
    key_id: str
    project_id: str = Field(description="Of Google Cloud; its calls share one limit.")
    is_default: bool
    is_lent: bool
    development: bool = Field(description="Whether it is one that Google does not know.")
    access: GoogleAccess = Field(
        description="What Google said when it was asked last: `granted`, `not_invited` (the e-mail "
        "is no user of the issuer), `key_refused`, or `unchecked`."
    )
    access_detail: str
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = []


async def create_google_issuer(call: Call[NewIssuer, None], *, context: Context) -> Reply:
    """Add an issuer with the key of its service account."""
    body = call.body
    key = await _checked(context, body.issuer_id, body.service_account)

    async def add(work: UnitOfWork) -> Reply:
        issuer = await context.google_issuers.add(
            work, call.caller.account_id, body.issuer_id, body.name, key,
            is_default=body.is_default, is_lent=body.is_lent,
        )  # fmt: skip
        location = {"Location": f"/v1/google/issuers/{issuer.issuer_id}"}
        return Reply(_shown(issuer, context), 201, location)

    return await answer_once(context, call, add)


async def list_google_issuers(call: Call[None, PageQuery], *, context: Context) -> Page[IssuerView]:
    """List the account's issuers."""
    limit = call.query.limit
    rows = await context.google_issuers.list(
        call.caller.account_id, text_position(call.query), limit + 1
    )
    cursor = cursor_at(rows[limit - 1].issuer_id) if len(rows) > limit else None
    shown = [_shown(row, context) for row in rows[:limit]]
    return Page[IssuerView](data=shown, next_cursor=cursor)


async def show_google_issuer(call: Call[None, None], *, context: Context) -> IssuerView:
    """Show one issuer."""
    found = await context.google_issuers.get(call.caller.account_id, call.path["google_issuer_id"])
    return _shown(found, context)


async def change_google_issuer(call: Call[ChangedIssuer, None], *, context: Context) -> IssuerView:
    """Change an issuer; a new key takes over at once."""
    body, issuer_id = call.body, call.path["google_issuer_id"]
    await context.google_issuers.get(call.caller.account_id, issuer_id)
    key = None
    if body.service_account is not None:
        key = await _checked(context, issuer_id, body.service_account)
    changed = await context.google_issuers.change(
        call.caller.account_id, issuer_id, name=body.name, key=key,
        is_default=body.is_default, is_lent=body.is_lent,
    )  # fmt: skip
    return _shown(changed, context)


async def check_google_issuer(call: Call[None, None], *, context: Context) -> IssuerView:
    """Ask Google again whether the issuer's service account may act for it."""
    checked = await context.google_issuers.check_again(
        call.caller.account_id, call.path["google_issuer_id"]
    )
    return _shown(checked, context)


async def _checked(context: Context, issuer_id: str, key_file: KeyFile) -> CheckedKey:
    return await context.google_issuers.check(issuer_id, _content(key_file))


def _content(key_file: KeyFile) -> bytes:
    if not isinstance(key_file, str):
        return orjson.dumps(key_file)
    try:
        return b64decode("".join(key_file.split()), validate=True)
    except ValueError:
        fault = {"pointer": "/service_account", "detail": "base64 is needed, or the object itself"}
        raise GoogleKeyError(errors=[fault]) from None


def _shown(issuer: GoogleIssuer, context: Context) -> IssuerView:
    view = IssuerView.model_validate(issuer)
    return view.model_copy(update={"warnings": list(context.google_issuers.warnings(issuer))})


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the addresses of Google Wallet issuers."""
    all_, one = "/v1/google/issuers", "/v1/google/issuers/{google_issuer_id}"
    read, write = "identities:read", "identities:write"
    return [
        Endpoint(
            "POST",
            all_,
            partial(create_google_issuer, context=context),
            summary="Add a Google Wallet issuer",
            tag=TAG,
            scope=write,
            body=NewIssuer,
            returns=IssuerView,
            status=201,
            errors=(*REPEAT_ERRORS, GoogleKeyError, GoogleIssuerTakenError),
            description="The key is checked here, then with Google; `access` says what that says.",
        ),
        Endpoint(
            "GET",
            all_,
            partial(list_google_issuers, context=context),
            summary="List Google Wallet issuers",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=Page[IssuerView],
            errors=(InvalidCursorError,),
        ),
        Endpoint(
            "GET",
            one,
            partial(show_google_issuer, context=context),
            summary="Show a Google Wallet issuer",
            tag=TAG,
            scope=read,
            returns=IssuerView,
            errors=(GoogleIssuerNotFoundError,),
        ),
        Endpoint(
            "PATCH",
            one,
            partial(change_google_issuer, context=context),
            summary="Change a Google Wallet issuer, or give it another key",
            tag=TAG,
            scope=write,
            body=ChangedIssuer,
            returns=IssuerView,
            errors=(GoogleIssuerNotFoundError, GoogleKeyError),
        ),
        Endpoint(
            "POST",
            f"{one}/check",
            partial(check_google_issuer, context=context),
            summary="Ask Google again whether an issuer may be used",
            tag=TAG,
            scope=write,
            returns=IssuerView,
            errors=(GoogleIssuerNotFoundError,),
        ),
    ]
