"""Renders what people see, and says under which policy a browser shows it."""

import secrets
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import hdrs, web
from babel import Locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.gateway.catalogue.links import LinkEndedError, LinkNotFoundError
from services.gateway.catalogue.passcodes import MAX_PASSCODE_CHARACTERS, PasscodeNeededError
from services.gateway.catalogue.showcase import Shown
from services.gateway.routes.pages.codes import draw_barcode, draw_qr
from services.gateway.routes.pages.languages import wording_language
from services.gateway.routes.pages.pass_fields import BACK_GROUPS, write_fields
from services.gateway.routes.pages.visitors import HTML_MEDIA, Device
from services.gateway.routes.pages.wording import WORDINGS
from services.gateway.usecases import passes
from shared import clock
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
from shared.http.problems import AddressNotFoundError
from shared.http.static import StaticFiles
from shared.passes.schema.colours import normalise_colour
from shared.passes.schema.formats import direction_of, find_locale
from shared.passes.schema.localization import primary_language

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"

GOOGLE_SAVES: Final = "https://pay.google.com"
"""Where a form may lead: to the page at which Google adds passes."""

PRIVATE: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}


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


class Pages:
    """Renders what people see."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["static"] = StaticFiles(STATIC).path
        self._environment = environment

    def render(
        self,
        name: str,
        words: str,
        *,
        status: int = HTTPStatus.OK,
        language: str = "",
        forms: str = "'none'",
        **facts: Any,  # noqa: ANN401 - whatever the template shows
    ) -> web.Response:
        """Fill a template: `words` is the language of our own texts, `language` that of the rest.

        `forms` says where forms may lead, in the words of the Content-Security-Policy.
        """
        nonce = secrets.token_urlsafe(16)
        language = (language or words).replace("_", "-")
        return web.Response(
            text=self._environment.get_template(name).render(
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
                "Content-Security-Policy": _policy(nonce, forms),
                hdrs.CONTENT_LANGUAGE: language,
                hdrs.VARY: hdrs.ACCEPT_LANGUAGE,
            },
        )

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
        response = self.render(
            "pass.html",
            words,
            language=shown.language,
            forms=f"'self' {GOOGLE_SAVES}" if has_google else "'none'",
            device=device,
            google_url=f"/p/{issued.handle}/google" if has_google and not is_over else "",
            display=display,
            groups=groups,
            back=[entry for group in BACK_GROUPS for entry in groups.get(group, [])],
            code=draw_barcode(display, WORDINGS[words]["pass_code"]),
            page_code=draw_qr(page_url.encode(), WORDINGS[words]["page_code"]),
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
        return self.render("waiting.html", words, address=address)

    def render_notice(self, error: ApplicationError, accepted: Sequence[str]) -> web.Response:
        """Say in plain words why there is nothing to see."""
        words = wording_language(*accepted)
        kind = _notice_kind(error)
        text = _faults(error) if kind == "bad_link" else WORDINGS[words][f"{kind}_why"]
        title = WORDINGS[words][kind]
        response = self.render("notice.html", words, status=error.status, title=title, text=text)
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
        response = self.render(
            "passcode.html",
            words,
            status=HTTPStatus.OK if is_first else error.status,
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
        return self.render("offer.html", words, forms="'self'")


def passcode_path(handle: str) -> str:
    """Give the path of the page that takes the passcode of a pass, and then shows the pass."""
    return f"/d/{handle}"


def _tell_more(response: web.Response, error: ApplicationError) -> None:
    """Say of a page in place of a problem what the problem would say in headers."""
    response.headers.update(getattr(error, "headers", {}))
    response.headers[hdrs.VARY] += f", {hdrs.ACCEPT}"


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


def _policy(nonce: str, forms: str) -> str:
    """Say what a page may load: nothing of others, and no style in it but the pass's colours."""
    return (
        f"default-src 'none'; img-src 'self'; style-src 'self' 'nonce-{nonce}'; "
        f"base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    )
