"""The public pages: a pass as everybody may see it who knows its handle, and its file."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

import segno
from aiohttp import ETag, hdrs, web
from aiohttp.typedefs import Handler, Middleware
from babel import Locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from services.gateway.catalogue.links import LinkEndedError, LinkNotFoundError
from services.gateway.catalogue.passcodes import MAX_PASSCODE_CHARACTERS, PasscodeNeededError
from services.gateway.catalogue.served import ServedContent
from services.gateway.catalogue.showcase import Shown
from services.gateway.context import Context
from services.gateway.routes.files import WALLET_MEDIA, note_download, send_file
from services.gateway.routes.pages.languages import accepted_languages, wording_language
from services.gateway.routes.pages.pass_fields import BACK_GROUPS, write_fields
from services.gateway.routes.pages.wording import WORDINGS
from services.gateway.usecases import passes
from shared import clock
from shared.contracts.generator import Content
from shared.contracts.triggers import Pass
from shared.errors import (
    ApplicationError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from shared.http.conditional import has_tag, modified_since
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.problems import AddressNotFoundError
from shared.identifiers import HANDLE_PATTERN
from shared.passes.schema.colours import normalise_colour
from shared.passes.schema.encodings import LATIN, encoded
from shared.passes.schema.formats import direction_of, find_locale
from shared.passes.schema.localization import primary_language
from shared.passes.template.display import Display

TEMPLATES = Path(__file__).parent / "templates"
HTML_MEDIA = "text/html"
TAG = "Pages"
ERROR_PAGES: Final = {HTML_MEDIA: None}
"""What browsers are shown at public addresses, in documents."""

GOOGLE_SAVES: Final = "https://pay.google.com"
"""Where a form may lead: to the page at which Google adds passes."""

IPHONES: Final = ("iPhone", "iPod")
Device = Literal["iphone", "android", "other"]

GUARDED: Final = (
    "Where the pass has a passcode, browsers are asked for it on a page and programs get 403 until "
    "they send the cookie that `POST /d/{handle}` gives for it."
)
"""What documents say of whatever a passcode guards."""

PRIVATE: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}
FILE_HEADERS: Final = {**PRIVATE, hdrs.CACHE_CONTROL: "private, no-cache"}

_PUBLIC: Final = re.compile(r"/(?:c|d|p|pass)(?:[./].*)?", re.DOTALL)
"""The paths that people open; what fails there is told to browsers as a page."""


class NotAvailableYetError(NotFoundError):
    """The page at this address is not available yet."""

    code = "not_available_yet"


_NOTICES: Final = (
    ((LinkNotFoundError, LinkEndedError), "link_ended"),
    (NotAvailableYetError, "not_available"),
    (AddressNotFoundError, "no_page"),
    (NotFoundError, "not_found"),
    (GoneError, "gone"),
    (TooLargeError, "too_large"),
    ((InvalidError, ForbiddenError), "bad_link"),
)
"""Kinds of errors, the narrower ones first, and the words for each."""


_ADDRESS = re.compile(rf"({HANDLE_PATTERN})(\.pkpass)?[^0-9A-Za-z]{{0,20}}", re.IGNORECASE)
"""A handle, and behind it what is not part of an address."""

_BUNDLE: Final = re.compile(
    rf"/p\.pkpasses\?pass={HANDLE_PATTERN}(?:&pass={HANDLE_PATTERN}){{0,9}}"
)


class Pages:
    """Renders what people see."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pass = environment.get_template("pass.html")
        self._notice = environment.get_template("notice.html")
        self._passcode = environment.get_template("passcode.html")
        self._waiting = environment.get_template("waiting.html")
        self._offer = environment.get_template("offer.html")

    def render_pass(
        self,
        issued: Pass,
        shown: Shown,
        accepted: Sequence[str],
        page_url: str,
        *,
        device: Device = "other",
        has_google: bool = False,
    ) -> web.Response:
        """Show a pass in the language that was chosen for it, with the device's wallet first."""
        display = shown.display
        own = [shown.language] if shown.language else []
        words = wording_language(*(own or accepted))
        groups = write_fields(display.groups, _locale(shown.language, accepted), clock.now())
        colours = {
            "background": normalise_colour(display.background_color) or "rgb(255, 255, 255)",
            "foreground": normalise_colour(display.foreground_color) or "rgb(0, 0, 0)",
            "label": normalise_colour(display.label_color) or "rgb(0, 0, 0)",
        }
        is_over = issued.voided or shown.is_expired
        response = _page(
            self._pass,
            HTTPStatus.OK,
            words,
            shown.language or words,
            forms=f"'self' {GOOGLE_SAVES}" if has_google else "'none'",
            device=device,
            google_url=f"/p/{issued.handle}/google" if has_google and not is_over else "",
            display=display,
            groups=groups,
            back=[entry for group in BACK_GROUPS for entry in groups.get(group, [])],
            code=barcode(display, WORDINGS[words]["pass_code"]),
            page_code=qr_code(page_url.encode(), WORDINGS[words]["page_code"]),
            colours=colours,
            images=shown.images,
            file_url=f"/p/{issued.handle}{passes.FILE_SUFFIX}",
            is_voided=issued.voided,
            is_expired=shown.is_expired,
            is_development=shown.is_development,
        )
        response.headers[hdrs.VARY] += f", {hdrs.USER_AGENT}"
        return response

    def render_waiting(self, address: str, accepted: Sequence[str]) -> web.Response:
        """Show a page that tries again by itself until a pass is at Google."""
        words = wording_language(*accepted)
        return _page(self._waiting, HTTPStatus.OK, words, words, address=address)

    def render_notice(self, error: ApplicationError, accepted: Sequence[str]) -> web.Response:
        """Say in plain words why there is nothing to see."""
        words = wording_language(*accepted)
        kind = _notice_kind(error)
        text = _faults(error) if kind == "bad_link" else WORDINGS[words][f"{kind}_why"]
        title = WORDINGS[words][kind]
        response = _page(self._notice, error.status, words, words, title=title, text=text)
        _tell_more(response, error)
        if isinstance(error, UnavailableError):
            response.headers.setdefault(hdrs.RETRY_AFTER, "1")
        return response

    def render_passcode(
        self, handle: str, then: str, error: ApplicationError, accepted: Sequence[str]
    ) -> web.Response:
        """Ask for the passcode of a pass, of which nothing else is told.

        To be asked is no fault of the reader's; what was wrong with the answer is.
        """
        words = wording_language(*accepted)
        is_first = isinstance(error, PasscodeNeededError)
        response = _page(
            self._passcode,
            HTTPStatus.OK if is_first else error.status,
            words,
            words,
            forms="'self'",
            address=passcode_path(handle),
            then=then,
            longest=MAX_PASSCODE_CHARACTERS,
            fault="" if is_first else WORDINGS[words][error.code],
        )
        _tell_more(response, error)
        return response

    def render_offer(self, accepted: Sequence[str]) -> web.Response:
        """Ask to press a button, which posts to the address of the page, before a pass is made."""
        words = wording_language(*accepted)
        return _page(self._offer, HTTPStatus.OK, words, words, forms="'self'")


def error_pages() -> Middleware:
    """Make the middleware that shows errors of public addresses to browsers as pages.

    Machines, which do not ask for HTML, get the problem that any other address answers.
    """
    pages = Pages()

    @web.middleware
    async def show_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not wants_page(request):
            return await handler(request)
        try:
            return await handler(request)
        except PasscodeNeededError as error:
            then = way_back(request.path_qs, error.handle)
            return pages.render_passcode(error.handle, then, error, accepted_languages(request))
        except ApplicationError as error:
            return pages.render_notice(error, accepted_languages(request))
        except web.HTTPNotFound:
            return pages.render_notice(AddressNotFoundError(), accepted_languages(request))

    return show_errors


def wants_page(request: web.Request) -> bool:
    """Whether somebody looks at a public address with a browser."""
    accepts = request.headers.get(hdrs.ACCEPT, "")
    return HTML_MEDIA in accepts.lower() and _PUBLIC.fullmatch(request.path) is not None


def is_phone(request: web.Request) -> bool:
    """Whether a phone asks that can open the file of a pass at once."""
    return device_of(request) == "iphone"


def passcode_path(handle: str) -> str:
    """Give the path of the page that takes the passcode of a pass, and then shows the pass."""
    return f"/d/{handle}"


def device_of(request: web.Request) -> Device:
    """Tell whose phone asks; tablets and computers get both wallets."""
    user_agent = request.headers.get(hdrs.USER_AGENT, "")
    if any(phone in user_agent for phone in IPHONES):
        return "iphone"
    return "android" if "Android" in user_agent else "other"


def way_back(path: str, handle: str) -> str:
    """Give the path if it leads to this pass, else that of its page: a form may name any."""
    own = {f"/p/{handle}", f"/p/{handle}{passes.FILE_SUFFIX}"}
    is_bundle = _BUNDLE.fullmatch(path) is not None and f"pass={handle}" in path
    return path if path in own or is_bundle else passcode_path(handle)


def barcode(display: Display, title: str) -> Markup | None:
    """Draw a QR code as SVG; None for other kinds of codes, and for what is too long for one."""
    if display.barcode_format != "PKBarcodeFormatQR" or not display.barcode_message:
        return None
    return qr_code(encoded(display.barcode_message, display.barcode_encoding or LATIN), title)


def qr_code(content: bytes, title: str) -> Markup | None:
    """Draw the bytes as a QR code; None if they are too many. The title is a text of ours."""
    drawing = BytesIO()
    try:
        code = segno.make_qr(content, error="m")
    except segno.DataOverflowError:
        return None
    code.save(drawing, kind="svg", xmldecl=False, omitsize=True, border=2, title=title)
    return Markup(drawing.getvalue().decode())  # noqa: S704 - made by us, of squares only


async def show_pass(
    call: Call[None, None], *, context: Context, pages: Pages
) -> web.StreamResponse:
    """Show a pass on a page of its own."""
    accepted = accepted_languages(call.request)
    issued = await passes.read(context, None, call.path["handle"])
    context.passcodes.guard(issued, call.request.cookies)
    shown = await context.showcase.show(issued, accepted)
    has_google = await context.google_issuers.is_offered(issued.account_id, issued.template_id)
    return pages.render_pass(
        issued,
        shown,
        accepted,
        passes.page_url(context, issued.handle),
        device=device_of(call.request),
        has_google=has_google,
    )


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


async def refuse_page(_call: Call[None, None]) -> web.StreamResponse:
    """Say that a page which texts of passes name is not there yet."""
    raise NotAvailableYetError


def _tell_more(response: web.Response, error: ApplicationError) -> None:
    """Say of a page in place of a problem what the problem would say in headers."""
    response.headers.update(getattr(error, "headers", {}))
    response.headers[hdrs.VARY] += f", {hdrs.ACCEPT}"


def _label(response: web.StreamResponse, content: Content, tag: ETag) -> None:
    response.etag = tag
    response.last_modified = content.last_modified
    response.headers.update(FILE_HEADERS)


def _locale(language: str, accepted: Sequence[str]) -> Locale:
    """Return how the reader writes numbers: de-AT where German is shown to an Austrian."""
    if not language:
        return find_locale(*accepted)
    primary = primary_language(language)
    return find_locale(*(tag for tag in accepted if primary_language(tag) == primary), language)


def _notice_kind(error: ApplicationError) -> str:
    for kinds, words in _NOTICES:
        if isinstance(error, kinds):
            return words
    return "bad_link" if error.status < HTTPStatus.NOT_FOUND else "away"


def _faults(error: ApplicationError) -> str:
    details = [f"{fault['pointer']}: {fault['detail']}" for fault in error.errors]
    return " ".join([error.detail, "; ".join(details)]).strip()


def _page(
    template: Template,
    status: int,
    words: str,
    language: str,
    *,
    forms: str = "'none'",
    **facts: Any,  # noqa: ANN401
) -> web.Response:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; img-src 'self'; style-src 'nonce-{nonce}'; "
        f"base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    )
    language = language.replace("_", "-")
    return web.Response(
        text=template.render(
            nonce=nonce,
            words=WORDINGS[words],
            words_language=words,
            language=language,
            direction=direction_of(language),
            **facts,
        ),
        status=status,
        content_type=HTML_MEDIA,
        charset="utf-8",
        headers={
            **PRIVATE,
            "Content-Security-Policy": policy,
            hdrs.CONTENT_LANGUAGE: language,
            hdrs.VARY: hdrs.ACCEPT_LANGUAGE,
        },
    )


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
            "/{page:[pd]}/{address:.+}",
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
        Endpoint(
            "GET",
            r"/pass/{page:(?:register|editor|portal|scan)(?:\.php)?}",
            refuse_page,
            summary="A page that is not available yet",
            tag=TAG,
            scope=None,
            raw=True,
            media=HTML_MEDIA,
            errors=(NotAvailableYetError,),
            hidden=True,
            description="Addresses that magic strings such as `{psRegisterURL}` stand for. They "
            "answer 404: browsers see a page that says so.",
        ),
    ]
