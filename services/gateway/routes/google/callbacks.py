"""Callbacks of Google Wallet: somebody saved an object, or removed it."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from services.gateway.catalogue.google_issuers import GoogleIssuerNotFoundError
from services.gateway.context import Context
from shared import clock
from shared.contracts.message import Done
from shared.contracts.notifier import NoteGoogleCallback
from shared.errors import UnauthorizedError, UnavailableError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.problems import BadRequestError
from shared.passes.google.callbacks import (
    MAX_BODY_BYTES,
    Callback,
    MalformedCallbackError,
    NoRootKeysError,
    UntrustedCallbackError,
    verify,
)

TAG: Final = "Google Wallet"


class CallbackRefusedError(UnauthorizedError):
    """The callback is not signed by Google for this issuer."""

    code = "callback_refused"


async def take_callback(call: Call[None, None], *, context: Context) -> None:
    """Take what Google says under its signature; what follows from it is done later.

    A repeat is one command: its id derives from issuer and nonce.
    """
    body, issuer_id = await call.read(), call.path["issuer_id"]
    if not await context.google_issuers.is_known(issuer_id):
        raise GoogleIssuerNotFoundError
    callback = await _verified(context, body, issuer_id)
    for object_id in callback.object_ids:
        note = NoteGoogleCallback(
            command_id=callback.message_id,
            issuer_id=issuer_id,
            class_id=callback.class_id,
            object_id=object_id,
            event_type=callback.event_type,
            at=clock.now(),
        )
        await context.requester.ask(note, Done)


async def _verified(context: Context, body: bytes, issuer_id: str) -> Callback:
    try:
        try:
            return await _verify(body, issuer_id, await context.google_roots.keys())
        except (UntrustedCallbackError, NoRootKeysError):
            # By a key that is newer than those known, perhaps.
            return await _verify(body, issuer_id, await context.google_roots.look_again())
    except MalformedCallbackError as error:
        raise BadRequestError(f"The callback cannot be read: {error}.") from None
    except UntrustedCallbackError as error:
        raise CallbackRefusedError(f"The callback is not believed: {error}.") from None
    except NoRootKeysError:
        raise UnavailableError("Google's keys are not known for the moment.") from None


async def _verify(body: bytes, issuer_id: str, roots: Sequence[str]) -> Callback:
    return await asyncio.to_thread(verify, body, issuer_id, roots, clock.now())


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the address that classes name for callbacks."""
    return [
        Endpoint(
            "POST",
            "/google/callbacks/{issuer_id}",
            partial(take_callback, context=context),
            summary="Take a callback of Google Wallet",
            tag=TAG,
            scope=None,
            raw=True,
            dialect="google",
            media="",
            body_limit=MAX_BODY_BYTES,
            hidden=True,
            errors=(
                BadRequestError,
                CallbackRefusedError,
                GoogleIssuerNotFoundError,
                UnavailableError,
            ),
            description="Signed by Google (ECv2SigningOnly) for this issuer.",
        ),
    ]
