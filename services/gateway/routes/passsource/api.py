"""`/api/{function}`: one address for all functions of PassSource, with and without .php."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import hdrs, web

from services.gateway.catalogue.claims import StoredResponse, fingerprint
from services.gateway.context import Context
from services.gateway.repository.claims import Attempt
from services.gateway.routes.once import REPLAYED
from services.gateway.routes.passsource import clients, passes, templates
from services.gateway.routes.passsource.access import Visit, begin_visit
from services.gateway.routes.passsource.words import (
    FORM_MEDIAS,
    MAX_UPLOAD_BYTES,
    Failure,
    Form,
    FunctionAnswer,
    ParameterError,
    failure,
)
from shared.http.endpoint import JSON_MEDIA, AnyEndpoint, Call, Endpoint

TAG = "PassSource"
ADDRESS = r"/api/{function:[A-Za-z]+(?:\.php)?}"
DESCRIPTION = """Functions: login, logout, clientInfo, templates, templateInfo, templateStats,
templatePasses, updatePassesForTemplate, insertUpdateTemplate, uploadTemplateImages,
deleteTemplate, createPassFromTemplateFields, passInfo, passTracking, trackPassAccess,
checkPassAccess, updatePassFields, pushPassUpdate, deletePass, imageForName.

`clientHash`, `templateHash` and `hashedSerialNumber` go into the query; all else into the query, a
form, or as an object in the form's field `JSON`. Under `images_logo`, `images_strip@2x` and others
a pass takes the address of a PNG, fetched now and made to fit. The answer has `success`, and
`message` if that is false, which has the status 200 too."""


def query_parameter(name: str, meaning: str, example: str = "") -> dict[str, Any]:
    """Describe a parameter that the dialect reads by itself, with what a command gives it."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": meaning,
        "schema": {"type": "string"},
        **({"example": example} if example else {}),
    }


NAME: Final[Mapping[str, Any]] = {
    "name": "function",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": r"^[A-Za-z]+(?:\.php)?$"},
    "example": "passInfo",
}
CLIENT_HASH: Final = query_parameter(
    "clientHash", "The account, as `login` answered.", "$CLIENT_HASH"
)
TEMPLATE_HASH: Final = query_parameter("templateHash", "The template.", "$TEMPLATE_HASH")
PASS_HASH: Final = query_parameter("hashedSerialNumber", "The handle of a pass.", "$HANDLE")

Function = Callable[[Visit], Awaitable[web.Response]]
Stream = Callable[[Visit, web.Request], Awaitable[web.StreamResponse]]

FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "login": clients.login,
        "logout": clients.logout,
        "clientInfo": clients.show_client,
        "templateInfo": templates.show_template,
        "templateStats": templates.show_stats,
        "updatePassesForTemplate": templates.push_all,
        "insertUpdateTemplate": templates.save_template,
        "uploadTemplateImages": templates.upload_images,
        "deleteTemplate": templates.delete_template,
        "imageForName": templates.find_image,
        "createPassFromTemplateFields": passes.create_pass,
        "passInfo": passes.show_pass,
        "trackPassAccess": passes.track_access,
        "checkPassAccess": passes.check_access,
        "updatePassFields": passes.update_fields,
        "pushPassUpdate": passes.push_update,
        "deletePass": passes.delete_pass,
    }
)
STREAMS: Final[Mapping[str, Stream]] = MappingProxyType(
    {
        "templates": templates.list_templates,
        "templatePasses": passes.list_passes,
        "passTracking": passes.show_tracking,
    }
)


UNKEPT: Final = frozenset({"login", "logout"})
"""Functions without an effect that a repeat could have twice."""

NOBODY: Final = UUID(int=0)
"""In place of an account, for those who call without a client hash."""


class UnknownFunctionError(ParameterError):
    """There is no such function."""

    code = "function_unknown"


async def call_function(call: Call[Any, Any], *, context: Context) -> web.StreamResponse:
    """Do one function and answer as PassSource does."""
    request = call.request
    name = call.path["function"].removesuffix(".php")
    if name not in FUNCTIONS and name not in STREAMS:
        raise UnknownFunctionError
    visit = await begin_visit(context, request)
    if name in STREAMS:
        return await STREAMS[name](visit, request)
    if call.idempotency_key is not None and name not in UNKEPT:
        return await _do_once(visit, name, call)
    return await FUNCTIONS[name](visit)


async def _do_once(visit: Visit, name: str, call: Call[Any, Any]) -> web.Response:
    """Do a function under an Idempotency-Key; a repeat has the same answer and no effect.

    What failed is not kept: it may be tried again. Without a client hash the key counts among
    those of everybody who has none, and only for the very same call.
    """
    words, claims = visit.words, visit.context.claims
    files = {slot: sha256(content).hexdigest() for slot, content in words.files.items()}
    told = [dict(words.credentials), dict(words.values), dict(words.named_in_body), files]
    attempt = Attempt(
        visit.client.account_id if visit.client else NOBODY,
        f"POST /api/{name}",
        call.idempotency_key or "",
        fingerprint(name, orjson.dumps(told, option=orjson.OPT_SORT_KEYS)),
        visit.command_id,
    )
    claim = await claims.claim(
        attempt.account_id, attempt.operation, attempt.key, attempt.fingerprint
    )
    if claim.response is not None:
        headers = {**claim.response.headers, **REPLAYED}
        return web.Response(body=claim.response.body, status=claim.response.status, headers=headers)
    response = await FUNCTIONS[name](replace(visit, command_id=claim.command_id))
    if isinstance(response.body, bytes):
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: JSON_MEDIA,
            hdrs.CACHE_CONTROL: "no-store",
        }
        await claims.keep(attempt, StoredResponse(response.status, headers, response.body))
    return response


async def post_function(call: Call[Any, Any], *, context: Context) -> web.StreamResponse:
    """Do one function whose parameters come as a form."""
    return await call_function(call, context=context)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    endpoint: partial[AnyEndpoint] = partial(
        Endpoint,
        dialect="passsource",
        write_error=failure,
        tag=TAG,
        scope=None,
        raw=True,
        parameters=(NAME, CLIENT_HASH, TEMPLATE_HASH, PASS_HASH),
        returns=FunctionAnswer,
        other_errors={JSON_MEDIA: Failure},
        description=DESCRIPTION,
    )
    return [
        endpoint(
            "GET",
            ADDRESS,
            partial(call_function, context=context),
            summary="Call a function of the PassSource API",
        ),
        endpoint(
            "POST",
            ADDRESS,
            partial(post_function, context=context),
            summary="Call a function of the PassSource API with a form",
            body=Form,
            described=FORM_MEDIAS,
            body_limit=MAX_UPLOAD_BYTES,
        ),
    ]
