"""What every dialect does with passes: issue, change, read and fetch; routes only translate."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Literal, TypeVar
from uuid import UUID
from zlib import crc32

import structlog

from services.gateway.catalogue.served import ServedContent
from services.gateway.catalogue.showcase import PassWithoutTemplateError
from services.gateway.context import Context
from services.gateway.usecases import pass_images
from services.gateway.usecases.depth import present_depth
from shared import clock, metrics
from shared.contracts.generator import Content, ReadContent
from shared.contracts.member import Member, ReadMember
from shared.contracts.message import JsonObject, Lane
from shared.contracts.notifier import NoteFetch
from shared.contracts.triggers import (
    MAX_RUN_TIME,
    ChangePass,
    Channel,
    CreatePass,
    FindPass,
    Pass,
    PassChanged,
    PassCreated,
    PassSince,
    ReadPass,
    ReadPassSince,
    StyleKey,
)
from shared.errors import (
    ApplicationError,
    GoneError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from shared.identifiers import derived_id, new_handle, new_serial
from shared.passes.apple.archive import ArchiveEntry, PassArchive
from shared.passes.language.rights import Withheld
from shared.passes.schema.slots import has_images
from shared.yielding import yielding

Change = Literal[
    "check", "scan", "register", "edit", "update", "void", "unvoid", "delete", "install",
    "device_update", "remove", "push",
]  # fmt: skip
Outcome = TypeVar("Outcome")

NO_STYLES: Final[Mapping[StyleKey, UUID | None]] = MappingProxyType({})
FILE_SUFFIX = ".pkpass"

PIECE_BYTES: Final = 64 * 1024
"""From so many bytes on a part of a file is sent before the next image is read."""

OVERDUE: Final = timedelta(minutes=1)
"""After this long a content that is not composed is nobody's haste but a fault."""

RUN_PATIENCE = MAX_RUN_TIME.total_seconds() + 5
"""Seconds that outlast any run of rules, for those who have no key to ask again with."""


log: structlog.stdlib.BoundLogger = structlog.get_logger()


class UnknownTemplateError(InvalidError):
    """There is no such template in this account."""

    code = "template_unknown"


class UnknownMemberError(InvalidError):
    """There is no such member in this account."""

    code = "member_unknown"


@dataclass(frozen=True, slots=True)
class Order:
    """One pass that somebody wants: with which values, and for whom."""

    values: JsonObject
    member_id: str | None = None
    trusted: bool = True
    """If not, only user-editable values are set and others are ignored."""
    withheld: Sequence[Withheld] = ()
    """What the values may not show, since who orders may not see it."""
    literal: bool = False
    """Whether brackets in the values are plain text."""
    voided: bool = False
    passcode: str | None = None
    """What is kept of the passcode of its public pages."""
    channel: Channel | None = None
    """From where it comes, and for what it is counted."""
    revision: int | None = None
    """The newest revision of the template, if who orders has just learned it."""
    member: Member | None = None
    """Whose it is, if who orders has just read the member."""
    handle: str | None = None
    """The name it is to have, if that is settled."""
    style_id: UUID | None = None
    style_group_id: UUID | None = None
    """What it looks like by its own choice."""
    google_name: str | None = None
    """What its object at Google is to be called, if its handle is not to say it."""


@dataclass(frozen=True, slots=True)
class PassFile:
    """A .pkpass on its way: its size is known before its first piece is read."""

    archive: PassArchive
    pieces: AsyncIterator[bytes]


async def issue(
    context: Context,
    account_id: UUID,
    template_id: UUID,
    order: Order,
    command_id: UUID,
    *,
    patience: float | None = None,
) -> PassCreated:
    """Issue one pass, for somebody who waits, where rules call for up to `patience` seconds."""
    revision = order.revision or await _revision(context, account_id, template_id)
    member = order.member
    if order.member_id is not None:
        member = await _member(context, account_id, order.member_id, "interactive")
    await check_styling(context, account_id, order.style_id, order.style_group_id)
    values = order.values
    if not order.trusted:
        values = await pass_images.only_editable(context, account_id, template_id, values)
    values = await _with_images(context, account_id, values, trusted=order.trusted)
    command = creation(
        replace(order, values=values),
        member,
        account_id=account_id,
        template_id=template_id,
        revision=revision,
        command_id=command_id,
    )
    try:
        return await context.requester.ask(command, PassCreated, patience=patience)
    except ApplicationError as error:
        raise pointed(error) from error


async def issue_many(
    context: Context, account_id: UUID, template_id: UUID, orders: Sequence[Order], command_id: UUID
) -> list[PassCreated | ApplicationError]:
    """Issue passes in the bulk lane; each order has its own outcome, in the order asked.

    All are orders of somebody with a right to the template. Row i's command is derived from the
    whole one's id, so that a repeat is one for every row. Raises only when nothing at all could be
    done, as with the owner away.
    """
    revision = await _revision(context, account_id, template_id)
    wanted = {order.member_id for order in orders if order.member_id is not None}
    members = await _members(context, account_id, list(wanted)) if wanted else {}
    settled = await pass_images.settle(context, account_id, [order.values for order in orders])
    named = [(order.style_id, order.style_group_id) for order in orders]
    unknown = await context.stylings.check(account_id, named)

    create = partial(creation, account_id=account_id, template_id=template_id, revision=revision)

    async def one(index: int, order: Order) -> PassCreated:
        values, member = settled[index], None
        if isinstance(values, ApplicationError):
            raise pointed(values, at=f"/passes/{index}")
        if (fault := unknown[index]) is not None:
            raise pointed(fault, at=f"/passes/{index}")
        if order.member_id is not None:
            found = members[order.member_id]
            if isinstance(found, ApplicationError):
                raise pointed(found, at=f"/passes/{index}")
            member = found
        command = create(
            replace(order, values=values), member, command_id=derived_id(command_id, index)
        )
        try:
            return await context.requester.ask(command, PassCreated, lane="bulk")
        except ApplicationError as error:
            raise pointed(error, at=f"/passes/{index}") from error

    asked = [
        asyncio.ensure_future(one(index, order))
        async for index, order in yielding(enumerate(orders))
    ]
    outcomes = _settled(await asyncio.gather(*asked, return_exceptions=True))
    first = outcomes[0]
    if isinstance(first, UnavailableError) and all(
        isinstance(outcome, UnavailableError) for outcome in outcomes
    ):
        raise first
    return outcomes


async def change(
    context: Context,
    account_id: UUID,
    handle: str,
    kind: Change,
    *,
    command_id: UUID,
    values: JsonObject | None = None,
    trusted: bool = True,
    replace_all: bool = False,
    push: bool = True,
    withheld: Sequence[Withheld] = (),
    patience: float | None = None,
    template_id: UUID | None = None,
    literal: bool = False,
    voided: bool | None = None,
    passcode: str | None = None,
    styles: Mapping[StyleKey, UUID | None] = NO_STYLES,
    link: str | None = None,
    lane: Lane = "interactive",
) -> PassChanged:
    """Let something happen to a pass, waiting up to `patience` seconds for rules that call.

    `withheld` is what the values may not show, since who writes them may not see it; brackets of
    `literal` values are plain text. A pass of another template than the one named is not found. An
    update may make it void or valid, and give it another passcode, as what is kept of it; an empty
    one takes it away; and another style or group, which None takes away. `link` names an object at
    Google that is linked to the pass's own.
    """
    await check_styling(context, account_id, styles.get("style_id"), styles.get("style_group_id"))
    values = values or {}
    if not trusted and has_images(values):
        found = await read(context, account_id, handle)
        values = await pass_images.only_editable(context, account_id, found.template_id, values)
    values = await _with_images(context, account_id, values, trusted=trusted)
    command = ChangePass(
        command_id=command_id,
        account_id=account_id,
        handle=handle,
        kind=kind,
        values=values,
        trusted=trusted,
        replace_all=replace_all,
        push=push,
        withheld=list(withheld),
        depth=present_depth(),
        template_id=template_id,
        literal=literal,
        voided=voided,
        passcode=passcode,
        styles=dict(styles),
        link=link,
    )
    try:
        return await context.requester.ask(command, PassChanged, lane=lane, patience=patience)
    except ApplicationError as error:
        raise pointed(error) from error


async def read(context: Context, account_id: UUID | None, handle: str) -> Pass:
    """Read a pass of an account; `None` stands for the public, who know only the handle."""
    return await context.requester.ask(ReadPass(account_id=account_id, handle=handle), Pass)


async def find(context: Context, serial_number: str) -> Pass:
    """Find the pass that a device means; whoever asks holds its token."""
    return await context.requester.ask(FindPass(serial_number=serial_number), Pass)


async def content(
    context: Context,
    issued: Pass,
    modified_since: datetime | None = None,
    *,
    known_as: str | None = None,
    keep_files: bool = False,
) -> Content:
    """Ask the generator for the pass as it is now, by the newest revision of its template.

    What it is made of is remembered under the name by which it will be asked for, if one is given.
    UnavailableError while it is being composed; what is late by more than a minute is told in logs
    and metrics, since nothing is acknowledged that is not composed within seconds.
    """
    standing = await context.templates.standing(issued.account_id, issued.template_id)
    if standing is None:
        raise PassWithoutTemplateError
    question = ReadContent(
        account_id=issued.account_id,
        handle=issued.handle,
        template_id=issued.template_id,
        template_revision=standing.revision,
        version=issued.version,
        credential_epoch=standing.credential_epoch,
        identity_revision=standing.identity_revision,
        modified_since=modified_since,
    )
    try:
        content = await context.requester.ask(question, Content)
    except UnavailableError:
        late = clock.now() - issued.updated_at
        if late > OVERDUE:
            metrics.content_overdue.inc()
            log.warning(
                "content_overdue",
                handle=issued.handle,
                version=issued.version,
                seconds=round(late.total_seconds()),
            )
        raise
    if known_as is not None:
        kept = content if keep_files else content.without_files()
        context.served.remember(known_as, ServedContent.of(issued, kept, standing))
    return content


async def look_again(
    context: Context, known_as: str, modified_since: datetime | None
) -> ServedContent | Pass | None:
    """Look whether a content that this process has seen is still the newest.

    A ServedContent is: it has its files, or who asks has it already. A Pass has changed, and None
    says nothing. The version is asked of triggers, so that no change is missed that was answered
    before. NotFoundError and GoneError as for the pass itself.
    """
    served = context.served.find(known_as)
    if served is None or not (served.has_files or served.is_known_since(modified_since)):
        return None
    question = ReadPassSince(
        account_id=served.account_id, handle=served.handle, version=served.version
    )
    standing, since = await asyncio.gather(
        context.templates.standing(served.account_id, served.template_id),
        context.requester.ask(question, PassSince),
    )
    if since.changed is not None:
        return since.changed
    return served if standing == served.standing else None


def page_url(context: Context, handle: str) -> str:
    """Give the address of a pass's page; with FILE_SUFFIX that of the file."""
    return f"{context.base_url}/p/{handle}"


def pass_file(context: Context, content: Content) -> PassFile:
    """Lay out the .pkpass around parts and images; only so much of it is in memory at a time."""
    parts = {
        "pass.json": content.pass_json,
        "manifest.json": content.manifest,
        "signature": content.signature,
        **content.files,
    }
    entries = [ArchiveEntry(name, len(part), crc32(part)) for name, part in parts.items()]
    entries += [
        ArchiveEntry(name, image.size, image.crc32) for name, image in content.images.items()
    ]
    archive = PassArchive(entries)

    async def pieces() -> AsyncIterator[bytes]:
        piece = [archive.header(index) + part for index, part in enumerate(parts.values())]
        for index, image in enumerate(content.images.values(), start=len(parts)):
            stored = await context.images.read_many([image.sha256])
            piece += (archive.header(index), stored[image.sha256])
            if sum(map(len, piece)) >= PIECE_BYTES:
                yield b"".join(piece)
                piece.clear()
        yield b"".join((*piece, archive.trailer()))

    return PassFile(archive, pieces())


def note_fetch(
    context: Context,
    issued: Pass | ServedContent,
    content: Content,
    *,
    status: Literal[200, 304],
    source: Literal["device", "public"],
) -> None:
    """Let it be known, beside the answer, that a content was served or was there already."""
    # That a phone has what it asked for changes nothing for others; a download may.
    tell = context.notes.tell_soon if status == HTTPStatus.NOT_MODIFIED else context.notes.tell
    tell(
        NoteFetch(
            account_id=issued.account_id,
            template_id=issued.template_id,
            handle=issued.handle,
            pass_type_identifier=content.pass_type_identifier,
            serial_number=issued.serial_number,
            content_number=content.content_number,
            pass_version=content.pass_version,
            status=status,
            source=source,
            at=clock.now(),
        )
    )


def pointed(error: ApplicationError, *, at: str = "", names: str = "/values") -> ApplicationError:
    """Let the faults that an owner found point into the body, which it never saw.

    `at` is where the row stands; plain names, such as the paths of values, stand at `names` in it.
    """
    faults: list[dict[str, str]] = []
    for fault in error.errors:
        place = str(fault.get("pointer", ""))
        if not place:
            place = names
        elif not place.startswith(("/", "?")):
            place = f"{names}/{place.replace('~', '~0').replace('/', '~1')}"
        faults.append({"pointer": at + place, "detail": str(fault.get("detail", error.detail))})
    other = type(error)(error.detail, errors=faults)
    other.code = error.code  # type: ignore[misc]  # the instance keeps the owner's finer code
    return other


def creation(
    order: Order,
    member: Member | None,
    *,
    account_id: UUID,
    template_id: UUID,
    revision: int,
    command_id: UUID,
) -> CreatePass:
    """Put into a command what is settled of an order."""
    return CreatePass(
        command_id=command_id,
        account_id=account_id,
        template_id=template_id,
        template_revision=revision,
        handle=order.handle or new_handle(),
        serial_number=new_serial(),
        member=member,
        values=order.values,
        trusted=order.trusted,
        withheld=list(order.withheld),
        depth=present_depth(),
        literal=order.literal,
        voided=order.voided,
        passcode=order.passcode,
        channel=order.channel,
        style_id=order.style_id,
        style_group_id=order.style_group_id,
        google_name=order.google_name,
    )


async def check_styling(
    context: Context, account_id: UUID, style_id: UUID | None, style_group_id: UUID | None
) -> None:
    """Refuse a style or a group that is not the account's."""
    if style_id or style_group_id:
        (fault,) = await context.stylings.check(account_id, [(style_id, style_group_id)])
        if fault is not None:
            raise fault


async def _with_images(
    context: Context, account_id: UUID, values: JsonObject, *, trusted: bool
) -> JsonObject:
    (settled,) = await pass_images.settle(context, account_id, [values], trusted=trusted)
    if isinstance(settled, ApplicationError):
        raise pointed(settled)
    return settled


async def _revision(context: Context, account_id: UUID, template_id: UUID) -> int:
    revisions = await context.templates.current(account_id, [template_id])
    if template_id not in revisions:
        fault = {"pointer": "/template_id", "detail": "Unknown template"}
        raise UnknownTemplateError(errors=[fault])
    return revisions[template_id]


async def _member(context: Context, account_id: UUID, member_id: str, lane: Lane) -> Member:
    """Ask the owner itself, so that a member made a moment ago is known."""
    question = ReadMember(account_id=account_id, member_id=member_id)
    try:
        member = await context.requester.ask(question, Member, lane=lane)
    except (NotFoundError, GoneError) as error:
        raise _unknown_member() from error
    if member.deleted:
        raise _unknown_member()
    return member


async def _members(
    context: Context, account_id: UUID, member_ids: list[str]
) -> dict[str, Member | ApplicationError]:
    found = await asyncio.gather(
        *(_member(context, account_id, member_id, "bulk") for member_id in member_ids),
        return_exceptions=True,
    )
    return dict(zip(member_ids, _settled(found), strict=True))


def _settled(outcomes: Sequence[Outcome | BaseException]) -> list[Outcome | ApplicationError]:
    """Keep what failed as it should; what must not happen is raised."""
    settled: list[Outcome | ApplicationError] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, ApplicationError):
            raise outcome
        settled.append(outcome)
    return settled


def _unknown_member() -> UnknownMemberError:
    return UnknownMemberError(errors=[{"pointer": "/member_id", "detail": "Unknown member"}])
