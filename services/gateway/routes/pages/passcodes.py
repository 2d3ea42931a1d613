"""Takes the passcode of a pass, from the form that stands in its page's place."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.attempts import TooManyAttemptsError
from services.gateway.catalogue.passcodes import (
    MAX_PASSCODE_CHARACTERS,
    PERMITTED,
    PasscodeNeededError,
    WrongPasscodeError,
    cookie_name,
)
from services.gateway.context import Context
from services.gateway.routes.pages.errors import way_back
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.passes import ERROR_PAGES, TAG
from services.gateway.routes.pages.rendering import PRIVATE, Pages, passcode_path
from services.gateway.routes.pages.visitors import HTML_MEDIA, wants_page
from services.gateway.usecases import passes
from shared.errors import GoneError, InvalidError, NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.forwarding import client_address
from shared.http.parsing import FORM_MEDIA, form_parser
from shared.identifiers import trim_handle

MAX_FORM_BYTES: Final = 4 * 1024

_FETCH_SITE: Final = "Sec-Fetch-Site"
_OWN_SITES: Final = frozenset({"same-origin", "none"})


class PasscodeForm(BaseModel):
    """What somebody takes for the passcode."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"passcode": "4711"}]})

    passcode: str = Field(min_length=1, max_length=MAX_PASSCODE_CHARACTERS)
    then: str = Field("", description="Where to go on, if that is of this pass; else its page.")


_read_form: Final = form_parser(PasscodeForm)


async def give_passcode(
    call: Call[Any, None], *, context: Context, pages: Pages
) -> web.StreamResponse:
    """Take a passcode; whoever gives the right one goes on to the pass, with a permit."""
    request, form = call.request, _read_form(await call.read())
    issued = await passes.read(context, None, trim_handle(call.path["handle"]))
    then = way_back(form.then, issued.handle)
    response = web.Response(status=HTTPStatus.SEE_OTHER, headers={**PRIVATE, hdrs.LOCATION: then})
    if issued.passcode is None:
        return response
    # Another site may not use up the attempts of its visitors' networks.
    if request.headers.get(_FETCH_SITE, "none") not in _OWN_SITES:
        raise PasscodeNeededError(issued.handle)
    try:
        await context.passcodes.check(issued, form.passcode, client_address(request))
    except (WrongPasscodeError, TooManyAttemptsError) as error:
        if not wants_page(request):
            raise
        return pages.render_passcode(issued.handle, then, error, accepted_languages(request))
    response.set_cookie(
        cookie_name(issued.handle),
        context.passcodes.permit(issued),
        max_age=int(PERMITTED.total_seconds()),
        httponly=True,
        secure=context.base_url.startswith("https:"),
        samesite="Lax",
    )
    return response


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "POST",
            passcode_path("{handle}"),
            partial(give_passcode, context=context, pages=Pages()),
            summary="Give the passcode of a pass",
            tag=TAG,
            scope=None,
            body=PasscodeForm,
            raw=True,
            accepts=(FORM_MEDIA,),
            body_limit=MAX_FORM_BYTES,
            media=HTML_MEDIA,
            status=HTTPStatus.SEE_OTHER,
            also=(HTTPStatus.OK,),
            other_errors=ERROR_PAGES,
            errors=(
                PasscodeNeededError,
                WrongPasscodeError,
                NotFoundError,
                GoneError,
                InvalidError,
                TooManyAttemptsError,
            ),
            description="The right one is answered with 303 and a cookie, which opens the pages "
            "and files of this pass for an hour. After five wrong ones in 15 minutes a network has "
            "to wait. 200: the form once more, for a browser that another site sent here.",
        ),
    ]
