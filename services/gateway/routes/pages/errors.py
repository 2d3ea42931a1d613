"""Shows errors of public addresses to browsers as pages; machines get problems."""

import re
from collections.abc import Callable
from typing import Final

from aiohttp import web

from services.gateway.catalogue.passcodes import PasscodeNeededError
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.rendering import Pages, passcode_path
from services.gateway.routes.pages.visitors import wants_page
from services.gateway.usecases import passes
from shared.errors import ApplicationError
from shared.identifiers import HANDLE_PATTERN

_MACHINES: Final = re.compile(
    r"/(?:api|google|problems|v1|v2|wallet|walletpass)(?:/.*)?", re.DOTALL
)
"""Where nobody but programs asks: also with a browser an error is a problem there."""

_BUNDLE: Final = re.compile(
    rf"/p\.pkpasses\?pass={HANDLE_PATTERN}(?:&pass={HANDLE_PATTERN}){{0,9}}"
)


def error_pages() -> Callable[[web.Request, ApplicationError], web.Response | None]:
    """Make what writes an error for a browser; None where a machine is to read it."""
    pages = Pages()

    def show(request: web.Request, error: ApplicationError) -> web.Response | None:
        if not wants_page(request) or _MACHINES.fullmatch(request.path):
            return None
        accepted = accepted_languages(request)
        if isinstance(error, PasscodeNeededError):
            then = way_back(request.path_qs, error.handle)
            return pages.render_passcode(error.handle, then, error, accepted)
        return pages.render_notice(error, accepted)

    return show


def way_back(path: str, handle: str) -> str:
    """Give the path if it leads to this pass, else that of its page: a form may name any."""
    own = {f"/p/{handle}", f"/p/{handle}{passes.FILE_SUFFIX}"}
    is_bundle = _BUNDLE.fullmatch(path) is not None and f"pass={handle}" in path
    return path if path in own or is_bundle else passcode_path(handle)
