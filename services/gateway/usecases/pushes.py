"""Pushes of all installed passes of a template, as every dialect begins them."""

from collections.abc import Sequence
from uuid import UUID

from services.gateway.catalogue.templates import TemplateNotFoundError
from services.gateway.context import Context
from shared.contracts.triggers import PassesPushed, PushPasses


async def push_all(
    context: Context,
    account_id: UUID,
    template_id: UUID,
    *,
    command_id: UUID,
    forget: Sequence[str] = (),
) -> PassesPushed:
    """Begin to push the passes that are on devices, with the template's present revision."""
    revisions = await context.templates.current(account_id, [template_id])
    if template_id not in revisions:
        raise TemplateNotFoundError
    command = PushPasses(
        command_id=command_id,
        account_id=account_id,
        template_id=template_id,
        template_revision=revisions[template_id],
        forget=list(forget),
    )
    return await context.requester.ask(command, PassesPushed, lane="bulk")
