"""Passes at Google Wallet: wanted there, kept there, and the links by which people add them."""

from math import ceil
from uuid import UUID

from services.gateway.catalogue.showcase import PassWithoutTemplateError
from services.gateway.context import Context
from services.gateway.usecases.passes import page_url
from shared.contracts.generator import GooglePass, ReadGoogle
from shared.contracts.message import Lane
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
from shared.contracts.triggers import Pass, PassCreated
from shared.errors import UnavailableError
from shared.identifiers import new_id

CLICK_SECONDS = 3.0
"""How long somebody who has clicked waits for Google before a page that tries again."""

CLICK_LIFE_SECONDS = 3600
"""How long a link holds that was made at a click."""

STATE_SECONDS = 2.0
"""Who reads a pass waits no longer for how it stands at Google."""


async def keep(
    context: Context,
    account_id: UUID,
    template_id: UUID,
    issued: Pass | PassCreated,
    *,
    in_bulk: bool = False,
) -> GoogleKept:
    """Want a pass at Google, from now on for as long as it lives; in bulk nobody waits for it.

    GoogleNotConfiguredError where the account has no issuer that the template could use.
    """
    standing = await context.templates.standing(account_id, template_id)
    if standing is None:
        raise PassWithoutTemplateError
    question = ReadGoogle(
        account_id=account_id,
        template_id=template_id,
        template_revision=standing.revision,
        handle=issued.handle,
        version=issued.version,
        credential_epoch=standing.credential_epoch,
        issuer_id=await context.google_issuers.of_template(account_id, template_id),
    )
    lane: Lane = "bulk" if in_bulk else "interactive"
    wanted = await context.requester.ask(question, GooglePass, lane=lane)
    command = KeepGoogle(
        command_id=new_id(), google_pass=wanted, lane="backfill" if in_bulk else "interactive"
    )
    return await context.requester.ask(command, GoogleKept, lane=lane)


async def check(context: Context, account_id: UUID, template_id: UUID) -> None:
    """Refuse what is to be prepared at Google before it is made, if it could not be.

    A template that there is not is for others to refuse.
    """
    if template_id in await context.templates.current(account_id, [template_id]):
        await context.google_issuers.of_template(account_id, template_id)


async def link(
    context: Context,
    account_id: UUID,
    handle: str,
    *,
    life_seconds: int | None = None,
    patience: float | None = None,
    version: int = 0,
) -> GoogleLink:
    """Make a link by which somebody adds a pass, once it is at Google: a credential.

    It is there at this `version` of the pass, or a later one.

    UnavailableError if it is not there after `patience` seconds.
    """
    question = ReadGoogleLink(
        account_id=account_id,
        handle=handle,
        origin=context.base_url,
        life_seconds=life_seconds,
        version=version,
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


async def give_link(context: Context, issued: Pass) -> str:
    """Make a link for a partner to hand on, which holds as long as the pass.

    While Google is slow it is that of the pass's page, which has a button.
    """
    try:
        made = await link(context, issued.account_id, issued.handle, patience=CLICK_SECONDS)
    except UnavailableError:
        return page_url(context, issued.handle)
    return made.save_url
