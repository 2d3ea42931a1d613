"""Passes and members as CSV, for every dialect: read by pages, written a few rows at a time."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

import orjson

from services.gateway.context import Context
from shared import clock
from shared.contracts.member import MAX_LISTED, ListMembers, Member, MemberPage
from shared.contracts.message import Lane
from shared.contracts.triggers import ListPasses, Pass, PassPage
from shared.passes.schema.values import Json, is_number, parse_number, to_text
from shared.passes.template.compiled import CompiledTemplate

Row = TypeVar("Row")

PAGE: Final = 1000
ROWS_AT_ONCE: Final = 100
"""After so many rows others have their turn."""

COLUMNS: Final = (
    "handle", "serial_number", "template_id", "member_id", "email", "created_at", "updated_at",
    "voided", "expired", "expires_at",
)  # fmt: skip
OTHER_VALUES: Final = "other_values"

# What Excel, LibreOffice or Google Sheets take for the beginning of a formula, full width too.
_FORMULA: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20|%")


async def passes_in_pages(
    context: Context, question: ListPasses, *, count: int | None = None, lane: Lane = "bulk"
) -> AsyncIterator[list[Pass]]:
    """Read passes in the order of their creation, at most 1,000 at a time and `count` in all."""
    left = count
    while left is None or left > 0:
        limit = PAGE if left is None else min(PAGE, left)
        question = question.model_copy(update={"limit": limit})
        page = await context.requester.ask(question, PassPage, lane=lane)
        if not page.passes:
            return
        yield page.passes
        if not page.more:
            return
        question = question.model_copy(update={"after": page.last, "skip": 0})
        left = None if left is None else left - len(page.passes)


async def members_in_pages(context: Context, question: ListMembers) -> AsyncIterator[list[Member]]:
    """Read members in the order of their ids, which never change, at most 1,000 at a time."""
    question, more = question.model_copy(update={"limit": MAX_LISTED}), True
    while more:
        page = await context.requester.ask(question, MemberPage, lane="bulk")
        if not page.members:
            return
        yield page.members
        question = question.model_copy(update={"after": page.members[-1].member_id})
        more = page.more


async def csv_pieces(
    head: Sequence[str],
    pages: AsyncIterator[list[Row]],
    cells_of: Callable[[Row], Sequence[str]],
    *,
    mark: bytes = b"",
) -> AsyncGenerator[bytes]:
    """Write a head and a row for each thing; the first page is read before the first piece."""
    # Paths are chosen by whoever wrote the template, so that they are as little trusted as values.
    rows: list[Sequence[str]] = [[harmless(name) for name in head]]
    async for page in pages:
        for start in range(0, len(page), ROWS_AT_ONCE):
            rows += [cells_of(found) for found in page[start : start + ROWS_AT_ONCE]]
            yield mark + write_rows(rows)
            rows, mark = [], b""
            await asyncio.sleep(0)
    if rows:
        yield mark + write_rows(rows)


def own_columns(compiled: CompiledTemplate) -> list[str]:
    """Name the paths of a template whose values tell its passes apart, in its order."""
    return [
        path
        for path, leaf in compiled.leaves.items()
        if (leaf.is_field_value or leaf.source == "property" or leaf.editable)
        and path not in COLUMNS
    ]


def pass_cells(found: Pass, paths: Sequence[str], *, names_members: bool = True) -> list[str]:
    """Write what is known of a pass, its own values under these paths, and the others as JSON.

    The e-mail address is left empty for who may not read members.
    """
    others = found.values.keys() - set(paths)
    email = found.member.get("email") if found.member and names_members else None
    return [
        found.handle,
        found.serial_number,
        str(found.template_id),
        cell(found.member_id),
        cell(email),
        found.created_at.isoformat(),
        found.updated_at.isoformat(),
        cell(found.voided),
        cell(found.has_expired(clock.now())),
        found.expires_at.isoformat() if found.expires_at else "",
        *(cell(found.values.get(path)) for path in paths),
        _json({path: found.values[path] for path in others}) if others else "",
    ]


def member_cells(found: Member, names: Sequence[str]) -> list[str]:
    """Write these fields of a member."""
    facts = (getattr(found, name) for name in names)
    return [_plain_cell(fact) for fact in facts]


def _plain_cell(fact: Json | datetime | UUID) -> str:
    if isinstance(fact, datetime):
        return fact.isoformat()
    return str(fact) if isinstance(fact, UUID) else cell(fact)


def cell(value: Json) -> str:
    """Write one value as a harmless text."""
    return to_text(value) if is_number(value) else harmless(to_text(value))


def harmless(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula; plain numbers stay."""
    begin = text.lstrip(" \u00a0")[:1]
    if begin in _FORMULA and begin and parse_number(text) is None:
        return f"'{text}"
    return text


def restored(text: str) -> str:
    """Take away what `harmless` put before a text, so that an export can be sent back."""
    rest = text.removeprefix("'")
    return rest if rest != text and harmless(rest) == text else text


def write_rows(rows: Iterable[Sequence[str]], separator: str = ",") -> bytes:
    """Write rows with every cell in quotes, which no separator of any country can break."""
    output = io.StringIO(newline="")
    csv.writer(output, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(
        rows
    )
    return output.getvalue().encode("utf-8", "replace")


def _json(values: dict[str, Json]) -> str:
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()
