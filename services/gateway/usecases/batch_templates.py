"""The templates that rows of a batch name, as they are at this moment."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from services.gateway.context import Context
from services.gateway.domain.batches import Batch, Content
from services.gateway.usecases.passes import UnknownTemplateError
from shared.errors import ApplicationError
from shared.hashes import read_template_hash

OF_TEMPLATES: Final = ("passes", "short_links")
"""Rows that name a template, or are of the one that the address names."""


class NewestTemplate(NamedTuple):
    """A template at its newest revision."""

    template_id: UUID
    revision: int


async def find_template(context: Context, account_id: UUID, text: str) -> UUID | None:
    """Find the account's template of an id or a template hash."""
    named = read_template_hash(context.master_keys, text)
    if named is not None:
        return named.template_id if named.account_id == account_id else None
    try:
        return UUID(text)
    except ValueError:
        return None


async def templates_of(
    context: Context, batch: Batch, contents: Sequence[Content]
) -> Mapping[str, NewestTemplate]:
    """Find the templates of rows by how these name them; those there are not are left out."""
    if batch.row_kind not in OF_TEMPLATES:
        return {}
    names = {_named(batch, content) for content in contents}
    found = {name: await find_template(context, batch.account_id, name) for name in names}
    revisions = await context.templates.current(
        batch.account_id, [template_id for template_id in found.values() if template_id]
    )
    return {
        name: NewestTemplate(template_id, revisions[template_id])
        for name, template_id in found.items()
        if template_id is not None and template_id in revisions
    }


def template_of(
    batch: Batch, content: Content, templates: Mapping[str, NewestTemplate]
) -> NewestTemplate:
    """Give the template of a row; UnknownTemplateError."""
    name = _named(batch, content)
    if name not in templates:
        raise UnknownTemplateError
    return templates[name]


def without_errors(contents: Sequence[Content | ApplicationError]) -> list[Content]:
    """Let rows that cannot be read say nothing."""
    return [found if isinstance(found, Content) else Content({}, {}) for found in contents]


def _named(batch: Batch, content: Content) -> str:
    return str(content.facts.get("template_id", batch.terms.template_id or ""))
