"""Repeats of a request, seen from HTTP: its fingerprint, its claim, its stored answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import hdrs
from pydantic import BaseModel

from services.gateway.catalogue.claims import Claim, KeyReusedError, StoredResponse, fingerprint
from services.gateway.catalogue.keys import ScopeNotHeldError
from services.gateway.context import Context
from shared.database import UnitOfWork
from shared.http.endpoint import JSON_MEDIA, Call, Reply
from shared.http.parsing import read_idempotency_key

REPEAT_ERRORS: Final = (KeyReusedError, ScopeNotHeldError)
"""What an operation that is answered once adds to its own errors."""

OF_ANOTHER_KEY = "This Idempotency-Key was used by an API key with more scopes."

REPLAYED = {"Idempotent-Replayed": "true"}


async def begin(context: Context, call: Call[Any, Any]) -> Claim:
    """Give a command to another service its id: the one it had, if it was sent before.

    The body must be JSON or none. PATCH, PUT and DELETE take an Idempotency-Key as POST does, where
    one is sent.
    """
    key = call.idempotency_key or read_idempotency_key(call.request)
    fingerprint = b"" if key is None else fingerprint_of(call)
    return await context.claims.claim(call.caller.account_id, operation_of(call), key, fingerprint)


def answered(
    claim: Claim,
    model: BaseModel | None,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Reply, and say so when the answer is that of the first time."""
    return Reply(model, status, {**(headers or {}), **(REPLAYED if claim.replayed else {})})


async def answer_once(
    context: Context,
    call: Call[Any, Any],
    effect: Callable[[UnitOfWork], Awaitable[Reply]],
    *,
    content: bytes | None = None,
) -> Reply:
    """Do an effect in the gateway's own database, or replay what was answered before.

    The reply must have a model and a status. `content` is the body of a raw endpoint. Only a key
    that may do what the first one could gets the answer again: ScopeNotHeldError.
    """
    async with context.claims.once(
        call.caller.account_id,
        operation_of(call),
        call.idempotency_key,
        fingerprint_of(call, content),
    ) as turn:
        if turn.replay is None:
            turn.answer = replace(_stored(await effect(turn.work)), scopes=call.caller.scopes)
        elif not call.caller.may_give(turn.replay.scopes):
            raise ScopeNotHeldError(OF_ANOTHER_KEY)
    response = turn.replay or turn.answer
    if response is None:
        raise TypeError
    return Reply(
        response.body,
        status=response.status,
        headers={**response.headers, **(REPLAYED if turn.replay else {})},
    )


def operation_of(call: Call[Any, Any]) -> str:
    """Name what is done: the method and the address without its values."""
    resource = call.request.match_info.route.resource
    return f"{call.request.method} {resource.canonical if resource else call.request.path}"


def fingerprint_of(call: Call[Any, Any], content: bytes | None = None) -> bytes:
    """Tell the request from others: its address, and its body as it was understood."""
    if content is None:
        body: BaseModel | None = call.body
        content = b"" if body is None else body.model_dump_json(by_alias=True).encode()
    return fingerprint(call.request.path, content)


def _stored(reply: Reply) -> StoredResponse:
    model = reply.model
    if not isinstance(model, BaseModel) or reply.status is None:
        raise TypeError(reply)
    body = model.__pydantic_serializer__.to_json(model, by_alias=True)
    return StoredResponse(reply.status, {hdrs.CONTENT_TYPE: JSON_MEDIA, **reply.headers}, body)
