"""What happens when somebody opens a link: member and pass, made once however often it is tried."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import structlog

from services.gateway.catalogue.links import LinkEndedError
from services.gateway.catalogue.showcase import PassWithoutTemplateError
from services.gateway.context import Context
from services.gateway.domain.links import (
    LinkKey,
    LinkMaker,
    LinkOrder,
    LinkProgram,
    member_of,
    seal_link,
)
from services.gateway.usecases import pass_images, passes
from services.gateway.usecases.passes import Order, UnknownTemplateError
from shared.contracts.member import ConfirmEnrolment, Enrolled, EnrolMember, Enrolment
from shared.contracts.triggers import Channel
from shared.errors import (
    ApplicationError,
    ConflictError,
    GoneError,
    InvalidError,
    NotFoundError,
)
from shared.identifiers import derived_id, id_of_handle, new_handle, new_id
from shared.passes.language.rights import Withheld
from shared.passes.links.tokens import LinkClaims
from shared.yielding import yielding

MAX_TURNS: Final = 3
"""So often the pass may be deleted while somebody comes for it."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Link:
    """A link that somebody holds, as it is understood."""

    program: LinkProgram
    claims: LinkClaims
    is_key_ended: bool
    is_foreign: bool = False
    """Another system made it: its texts are plain."""

    @property
    def max_uses(self) -> int | None:
        """How many passes it makes at most."""
        return self.claims.max_uses or (1 if self.program.one_time else None)

    @property
    def channel(self) -> Channel:
        said = self.claims
        return Channel(
            program_id=self.program.program_id,
            source=said.source,
            medium=said.medium,
            campaign=said.campaign,
            term=said.term,
            content=said.content,
        )


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link, ready to be sent."""

    url: str
    link_id: UUID


async def open_link(context: Context, program_id: UUID, data: str, iv: str | None) -> Link:
    """Read a link: LinkNotFoundError unless it was sealed for this program."""
    opened = await context.links.open(program_id, data, iv)
    program, content = opened.program, opened.content
    if isinstance(content, LinkClaims):
        return Link(program, content, opened.is_key_ended)
    maker, _ = await get_maker(context, program)
    claims = maker.foreign_claims(content.link_id, content.fields)
    return Link(program, claims, opened.is_key_ended, is_foreign=True)


async def check(context: Context, link: Link) -> None:
    """Refuse a link that no longer works: LinkEndedError. Whether it is used up shows later."""
    if link.is_key_ended:
        raise LinkEndedError
    await context.links.check(link.program, link.claims)


async def get_maker(context: Context, program: LinkProgram) -> tuple[LinkMaker, int]:
    """Get ready to check what links say, by the template's revision of now; LinkEndedError."""
    account_id, template_id = program.account_id, program.template_id
    revisions = await context.templates.current(account_id, [template_id])
    if template_id not in revisions:
        raise LinkEndedError
    revision = revisions[template_id]
    try:
        compiled = await context.showcase.compiled(account_id, template_id, revision)
    except PassWithoutTemplateError as error:
        raise LinkEndedError from error
    return LinkMaker(program, compiled), revision


async def make_links(
    context: Context,
    program: LinkProgram,
    keys: Sequence[LinkKey],
    orders: Sequence[LinkOrder],
    withheld: Sequence[Withheld],
    *,
    most_images: int | None = pass_images.MAX_ADDRESSES,
) -> list[MadeLink | ApplicationError]:
    """Make links; each order has its own outcome, in the order asked."""
    sealer = context.links.sealer(program, keys)
    try:
        maker, _ = await get_maker(context, program)
    except LinkEndedError as error:
        raise UnknownTemplateError("The template of the program was deleted.") from error
    rows = [dict(order.values) for order in orders]
    settled = await pass_images.settle(context, program.account_id, rows, most=most_images)
    base_url = link_base(context, program)
    made: list[MadeLink | ApplicationError] = []
    async for order, values in yielding(list(zip(orders, settled, strict=True))):
        if isinstance(values, ApplicationError):
            made.append(values)
            continue
        try:
            claims = maker.claims(replace(order, values=values), withheld)
            made.append(MadeLink(seal_link(base_url, sealer, claims), claims.link_id))
        except InvalidError as error:
            made.append(error)
    return made


def link_base(context: Context, program: LinkProgram) -> str:
    """Give the address that all links of a program begin with."""
    return f"{context.base_url}/c/{program.program_id}"


async def follow(context: Context, link: Link) -> str:
    """Give the pass that a link leads to, made now unless it is there; its handle.

    Member knows who has which enrolment, and its pass is issued under a command id that derives
    from the enrolment's handle. So whoever comes again after a crash, or at the same time, gets the
    same pass. LinkEndedError if the link is used up, or its pass cannot be issued any more.
    """
    maker, revision = await get_maker(context, link.program)
    values = maker.fitting(link.claims.values)
    enrolled, is_mine = await _enrol(context, link, None)
    for _ in range(MAX_TURNS):
        handle = enrolled.enrolment.handle
        if not is_mine:
            try:
                await passes.read(context, link.program.account_id, handle)
            except NotFoundError:
                pass
            except GoneError:
                enrolled, is_mine = await _enrol(context, link, handle)
                continue
            else:
                await _confirm(context, link, handle)
                return handle
        order = Order(
            values,
            member=enrolled.member,
            withheld=link.claims.withheld,
            literal=link.is_foreign,
            channel=link.channel,
            revision=revision,
            handle=handle,
        )
        await _issue(context, link, order, handle)
        await _confirm(context, link, handle)
        return handle
    raise LinkEndedError


async def _enrol(context: Context, link: Link, replaces: str | None) -> tuple[Enrolled, bool]:
    """Find or make member and enrolment; whether its handle is new, so that no pass can have it."""
    program, claims = link.program, link.claims
    handle = new_handle()
    command = EnrolMember(
        command_id=new_id(),
        account_id=program.account_id,
        template_id=program.template_id,
        member_id=str(new_id()),
        handle=handle,
        fields=member_of(program, claims),
        program_id=program.program_id,
        link_id=claims.link_id,
        campaign=claims.campaign,
        max_uses=link.max_uses,
        replaces=replaces,
    )
    try:
        enrolled = await context.requester.ask(command, Enrolled)
    except GoneError as error:
        raise LinkEndedError from error
    return enrolled, enrolled.enrolment.handle == handle


async def _issue(context: Context, link: Link, order: Order, handle: str) -> None:
    program = link.program
    try:
        await passes.issue(
            context,
            program.account_id,
            program.template_id,
            order,
            id_of_handle(handle),
            patience=passes.RUN_PATIENCE,
        )
    except (InvalidError, ConflictError) as error:
        # The issuer's to mend: a rule that refuses, a barcode that another pass has.
        log.warning("link_refused", program_id=str(program.program_id), code=error.code)
        raise LinkEndedError from error


async def _confirm(context: Context, link: Link, handle: str) -> None:
    """Let the next click have another enrolment; one of an external id is the same each time."""
    if link.max_uses is None or "external_id" in member_of(link.program, link.claims):
        return
    command_id = derived_id(id_of_handle(handle), 1)
    account_id = link.program.account_id
    confirmation = ConfirmEnrolment(command_id=command_id, account_id=account_id, handle=handle)
    with suppress(NotFoundError):  # the member was deleted in this very moment
        await context.requester.ask(confirmation, Enrolment)
