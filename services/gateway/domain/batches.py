"""Batches: what their columns mean, which rows they hold, what became of each."""

import base64
import difflib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.gateway.domain.links import OWN_COLUMNS
from services.gateway.domain.tables import Row
from shared.contracts.member import ErasedMember, digest_external_id
from shared.contracts.message import JsonObject
from shared.errors import ApplicationError, ConflictError, InvalidError, TooManyRequestsError
from shared.identifiers import handle_at
from shared.passes.language.rights import Withheld
from shared.passes.links.names import (
    CHANNEL_NAMES,
    FREE_PREFIXES,
    MEMBER_NAMES,
    NAME_PARTS,
    LinkNames,
)
from shared.passes.schema.values import Json, is_list, json_pointer, to_text, unescape_pointer
from shared.sealing import SealBrokenError

BatchKind = Literal["passes", "links", "members", "changes"]
RowKind = Literal["passes", "links", "short_links", "members", "changes"]
"""What rows are; links of no program are short ones."""

BatchState = Literal["queued", "running", "paused", "finished", "cancelled", "failed"]
Action = Literal["pause", "resume", "cancel"]

BATCH_PURPOSE: Final = "batch key"
CHUNK_ROWS: Final = 500
CHUNK_BYTES: Final = 512 * 1024
"""A chunk has so many rows, fewer if they are long: one more may be added to so many bytes."""

MAX_ROWS: Final = 5_000_000
MEBIBYTES: Final = 2048
"""How long a file may be, unless the operator says otherwise."""

MAX_OPEN: Final = 20
"""Batches of an account that are on their way."""

MAX_NAMED: Final = 20
"""Columns that one refusal looks nearest names up for."""

ENDED: Final = frozenset({"finished", "cancelled", "failed"})

_MEMBER_MARK: Final = "member"
_MENTION: Final = "mention"
_NONCE: Final = 12
_DIGEST: Final = 12


class BatchColumnsError(InvalidError):
    """The columns of the file do not fit."""

    code = "batch_columns"


class BatchEmptyError(InvalidError):
    """The file has no rows."""

    code = "batch_empty"


class BatchTooLongError(InvalidError):
    """A batch has at most 5,000,000 rows."""

    code = "batch_too_long"


class TooManyBatchesError(TooManyRequestsError):
    """An account has at most 20 batches on their way."""

    code = "too_many_batches"


class BatchEndedError(ConflictError):
    """The batch has ended."""

    code = "batch_ended"


class BatchGoesOnError(ConflictError):
    """The batch has not ended: there is no result yet."""

    code = "batch_goes_on"


ERASED: Final = "The member was erased."

RESULTS: Final = ("link", "error")
"""Columns of a result besides that of the handle; in a file that is sent again they are ignored."""

HANDLE_NAMES: Final = ("handle", "hashedSerialNumber")

_MEMBER: Final = ("member_id", "external_id", "name", "email", "phone")
FACTS: Final[Mapping[RowKind, tuple[str, ...]]] = {
    "passes": ("template_id", *_MEMBER),
    "links": OWN_COLUMNS,
    "short_links": ("template_id",),
    "members": (*_MEMBER, "tier", "points"),
    "changes": ("handle", "member_id"),
}
"""What rows say besides values by path."""

_KEYS: Final[Mapping[RowKind, tuple[str, ...]]] = {
    "passes": ("external_id",),
    "links": ("external_id",),
    "short_links": (),
    "members": ("member_id", "external_id"),
    "changes": ("handle", "member_id"),
}
"""What no two rows may have in common."""

VALUES: Final = "values."

CHANNEL_FACTS: Final = {f"utm_{part}": part for part in CHANNEL_NAMES.values()}
"""Where a pass comes from, by the columns that say so in a list made for PassKit."""

CAMPAIGN_FACT: Final = "utm_campaign"

_PASSKIT: Final[Mapping[str, str]] = {
    **{name.lower(): fact for name, fact in MEMBER_NAMES.items()},
    **{name: f"utm_{part}" for name, part in CHANNEL_NAMES.items()},
    **{name: name for name in NAME_PARTS},
}
_FREE: Final = tuple(prefix.lower() for prefix in FREE_PREFIXES)

_OTHER_NAMES: Final = {"templatehash": "template_id", "hashedserialnumber": "handle"}


@dataclass(frozen=True, slots=True)
class Column:
    """What the cells of a column say: a fact, the value of a path, or nothing that is wanted."""

    name: str
    target: str = ""
    is_path: bool = False

    @property
    def fact(self) -> str:
        """The fact that its cells say, if it is one."""
        return "" if self.is_path else self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms the rows of a batch are done."""

    template_id: UUID | None = None
    program_id: UUID | None = None
    push: bool = True
    at_google: bool = False
    """Whether passes are prepared at Google."""
    withheld: tuple[Withheld, ...] = ()
    """What values may not show, since who sent them may not see it."""
    columns: tuple[Column, ...] = ()
    separator: str = ","

    def dump(self) -> JsonObject:
        return {
            "template_id": str(self.template_id) if self.template_id else None,
            "program_id": str(self.program_id) if self.program_id else None,
            "push": self.push,
            "at_google": self.at_google,
            "withheld": list(self.withheld),
            "columns": [[c.name, c.target, c.is_path] for c in self.columns],
            "separator": self.separator,
        }

    @classmethod
    def load(cls, kept: JsonObject) -> "Terms":
        template_id, program_id = kept.get("template_id"), kept.get("program_id")
        return cls(
            template_id=UUID(template_id) if template_id else None,
            program_id=UUID(program_id) if program_id else None,
            push=kept.get("push", True),
            at_google=kept.get("at_google", False),
            withheld=tuple(kept.get("withheld", ())),
            columns=tuple(Column(*column) for column in kept.get("columns", ())),
            separator=kept.get("separator", ","),
        )

    @property
    def handle_name(self) -> str:
        """What the result calls handles: as PassSource does in a file with PassSource's names."""
        names = {column.name for column in self.columns}
        return HANDLE_NAMES["templateId" in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A list of rows, and how far it is."""

    batch_id: UUID
    account_id: UUID
    kind: BatchKind
    state: BatchState
    terms: Terms
    sealed: str = field(repr=False)
    rows: int
    done: int
    failed: int
    fault: str | None
    created_at: datetime
    started_at: datetime | None
    resumed_at: datetime | None
    resumed_done: int
    ended_at: datetime | None

    @property
    def row_kind(self) -> RowKind:
        """What its rows are."""
        return row_kind(self.kind, self.terms.program_id)

    def rate(self, at: datetime) -> float | None:
        """How many rows a second were done since it was resumed last."""
        if self.resumed_at is None:
            return None
        seconds = ((self.ended_at or at) - self.resumed_at).total_seconds()
        return (self.done - self.resumed_done) / max(seconds, 0.001)


def row_kind(kind: BatchKind, program_id: UUID | None) -> RowKind:
    """Tell what rows are."""
    return "short_links" if kind == "links" and program_id is None else kind


class Content(NamedTuple):
    """What a row says."""

    facts: JsonObject
    values: JsonObject


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A row as a chunk holds it."""

    line: int
    cells: Any
    """Texts, or of a JSON line its object; None once the member that it is about was erased."""

    twin: int = 0
    """The line of an earlier row that has the same id; 0: there is none."""

    def read(self, columns: Sequence[Column], *, are_checked: bool = True) -> Content:
        """Tell what its cells say; InvalidError if there are more of them than columns.

        An empty cell says nothing; in JSON lines an empty text and null are said.
        """
        content = Content({}, {})
        if self.cells is None:
            raise InvalidError(ERASED)
        if is_list(self.cells):
            given: Iterable[tuple[Column, Json]] = zip(columns, self.cells, strict=False)
            said = [(column, text) for column, text in given if text]
            if are_checked and len(self.cells) > len(columns):
                raise InvalidError("The row has more cells than the head.")
        else:
            said = [(c, self.cells[c.name]) for c in columns if c.name in self.cells]
        for column, value in said:
            if column.is_path:
                content.values[column.target] = value
            elif column.target and value not in (None, ""):
                content.facts[column.target] = value
        return content

    def texts(self, columns: Sequence[Column]) -> list[Json]:
        """Give its cells in the order of the columns."""
        if self.cells is None:
            return [""] * len(columns)
        if is_list(self.cells):
            cells: list[Json] = self.cells[: len(columns)]
            return [*cells, *[""] * (len(columns) - len(cells))]
        return [self.cells.get(column.name) for column in columns]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row."""

    handle: str | None = None
    member_id: str | None = None
    error: str | None = None
    link: str | None = None

    def dump(self) -> list[str | None]:
        return [self.handle, self.member_id, self.error, self.link]


@dataclass(frozen=True, slots=True)
class BatchKey:
    """The key that seals what a batch holds; without it nothing of that can be read."""

    secret: bytes = field(repr=False)

    @classmethod
    def make(cls) -> "BatchKey":
        return cls(secrets.token_bytes(32))

    def seal(self, plain: bytes, place: str) -> bytes:
        """Seal what rests in one place, as that of a chunk."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self.secret).encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Give what was sealed for this place; SealBrokenError."""
        nonce, content = sealed[:_NONCE], sealed[_NONCE:]
        try:
            return AESGCM(self.secret).decrypt(nonce, content, place.encode())
        except InvalidTag:
            raise SealBrokenError from None

    def digest(self, *words: str) -> bytes:
        """Name something so that only who has the key can tell what."""
        return hmac.digest(self.secret, orjson.dumps(words), "sha256")[:_DIGEST]

    def seal_rows(self, rows: Sequence[KeptRow], number: int) -> bytes:
        plain = orjson.dumps([[row.line, row.cells, row.twin] for row in rows])
        return self.seal(plain, f"rows {number}")

    def open_rows(self, sealed: bytes, number: int) -> list[KeptRow]:
        return [KeptRow(*row) for row in orjson.loads(self.open(sealed, f"rows {number}"))]

    def seal_outcomes(self, outcomes: Sequence[Outcome], number: int) -> bytes:
        plain = orjson.dumps([outcome.dump() for outcome in outcomes])
        return self.seal(plain, f"outcomes {number}")

    def open_outcomes(self, sealed: bytes, number: int) -> list[Outcome]:
        plain = self.open(sealed, f"outcomes {number}")
        return [Outcome(*outcome) for outcome in orjson.loads(plain)]

    def handle_of(self, line: int, at: datetime) -> str:
        """Give the handle for the pass of a row: each time the same, and nobody can guess it."""
        secret = hmac.digest(self.secret, b"handle %d" % line, "sha256")[:16]
        return handle_at(at.timestamp(), secret)

    def short_key_of(self, line: int) -> str:
        """Give the key of the short link of a row: 80 bits that nobody can guess."""
        secret = hmac.digest(self.secret, b"link %d" % line, "sha256")[:10]
        return base64.b32hexencode(secret).decode().lower()

    def mark_of_member(self, member_id: str) -> bytes:
        return self.digest(_MEMBER_MARK, member_id)

    def marks_of_erased(self, member: ErasedMember) -> list[bytes]:
        """List the marks of the rows that tell of a member, or name it by one of its ids."""
        member_id = member.member_id
        marks = [self.mark_of_member(member_id), self.digest("member_id", "", member_id)]
        if member.external_id_digest is not None:
            marks.append(self.digest("external_id", "", member.external_id_digest))
            marks.append(self.digest(_MENTION, member.external_id_digest))
        return marks


def ids_of(kind: RowKind, content: Content, account_id: UUID) -> list[tuple[str, ...]]:
    """List what no other row may have: ids, of passes those within a template."""
    template = str(content.facts.get("template_id", ""))
    texts = {name: to_text(content.facts[name]) for name in _KEYS[kind] if name in content.facts}
    return [
        id_of_person(account_id, text, template)
        if name == "external_id"
        else (name, template, text)
        for name, text in texts.items()
    ]


def id_of_person(account_id: UUID, external_id: str, template: str = "") -> tuple[str, ...]:
    """Name an external id as what erases a member knows it."""
    return ("external_id", template, digest_external_id(account_id, external_id))


def mention_of_person(account_id: UUID, external_id: str) -> tuple[str, ...]:
    """Name an external id where other rows may have it, too."""
    return (_MENTION, digest_external_id(account_id, external_id))


def mentions_of(
    kind: RowKind, content: Content, ids: Iterable[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Name who a row is about where its ids do not: members are the same in every template."""
    mentions: list[tuple[str, ...]] = [
        (_MENTION, word) for name, template, word in ids if name == "external_id" and template
    ]
    if kind == "passes" and "member_id" in content.facts:
        mentions.append((_MEMBER_MARK, to_text(content.facts["member_id"])))
    return mentions


def with_twin(row: KeptRow, lines: Iterable[int]) -> KeptRow:
    """Note the earliest other line among those where its ids came first."""
    others = [line for line in lines if line != row.line]
    return replace(row, twin=min(others)) if others else row


def twin_error(kind: RowKind, line: int) -> InvalidError:
    """Say that a row has what an earlier one has."""
    names = " or ".join(_KEYS[kind])
    return InvalidError(f"It has the same {names} as line {line}.")


def explain(error: ApplicationError) -> str:
    """Say in one cell what is wrong with a row."""
    faults = [_fault(fault) for fault in error.errors]
    return " ".join([error.detail, *([f"({'; '.join(faults)})"] if faults else [])])


def _fault(fault: Mapping[str, Any]) -> str:
    place = unescape_pointer(str(fault.get("pointer", "")).rpartition("/")[2])
    return ": ".join(filter(None, (place, str(fault.get("detail", "")))))


def understand(
    kind: RowKind, names: Sequence[str], mapping: Mapping[str, str]
) -> tuple[Column, ...]:
    """Tell what columns mean: facts by their names, the rest paths, which are checked apart.

    `mapping` says what columns of other names mean: a fact, a path (`values.` before it tells the
    path `name` from the fact), or nothing. BatchColumnsError names what is there twice.
    """
    columns = tuple(_meaning(kind, name, mapping.get(name, name)) for name in names)
    refuse_doubles(columns)
    return columns


def refuse_doubles(columns: Sequence[Column]) -> None:
    """Refuse columns that mean the same."""
    first: dict[str, str] = {}
    faults: list[tuple[str, str]] = []
    for column in columns:
        before = first.setdefault(column.target, column.name)
        if column.target and before is not column.name:
            faults.append((column.name, f"means the same as the column {before}"))
    if faults:
        raise refused_columns(faults)


def as_links_understand(columns: Iterable[Column]) -> list[Column]:
    """Tell what PassKit's names mean in links, which sort values by these names themselves."""
    known = {**_PASSKIT, "campaign": CAMPAIGN_FACT}
    return [replace(c, target=known.get(c.target.lower(), c.target)) for c in columns]


def place(column: Column, templates: Iterable[LinkNames], paths: Mapping[str, str]) -> Column:
    """Find the path that one of PassKit's names has in a template; without one it is left out."""
    if not column.is_path or column.target in paths:
        return column
    for names in templates:
        for path in names.sort({column.target: ""}).values:
            if path in paths:
                return Column(column.name, path, is_path=True)
    return Column(column.name) if column.target.lower().startswith(_FREE) else column


def check_mapping(names: Sequence[str], mapping: Mapping[str, str]) -> None:
    """Refuse a mapping of columns that there are not."""
    if missing := [name for name in mapping if name not in names]:
        raise refused_columns([(name, "is in the mapping, not in the file") for name in missing])


def check_paths(kind: RowKind, columns: Sequence[Column], paths: Mapping[str, str]) -> None:
    """Refuse columns that are no paths: path → why nobody can set it, or nothing."""
    faults: list[tuple[str, str]] = []
    for column in columns:
        if not column.is_path or paths.get(column.target) == "":
            continue
        reason = paths.get(column.target)
        if reason is None:
            looks = len(faults) < MAX_NAMED
            nearest = _nearest(kind, column.target, paths) if looks else ""
            hint = f"; did you mean {nearest}?" if nearest else ""
            reason = f"is unknown{hint}"
        faults.append((column.name, reason))
    if faults:
        raise refused_columns(faults)


def refused_columns(faults: Sequence[tuple[str, str]]) -> BatchColumnsError:
    """Refuse columns by their names."""
    sentences = [f"{name}: {detail}" for name, detail in faults[:MAX_NAMED]]
    return BatchColumnsError(
        f"{'; '.join(sentences)}.",
        errors=[
            {"pointer": json_pointer([1, name]), "detail": detail} for name, detail in faults[:100]
        ],
    )


def _meaning(kind: RowKind, name: str, wanted: str) -> Column:
    facts = FACTS[kind]
    if wanted in facts:
        return Column(name, wanted)
    if wanted.startswith(VALUES):
        return Column(name, wanted.removeprefix(VALUES), is_path=True)
    plain = re.sub(r"[\W_]", "", wanted).lower()
    for fact in facts:
        if plain == fact.replace("_", "") or _OTHER_NAMES.get(plain) == fact:
            return Column(name, fact)
    if kind == "passes" and wanted.lower() in _PASSKIT:
        return Column(name, _PASSKIT[wanted.lower()])
    if not wanted or wanted in (*RESULTS, *HANDLE_NAMES):
        return Column(name)
    return Column(name, wanted, is_path=True)


def _nearest(kind: RowKind, name: str, paths: Mapping[str, str]) -> str:
    settable = (path for path, reason in paths.items() if not reason)
    found = difflib.get_close_matches(name, [*FACTS[kind], *settable], n=1)
    return found[0] if found else ""


def kept_rows(rows: Iterable[Row], width: int) -> list[KeptRow]:
    """Keep rows of a table; of cells beyond its columns only that there are some."""
    return [
        KeptRow(row.line, row.cells[: width + any(row.cells[width:])])
        if is_list(row.cells)
        else KeptRow(row.line, row.cells)
        for row in rows
    ]
