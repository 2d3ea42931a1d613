"""The notifier's public face: webhook endpoints and their deliveries."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, Field

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


class PassNotices(BaseModel):
    contents: list[ContentNotice]
    deliveries: list[Delivery]


class ReadNotices(Query):
    """What became of a pass's changes: contents built, webhooks delivered; for its timeline."""

    name: ClassVar = "notifier.read_notices.v1"
    reply: ClassVar = PassNotices

    account_id: UUID
    handle: str
    limit: int = 100


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


class DevicesActed(Event):
    """Devices did something to passes; the act with a pass's highest number knows the count."""

    name: ClassVar = "notifier.devices_acted.v1"

    acts: list[DeviceAct]
