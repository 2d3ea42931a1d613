"""The pages on which holders register: the form, and the thanks for it."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import hdrs, web

from services.gateway.catalogue.links import LinkEndedError, LinkNotFoundError
from services.gateway.catalogue.passcodes import PasscodeNeededError
from services.gateway.context import Context
from services.gateway.domain.forms import Input, check, form_inputs, prefill, take
from services.gateway.routes.pages.faces import Face
from services.gateway.routes.pages.languages import accepted_languages
from services.gateway.routes.pages.passes import ERROR_PAGES, GUARDED
from services.gateway.routes.pages.rendering import PRIVATE, Pages
from services.gateway.routes.pages.visitors import HTML_MEDIA, device_of
from services.gateway.routes.passsource.access import Visit, begin_visit
from services.gateway.routes.passsource.api import PASS_HASH, TAG, TEMPLATE_HASH
from services.gateway.routes.passsource.words import (
    FORM_MARK,
    FORM_MEDIAS,
    FORM_STEP,
    MAX_UPLOAD_BYTES,
    Form,
)
from services.gateway.usecases import passes, registering
from services.gateway.usecases.registering import Registration
from shared.errors import ConflictError, GoneError, InvalidError, NotFoundError, TooLargeError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.problems import SlowRequestError
from shared.identifiers import new_id
from shared.passes.language.paths import REGISTERED_MESSAGE_PATH, REGISTRATION_MESSAGE_PATH

TRAP: Final = "psWebsite"
"""A field that people do not see; what fills it is a program that fills all."""

LINK: Final = "psLink"
WORDS: Final = (FORM_MARK, FORM_STEP, TRAP, LINK)
CREATE: Final = "/pass/create"
REGISTERED: Final = "/pass/registered"


async def show_form(call: Call[Any, Any], *, context: Context, pages: Pages) -> web.StreamResponse:
    """Show the form of a template or a pass, filled with what the link says."""
    request = call.request
    visit = await begin_visit(context, request)
    registration = await _find(visit)
    inputs = form_inputs(registration.model.compiled, registration.state)
    if not inputs:
        headers = {**PRIVATE, hdrs.LOCATION: f"{CREATE}?{request.query_string}"}
        return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)
    if registration.link is not None:
        inputs = prefill(inputs, registration.link.values)
    filled = prefill(inputs, visit.words.paths(but=WORDS))
    show = partial(_show, pages, request=request, visit=visit, registration=registration)
    form_id = registering.read_mark(context, registration, visit.words.text(FORM_MARK) or "")
    if request.method != hdrs.METH_POST or form_id is None:
        return show(new_id(), filled)
    typed = take(inputs, visit.words.paths(but=WORDS))
    if step := visit.words.text(FORM_STEP):
        return show(form_id, [entry.pressed(step) for entry in typed])
    typed = [check(entry) for entry in typed]
    if any(entry.fault for entry in typed) or visit.words.text(TRAP):
        return show(form_id, typed, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        handle = await registering.register(
            context, registration, form_id, typed, visit.words.files
        )
    except (InvalidError, ConflictError) as error:
        told = registering.refused(typed, error) if isinstance(error, InvalidError) else typed
        trouble = "" if any(entry.fault for entry in told) else error.detail
        return show(form_id, told, status=HTTPStatus.UNPROCESSABLE_ENTITY, trouble=trouble)
    location = f"{REGISTERED}?{urlencode({'hashedSerialNumber': handle})}"
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**PRIVATE, hdrs.LOCATION: location})


async def send_form(call: Call[Any, Any], *, context: Context, pages: Pages) -> web.StreamResponse:
    """Register with what was typed into the form; without its mark it is only filled."""
    return await show_form(call, context=context, pages=pages)


async def show_registered(
    call: Call[Any, Any], *, context: Context, pages: Pages
) -> web.StreamResponse:
    """Thank whoever has registered, and offer the pass to the wallet."""
    request = call.request
    accepted = accepted_languages(request)
    visit = await begin_visit(context, request)
    issued = await visit.find_pass()
    model = await context.showcase.model(issued)
    face = Face.of(
        model.show(issued.state(), accepted),
        accepted,
        device=device_of(request),
        issued=issued,
        has_google=await context.google_issuers.is_offered(issued.account_id, issued.template_id),
    )
    return pages.render_registered(
        face,
        accepted,
        passes.page_url(context, issued.handle),
        model.compiled.html_of(issued.state(), REGISTERED_MESSAGE_PATH),
        f"/pass/register?{urlencode({'hashedSerialNumber': issued.handle})}",
    )


async def _find(visit: Visit) -> Registration:
    """Find what is to be registered: by the hash of a pass, a short link, the hash of a template.

    A pass needs no more than its hash, but its passcode if it has one.
    """
    context = visit.context
    if visit.words.credentials.get("hashedSerialNumber"):
        issued = await visit.find_pass()
        model = await context.showcase.model(issued)
        return registering.of_pass(model, issued)
    if key := visit.words.text(LINK):
        link = await context.short_links.open(key)
        try:
            issued = await passes.read(context, link.account_id, link.handle)
        except NotFoundError:
            model = await context.showcase.template(link.account_id, link.template_id)
            return registering.of_template(model, link.account_id, link.template_id, link)
        except GoneError as error:
            raise LinkEndedError from error
        context.passcodes.guard(issued, visit.cookies)
        return registering.of_pass(await context.showcase.model(issued), issued)
    template = await visit.find_template(visit.template_name())
    model = await context.showcase.template(template.account_id, template.template_id)
    return registering.of_template(model, template.account_id, template.template_id)


def _show(
    pages: Pages,
    form_id: UUID,
    inputs: Sequence[Input],
    *,
    request: web.Request,
    visit: Visit,
    registration: Registration,
    status: int = HTTPStatus.OK,
    trouble: str = "",
) -> web.Response:
    accepted = accepted_languages(request)
    model = registration.model
    face = Face.of(
        model.show(registration.state, accepted),
        accepted,
        device=device_of(request),
        issued=registration.issued,
    )
    names = {
        name: value
        for name in ("hashedSerialNumber", "templateHash")
        if (value := visit.words.credentials.get(name))
    } or {LINK: visit.words.text(LINK) or ""}
    return pages.render_register(
        face,
        accepted,
        model.compiled.html_of(registration.state, REGISTRATION_MESSAGE_PATH),
        status=status,
        inputs=inputs,
        labels=model.strings(accepted),
        # Without what the link filled in: values of persons stand in no address of ours.
        address=f"{request.path}?{urlencode(names)}",
        mark=registering.mark(visit.context, registration, form_id),
        mark_name=FORM_MARK,
        trap=TRAP,
        trouble=trouble,
    )


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    pages = Pages()
    endpoint: partial[AnyEndpoint] = partial(
        Endpoint,
        dialect="passsource",
        tag=TAG,
        scope=None,
        raw=True,
        media=HTML_MEDIA,
        other_errors=ERROR_PAGES,
    )
    errors = (PasscodeNeededError, InvalidError, NotFoundError, GoneError)
    form: partial[AnyEndpoint] = partial(
        endpoint,
        path=r"/pass/{page:register(?:\.php)?}",
        shown=("/pass/register.php", "/pass/register"),
        parameters=(TEMPLATE_HASH, PASS_HASH),
        also=(HTTPStatus.SEE_OTHER,),
    )
    return [
        form(
            "GET",
            handler=partial(show_form, context=context, pages=pages),
            summary="Show the registration form of a template or a pass",
            errors=(*errors, LinkNotFoundError, LinkEndedError),
            description="A field for each path that users may edit, in the order of "
            "`psRegistrationPaths`, filled from the pass or template and from parameters by API "
            f"path. 303 to `/pass/create` where there are no such paths. {GUARDED}",
        ),
        form(
            "POST",
            handler=partial(send_form, context=context, pages=pages),
            summary="Register a pass with a form",
            errors=(*errors, LinkNotFoundError, LinkEndedError, SlowRequestError, TooLargeError),
            body=Form,
            described=FORM_MEDIAS,
            body_limit=MAX_UPLOAD_BYTES,
            description="With the mark that our form carries (`psForm`) the pass is made if it is "
            "not there, registered (`onRegister`) and pushed: 303 to `/pass/registered`. Sent "
            "twice it has one effect; what is refused comes back with the form, 422. Without the "
            "mark the form is shown, filled with what was sent.",
        ),
        endpoint(
            "GET",
            r"/pass/{page:registered(?:\.php)?}",
            partial(show_registered, context=context, pages=pages),
            shown=("/pass/registered.php", "/pass/registered"),
            parameters=({**PASS_HASH, "required": True},),
            summary="Show a pass to whoever has registered it",
            errors=errors,
            description="`psRegisteredMessage`, as the rules left it, and buttons that add the "
            f"pass to a wallet. {GUARDED}",
        ),
    ]
