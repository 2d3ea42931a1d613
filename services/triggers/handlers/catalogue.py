"""Events: templates and members as others announce them."""

from services.triggers.domain import follow_member
from services.triggers.handlers.passes import announce
from services.triggers.repository.members import MemberRepository
from services.triggers.repository.passes import PassRepository
from services.triggers.repository.templates import TemplateRepository
from shared import clock
from shared.contracts.gateway import TemplateDeleted, TemplateSaved
from shared.contracts.member import MembersChanged
from shared.database import UnitOfWork


async def keep_templates(events: list[TemplateSaved], work: UnitOfWork) -> None:
    templates = TemplateRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.template_id, event.revision)):
        await templates.save(event)


async def delete_templates(events: list[TemplateDeleted], work: UnitOfWork) -> None:
    """Mark them; a job deletes their passes, turn by turn."""
    templates = TemplateRepository(work.connection)
    for event in sorted(events, key=lambda event: event.template_id):
        await templates.mark_deleted(event)


async def follow_members(events: list[MembersChanged], work: UnitOfWork) -> None:
    """Carry members' changes to their passes."""
    members = [member for event in events for member in event.members]
    repository = MemberRepository(work.connection)
    keys = {(member.account_id, member.member_id) for member in members}
    before = await repository.facts(keys)
    after = await repository.learn(members)
    changed = [key for key in sorted(keys) if before.get(key) != after[key]]
    if not changed:
        return
    passes = PassRepository(work.connection)
    records = await passes.lock_of_members(changed)
    now = clock.now()
    for record in records.values():
        key = (record.account_id, record.member_id or "")
        record.member = before.get(key)
        follow_member(record, after[key], now)
    await passes.save(list(records.values()))
    announce(list(records.values()), work)
