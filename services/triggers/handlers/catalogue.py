"""Events: templates and members as others announce them."""

from collections.abc import Sequence

from services.triggers.handlers.passes import carry_members
from services.triggers.repository.corrections import CorrectionRepository
from services.triggers.repository.styles import (
    RestylingRepository,
    StyleRepository,
    named_id_of,
)
from services.triggers.repository.templates import TemplateCache, TemplateRepository
from shared.contracts.gateway import (
    AccountSaved,
    StyleGroupSaved,
    StyleSaved,
    TemplateDeleted,
    TemplateSaved,
)
from shared.contracts.member import MembersChanged
from shared.contracts.message import Person
from shared.database import UnitOfWork
from shared.passes.template.expiry import dates_passes


async def keep_accounts(events: list[AccountSaved], work: UnitOfWork) -> None:
    templates = TemplateRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.account_id, event.credential_epoch)):
        await templates.save_account(event)


async def keep_templates(events: list[TemplateSaved], work: UnitOfWork) -> None:
    """Keep revisions; where one changes when passes expire, a job goes over them.

    The corrections come first: a job holds them while it waits for passes, and whoever holds
    those may wait for templates.
    """
    templates = TemplateRepository(work.connection)
    present = await templates.documents(event.template_id for event in events)
    redated = [
        event
        for event in events
        if event.template_id in present
        and dates_passes(present[event.template_id]) != dates_passes(event.document)
    ]
    await CorrectionRepository(work.connection).begin(redated)
    for event in sorted(events, key=lambda event: (event.template_id, event.revision)):
        await templates.save(event)


async def delete_templates(events: list[TemplateDeleted], work: UnitOfWork) -> None:
    """Mark them; a job deletes their passes, turn by turn."""
    templates = TemplateRepository(work.connection)
    for event in sorted(events, key=lambda event: event.template_id):
        await templates.mark_deleted(event)


async def keep_styles(events: list[StyleSaved], work: UnitOfWork) -> None:
    """Keep revisions; a job goes over the passes that show a style which has changed."""
    await _keep_styles(events, work)


async def keep_style_groups(events: list[StyleGroupSaved], work: UnitOfWork) -> None:
    """Do the same for groups."""
    await _keep_styles(events, work)


async def _keep_styles(events: Sequence[StyleSaved | StyleGroupSaved], work: UnitOfWork) -> None:
    changed = await StyleRepository(work.connection).save(events)
    await RestylingRepository(work.connection).begin(
        event for event in events if named_id_of(event) in changed
    )


async def follow_members(
    events: list[MembersChanged], work: UnitOfWork, *, cache: TemplateCache
) -> None:
    """Carry members' changes to their passes."""
    learned = await carry_members(
        [member for event in events for member in event.members], work, cache
    )
    work.erase(Person(*key) for key, facts in learned.items() if facts.after is None)
