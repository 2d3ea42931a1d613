"""Enrolments: found or made together with their members, confirmed, listed."""

from services.member.domain.enrolments import Desk, EnrolmentNotFoundError, Wanted, wanted
from services.member.domain.members import (
    MemberNotFoundError,
    Roster,
    each,
    without_person,
)
from services.member.handlers.members import pages_of_members, store_roster
from services.member.repository.enrolments import EnrolmentRepository
from services.member.repository.members import MemberRepository
from shared.clock import now
from shared.contracts.member import (
    ConfirmEnrolment,
    Enrolled,
    EnrolMember,
    Enrolment,
    EnrolmentPage,
    ListEnrolments,
    MembersEnrolled,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, NotReadyError


async def enrol_members(
    commands: list[EnrolMember], work: UnitOfWork
) -> list[Enrolled | NotReadyError | ApplicationError]:
    """Give each the enrolment there is, or make one, with its member if that is new too.

    Whoever asks for the same person at the same time waits for the reservation of its external id,
    and then finds what the first one made.
    """
    checked = each(wanted, commands)
    sound = [one for one in checked if isinstance(one, Wanted)]
    members = MemberRepository(work.connection)
    enrolments = EnrolmentRepository(work.connection)
    uses = await enrolments.lock_links({one.link for one in sound if one.link is not None})
    await members.reserve([(*one.draft.key, one.draft.external_id) for one in sound], now())
    claimed = {one.claim for one in sound if one.claim is not None}
    roster = Roster(await members.lock({one.draft.key for one in sound}, claimed), now())
    stored = await enrolments.lock(
        {
            (holder.account_id, one.command.template_id, holder.member_id)
            for one in sound
            if one.claim is not None and (holder := roster.holder(*one.claim))
        },
        {
            (one.command.account_id, one.command.replaces)
            for one in sound
            if one.command.replaces is not None
        },
        uses,
    )
    absent = {entry.key for entry in stored if roster.find(entry.key) is None}
    others = await members.find_living(absent) if absent else {}
    desk = Desk(roster, uses, stored, others)
    outcomes = each(desk.enrol, checked)
    await store_roster(roster, members, work)
    await _store(desk, enrolments)
    if desk.news:
        work.publish(MembersEnrolled(news=desk.news))
    return outcomes


def reduce_enrolled(enrolled: Enrolled) -> Enrolled:
    return Enrolled(
        enrolment=reduce_enrolment(enrolled.enrolment),
        member=without_person(enrolled.member),
        is_new=enrolled.is_new,
        differs=enrolled.differs,
    )


async def recall_enrolled(
    _commands: list[EnrolMember], kept: list[Enrolled], work: UnitOfWork
) -> list[Enrolled | ApplicationError]:
    """Answer repeats with enrolments and members as they are by now."""
    # Members first: whose enrolment is there afterwards was there itself.
    living = await MemberRepository(work.connection).find_living(
        {(one.member.account_id, one.member.member_id) for one in kept}
    )
    enrolments = await _found_again([one.enrolment for one in kept], work)
    return [
        enrolment
        if isinstance(enrolment, ApplicationError)
        else Enrolled(
            enrolment=enrolment,
            member=living[enrolment.account_id, enrolment.member_id],
            is_new=one.is_new,
            differs=one.differs,
        )
        for one, enrolment in zip(kept, enrolments, strict=True)
    ]


async def confirm_enrolments(
    commands: list[ConfirmEnrolment], work: UnitOfWork
) -> list[Enrolment | ApplicationError]:
    """Note that passes were made."""
    named = [(command.account_id, command.handle) for command in commands]
    enrolments = EnrolmentRepository(work.connection)
    await enrolments.close(named)
    found = await enrolments.find_by_handles(named)
    return [found.get(name) or EnrolmentNotFoundError() for name in named]


def reduce_enrolment(enrolment: Enrolment) -> Enrolment:
    """Leave out the external id, which names a person."""
    return enrolment.model_copy(update={"external_id": None})


async def recall_enrolments(
    _commands: list[ConfirmEnrolment], kept: list[Enrolment], work: UnitOfWork
) -> list[Enrolment | ApplicationError]:
    """Answer repeats with the enrolments as they are by now."""
    return await _found_again(kept, work)


async def list_enrolments(
    queries: list[ListEnrolments], work: UnitOfWork
) -> list[EnrolmentPage | ApplicationError]:
    """List pages of members' enrolments, newest first."""
    read = EnrolmentRepository(work.connection).list_of_member
    return await pages_of_members(
        queries, work, read, lambda rows, more: EnrolmentPage(enrolments=rows, more=more)
    )


async def _found_again(
    kept: list[Enrolment], work: UnitOfWork
) -> list[Enrolment | ApplicationError]:
    """Read enrolments again; they are gone with their members."""
    found = await EnrolmentRepository(work.connection).find(
        {(one.account_id, one.enrolment_id) for one in kept}
    )
    return [found.get(one.enrolment_id) or MemberNotFoundError() for one in kept]


async def _store(desk: Desk, enrolments: EnrolmentRepository) -> None:
    if used := desk.used():
        await enrolments.store_uses(used)
    if changed := desk.changed():
        await enrolments.replace_handles(changed)
    if added := desk.added():
        await enrolments.add(added)
