"""Passes as CSV: the paths that a template names, a row for each pass."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Final

from services.gateway.catalogue.images import image_url
from services.gateway.domain import Template
from services.gateway.routes.passsource.access import Visit
from services.gateway.routes.passsource.streams import PAGE, all_passes
from services.gateway.routes.passsource.words import ParameterError
from shared.contracts.triggers import Pass
from shared.passes.slots import IMAGE_PATHS
from shared.passes.state import PassState
from shared.passes.template import CompiledTemplate
from shared.passes.values import is_number, parse_number, to_text

EXPORT_PATHS: Final = "psExportPaths"

# What Excel, LibreOffice or Google Sheets take for the beginning of a formula, full width too.
_FORMULA: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20|%")


class NothingToExportError(ParameterError):
    """The template has no psExportPaths."""

    code = "nothing_to_export"


async def export_rows(
    visit: Visit, template: Template, *, start: int, is_all: bool
) -> AsyncIterator[bytes]:
    """Write the head and then the passes from `start` on, in the order of their creation."""
    compiled = await visit.door.showcase.compiled(template.account_id, template.template_id)
    paths = export_paths(compiled)
    yield write_rows([paths])
    pages = all_passes(
        visit.door,
        template.account_id,
        template.template_id,
        start=start,
        count=None if is_all else PAGE,
    )
    async for page in pages:
        yield write_rows([cells_of(visit, found, compiled, paths) for found in page])


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
    visit: Visit, found: Pass, compiled: CompiledTemplate, paths: Sequence[str]
) -> list[str]:
    """Read a pass's values as texts, as the pass shows them."""
    state = compiled.migrate(found.state())
    return [cell_of(visit, compiled, state, path) for path in paths]


def cell_of(visit: Visit, compiled: CompiledTemplate, state: PassState, path: str) -> str:
    """Read one value as a harmless text."""
    if path == "hashedSerialNumber":
        return state.handle
    value = compiled.read(state, path)
    if path in IMAGE_PATHS:
        return image_url(visit.door.base_url, value) if value else ""
    if isinstance(value, str) and path not in state.values:
        value = compiled.expand(state, value)
    return to_text(value) if is_number(value) else harmless(to_text(value))


def harmless(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula; plain numbers stay."""
    begin = text.lstrip(" \u00a0")[:1]
    if begin in _FORMULA and begin and parse_number(text) is None:
        return f"'{text}"
    return text


def write_rows(rows: Sequence[Sequence[str]]) -> bytes:
    """Write rows with every cell in quotes, which no separator of any country can break."""
    output = io.StringIO(newline="")
    csv.writer(output, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return output.getvalue().encode("utf-8", "replace")
