"""The triggers service's public face: the life of passes."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import ClassVar, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.member import Member, StyleUse
from shared.contracts.message import Command, Event, JsonObject, Person, Query
from shared.passes.language.rights import Withheld
from shared.passes.language.state import PassState

EventKind = Literal[
    "create", "check", "scan", "install", "device_update", "register", "push", "remove", "edit",
    "update", "void", "unvoid", "delete", "expire",
]  # fmt: skip
"""What can happen to a pass. `remove`: a device dropped it (PassSource's onDelete); `delete`: the
account deleted it; `update`: values changed through the API or by a member's change; `expire`: its
expiration date has passed. New kinds come last: their order is kept in bits."""

Refusal = Literal["voided", "expired"]
"""Why a scan or check did nothing: the pass was not valid at that time."""

MAX_RUN_TIME: Final = timedelta(seconds=30)
"""Rules that call URLs are stopped when a call ends later than this after their beginning."""

DEPTH_HEADER: Final = "Passwright-Depth"
"""Says of a call by a rule, and of what is done because of it, how many rules called before it."""

MAX_DEPTH: Final = 5
"""Rules of an event that so many rules led to call nobody."""

WEBHOOK_DEPTH: Final = MAX_DEPTH + 1
"""What webhooks name. No API of ours does anything for them: what it did would be told by further
webhooks, and two of them that lead here would double with each round."""

STATE_WORDS: Final = {
    "registered": "registered",
    "scanned": "scanned",
    "installed": "installed",
    "removed": "deleted",
}
"""Flag of a pass → the word of conditions for it."""


StyleKey = Literal["style_id", "style_group_id"]
"""What a pass or a member may say of its looks."""


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
    """The member's facts by name: name, email, points, tier, external_id; and style_id and
    style_group_id of one that names them."""
    voided: bool = False
    registered: bool = False
    scanned: bool = False
    installed: bool = False
    removed: bool = False
    """A device dropped it at least once."""
    created_at: datetime
    updated_at: datetime
    push_version: int = 0
    """The highest version for which a push was asked."""
    literal: list[str] = Field(default_factory=list)
    """Paths of own values whose brackets are plain text."""
    token_key: str | None = None
    """The secret its authentication token derives from; None: the oldest there is."""
    devices: int = 0
    """On how many devices it is now, in whatever wallet."""
    google_devices: int = 0
    """How many of these are Google Wallet: 1 if anybody has it there."""
    template_revision: int = 0
    """The revision it is to be composed with at least; 0: the newest one known."""
    expires_at: datetime | None = None
    """The date on which it expires, its own or its template's."""
    passcode: str | None = Field(default=None, repr=False)
    """What is kept of the passcode of its public pages; in answers only, never in events."""
    style_id: UUID | None = None
    style_group_id: UUID | None = None
    """What it looks like by its own choice; the group goes first, the member's and the template's
    choice come after."""
    styles_needed: dict[UUID, int] = Field(default_factory=dict[UUID, int])
    """Style or group → the revision it is to be composed with at least."""
    google_name: str | None = None
    """What its object at Google is called behind the issuer's number; None: as its handle says."""
    linked: list[str] = Field(default_factory=list)
    """Such names of the objects that are linked to its own; nothing is ever unlinked."""

    def has_expired(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at

    def state(self) -> PassState:
        """Return it as the pure code of passes knows it."""
        return PassState(
            self.handle,
            self.serial_number,
            self.values,
            self.member,
            self.voided,
            self.updated_at,
            frozenset(word for flag, word in STATE_WORDS.items() if getattr(self, flag)),
            frozenset(self.literal),
            self.member_id,
        )


class PassCreated(BaseModel):
    handle: str
    version: int
    created_at: datetime | None = None
    """None: answered by an older release."""
    barcode_message: str | None = None
    """The message that was made up for it, if its template has that done."""


class Channel(BaseModel, frozen=True):
    """Where a pass comes from: the link program and what it says, or the `utm_` words of a call.

    Each text has at most 80 characters; an empty one says nothing.
    """

    program_id: UUID | None = None
    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""


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
    trusted: bool = True
    """If not, only user-editable values are set, as a user typed them; others are ignored."""
    withheld: list[Withheld] = Field(default_factory=list[Withheld])
    """What the values may not show, since who wrote them lacks the right to see it."""
    depth: int = 0
    """How many rules called each other before this was asked for."""
    literal: bool = False
    """Brackets in the values are plain text."""
    voided: bool = False
    """Whether it is void from the beginning."""
    passcode: str | None = Field(default=None, repr=False)
    """What is kept of the passcode that its public pages ask for."""
    channel: Channel | None = None
    """From where it comes, and for what it is counted."""
    style_id: UUID | None = None
    style_group_id: UUID | None = None
    """What it looks like by its own choice."""
    google_name: str | None = None
    """What its object at Google is to be called behind the issuer's number."""


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
    values_changed: bool = False
    """Some own value changed, the scan texts included."""
    voided: bool = False
    expired: bool = False
    """Its expiration date had passed: at a scan or check before its rules ran, else after it."""
    refused: Refusal | None = None
    """Why the rules of a scan or check did not run, so that it changed nothing."""


class ChangePass(Command):
    """Let something happen to one pass: log it, run its rules, keep the new state."""

    name: ClassVar = "triggers.change_passes.v1"
    reply: ClassVar = PassChanged

    account_id: UUID
    handle: str
    kind: Literal[
        "check", "scan", "register", "edit", "update", "void", "unvoid", "delete", "install",
        "device_update", "remove", "push",
    ]  # fmt: skip
    values: JsonObject = Field(default_factory=dict)
    """New own values by path; null takes an own value away."""
    trusted: bool = True
    """If not, only user-editable values are changed, as a user typed them; others are ignored."""
    withheld: list[Withheld] = Field(default_factory=list[Withheld])
    """What the values may not show, since who wrote them lacks the right to see it."""
    depth: int = 0
    """How many rules called each other before this was asked for."""
    replace_all: bool = False
    """Own values that are not given are taken away: all, or if not trusted the editable ones."""
    push: bool = True
    """Whether devices are to hear of it; if not, whatever is pushed next brings it along."""
    template_id: UUID | None = None
    """Of which template it must be, if of one in particular: else it is not found."""
    literal: bool = False
    """Brackets in the values are plain text."""
    voided: bool | None = None
    """Whether an update also makes it void, or valid again."""
    passcode: str | None = Field(default=None, repr=False)
    """What is kept of a new passcode of its public pages; an empty text takes it away."""
    wallet: Literal["apple", "google"] | None = None
    """In which wallet a device did it, if one did."""
    styles: dict[StyleKey, UUID | None] = Field(default_factory=dict[StyleKey, UUID | None])
    """What an update changes of its choice of a style; null takes it away."""
    link: str | None = None
    """The name of an object at Google that an update links to its own; 50 at most."""


class ReadPass(Query):
    """One pass of an account (404, or 410 when it was deleted)."""

    name: ClassVar = "triggers.read_passes.v1"
    reply: ClassVar = Pass

    account_id: UUID | None
    """None for the public, who know only the handle."""
    handle: str


class FindPass(Query):
    """The pass with a serial number (404, or 410 when it was deleted)."""

    name: ClassVar = "triggers.find_passes.v1"
    reply: ClassVar = Pass

    serial_number: str


class ReadPassStyleUse(Query):
    """Whether a living pass names a style or a style group, given by its id."""

    name: ClassVar = "triggers.read_style_use.v1"
    reply: ClassVar = StyleUse

    account_id: UUID
    named_id: UUID


class PassSince(BaseModel):
    changed: Pass | None = None
    """The pass as it is now; None: it is still at the version that was named."""


class ReadPassSince(Query):
    """A pass, if it is at another version than the one named (404, or 410 when it was deleted)."""

    name: ClassVar = "triggers.read_passes_since.v1"
    reply: ClassVar = PassSince

    account_id: UUID
    handle: str
    version: int


class PassPage(BaseModel):
    passes: list[Pass]
    more: bool
    last: int = 0
    """The position of the last one: where the next page begins."""


class ListPasses(Query):
    """A keyset page of an account's passes in the order in which they were created.

    Pages that follow each other miss no pass and repeat none, while others are created.

    A page of long passes is shorter than its limit; `more` says whether there are others.
    """

    name: ClassVar = "triggers.list_passes.v1"
    reply: ClassVar = PassPage

    account_id: UUID
    template_id: UUID | None = None
    member_id: str | None = None
    after: int = 0
    """The position (`last`) of the page before."""
    limit: int = 50
    kind: EventKind | None = None
    """Only passes to which this happened at least once."""
    skip: int = 0
    """How many to leave out at the beginning of the page."""
    email: str | None = None
    """Only passes of members with this e-mail address, in capitals or not."""
    voided: bool | None = None
    expired: bool | None = None
    """Whether their date has passed, noticed or not, as when they are scanned."""


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
    """`values` of a creation: all own values; `changes`: path → [before, after], where null stands
    for none, or for null if the path is among `nulls`. So all own values can be told from the log.
    `wallet`: in which a device did it; `rules`: the trace of the rules that ran; `refused`: why
    those of a scan or check did not, which then does not count as one; `warnings`: sentences about
    texts of the pass that lead back to themselves since then."""


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


class LastEvent(BaseModel):
    """When something happened last; None if it never did, or its log line was purged."""

    happened: bool
    occurred_at: datetime | None = None


class ReadLastEvent(Query):
    """When a kind of event happened to a pass last."""

    name: ClassVar = "triggers.read_last_event.v1"
    reply: ClassVar = LastEvent

    account_id: UUID
    handle: str
    kind: EventKind


class PassesPushed(BaseModel):
    """How many passes will be pushed, and by which job."""

    count: int
    job_id: UUID | None = None


class PushPasses(Command):
    """Push every pass of a template that is on a device or kept at Google.

    It goes on after the answer, a page at a time.
    """

    name: ClassVar = "triggers.push_passes.v1"
    reply: ClassVar = PassesPushed

    account_id: UUID
    template_id: UUID
    template_revision: int = 0
    """The revision that the passes are to show at least; the request waits for it."""
    forget: list[str] = Field(default_factory=list)
    """Paths whose own values are taken away, so that all passes show what the template says."""


class TemplatePush(BaseModel):
    """A push of all installed passes of a template, on its way."""

    job_id: UUID
    template_id: UUID
    state: Literal["running", "paused", "cancelled", "done"]
    total: int
    """How many passes were on a device or at Google when it began."""
    done: int
    created_at: datetime
    ended_at: datetime | None = None


class ReadTemplatePush(Query):
    """One push job of an account (404; ended ones are kept for 30 days)."""

    name: ClassVar = "triggers.read_template_push.v1"
    reply: ClassVar = TemplatePush

    account_id: UUID
    job_id: UUID


class TemplatePushPage(BaseModel):
    jobs: list[TemplatePush]
    more: bool


class ListTemplatePushes(Query):
    """A keyset page of push jobs, newest first."""

    name: ClassVar = "triggers.list_template_pushes.v1"
    reply: ClassVar = TemplatePushPage

    account_id: UUID
    template_id: UUID | None = None
    before: UUID | None = None
    limit: int = 50


class ControlTemplatePush(Command):
    """Pause, resume or cancel a push job (404; 409 once it has ended)."""

    name: ClassVar = "triggers.control_template_push.v1"
    reply: ClassVar = TemplatePush

    account_id: UUID
    job_id: UUID
    action: Literal["pause", "resume", "cancel"]


class Counts(BaseModel):
    """How many events of each kind, over all days and by day (ISO date, UTC)."""

    totals: dict[str, int]
    days: dict[str, dict[str, int]]


class ReadCounts(Query):
    name: ClassVar = "triggers.read_counts.v1"
    reply: ClassVar = Counts

    account_id: UUID
    template_id: UUID


class ChannelDay(BaseModel):
    channel: Channel
    day: date
    """In UTC."""


class ChannelCount(ChannelDay):
    """What came of one channel on one day."""

    issued: int = 0
    installed: int = 0
    """Passes that got onto a device for the first time."""


class ChannelCounts(BaseModel):
    counts: list[ChannelCount]
    """By channel and day."""
    more: bool


class ReadChannels(Query):
    """A keyset page of the channels that passes of a template came from, by channel and day.

    Passes without one are not among them.
    """

    name: ClassVar = "triggers.read_channels.v1"
    reply: ClassVar = ChannelCounts

    account_id: UUID
    template_id: UUID
    program_id: UUID | None = None
    """Only of this link program."""
    after: ChannelDay | None = None
    """The channel and day of the last entry of the page before."""
    limit: int = 100


class CampaignSource(BaseModel):
    campaign: str
    source: str


class CampaignCount(CampaignSource):
    """What came of the links of a campaign and source."""

    issued: int = 0
    installed: int = 0
    """Passes that got onto a device for the first time."""


class CampaignCounts(BaseModel):
    counts: list[CampaignCount]
    """By campaign and source."""


class ReadCampaigns(Query):
    """What came of the links of a program in all, by campaign and source."""

    name: ClassVar = "triggers.read_campaigns.v1"
    reply: ClassVar = CampaignCounts

    account_id: UUID
    template_id: UUID
    program_id: UUID
    after: CampaignSource | None = None
    """The campaign and source of the last entry of the page before."""
    limit: int = 100


class PassesChanged(Event):
    """Passes have new states; an older version that arrives late is dropped."""

    name: ClassVar = "triggers.passes_changed.v1"

    passes: list[Pass]

    def persons(self) -> Iterable[Person]:
        return [
            Person(p.account_id, p.member_id)
            for p in self.passes
            if p.member is not None and p.member_id is not None
        ]

    def without(self, persons: Collection[Person]) -> Self:
        left = [
            p for p in self.passes if p.member is None or (p.account_id, p.member_id) not in persons
        ]
        return self.model_copy(update={"passes": left})


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


class PointsAdjustment(BaseModel):
    event_id: UUID
    """The line of the pass's log whose rules asked for it."""
    account_id: UUID
    member_id: str
    kind: EventKind
    amount: int


class PointsAdjusted(Event):
    """Rules have changed the points of passes' members; the ledger follows, once per event."""

    name: ClassVar = "triggers.points_adjusted.v1"

    adjustments: list[PointsAdjustment]


class ListedPass(BaseModel):
    handle: str
    account_id: UUID
    version: int


class PassesListed(Event):
    """The newest versions of some passes, for a comparison with what the generator knows."""

    name: ClassVar = "triggers.passes_listed.v1"

    comparison_id: UUID
    passes: list[ListedPass]


class ListedEvent(BaseModel):
    event_id: UUID
    handle: str
    sequence: int


class EventsListed(Event):
    """Some lines of the log, for a comparison with what the feed holds."""

    name: ClassVar = "triggers.events_listed.v1"

    comparison_id: UUID
    events: list[ListedEvent]
