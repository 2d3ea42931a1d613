"""Messages to those who have passes: a new text in the field that announces its change."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.gateway.catalogue.claims import Claim
from services.gateway.catalogue.templates import Draft
from services.gateway.context import Context
from services.gateway.domain import Template
from services.gateway.usecases import passes
from services.gateway.usecases.depth import present_depth
from services.gateway.usecases.passes import pointed
from shared import clock
from shared.contracts.notifier import GoogleTold, TellGoogle
from shared.contracts.triggers import ChangePass, Pass, PassChanged
from shared.errors import ApplicationError, ConflictError, InvalidError
from shared.identifiers import derived_id
from shared.passes.language.magic import parse
from shared.passes.language.rights import Withheld, marks_outside
from shared.passes.language.state import PassState
from shared.passes.schema.values import to_text
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import TemplateDocument
from shared.passes.template.news import (
    PLACEHOLDER,
    FieldPaths,
    NoNewsFieldError,
    fields_of,
    find_news_field,
    texts_of,
    with_text,
)


class NewsFieldMissingError(InvalidError):
    """The template has no field whose change wallets would show."""

    code = "news_field_missing"


class MessageUnchangedError(ConflictError):
    """The field says this already; wallets show nothing when a text stays the same."""

    code = "message_unchanged"


AGAIN = "Wallets show nothing when a text stays the same. Its passes are pushed by POST to"


@dataclass(frozen=True, slots=True)
class Letter:
    """Which field is to say a text, and what is odd about that."""

    field: FieldPaths
    is_known: bool
    """The field says it already, so that nothing would be shown."""
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class TemplateLetter:
    """A message to all passes of a template: its next revision, ready to be saved."""

    letter: Letter
    present: Template
    draft: Draft
    is_plain: bool
    """Whether it says the same to all, so that at Google a class can say it."""


async def write_to_pass(
    context: Context, account_id: UUID, handle: str, text: str, key: str | None
) -> tuple[Letter, Pass]:
    """Look at what a text would change on one pass."""
    issued = await passes.read(context, account_id, handle)
    compiled = await context.showcase.compiled(account_id, issued.template_id)
    return _letter(compiled, compiled, compiled.migrate(issued.state()), text, key), issued


async def send_to_pass(
    context: Context,
    letter: Letter,
    issued: Pass,
    text: str,
    claim: Claim,
    *,
    withheld: Sequence[Withheld],
) -> PassChanged:
    """Set the news of one pass, and push it; a repeat finds the text there, and that is well."""
    if letter.is_known and not claim.replayed:
        raise MessageUnchangedError
    command = ChangePass(
        command_id=claim.command_id,
        account_id=issued.account_id,
        handle=issued.handle,
        kind="update",
        values={letter.field.value: text},
        withheld=list(withheld),
        depth=present_depth(),
    )
    try:
        changed = await context.requester.ask(command, PassChanged)
    except ApplicationError as error:
        raise _at_text(error) from error
    if not changed.values_changed:
        raise MessageUnchangedError
    return changed


async def write_to_template(
    context: Context,
    account_id: UUID,
    template_id: UUID,
    text: str,
    key: str | None,
    *,
    withheld: Sequence[Withheld],
) -> TemplateLetter:
    """Make the revision of a template that says it; nothing is saved yet."""
    present = await context.templates.get(account_id, template_id)
    compiled = await _compile(present.name, present.document)
    nobody = PassState("", "", {}, None, voided=False, changed_at=clock.now())
    field = _field(compiled, nobody, key)
    document = with_text(present.document, field, text)
    after = await _compile(present.name, document)
    letter = _letter(compiled, after, nobody, text, key)
    if letter.is_known:
        raise MessageUnchangedError(
            f"The template says this already; {AGAIN} /v1/templates/{template_id}/push."
        )
    try:
        draft = await context.templates.prepare(
            account_id,
            present.name,
            TemplateDocument.model_validate(document),
            None,
            withheld=withheld,
            present=present,
        )
    except ApplicationError as error:
        raise _at_text(error) from error
    return TemplateLetter(letter, present, draft, is_plain=_said(after, field, text) is not None)


async def tell_google(
    context: Context, account_id: UUID, template_id: UUID, text: str, *, key: str, claim: Claim
) -> None:
    """Have the classes at Google say what the template says to all; a repeat says it once.

    It is asked for before the passes change, so that these know that it is said.
    """
    if not await context.google_issuers.is_chosen(template_id):
        return
    compiled = await context.showcase.compiled(account_id, template_id)
    field = next((one for one in fields_of(compiled) if one.key == key), None)
    said = _said(compiled, field, text) if field is not None else None
    if said is not None:
        command = TellGoogle(
            command_id=derived_id(claim.command_id, 1),
            account_id=account_id,
            template_id=template_id,
            field=key,
            text=text,
            said=said,
        )
        await context.requester.ask(command, GoogleTold)


def _said(compiled: CompiledTemplate, field: FieldPaths, text: str) -> str | None:
    """Give the changeMessage that goes with a text; None where passes would say different ones."""
    index = compiled.path_index
    said = to_text(index.known[field.message].default)
    is_plain = parse(text, index) is None and parse(said, index) is None
    return said if is_plain and PLACEHOLDER in said else None


def _letter(
    before: CompiledTemplate, after: CompiledTemplate, state: PassState, text: str, key: str | None
) -> Letter:
    """Look at what changes on a pass: by its own value, or, between revisions, by the template."""
    field = _field(before, state, key)
    told = state
    if before is after:
        literal = None if state.literal is None else marks_outside(state.literal, {field.value})
        told = state.with_values({**state.values, field.value: text}, literal)
    fields = fields_of(before)
    earlier, later = texts_of(before, state, fields), texts_of(after, told, fields)
    warnings: list[str] = []
    others = [k for k in later if k != field.key and earlier.get(k) != later[k]]
    if others:
        warnings.append(
            f"With it {', '.join(others)} change too and have a changeMessage: wallets may show"
            " another of the messages, or only that the pass has changed."
        )
    if after.text_of(told, field.attributed):
        warnings.append(
            f"The field {field.key} has an attributedValue, which the pass shows instead."
        )
    return Letter(field, earlier[field.key] == later.get(field.key), warnings)


def _field(compiled: CompiledTemplate, state: PassState, key: str | None) -> FieldPaths:
    try:
        return find_news_field(compiled, state, key)
    except NoNewsFieldError as error:
        fault = {"pointer": "/field", "detail": str(error)}
        raise NewsFieldMissingError(str(error), errors=[fault]) from error


def _at_text(error: ApplicationError) -> ApplicationError:
    """Let faults that were found in the field point to the text, which is all that was sent."""
    if not error.errors:
        return error
    faults = [{**fault, "pointer": ""} for fault in error.errors]
    return pointed(type(error)(error.detail, errors=faults), names="/text")


async def _compile(name: str, document: dict[str, Any]) -> CompiledTemplate:
    checked = TemplateDocument.model_validate(document)
    return await asyncio.to_thread(compile_template, checked, name=name, organization="")
