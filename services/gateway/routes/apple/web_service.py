"""Apple's web service: devices register, ask what is new, fetch it, and tell what went wrong."""

import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.served import ServedContent
from services.gateway.context import Context
from services.gateway.domain.devices import MAX_LINES, LineBudget, hash_device, read_log_line
from services.gateway.routes.files import WALLET_MEDIA, send_file
from services.gateway.usecases import passes
from shared import clock
from shared.contracts.generator import Content
from shared.contracts.message import Done
from shared.contracts.notifier import (
    DeviceKind,
    DeviceRegistered,
    ListUpdated,
    NoteDeviceLogs,
    RegisterDevice,
    UnregisterDevice,
    UpdatedPasses,
)
from shared.contracts.triggers import Pass
from shared.errors import (
    ApplicationError,
    GoneError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
)
from shared.http.conditional import modified_since
from shared.http.endpoint import JSON_MEDIA, AnyEndpoint, Call, Endpoint, Reply
from shared.http.forwarding import client_address
from shared.http.problems import BadRequestError, SlowRequestError, write_status
from shared.identifiers import new_id
from shared.passes.apple.pass_json import WEB_SERVICE_PATH

TAG: Final = "Apple Wallet"
CREDENTIAL: Final = "PassToken"
ROOT: Final = f"{WEB_SERVICE_PATH}/v1"
REGISTRATIONS: Final = f"{ROOT}/devices/{{device}}/registrations/{{pass_type}}"

MAX_REGISTRATION_BYTES: Final = 4 * 1024
MAX_LOG_BYTES: Final = 64 * 1024
MAX_TAG_CHARACTERS: Final = 64
NO_STORE: Final = {hdrs.CACHE_CONTROL: "no-store"}
SINCE: Final = {
    "name": "passesUpdatedSince",
    "in": "query",
    "required": False,
    "description": "The `lastUpdated` of the list before; without it, all passes of the device.",
    "schema": {"type": "string"},
}

KINDS: Final[dict[str, DeviceKind]] = {
    "ApplePass": "apple",
    "AndroidPass": "wallet_passes",
    "WalletUnionPass": "wallet_union",
}
"""Scheme of the Authorization header → the app that sends it."""

_AUTHORIZATION = re.compile(r"([A-Za-z]{1,32}) ([!-~]{1,256})")
_NAME = re.compile(r"[!-~]{1,128}")
_PASS_TYPE = re.compile(r"[!-~]{1,160}")
_PUSH_TOKEN = re.compile(r"(?:[0-9A-Fa-f]{2}){4,200}")
_FOREIGN_PUSH_TOKEN = re.compile(r"[!-~]{1,1024}")


class TokenRefusedError(UnauthorizedError):
    """The authentication token is not that of a pass of ours."""

    code = "token_refused"
    headers: ClassVar[dict[str, str]] = {hdrs.WWW_AUTHENTICATE: "ApplePass"}


class Registration(BaseModel):
    """How a device is to be reached."""

    model_config = ConfigDict(extra="ignore")

    push_token: str = Field(
        alias="pushToken",
        description="Apple's are hexadecimal; other wallets send up to 1024 visible characters.",
        examples=["0f" * 32],
        json_schema_extra={"pattern": f"^({_PUSH_TOKEN.pattern}|{_FOREIGN_PUSH_TOKEN.pattern})$"},
    )


class Updated(BaseModel):
    """Which passes of a device are new."""

    serial_numbers: list[str] = Field(serialization_alias="serialNumbers")
    last_updated: str = Field(
        serialization_alias="lastUpdated", description="To be sent with the next question."
    )


class LogLines(BaseModel):
    """What a device logged."""

    logs: list[str] = Field(examples=[["Web service error for pass.example: 503"]])


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever shows a pass's token: which pass, and by which app."""

    pass_type_identifier: str
    serial_number: str
    kind: DeviceKind


async def register_device(call: Call[Any, None], *, context: Context) -> Reply:
    """Let a device hear of a pass's changes; its push token is kept, new or not."""
    bearer = _bearer(call, context)
    if not _NAME.fullmatch(call.path["device"]):
        raise BadRequestError
    push_token = _push_token(await call.read(), bearer.kind)
    try:
        found = await passes.find(context, bearer.serial_number)
        command = RegisterDevice(
            command_id=new_id(),
            account_id=found.account_id,
            template_id=found.template_id,
            handle=found.handle,
            pass_type_identifier=bearer.pass_type_identifier,
            serial_number=found.serial_number,
            device=hash_device(call.path["device"]),
            push_token=push_token,
            kind=bearer.kind,
        )
        registered = await context.requester.ask(command, DeviceRegistered)
    except (NotFoundError, GoneError) as error:
        raise TokenRefusedError from error
    return Reply(status=HTTPStatus.CREATED if registered.created else HTTPStatus.OK)


async def unregister_device(call: Call[Any, None], *, context: Context) -> Reply:
    """Let a device hear no more of a pass, whether it did or not, and whether there is one."""
    bearer = _bearer(call, context)
    if not _NAME.fullmatch(call.path["device"]):
        return Reply(status=HTTPStatus.OK)
    command = UnregisterDevice(
        command_id=new_id(),
        pass_type_identifier=bearer.pass_type_identifier,
        serial_number=bearer.serial_number,
        device=hash_device(call.path["device"]),
    )
    await context.requester.ask(command, Done)
    return Reply(status=HTTPStatus.OK)


async def list_updated_passes(call: Call[Any, None], *, context: Context) -> Reply | Updated:
    """Tell a device which of its passes are new; it shows no token, its id is the secret."""
    device_id, pass_type = call.path["device"], call.path["pass_type"]
    if not _NAME.fullmatch(device_id) or not _PASS_TYPE.fullmatch(pass_type):
        return Reply(status=HTTPStatus.NO_CONTENT)
    query = ListUpdated(
        device=hash_device(device_id), pass_type_identifier=pass_type, since=_tag(call.request)
    )
    found = await context.requester.ask(query, UpdatedPasses)
    if not found.serial_numbers:
        return Reply(status=HTTPStatus.NO_CONTENT)
    return Updated(serial_numbers=found.serial_numbers, last_updated=found.last_updated)


async def send_pass(call: Call[Any, None], *, context: Context) -> web.StreamResponse:
    """Give a device the newest pass, or say that it has it."""
    bearer, since = _bearer(call, context), modified_since(call.request)
    try:
        known = await passes.look_again(context, bearer.serial_number, since)
        if isinstance(known, ServedContent):
            return _not_modified(call, context, bearer, known, known.content)
        issued = known or await passes.find(context, bearer.serial_number)
        content = await passes.content(context, issued, since, known_as=bearer.serial_number)
    except (NotFoundError, GoneError) as error:
        raise TokenRefusedError from error
    if content.not_modified:
        return _not_modified(call, context, bearer, issued, content)
    _check_type(bearer, content)
    response = web.Response(headers=NO_STORE)
    response.last_modified = content.last_modified
    file = passes.pass_file(context, content)
    await send_file(call.request, response, file, f"pass{passes.FILE_SUFFIX}")
    if call.request.method != hdrs.METH_HEAD:
        passes.note_fetch(context, issued, content, status=200, source="device")
    return response


def _not_modified(
    call: Call[Any, None],
    context: Context,
    bearer: Bearer,
    issued: Pass | ServedContent,
    content: Content,
) -> web.StreamResponse:
    """Tell a device that it has the newest content."""
    _check_type(bearer, content)
    if call.request.method != hdrs.METH_HEAD:
        passes.note_fetch(context, issued, content, status=304, source="device")
    response = web.StreamResponse(status=HTTPStatus.NOT_MODIFIED, headers=NO_STORE)
    response.last_modified = content.last_modified
    return response


def _check_type(bearer: Bearer, content: Content) -> None:
    """Refuse the token of a development identity that the template had before."""
    if content.pass_type_identifier not in {"", bearer.pass_type_identifier}:
        raise TokenRefusedError


async def keep_device_logs(call: Call[Any, None], *, context: Context, budget: LineBudget) -> Reply:
    """Take in what a device logged; whatever it sends, it is told that all is well."""
    try:
        lines = _lines(await call.read())
    except (TooLargeError, BadRequestError, SlowRequestError):
        lines = []
    now = clock.now()
    granted = budget.take(client_address(call.request), len(lines), now.timestamp())
    if granted:
        read = [read_log_line(line, now) for line in lines[:granted]]
        context.notes.tell(NoteDeviceLogs(lines=read))
    return Reply(status=HTTPStatus.OK)


def _bearer(call: Call[Any, None], context: Context) -> Bearer:
    """Check the token before anything is asked: no answer tells which passes there are."""
    request = call.request
    pass_type, serial_number = call.path["pass_type"], call.path["serial_number"]
    given = request.headers.getall(hdrs.AUTHORIZATION, [])
    found = _AUTHORIZATION.fullmatch(given[0]) if len(given) == 1 else None
    if found is None or found[1] not in KINDS:
        raise TokenRefusedError
    if not _PASS_TYPE.fullmatch(pass_type) or not _NAME.fullmatch(serial_number):
        raise TokenRefusedError
    if not context.tokens.verify(pass_type, serial_number, found[2]):
        raise TokenRefusedError
    is_pass2u = request.headers.get("X-Pass-Client") == "Passes"
    return Bearer(pass_type, serial_number, "pass2u" if is_pass2u else KINDS[found[1]])


def _push_token(body: bytes, kind: DeviceKind) -> str:
    try:
        push_token = Registration.model_validate_json(body).push_token
    except ValueError as error:
        raise BadRequestError from error
    form = _PUSH_TOKEN if kind == "apple" else _FOREIGN_PUSH_TOKEN
    if not form.fullmatch(push_token):
        raise BadRequestError
    return push_token


def _tag(request: web.Request) -> str | None:
    """Read the tag of the last list by its name on the wire, or by that of newer prose."""
    for name in ("passesUpdatedSince", "previousLastUpdated"):
        tag = request.query.get(name, "")
        if 0 < len(tag) <= MAX_TAG_CHARACTERS and tag.isascii() and tag.isprintable():
            return tag
    return None


def _lines(body: bytes) -> list[str]:
    try:
        content: object = orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError:
        return []
    lines = cast("dict[str, object]", content).get("logs") if isinstance(content, dict) else None
    if not isinstance(lines, list):
        return []
    texts = [line for line in cast("list[object]", lines) if isinstance(line, str)]
    return [text for text in texts if text.strip()][:MAX_LINES]


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    one = f"{REGISTRATIONS}/{{serial_number}}"
    refused: tuple[type[ApplicationError], ...] = (TokenRefusedError,)
    endpoint: partial[AnyEndpoint] = partial(
        Endpoint,
        dialect="apple",
        tag=TAG,
        scope=None,
        raw=True,
        write_error=write_status,
    )
    nothing: Final = ""  # the media type of an answer that is only a status
    return [
        endpoint(
            "POST",
            one,
            partial(register_device, context=context),
            summary="Register a device for a pass",
            body=Registration,
            described=(JSON_MEDIA,),
            body_limit=MAX_REGISTRATION_BYTES,
            also=(HTTPStatus.CREATED,),
            media=nothing,
            credential=CREDENTIAL,
            errors=(*refused, SlowRequestError, TooLargeError),
            description="201 if it is new, 200 if not. `Authorization: ApplePass <token>`; Android "
            "wallets send `AndroidPass`, `WalletUnionPass`, or `X-Pass-Client: Passes`.",
        ),
        endpoint(
            "DELETE",
            one,
            partial(unregister_device, context=context),
            summary="Unregister a device for a pass",
            description="Once the last registration is gone the device is forgotten.",
            media=nothing,
            credential=CREDENTIAL,
            errors=refused,
        ),
        endpoint(
            "GET",
            REGISTRATIONS,
            partial(list_updated_passes, context=context),
            summary="List the passes of a device that are new since a tag",
            returns=Updated,
            also=(HTTPStatus.NO_CONTENT,),
            parameters=(SINCE,),
            description="204 if there are none. A tag that cannot be read counts as none.",
        ),
        endpoint(
            "GET",
            f"{ROOT}/passes/{{pass_type}}/{{serial_number}}",
            partial(send_pass, context=context),
            summary="Send the newest version of a pass",
            media=WALLET_MEDIA,
            also=(HTTPStatus.NOT_MODIFIED,),
            credential=CREDENTIAL,
            errors=refused,
            description="304 if the pass has not changed since `If-Modified-Since`.",
        ),
        endpoint(
            "POST",
            f"{ROOT}/log",
            partial(keep_device_logs, context=context, budget=LineBudget()),
            summary="Take in what a device logged",
            description="Complaints of Wallet, which stand on the timeline of their pass. Whatever "
            "is sent, the answer is 200: a phone that is told of an error sends it again.",
            body=LogLines,
            described=(JSON_MEDIA,),
            media=nothing,
            body_limit=MAX_LOG_BYTES,
        ),
    ]
