"""Short links: they lead to their pass, made at the first click, as sealed ones do."""

from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from services.gateway.context import Context
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.rendering import PRIVATE, Pages
from services.gateway.routes.pages.visitors import is_person
from services.gateway.routes.smartpass.clicks import CLICK, lead_to_pass
from services.gateway.usecases import short_links
from shared.http.endpoint import AnyEndpoint, Call


async def open_short_link(
    call: Call[Any, Any], *, context: Context, pages: Pages
) -> web.StreamResponse:
    """Lead a person to the pass of a link; who only looks gets a page with a button."""
    if is_person(call.request):
        return await press_short_link(call, context=context)
    await context.short_links.open(call.path["short_key"])
    return pages.render_offer(accepted_languages(call.request), leads_to=context.base_url)


async def press_short_link(call: Call[Any, Any], *, context: Context) -> web.StreamResponse:
    """Lead to the pass of a link, or to the form for what it leaves open."""
    link = await context.short_links.open(call.path["short_key"])
    if await short_links.asks(context, link):
        address = f"{context.base_url}/pass/register?psLink={link.short_key}"
        headers = {**PRIVATE, hdrs.LOCATION: address}
        return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)
    handle = await short_links.follow(context, link)
    return lead_to_pass(call.request, handle, context.base_url)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    endpoint: partial[AnyEndpoint] = partial(CLICK, path="/l/{short_key}")
    return [
        endpoint(
            "GET",
            handler=partial(open_short_link, context=context, pages=Pages()),
            summary="Open a short link",
            also=(HTTPStatus.OK,),
            description="303 to the page of its pass, on an iPhone to the file; the first click "
            "makes the pass. Where the link leaves open what users may edit, 303 to the "
            "registration form, which makes it. Whatever is not a person's navigation gets a page "
            "with a button, 200.",
        ),
        endpoint(
            "POST",
            handler=partial(press_short_link, context=context),
            summary="Press the button of a short link",
            description="303, as after a click by a person.",
        ),
    ]
