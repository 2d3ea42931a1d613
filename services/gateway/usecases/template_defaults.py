"""Writes what a template says at the paths of its portal, and pushes all that have its passes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from services.gateway.context import Context
from services.gateway.domain import Template
from services.gateway.usecases.pushes import push_all
from shared.contracts.triggers import PassesPushed

_PUSH = "push"


async def change_and_push(
    context: Context, template: Template, values: Mapping[str, Any], form_id: UUID
) -> PassesPushed:
    """Save the next revision and push the passes that are on devices, once for each form.

    Own values of passes stay. TemplateInvalidError and UnfitValueError name what is refused;
    RevisionConflictError: somebody else has saved the template meanwhile.
    """
    if values:
        await context.constructors.change_defaults(template, values)
    return await push_all(
        context, template.account_id, template.template_id, command_id=uuid5(form_id, _PUSH)
    )
