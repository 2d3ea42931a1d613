"""Makes commands, and sends them as the consumer does: each list in one unit of work."""

import asyncio
from typing import Any, Literal, TypeVar
from uuid import UUID

from services.member.handlers import enrolments
from services.member.handlers import members as handlers
from shared.contracts.member import (
    AdjustPoints,
    ConfirmEnrolment,
    DeleteMember,
    Enrolled,
    EnrolMember,
    Enrolment,
    EnrolmentNews,
    EnrolmentPage,
    ListEnrolments,
    ListMembers,
    ListPoints,
    Member,
    MemberPage,
    MemberSaved,
    MembersChanged,
    MembersEnrolled,
    MembersErased,
    PointsEntry,
    PointsPage,
    ReadMember,
    SaveMember,
)
from shared.database import Database
from shared.errors import ApplicationError, NotReadyError
from shared.identifiers import new_handle, new_id

ACCOUNT = UUID(int=1)
OTHER_ACCOUNT = UUID(int=2)
TEMPLATE = UUID(int=3)
OTHER_TEMPLATE = UUID(int=4)
LINK = UUID(int=5)

Mode = Literal["create", "replace", "merge"]
Reply = TypeVar("Reply")


def a_save(
    member_id: str = "ada", mode: Mode = "create", *, account_id: UUID = ACCOUNT, **fields: Any
) -> SaveMember:
    return SaveMember(
        command_id=new_id(), account_id=account_id, member_id=member_id, mode=mode, fields=fields
    )


def a_deletion(member_id: str = "ada", *, account_id: UUID = ACCOUNT) -> DeleteMember:
    return DeleteMember(command_id=new_id(), account_id=account_id, member_id=member_id)


def an_adjustment(
    delta: int,
    member_id: str = "ada",
    *,
    reason: str | None = None,
    account_id: UUID = ACCOUNT,
) -> AdjustPoints:
    return AdjustPoints(
        command_id=new_id(),
        account_id=account_id,
        member_id=member_id,
        delta=delta,
        reason=reason,
    )


def an_enrolment(
    external_id: str | None = None,
    *,
    account_id: UUID = ACCOUNT,
    template_id: UUID = TEMPLATE,
    member_id: str | None = None,
    max_uses: int | None = None,
    replaces: str | None = None,
    campaign: str = "",
    **fields: Any,
) -> EnrolMember:
    return EnrolMember(
        command_id=new_id(),
        account_id=account_id,
        template_id=template_id,
        member_id=member_id or str(new_id()),
        handle=new_handle(),
        fields=fields if external_id is None else {"external_id": external_id, **fields},
        link_id=LINK if max_uses is not None else None,
        campaign=campaign,
        max_uses=max_uses,
        replaces=replaces,
    )


def a_confirmation(handle: str) -> ConfirmEnrolment:
    return ConfirmEnrolment(command_id=new_id(), account_id=ACCOUNT, handle=handle)


async def save(
    database: Database, *commands: SaveMember
) -> tuple[list[MemberSaved | ApplicationError], list[Member]]:
    """Save, and tell what was announced too."""
    async with database.work() as work:
        outcomes = await handlers.save_members(list(commands), work)
    return outcomes, announced(work.announced)


async def saved(database: Database, *commands: SaveMember) -> list[Member]:
    outcomes, _ = await save(database, *commands)
    return [good(outcome).member for outcome in outcomes]


async def delete(
    database: Database, *commands: DeleteMember
) -> tuple[list[Member | ApplicationError], list[Member]]:
    async with database.work() as work:
        outcomes = await handlers.delete_members(list(commands), work)
    return outcomes, announced(work.announced)


async def adjust(
    database: Database, *commands: AdjustPoints
) -> tuple[list[PointsEntry | ApplicationError], list[Member]]:
    async with database.work() as work:
        outcomes = await handlers.adjust_points(list(commands), work)
    return outcomes, announced(work.announced)


async def enrol(
    database: Database, *commands: EnrolMember
) -> tuple[list[Enrolled | NotReadyError | ApplicationError], list[Member], list[EnrolmentNews]]:
    """Enrol, and tell what was announced too, of members and of enrolments."""
    async with database.work() as work:
        outcomes = await enrolments.enrol_members(list(commands), work)
    events = [event for event in work.announced if isinstance(event, MembersEnrolled)]
    members = announced([event for event in work.announced if event not in events])
    return outcomes, members, [news for event in events for news in event.news]


async def enrolled(database: Database, *commands: EnrolMember) -> list[Enrolled]:
    outcomes, *_ = await enrol(database, *commands)
    return [good(outcome) for outcome in outcomes]


async def confirm(
    database: Database, *commands: ConfirmEnrolment
) -> list[Enrolment | ApplicationError]:
    async with database.work() as work:
        return await enrolments.confirm_enrolments(list(commands), work)


async def enrolment_page(
    database: Database, member_id: str, *, before: UUID | None = None, limit: int = 50
) -> EnrolmentPage | ApplicationError:
    query = ListEnrolments(account_id=ACCOUNT, member_id=member_id, before=before, limit=limit)
    async with database.work() as work:
        return (await enrolments.list_enrolments([query], work))[0]


async def read(
    database: Database, *member_ids: str, account_id: UUID = ACCOUNT
) -> list[Member | ApplicationError]:
    queries = [ReadMember(account_id=account_id, member_id=member_id) for member_id in member_ids]
    async with database.work() as work:
        return await handlers.read_members(queries, work)


async def page(database: Database, query: ListMembers) -> MemberPage:
    async with database.work() as work:
        return good((await handlers.list_members([query], work))[0])


async def points_page(
    database: Database,
    member_id: str = "ada",
    *,
    account_id: UUID = ACCOUNT,
    before: UUID | None = None,
    limit: int = 250,
) -> PointsPage:
    query = ListPoints(account_id=account_id, member_id=member_id, before=before, limit=limit)
    async with database.work() as work:
        return good((await handlers.list_points([query], work))[0])


def announced(events: list[Any]) -> list[Member]:
    """List the members announced; more than one event per list of commands is a fault."""
    events = [event for event in events if not isinstance(event, MembersErased)]
    assert len(events) <= 1
    assert all(isinstance(event, MembersChanged) for event in events)
    return [member for event in events for member in event.members]


def good(outcome: Reply | NotReadyError | ApplicationError) -> Reply:
    if isinstance(outcome, NotReadyError | ApplicationError):
        raise outcome
    return outcome


def kinds(outcomes: list[Any]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]


async def until_somebody_waits(database: Database) -> None:
    async with asyncio.timeout(10), database.connection() as connection:
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
