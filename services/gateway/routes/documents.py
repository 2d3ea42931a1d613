"""Documents of single dialects, for their callers' generators of clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from aiohttp import web

from shared.http.endpoint import JSON_MEDIA, AnyEndpoint
from shared.http.openapi import openapi_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Another system's API, as its document names it."""

    name: str
    """What its endpoints call it."""
    tag: str
    root: str
    """Below this address lies all of it, and its `openapi.json`."""
    title: str
    description: str


def document_route(
    dialect: Dialect, endpoints: Sequence[AnyEndpoint], version: str, scopes: Mapping[str, str]
) -> web.RouteDef:
    """Serve the OpenAPI document of one dialect alone; of the endpoints only its own count."""
    document = openapi_document(
        [one for one in endpoints if one.dialect == dialect.name],
        title=dialect.title,
        version=version,
        description=dialect.description,
        scopes=scopes,
        tags={dialect.tag: dialect.description},
    )
    body = orjson.dumps(document)

    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=JSON_MEDIA)

    return web.get(f"{dialect.root}openapi.json", show)
