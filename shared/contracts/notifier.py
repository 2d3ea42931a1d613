"""The notifier's public face: webhook endpoints, their deliveries, and devices."""

from datetime import datetime
from typing import ClassVar, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.generator import GooglePass
from shared.contracts.message import Command, Done, Event, JsonObject, Query

SECRET_PURPOSE = "webhook secret"  # noqa: S105 - what it is for, not what it is
"""What an endpoint's secret is sealed for; its owner is the account id as text."""


class Endpoint(BaseModel):
    """An address of a partner to which what happens is posted."""

    endpoint_id: UUID
    account_id: UUID
    url: str
    description: str | None = None
    kinds: list[str]
    """Event types it wants, such as `pass.scanned` or `pass.*`; empty means all."""
    template_id: UUID | None = None
    enabled: bool = True
    disabled_reason: str | None = None
    created_at: datetime
    updated_at: datetime


class EndpointSecret(BaseModel):
    endpoint: Endpoint
    sealed_secret: str
    """`whsec_…`, sealed: replies are stored as outcomes, and secrets do not lie about in them."""


class CreateEndpoint(Command):
    name: ClassVar = "notifier.create_endpoint.v1"
    reply: ClassVar = EndpointSecret

    account_id: UUID
    endpoint_id: UUID
    url: str
    description: str | None = None
    kinds: list[str] = Field(default_factory=list)
    template_id: UUID | None = None


class UpdateEndpoint(Command):
    """Set the fields given: url, description, kinds, template_id, enabled."""

    name: ClassVar = "notifier.update_endpoint.v1"
    reply: ClassVar = Endpoint

    account_id: UUID
    endpoint_id: UUID
    fields: JsonObject


class DeleteEndpoint(Command):
    name: ClassVar = "notifier.delete_endpoint.v1"
    reply: ClassVar = Done

    account_id: UUID
    endpoint_id: UUID


class RotateSecret(Command):
    """A new signing secret; the old one signs beside it for the grace given (seconds)."""

    name: ClassVar = "notifier.rotate_secret.v1"
    reply: ClassVar = EndpointSecret

    account_id: UUID
    endpoint_id: UUID
    grace: int = 86_400


class Replayed(BaseModel):
    count: int


class ReplayDeliveries(Command):
    """Send again: one event, or all since a moment and, if that is given, before another.

    Also what came before the endpoint.
    """

    name: ClassVar = "notifier.replay_deliveries.v1"
    reply: ClassVar = Replayed

    account_id: UUID
    endpoint_id: UUID
    event_id: UUID | None = None
    since: datetime | None = None
    only_failed: bool = False
    until: datetime | None = None


class TriedEndpoint(BaseModel):
    """A test on its way."""

    delivery_id: UUID
    event_id: UUID


class TryEndpoint(Command):
    """Post a `webhook.test` to one endpoint; one that is disabled is a conflict (409)."""

    name: ClassVar = "notifier.try_endpoint.v1"
    reply: ClassVar = TriedEndpoint

    account_id: UUID
    endpoint_id: UUID


class ReadEndpoint(Query):
    name: ClassVar = "notifier.read_endpoint.v1"
    reply: ClassVar = Endpoint

    account_id: UUID
    endpoint_id: UUID


class EndpointPage(BaseModel):
    endpoints: list[Endpoint]
    more: bool


class ListEndpoints(Query):
    name: ClassVar = "notifier.list_endpoints.v1"
    reply: ClassVar = EndpointPage

    account_id: UUID
    after: UUID | None = None
    limit: int = 50


class Attempt(BaseModel):
    number: int
    at: datetime
    status: int | None = None
    error: str | None = None
    milliseconds: int
    response: str | None = None


class Delivery(BaseModel):
    """One event on its way to one endpoint."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    webhook_id: str
    kind: str
    handle: str | None = None
    state: Literal["pending", "delivered", "exhausted", "dropped"]
    next_attempt_at: datetime | None = None
    created_at: datetime
    attempts: list[Attempt] = []


class DeliveryPage(BaseModel):
    deliveries: list[Delivery]
    more: bool


class ListDeliveries(Query):
    """A keyset page of deliveries, newest first; by endpoint or by pass."""

    name: ClassVar = "notifier.list_deliveries.v1"
    reply: ClassVar = DeliveryPage

    account_id: UUID
    endpoint_id: UUID | None = None
    handle: str | None = None
    state: str | None = None
    before: UUID | None = None
    limit: int = 50


class FeedPage(BaseModel):
    """Events as they are posted, in the order of their numbers."""

    events: list[str]
    after: int
    """Where the next page begins; past events of other types, too."""
    more: bool
    """There are events after it already."""


class ListEvents(Query):
    """A page of an account's feed, oldest first.

    A cursor whose next event is no longer kept is gone (410); one that was never given out is
    invalid (422). A page of long events is shorter than its limit, and may be empty when there are
    more.
    """

    name: ClassVar = "notifier.list_events.v1"
    reply: ClassVar = FeedPage

    account_id: UUID
    after: int | None = None
    """The number of the last event known; None: from the oldest kept."""
    latest: bool = False
    """From now on: an empty page."""
    kinds: list[str] = Field(default_factory=list)
    limit: int = 100


class ContentNotice(BaseModel):
    content_number: int
    pass_version: int
    at: datetime


class Observation(BaseModel):
    """One thing seen of a pass on its way to those who hold it."""

    at: datetime
    kind: Literal[
        "registered", "unregistered", "pushed", "push_failed", "listed", "fetched", "device_log",
        "google_wanted", "google_sent", "google_refused", "google_failed", "google_notified",
        "google_silent", "google_saved", "google_removed",
    ]  # fmt: skip
    device: str | None = None
    """The first 8 digits of the device; a fetch does not say which device it is from."""
    data: JsonObject = {}
    """registered: `created`, `device_kind`; unregistered: `reason`, unless the device said so;
    listed: `tag`, `cursor`; fetched: `status`, `content_number`, `version`, `source`; device_log:
    `line`, `class`, `version`; google_wanted: `version`; google_sent: `version`, `method`,
    `status`, `milliseconds`; google_refused, google_failed: `version`, `status`, `reason`, a word;
    google_notified: `version`, `by`; google_silent: `version`, `reason`; without a version they are
    about a message to all."""


DeviceKind = Literal["apple", "wallet_passes", "wallet_union", "pass2u"]
"""Which wallet app a device runs, and so by which channel it is pushed."""


class Holder(BaseModel):
    """A device that holds a pass now."""

    device: str
    """Its first 8 digits."""
    kind: DeviceKind = "apple"
    registered_at: datetime
    """When it registered for this pass."""
    push_due_at: datetime | None = None
    """When it is pushed next; None if it has nothing to be told."""
    push_tries: int = 0
    """How often that push has failed already."""


GoogleState = Literal["waiting", "there", "refused"]
"""Whether what is wanted at Google is on its way, is there as it is wanted, or was refused."""


class GooglePassState(BaseModel):
    """A pass at Google; `state` None: nobody wanted it there."""

    state: GoogleState | None = None
    object_id: str | None = None
    class_id: str | None = None
    detail: str = ""
    wanted_version: int = 0
    sent_version: int = 0
    sent_at: datetime | None = None
    saved: bool = False
    """Whether somebody has it in Google Wallet, by Google's last word."""
    saved_at: datetime | None = None
    notified_at: datetime | None = None
    """When its holder last heard of a change."""
    class_document: JsonObject | None = None
    object_document: JsonObject | None = None
    """As they are to be there, where that was asked; the class of ours only."""


class PassNotices(BaseModel):
    contents: list[ContentNotice]
    deliveries: list[Delivery]
    observations: list[Observation] = []
    """The newest first."""
    holders: list[Holder] = []
    """At most 20, the newest first."""
    holder_count: int = 0
    unpushed_since: int | None = None
    """The oldest version whose change is in bytes for which nobody asked a push."""
    google: GooglePassState = GooglePassState()
    """How it stands at Google Wallet."""


MAX_NOTICES: Final = 100
"""Of each kind, in one answer."""


class ReadNotices(Query):
    """What became of a pass's changes: built, posted, seen by devices; for its timeline."""

    name: ClassVar = "notifier.read_notices.v1"
    reply: ClassVar = PassNotices

    account_id: UUID
    handle: str
    limit: int = MAX_NOTICES


class DeviceRegistered(BaseModel):
    created: bool = False
    """Not if the device was registered for the pass before."""


class RegisterDevice(Command):
    """A device wants to hear of a pass's changes; its push token is kept in any case.

    410 for a pass that has been deleted meanwhile.
    """

    name: ClassVar = "notifier.register_device.v1"
    reply: ClassVar = DeviceRegistered

    account_id: UUID
    template_id: UUID
    handle: str
    pass_type_identifier: str
    serial_number: str
    device: str
    """Lower-case hex SHA-256 of its device library identifier, which is its only secret."""
    push_token: str
    kind: DeviceKind = "apple"


class UnregisterDevice(Command):
    """A device wants to hear no more of a pass; it is well if it never did."""

    name: ClassVar = "notifier.unregister_device.v1"
    reply: ClassVar = Done

    pass_type_identifier: str
    serial_number: str
    device: str


class UpdatedPasses(BaseModel):
    """What is new to a device; no serial numbers: nothing."""

    serial_numbers: list[str] = []
    last_updated: str = ""
    """The opaque tag with which the device asks next time."""


class ListUpdated(Query):
    """A device's passes of a type that are new since a tag; all without one."""

    name: ClassVar = "notifier.list_updated.v1"
    reply: ClassVar = UpdatedPasses

    device: str
    pass_type_identifier: str
    since: str | None = None
    """A tag as it was given; what cannot be one counts as absent."""


class NoteFetch(Query):
    """A pass was served, or was found unchanged. Best-effort evidence; nobody waits for it."""

    name: ClassVar = "notifier.note_fetch.v1"
    reply: ClassVar = Done

    account_id: UUID
    template_id: UUID
    handle: str
    pass_type_identifier: str
    serial_number: str
    content_number: int
    pass_version: int
    status: Literal[200, 304]
    source: Literal["device", "public"]
    at: datetime


class DeviceLogLine(BaseModel):
    """One line that a device logged; untrusted. What is over 1,000 characters is cut off."""

    line: str
    kind: str
    """The class of the line, `other` if it has none."""
    pass_type_identifier: str | None = None
    serial_number: str | None = None
    device: str | None = None
    at: datetime


class NoteDeviceLogs(Query):
    """Lines of one log request; what is over 50 lines, or names no known pass, is dropped."""

    name: ClassVar = "notifier.note_device_logs.v1"
    reply: ClassVar = Done

    lines: list[DeviceLogLine]


Wallet = Literal["apple", "google"]


class DeviceAct(BaseModel):
    """A device took a pass in, dropped it, or asked for it of its own accord."""

    event_id: UUID
    account_id: UUID
    handle: str
    kind: Literal["install", "remove", "device_update"]
    occurred_at: datetime
    number: int = 0
    """Of the pass: rises with every registration and removal; 0 for device_update."""
    devices: int = 0
    """How many devices hold the pass after it."""
    wallet: Wallet = "apple"
    """Each wallet has numbers and a count of its own; Google says only whether anybody has it."""


class DevicesActed(Event):
    """Devices did something to passes; the act with a pass's highest number knows the count."""

    name: ClassVar = "notifier.devices_acted.v1"

    acts: list[DeviceAct]


class MissedEvent(BaseModel):
    handle: str
    sequence: int


class EventsCompared(Event):
    """What the feed lacks of the lines that `triggers.events_listed` named."""

    name: ClassVar = "notifier.events_compared.v1"

    comparison_id: UUID
    missing: list[MissedEvent]


class GoogleKept(BaseModel):
    """How far a pass has come at Google."""

    handle: str
    object_id: str
    class_id: str
    state: GoogleState
    detail: str = ""
    """Why it waits or was refused, in Google's words."""


class KeepGoogle(Command):
    """Keep a pass at Google from now on: it is sent at once, before all that nobody waits for."""

    name: ClassVar = "notifier.keep_google.v1"
    reply: ClassVar = GoogleKept

    google_pass: GooglePass
    lane: Literal["interactive", "backfill"] = "interactive"


class WantedPass(BaseModel):
    account_id: UUID
    handle: str


class GoogleWanted(Event):
    """Somebody wants passes at Google, for the first time or again: they are kept there now."""

    name: ClassVar = "notifier.google_wanted.v1"

    passes: list[WantedPass]


class GoogleLink(BaseModel):
    """An address at which somebody adds a pass to Google Wallet: a credential, never logged."""

    object_id: str
    class_id: str
    save_url: str
    expires_at: datetime | None = None


class ReadGoogleLink(Query):
    """A link for a pass that is at Google; who asks waits until it is there.

    While Google's API fails the link carries a small object, without name or e-mail.
    NotFoundError if nobody wanted it there; ConflictError (code `refused_by_google`), with Google's
    words, if it was refused.
    """

    name: ClassVar = "notifier.read_google_link.v1"
    reply: ClassVar = GoogleLink

    account_id: UUID
    handle: str
    origin: str
    """Our own origin, which the link names."""
    life_seconds: int | None = None
    """After which Google is to refuse the link; None: never."""
    version: int = 0
    """Of the pass, that is to be there at least."""


class GoogleObject(BaseModel):
    """The object of a pass that somebody wants at Google."""

    handle: str
    object_id: str
    is_loyalty: bool


class GoogleObjects(BaseModel):
    objects: list[GoogleObject]


class ListGoogleObjects(Query):
    """The objects of a member's living passes, at most 250."""

    name: ClassVar = "notifier.list_google_objects.v1"
    reply: ClassVar = GoogleObjects

    account_id: UUID
    member_id: str


class GoogleTold(BaseModel):
    classes: int
    """How many will tell their holders."""


class TellGoogle(Command):
    """Tell all who have passes of a template in Google Wallet something: a message of each class.

    Its passes show the same text in the field; of that their holders hear no more. Classes of which
    nobody has a pass, and adopted ones, tell nothing.
    """

    name: ClassVar = "notifier.tell_google.v1"
    reply: ClassVar = GoogleTold

    account_id: UUID
    template_id: UUID
    field: str
    """The key of the field that shows the text."""
    text: str
    """The same for all: it tells of nobody."""
    said: str
    """The changeMessage of the field, with %@ where the text stands."""


class GoogleOutlook(BaseModel):
    """What a change of a template, or of one pass, would mean at Google."""

    objects: int = 0
    """Passes that are kept there."""
    holders: int = 0
    """Of these, how many somebody has."""
    silent: int = 0
    """Of these, how many holders were notified three times in 24 hours already."""
    classes: int = 0
    """That we write."""
    waiting: int = 0
    """Calls of the same Google Cloud project that are due before."""
    spacing: float = 0.0
    """Seconds from one call to the next, at the present pace."""


class ReadGoogleOutlook(Query):
    """How many passes of a template are at Google, and at what pace news would come there."""

    name: ClassVar = "notifier.read_google_outlook.v1"
    reply: ClassVar = GoogleOutlook

    account_id: UUID
    template_id: UUID
    handle: str | None = None
    """Only this pass."""


class GoogleTemplateStatus(BaseModel):
    """How far the passes of a template are at Google."""

    wanted: int
    """Objects that somebody wants there."""
    there: int
    waiting: int
    refused: int
    holders: int
    """Objects that somebody has saved."""
    oldest_waiting_at: datetime | None = None
    review: str = ""
    """The review status of its class, in Google's words."""
    refusals: list[str] = Field(default_factory=list)
    """Google's words, each once, the newest first; at most ten."""
    notes: list[str] = Field(default_factory=list)
    """What is left out of its documents, for Google does not allow it to their issuer."""
    calls_waiting: int = 0
    """Calls of the same Google Cloud project that come before its last one."""
    done_at: datetime | None = None
    """When all will be sent, at the present rate."""


class ReadGoogleStatus(Query):
    name: ClassVar = "notifier.read_google_status.v1"
    reply: ClassVar = GoogleTemplateStatus

    account_id: UUID
    template_id: UUID


class ReadGoogleState(Query):
    """One pass of an account at Google."""

    name: ClassVar = "notifier.read_google_state.v1"
    reply: ClassVar = GooglePassState

    account_id: UUID
    handle: str
    with_documents: bool = False


class NoteGoogleCallback(Command):
    """Somebody saved or removed an object, as Google says under its signature.

    The command id derives from issuer and nonce, so that a repeat is one. Unknown objects and kinds
    of events are ignored.
    """

    name: ClassVar = "notifier.note_google_callbacks.v1"
    reply: ClassVar = Done

    issuer_id: str
    class_id: str
    object_id: str
    event_type: str
    """`save` or `del`; others there may be."""
    at: datetime
