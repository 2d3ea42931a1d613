"""Passes of members, one for each wallet and purpose: made once, however often asked for."""

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from services.gateway.catalogue.member_passes import WalletName
from services.gateway.catalogue.ready_templates import TemplateKind
from services.gateway.context import Context
from services.gateway.repository.member_passes import MemberPassKey
from services.gateway.usecases import passes
from services.gateway.usecases.passes import Order
from shared.contracts.member import Member
from shared.contracts.message import JsonObject
from shared.contracts.triggers import Pass
from shared.errors import ConflictError, GoneError, NotFoundError
from shared.identifiers import id_of_handle, new_handle, new_id

MAX_TURNS: Final = 3
"""So often the pass may be deleted while somebody asks for it."""


class PassDeletedMeanwhileError(ConflictError):
    """The pass was deleted while it was asked for: ask again."""

    code = "pass_deleted_meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPassOrder:
    """A pass that a member is to have."""

    member: Member
    wallet: WalletName
    kind: TemplateKind = "loyalty"
    purpose: tuple[str, ...]
    """What tells it from other passes that the member has for the wallet."""
    values: JsonObject
    """By path, as plain text; null takes away what a pass that is there has."""
    style_id: UUID | None = None
    style_group_id: UUID | None = None
    google_name: str | None = None
    """What a new pass is called at Google behind the issuer's number."""


@dataclass(frozen=True, slots=True)
class MadePass:
    """The pass of an order."""

    issued: Pass
    is_new: bool


async def make(context: Context, order: MemberPassOrder) -> MadePass:
    """Make the pass, or bring up to date the one that the member has for this purpose.

    Its handle is kept before it is issued, under a command id that derives from the handle: whoever
    asks again after a crash, or at the same time, gets the same pass.
    """
    member = order.member
    account_id = member.account_id
    template_id = await context.ready_templates.find(account_id, order.kind)
    purpose = hashlib.sha256(orjson.dumps([order.kind, *order.purpose])).digest()
    key = MemberPassKey(account_id, member.member_id, order.wallet, purpose)
    fresh = new_handle()
    handle = await context.member_passes.claim(key, fresh)
    for _ in range(MAX_TURNS):
        if handle != fresh:
            try:
                return MadePass(await _bring_up_to_date(context, order, handle), is_new=False)
            except NotFoundError:
                pass
            except GoneError:
                fresh = new_handle()
                handle = await context.member_passes.replace(key, handle, fresh)
                continue
        wanted = Order(
            {path: value for path, value in order.values.items() if value is not None},
            member=member,
            literal=True,
            handle=handle,
            style_id=order.style_id,
            style_group_id=order.style_group_id,
            google_name=order.google_name,
        )
        await passes.issue(context, account_id, template_id, wanted, id_of_handle(handle))
        return MadePass(await passes.read(context, account_id, handle), is_new=True)
    raise PassDeletedMeanwhileError


async def _bring_up_to_date(context: Context, order: MemberPassOrder, handle: str) -> Pass:
    account_id = order.member.account_id
    await passes.change(
        context,
        account_id,
        handle,
        "update",
        command_id=new_id(),
        values=order.values,
        literal=True,
        styles={"style_id": order.style_id, "style_group_id": order.style_group_id},
    )
    return await passes.read(context, account_id, handle)
