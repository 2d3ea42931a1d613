"""Passes that Google Wallet shows beside a member's loyalty pass, since they are linked to it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.gateway.context import Context
from services.gateway.usecases import google, member_passes, passes
from services.gateway.usecases.member_passes import MemberPassOrder
from shared import clock
from shared.contracts.member import Member
from shared.contracts.message import JsonObject
from shared.contracts.notifier import GoogleObject, GoogleObjects, ListGoogleObjects
from shared.contracts.triggers import Pass
from shared.errors import ConflictError, GoneError, NotFoundError, UnavailableError
from shared.identifiers import new_id

SUFFIX: Final = "_linked"


class NoLoyaltyPassError(NotFoundError):
    """The member has no Google Wallet loyalty pass that is valid."""

    code = "loyalty_pass_not_found"


class OtherIssuerError(ConflictError):
    """Google links only objects of one issuer: the template of linked passes has another one."""

    code = "google_issuer_differs"


@dataclass(frozen=True, slots=True)
class LinkedPass:
    """A pass that was linked."""

    issued: Pass
    object_id: str
    pass_url: str
    is_new: bool
    is_attached: bool
    """Whether Google has already linked it."""


async def link_pass(
    context: Context, member: Member, values: JsonObject, style_id: UUID | None
) -> LinkedPass:
    """Make a pass of a member and link it to its newest valid loyalty pass at Google.

    One that was linked to it before is brought up to date. Google is given the new object first,
    then all that are linked; who is waited for too long is done later. NoLoyaltyPassError;
    TooManyLinkedError by its code once 50 were linked.
    """
    account_id = member.account_id
    primary, at_google = await _find_primary(context, account_id, member.member_id)
    issuer_id, _, name = at_google.object_id.partition(".")
    template_id = await context.ready_templates.find(account_id, "linked")
    if await context.google_issuers.of_template(account_id, template_id) != issuer_id:
        raise OtherIssuerError
    order = MemberPassOrder(
        member=member,
        wallet="google",
        kind="linked",
        purpose=(primary.handle,),
        values=values,
        style_id=style_id,
        google_name=_new_name(f"{name}{SUFFIX}", primary.linked),
    )
    made = await member_passes.make(context, order)
    kept = await google.keep(context, account_id, template_id, made.issued)
    changed = await passes.change(
        context,
        account_id,
        primary.handle,
        "update",
        command_id=new_id(),
        link=made.issued.google_name,
        push=False,
    )
    pass_url, is_attached = await asyncio.gather(
        google.give_link(context, made.issued),
        _is_there(context, primary, changed.version),
    )
    return LinkedPass(made.issued, kept.object_id, pass_url, made.is_new, is_attached)


async def _find_primary(
    context: Context, account_id: UUID, member_id: str
) -> tuple[Pass, GoogleObject]:
    question = ListGoogleObjects(account_id=account_id, member_id=member_id)
    listed = await context.requester.ask(question, GoogleObjects)
    loyalty = {one.handle: one for one in listed.objects if one.is_loyalty}
    found = await asyncio.gather(
        *(passes.read(context, account_id, handle) for handle in loyalty), return_exceptions=True
    )
    now = clock.now()
    valid: list[Pass] = []
    for one in found:
        if isinstance(one, Pass):
            if not one.voided and not one.has_expired(now):
                valid.append(one)
        elif not isinstance(one, (NotFoundError, GoneError)):
            raise one
    if not valid:
        raise NoLoyaltyPassError
    newest = max(valid, key=lambda one: (one.created_at, one.handle))
    return newest, loyalty[newest.handle]


def _new_name(name: str, taken: list[str]) -> str:
    """Name a new object; one that was linked before and whose pass is gone keeps its own."""
    return f"{name}{len(taken) + 1}" if name in taken else name


async def _is_there(context: Context, primary: Pass, version: int) -> bool:
    """Wait a while until Google has linked all; its refusal is told."""
    if version == primary.version:
        return True
    with suppress(UnavailableError):
        await google.link(
            context,
            primary.account_id,
            primary.handle,
            version=version,
            patience=google.CLICK_SECONDS,
        )
        return True
    return False
