"""The portal: numbers, lists and quick updates of one template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from babel import Locale
from babel.dates import format_datetime
from markupsafe import Markup, escape

from services.gateway.domain import Template
from services.gateway.domain.forms import Input, changes, check, portal_inputs, take
from services.gateway.routes.pages.author_html import author_html
from services.gateway.routes.pages.codes import draw_qr
from services.gateway.routes.pages.languages import wording_language
from services.gateway.routes.pages.plots import Plot, plot_days
from services.gateway.routes.pages.wording import WORDINGS
from services.gateway.routes.passsource.exports import NothingToExportError, export_paths
from services.gateway.routes.passsource.staff import GRANT, Staff
from services.gateway.routes.passsource.words import FORM_ACTION, FORM_MARK, FORM_STEP
from services.gateway.usecases import form_marks, registering
from services.gateway.usecases.pushes import push_all
from services.gateway.usecases.template_defaults import change_and_push
from shared import clock
from shared.contracts.triggers import (
    Counts,
    EventKind,
    ListPasses,
    Pass,
    PassesPushed,
    PassPage,
    ReadCounts,
    ReadTemplatePush,
    TemplatePush,
)
from shared.errors import ApplicationError, ConflictError, InvalidError, NotFoundError
from shared.http.parsing import uuid_in_path
from shared.identifiers import new_id
from shared.passes.language.paths import PASS_DESCRIPTION_PATH, PORTAL_HEADER_PATH
from shared.passes.schema.formats import find_locale
from shared.passes.template.compiled import CompiledTemplate

JOB: Final = "psJob"
LIST: Final = "list"
AFTER: Final = "after"
PUSH: Final = "push"
WORDS: Final = (FORM_MARK, FORM_STEP, FORM_ACTION, JOB, LIST, AFTER, GRANT)

PAGE: Final = 50
TEMPLATES: Final = 100

LISTS: Final[Mapping[str, EventKind | None]] = {
    "created": None,
    "installed": "install",
    "deleted": "remove",
    "scanned": "scan",
    "registered": "register",
}
"""Lists of passes: of all, or of those to which something happened at least once."""

PLOTS: Final = (("created", "create"), ("installed", "install"), ("scanned", "scan"))

EDITOR_URL: Final = "{psEditorURL}"

_FORM: Final = "portal form"


@dataclass(frozen=True, slots=True)
class ListedPass:
    """A pass in a list."""

    description: str
    editor_url: str
    created_at: datetime
    created: str
    devices: int
    is_voided: bool
    is_expired: bool


async def show_portal(staff: Staff) -> web.StreamResponse:
    """Show a template's numbers or passes, or update it; without a template, the templates."""
    if not staff.visit.words.credentials.get("templateHash"):
        return await _show_templates(staff)
    template = await staff.find_template()
    compiled = await staff.context.showcase.compiled(template.account_id, template.template_id)
    if staff.is_post:
        return await _take(staff, template, compiled)
    if staff.visit.words.text(LIST) in LISTS:
        return await _show_list(staff, template, compiled)
    return await _show(staff, template, compiled, portal_inputs(compiled, registering.blank_pass()))


async def _take(staff: Staff, template: Template, compiled: CompiledTemplate) -> web.StreamResponse:
    """Push all passes, with what was typed or as they are; lead on to the progress."""
    words, inputs = staff.visit.words, portal_inputs(compiled, registering.blank_pass())
    form_id = _read_mark(staff, template, words.text(FORM_MARK) or "")
    if form_id is None:
        return await _show(staff, template, compiled, inputs)
    show = partial(_show, staff, template, compiled, form_id=form_id)
    typed = take(inputs, words.paths(but=WORDS))
    if step := words.text(FORM_STEP):
        return await show([entry.pressed(step) for entry in typed])
    if words.text(FORM_ACTION) == PUSH:
        owner = template.account_id
        pushed = await push_all(staff.context, owner, template.template_id, command_id=form_id)
        return _lead(staff, template, pushed)
    typed = [check(entry) for entry in typed]
    if any(entry.fault for entry in typed):
        return await show(typed, error=InvalidError())
    changed = changes(compiled, registering.blank_pass(), typed)
    try:
        values = compiled.check_values(changed, may_expand=True)
        pushed = await change_and_push(staff.context, template, values, form_id)
    except (InvalidError, ConflictError) as error:
        return await show(registering.refused(typed, error), error=error)
    return _lead(staff, template, pushed)


def _lead(staff: Staff, template: Template, pushed: PassesPushed) -> web.Response:
    job = str(pushed.job_id) if pushed.job_id is not None else ""
    return staff.lead(staff.here(templateHash=_hash(staff, template), **{JOB: job}))


async def _show(
    staff: Staff,
    template: Template,
    compiled: CompiledTemplate,
    inputs: Sequence[Input],
    *,
    form_id: UUID | None = None,
    error: ApplicationError | None = None,
) -> web.Response:
    context, account_id, template_id = staff.context, template.account_id, template.template_id
    language = wording_language(*staff.accepted)
    words = WORDINGS[language]
    counts = await context.requester.ask(
        ReadCounts(account_id=account_id, template_id=template_id), Counts
    )
    text = _hash(staff, template)
    register_url = f"{context.base_url}/pass/register?{urlencode({'templateHash': text})}"
    header = await _header(staff, compiled, words)
    trouble = error.detail if error and not any(entry.fault for entry in inputs) else ""
    job = await _job(staff, account_id)
    return staff.pages.render(
        "portal.html",
        language,
        status=HTTPStatus.OK if error is None else error.status,
        forms="'self'",
        has_author_html=True,
        template_name=template.name,
        header=header,
        numbers=_numbers(staff, text, counts.totals, words),
        plots=_plots(counts, words),
        inputs=inputs,
        labels={},
        address=staff.here(templateHash=text),
        mark=_mark(staff, template, form_id or new_id()),
        mark_name=FORM_MARK,
        action_name=FORM_ACTION,
        job=job,
        reload_url=staff.request.path_qs,
        is_pushed=JOB in staff.request.query,
        template_hash=text,
        register_url=register_url,
        register_code=draw_qr(register_url.encode(), words["register_code"]),
        widget=_widget(f"{context.base_url}/pass/create", text, compiled, words),
        export_url=await _export_url(staff, compiled, text),
        templates_url=staff.here(),
        trouble=trouble,
    )


async def _show_templates(staff: Staff) -> web.Response:
    account = staff.grant.account
    found = await staff.context.templates.list(account.account_id, None, TEMPLATES)
    language = wording_language(*staff.accepted)
    owner = account.account_id
    links = [
        (one.name, staff.here(templateHash=staff.visit.template_hash(owner, one.template_id)))
        for one in found
    ]
    return staff.pages.render("templates.html", language, account=account.name, links=links)


async def _show_list(staff: Staff, template: Template, compiled: CompiledTemplate) -> web.Response:
    words, text = staff.visit.words, _hash(staff, template)
    kind = words.text(LIST) or ""
    page = await staff.context.requester.ask(
        ListPasses(
            account_id=template.account_id,
            template_id=template.template_id,
            after=words.number(AFTER, 0, 0),
            limit=PAGE,
            kind=LISTS[kind],
        ),
        PassPage,
    )
    language = wording_language(*staff.accepted)
    editor, locale = await staff.there("editor"), find_locale(*staff.accepted)
    more = {"templateHash": text, LIST: kind, AFTER: str(page.last)}
    return staff.pages.render(
        "pass_list.html",
        language,
        template_name=template.name,
        title=WORDINGS[language][f"{kind}_passes"],
        passes=[_listed(compiled, one, editor, locale) for one in page.passes],
        next_url=staff.here(**more) if page.more else "",
        portal_url=staff.here(templateHash=text),
    )


def _listed(compiled: CompiledTemplate, found: Pass, editor: str, locale: Locale) -> ListedPass:
    state = compiled.migrate(found.state())
    return ListedPass(
        description=compiled.text_of(state, PASS_DESCRIPTION_PATH) or found.serial_number,
        editor_url=f"{editor}&{urlencode({'hashedSerialNumber': found.handle})}",
        created_at=found.created_at,
        created=format_datetime(found.created_at, "short", tzinfo=UTC, locale=locale),
        devices=found.devices,
        is_voided=found.voided,
        is_expired=found.has_expired(clock.now()),
    )


async def _job(staff: Staff, account_id: UUID) -> TemplatePush | None:
    """Read how far a push is that this portal began."""
    job_id = uuid_in_path(staff.request.query.get(JOB, ""))
    if job_id is None:
        return None
    try:
        return await staff.context.requester.ask(
            ReadTemplatePush(account_id=account_id, job_id=job_id), TemplatePush
        )
    except NotFoundError:
        return None


async def _header(staff: Staff, compiled: CompiledTemplate, words: Mapping[str, str]) -> Markup:
    """Write psPortalHeader; the editor's address in it names no pass, and carries a grant."""
    written = compiled.html_of(registering.blank_pass(), PORTAL_HEADER_PATH)
    if EDITOR_URL in written:
        address = f"{staff.context.base_url}{await staff.there('editor')}"
        written = written.replace(EDITOR_URL, str(Markup.escape(address)))
    return author_html(written or f"<h2>{words['template_information']}</h2>")


def _numbers(
    staff: Staff, text: str, totals: Mapping[str, int], words: Mapping[str, str]
) -> list[tuple[str, int, str]]:
    """Count passes by what happened to them; each number leads to its passes."""
    counts = {name: totals.get(f"passes_{kind or 'create'}", 0) for name, kind in LISTS.items()}
    theoretical = max(counts["installed"] - counts["deleted"], 0)
    found = [
        (words[f"{name}_passes"], count, staff.here(templateHash=text, **{LIST: name}))
        for name, count in counts.items()
    ]
    installed = staff.here(templateHash=text, **{LIST: "installed"})
    found.insert(3, (words["theoretical_passes"], theoretical, installed))
    return found


def _plots(counts: Counts, words: Mapping[str, str]) -> list[Plot]:
    today = clock.now().date()
    return [plot_days(words[f"{name}_passes"], counts.days, kind, today) for name, kind in PLOTS]


def _widget(
    create_url: str, text: str, compiled: CompiledTemplate, words: Mapping[str, str]
) -> str:
    """Write the form that makes a pass from any page on the web; labels are texts in it."""
    fields = "\n".join(
        f'  <label>{escape(leaf.label)} <input name="{escape(leaf.path)}"></label>'
        for path in compiled.editable_paths
        if (leaf := compiled.path_index.given[path]).source != "image"
    )
    return (
        f'<form action="{create_url}" method="get">\n'
        f'  <input type="hidden" name="templateHash" value="{text}">\n'
        f"{fields}\n"
        f"  <button>{words['get_pass']}</button>\n</form>"
    )


async def _export_url(staff: Staff, compiled: CompiledTemplate, text: str) -> str:
    try:
        export_paths(compiled)
    except NothingToExportError:
        return ""
    return await staff.there("export", templateHash=text)


def _hash(staff: Staff, template: Template) -> str:
    return staff.visit.template_hash(template.account_id, template.template_id)


def _mark(staff: Staff, template: Template, form_id: UUID) -> str:
    return form_marks.write_mark(staff.context, _FORM, str(template.template_id), form_id)


def _read_mark(staff: Staff, template: Template, text: str) -> UUID | None:
    return form_marks.read_mark(staff.context, _FORM, str(template.template_id), text)
