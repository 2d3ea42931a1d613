"""The member service's public face."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import ClassVar, Final, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.message import Command, Event, JsonObject, Person, Query

MAX_POINTS: Final = 10**12
_PRINTABLE: Final = r"[^\x00-\x1f\x7f-\x9f]"
_NO_DOT: Final = r"[^@\s.\x00-\x1f\x7f-\x9f]+"


class TextForm(NamedTuple):
    """What a text may be: a pattern of the whole, and a length."""

    pattern: str
    max_length: int

    def fits(self, text: str) -> bool:
        return len(text) <= self.max_length and re.fullmatch(self.pattern, text) is not None


MEMBER_ID: Final = TextForm("[A-Za-z0-9._~-]+", 64)
REASON: Final = TextForm(f"{_PRINTABLE}*", 200)
MEMBER_TEXTS: Final[Mapping[str, TextForm]] = {
    "name": TextForm(f"{_PRINTABLE}*", 200),
    "email": TextForm(rf"[^@\s\x00-\x1f\x7f-\x9f]+@{_NO_DOT}(\.{_NO_DOT})+", 254),
    "phone": TextForm("[0-9+,x() -]+", 32),
    "external_id": TextForm(f"{_PRINTABLE}+", 200),
    "tier": TextForm(f"{_PRINTABLE}*", 64),
}
MAX_NAME_KEY: Final = 64
"""So many characters of a name are compared and searched."""
MEMBER_FILTERS: Final[Mapping[str, TextForm]] = {
    "name": TextForm(f"{_PRINTABLE}+", MAX_NAME_KEY),
    "email": TextForm(r"[^\s\x00-\x1f\x7f-\x9f]+", 254),
    "phone": TextForm("[+,x() -]*[0-9][0-9+,x() -]*", 32),
    "external_id": MEMBER_TEXTS["external_id"],
    "tier": TextForm(f"{_PRINTABLE}+", 64),
}
"""What is asked of a list: of name, e-mail and phone the beginning."""
MAX_LISTED: Final = 1000
"""Members of one page."""


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
    style_id: UUID | None = None
    style_group_id: UUID | None = None
    """What its passes look like, where they say nothing themselves; the group goes first."""
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
    """Any of name, email, phone, external_id, tier, style_id, style_group_id (text or null) and
    points (integer)."""
    reason: str | None = None
    """What the ledger says where points are set."""


class StyleUse(BaseModel):
    """Whether anybody names a style or a group."""

    in_use: bool


class ReadMemberStyleUse(Query):
    """Whether a living member names a style or a style group, given by its id."""

    name: ClassVar = "member.read_style_use.v1"
    reply: ClassVar = StyleUse

    account_id: UUID
    named_id: UUID


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


class Enrolment(BaseModel):
    """That a person came to a template's pass, by a link or a batch: the member, and its pass."""

    enrolment_id: UUID
    account_id: UUID
    template_id: UUID
    member_id: str
    handle: str
    """Of the pass, which may still be to be made: whoever finds none issues it under this name."""
    external_id: str | None = None
    program_id: UUID | None = None
    """The link program, if it was a link."""
    campaign: str = ""
    created_at: datetime


class Enrolled(BaseModel):
    """What became of an enrolment."""

    enrolment: Enrolment
    member: Member
    is_new: bool
    """If not, the person had this enrolment before: the pass is the one made then."""
    differs: bool = False
    """Whether another name, e-mail or phone came with an external id than its member has: what was
    there first stands."""


class EnrolMember(Command):
    """Find or make the member and the enrolment of somebody who is to have a pass of a template.

    With an external id the account's member of that id is taken, or made with these fields; there
    is one enrolment for account, template and external id, whoever asks first. Without one a new
    member and a new enrolment are made each time. At most `max_uses` enrolments are made for a link
    (GoneError, code `link_used_up`), also when members are deleted; one that is there already, by
    external id or by `replaces`, is given also then, and so is one made for the link whose pass was
    not confirmed. Uses are counted while a limit is given.
    """

    name: ClassVar = "member.enrol_members.v1"
    reply: ClassVar = Enrolled

    account_id: UUID
    template_id: UUID
    member_id: str
    """The id that a new member gets."""
    handle: str
    """The handle for the pass of a new enrolment."""
    fields: JsonObject
    """Any of name, email, phone, external_id, tier (text) and points (integer), as in SaveMember;
    they are set only on a new member."""
    program_id: UUID | None = None
    link_id: UUID | None = None
    campaign: str = ""
    max_uses: int | None = None
    replaces: str | None = None
    """The handle of a deleted pass: if the enrolment still names it, it gets the new handle.
    Without an external id it also tells which enrolment is meant."""


class ConfirmEnrolment(Command):
    """Note that the pass of an enrolment was made.

    Until then a link without an external id, with `max_uses`, gives the same enrolment again rather
    than be used up by one that led to no pass.
    """

    name: ClassVar = "member.confirm_enrolments.v1"
    reply: ClassVar = Enrolment

    account_id: UUID
    handle: str


class EnrolmentPage(BaseModel):
    enrolments: list[Enrolment]
    more: bool


class ListEnrolments(Query):
    """A keyset page of a member's enrolments, newest first."""

    name: ClassVar = "member.list_enrolments.v1"
    reply: ClassVar = EnrolmentPage

    account_id: UUID
    member_id: str
    before: UUID | None = None
    limit: int = 50


class ReadMember(Query):
    name: ClassVar = "member.read_member.v1"
    reply: ClassVar = Member

    account_id: UUID
    member_id: str


MemberSort = Literal["member_id", "name", "points", "created_at"]
SortKey = str | int
"""What a list is sorted by, of one member: a name as it is compared, points, a moment as text."""


class MemberPage(BaseModel):
    members: list[Member]
    more: bool
    last_key: SortKey | None = None
    """Where the page ends, besides the id of its last member; of a list by member id: None."""


class ListMembers(Query):
    """A keyset page of the members that all filters let through.

    A page may hold fewer than asked for while there are more: no message is over 1 MiB.
    """

    name: ClassVar = "member.list_members.v1"
    reply: ClassVar = MemberPage

    account_id: UUID
    after: str | None = None
    """The id of the last member before; with `after_key`, if the list is not sorted by id."""
    after_key: SortKey | None = None
    sort: MemberSort = "member_id"
    """Members that are alike in this follow each other by id. Names are compared in lower case."""
    descending: bool = False
    name_begins: str | None = None
    """How the name, or the last word of it, begins; in capitals or not, as of the e-mail."""
    email_begins: str | None = None
    phone_begins: str | None = None
    """Only digits are compared."""
    external_id: str | None = None
    tier: str | None = None
    points_min: int | None = None
    points_max: int | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    template_id: UUID | None = None
    """Members with an enrolment for this template."""
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


class EnrolmentNews(BaseModel):
    """That somebody enrolled, or that other data came with an external id than its member has."""

    event_id: UUID
    kind: Literal["enrolled", "conflict"]
    account_id: UUID
    template_id: UUID
    member_id: str
    enrolment_id: UUID
    handle: str
    program_id: UUID | None = None
    fields: list[str] = Field(default_factory=list)
    """Names of the fields that came otherwise, in a conflict."""
    occurred_at: datetime


class MembersEnrolled(Event):
    """Who enrolled, by ids: who a person is stays with the member."""

    name: ClassVar = "member.members_enrolled.v1"

    news: list[EnrolmentNews]


class MembersChanged(Event):
    """Members are new, changed or deleted."""

    name: ClassVar = "member.members_changed.v1"

    members: list[Member]

    def persons(self) -> Iterable[Person]:
        return [member.person for member in self.members if not member.deleted]

    def without(self, persons: Collection[Person]) -> Self:
        left = [m for m in self.members if m.deleted or m.person not in persons]
        return self.model_copy(update={"members": left})


def digest_external_id(account_id: UUID, external_id: str) -> str:
    """Name an external id in a way that does not tell it."""
    return hashlib.sha256(account_id.bytes + external_id.encode()).hexdigest()


class ErasedMember(BaseModel):
    account_id: UUID
    member_id: str
    external_id_digest: str | None = None
    """Of the external id it had, by `digest_external_id`; lists may name it by that alone."""


class MembersErased(Event):
    """Members are gone, with what was known of them."""

    name: ClassVar = "member.members_erased.v1"

    members: list[ErasedMember]
