"""What is told to partners beside the logs of passes: members, templates, ends, fetches."""

from services.notifier.domain.happenings import Happening, of_disabled, of_fetch
from services.notifier.domain.news import (
    end_of_template,
    member_key,
    news_of_member,
    news_of_template,
    template_key,
)
from services.notifier.handlers.devices import Wake, note_fetches
from services.notifier.handlers.events import Ring, tell
from services.notifier.repository import EndpointRepository, ToldRepository
from shared import clock
from shared.contracts.gateway import TemplateDeleted, TemplateSaved
from shared.contracts.member import MembersChanged
from shared.contracts.message import Done
from shared.contracts.notifier import NoteFetch
from shared.database import UnitOfWork


async def tell_members(messages: list[MembersChanged], work: UnitOfWork, *, ring: Ring) -> None:
    """Tell what is new of members, but not who they are; versions that come late tell nothing."""
    members = [member for message in messages for member in message.members]
    if not members:
        return
    told = await ToldRepository(work.connection).lock({member_key(m) for m in members})
    happenings = [
        happening
        for member in sorted(members, key=lambda m: m.version)
        for happening in news_of_member(told[member_key(member)], member)
    ]
    await ToldRepository(work.connection).save(told.values())
    await tell(work, happenings, ring)
    work.erase(member.person for member in members if member.deleted)


async def tell_fetches(
    queries: list[NoteFetch], work: UnitOfWork, *, wake: Wake, ring: Ring
) -> list[Done]:
    """Note what left the house, and tell what was kept of it."""
    kept = await note_fetches(queries, work, wake=wake)
    await tell(work, [of_fetch(query) for query in kept], ring)
    return [Done() for _ in queries]


async def tell_templates(messages: list[TemplateSaved], work: UnitOfWork, *, ring: Ring) -> None:
    """Tell new revisions; the catalogue that is resent tells nothing."""
    told = await ToldRepository(work.connection).lock({template_key(m) for m in messages})
    now = clock.now()
    happenings = [
        happening
        for message in sorted(messages, key=lambda m: m.revision)
        for happening in news_of_template(told[template_key(message)], message, now)
    ]
    await ToldRepository(work.connection).save(told.values())
    await tell(work, happenings, ring)


async def end_templates(messages: list[TemplateDeleted], work: UnitOfWork, *, ring: Ring) -> None:
    """Tell that templates are gone, and disable the endpoints that were bound to them."""
    told = await ToldRepository(work.connection).lock({template_key(m) for m in messages})
    now = clock.now()
    happenings: list[Happening] = [
        happening
        for message in messages
        for happening in end_of_template(told[template_key(message)], message, now)
    ]
    await ToldRepository(work.connection).save(told.values())
    template_ids = [message.template_id for message in messages]
    disabled = await EndpointRepository(work.connection).disable_of_templates(template_ids)
    happenings += [of_disabled(endpoint, now) for endpoint in disabled]
    await tell(work, happenings, ring)
