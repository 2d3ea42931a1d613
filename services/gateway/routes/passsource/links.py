"""The links under `/pass`: they create a pass, show it, hand out its file, and export passes."""

from dataclasses import replace
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web

from services.gateway.catalogue.passcodes import PasscodeNeededError
from services.gateway.context import Context
from services.gateway.routes.files import CSV_MEDIA, WALLET_MEDIA, send_csv
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.passes import ERROR_PAGES, GUARDED, download_pass
from services.gateway.routes.pages.rendering import PRIVATE, Pages
from services.gateway.routes.pages.visitors import HTML_MEDIA, is_person, is_phone
from services.gateway.routes.passsource import exports, passes
from services.gateway.routes.passsource.access import (
    ClientHashError,
    NoRightError,
    Visit,
    begin_visit,
)
from services.gateway.routes.passsource.api import (
    CLIENT_HASH,
    TAG,
    TEMPLATE_HASH,
    query_parameter,
)
from services.gateway.routes.passsource.staff import GRANT
from services.gateway.routes.passsource.words import FORM_MEDIAS, MAX_UPLOAD_BYTES, Form
from services.gateway.usecases import passes as usecases
from services.gateway.usecases.passes import FILE_SUFFIX
from shared.errors import (
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    TooLargeError,
)
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.problems import SlowRequestError

WORDS: Final = ("generate", "download", passes.REPLACE)
GENERATE: Final = query_parameter("generate", "`true`: answer the hash alone.", "true")
PARAMETERS: Final = (
    TEMPLATE_HASH,
    CLIENT_HASH,
    query_parameter("hashedSerialNumber", "The pass to show or change, instead of a template."),
    GENERATE,
    query_parameter("download", "`true`: answer the file."),
)


async def open_link(call: Call[Any, Any], *, context: Context, pages: Pages) -> web.StreamResponse:
    """Create a pass from a link, or show the pass that the link names.

    Who only looks, as a previewer does, gets a page with a button instead where there would be an
    effect.
    """
    request = call.request
    if request.method == hdrs.METH_HEAD:  # whoever only looks at a link creates nothing
        return web.Response(content_type=HTML_MEDIA, headers=PRIVATE)
    visit = await begin_visit(context, request)
    if request.method == hdrs.METH_GET and not is_person(request) and _has_effect(visit):
        return pages.render_offer(accepted_languages(request))
    handle = await _handle(visit)
    if visit.words.flag("generate"):
        return web.Response(text=handle, headers=PRIVATE)
    if visit.words.flag("download"):
        call = replace(call, path={"handle": handle})
        return await download_pass(call, context=context, is_guarded=False)
    url = usecases.page_url(context, handle)
    # Elsewhere than at the link itself, so that looking again creates nothing.
    headers = {**PRIVATE, hdrs.LOCATION: url + FILE_SUFFIX if is_phone(request) else url}
    return web.Response(status=303, headers=headers)


async def post_link(call: Call[Any, Any], *, context: Context, pages: Pages) -> web.StreamResponse:
    """Create a pass from a form."""
    return await open_link(call, context=context, pages=pages)


def _has_effect(visit: Visit) -> bool:
    is_there = bool(visit.words.credentials.get("hashedSerialNumber"))
    return not is_there or bool(visit.words.paths(but=("generate", "download")))


async def _handle(visit: Visit) -> str:
    values = visit.words.paths(but=WORDS)
    wants_hash = visit.words.flag("generate") is True
    visit.words.flag("download")
    if visit.words.credentials.get("hashedSerialNumber"):
        found = await visit.find_pass()
        if values or visit.words.flag(passes.REPLACE):
            await passes.update(visit, values)
        return found.handle
    if wants_hash and await visit.owner_of(visit.template_name().account_id) is None:
        raise NoRightError
    return (await passes.issue(visit, values)).handle


async def export_passes(call: Call[Any, Any], *, context: Context) -> web.StreamResponse:
    """Send the passes of a template as CSV: 1,000 from `start` on, or with `all` each of them."""
    request = call.request
    visit = await begin_visit(context, request)
    grant = await context.grants.read(request.query.get(GRANT, ""), "export")
    if grant is not None:
        visit = replace(visit, client=grant.account)
    _, template = await visit.template()
    rows = exports.export_rows(
        visit,
        template,
        start=visit.words.number("start", 0, 0),
        is_all=visit.words.flag("all") is True,
    )
    return await send_csv(request, rows)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    pages = Pages()
    errors = (InvalidError, ForbiddenError, NotFoundError, GoneError)
    guarded = (PasscodeNeededError, *errors)
    endpoint: partial[AnyEndpoint] = partial(
        Endpoint,
        dialect="passsource",
        tag=TAG,
        scope=None,
        raw=True,
        other_errors=ERROR_PAGES,
    )
    create: partial[AnyEndpoint] = partial(
        endpoint,
        path=r"/pass/{page:create(?:\.php)?}",
        shown=("/pass/create.php", "/pass/create"),
        parameters=PARAMETERS,
        status=303,
        also=(200, 304),
        media="text/plain",
        also_media=(WALLET_MEDIA, HTML_MEDIA),
    )
    return [
        create(
            "GET",
            handler=partial(open_link, context=context, pages=pages),
            summary="Create a pass from a link, or show one",
            errors=guarded,
            description="With `templateHash` and values by API path a pass is created, of which "
            "only user-editable ones are set without a `clientHash`; with `hashedSerialNumber` "
            "that pass is shown. `download=true` gives the file, `generate=true` the hash. "
            f"Without a `clientHash` that has a right to it: {GUARDED[0].lower()}{GUARDED[1:]}",
        ),
        create(
            "POST",
            handler=partial(post_link, context=context, pages=pages),
            summary="Create a pass from a form",
            errors=(*guarded, SlowRequestError, TooLargeError),
            body=Form,
            described=FORM_MEDIAS,
            body_limit=MAX_UPLOAD_BYTES,
            description="As the link does, with the parameters in a form.",
        ),
        endpoint(
            "GET",
            r"/pass/{page:export(?:\.php)?}",
            partial(export_passes, context=context),
            shown=("/pass/export.php", "/pass/export"),
            parameters=(
                {**TEMPLATE_HASH, "required": True},
                CLIENT_HASH,
                query_parameter("start", "How many passes to leave out."),
                query_parameter("all", "`true`: all passes."),
            ),
            summary="Export the passes of a template as CSV",
            media=CSV_MEDIA,
            errors=(ClientHashError, *errors),
            description="A column for each of the template's `psExportPaths`: 1,000 "
            "passes from `start` on, or all with `all=true`. It needs a `clientHash`, or the "
            "grant that the template's portal gives.",
        ),
    ]
