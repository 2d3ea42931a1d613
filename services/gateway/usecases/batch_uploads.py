"""Takes batches in: the columns are judged first, then rows are kept as they come."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import orjson

from services.gateway.catalogue.batches import Receiving
from services.gateway.catalogue.links import ProgramNotFoundError
from services.gateway.catalogue.showcase import PassWithoutTemplateError
from services.gateway.context import Context
from services.gateway.domain.batches import (
    CHANNEL_FACTS,
    FACTS,
    BatchColumnsError,
    BatchEmptyError,
    BatchKind,
    Column,
    Content,
    KeptRow,
    RowKind,
    Terms,
    as_links_understand,
    check_mapping,
    check_paths,
    explain,
    id_of_person,
    ids_of,
    kept_rows,
    mention_of_person,
    mentions_of,
    place,
    refuse_doubles,
    row_kind,
    twin_error,
    understand,
    with_twin,
)
from services.gateway.domain.links import LinkMaker
from services.gateway.domain.tables import BLOCK_BYTES, TableReader
from services.gateway.usecases.batch_links import order_of
from services.gateway.usecases.batch_templates import OF_TEMPLATES, find_template
from services.gateway.usecases.exports import restored
from services.gateway.usecases.links import get_maker
from services.gateway.usecases.passes import UnknownTemplateError
from shared.errors import ForbiddenError, InvalidError
from shared.passes.language.rights import Withheld
from shared.passes.links.names import LinkNames
from shared.passes.schema.slots import IMAGE_PATHS
from shared.passes.schema.values import is_list
from shared.passes.template.compiled import CompiledTemplate
from shared.yielding import yielding

SHOWN_ROWS: Final = 20
MAX_TEMPLATES: Final = 100
"""Templates of one file, and those that columns are compared with where none is named."""

ROWS_A_TURN: Final = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with the rows of a file."""

    kind: BatchKind
    template_id: UUID | None = None
    program_id: UUID | None = None
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    push: bool = True
    at_google: bool = False
    count: int | None = None
    """How many passes without anything of their own, in place of a file."""
    withheld: tuple[Withheld, ...] = ()
    may_write_members: bool = True

    @property
    def row_kind(self) -> RowKind:
        """What its rows are."""
        return row_kind(self.kind, self.program_id)


@dataclass(frozen=True, slots=True)
class Received:
    """A batch that is here as a whole, and has not begun."""

    receiving: Receiving
    terms: Terms
    fingerprint: bytes
    """Of the file, and of all that was said of it."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row as it would be."""

    line: int
    content: Content
    template_id: UUID | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file holds."""

    rows: int
    columns: Sequence[Column]
    shown: Sequence[ShownRow]


async def receive(
    context: Context,
    account_id: UUID,
    wish: Wish,
    pieces: AsyncIterator[bytes],
    charset: str | None = None,
) -> Received:
    """Keep the rows of a file, or as many as are counted; an error leaves nothing of them."""
    reading = _Reading(context, account_id, wish, charset)
    receiving: Receiving | None = None
    try:
        async for row, content in reading.rows(pieces):
            if receiving is None:  # the columns are in order, as far as they are known
                receiving = await context.batches.receive(account_id, wish.kind)
            ids = reading.ids(content)
            size = len(orjson.dumps(row.cells))
            await receiving.add(row, ids, reading.mentions(content, ids), size)
        if receiving is not None:
            await receiving.flush()
    except BaseException:
        if receiving is not None:
            await asyncio.shield(context.batches.give_up(receiving.batch_id))
        raise
    if receiving is None:
        raise BatchEmptyError
    return Received(receiving, reading.terms(), reading.fingerprint())


async def preview(
    context: Context,
    account_id: UUID,
    wish: Wish,
    pieces: AsyncIterator[bytes],
    charset: str | None = None,
) -> Preview:
    """Read a file without doing anything."""
    reading = _Reading(context, account_id, wish, charset)
    count, shown = 0, list[tuple[KeptRow, Content]]()
    first: dict[tuple[str, ...], int] = {}
    async for row, content in reading.rows(pieces):
        count += 1
        if len(shown) < SHOWN_ROWS:
            lines = [first.setdefault(one, row.line) for one in reading.ids(content)]
            shown.append((with_twin(row, lines), content))
    if not count:
        raise BatchEmptyError
    rows = [await reading.show(row, content) for row, content in shown]
    return Preview(count, reading.columns, rows)


class _Reading:
    """One file that is read: rows, what its columns mean, which templates it names."""

    def __init__(self, context: Context, account_id: UUID, wish: Wish, charset: str | None) -> None:
        self.columns: tuple[Column, ...] = ()
        self._context = context
        self._account_id = account_id
        self._wish = wish
        self._reader = TableReader(charset)
        self._digest = hashlib.sha256()
        self._paths: dict[str, str] = {}
        self._named: dict[str, UUID | None] = {}
        self._passkit: list[LinkNames] = []
        self._maker: LinkMaker | None = None

    async def rows(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[KeptRow, Content]]:
        """Read rows and what they say; columns that do not fit are refused as soon as possible."""
        if self._wish.template_id is not None:
            await self._know(str(self._wish.template_id))
        if self._wish.program_id is not None:
            await self._know_program(self._wish.program_id)
        if self._wish.count is not None:
            await self._refuse_bytes(pieces)
            self._judge_columns(is_end=True)
            async for number in yielding(range(1, self._wish.count + 1), ROWS_A_TURN):
                yield KeptRow(number, []), Content({}, {})
            return
        async for block, is_last in _in_blocks(pieces):
            self._digest.update(block)
            rows = self._reader.feed(block, is_last=is_last)
            self._judge_columns(is_end=False)
            async for row in yielding(kept_rows(rows, len(self.columns)), ROWS_A_TURN):
                if is_list(row.cells):
                    row.cells[:] = map(restored, row.cells)
                content = row.read(self.columns, are_checked=False)
                named = str(content.facts.get("template_id", ""))
                if named and named not in self._named:
                    await self._know(named)
                yield row, content
        await self._judge_templates()
        self._judge_columns(is_end=True)

    def terms(self) -> Terms:
        return Terms(
            template_id=self._wish.template_id,
            program_id=self._wish.program_id,
            push=self._wish.push,
            at_google=self._wish.at_google,
            withheld=self._wish.withheld,
            columns=self.columns,
            separator=self._reader.separator,
        )

    def fingerprint(self) -> bytes:
        """Tell the file, and what was said of it, from others."""
        said = [self._wish.kind, self._wish.count, self.terms().dump()]
        return hashlib.sha256(orjson.dumps(said) + self._digest.digest()).digest()

    def ids(self, content: Content) -> list[tuple[str, ...]]:
        """List what no other row may have."""
        if self._maker is not None:
            external_id = self._maker.external_id(content.facts, content.values)
            return [id_of_person(self._account_id, external_id)] if external_id else []
        return ids_of(self._wish.row_kind, content, self._account_id)

    def mentions(self, content: Content, ids: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """List by what else an erasure of its member finds the row."""
        if self._maker is None:
            return mentions_of(self._wish.row_kind, content, ids)
        others = self._maker.other_external_ids(content.facts, content.values)
        return [mention_of_person(self._account_id, one) for one in others]

    async def show(self, row: KeptRow, content: Content) -> ShownRow:
        """Tell what a row would be."""
        named = str(content.facts.get("template_id", self._wish.template_id or ""))
        template_id = self._named.get(named)
        error = None
        try:
            row.read(self.columns)
            if row.twin:
                raise twin_error(self._wish.row_kind, row.twin)
            if self._maker is not None:
                self._maker.claims(order_of(content), self._wish.withheld)
            elif self._wish.row_kind in OF_TEMPLATES and template_id is None:
                raise UnknownTemplateError
            elif template_id is not None:
                compiled = await self._context.showcase.compiled(self._account_id, template_id)
                plain = {p: v for p, v in content.values.items() if p not in IMAGE_PATHS}
                compiled.check_values(plain, may_expand=True)
        except InvalidError as refused:
            error = explain(refused)
        return ShownRow(row.line, content, template_id, error)

    async def _refuse_bytes(self, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            if piece:
                raise InvalidError(
                    errors=[{"pointer": "?count", "detail": "Send a file or a count, not both"}]
                )

    def _judge_columns(self, *, is_end: bool) -> None:
        """Tell what columns mean; those of JSON lines become more as they are read."""
        names = self._reader.columns
        is_whole = is_end or self._reader.has_head
        if len(names) != len(self.columns) or (is_end and not names):
            self.columns = understand(self._wish.row_kind, names, self._wish.mapping)
            self._check_facts()
        elif not is_end:
            return
        if is_whole:
            check_mapping(names, self._wish.mapping)
        if is_end or self._is_of_one_template:
            if self._wish.row_kind == "passes":
                self.columns = tuple(place(c, self._passkit, self._paths) for c in self.columns)
                refuse_doubles(self.columns)
            if self._wish.row_kind == "links":
                refuse_doubles(as_links_understand(self.columns))
            check_paths(self._wish.row_kind, self.columns, self._paths | self._link_names())

    @property
    def _is_of_one_template(self) -> bool:
        """Whether all paths are known before rows are read."""
        facts = {column.fact for column in self.columns}
        return self._wish.row_kind in ("members", "links") or (
            self._wish.template_id is not None and "template_id" not in facts
        )

    def _link_names(self) -> dict[str, str]:
        """Give the columns that PassKit's names explain."""
        if self._maker is None:
            return {}
        names = [column.target for column in self.columns if column.is_path]
        return dict.fromkeys(self._maker.known_names(names), "")

    def _check_facts(self) -> None:
        facts = {column.fact for column in self.columns} - {""}
        kind, count = self._wish.row_kind, self._wish.count
        if kind in OF_TEMPLATES and self._wish.template_id is None and "template_id" not in facts:
            raise _missing("?template_id", "Name the template here or in a column templateId")
        if kind == "changes" and not facts.intersection(("handle", "member_id")):
            raise _missing("/1", "A column handle or member_id is needed")
        if kind == "members" and not facts and count is None:
            raise _missing("/1", f"A column is needed of {', '.join(FACTS['members'])}")
        makes_members = kind == "passes" and facts - {"template_id", "member_id", *CHANNEL_FACTS}
        if makes_members and not self._wish.may_write_members:
            raise ForbiddenError("Columns about members need the scope members:write.")

    async def _judge_templates(self) -> None:
        """Learn the paths of all templates where a file of changes names none."""
        if self._wish.kind != "changes" or self._named:
            return
        listed = await self._context.templates.list(self._account_id, None, MAX_TEMPLATES + 1)
        if len(listed) > MAX_TEMPLATES:
            raise _missing(
                "?template_id", f"With more than {MAX_TEMPLATES} templates, name the one"
            )
        for template in listed:
            await self._know(str(template.template_id))

    async def _know_program(self, program_id: UUID) -> None:
        """Get ready to make links of a program."""
        try:
            program, keys = await self._context.links.get(self._account_id, program_id)
        except ProgramNotFoundError:
            fault = {"pointer": "?program_id", "detail": "Unknown link program"}
            raise InvalidError(errors=[fault]) from None
        self._context.links.sealing_key(keys)
        await self._know(str(program.template_id))
        if self._named[str(program.template_id)] is None:
            raise UnknownTemplateError("The template of the program was deleted.")
        self._maker, _ = await get_maker(self._context, program)

    async def _know(self, text: str) -> None:
        """Learn what passes of a template may have, if there is such a template."""
        if len(self._named) >= MAX_TEMPLATES:
            raise InvalidError(f"One file names at most {MAX_TEMPLATES} templates.")
        template_id = await find_template(self._context, self._account_id, text)
        self._named[text] = None
        if template_id is not None:
            try:
                compiled = await self._context.showcase.compiled(self._account_id, template_id)
            except PassWithoutTemplateError:
                template_id = None
            else:
                self._named[text] = template_id
                self._passkit.append(LinkNames(compiled))
                for path, reason in _paths_of(compiled, self._wish.row_kind):
                    self._paths[path] = self._paths.get(path, reason) and reason
        if template_id is None and text == str(self._wish.template_id):
            fault = {"pointer": "?template_id", "detail": "Unknown template"}
            raise UnknownTemplateError(errors=[fault])


def _paths_of(compiled: CompiledTemplate, kind: RowKind) -> Iterable[tuple[str, str]]:
    """Give the paths of a template with the reason why they cannot be set, if there is one."""
    for path, leaf in compiled.path_index.known.items():
        if leaf.is_read_only:
            yield path, "is read-only"
        elif kind == "short_links" and not leaf.editable:
            yield path, "is not editable by users, as what a short link says must be"
        else:
            yield path, ""
    for path, known in compiled.path_index.aliases.items():
        yield path, "" if kind != "short_links" else f"is {known} by now"


def _missing(pointer: str, detail: str) -> BatchColumnsError:
    return BatchColumnsError(f"{detail}.", errors=[{"pointer": pointer, "detail": detail}])


async def _in_blocks(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    """Give pieces as blocks of one size, and say which is the last."""
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        while len(waiting) > BLOCK_BYTES:
            block = bytes(waiting[:BLOCK_BYTES])
            del waiting[:BLOCK_BYTES]
            yield block, False
            await asyncio.sleep(0)
    yield bytes(waiting), True
