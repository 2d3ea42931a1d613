"""Does the rows of a batch: each once, under an id that follows from the batch and its line."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import structlog

from services.gateway.catalogue.batches import OpenChunk
from services.gateway.context import Context
from services.gateway.domain.batches import (
    CHANNEL_FACTS,
    Batch,
    Content,
    KeptRow,
    Outcome,
    explain,
    twin_error,
)
from services.gateway.usecases import google, pass_images, passes
from services.gateway.usecases.batch_links import make_short_links, seal_links
from services.gateway.usecases.batch_templates import (
    NewestTemplate,
    template_of,
    templates_of,
    without_errors,
)
from services.gateway.usecases.passes import Order, UnknownMemberError
from shared.contracts.member import (
    Enrolled,
    EnrolMember,
    ListMembers,
    Member,
    MemberPage,
    MemberSaved,
    ReadMember,
    SaveMember,
)
from shared.contracts.message import JsonObject
from shared.contracts.triggers import Channel, ListPasses, Pass, PassCreated, PassPage, ReadPass
from shared.errors import (
    ApplicationError,
    ConflictError,
    GoneError,
    InternalError,
    InvalidError,
    NotFoundError,
    RetryableError,
    UnavailableError,
)
from shared.identifiers import derived_id, id_of_handle, trim_handle
from shared.logs import trace_of
from shared.passes.links.names import NAME_PARTS
from shared.passes.links.tokens import MAX_CHANNEL_CHARACTERS
from shared.passes.schema.values import is_number, parse_number, to_text
from shared.yielding import yielding

MAX_ATTEMPTS: Final = 5
"""So often rows are tried that fail on our side."""

PAGE: Final = 500
"""Passes of a member that are changed at a time."""

_FIELDS: Final = ("name", "email", "phone", "external_id", "tier", "points")


ENROLLED_BEFORE: Final = "Who has this external_id has a pass of this template already: this one."


log: structlog.stdlib.BoundLogger = structlog.get_logger()


class InDoubtError(RetryableError):
    """What became of some rows is not known: they are to be done again, under the same ids."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row in hand."""

    context: Context
    opened: OpenChunk
    line: int
    content: Content

    @property
    def batch(self) -> Batch:
        return self.opened.batch

    @property
    def account_id(self) -> UUID:
        return self.batch.account_id

    def command_id(self, step: int = 0) -> UUID:
        """Name what is done for this row, step by step."""
        row_id = derived_id(self.batch.batch_id, self.line)
        return derived_id(row_id, step) if step else row_id

    def text(self, fact: str) -> str | None:
        value = self.content.facts.get(fact)
        return None if value is None else to_text(value).strip()

    @property
    def fields(self) -> JsonObject:
        """What it says of a member, but for its id."""
        fields: JsonObject = {
            name: _points(value) if name == "points" else to_text(value).strip()
            for name, value in self.content.facts.items()
            if name in _FIELDS
        }
        if "name" not in fields and (parts := list(filter(None, map(self.text, NAME_PARTS)))):
            fields["name"] = " ".join(parts)
        return fields

    @property
    def channel(self) -> Channel | None:
        """Where the pass comes from; InvalidError if that is too long."""
        said = {part: self.text(fact) or "" for fact, part in CHANNEL_FACTS.items()}
        if not any(said.values()):
            return None
        if len(max(said.values(), key=len)) > MAX_CHANNEL_CHARACTERS:
            raise InvalidError(f"Cells of utm_ have at most {MAX_CHANNEL_CHARACTERS} characters.")
        return Channel.model_validate(said)


async def do_rows(context: Context, opened: OpenChunk) -> list[Outcome]:
    """Do rows all at once; each has its own outcome. InDoubtError: they are to be done again.

    Where that fails again and again in a way nobody foresaw, they are done one by one, so that
    it is the outcome of the row that causes it.
    """
    try:
        return await _do_rows(context, opened)
    except RetryableError:
        raise
    except Exception:
        if opened.attempts < MAX_ATTEMPTS:
            raise
    return [await _do_alone(context, replace(opened, rows=[row])) for row in opened.rows]


async def _do_alone(context: Context, opened: OpenChunk) -> Outcome:
    try:
        [outcome] = await _do_rows(context, opened)
    except RetryableError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's
        kind = type(error).__name__
        log.error("batch_row_failed", kind=kind, trace=trace_of(error))  # noqa: TRY400
        return Outcome(error=explain(InternalError()))
    return outcome


async def _do_rows(context: Context, opened: OpenChunk) -> list[Outcome]:
    batch = opened.batch
    contents = [_read(row, batch) async for row in yielding(opened.rows)]
    found: Sequence[Outcome | BaseException]
    match batch.row_kind:
        case "links":
            found = await seal_links(context, batch, contents)
        case "short_links":
            found = await make_short_links(context, opened, contents)
        case "passes" | "members" | "changes":
            found = await _do_each(context, opened, contents)
    return [_outcome(one, opened.attempts) for one in found]


async def _do_each(
    context: Context, opened: OpenChunk, contents: Sequence[Content | ApplicationError]
) -> list[Outcome | BaseException]:
    """Ask the owners for all rows at once."""
    batch, said = opened.batch, without_errors(contents)
    templates = await templates_of(context, batch, said)
    settled = await pass_images.settle(
        context, batch.account_id, [content.values for content in said], most=None
    )

    async def one(at: int) -> Outcome:
        content, values = contents[at], settled[at]
        if isinstance(content, ApplicationError):
            raise content
        if isinstance(values, ApplicationError):
            raise values
        row = _Row(context, opened, opened.rows[at].line, Content(content.facts, values))
        if batch.kind == "passes":
            return await _issue(row, template_of(batch, content, templates))
        return await (_save_member(row) if batch.kind == "members" else _change(row))

    asked = [asyncio.ensure_future(one(at)) async for at in yielding(range(len(contents)))]
    return await asyncio.gather(*asked, return_exceptions=True)


def _read(row: KeptRow, batch: Batch) -> Content | ApplicationError:
    if row.twin:
        return twin_error(batch.row_kind, row.twin)
    try:
        return row.read(batch.terms.columns)
    except InvalidError as error:
        return error


def _outcome(found: Outcome | BaseException, attempts: int) -> Outcome:
    if isinstance(found, Outcome):
        return found
    is_ours = isinstance(found, InternalError) and attempts < MAX_ATTEMPTS
    if is_ours or isinstance(found, UnavailableError):
        raise InDoubtError from found
    if not isinstance(found, ApplicationError):
        raise found
    return Outcome(error=explain(found))


# Passes


async def _issue(row: _Row, template: NewestTemplate) -> Outcome:
    """Issue a pass, for the member that the row names, finds or makes."""
    member: Member | None = None
    channel = row.channel
    handle = row.opened.key.handle_of(row.line, row.batch.created_at)
    if (member_id := row.text("member_id")) is not None:
        member = await _member(row, member_id)
    elif row.fields:
        holder = await _enrol(row, template.template_id, handle)
        member, handle = holder.member, holder.handle
        if holder.has_pass:
            await _prepare(row, template.template_id, await _read_pass(row, handle))
            return Outcome(handle, member.member_id, ENROLLED_BEFORE)
    order = Order(
        row.content.values, withheld=row.batch.terms.withheld, channel=channel, handle=handle
    )
    command = passes.creation(
        order,
        member,
        account_id=row.account_id,
        template_id=template.template_id,
        revision=template.revision,
        command_id=id_of_handle(handle),  # as whoever clicks on a link for the same person sends it
    )
    created = await row.context.requester.ask(command, PassCreated, lane="bulk")
    await _prepare(row, template.template_id, created)
    return Outcome(created.handle, member and member.member_id)


async def _prepare(row: _Row, template_id: UUID, issued: Pass | PassCreated) -> None:
    """Want a pass at Google, if the batch is to prepare passes there."""
    if row.batch.terms.at_google:
        await google.keep(row.context, row.account_id, template_id, issued, in_bulk=True)


@dataclass(frozen=True, slots=True)
class _Holder:
    """Whose pass it is, and under which handle."""

    member: Member
    handle: str
    has_pass: bool


async def _enrol(row: _Row, template_id: UUID, handle: str) -> _Holder:
    """Find or make the member; one whose pass was deleted is to have a new one."""
    command = EnrolMember(
        command_id=row.command_id(1),
        account_id=row.account_id,
        template_id=template_id,
        member_id=str(row.command_id(2)),
        handle=handle,
        fields=row.fields,
    )
    enrolled = await row.context.requester.ask(command, Enrolled, lane="bulk")
    known = enrolled.enrolment.handle
    if known == handle:
        return _Holder(enrolled.member, handle, has_pass=False)
    try:
        await _read_pass(row, known)
    except NotFoundError:  # whoever came before got no further
        return _Holder(enrolled.member, known, has_pass=False)
    except GoneError:
        renewed = command.model_copy(update={"command_id": row.command_id(3), "replaces": known})
        enrolled = await row.context.requester.ask(renewed, Enrolled, lane="bulk")
        known = enrolled.enrolment.handle
    return _Holder(enrolled.member, known, has_pass=known != handle)


async def _read_pass(row: _Row, handle: str) -> Pass:
    query = ReadPass(account_id=row.account_id, handle=handle)
    return await row.context.requester.ask(query, Pass, lane="bulk")


# Members


async def _member(row: _Row, member_id: str) -> Member:
    """Read the member that a row names; one that is not there is made, if the row says who it is.

    What is there already stays as it is.
    """
    query = ReadMember(account_id=row.account_id, member_id=member_id)
    try:
        return await row.context.requester.ask(query, Member, lane="bulk")
    except NotFoundError:
        if not row.fields:
            raise UnknownMemberError(
                errors=[{"pointer": "member_id", "detail": "Unknown member"}]
            ) from None
    try:
        return await _save(row, member_id, "create", 1)
    except ConflictError:  # another row has just made it
        return await row.context.requester.ask(query, Member, lane="bulk")


async def _save_member(row: _Row) -> Outcome:
    """Change the member that the row names by an id of either kind, or make it."""
    member_id, own = row.text("member_id"), str(row.command_id(2))
    if member_id is None and (external_id := row.text("external_id")):
        member_id = await _find_member(row, external_id)
    if member_id in (None, own):
        member = await _save(row, own, "create", 0)
        return Outcome(None, member.member_id)
    try:
        member = await _save(row, member_id, "merge", 1)
    except NotFoundError:
        member = await _save(row, member_id, "create", 0)
    return Outcome(None, member.member_id)


async def _find_member(row: _Row, external_id: str) -> str | None:
    query = ListMembers(account_id=row.account_id, external_id=external_id, limit=1)
    try:
        page = await row.context.requester.ask(query, MemberPage, lane="bulk")
    except InvalidError:  # no member has what is no external id; saving it says so
        return None
    return page.members[0].member_id if page.members else None


async def _save(row: _Row, member_id: str, mode: str, step: int) -> Member:
    command = SaveMember.model_validate(
        {
            "command_id": row.command_id(step),
            "account_id": row.account_id,
            "member_id": member_id,
            "mode": mode,
            "fields": row.fields,
        }
    )
    return (await row.context.requester.ask(command, MemberSaved, lane="bulk")).member


def _points(value: object) -> object:
    """Read points as a cell has them; what is no number is for their owner to refuse."""
    number = parse_number(value) if isinstance(value, str) else value
    return int(number) if is_number(number) and number == int(number) else value


# Changes


async def _change(row: _Row) -> Outcome:
    """Change a pass, or all passes of a member."""
    if (handle := row.text("handle")) is not None:
        handle = trim_handle(handle)
        await _change_pass(row, handle, row.command_id())
        return Outcome(handle)
    member_id = row.text("member_id")
    if member_id is None:
        raise InvalidError("A handle or a member_id is needed.")
    changed: list[str] = []
    async for handles in _passes_of(row, member_id):
        await asyncio.gather(
            *(_change_pass(row, handle, row.command_id(_step(handle))) for handle in handles)
        )
        changed += handles
    if not changed:
        raise NotFoundError("The member has no pass.")
    return Outcome(" ".join(changed), member_id)


async def _change_pass(row: _Row, handle: str, command_id: UUID) -> None:
    terms = row.batch.terms
    await passes.change(
        row.context,
        row.account_id,
        handle,
        "update",
        command_id=command_id,
        values=row.content.values,
        push=terms.push,
        withheld=terms.withheld,
        template_id=terms.template_id,
        lane="bulk",
    )


async def _passes_of(row: _Row, member_id: str) -> AsyncIterator[list[str]]:
    query = ListPasses(
        account_id=row.account_id,
        template_id=row.batch.terms.template_id,
        member_id=member_id,
        limit=PAGE,
    )
    while True:
        page = await row.context.requester.ask(query, PassPage, lane="bulk")
        if page.passes:
            yield [found.handle for found in page.passes]
        if not page.more:
            return
        query = query.model_copy(update={"after": page.last})


def _step(handle: str) -> int:
    """Name the step that changes this pass, whichever others the member has by then."""
    return int.from_bytes(hashlib.sha256(handle.encode()).digest()[:8])
