"""The public pages: a pass as everybody may see it who knows its handle, and its file."""

import re
import secrets
from datetime import date
from functools import partial
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import segno
from aiohttp import ETag, hdrs, web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from services.gateway.catalogue import passes
from services.gateway.catalogue.door import Door
from services.gateway.catalogue.showcase import Shown
from services.gateway.routes.files import WALLET_MEDIA, note_download, send_file
from shared.contracts.generator import Content
from shared.contracts.triggers import Pass
from shared.errors import (
    ApplicationError,
    GoneError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from shared.http.conditional import has_tag, modified_since
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.identifiers import HANDLE_PATTERN
from shared.passes.colours import normalise_colour
from shared.passes.display import Display

TEMPLATES = Path(__file__).parent.parent / "templates"
HTML_MEDIA = "text/html"
TAG = "Pages"

PRIVATE: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}
FILE_HEADERS: Final = {**PRIVATE, hdrs.CACHE_CONTROL: "private, no-cache"}
TOO_LARGE = ("These passes are too large for one file", "Download them one by one.")
NOT_FOUND = ("There is no such pass", "Check the address: part of it may be missing.")
GONE = ("This pass is gone", "Its issuer has deleted it. If that surprises you, ask them.")
AWAY = ("One moment, please", "The pass cannot be shown right now. Try again in a few seconds.")

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)


_ADDRESS = re.compile(rf"({HANDLE_PATTERN})(\.pkpass)?[^0-9A-Za-z]{{0,20}}", re.IGNORECASE)
"""A handle, and behind it what is not part of an address."""


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
        environment.filters["moment"] = moment
        self._pass = environment.get_template("pass.html")
        self._notice = environment.get_template("notice.html")

    def render_pass(self, issued: Pass, shown: Shown, file_url: str) -> web.Response:
        """Show a pass."""
        display = shown.display
        colours = {
            "background": normalise_colour(display.background_color) or "rgb(255, 255, 255)",
            "foreground": normalise_colour(display.foreground_color) or "rgb(0, 0, 0)",
            "label": normalise_colour(display.label_color) or "rgb(0, 0, 0)",
        }
        return _page(
            self._pass,
            HTTPStatus.OK,
            display=display,
            code=qr_code(display),
            colours=colours,
            images=shown.images,
            file_url=file_url,
            is_voided=issued.voided,
            is_development=shown.is_development,
        )

    def render_text(self, title: str, text: str, status: int) -> web.Response:
        """Say something in words of one's own."""
        return _page(self._notice, status, title=title, text=text)

    def render_notice(self, error: ApplicationError) -> web.Response:
        """Say in plain words why there is no pass to see."""
        match error:
            case NotFoundError():
                title, text = NOT_FOUND
            case GoneError():
                title, text = GONE
            case TooLargeError():
                title, text = TOO_LARGE
            case _:
                title, text = AWAY
        response = _page(self._notice, error.status, title=title, text=text)
        if isinstance(error, UnavailableError):
            response.headers[hdrs.RETRY_AFTER] = "1"
        return response


def moment(text: str) -> str:
    """Write a date of a pass as people do; any other text stays as it is."""
    matched = _MOMENT.fullmatch(text)
    if matched is None:
        return text
    try:
        day = date.fromisoformat(matched[1])
    except ValueError:
        return text
    written = f"{day.day} {day:%B %Y}"
    return f"{written}, {matched[2]}" if matched[2] else written


def qr_code(display: Display) -> Markup | None:
    """Draw a QR code as SVG; None for other kinds of codes, and for what is too long for one."""
    if display.barcode_format != "PKBarcodeFormatQR" or not display.barcode_message:
        return None
    drawing = BytesIO()
    try:
        code = segno.make_qr(display.barcode_message, error="m")
    except segno.DataOverflowError:
        return None
    code.save(drawing, kind="svg", xmldecl=False, omitsize=True, border=2, title="QR code")
    return Markup(drawing.getvalue().decode())  # noqa: S704 - made by us, of squares only


async def show_pass(call: Call[None, None], *, door: Door, pages: Pages) -> web.StreamResponse:
    """Show a pass on a page of its own."""
    try:
        issued = await passes.read(door, None, call.path["handle"])
        shown = await door.showcase.show(issued)
    except ApplicationError as error:
        return pages.render_notice(error)
    return pages.render_pass(issued, shown, f"{call.request.path}{passes.FILE_SUFFIX}")


async def find_pass_page(call: Call[None, None], *, pages: Pages) -> web.StreamResponse:
    """Lead to the pass from its address with what mail programs put behind it, as `.` or `)`."""
    found = _ADDRESS.fullmatch(call.path["address"])
    if found is None:
        return pages.render_notice(NotFoundError())
    suffix = passes.FILE_SUFFIX if found[2] else ""
    # Relative, so that it holds under whatever path the gateway stands.
    target = f"/p/{found[1].lower()}{suffix}"
    return web.Response(status=HTTPStatus.FOUND, headers={**PRIVATE, hdrs.LOCATION: target})


async def download_pass(call: Call[None, None], *, door: Door, pages: Pages) -> web.StreamResponse:
    """Give out the file that goes into the wallet."""
    request = call.request
    since = modified_since(request) if hdrs.IF_NONE_MATCH not in request.headers else None
    try:
        issued = await passes.read(door, None, call.path["handle"])
        content = await passes.content(door, issued, since)
    except ApplicationError as error:
        return pages.render_notice(error)
    tag = ETag(f"{content.content_number}-{int(content.last_modified.timestamp())}")
    if content.not_modified or has_tag(request, tag):
        response = web.StreamResponse(status=HTTPStatus.NOT_MODIFIED)
        _label(response, content, tag)
        note_download(request, door, issued, content, 304)
        return response
    response = web.StreamResponse()
    _label(response, content, tag)
    await send_file(request, response, passes.pass_file(door, content), f"pass{passes.FILE_SUFFIX}")
    note_download(request, door, issued, content, 200)
    return response


def _label(response: web.StreamResponse, content: Content, tag: ETag) -> None:
    response.etag = tag
    response.last_modified = content.last_modified
    response.headers.update(FILE_HEADERS)


def _page(template: Template, status: int, **facts: Any) -> web.Response:  # noqa: ANN401
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; img-src 'self'; style-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return web.Response(
        text=template.render(nonce=nonce, **facts),
        status=status,
        content_type=HTML_MEDIA,
        charset="utf-8",
        headers={**PRIVATE, "Content-Security-Policy": policy},
    )


def endpoints(door: Door) -> list[AnyEndpoint]:
    """List the addresses of this room; the file's stands first, since the page's would match it."""
    pages = Pages()
    return [
        Endpoint(
            "GET",
            f"/p/{{handle:{HANDLE_PATTERN}}}{passes.FILE_SUFFIX}",
            partial(download_pass, door=door, pages=pages),
            summary="Download a pass for Apple Wallet",
            tag=TAG,
            scope=None,
            raw=True,
            media=WALLET_MEDIA,
            errors=(NotFoundError, GoneError),
        ),
        Endpoint(
            "GET",
            f"/p/{{handle:{HANDLE_PATTERN}}}",
            partial(show_pass, door=door, pages=pages),
            summary="Show a pass on its public page",
            tag=TAG,
            scope=None,
            raw=True,
            media=HTML_MEDIA,
            errors=(NotFoundError, GoneError),
        ),
        Endpoint(
            "GET",
            "/p/{address:.+}",
            partial(find_pass_page, pages=pages),
            summary="Lead to a pass from an address that was damaged on its way",
            tag=TAG,
            scope=None,
            raw=True,
            media=HTML_MEDIA,
            status=302,
            errors=(NotFoundError,),
        ),
    ]
