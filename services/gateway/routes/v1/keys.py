"""API keys over HTTP."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.keys import (
    KeyNotFoundError,
    RotatedTooOftenError,
    TooManyKeysError,
)
from services.gateway.context import Context
from services.gateway.domain import MAX_GRACE, MAX_KEYS, USUAL_GRACE, ApiKey, ApiKeyText, Scope
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from shared.database import UnitOfWork
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.parsing import WholeNumber

TAG = "API keys"


class NewKey(BaseModel):
    """An API key to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100, examples=["checkout server"])
    scopes: Annotated[
        list[Scope],
        Field(min_length=1, max_length=20, description="What it may do; `*` is everything."),
    ]


class KeyRotation(BaseModel):
    """How a key changes its secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grace: WholeNumber = Field(
        int(USUAL_GRACE.total_seconds()),
        ge=0,
        le=int(MAX_GRACE.total_seconds()),
        description="How many seconds the present secret still works.",
    )


class KeyView(BaseModel):
    """An API key without its secret."""

    model_config = ConfigDict(from_attributes=True, title="ApiKey")

    key_id: str = Field(description="The part of the key that is no secret.")
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")


class MadeKey(KeyView):
    """An API key with its secret, which is shown only here."""

    model_config = ConfigDict(title="MadeApiKey")

    key: str = Field(description="To be sent as X-API-Key; never shown again.", repr=False)


class Keys(BaseModel):
    """All living keys of the account."""

    model_config = ConfigDict(title="ApiKeys")

    data: list[KeyView] = Field(description=f"At most {MAX_KEYS}.")


async def create_key(call: Call[NewKey, None], *, context: Context) -> Reply:
    async def add(work: UnitOfWork) -> Reply:
        made = await context.keys.add(work, call.caller, call.body.name, call.body.scopes)
        return Reply(_shown(*made), 201, {"Location": f"/v1/keys/{made[0].key_id}"})

    return await answer_once(context, call, add)


async def list_keys(call: Call[None, None], *, context: Context) -> Keys:
    keys = await context.keys.list(call.caller.account_id)
    return Keys(data=[KeyView.model_validate(key) for key in keys])


async def rotate_key(call: Call[KeyRotation, None], *, context: Context) -> Reply:
    key_id = call.path["key_id"]

    async def rotate(work: UnitOfWork) -> Reply:
        grace = timedelta(seconds=call.body.grace)
        return Reply(_shown(*await context.keys.rotate(work, call.caller, key_id, grace)), 200)

    return await answer_once(context, call, rotate)


async def revoke_key(call: Call[None, None], *, context: Context) -> None:
    await context.keys.revoke(call.caller.account_id, call.path["key_id"])


def _shown(key: ApiKey, text: ApiKeyText) -> MadeKey:
    return MadeKey(**KeyView.model_validate(key).model_dump(), key=text.text)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the addresses of API keys."""
    return [
        Endpoint(
            "POST",
            "/v1/keys",
            partial(create_key, context=context),
            summary="Create an API key",
            tag=TAG,
            scope="keys:write",
            body=NewKey,
            returns=MadeKey,
            status=201,
            errors=(*REPEAT_ERRORS, TooManyKeysError),
        ),
        Endpoint(
            "GET",
            "/v1/keys",
            partial(list_keys, context=context),
            summary="List the API keys",
            tag=TAG,
            scope="keys:read",
            returns=Keys,
        ),
        Endpoint(
            "DELETE",
            "/v1/keys/{key_id}",
            partial(revoke_key, context=context),
            summary="Revoke an API key",
            tag=TAG,
            scope="keys:write",
            status=204,
            errors=(KeyNotFoundError,),
            description="It is refused everywhere within two seconds.",
        ),
        Endpoint(
            "POST",
            "/v1/keys/{key_id}/rotate",
            partial(rotate_key, context=context),
            summary="Give an API key a new secret",
            tag=TAG,
            scope="keys:write",
            body=KeyRotation,
            returns=MadeKey,
            errors=(KeyNotFoundError, *REPEAT_ERRORS, RotatedTooOftenError),
            description="The present secret works on for `grace` seconds; both are valid then.",
        ),
    ]
