"""A pass while something happens to it, and what the others are told of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID

from shared.contracts.member import Member
from shared.contracts.message import Event
from shared.contracts.notifier import DeviceAct, Wallet
from shared.contracts.triggers import (
    DeletedPass,
    EventKind,
    EventsLogged,
    LoggedEvent,
    Pass,
    PassesChanged,
    PassesDeleted,
    PointsAdjusted,
    PointsAdjustment,
    StyleKey,
)
from shared.errors import (
    ConflictError,
    GoneError,
    InvalidError,
    NotFoundError,
    TooManyRequestsError,
)
from shared.passes.language.paths import MEMBER_FACTS as PATHS_OF_FACTS
from shared.passes.language.rights import Withheld
from shared.passes.language.state import PassState

TRIGGER_OF: Final[Mapping[str, str]] = {
    "check": "onCheck",
    "create": "onCreate",
    "install": "onInstall",
    "device_update": "onDeviceUpdate",
    "register": "onRegister",
    "remove": "onDelete",
    "scan": "onScan",
    "edit": "onEdit",
}
"""Which of a template's rules run at which event; the others run none."""

SCAN_TEXTS: Final = frozenset({"psScanText", "psScanColor"})
"""What a scanner shows; a change of these alone is no update of the pass."""

REFUSABLE: Final = frozenset({"scan", "check"})
"""What a pass that is voided or expired is not used for, unless its template says so."""

MEMBER_FACTS: Final = tuple(fact for fact in PATHS_OF_FACTS.values() if fact != "member_id")
STYLE_KEYS: Final[tuple[StyleKey, ...]] = get_args(StyleKey)
"""Among the facts of members that name a style; of those that name none there is nothing."""

PERSONAL_FACTS: Final = frozenset({"name", "email", "external_id"})
"""What tells who a member is; its values stay out of logs and webhooks."""

KIND_OF_WORD: Final[Mapping[str, EventKind]] = {
    "registered": "register",
    "scanned": "scan",
    "installed": "install",
    "deleted": "remove",
}
"""State word of conditions → the kind of event that makes it true."""

QUIET: Final = timedelta(seconds=30)
"""After a manual update further ones are ignored for so long."""

DEVICES_BY_HAND: Final[Mapping[str, int]] = {"install": 1, "remove": 0}
"""On how many devices a pass is by what is noted by hand, as long as no device has registered."""

BIT_OF: Final = {kind: 1 << number for number, kind in enumerate(get_args(EventKind))}


class PassNotFoundError(NotFoundError):
    """There is no such pass in this account."""

    code = "pass_not_found"


class PassDeletedError(GoneError):
    """The pass was deleted."""

    code = "pass_deleted"


class TriggerStoppedError(InvalidError):
    """A rule of the template stopped it."""

    code = "trigger_error"


class TooManyRunsError(TooManyRequestsError):
    """Too many events of this pass or account wait for the URLs that their rules call."""

    code = "too_many_rule_runs"


class BarcodeNeededError(InvalidError):
    """Each pass of this template needs a barcode message of its own: `barcode_message`."""

    code = "barcode_message_needed"


class BarcodeTakenError(ConflictError):
    """Another pass of the template has this barcode message."""

    code = "barcode_message_taken"


class BarcodeFixedError(ConflictError):
    """A pass of this template keeps the barcode message that it was issued with."""

    code = "barcode_message_fixed"


class PassFullError(InvalidError):
    """The pass has no room for more values."""

    code = "pass_full"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a pass is to be changed, as `ChangePass` says it."""

    trusted: bool = True
    replace_all: bool = False
    push: bool = True
    withheld: tuple[Withheld, ...] = ()
    """What the texts that are written may not show, for want of a right."""
    literal: bool = False
    """Whether brackets in what is written are plain text."""
    voided: bool | None = None
    passcode: str | None = None
    wallet: Wallet | None = None
    """In which wallet a device did it."""
    styles: Mapping[StyleKey, UUID | None] = field(default_factory=dict[StyleKey, UUID | None])
    """What of its choice of a style is another one; None takes it away."""
    link: str | None = None
    """The object at Google that is linked to that of the pass."""


USUAL: Final = Manner()


@dataclass(slots=True)
class PassRecord:
    """A pass while something happens to it; `member` holds its member's facts."""

    handle: str
    account_id: UUID
    template_id: UUID
    serial_number: str
    member_id: str | None
    version: int
    sequence: int
    push_version: int
    own_values: dict[str, Any]
    happened: int
    voided: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    literal: list[str] = field(default_factory=list[str])
    """The marks of rights.py: own values that are plain text, or may not show everything."""
    token_key: str | None = None
    """The secret its authentication token derives from, for life; None: the oldest there is."""
    refreshed_at: datetime | None = None
    """When a manual update counted last."""
    devices: int = 0
    """On how many devices it is in all, by the acts in each wallet with the highest numbers."""
    registration_number: int = 0
    """That number of Apple's devices; 0 while none has registered."""
    google_devices: int = 0
    """How many of the devices are Google Wallet, which says only whether anybody has it."""
    google_number: int = 0
    expires_at: datetime | None = None
    """The date on which it expires, as it is composed."""
    expired: bool = False
    """Whether the event of that date is logged."""
    voided_by_date: bool = False
    """Whether it is void because of that date alone, so that a later one makes it valid."""
    channel_id: int | None = None
    """The channel from which it comes."""
    passcode: str | None = field(default=None, repr=False)
    """What is kept of the passcode of its public pages."""
    style_id: UUID | None = None
    style_group_id: UUID | None = None
    """What it looks like by its own choice; the group goes first."""
    google_name: str | None = None
    """What its object at Google is called, if its handle does not say it."""
    linked: list[str] = field(default_factory=list[str])
    """The objects at Google that are linked to its own."""
    position: int = 0
    """Its number in the order of creation; 0 where it was not read."""
    member: dict[str, Any] | None = None
    version_before: int = field(init=False)
    events: list[LoggedEvent] = field(default_factory=list[LoggedEvent])
    """What happened in this unit of work."""
    adjustments: list[PointsAdjustment] = field(default_factory=list[PointsAdjustment])
    """What its member's ledger is to get for what happened."""
    first: list[EventKind] = field(default_factory=list[EventKind])
    """The kinds that happened for the first time in the life of this pass."""
    told_values: dict[str, Any] = field(init=False)
    """Its own values as the log tells them."""
    touched: bool = False
    """Whether there is something to keep besides what happened."""
    template_revision: int = 0
    """The revision that devices are to see at least, if any in particular."""
    styles_needed: dict[UUID, int] = field(default_factory=dict[UUID, int])
    """The same of styles and groups."""
    _state: tuple[PassState, list[str], int] | None = field(init=False, default=None, repr=False)
    """The state that was made last, with what in it is not as it is here."""

    def __post_init__(self) -> None:
        """Remember what the rest of the system knows."""
        self.version_before = self.version
        self.told_values = self.own_values

    def state(self, at: datetime | None = None) -> PassState:
        """Return it as the pure code knows it, with the words of what has happened so far.

        It is made once for each change: values, member and marks are replaced, never altered.
        """
        moment = at or self.updated_at
        if self._state is not None:
            state, literal, happened = self._state
            if (
                state.values is self.own_values
                and state.member is self.member
                and literal is self.literal
                and (state.voided, happened, state.changed_at)
                == (self.voided, self.happened, moment)
            ):
                return state
        state = PassState(
            self.handle,
            self.serial_number,
            self.own_values,
            self.member,
            self.voided,
            moment,
            frozenset(word for word, kind in KIND_OF_WORD.items() if self.has(kind)),
            frozenset(self.literal),
            self.member_id,
        )
        self._state = (state, self.literal, self.happened)
        return state

    def refresh(self, at: datetime) -> None:
        """Remember a manual update that counted."""
        self.refreshed_at = max(at, self.refreshed_at or at)
        self.touched = True

    def count_devices(self, act: DeviceAct) -> None:
        """Learn on how many devices the pass is; what is older than is known changes nothing."""
        if act.wallet == "google" and act.number > self.google_number:
            self.devices += act.devices - self.google_devices
            self.google_number, self.google_devices = act.number, act.devices
            self.touched = True
        elif act.wallet == "apple" and act.number > self.registration_number:
            self.registration_number = act.number
            self.devices = act.devices + self.google_devices
            self.touched = True

    def count_by_hand(self, kind: EventKind) -> None:
        """Count what somebody noted; it holds until a device itself has registered."""
        if self.registration_number == self.google_number == 0:
            self.devices = DEVICES_BY_HAND.get(kind, self.devices)

    def ignores(self, kind: EventKind, at: datetime) -> bool:
        """Tell whether an event is a manual update too soon after another.

        One that is heard of late counts if it was long before.
        """
        return (
            kind == "device_update"
            and self.refreshed_at is not None
            and abs(at - self.refreshed_at) < QUIET
        )

    def has(self, kind: EventKind) -> bool:
        return bool(self.happened & BIT_OF[kind])

    def to_contract(self, *, with_passcode: bool = False) -> Pass:
        """Tell of it; of its passcode only to whoever guards its pages."""
        return Pass.model_construct(
            handle=self.handle,
            account_id=self.account_id,
            template_id=self.template_id,
            serial_number=self.serial_number,
            member_id=self.member_id,
            version=self.version,
            values=self.own_values,
            member=self.member,
            voided=self.voided,
            registered=self.has("register"),
            scanned=self.has("scan"),
            installed=self.has("install"),
            removed=self.has("remove"),
            literal=self.literal,
            token_key=self.token_key,
            created_at=self.created_at,
            updated_at=self.updated_at,
            push_version=self.push_version,
            devices=self.devices,
            google_devices=self.google_devices,
            template_revision=self.template_revision,
            expires_at=self.expires_at,
            passcode=self.passcode if with_passcode else None,
            style_id=self.style_id,
            style_group_id=self.style_group_id,
            styles_needed=self.styles_needed,
            google_name=self.google_name,
            linked=self.linked,
        )


def announcements(records: Iterable[PassRecord]) -> Iterator[Event]:
    """Tell what happened, and which passes are different now or gone."""
    happened = [record for record in records if record.events]
    changed = [
        record
        for record in happened
        if record.deleted_at is None and record.version > record.version_before
    ]
    deleted = [record for record in happened if record.deleted_at is not None]
    if changed:
        yield PassesChanged.model_construct(passes=[record.to_contract() for record in changed])
    if deleted:
        yield PassesDeleted(
            passes=[
                DeletedPass(handle=r.handle, account_id=r.account_id, version=r.version)
                for r in deleted
            ]
        )
    if happened:
        events = [event for record in happened for event in record.events]
        yield EventsLogged.model_construct(events=events)
        adjustments = [one for record in happened for one in record.adjustments]
        if adjustments:
            yield PointsAdjusted(adjustments=adjustments)


def facts_of(member: Member) -> dict[str, Any] | None:
    """Return what a pass may show of a member, and how; None once the member is deleted."""
    if member.deleted:
        return None
    styles = {key: str(named) for key in STYLE_KEYS if (named := getattr(member, key)) is not None}
    return {fact: getattr(member, fact) for fact in MEMBER_FACTS} | styles
