"""`/api/{function}`: one address for all functions of PassSource, with and without .php."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from services.gateway.catalogue.door import Door
from services.gateway.routes.passsource import clients, passes, templates
from services.gateway.routes.passsource.access import Visit, begin_visit
from services.gateway.routes.passsource.words import ParameterError, failure, read_words
from shared.errors import ApplicationError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint

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


class UnknownFunctionError(ParameterError):
    """There is no such function."""

    code = "function_unknown"


async def call_function(call: Call[Any, Any], *, door: Door) -> web.StreamResponse:
    """Do one function and answer as PassSource does."""
    request = call.request
    name = call.path["function"].removesuffix(".php")
    try:
        if name not in FUNCTIONS and name not in STREAMS:
            raise UnknownFunctionError
        words = await read_words(request)
        visit = await begin_visit(door, words, request.remote or "")
        if name in STREAMS:
            return await STREAMS[name](visit, request)
        return await FUNCTIONS[name](visit)
    except ApplicationError as error:
        return failure(error)


async def post_function(call: Call[Any, Any], *, door: Door) -> web.StreamResponse:
    """Do one function whose parameters come as a form."""
    return await call_function(call, door=door)


def endpoints(door: Door) -> list[AnyEndpoint]:
    """List the addresses of this room."""
    return [
        Endpoint(
            "GET",
            ADDRESS,
            partial(call_function, door=door),
            summary="Call a function of the PassSource API",
            tag=TAG,
            scope=None,
            raw=True,
            description=DESCRIPTION,
        ),
        Endpoint(
            "POST",
            ADDRESS,
            partial(post_function, door=door),
            summary="Call a function of the PassSource API with a form",
            tag=TAG,
            scope=None,
            raw=True,
            description=DESCRIPTION,
        ),
    ]
