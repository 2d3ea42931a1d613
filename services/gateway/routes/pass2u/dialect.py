"""The dialect as a whole: its name, how its endpoints are described, and the document of them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import orjson
from aiohttp import web

from services.gateway.routes.pass2u.words import Message, write_message
from shared.http.endpoint import JSON_MEDIA, AnyEndpoint, Endpoint
from shared.http.openapi import openapi_document

TAG: Final = "Pass2U"
NAME: Final = "pass2u"
ROOT: Final = "/v2/"
DESCRIPTION: Final = """Passes of models: templates by a number, the `model_id` of a template.

What a pass is given it keeps, whatever its model does later; a delete resets it to the model's.
Only fields whose value the template marks as `dynamic` take values. `barcode_policy` of the
template says where the barcode's message comes from: `data`, `unique`, `random`, or `template`.
Success is 200; an error has a `message`. A key may call each operation 100 times a second."""

endpoint: Final[partial[AnyEndpoint]] = partial(
    Endpoint,
    tag=TAG,
    dialect=NAME,
    write_error=write_message,
    other_errors={JSON_MEDIA: Message},
    writes_no_problems=True,
)
"""Makes an endpoint of this dialect."""


def document_route(
    endpoints: Sequence[AnyEndpoint], version: str, scopes: dict[str, str]
) -> web.RouteDef:
    """Serve the description of this dialect alone, for its callers' generators of clients."""
    document: dict[str, Any] = openapi_document(
        [one for one in endpoints if one.dialect == NAME],
        title="Pass2U's Pass API 2.0 on Passwright",
        version=version,
        description=DESCRIPTION,
        scopes=scopes,
        tags={TAG: DESCRIPTION},
    )
    body = orjson.dumps(document)

    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=JSON_MEDIA)

    return web.get(f"{ROOT}openapi.json", show)
