"""Makes links of a table without the server, with the exported key of their program."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final

from services.gateway.domain.links import (
    OWN_COLUMNS,
    LinkInvalidError,
    LinkMaker,
    LinkProgram,
    order_of_row,
    seal_link,
)
from services.gateway.domain.tables import BLOCK_BYTES, MAX_COLUMNS, Row, TableError, TableReader
from services.gateway.routes.v1.link_programs import LinkKeyFile
from services.gateway.usecases.exports import harmless, write_rows
from shared.passes.links.names import LinkNames
from shared.passes.links.tokens import LinkSealer
from shared.passes.schema.values import is_list
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import TemplateDocument
from shared.sealing import read_base64url
from shared.settings import StartUpError

BYTE_ORDER_MARK: Final = "\ufeff".encode()
ROWS_AT_ONCE: Final = 500
REPORT_SECONDS: Final = 1.0
ADDED: Final = ("link", "error")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What makes links, once the key file is read."""

    base_url: str
    maker: LinkMaker
    sealer: LinkSealer
    compiled: CompiledTemplate

    @classmethod
    def read(cls, path: Path) -> "Workshop":
        """Read a key file as `GET /v1/link-programs/{program_id}/key-file` answers it."""
        try:
            given = LinkKeyFile.model_validate_json(path.read_bytes())
            document = TemplateDocument.model_validate(given.template)
            program = LinkProgram(
                **{field.name: getattr(given, field.name) for field in fields(LinkProgram)}
            )
            sealer = program.sealer(read_base64url(given.key))
        except ValueError:  # as ValidationError is, too
            raise StartUpError(f"{path} is no key file of a link program.") from None
        if sealer.key_id != given.key_id:
            raise StartUpError(f"{path} holds another key than it names.")
        compiled = compile_template(
            document, name=given.template_name, organization=given.organization_name
        )
        return cls(given.base_url, LinkMaker(program, compiled), sealer, compiled)

    def link(self, row: dict[str, str]) -> tuple[str, str]:
        """Make the link of a row, or say what is wrong with it."""
        try:
            claims = self.maker.claims(order_of_row(row))
            return seal_link(self.base_url, self.sealer, claims), ""
        except LinkInvalidError as error:
            faults = (f"{fault['pointer'][1:]}: {fault['detail']}" for fault in error.errors)
            return "", "; ".join(faults)

    def judge(self, head: Sequence[str]) -> str:
        """Refuse columns that mean nothing before anything is made; tell what is left out."""
        if not head or len(head) > MAX_COLUMNS or len(set(head)) < len(head) or "" in head:
            raise StartUpError(f"A head row of up to {MAX_COLUMNS} different names is needed.")
        names = [name for name in head if name not in OWN_COLUMNS]
        given = LinkNames(self.compiled).sort(dict.fromkeys(names, ""))
        unknown = [name for name in given.values if self.compiled.find(name) is None]
        if unknown:
            raise StartUpError(f"The template has nothing of the name {', '.join(unknown)}.")
        return ", ".join(given.left_out)


def make_links(table: Path, key_file: Path, result: Path | None) -> int:
    """Add a link or an error to each row; the exit code is 1 if there was an error."""
    try:
        return _make(table, key_file, result)
    except OSError as error:
        raise StartUpError(f"{error.filename}: {error.strerror}.") from None


def _make(table: Path, key_file: Path, result: Path | None) -> int:
    workshop, reader = Workshop.read(key_file), TableReader()
    with table.open("rb") as source:
        try:
            rows = _read(source, reader)
            first = list(islice(rows, 1))  # the head is known by then
            if left_out := workshop.judge(reader.columns):
                _say(f"Left out, for the template has no place for it: {left_out}")
            with _open(result) as target:
                failed = _work(workshop, reader.columns, chain(first, rows), source, target)
        except TableError as error:
            raise StartUpError(f"{table} cannot be read to its end. {error.detail}") from None
    return 1 if failed else 0


def _work(
    workshop: Workshop,
    head: Sequence[str],
    rows: Iterable[list[str]],
    source: BinaryIO,
    target: BinaryIO,
) -> int:
    size = os.fstat(source.fileno()).st_size
    started = reported = monotonic()
    done = failed = 0
    target.write(BYTE_ORDER_MARK + write_rows([[*map(harmless, head), *ADDED]]))
    written: list[list[str]] = []
    for cells in rows:
        kept = (cells + [""] * len(head))[: len(head)]
        link, error = "", "more cells than the head row has"
        if not any(cells[len(head) :]):
            link, error = workshop.link(dict(zip(head, kept, strict=True)))
        written.append([*map(harmless, kept), link, harmless(error)])
        done, failed = done + 1, failed + bool(error)
        if len(written) == ROWS_AT_ONCE:
            target.write(write_rows(written))
            written.clear()
            if monotonic() - reported >= REPORT_SECONDS:
                reported = monotonic()
                share = source.tell() / size
                _say(f"{done:,} rows ({share:.0%}), {done / (reported - started):,.0f} a second")
    target.write(write_rows(written))
    _say(f"{done:,} rows, {failed:,} with an error")
    return failed


def _read(source: BinaryIO, reader: TableReader) -> Iterator[list[str]]:
    """Read the cells of rows, as those of a batch are read."""
    while block := source.read(BLOCK_BYTES):
        yield from _cells(reader.feed(block))
    yield from _cells(reader.feed(b"", is_last=True))


def _cells(rows: Iterable[Row]) -> Iterator[list[str]]:
    for row in rows:
        if not is_list(row.cells):
            raise TableError("CSV with a head row is needed, not JSON lines.")
        yield row.cells


def _open(result: Path | None) -> BinaryIO:
    """Open a file that nobody else may read: it says who is meant by which link."""
    if result is None:
        return sys.stdout.buffer
    return os.fdopen(os.open(result, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
