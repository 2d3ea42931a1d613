"""Passes at Google Wallet: wanted there, kept there, and the links by which people add them."""

from math import ceil
from typing import Literal
from uuid import UUID

from services.gateway.catalogue.showcase import PassWithoutTemplateError
from services.gateway.context import Context
from shared.contracts.generator import GooglePass, ReadGoogle
from shared.contracts.notifier import (
    GoogleKept,
    GoogleLink,
    GoogleOutlook,
    GooglePassState,
    KeepGoogle,
    ReadGoogleLink,
    ReadGoogleOutlook,
    ReadGoogleState,
)
from shared.contracts.triggers import Pass
from shared.errors import UnavailableError
from shared.identifiers import new_id

CLICK_SECONDS = 3.0
"""How long somebody who has clicked waits for Google before a page that tries again."""

CLICK_LIFE_SECONDS = 3600
"""How long a link holds that was made at a click."""

STATE_SECONDS = 2.0
"""Who reads a pass waits no longer for how it stands at Google."""


async def keep(
    context: Context, issued: Pass, *, lane: Literal["interactive", "backfill"] = "interactive"
) -> GoogleKept:
    """Want a pass at Google, from now on for as long as it lives.

    GoogleNotConfiguredError where the account has no issuer that the template could use.
    """
    standing = await context.templates.standing(issued.account_id, issued.template_id)
    if standing is None:
        raise PassWithoutTemplateError
    question = ReadGoogle(
        account_id=issued.account_id,
        template_id=issued.template_id,
        template_revision=standing.revision,
        handle=issued.handle,
        version=issued.version,
        credential_epoch=standing.credential_epoch,
        issuer_id=await context.google_issuers.of_template(issued.account_id, issued.template_id),
    )
    wanted = await context.requester.ask(question, GooglePass)
    command = KeepGoogle(command_id=new_id(), google_pass=wanted, lane=lane)
    return await context.requester.ask(command, GoogleKept)


async def link(
    context: Context,
    account_id: UUID,
    handle: str,
    *,
    life_seconds: int | None = None,
    patience: float | None = None,
) -> GoogleLink:
    """Make a link by which somebody adds a pass, once it is at Google: a credential.

    UnavailableError if it is not there after `patience` seconds.
    """
    question = ReadGoogleLink(
        account_id=account_id, handle=handle, origin=context.base_url, life_seconds=life_seconds
    )
    return await context.requester.ask(question, GoogleLink, patience=patience)


async def state(context: Context, account_id: UUID, handle: str) -> GooglePassState | None:
    """Tell how a pass of an account stands at Google; None while nobody can tell."""
    question = ReadGoogleState(account_id=account_id, handle=handle)
    try:
        return await context.requester.ask(question, GooglePassState, patience=STATE_SECONDS)
    except UnavailableError:
        return None


async def outlook(
    context: Context, account_id: UUID, template_id: UUID, handle: str | None = None
) -> GoogleOutlook | None:
    """Tell what a change of a template, or of one pass, would mean at Google.

    None: none of its passes was ever wanted there.
    """
    if not await context.google_issuers.is_chosen(template_id):
        return None
    question = ReadGoogleOutlook(account_id=account_id, template_id=template_id, handle=handle)
    return await context.requester.ask(question, GoogleOutlook)


def seconds_of(seen: GoogleOutlook, calls: int) -> int:
    """Tell in how many seconds so many calls are made, behind those that wait already."""
    return ceil((seen.waiting + calls) * seen.spacing) if calls else 0
