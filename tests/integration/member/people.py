"""Makes commands, and sends them as the consumer does: each list in one unit of work."""

from typing import Any, Literal, TypeVar
from uuid import UUID

from services.member import handlers
from shared.contracts.member import (
    AdjustPoints,
    DeleteMember,
    ListMembers,
    ListPoints,
    Member,
    MemberPage,
    MemberSaved,
    MembersChanged,
    PointsEntry,
    PointsPage,
    ReadMember,
    SaveMember,
)
from shared.database import Database
from shared.errors import ApplicationError
from shared.identifiers import new_id

ACCOUNT = UUID(int=1)
OTHER_ACCOUNT = UUID(int=2)

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
    """List the members announced; more than one event per batch is a fault."""
    assert len(events) <= 1
    assert all(isinstance(event, MembersChanged) for event in events)
    return [member for event in events for member in event.members]


def good(outcome: Reply | ApplicationError) -> Reply:
    if isinstance(outcome, ApplicationError):
        raise outcome
    return outcome


def kinds(outcomes: list[Any]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]
