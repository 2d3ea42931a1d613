"""Adds a pass to Google Wallet, from the button on its page."""

from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from services.gateway.catalogue.google_issuers import GoogleNotConfiguredError
from services.gateway.catalogue.passcodes import PasscodeNeededError
from services.gateway.context import Context
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.passes import ERROR_PAGES, GUARDED, TAG
from services.gateway.routes.pages.rendering import PRIVATE, Pages
from services.gateway.routes.pages.visitors import HTML_MEDIA
from services.gateway.usecases import google, passes
from shared.contracts.triggers import Pass
from shared.errors import ConflictError, GoneError, InvalidError, NotFoundError, UnavailableError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.identifiers import trim_handle


async def add_to_google(
    call: Call[Any, None], *, context: Context, pages: Pages
) -> web.StreamResponse:
    """Want a pass at Google, and lead to Google's page that adds it."""
    issued = await _read(call, context)
    if issued.voided or await context.showcase.has_expired(issued):
        return _lead(passes.page_url(context, issued.handle))
    await google.keep(context, issued.account_id, issued.template_id, issued)
    return await _go_on(call.request, context, issued, pages)


async def go_on_to_google(
    call: Call[None, None], *, context: Context, pages: Pages
) -> web.StreamResponse:
    """Lead to Google's page as soon as the pass that was wanted there is there."""
    return await _go_on(call.request, context, await _read(call, context), pages)


async def _read(call: Call[Any, None], context: Context) -> Pass:
    issued = await passes.read(context, None, trim_handle(call.path["handle"]))
    context.passcodes.guard(issued, call.request.cookies)
    return issued


async def _go_on(
    request: web.Request, context: Context, issued: Pass, pages: Pages
) -> web.StreamResponse:
    try:
        made = await google.link(
            context,
            issued.account_id,
            issued.handle,
            life_seconds=google.CLICK_LIFE_SECONDS,
            patience=google.CLICK_SECONDS,
        )
    except UnavailableError:
        address = f"/p/{issued.handle}/google"
        return pages.render_waiting(address, accepted_languages(request))
    return _lead(made.save_url)


def _lead(address: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**PRIVATE, hdrs.LOCATION: address})


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    pages = Pages()
    endpoint: partial[AnyEndpoint] = partial(
        Endpoint,
        path="/p/{handle}/google",
        tag=TAG,
        scope=None,
        raw=True,
        media=HTML_MEDIA,
        status=HTTPStatus.SEE_OTHER,
        also=(HTTPStatus.OK,),
        other_errors=ERROR_PAGES,
        errors=(
            PasscodeNeededError,
            NotFoundError,
            GoneError,
            ConflictError,
            GoogleNotConfiguredError,
            InvalidError,
        ),
    )
    return [
        endpoint(
            "POST",
            handler=partial(add_to_google, context=context, pages=pages),
            summary="Add a pass to Google Wallet",
            description="From now on the pass is kept at Google, too. 303 to Google's page that "
            f"adds it; 200: a page that tries again, while Google is slow. {GUARDED}",
        ),
        endpoint(
            "GET",
            handler=partial(go_on_to_google, context=context, pages=pages),
            summary="Go on to Google Wallet with a pass that was wanted there",
            description="As the POST, of a pass for which that was done: 303 to Google's page. "
            "It changes nothing.",
        ),
    ]
