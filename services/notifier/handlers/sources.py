"""What is told to partners beside the logs of passes: members, templates, ends, fetches."""

from services.notifier.domain.happenings import Happening, of_disabled, of_fetch
from services.notifier.domain.news import (
    end_of_template,
    member_key,
    news_of_member,
    news_of_template,
    template_key,
)
from services.notifier.handlers.devices import StartPushing, note_fetches
from services.notifier.handlers.events import Notify, tell
from services.notifier.repository import AnnouncedRepository, EndpointRepository
from shared import clock
from shared.contracts.gateway import TemplateDeleted, TemplateSaved
from shared.contracts.member import MembersChanged
from shared.contracts.message import Done
from shared.contracts.notifier import NoteFetch
from shared.database import UnitOfWork


async def tell_members(messages: list[MembersChanged], work: UnitOfWork, *, notify: Notify) -> None:
    """Tell what is new of members, but not who they are; versions that come late tell nothing."""
    members = [member for message in messages for member in message.members]
    if not members:
        return
    told = await AnnouncedRepository(work.connection).lock({member_key(m) for m in members})
    happenings = [
        happening
        for member in sorted(members, key=lambda m: m.version)
        for happening in news_of_member(told[member_key(member)], member)
    ]
    await AnnouncedRepository(work.connection).save(told.values())
    await tell(work, happenings, notify)
    work.erase(member.person for member in members if member.deleted)


async def tell_fetches(
    queries: list[NoteFetch], work: UnitOfWork, *, start_pushing: StartPushing, notify: Notify
) -> list[Done]:
    """Note what was served, and tell what was kept of it."""
    kept = await note_fetches(queries, work, start_pushing=start_pushing)
    await tell(work, [of_fetch(query) for query in kept], notify)
    return [Done() for _ in queries]


async def tell_templates(
    messages: list[TemplateSaved], work: UnitOfWork, *, notify: Notify
) -> None:
    """Tell new revisions; the catalogue that is resent tells nothing."""
    told = await AnnouncedRepository(work.connection).lock({template_key(m) for m in messages})
    now = clock.now()
    happenings = [
        happening
        for message in sorted(messages, key=lambda m: m.revision)
        for happening in news_of_template(told[template_key(message)], message, now)
    ]
    await AnnouncedRepository(work.connection).save(told.values())
    await tell(work, happenings, notify)


async def end_templates(
    messages: list[TemplateDeleted], work: UnitOfWork, *, notify: Notify
) -> None:
    """Tell that templates are gone, and disable the endpoints that were bound to them."""
    told = await AnnouncedRepository(work.connection).lock({template_key(m) for m in messages})
    now = clock.now()
    happenings: list[Happening] = [
        happening
        for message in messages
        for happening in end_of_template(told[template_key(message)], message, now)
    ]
    await AnnouncedRepository(work.connection).save(told.values())
    template_ids = [message.template_id for message in messages]
    disabled = await EndpointRepository(work.connection).disable_of_templates(template_ids)
    happenings += [of_disabled(endpoint, now) for endpoint in disabled]
    await tell(work, happenings, notify)
