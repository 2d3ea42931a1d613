"""Messages under /v1: a text that wallets show to those who have a pass."""

from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from services.gateway.catalogue.claims import Claim
from services.gateway.context import Context
from services.gateway.routes.once import REPEAT_ERRORS, answer_once, begin
from services.gateway.routes.v1.pass_lists import Flag
from services.gateway.routes.v1.pushes import address_of
from services.gateway.usecases import google, messages, pushes
from services.gateway.usecases.messages import (
    Letter,
    MessageUnchangedError,
    NewsFieldMissingError,
    TemplateLetter,
)
from shared.contracts.notifier import GoogleOutlook
from shared.contracts.triggers import Pass
from shared.database import UnitOfWork
from shared.errors import GoneError, NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply

TAG = "Messages"
MAX_TEXT_CHARACTERS = 500


class NewMessage(BaseModel):
    """A text for one pass, or for all passes of a template."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"text": "Cake is half price today", "handle": "T9bC0n4YtXo2kq8ZVJm3Lw"}],
            "anyOf": [
                {
                    "required": [addressee],
                    "properties": {addressee: {"type": "string"}, other: {"type": "null"}},
                }
                for addressee, other in (("handle", "template_id"), ("template_id", "handle"))
            ],
        },
    )

    text: Annotated[
        str,
        Field(min_length=1, max_length=MAX_TEXT_CHARACTERS, json_schema_extra={"pattern": r"\S"}),
    ]
    field: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The key of the field to set. Left out: `news`, else the only back field whose"
        " changeMessage has %@.",
    )
    handle: str | None = Field(None, max_length=64, description="The pass.")
    template_id: UUID | None = Field(
        None, description="The template whose passes are to show it.", validate_default=True
    )

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not text.strip() or "\0" in text:
            raise ValueError("A text is needed")
        return text

    @field_validator("template_id")
    @classmethod
    def _has_one_addressee(cls, template_id: UUID | None, info: ValidationInfo) -> UUID | None:
        if (template_id is None) == (info.data.get("handle") is None):
            raise ValueError("Either handle or template_id is needed")
        return template_id


class MessageQuery(BaseModel):
    """Whether it is to be sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dry_run: Flag = Field(default=False, description="Only say what it would change and take.")


class GoogleCost(BaseModel):
    """What it takes at Google."""

    calls: int = Field(description="At most; to all of a template, the message is one of a class.")
    seconds: int = Field(description="Until the last of them, behind those that wait already.")
    silent: int = Field(
        description="How many holders are not notified: they were three times in 24 hours."
    )


class SentMessage(BaseModel):
    """What was done to show a text."""

    field: str = Field(description="The key of the field that was set.")
    path: str = Field(description="The API path of its value.")
    handle: str | None = Field(description="The pass, if it was for one.")
    version: int | None = Field(description="The pass's version that says it.")
    template_id: UUID | None = Field(description="The template, if it was for all.")
    revision: int | None = Field(description="The template's revision that says it.")
    job_id: UUID | None = Field(description="The push job that brings it to the passes.")
    google: GoogleCost | None = Field(
        default=None, description="Null: none of its passes was wanted at Google."
    )
    warnings: list[str]


async def send_message(call: Call[NewMessage, MessageQuery], *, context: Context) -> Reply:
    """Show a text on the phones that have a pass, or all passes of a template.

    The answer is kept with the key: what changed can be told only once.
    """
    template_id = call.body.template_id
    if call.query.dry_run:
        if template_id is None:
            return Reply(await _try_one(call, context), 200)
        return Reply(await _try_all(call, context, template_id), 200)
    claim = await begin(context, call)
    if template_id is None:
        return await _send_to_one(call, context, claim)
    return await _send_to_all(call, context, claim, template_id)


async def _try_one(call: Call[NewMessage, MessageQuery], context: Context) -> SentMessage:
    body, account_id = call.body, call.caller.account_id
    letter, issued = await messages.write_to_pass(
        context, account_id, body.handle or "", body.text, body.field
    )
    if letter.is_known:
        raise MessageUnchangedError
    cost = await _cost_of_one(context, issued)
    return _sent(letter, handle=issued.handle, cost=cost)


async def _try_all(
    call: Call[NewMessage, MessageQuery], context: Context, template_id: UUID
) -> SentMessage:
    written = await _written(call, context, template_id)
    cost = await _cost_of_all(context, call.caller.account_id, template_id, written)
    return _sent(written.letter, template_id=template_id, cost=cost)


async def _written(
    call: Call[NewMessage, MessageQuery], context: Context, template_id: UUID
) -> TemplateLetter:
    body, caller = call.body, call.caller
    return await messages.write_to_template(
        context, caller.account_id, template_id, body.text, body.field, withheld=caller.withheld
    )


async def _cost_of_one(context: Context, issued: Pass) -> GoogleCost | None:
    """Count its change, and the message that follows if somebody has it."""
    seen = await google.outlook(context, issued.account_id, issued.template_id, issued.handle)
    return None if seen is None else _cost(seen, seen.objects + seen.holders)


async def _cost_of_all(
    context: Context, account_id: UUID, template_id: UUID, written: TemplateLetter
) -> GoogleCost | None:
    """Count the changes of all, and the messages: of classes, or of each pass that differs."""
    seen = await google.outlook(context, account_id, template_id)
    if seen is None:
        return None
    said = min(seen.classes, seen.holders) if written.is_plain else seen.holders
    return _cost(seen, seen.objects + said)


def _cost(seen: GoogleOutlook, calls: int) -> GoogleCost:
    return GoogleCost(calls=calls, seconds=google.seconds_of(seen, calls), silent=seen.silent)


async def _send_to_one(
    call: Call[NewMessage, MessageQuery], context: Context, claim: Claim
) -> Reply:
    body, account_id = call.body, call.caller.account_id
    sent: SentMessage | None = None
    if claim.response is None:
        letter, issued = await messages.write_to_pass(
            context, account_id, body.handle or "", body.text, body.field
        )
        cost = await _cost_of_one(context, issued)
        changed = await messages.send_to_pass(
            context, letter, issued, body.text, claim, withheld=call.caller.withheld
        )
        sent = _sent(letter, handle=changed.handle, version=changed.version, cost=cost)

    async def tell(_work: UnitOfWork) -> Reply:
        return Reply(sent, 202)

    return await answer_once(context, call, tell)


async def _send_to_all(
    call: Call[NewMessage, MessageQuery], context: Context, claim: Claim, template_id: UUID
) -> Reply:
    """Save the revision with the answer, then begin the push; a repeat begins none but the same."""
    account_id = call.caller.account_id
    written: TemplateLetter | None = None
    cost: GoogleCost | None = None
    if claim.response is None:
        written = await _written(call, context, template_id)
        cost = await _cost_of_all(context, account_id, template_id, written)

    async def save(work: UnitOfWork) -> Reply:
        if written is None:
            raise TypeError(claim)
        expected = written.present.revision
        saved = await context.templates.replace_in(
            work, account_id, template_id, written.draft, expected=expected
        )
        sent = _sent(
            written.letter,
            template_id=template_id,
            revision=saved.revision,
            job_id=claim.command_id,
            cost=cost,
        )
        return Reply(sent, 202, {"Location": address_of(claim.command_id)})

    reply = await answer_once(context, call, save)
    if not isinstance(reply.model, bytes):
        raise TypeError(reply)
    sent = SentMessage.model_validate_json(reply.model)
    await messages.tell_google(
        context, account_id, template_id, call.body.text, key=sent.field, claim=claim
    )
    await pushes.push_all(
        context, account_id, template_id, command_id=claim.command_id, forget=[sent.path]
    )
    return reply


def _sent(
    letter: Letter,
    *,
    handle: str | None = None,
    version: int | None = None,
    template_id: UUID | None = None,
    revision: int | None = None,
    job_id: UUID | None = None,
    cost: GoogleCost | None = None,
) -> SentMessage:
    return SentMessage(
        field=letter.field.key,
        path=letter.field.value,
        handle=handle,
        version=version,
        template_id=template_id,
        revision=revision,
        job_id=job_id,
        google=cost,
        warnings=letter.warnings,
    )


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "POST",
            "/v1/messages",
            partial(send_message, context=context),
            summary="Show a text to those who have a pass",
            tag=TAG,
            scope="passes:write",
            body=NewMessage,
            query=MessageQuery,
            returns=SentMessage,
            status=202,
            also=(200,),
            errors=(
                *REPEAT_ERRORS,
                NotFoundError,
                GoneError,
                MessageUnchangedError,
                NewsFieldMissingError,
            ),
            description="Sets the field that carries news and pushes: wallets show the field's "
            "changeMessage with the text. The field needs a changeMessage with `%@`; if it is "
            "missing, the answer says what to add to the template. With `handle` one pass gets the "
            "text; with `template_id` the template gets a revision with it and a push job brings "
            "it to all passes that are on a device, taking away the values of their own that they "
            "have for the field. Wallets show nothing when the text is the one from before: 409. "
            "At Google a text without magic words is one message of the template's class to all, "
            "else one of each pass; `google` says what that takes.",
        ),
    ]
