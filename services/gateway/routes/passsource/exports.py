"""Passes as CSV: the paths that a template names, a row for each pass."""

from collections.abc import AsyncGenerator, Sequence
from functools import partial

from services.gateway.catalogue.images import image_url
from services.gateway.domain import Template
from services.gateway.routes.passsource.access import Visit
from services.gateway.routes.passsource.words import ParameterError
from services.gateway.usecases.exports import PAGE, cell, csv_pieces, passes_in_pages
from shared.contracts.triggers import ListPasses, Pass
from shared.passes.language.paths import EXPORT_PATHS, HANDLE_COLUMN
from shared.passes.language.state import PassState
from shared.passes.schema.slots import IMAGE_PATHS
from shared.passes.template.compiled import CompiledTemplate


class NothingToExportError(ParameterError):
    """The template has no psExportPaths."""

    code = "nothing_to_export"


async def export_rows(
    visit: Visit, template: Template, *, start: int, is_all: bool
) -> AsyncGenerator[bytes]:
    """Write the head and then the passes from `start` on, in the order of their creation."""
    compiled = await visit.context.showcase.compiled(template.account_id, template.template_id)
    paths = export_paths(compiled)
    question = ListPasses(
        account_id=template.account_id, template_id=template.template_id, skip=start
    )
    pages = passes_in_pages(visit.context, question, count=None if is_all else PAGE)
    cells = partial(cells_of, visit=visit, compiled=compiled, paths=paths)
    async for piece in csv_pieces(paths, pages, cells):
        yield piece


def export_paths(compiled: CompiledTemplate) -> list[str]:
    """Read which paths a template exports."""
    leaf = compiled.find(EXPORT_PATHS)
    text = leaf.default if leaf else None
    paths = [path.strip() for path in text.split(",")] if isinstance(text, str) else []
    paths = [path for path in paths if path]
    if not paths:
        raise NothingToExportError
    return paths


def cells_of(
    found: Pass, *, visit: Visit, compiled: CompiledTemplate, paths: Sequence[str]
) -> list[str]:
    """Read a pass's values as texts, as the pass shows them."""
    state = compiled.migrate(found.state())
    return [cell_of(visit, compiled, state, path) for path in paths]


def cell_of(visit: Visit, compiled: CompiledTemplate, state: PassState, path: str) -> str:
    """Read one value as a harmless text."""
    if path == HANDLE_COLUMN:
        return state.handle
    value = compiled.read(state, path)
    if path in IMAGE_PATHS:
        return image_url(visit.context.base_url, value) if value else ""
    if isinstance(value, str) and path not in state.values:
        value = compiled.expand(state, value)
    return cell(value)
