"""Members and the ledger of their points: saved, deleted, read, listed."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

import structlog

from services.member.domain.listing import MAX_BYTES, checked_list, within
from services.member.domain.members import (
    Draft,
    Key,
    MemberNotFoundError,
    PageQuery,
    Roster,
    checked_adjustment,
    checked_page,
    draft,
    each,
    possible_key,
    without_person,
)
from services.member.repository.enrolments import EnrolmentRepository
from services.member.repository.members import MemberRepository
from shared.clock import now
from shared.contracts.member import (
    AdjustPoints,
    DeleteMember,
    ErasedMember,
    ListMembers,
    ListPoints,
    Member,
    MemberPage,
    MemberSaved,
    MembersChanged,
    MembersErased,
    PointsEntry,
    PointsPage,
    ReadMember,
    ReadMemberStyleUse,
    SaveMember,
    StyleUse,
    digest_external_id,
)
from shared.contracts.triggers import PointsAdjusted
from shared.database import UnitOfWork
from shared.errors import ApplicationError

Row = TypeVar("Row")
Page = TypeVar("Page")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


async def save_members(
    commands: list[SaveMember], work: UnitOfWork
) -> list[MemberSaved | ApplicationError]:
    """Create, replace or merge members; creating starts with a reservation, so it can be locked."""
    drafts = each(draft, commands)
    sound = [d for d in drafts if isinstance(d, Draft)]
    members = MemberRepository(work.connection)
    coming = [(*d.key, None) for d in sound if d.command.mode != "merge"]
    if coming:
        await members.reserve(coming, now())
    claimed = {(d.command.account_id, d.external_id) for d in sound if d.external_id is not None}
    roster = Roster(await members.lock({d.key for d in sound}, claimed), now())
    outcomes = each(roster.save, drafts)
    await store_roster(roster, members, work)
    return outcomes


async def delete_members(
    commands: list[DeleteMember], work: UnitOfWork
) -> list[Member | ApplicationError]:
    """Erase what is known of members; a row without personal data stays."""
    members = MemberRepository(work.connection)
    roster = await _locked(commands, members)
    outcomes = each(roster.delete, commands)
    await store_roster(roster, members, work)
    if erased := roster.changed():
        keys = [(m.account_id, m.member_id) for m in erased]
        await members.erase_reasons(keys)
        await EnrolmentRepository(work.connection).delete_of(keys)
        work.erase(m.person for m in erased)
        gone = [_erased(roster.stored[key]) for key in keys]
        work.publish(MembersErased(members=gone))
    return outcomes


async def adjust_points(
    commands: list[AdjustPoints], work: UnitOfWork
) -> list[PointsEntry | ApplicationError]:
    """Add entries to the ledger, and to the balances with them."""
    members = MemberRepository(work.connection)
    roster = await _locked(commands, members)
    outcomes = each(roster.adjust, each(checked_adjustment, commands))
    await store_roster(roster, members, work)
    return outcomes


def _erased(member: Member) -> ErasedMember:
    """Say who is gone, by what was stored."""
    account_id, external_id = member.account_id, member.external_id
    digest = external_id and digest_external_id(account_id, external_id)
    return ErasedMember(
        account_id=account_id, member_id=member.member_id, external_id_digest=digest
    )


def reduce_saved(saved: MemberSaved) -> MemberSaved:
    return MemberSaved(member=without_person(saved.member), created=saved.created)


async def recall_saved(
    commands: list[SaveMember], kept: list[MemberSaved], work: UnitOfWork
) -> list[MemberSaved | ApplicationError]:
    """Answer repeats with the members as they are by now."""
    keys = [(command.account_id, command.member_id) for command in commands]
    found = await MemberRepository(work.connection).find_living(keys)
    return [
        MemberSaved(member=found[key], created=saved.created)
        if key in found
        else MemberNotFoundError()
        for key, saved in zip(keys, kept, strict=True)
    ]


def reduce_entry(entry: PointsEntry) -> PointsEntry:
    """Leave out the reason, which is the account's own words about a person."""
    return entry.model_copy(update={"reason": None})


async def recall_entries(
    commands: list[AdjustPoints], kept: list[PointsEntry], work: UnitOfWork
) -> list[PointsEntry]:
    """Answer repeats with the reasons as the ledger has them."""
    reasons = await MemberRepository(work.connection).find_reasons(
        (c.account_id, c.member_id, entry.entry_id) for c, entry in zip(commands, kept, strict=True)
    )
    return [entry.model_copy(update={"reason": reasons.get(entry.entry_id)}) for entry in kept]


async def follow_adjustments(events: list[PointsAdjusted], work: UnitOfWork) -> None:
    """Add what rules have changed to the ledger, once per event of a pass.

    What the ledger refuses, as a balance below zero or a member that is gone, changes nothing.
    """
    commands = [
        AdjustPoints(
            command_id=one.event_id,
            account_id=one.account_id,
            member_id=one.member_id,
            delta=one.amount,
            reason=f"rule: {one.kind}",
        )
        for event in events
        for one in event.adjustments
    ]
    for outcome in await adjust_points(commands, work):
        if isinstance(outcome, ApplicationError):
            log.info("points_of_rule_refused", code=outcome.code)


async def read_members(
    queries: list[ReadMember], work: UnitOfWork
) -> list[Member | ApplicationError]:
    """Find members; a deleted one is not found."""
    keys = {key for query in queries if (key := possible_key(query))}
    found = await MemberRepository(work.connection).find_living(keys)
    return [found.get((q.account_id, q.member_id)) or MemberNotFoundError() for q in queries]


async def read_style_uses(queries: list[ReadMemberStyleUse], work: UnitOfWork) -> list[StyleUse]:
    """Say which styles and groups members name; deleted ones name none."""
    asked = [(query.account_id, query.named_id) for query in queries]
    named = await MemberRepository(work.connection).find_named(asked)
    return [StyleUse(in_use=one in named) for one in asked]


async def list_members(
    queries: list[ListMembers], work: UnitOfWork
) -> list[MemberPage | ApplicationError]:
    """List pages of members; one row more than asked for tells whether there is more."""
    members = MemberRepository(work.connection)
    outcomes: list[MemberPage | ApplicationError] = []
    room = MAX_BYTES
    for asked in each(checked_list, queries):
        if isinstance(asked, ApplicationError):
            outcomes.append(asked)
            continue
        found = await members.list_page(asked)
        listed = [member for member, _ in found[: asked.query.limit]]
        kept, room = within(listed, room)
        last_key = found[len(kept) - 1][1] if kept else None
        page = MemberPage(members=kept, more=len(found) > len(kept), last_key=last_key)
        outcomes.append(page)
    return outcomes


async def list_points(
    queries: list[ListPoints], work: UnitOfWork
) -> list[PointsPage | ApplicationError]:
    """List pages of members' ledgers, newest entries first."""
    read = MemberRepository(work.connection).list_points
    return await pages_of_members(
        queries, work, read, lambda entries, more: PointsPage(entries=entries, more=more)
    )


async def pages_of_members(
    queries: list[PageQuery],
    work: UnitOfWork,
    read: Callable[[Key, UUID | None, int], Awaitable[list[Row]]],
    make: Callable[[list[Row], bool], Page],
) -> list[Page | ApplicationError]:
    """List pages of what members have; a member that is not there has none."""
    keys = {key for query in queries if (key := possible_key(query))}
    living = await MemberRepository(work.connection).find_living(keys)
    outcomes: list[Page | ApplicationError] = []
    for query in each(checked_page, queries):
        if isinstance(query, ApplicationError):
            outcomes.append(query)
            continue
        key = (query.account_id, query.member_id)
        if key not in living:
            outcomes.append(MemberNotFoundError())
            continue
        rows = await read(key, query.before, query.limit + 1)
        outcomes.append(make(rows[: query.limit], len(rows) > query.limit))
    return outcomes


async def _locked(
    commands: Sequence[DeleteMember | AdjustPoints], members: MemberRepository
) -> Roster:
    keys = {key for command in commands if (key := possible_key(command))}
    return Roster(await members.lock(keys), now())


async def store_roster(roster: Roster, members: MemberRepository, work: UnitOfWork) -> None:
    """Store and announce what a batch has made of its members."""
    if unused := roster.unused():
        await members.release(unused)
    if handed_over := roster.handed_over():
        await members.give_up_external_ids(handed_over)
    if changed := roster.changed():
        await members.update(changed)
        work.publish(MembersChanged(members=changed))
    if roster.lines:
        await members.append(roster.lines)
