"""The member service's public face."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import ClassVar, Final, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel

from shared.contracts.message import Command, Event, JsonObject, Person, Query

MAX_POINTS: Final = 10**12
_PRINTABLE: Final = r"[^\x00-\x1f\x7f-\x9f]"
_NO_DOT: Final = r"[^@\s.\x00-\x1f\x7f-\x9f]+"


class TextForm(NamedTuple):
    """What a text may be: a pattern of the whole, and a length."""

    pattern: str
    max_length: int


MEMBER_ID: Final = TextForm("[A-Za-z0-9._~-]+", 64)
REASON: Final = TextForm(f"{_PRINTABLE}*", 200)
MEMBER_TEXTS: Final[Mapping[str, TextForm]] = {
    "name": TextForm(f"{_PRINTABLE}*", 200),
    "email": TextForm(rf"[^@\s\x00-\x1f\x7f-\x9f]+@{_NO_DOT}(\.{_NO_DOT})+", 254),
    "phone": TextForm("[0-9+,x() -]+", 32),
    "external_id": TextForm(f"{_PRINTABLE}+", 200),
    "tier": TextForm(f"{_PRINTABLE}*", 64),
}


class Member(BaseModel):
    """A person known to an account; `version` rises with every change."""

    account_id: UUID
    member_id: str
    version: int
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    tier: str | None = None
    points: int = 0
    created_at: datetime
    updated_at: datetime
    deleted: bool = False

    @property
    def person(self) -> Person:
        return Person(self.account_id, self.member_id)


class MemberSaved(BaseModel):
    member: Member
    created: bool


class SaveMember(Command):
    """Create, replace or merge one member.

    `create` refuses an id that exists (409), `replace` sets every field and creates when missing,
    `merge` sets the fields given and refuses a missing one (404). `points` in `fields` sets the
    balance by a ledger entry. An `external_id` of another member is a conflict (409).
    """

    name: ClassVar = "member.save_member.v1"
    reply: ClassVar = MemberSaved

    account_id: UUID
    member_id: str
    mode: Literal["create", "replace", "merge"]
    fields: JsonObject
    """Any of name, email, phone, external_id, tier (text or null) and points (integer)."""


class DeleteMember(Command):
    """Erase a member's data; the passes stay, without it."""

    name: ClassVar = "member.delete_member.v1"
    reply: ClassVar = Member

    account_id: UUID
    member_id: str


class PointsEntry(BaseModel):
    """One line of the append-only points ledger."""

    entry_id: UUID
    member_id: str
    delta: int
    balance: int
    reason: str | None = None
    created_at: datetime


class AdjustPoints(Command):
    """Append to the points ledger; a balance below zero is refused unless allowed."""

    name: ClassVar = "member.adjust_points.v1"
    reply: ClassVar = PointsEntry

    account_id: UUID
    member_id: str
    delta: int
    reason: str | None = None


class ReadMember(Query):
    name: ClassVar = "member.read_member.v1"
    reply: ClassVar = Member

    account_id: UUID
    member_id: str


class MemberPage(BaseModel):
    members: list[Member]
    more: bool


class ListMembers(Query):
    """A keyset page by member id."""

    name: ClassVar = "member.list_members.v1"
    reply: ClassVar = MemberPage

    account_id: UUID
    after: str | None = None
    external_id: str | None = None
    limit: int = 50


class PointsPage(BaseModel):
    entries: list[PointsEntry]
    more: bool


class ListPoints(Query):
    """A keyset page of the ledger, newest first."""

    name: ClassVar = "member.list_points.v1"
    reply: ClassVar = PointsPage

    account_id: UUID
    member_id: str
    before: UUID | None = None
    limit: int = 50


class MembersChanged(Event):
    """Members are new, changed or deleted."""

    name: ClassVar = "member.members_changed.v1"

    members: list[Member]

    def persons(self) -> Iterable[Person]:
        return [member.person for member in self.members if not member.deleted]

    def without(self, persons: Collection[Person]) -> Self:
        left = [m for m in self.members if m.deleted or m.person not in persons]
        return self.model_copy(update={"members": left})
