"""Renders what people see, and says under which policy a browser shows it."""

import secrets
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import hdrs, web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.gateway.catalogue.links import LinkEndedError, LinkNotFoundError
from services.gateway.catalogue.passcodes import MAX_PASSCODE_CHARACTERS, PasscodeNeededError
from services.gateway.routes.pages.author_html import author_html
from services.gateway.routes.pages.codes import draw_qr
from services.gateway.routes.pages.faces import Face
from services.gateway.routes.pages.languages import wording_language
from services.gateway.routes.pages.visitors import HTML_MEDIA
from services.gateway.routes.pages.wording import WORDINGS
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
from shared.passes.schema.formats import direction_of

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
        self._static = StaticFiles(STATIC)
        self._environment = environment

    def render(
        self,
        name: str,
        words: str,
        *,
        status: int = HTTPStatus.OK,
        language: str = "",
        forms: str = "'none'",
        has_author_html: bool = False,
        **facts: Any,  # noqa: ANN401 - whatever the template shows
    ) -> web.Response:
        """Fill a template: `words` is the language of our own texts, `language` that of the rest.

        `forms` says where forms may lead, in the words of the Content-Security-Policy, which lets
        HTML of authors have styles and images of its own.
        """
        nonce = secrets.token_urlsafe(16)
        language = (language or words).replace("_", "-")
        return web.Response(
            text=self._environment.get_template(name).render(
                nonce=nonce,
                static=self._static.path,
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
                "Content-Security-Policy": _policy(nonce, forms, has_author_html=has_author_html),
                hdrs.CONTENT_LANGUAGE: language,
                hdrs.VARY: hdrs.ACCEPT_LANGUAGE,
            },
        )

    def render_pass(self, face: Face, accepted: Sequence[str], page_url: str) -> web.Response:
        """Show a pass in the language that was chosen for it, with the device's wallet first."""
        return self._render_with("pass.html", face, accepted, page_code=page_url)

    def render_registered(
        self, face: Face, accepted: Sequence[str], page_url: str, message: str, register_url: str
    ) -> web.Response:
        """Thank somebody who has registered, with what the template's author says to it."""
        return self._render_with(
            "registered.html",
            face,
            accepted,
            page_code=page_url,
            message=author_html(message),
            register_url=register_url,
        )

    def render_register(
        self,
        face: Face,
        accepted: Sequence[str],
        message: str,
        *,
        status: int = HTTPStatus.OK,
        **facts: Any,  # noqa: ANN401 - the form
    ) -> web.Response:
        """Show the form by which somebody registers."""
        return self._render_with(
            "register.html", face, accepted, status=status, message=author_html(message), **facts
        )

    def _render_with(
        self,
        name: str,
        face: Face,
        accepted: Sequence[str],
        *,
        status: int = HTTPStatus.OK,
        page_code: str = "",
        **facts: Any,  # noqa: ANN401 - whatever the template shows
    ) -> web.Response:
        words = face.words(accepted)
        title = WORDINGS[words]["page_code"]
        response = self.render(
            name,
            words,
            status=status,
            language=face.language,
            forms=f"'self' {GOOGLE_SAVES}" if face.google_url else "'self'",
            has_author_html=bool(facts.get("message")),
            face=face,
            page_code=draw_qr(page_code.encode(), title) if page_code else None,
            **facts,
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

    def render_sign_in(
        self, address: str, error: ApplicationError | None, accepted: Sequence[str]
    ) -> web.Response:
        """Ask who somebody is; the form posts to the address. To be asked is no fault of theirs."""
        words = wording_language(*accepted)
        response = self.render(
            "sign_in.html",
            words,
            status=HTTPStatus.OK if error is None else error.status,
            forms="'self'",
            address=address,
            fault="" if error is None else WORDINGS[words][error.code],
        )
        if error is not None:
            _tell_more(response, error)
        return response

    def render_offer(self, accepted: Sequence[str], leads_to: str = "") -> web.Response:
        """Ask to press a button, which posts to the address of the page, before a pass is made.

        `leads_to` is where the answer leads, if that is another host.
        """
        words = wording_language(*accepted)
        return self.render("offer.html", words, forms=f"'self' {leads_to}".strip())


def passcode_path(handle: str) -> str:
    """Give the path of the page that takes the passcode of a pass, and then shows the pass."""
    return f"/d/{handle}"


def _tell_more(response: web.Response, error: ApplicationError) -> None:
    """Say of a page in place of a problem what the problem would say in headers."""
    response.headers.update(getattr(error, "headers", {}))
    response.headers[hdrs.VARY] += f", {hdrs.ACCEPT}"


def _notice_kind(error: ApplicationError) -> str:
    for kinds, words in _NOTICES:
        if isinstance(error, kinds):
            return words
    return "bad_link" if error.status < HTTPStatus.NOT_FOUND else "away"


def _faults(error: ApplicationError) -> str:
    details = [f"{fault['pointer']}: {fault['detail']}" for fault in error.errors]
    return " ".join([error.detail, "; ".join(details)]).strip()


def _policy(nonce: str, forms: str, *, has_author_html: bool) -> str:
    """Say what a page may load: nothing of others, and no style in it but the pass's colours."""
    images = "'self' https:" if has_author_html else "'self'"
    attributes = "style-src-attr 'unsafe-inline'; " if has_author_html else ""
    return (
        f"default-src 'none'; img-src {images}; style-src 'self' 'nonce-{nonce}'; {attributes}"
        f"base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    )
