"""What is told to partners beside the logs of passes: members, templates and batches."""

from services.notifier.feed.domain.happenings import Happening, of_batch, of_enrolment
from services.notifier.feed.domain.news import (
    end_of_template,
    member_key,
    news_of_member,
    news_of_template,
    template_key,
)
from services.notifier.feed.handlers.events import Tell
from services.notifier.feed.repository import AnnouncedRepository
from shared import clock
from shared.contracts.gateway import BatchEnded, TemplateDeleted, TemplateSaved
from shared.contracts.member import MembersChanged, MembersEnrolled
from shared.database import UnitOfWork


async def tell_members(messages: list[MembersChanged], work: UnitOfWork, *, tell: Tell) -> None:
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
    await tell(work, happenings)
    work.erase(member.person for member in members if member.deleted)


async def tell_enrolments(messages: list[MembersEnrolled], work: UnitOfWork, *, tell: Tell) -> None:
    """Tell who enrolled, by ids."""
    await tell(work, [of_enrolment(news) for message in messages for news in message.news])


async def tell_templates(messages: list[TemplateSaved], work: UnitOfWork, *, tell: Tell) -> None:
    """Tell new revisions; the catalogue that is resent tells nothing."""
    told = await AnnouncedRepository(work.connection).lock({template_key(m) for m in messages})
    now = clock.now()
    happenings = [
        happening
        for message in sorted(messages, key=lambda m: m.revision)
        for happening in news_of_template(told[template_key(message)], message, now)
    ]
    await AnnouncedRepository(work.connection).save(told.values())
    await tell(work, happenings)


async def note_ends(messages: list[TemplateDeleted], work: UnitOfWork) -> list[Happening]:
    """Note that templates are gone; returns what is to be told of it."""
    told = await AnnouncedRepository(work.connection).lock({template_key(m) for m in messages})
    now = clock.now()
    happenings = [
        happening
        for message in messages
        for happening in end_of_template(told[template_key(message)], message, now)
    ]
    await AnnouncedRepository(work.connection).save(told.values())
    return happenings


async def tell_batches(messages: list[BatchEnded], work: UnitOfWork, *, tell: Tell) -> None:
    """Tell that batches have ended."""
    await tell(work, [of_batch(message) for message in messages])
