"""Passes at Google Wallet under /v1."""

from datetime import datetime
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.google_issuers import GoogleNotConfiguredError
from services.gateway.context import Context
from services.gateway.routes.v1.google_issuers import TAG
from services.gateway.routes.v1.reading import id_in_path
from services.gateway.usecases import google, passes
from shared.contracts.message import JsonObject
from shared.contracts.notifier import (
    GooglePassState,
    GoogleState,
    GoogleTemplateStatus,
    ReadGoogleState,
    ReadGoogleStatus,
)
from shared.errors import ConflictError, GoneError, InvalidError, NotFoundError, UnavailableError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint


class SaveLinkView(BaseModel):
    """A link by which a pass is added to Google Wallet: a credential, not to be logged."""

    model_config = ConfigDict(from_attributes=True, title="GoogleSaveLink")

    object_id: str
    class_id: str
    save_url: str = Field(repr=False)
    expires_at: datetime | None = Field(description="Null: it holds as long as the pass.")


class GooglePassView(BaseModel):
    """A pass at Google."""

    model_config = ConfigDict(from_attributes=True, title="GooglePassState")

    state: GoogleState | None = Field(
        description="`waiting`, `there` as it is now, or `refused`; null: nobody wanted it there."
    )
    object_id: str | None
    class_id: str | None
    detail: str = Field(description="Why it waits or was refused, in Google's words.")
    wanted_version: int
    sent_version: int
    sent_at: datetime | None
    saved: bool = Field(description="Whether somebody has it, by Google's last word.")
    saved_at: datetime | None
    notified_at: datetime | None = Field(description="When its holder last heard of a change.")


class GoogleDocumentsView(GooglePassView):
    """A pass at Google, with what is to be there."""

    model_config = ConfigDict(from_attributes=True, title="GooglePass", populate_by_name=True)

    class_document: JsonObject | None = Field(
        alias="class", description="Null: an existing class was adopted, or nobody wanted it there."
    )
    object_document: JsonObject | None = Field(alias="object")


class GoogleStatusView(BaseModel):
    """How far the passes of a template are at Google."""

    model_config = ConfigDict(from_attributes=True, title="GoogleTemplateStatus")

    wanted: int = Field(description="Passes that somebody wants at Google.")
    there: int
    waiting: int
    refused: int
    holders: int = Field(description="Passes that somebody has saved.")
    oldest_waiting_at: datetime | None
    review: str = Field(description="The review status of its class, in Google's words.")
    refusals: list[str] = Field(description="Google's words, each once, the newest first.")
    calls_waiting: int = Field(description="Calls of the same project until the last of them.")
    done_at: datetime | None = Field(description="When all will be sent, at the present rate.")


async def want_at_google(call: Call[None, None], *, context: Context) -> SaveLinkView:
    """Want a pass at Google from now on, and make a link that adds it."""
    account_id = call.caller.account_id
    issued = await passes.read(context, account_id, call.path["handle"])
    await google.keep(context, account_id, issued.template_id, issued)
    return SaveLinkView.model_validate(await google.link(context, account_id, issued.handle))


async def read_google_state(call: Call[None, None], *, context: Context) -> GoogleDocumentsView:
    """Say how far a pass is at Google, and what is to be there."""
    issued = await passes.read(context, call.caller.account_id, call.path["handle"])
    question = ReadGoogleState(
        account_id=issued.account_id, handle=issued.handle, with_documents=True
    )
    state = await context.requester.ask(question, GooglePassState)
    return GoogleDocumentsView.model_validate(state)


async def read_google_status(call: Call[None, None], *, context: Context) -> GoogleStatusView:
    """Say how far the passes of a template are at Google."""
    account_id, template_id = call.caller.account_id, id_in_path(call, "template_id")
    if template_id not in await context.templates.current(account_id, [template_id]):
        raise NotFoundError
    question = ReadGoogleStatus(account_id=account_id, template_id=template_id)
    status = await context.requester.ask(question, GoogleTemplateStatus)
    return GoogleStatusView.model_validate(status)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "POST",
            "/v1/passes/{handle}/google",
            partial(want_at_google, context=context),
            summary="Make a link that adds a pass to Google Wallet",
            tag=TAG,
            scope="passes:write",
            returns=SaveLinkView,
            errors=(
                NotFoundError,
                GoneError,
                ConflictError,
                GoogleNotConfiguredError,
                InvalidError,
                UnavailableError,
            ),
            description="From now on the pass is kept at Google, too. 503 while Google is slow: "
            "the same request may be sent again.",
        ),
        Endpoint(
            "GET",
            "/v1/passes/{handle}/google",
            partial(read_google_state, context=context),
            summary="Read how far a pass is at Google",
            tag=TAG,
            scope="passes:read",
            returns=GoogleDocumentsView,
            errors=(NotFoundError, GoneError),
        ),
        Endpoint(
            "GET",
            "/v1/templates/{template_id}/google",
            partial(read_google_status, context=context),
            summary="Read how far a template's passes are at Google",
            tag=TAG,
            scope="templates:read",
            returns=GoogleStatusView,
            errors=(NotFoundError,),
        ),
    ]
