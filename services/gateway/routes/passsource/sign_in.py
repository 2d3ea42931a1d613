"""The way into pages of issuers and tills: by client hash, edit code or sign-in, for a grant."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import hdrs, web
from structlog.contextvars import bind_contextvars

from services.gateway.catalogue.attempts import TooManyAttemptsError
from services.gateway.catalogue.grants import EditCodeRefusedError
from services.gateway.catalogue.logins import LoginRefusedError, SubscriptionEndedError
from services.gateway.context import Context
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.passes import ERROR_PAGES
from services.gateway.routes.pages.rendering import PRIVATE, NotAvailableYetError, Pages
from services.gateway.routes.pages.visitors import HTML_MEDIA, wants_page
from services.gateway.routes.passsource.access import ClientHashError, begin_visit
from services.gateway.routes.passsource.api import CLIENT_HASH, TAG, query_parameter
from services.gateway.routes.passsource.editor import show_editor
from services.gateway.routes.passsource.portal import show_portal
from services.gateway.routes.passsource.staff import GRANT, Staff
from services.gateway.routes.passsource.words import (
    FORM_MEDIAS,
    MAX_UPLOAD_BYTES,
    Form,
    read_words,
)
from shared.errors import ApplicationError, GoneError, InvalidError, NotFoundError, TooLargeError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.forwarding import client_address
from shared.http.limiting import disprove, prove
from shared.http.parsing import uuid_in_path

OPENED: Final[Mapping[str, Callable[[Staff], Awaitable[web.StreamResponse]]]] = {
    "editor": show_editor,
    "portal": show_portal,
}
"""What each page shows to whoever may see it."""

PAGES_OF_STAFF: Final = ("editor", "portal", "scan", "batch", "configure")
PAGES_BY_CODE: Final = frozenset({"editor", "scan", "configure"})
"""What whoever knows a template's psEditCode may open."""

_CREDENTIALS: Final = frozenset({"clientHash", "psEditCode", GRANT})


async def enter(call: Call[Any, Any], *, context: Context, pages: Pages) -> web.StreamResponse:
    """Let somebody into a page; what opened it gives way to a grant in the address at once."""
    request, page = call.request, _page(call)
    query = request.query
    if text := query.get("clientHash"):
        account = await context.logins.find_client(text)
        if account is None:
            disprove(request, text)
            return _ask(request, pages, ClientHashError())
        prove(request, text)
        return _go_on(request, context.grants.of_account(account, page))
    if (code := query.get("psEditCode")) and page in PAGES_BY_CODE:
        template_id = uuid_in_path(query.get("templateId", "")) or UUID(int=0)
        try:
            grant = await context.grants.of_code(template_id, code, page, client_address(request))
        except (EditCodeRefusedError, TooManyAttemptsError) as error:
            return _ask(request, pages, error)
        return _go_on(request, grant)
    return await _open(call, context, pages) or _ask(request, pages, None)


async def _open(call: Call[Any, Any], context: Context, pages: Pages) -> web.StreamResponse | None:
    """Show the page to whoever has a grant for it; None for anybody else."""
    request, page = call.request, _page(call)
    text = request.query.get(GRANT, "")
    grant = await context.grants.read(text, page)
    if grant is None:
        return None
    if page not in OPENED:
        raise NotAvailableYetError
    visit = replace(await begin_visit(context, request), client=grant.account)
    bind_contextvars(account_id=str(grant.account.account_id))
    return await OPENED[page](Staff(request, context, pages, visit, grant, text))


async def sign_in(call: Call[Any, Any], *, context: Context, pages: Pages) -> web.StreamResponse:
    """Let somebody into a page by e-mail and password; a form of the page itself is its own."""
    opened = await _open(call, context, pages)
    if opened is not None:
        return opened
    request, words = call.request, await read_words(call.request)
    email, password = words.text("email") or "", words.text("password") or ""
    try:
        account = await context.logins.login(email, password, client_address(request))
    except (LoginRefusedError, SubscriptionEndedError, TooManyAttemptsError) as error:
        return _ask(request, pages, error)
    return _go_on(request, context.grants.of_account(account, _page(call)))


def _page(call: Call[Any, Any]) -> str:
    return call.path["page"].removesuffix(".php")


def _ask(request: web.Request, pages: Pages, error: ApplicationError | None) -> web.StreamResponse:
    """Show the form to a browser; a machine hears that it needs a client hash."""
    if not wants_page(request):
        raise error or ClientHashError
    return pages.render_sign_in(_address(request), error, accepted_languages(request))


def _go_on(request: web.Request, grant: str) -> web.Response:
    headers = {**PRIVATE, hdrs.LOCATION: _address(request, grant)}
    return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)


def _address(request: web.Request, grant: str = "") -> str:
    """Give the address of the page without what opened it."""
    kept = [(name, value) for name, value in request.query.items() if name not in _CREDENTIALS]
    query = urlencode([*kept, *([(GRANT, grant)] if grant else [])])
    return f"{request.path}?{query}" if query else request.path


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    pages = Pages()
    endpoint: partial[AnyEndpoint] = partial(
        Endpoint,
        path=rf"/pass/{{page:(?:{'|'.join(PAGES_OF_STAFF)})(?:\.php)?}}",
        dialect="passsource",
        tag=TAG,
        scope=None,
        raw=True,
        media=HTML_MEDIA,
        other_errors=ERROR_PAGES,
        hidden=True,
        also=(HTTPStatus.SEE_OTHER,),
        parameters=(CLIENT_HASH, query_parameter(GRANT, "What the page itself puts there.")),
    )
    errors = (
        ClientHashError,
        NotAvailableYetError,
        EditCodeRefusedError,
        TooManyAttemptsError,
        NotFoundError,
        GoneError,
        InvalidError,
    )
    return [
        endpoint(
            "GET",
            handler=partial(enter, context=context, pages=pages),
            summary="Open a page of issuers or tills",
            errors=errors,
            description="A `clientHash`, or `templateId` and `psEditCode`, gives way to a grant of "
            "twelve hours: 303. Without any of them 200, a sign-in form.",
        ),
        endpoint(
            "POST",
            handler=partial(sign_in, context=context, pages=pages),
            summary="Sign in to a page of issuers or tills",
            errors=(*errors, LoginRefusedError, SubscriptionEndedError, TooLargeError),
            body=Form,
            described=FORM_MEDIAS,
            body_limit=MAX_UPLOAD_BYTES,
            description="303 to the page, with a grant. With one, a form of the page itself.",
        ),
    ]
