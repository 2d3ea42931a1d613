"""Reads tables as people and programs send them, piece by piece: CSV of any country, JSON lines."""

import csv
import io
import re
import string
from codecs import (
    BOM_UTF8,
    BOM_UTF16_BE,
    BOM_UTF16_LE,
    IncrementalDecoder,
    getincrementaldecoder,
    lookup,
)
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeGuard

import orjson
from charset_normalizer import from_bytes

from shared.errors import InvalidError
from shared.passes.schema.encodings import encoding_name
from shared.passes.schema.values import holds_nul, is_object

MAX_COLUMNS: Final = 200
MAX_NAME: Final = 200
MAX_CELL: Final = 64 * 1024
MAX_ROW: Final = 256 * 1024
"""Characters of a cell and of a row; a name has at most 200."""

BLOCK_BYTES: Final = 64 * 1024
"""So much is read at a time: what finds out the encoding sees no more."""

_BEGINNING: Final = 64
"""Bytes that tell a byte order mark, or UTF-16 without one."""

_SAMPLE_BYTES: Final = 4096
_SEPARATORS: Final = ",;\t|"
_BLANK: Final = f"{string.whitespace}\u00a0\u200b\ufeff"
"""What stands around names where nobody sees it, as in files that were joined."""

_SEPARATOR_LINE: Final = re.compile(r"sep=(.)(?:\r\n|\r|\n)", re.IGNORECASE)
_JSON_LIST: Final = re.compile(r"\s*\[\s*\{")
_WORKBOOK: Final = "it is a workbook or an archive: save its table as CSV"
_FOREIGN: Final = {
    b"PK\x03\x04": _WORKBOOK,
    b"\xd0\xcf\x11\xe0": _WORKBOOK,
    b"\x1f\x8b": "it is packed: unpack it first",
}
"""What files of other kinds begin with, and what to do with them."""

_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_ENCODINGS: Final = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "mac_roman", "cp932", "gb18030",
    "big5", "cp949",
)  # fmt: skip
"""What spreadsheets save as where they do not save as UTF-8, the most usual first."""


class Row(NamedTuple):
    """A row, and in which line of the file it begins."""

    line: int
    cells: Any
    """Texts in the order of the columns, or of a JSON line its object."""


class TableError(InvalidError):
    """The file cannot be read as CSV or JSON lines."""

    code = "table_unreadable"


def unreadable(line: int, detail: str) -> TableError:
    """Refuse a file because of one of its lines."""
    return TableError(f"Line {line}: {detail}", errors=[{"pointer": f"/{line}", "detail": detail}])


class TableReader:
    """Reads rows out of bytes as they come; at most a row and a block of them are in memory.

    `charset` is what the sender calls the encoding. Without it a byte order mark tells it, else the
    first bytes that are not ASCII. TableError names the line that cannot be read.
    """

    def __init__(self, charset: str | None = None) -> None:
        self._decoder = _Decoder(charset)
        self._rows: _CsvRows | _JsonRows | None = None

    @property
    def columns(self) -> Sequence[str]:
        """The columns: those of the head, or the names in JSON lines as far as they are read."""
        return () if self._rows is None else self._rows.columns

    @property
    def has_head(self) -> bool:
        """Whether the columns are all there are."""
        return isinstance(self._rows, _CsvRows) and bool(self._rows.columns)

    @property
    def separator(self) -> str:
        """What parts cells."""
        return (self._rows and self._rows.separator) or ","

    def feed(self, block: bytes, *, is_last: bool = False) -> list[Row]:
        """Read the rows that end with this block; the very last row needs no line end."""
        try:
            text = self._decoder.decode(block, is_last=is_last)
        except UnicodeError as error:  # not always a UnicodeDecodeError
            line = 1 if self._rows is None else self._rows.line + 1
            encoding = self._decoder.encoding.upper()
            raise unreadable(line, f"these or following bytes are not {encoding}") from error
        if self._rows is None:
            if not (text.strip() or is_last):
                return []
            if _JSON_LIST.match(text):
                raise unreadable(1, "it is a JSON list: send each of its objects as a line")
            self._rows = _JsonRows() if text.lstrip().startswith("{") else _CsvRows()
        return self._rows.feed(text, is_last=is_last)


class _Decoder:
    """Decodes by the encoding that is found out at the first bytes which tell it."""

    def __init__(self, charset: str | None) -> None:
        self.encoding = "ascii"
        self._decoder: IncrementalDecoder | None = None
        self._beginning: bytes | None = b""
        if charset is not None:
            if encoding_name(charset) is None:
                raise TableError(f"The charset {charset[:50]} is not known.")
            self._use(charset)

    def decode(self, block: bytes, *, is_last: bool) -> str:
        if self._beginning is not None:
            block = self._beginning + block
            if len(block) < _BEGINNING and not is_last:
                self._beginning = block
                return ""
            self._beginning, block = None, self._begin(block)
        if self._decoder is None:
            if block.isascii():
                return block.decode("ascii")
            return self._use(_encoding_of(block)).decode(block, is_last)
        return self._decoder.decode(block, is_last)

    def _use(self, encoding: str) -> IncrementalDecoder:
        self.encoding = lookup(encoding).name
        self._decoder = getincrementaldecoder(self.encoding)("strict")
        return self._decoder

    def _begin(self, block: bytes) -> bytes:
        """Leave out a byte order mark, which says more than whoever sends the file."""
        for mark, encoding in (
            (BOM_UTF8, "utf-8"),
            (BOM_UTF16_LE, "utf-16-le"),
            (BOM_UTF16_BE, "utf-16-be"),
        ):
            if block.startswith(mark):
                self._use(encoding)
                return block.removeprefix(mark)
        for mark, advice in _FOREIGN.items():
            if block.startswith(mark):
                raise unreadable(1, advice)
        beginning = block[:_BEGINNING]
        if self._decoder is None and b"\0" in beginning:
            # Every second byte of Latin letters in UTF-16 is none, and none but these.
            for encoding, at in (("utf-16-le", 1), ("utf-16-be", 0)):
                if not any(beginning[at::2]) and all(beginning[1 - at :: 2]):
                    self._use(encoding)
        return block


def _encoding_of(block: bytes) -> str:
    """Find out the encoding of bytes that are not ASCII."""
    text = getincrementaldecoder("utf-8")("replace").decode(block)  # its end may be cut off
    broken = text.count("\ufffd")
    # In any other encoding hardly a letter happens to be UTF-8; a few bytes that are not are told.
    if broken < len(_BEYOND_ASCII.findall(text)) - broken:
        return "utf-8"
    lines = [line for line in block.splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE_BYTES]
    # What makes as much sense in several encodings is in the one that most files have.
    rated = [
        (round(found.chaos, 2), _ENCODINGS.index(name))
        for found in from_bytes(sample, cp_isolation=list(_ENCODINGS))
        for name in {found.encoding, *found.could_be_from_charset}.intersection(_ENCODINGS)
    ]
    return _ENCODINGS[min(rated)[1]] if rated else _ENCODINGS[0]


class _CsvRows:
    """Rows of CSV (RFC 4180) with whatever separator and line ends."""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.separator = ""
        self.line = 0
        """How many lines are read."""
        self._rest = ""

    def feed(self, text: str, *, is_last: bool) -> list[Row]:
        if "\0" in text:
            lines = len(_LINE_END.findall(self._rest + text.partition("\0")[0]))
            raise unreadable(self.line + lines + 1, "it holds the character NUL")
        text = self._rest + text
        if not self.separator:
            text = self._begin(text, is_last=is_last)
        end = len(text) if is_last else _end_of_rows(text) if self.separator else 0
        self._rest = text[end:]
        if len(self._rest) > MAX_ROW:
            raise unreadable(
                self.line + 1,
                f"a row has at most {MAX_ROW // 1024} KiB: is a quote not closed?",
            )
        rows = list(self._parse(text[:end]))
        if rows and not self.columns:
            self.columns = _checked_head(rows.pop(0))
        return rows

    def _begin(self, text: str, *, is_last: bool) -> str:
        """Find the separator in the first line that says something, or in Excel's line for it."""
        begin = len(text) - len(text.lstrip("\r\n"))
        self.line += len(_LINE_END.findall(text[:begin]))
        text = text[begin:]
        if named := _SEPARATOR_LINE.match(text):
            self.separator = named[1]
            self.line += 1
            return text[named.end() :]
        head, *others = _LINE_END.split("".join(text.split('"')[::2]), maxsplit=1)
        if head and (others or is_last):
            self.separator = max(_SEPARATORS, key=head.count)
        return text

    def _parse(self, text: str) -> Iterator[Row]:
        file, separator = io.StringIO(text, newline=""), self.separator or ","
        reader = csv.reader(file, delimiter=separator, strict=True)
        before, begin = self.line, self.line + 1
        # A cell that is too long makes more than a block of text.
        is_long = len(text) > MAX_CELL
        try:
            for cells in reader:
                if is_long and len(max(cells, key=len, default="")) > MAX_CELL:
                    raise unreadable(begin, f"a cell has at most {MAX_CELL // 1024} KiB")
                if any(cells):
                    yield Row(begin, cells)
                begin = before + reader.line_num + 1
        except csv.Error as error:
            if "field limit" in str(error):
                detail = f"a cell has at most {MAX_CELL // 1024} KiB"
            else:
                detail = "a quote is not closed, or stands within a cell without being doubled"
            raise unreadable(begin, detail) from error
        self.line = before + reader.line_num


def _end_of_rows(text: str) -> int:
    """Find the end of the last line that ends outside quotes; 0 if there is none."""
    parts = text.split('"')
    end = len(text)
    for index in range(len(parts) - 1, -1, -1):
        part = parts[index]
        begin = end - len(part)
        if index % 2 == 0:
            if end == len(text):
                part = part.removesuffix("\r")  # a \n may follow
            at = max(part.rfind("\n"), part.rfind("\r"))
            if at >= 0:
                return begin + at + 1
        end = begin - 1
    return 0


def _checked_head(head: Row) -> list[str]:
    names = [name.strip(_BLANK) for name in head.cells]
    while names and not names[-1]:  # as Excel writes columns that were emptied
        names.pop()
    _check_names(names, head.line)
    if unnamed := [str(n) for n, name in enumerate(names, start=1) if not name]:
        raise unreadable(head.line, f"column {', '.join(unnamed[:10])} has no name")
    return names


def _check_names(names: Sequence[str], line: int) -> None:
    if len(names) > MAX_COLUMNS:
        raise unreadable(line, f"a table has at most {MAX_COLUMNS} columns")
    if long := [name for name in names if len(name) > MAX_NAME]:
        raise unreadable(
            line, f"the name of a column has at most {MAX_NAME} characters: {long[0][:40]}…"
        )


class _JsonRows:
    """Rows that are a JSON object each; a name that comes for the first time is a new column."""

    separator = ","

    def __init__(self) -> None:
        self.line = 0
        self._columns: dict[str, None] = {}
        self._rest = ""

    @property
    def columns(self) -> Sequence[str]:
        return list(self._columns)

    def feed(self, text: str, *, is_last: bool) -> list[Row]:
        *lines, self._rest = (self._rest + text).split("\n")
        if is_last:
            lines.append(self._rest)
            self._rest = ""
        rows = list(self._parse(lines))
        if len(self._rest) > MAX_ROW:
            raise unreadable(self.line + 1, f"a row has at most {MAX_ROW // 1024} KiB")
        return rows

    def _parse(self, lines: Sequence[str]) -> Iterator[Row]:
        for text in lines:
            self.line += 1
            if not text.strip():
                continue
            if len(text) > MAX_ROW:
                raise unreadable(self.line, f"a row has at most {MAX_ROW // 1024} KiB")
            yield Row(self.line, self._read(text))

    def _read(self, text: str) -> dict[str, Any]:
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise unreadable(self.line, f"it is no JSON: {error}") from error
        if not _is_row(row):
            raise unreadable(self.line, "it is no JSON object")
        if holds_nul(text.encode()):
            raise unreadable(self.line, "it holds the character NUL")
        new = [name for name in row if name not in self._columns]
        if new:
            self._columns |= dict.fromkeys(new)
            _check_names(list(self._columns), self.line)
            if "" in self._columns:
                raise unreadable(self.line, "a value has no name")
        return row


def _is_row(value: object) -> TypeGuard[dict[str, Any]]:
    return is_object(value)
