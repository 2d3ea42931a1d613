"""Passes of models: created, updated, reset to what their model says, fetched."""

from datetime import datetime, timezone
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.models import COUNTED, Model, ModelField, ModelNotFoundError
from services.gateway.context import Context
from services.gateway.routes.files import WALLET_MEDIA, send_pass_file
from services.gateway.routes.once import answered, begin
from services.gateway.routes.pass2u.calls import ALWAYS, find_model, serve
from services.gateway.routes.pass2u.dialect import ROOT, endpoint
from services.gateway.routes.pass2u.translation import (
    ATTRIBUTES,
    FIELD_ATTRIBUTES,
    RefusedError,
    forget_other_images,
    hashes_in,
    in_their_words,
    reset,
    translate,
)
from services.gateway.routes.pass2u.words import (
    Issued,
    PassData,
    Updated,
)
from services.gateway.usecases import passes
from services.gateway.usecases.passes import Order
from shared import clock
from shared.contracts.message import JsonObject
from shared.contracts.triggers import Channel, Pass, PassCreated
from shared.errors import ApplicationError, ConflictError, NotFoundError
from shared.http.endpoint import JSON_MEDIA, AnyEndpoint, Call, Reply
from shared.identifiers import new_id
from shared.passes.language.paths import MESSAGE_PATH
from shared.passes.language.state import PassState
from shared.passes.template.expiry import EXPIRATION_PATH


def _named(name: str, description: str, example: str, pattern: str = "") -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, **({"pattern": pattern} if pattern else {})}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


_DONE: Final = Reply(headers={hdrs.CONTENT_TYPE: JSON_MEDIA})
"""Says nothing, in the media type that the reference prints even so."""

_MODEL: Final = _named(
    "modelId", "The number of the model: `model_id` of a template.", "$PASS2U_MODEL_ID", "^[0-9]+$"
)
_PASS: Final = _named("passId", "The pass, as its creation answered.", "$PASS2U_PASS_ID")
_ATTRIBUTE: Final = _named("attributeName", "An attribute, such as `logoText`.", "logoText")
_FIELD: Final = _named("fieldKey", "The key of a field of the model.", "level")
_FIELD_ATTRIBUTE: Final = _named("attributeName", "`label`, `value` or `changeMessage`.", "label")


class PassNotFoundError(NotFoundError):
    """There is no such pass of this model."""

    code = "pass_of_model_not_found"


class FieldNotFoundError(NotFoundError):
    """The model has no such field."""

    code = "field_not_found"


class AttributeNotFoundError(NotFoundError):
    """A pass has no such attribute."""

    code = "attribute_not_found"


class CreateQuery(BaseModel):
    """Where the pass comes from."""

    model_config = ConfigDict(extra="ignore")

    utm_source: str | None = Field(
        None,
        max_length=80,
        description="The channel for which the pass is counted; see "
        "`GET /v1/templates/{template_id}/sources`.",
    )


async def create_pass(call: Call[PassData, CreateQuery], *, context: Context) -> Reply:
    """Create a pass of a model."""
    model, data = await find_model(call, context), call.body
    account_id = call.caller.account_id
    made = translate(data, model, await _images(call, context), is_new=True)
    claimed = await begin(context, call)
    order = Order(
        made.values,
        withheld=call.caller.withheld,
        literal=True,
        voided=data.voided or False,
        passcode=await context.passcodes.hash(data.passcode) if data.passcode else None,
        channel=Channel(source=call.query.utm_source) if call.query.utm_source else None,
        revision=model.revision,
    )
    try:
        issued = await passes.issue(
            context, account_id, model.template_id, order, claimed.command_id
        )
    except ApplicationError as error:
        raise in_their_words(error, model) from None
    answer = Issued(
        barcodeMessage=_first_message(model, issued, made.values),
        modelId=model.model_id,
        passId=issued.handle,
        createdTime=_time(issued.created_at or clock.now(), model.zone),
        expirationDate=data.expiration_date or _date(model, _state(issued.handle, made.values)),
        warnings=made.warnings or None,
    )
    return answered(claimed, answer)


async def update_pass(call: Call[PassData, None], *, context: Context) -> Updated:
    """Update a pass, and push it."""
    model, data = await find_model(call, context), call.body
    made = translate(data, model, await _images(call, context), is_new=False)
    passcode = data.passcode
    found = await _change(
        call,
        context,
        model,
        forget_other_images(made.values),
        voided=data.voided,
        passcode=await context.passcodes.hash(passcode) if passcode else passcode,
    )
    state = found.state()
    return Updated(
        barcodeMessage=model.compiled.barcode_message(state),
        modelId=model.model_id,
        passId=found.handle,
        updatedTime=_time(found.updated_at, model.zone),
        expirationDate=data.expiration_date or _date(model, state),
        warnings=made.warnings or None,
    )


async def delete_attribute(call: Call[None, None], *, context: Context) -> Reply:
    """Reset an attribute of a pass to the model's."""
    name = call.path["attributeName"]
    model = await find_model(call, context)
    if name not in ATTRIBUTES:
        raise AttributeNotFoundError
    await _change(
        call,
        context,
        model,
        reset(name, model),
        voided=False if name == "voided" else None,
        passcode="" if name == "passcode" else None,
    )
    return _DONE


async def delete_field(call: Call[None, None], *, context: Context) -> Reply:
    """Reset a field of a pass to the model's."""
    model = await find_model(call, context)
    field = _field(call, model)
    await _change(call, context, model, dict.fromkeys(field.paths))
    return _DONE


async def delete_field_attribute(call: Call[None, None], *, context: Context) -> Reply:
    """Reset an attribute of a field of a pass to the model's."""
    model = await find_model(call, context)
    field, name = _field(call, model), FIELD_ATTRIBUTES.get(call.path["attributeName"])
    if name is None:
        raise AttributeNotFoundError
    await _change(call, context, model, {getattr(field, name): None})
    return _DONE


async def fetch_pass(call: Call[None, None], *, context: Context) -> web.StreamResponse:
    """Give out the file of a pass."""
    model = await find_model(call, context)
    issued = await passes.read(context, call.caller.account_id, call.path["passId"])
    if issued.template_id != model.template_id:
        raise PassNotFoundError
    return await send_pass_file(call.request, context, issued)


async def _images(call: Call[PassData, Any], context: Context) -> dict[str, str]:
    hashes = hashes_in(call.body)
    return await context.images.find_named(call.caller.account_id, hashes) if hashes else {}


async def _change(
    call: Call[Any, Any],
    context: Context,
    model: Model,
    values: JsonObject,
    *,
    voided: bool | None = None,
    passcode: str | None = None,
) -> Pass:
    """Change a pass of a model, and read it as it is then."""
    account_id, handle = call.caller.account_id, call.path["passId"]
    try:
        await passes.change(
            context,
            account_id,
            handle,
            "update",
            command_id=new_id(),
            values=values,
            withheld=call.caller.withheld,
            template_id=model.template_id,
            literal=True,
            voided=voided,
            passcode=passcode,
        )
    except ApplicationError as error:
        raise in_their_words(error, model) from None
    return await passes.read(context, account_id, handle)


def _field(call: Call[Any, Any], model: Model) -> ModelField:
    found = model.fields.get(call.path["fieldKey"])
    if found is None:
        raise FieldNotFoundError
    if found.kind in COUNTED:
        raise RefusedError(f"{call.path['fieldKey']} holds {found.kind}, which no call resets.")
    return found


def _state(handle: str, values: JsonObject) -> PassState:
    """Make a new pass, as far as texts of its model can show what it is."""
    return PassState(
        handle, "", values, None, voided=False, changed_at=clock.now(), literal=frozenset(values)
    )


def _first_message(model: Model, issued: PassCreated, values: JsonObject) -> str:
    given = issued.barcode_message or values.get(MESSAGE_PATH)
    return given or model.compiled.barcode_message(_state(issued.handle, values))


def _date(model: Model, state: PassState) -> str | None:
    return model.compiled.text_of(state, EXPIRATION_PATH) or None


def _time(moment: datetime, zone: timezone) -> str:
    return moment.astimezone(zone).isoformat(timespec="seconds")


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of passes."""
    one = f"{ROOT}models/{{modelId}}/passes/{{passId}}"
    always = (*ALWAYS, ModelNotFoundError, PassNotFoundError)
    reset_endpoint = partial(
        endpoint,
        "DELETE",
        scope="passes:write",
        media="",
        description="The pass shows what its model says, and is pushed.",
    )
    return [
        endpoint(
            "POST",
            f"{ROOT}models/{{modelId}}/passes",
            serve(context, create_pass, JSON_MEDIA),
            summary="Create a pass of a model",
            scope="passes:write",
            body=PassData,
            query=CreateQuery,
            returns=Issued,
            parameters=(_MODEL,),
            errors=(*always, RefusedError, ConflictError),
            description="The pass's public page is `/d/{passId}`. 409 if the model wants a unique "
            "barcode message and another pass has it.",
        ),
        endpoint(
            "PUT",
            one,
            serve(context, update_pass, JSON_MEDIA),
            summary="Update a pass of a model",
            scope="passes:write",
            body=PassData,
            returns=Updated,
            parameters=(_MODEL, _PASS),
            errors=(*always, RefusedError, ConflictError),
            description="What is left out stays as it is; the pass is pushed. 409 if it names "
            "another barcode message than the pass has.",
        ),
        endpoint(
            "GET",
            one,
            serve(context, fetch_pass, WALLET_MEDIA),
            summary="Fetch the file of a pass",
            scope="passes:read",
            raw=True,
            media=WALLET_MEDIA,
            parameters=(_MODEL, _PASS),
            errors=always,
        ),
        reset_endpoint(
            f"{one}/attributes/{{attributeName}}",
            serve(context, delete_attribute, JSON_MEDIA),
            summary="Reset an attribute of a pass to its model's",
            parameters=(_MODEL, _PASS, _ATTRIBUTE),
            errors=(*always, AttributeNotFoundError),
        ),
        reset_endpoint(
            f"{one}/fields/{{fieldKey}}",
            serve(context, delete_field, JSON_MEDIA),
            summary="Reset a field of a pass to its model's",
            parameters=(_MODEL, _PASS, _FIELD),
            errors=(*always, RefusedError, FieldNotFoundError),
        ),
        reset_endpoint(
            f"{one}/fields/{{fieldKey}}/attributes/{{attributeName}}",
            serve(context, delete_field_attribute, JSON_MEDIA),
            summary="Reset an attribute of a field of a pass to its model's",
            parameters=(_MODEL, _PASS, _FIELD, _FIELD_ATTRIBUTE),
            errors=(*always, RefusedError, FieldNotFoundError, AttributeNotFoundError),
        ),
    ]
