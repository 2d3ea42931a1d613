"""The triggers service's public face: the life of passes."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.member import Member
from shared.contracts.message import Command, Event, JsonObject, Query

EventKind = Literal[
    "create", "check", "scan", "install", "device_update", "register", "push", "remove", "edit",
    "update", "void", "unvoid", "delete",
]  # fmt: skip
"""What can happen to a pass. `remove`: a device dropped it (PassSource's onDelete); `delete`: the
account deleted it; `update`: values changed through the API or by a member's change."""


class Pass(BaseModel):
    """One issued pass as it is now. `version` rises with every change of state."""

    handle: str
    account_id: UUID
    template_id: UUID
    serial_number: str
    member_id: str | None = None
    version: int
    values: JsonObject
    member: JsonObject | None = None
    """The member's facts by name: name, email, points, tier, external_id."""
    voided: bool = False
    registered: bool = False
    scanned: bool = False
    installed: bool = False
    created_at: datetime
    updated_at: datetime
    push_version: int = 0
    """The highest version for which a push was asked."""


class PassCreated(BaseModel):
    handle: str
    version: int


class CreatePass(Command):
    """Issue one pass and run its template's onCreate rules."""

    name: ClassVar = "triggers.create_passes.v1"
    reply: ClassVar = PassCreated

    account_id: UUID
    template_id: UUID
    template_revision: int
    """The newest revision the gateway knows; the request waits until triggers knows it too."""
    handle: str
    serial_number: str
    member: Member | None = None
    values: JsonObject = Field(default_factory=dict)


class PassChanged(BaseModel):
    """What became of one change."""

    handle: str
    version: int
    sequence: int
    """The number of this event in the pass's log, from 1, without gaps."""
    updated: bool
    """Some value other than the scan texts changed."""
    scan_text: str | None = None
    scan_color: str | None = None
    description: str | None = None
    information_url: str | None = None
    information_label: str | None = None
    display_url: str | None = None


class ChangePass(Command):
    """Let something happen to one pass: log it, run its rules, keep the new state."""

    name: ClassVar = "triggers.change_passes.v1"
    reply: ClassVar = PassChanged

    account_id: UUID
    handle: str
    kind: Literal["check", "scan", "register", "edit", "update", "void", "unvoid", "delete"]
    values: JsonObject = Field(default_factory=dict)
    """New own values by path; null takes an own value away."""


class ReadPass(Query):
    """One pass of an account (404, or 410 when it was deleted)."""

    name: ClassVar = "triggers.read_passes.v1"
    reply: ClassVar = Pass

    account_id: UUID | None
    """None for the public, who know only the handle."""
    handle: str


class PassPage(BaseModel):
    passes: list[Pass]
    more: bool


class ListPasses(Query):
    """A keyset page of an account's passes by handle, which is by creation."""

    name: ClassVar = "triggers.list_passes.v1"
    reply: ClassVar = PassPage

    account_id: UUID
    template_id: UUID | None = None
    member_id: str | None = None
    after: str | None = None
    limit: int = 50


class LoggedEvent(BaseModel):
    """One line of a pass's log."""

    event_id: UUID
    account_id: UUID
    template_id: UUID
    handle: str
    member_id: str | None = None
    kind: EventKind
    sequence: int
    version: int
    occurred_at: datetime
    data: JsonObject = {}
    """`changes`: path → [before, after]; `rules`: the trace of the rules that ran."""


class EventPage(BaseModel):
    events: list[LoggedEvent]
    more: bool


class ReadTimeline(Query):
    """A keyset page of a pass's log, oldest first; a deleted pass keeps its own."""

    name: ClassVar = "triggers.read_timeline.v1"
    reply: ClassVar = EventPage

    account_id: UUID
    handle: str
    after: int = 0
    limit: int = 100


class Counts(BaseModel):
    """How many events of each kind, over all days and by day (ISO date, UTC)."""

    totals: dict[str, int]
    days: dict[str, dict[str, int]]


class ReadCounts(Query):
    name: ClassVar = "triggers.read_counts.v1"
    reply: ClassVar = Counts

    account_id: UUID
    template_id: UUID


class PassesChanged(Event):
    """Passes have new states; an older version that arrives late is dropped."""

    name: ClassVar = "triggers.passes_changed.v1"

    passes: list[Pass]


class DeletedPass(BaseModel):
    handle: str
    account_id: UUID
    version: int


class PassesDeleted(Event):
    """Passes are gone for good."""

    name: ClassVar = "triggers.passes_deleted.v1"

    passes: list[DeletedPass]


class EventsLogged(Event):
    """Something happened to passes, whether or not their content changed."""

    name: ClassVar = "triggers.events_logged.v1"

    events: list[LoggedEvent]
