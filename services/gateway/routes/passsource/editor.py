"""The editor: changes one pass, by client hash or by the code of its template."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final, cast

from aiohttp import web
from markupsafe import Markup

from services.gateway.domain.forms import Input, check, editor_inputs, take
from services.gateway.routes.pages.author_html import author_html
from services.gateway.routes.pages.faces import Face
from services.gateway.routes.pages.languages import wording_language
from services.gateway.routes.pages.wording import WORDINGS
from services.gateway.routes.passsource.staff import GRANT, Staff
from services.gateway.routes.passsource.words import FORM_ACTION, FORM_MARK, FORM_STEP
from services.gateway.usecases import editing
from services.gateway.usecases.editing import CHANGED_MEANWHILE, Button, Edited, EditForm
from services.gateway.usecases.registering import id_of_effect, refused
from shared.errors import ApplicationError, ConflictError, InvalidError
from shared.passes.language.paths import (
    EDITOR_HEADER_PATH,
    PASS_DESCRIPTION_PATH,
    SCAN_TEXT_PATH,
)

DONE: Final = "psDone"
WORDS: Final = (FORM_MARK, FORM_ACTION, DONE, FORM_STEP, GRANT)
BUTTONS: Final = frozenset({"void", "unvoid", "scan"})
OUTCOMES: Final = frozenset({"saved", *BUTTONS})
BUTTONS_WORD: Final = "{psButtons}"


async def show_editor(staff: Staff) -> web.StreamResponse:
    """Show a pass with its fields, save what was typed, or do what a button says."""
    if not staff.visit.words.credentials.get("hashedSerialNumber"):
        return _ask_which(staff)
    issued = await staff.find_pass()
    model = await staff.context.showcase.model(issued)
    edited = Edited(issued, model, by_code=staff.grant.template_id is not None)
    inputs = editor_inputs(model.compiled, edited.state)
    form = EditForm.read(staff.context, issued.handle, staff.visit.words.text(FORM_MARK) or "")
    if staff.is_post and form is not None:
        return await _take(staff, edited, form, inputs)
    done = staff.visit.words.text(DONE) or ""
    return _show(staff, edited, EditForm.of(inputs), inputs, done=done if done in OUTCOMES else "")


async def _take(
    staff: Staff, edited: Edited, form: EditForm, inputs: Sequence[Input]
) -> web.StreamResponse:
    """Do what the form was sent for, and lead on; what cannot be done is told beside it."""
    words = staff.visit.words
    show = partial(_show, staff, edited, EditForm.of(inputs, form.form_id))
    typed = take(inputs, words.paths(but=WORDS))
    if step := words.text(FORM_STEP):
        return show([entry.pressed(step) for entry in typed])
    action = words.text(FORM_ACTION)
    try:
        if action in BUTTONS:
            await editing.press(staff.context, edited, form, cast("Button", action))
            return staff.lead(_address(staff, edited, action))
        effect_id = id_of_effect(form.form_id, typed, words.files)
        typed = form.merge([check(entry) for entry in typed])
        if any(entry.fault for entry in typed):
            return show(typed, error=InvalidError())
        await editing.save(staff.context, edited, effect_id, typed, words.files)
    except (InvalidError, ConflictError) as error:
        told = refused(typed, error)
        trouble = "" if any(entry.fault for entry in told) else error.detail
        return show(told, trouble=trouble, error=error)
    return staff.lead(_address(staff, edited, "saved"))


def _address(staff: Staff, edited: Edited, done: str) -> str:
    return staff.here(hashedSerialNumber=edited.issued.handle, **{DONE: done})


def _ask_which(staff: Staff) -> web.Response:
    """Ask for the pass: by its hash, or what its barcode leads to."""
    words = wording_language(*staff.accepted)
    return staff.pages.render(
        "which_pass.html",
        words,
        forms="'self'",
        address=staff.request.path,
        grant=staff.grant_text,
    )


def _show(
    staff: Staff,
    edited: Edited,
    form: EditForm,
    inputs: Sequence[Input],
    *,
    done: str = "",
    trouble: str = "",
    error: ApplicationError | None = None,
) -> web.Response:
    accepted = staff.accepted
    model, state, issued = edited.model, edited.state, edited.issued
    face = Face.of(model.show(state, accepted), accepted, issued=issued)
    language = wording_language(*accepted)
    words = WORDINGS[language]
    return staff.pages.render(
        "editor.html",
        language,
        status=HTTPStatus.OK if error is None else error.status,
        forms="'self'",
        has_author_html=True,
        face=face,
        header=_header(edited, words),
        inputs=[_told(entry, words) for entry in inputs],
        labels=model.strings(accepted),
        address=staff.here(hashedSerialNumber=issued.handle),
        mark=form.write(staff.context, issued.handle),
        mark_name=FORM_MARK,
        action_name=FORM_ACTION,
        done=done,
        scan_text=model.compiled.text_of(state, SCAN_TEXT_PATH) if done == "scan" else "",
        trouble=trouble,
    )


def _header(edited: Edited, words: Mapping[str, str]) -> Markup:
    """Write psEditorHeader, its buttons put in after all else in it was cleaned."""
    compiled, state = edited.model.compiled, edited.state
    written = compiled.html_of(state, EDITOR_HEADER_PATH)
    if not written:
        description = Markup.escape(compiled.text_of(state, PASS_DESCRIPTION_PATH))
        written = f"<h2>{BUTTONS_WORD}{description}</h2>"
    buttons = _buttons(edited, words)
    return Markup(str(author_html(written)).replace(BUTTONS_WORD, str(buttons)))  # noqa: S704 - cleaned


def _buttons(edited: Edited, words: Mapping[str, str]) -> Markup:
    void = "unvoid" if edited.issued.voided else "void"
    button = Markup('<button form="editor" type="submit" name="{}" value="{}">{}</button>')
    return Markup('<span class="buttons">{}<a href="/p/{}">{}</a>{}{}</span>').format(
        button.format(FORM_ACTION, "save", words["save"]),
        edited.issued.handle,
        words["show"],
        button.format(FORM_ACTION, void, words[void]),
        button.format(FORM_ACTION, "scan", words["scan"]),
    )


def _told(entry: Input, words: Mapping[str, str]) -> Input:
    """Say beside a value that somebody else was faster with what it is by now."""
    if entry.fault != CHANGED_MEANWHILE:
        return entry
    said = words[CHANGED_MEANWHILE]
    return replace(entry, detail=f"{said} {', '.join(entry.before)}")
