"""The public pages: a pass as everybody may see it who knows its handle, and its file."""

import re
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import ETag, hdrs, web

from services.gateway.catalogue.passcodes import PasscodeNeededError
from services.gateway.catalogue.served import ServedContent
from services.gateway.context import Context
from services.gateway.routes.files import WALLET_MEDIA, note_download, send_file
from services.gateway.routes.pages.faces import Face
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.rendering import PRIVATE, Pages, passcode_path
from services.gateway.routes.pages.visitors import HTML_MEDIA, device_of
from services.gateway.usecases import passes
from shared.contracts.generator import Content
from shared.contracts.triggers import Pass
from shared.errors import GoneError, NotFoundError
from shared.http.conditional import has_tag, modified_since
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.identifiers import HANDLE_PATTERN

TAG = "Pages"
ERROR_PAGES: Final = {HTML_MEDIA: None}
"""What browsers are shown at public addresses, in documents."""

GUARDED: Final = (
    "Where the pass has a passcode, browsers are asked for it on a page and programs get 403 until "
    "they send the cookie that `POST /d/{handle}` gives for it."
)
"""What documents say of whatever a passcode guards."""

FILE_HEADERS: Final = {**PRIVATE, hdrs.CACHE_CONTROL: "private, no-cache"}

_ADDRESS = re.compile(rf"({HANDLE_PATTERN})(\.pkpass)?[^0-9A-Za-z]{{0,20}}", re.IGNORECASE)
"""A handle, and behind it what is not part of an address."""


async def show_pass(
    call: Call[None, None], *, context: Context, pages: Pages
) -> web.StreamResponse:
    """Show a pass on a page of its own."""
    accepted = accepted_languages(call.request)
    issued = await passes.read(context, None, call.path["handle"])
    context.passcodes.guard(issued, call.request.cookies)
    shown = await context.showcase.show(issued, accepted)
    face = Face.of(
        shown,
        accepted,
        device=device_of(call.request),
        issued=issued,
        has_google=await context.google_issuers.is_offered(issued.account_id, issued.template_id),
    )
    return pages.render_pass(face, accepted, passes.page_url(context, issued.handle))


async def show_download_page(
    call: Call[None, None], *, context: Context, pages: Pages
) -> web.StreamResponse:
    """Show a pass at the address that Pass2U's links have."""
    return await show_pass(call, context=context, pages=pages)


async def find_pass_page(call: Call[None, None], *, context: Context) -> web.StreamResponse:
    """Lead to the pass from its address with what mail programs put behind it, as `.` or `)`."""
    found = _ADDRESS.fullmatch(call.path["address"])
    if found is None:
        raise NotFoundError
    suffix = passes.FILE_SUFFIX if found[2] else ""
    target = f"{passes.page_url(context, found[1].lower())}{suffix}"
    return web.Response(status=HTTPStatus.FOUND, headers={**PRIVATE, hdrs.LOCATION: target})


async def download_pass(
    call: Call[None, None], *, context: Context, is_guarded: bool = True
) -> web.StreamResponse:
    """Give out the file that goes into the wallet; not guarded from who has a right to it."""
    request = call.request
    since = modified_since(request) if hdrs.IF_NONE_MATCH not in request.headers else None
    handle = call.path["handle"]
    known = await passes.look_again(context, handle, since)
    issued = known or await passes.read(context, None, handle)
    if is_guarded:
        context.passcodes.guard(issued, request.cookies)
    if isinstance(issued, ServedContent):
        content = issued.content
    else:
        content = await passes.content(context, issued, since, known_as=handle, keep_files=True)
    return await _send_download(request, context, issued, content, since)


async def _send_download(
    request: web.Request,
    context: Context,
    issued: Pass | ServedContent,
    content: Content,
    since: datetime | None,
) -> web.StreamResponse:
    tag = ETag(f"{content.content_number}-{int(content.last_modified.timestamp())}")
    is_known = since is not None and content.last_modified <= since
    if content.not_modified or is_known or has_tag(request, tag):
        response = web.StreamResponse(status=HTTPStatus.NOT_MODIFIED)
        _label(response, content, tag)
        note_download(request, context, issued, content, 304)
        return response
    response = web.Response()
    _label(response, content, tag)
    await send_file(
        request, response, passes.pass_file(context, content), f"pass{passes.FILE_SUFFIX}"
    )
    note_download(request, context, issued, content, 200)
    return response


def _label(response: web.StreamResponse, content: Content, tag: ETag) -> None:
    response.etag = tag
    response.last_modified = content.last_modified
    response.headers.update(FILE_HEADERS)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module; the file's comes first: the page's would match it."""
    pages = Pages()
    page: partial[AnyEndpoint] = partial(
        Endpoint,
        tag=TAG,
        scope=None,
        raw=True,
        media=HTML_MEDIA,
        other_errors=ERROR_PAGES,
        errors=(PasscodeNeededError, NotFoundError, GoneError),
    )
    return [
        Endpoint(
            "GET",
            f"/p/{{handle:{HANDLE_PATTERN}}}{passes.FILE_SUFFIX}",
            partial(download_pass, context=context),
            summary="Download a pass for Apple Wallet",
            tag=TAG,
            scope=None,
            raw=True,
            media=WALLET_MEDIA,
            also=(HTTPStatus.NOT_MODIFIED,),
            also_media=(HTML_MEDIA,),
            other_errors=ERROR_PAGES,
            errors=(PasscodeNeededError, NotFoundError, GoneError),
            description=f"Always the newest version; 304 where `If-None-Match` names it. {GUARDED}",
        ),
        page(
            "GET",
            f"/p/{{handle:{HANDLE_PATTERN}}}",
            partial(show_pass, context=context, pages=pages),
            summary="Show a pass on its public page",
            description="A page for its holder, in the reader's language, with what the pass shows "
            f"and a link to its file. {GUARDED}",
        ),
        page(
            "GET",
            passcode_path(f"{{handle:{HANDLE_PATTERN}}}"),
            partial(show_download_page, context=context, pages=pages),
            summary="Show a pass on its public page, at Pass2U's address",
            description=f"The same page as at `/p/{{handle}}`. {GUARDED}",
        ),
        Endpoint(
            "GET",
            "/{page:[pd]}/{address:(?s:.+)}",
            partial(find_pass_page, context=context),
            summary="Lead to a pass from an address that was damaged on its way",
            tag=TAG,
            scope=None,
            raw=True,
            media=HTML_MEDIA,
            status=302,
            errors=(NotFoundError,),
            hidden=True,
        ),
    ]
