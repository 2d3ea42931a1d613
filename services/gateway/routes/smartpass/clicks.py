"""Clicks on links: a pass is made or found, or a page asks to press a button first."""

import asyncio
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any, Final
from uuid import UUID

from aiohttp import hdrs, web

from services.gateway.catalogue.links import LinkEndedError, LinkNotFoundError
from services.gateway.context import Context
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.passes import ERROR_PAGES
from services.gateway.routes.pages.rendering import PRIVATE, Pages
from services.gateway.routes.pages.visitors import HTML_MEDIA, is_person, is_phone
from services.gateway.usecases import links
from services.gateway.usecases.links import Link
from services.gateway.usecases.passes import FILE_SUFFIX
from shared.errors import UnavailableError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.parsing import uuid_in_path
from shared.passes.links.tokens import MAX_TOKEN_CHARACTERS

DATA, IV = "data", "iv"
MAX_IV_CHARACTERS: Final = 64
NO_PROGRAM: Final = UUID(int=0)
CLICK: Final = partial(
    Endpoint,
    dialect="smartpass",
    tag="Links",
    scope=None,
    raw=True,
    media=HTML_MEDIA,
    status=HTTPStatus.SEE_OTHER,
    other_errors=ERROR_PAGES,
    errors=(LinkNotFoundError, LinkEndedError, UnavailableError),
)
"""What the endpoints of all kinds of links have in common."""

REFUSAL_SECONDS: Final = 0.05
"""What cannot be read is answered so late that nobody can measure where reading it ended."""


async def click_link(call: Call[Any, Any], *, context: Context, pages: Pages) -> web.StreamResponse:
    """Lead a person to the pass of a link; who only looks gets a page with a button."""
    request = call.request
    link = await _open(call, context)
    may_create = is_person(request)
    if may_create:
        context.link_clicks.count(link.program.program_id, link.claims.campaign, link.claims.source)
    await links.check(context, link)
    if may_create and link.program.create_on == "visit":
        return await _lead(context, request, link)
    return pages.render_offer(accepted_languages(request))


async def press_button(call: Call[Any, Any], *, context: Context) -> web.StreamResponse:
    """Lead to the pass of a link, for who has pressed the button."""
    link = await _open(call, context)
    await links.check(context, link)
    return await _lead(context, call.request, link)


async def _open(call: Call[Any, Any], context: Context) -> Link:
    started = monotonic()
    program_id, query = uuid_in_path(call.path["program_id"]) or NO_PROGRAM, call.request.query
    try:
        return await links.open_link(context, program_id, query.get(DATA, ""), query.get(IV))
    except LinkNotFoundError:
        await asyncio.sleep(started + REFUSAL_SECONDS - monotonic())
        raise


async def _lead(context: Context, request: web.Request, link: Link) -> web.Response:
    return lead_to_pass(request, await links.follow(context, link))


def lead_to_pass(request: web.Request, handle: str, base_url: str = "") -> web.Response:
    """Answer 303 to the page of a pass, for an iPhone to its file; by default on the same host."""
    suffix = FILE_SUFFIX if is_phone(request) else ""
    headers = {**PRIVATE, hdrs.LOCATION: f"{base_url}/p/{handle}{suffix}"}
    return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    pages = Pages()
    endpoint: partial[AnyEndpoint] = partial(
        CLICK,
        path="/c/{program_id}",
        parameters=(
            _parameter(DATA, "What the link says, sealed.", MAX_TOKEN_CHARACTERS, required=True),
            _parameter(IV, "Only in links that PassKit made.", MAX_IV_CHARACTERS, required=False),
        ),
    )
    return [
        endpoint(
            "GET",
            handler=partial(click_link, context=context, pages=pages),
            summary="Click on a link",
            also=(HTTPStatus.OK,),
            description="303 to the page of the pass, on an iPhone to its file. Whatever is not a "
            "person's navigation (HEAD, prefetching, previewers) makes nothing and gets a page "
            'with a button, 200; so does everybody where the program has `create_on: "button"`.',
        ),
        endpoint(
            "POST",
            handler=partial(press_button, context=context),
            summary="Press the button of a link",
            description="303, as after a click by a person.",
        ),
    ]


def _parameter(name: str, description: str, longest: int, *, required: bool) -> dict[str, Any]:
    example = {"example": "$LINK_DATA"} if required else {}
    return {
        "name": name,
        "in": "query",
        "required": required,
        "schema": {"type": "string", "maxLength": longest},
        "description": description,
        **example,
    }
