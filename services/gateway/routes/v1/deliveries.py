"""What was sent to webhook endpoints under /v1: the log of it, replays, tests."""

from datetime import datetime
from functools import partial
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from services.gateway.context import Context
from services.gateway.routes.once import answered, begin
from services.gateway.routes.v1.paging import uuid_position
from services.gateway.routes.v1.reading import cursor_at, id_in_path
from shared.contracts import notifier
from shared.contracts.notifier import (
    Attempt,
    DeliveryPage,
    ListDeliveries,
    ReplayDeliveries,
    Replayed,
    TriedEndpoint,
    TryEndpoint,
)
from shared.errors import ConflictError, NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import Page, PageQuery

TAG = "Webhooks"


class Replay(BaseModel):
    """What to send again: one event, or all since a moment, or between two."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"since": "2027-03-01T12:00:00Z", "only_failed": True}],
            "anyOf": [
                {
                    "required": ["event_id"],
                    "properties": {
                        "event_id": {"type": "string"},
                        "since": {"type": "null"},
                        "until": {"type": "null"},
                    },
                },
                {
                    "required": ["since"],
                    "properties": {"since": {"type": "string"}, "event_id": {"type": "null"}},
                },
            ],
        },
    )

    event_id: UUID | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = Field(None, description="With `since`: what happened before it.")
    only_failed: bool = False

    @field_validator("until")
    @classmethod
    def _comes_after(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        since = info.data.get("since")
        if until is not None and (since is None or until <= since):
            raise ValueError("until needs a since before it")
        return until

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.event_id is None) == (self.since is None):
            raise ValueError("Either event_id or since is needed")
        return self


class ReplayCount(BaseModel):
    """How many deliveries were set out again."""

    count: int


class TestOnItsWay(BaseModel):
    """A test that was set out; it is in the list of deliveries, too."""

    delivery_id: UUID
    event_id: UUID


class WebhookDelivery(BaseModel):
    """One event on its way to a webhook."""

    delivery_id: UUID
    event_id: UUID
    message_id: str = Field(description="The webhook-id header, the same for every attempt.")
    type: str
    handle: str | None
    state: str
    next_attempt_at: datetime | None
    created_at: datetime
    attempts: list[Attempt]


class DeliveriesQuery(PageQuery):
    """Which deliveries to list."""

    state: Literal["pending", "delivered", "exhausted", "dropped"] | None = None


class DeliveriesPage(Page[WebhookDelivery]):
    """Deliveries, newest first."""


async def replay_webhook(call: Call[Replay, None], *, context: Context) -> Reply:
    """Send again what a webhook endpoint was or should have been told."""
    body, webhook_id = call.body, id_in_path(call, "webhook_id")
    claim = await begin(context, call)
    command = ReplayDeliveries(
        command_id=claim.command_id,
        account_id=call.caller.account_id,
        endpoint_id=webhook_id,
        event_id=body.event_id,
        since=body.since,
        until=body.until,
        only_failed=body.only_failed,
    )
    replayed = await context.requester.ask(command, Replayed)
    location = f"/v1/webhooks/{webhook_id}/deliveries"
    return answered(claim, ReplayCount(count=replayed.count), headers={"Location": location})


async def test_webhook(call: Call[None, None], *, context: Context) -> Reply:
    """Send a test to one webhook endpoint."""
    webhook_id = id_in_path(call, "webhook_id")
    claim = await begin(context, call)
    command = TryEndpoint(
        command_id=claim.command_id, account_id=call.caller.account_id, endpoint_id=webhook_id
    )
    sent = await context.requester.ask(command, TriedEndpoint)
    location = f"/v1/webhooks/{webhook_id}/deliveries"
    answer = TestOnItsWay(delivery_id=sent.delivery_id, event_id=sent.event_id)
    return answered(claim, answer, headers={"Location": location})


async def list_deliveries(call: Call[None, DeliveriesQuery], *, context: Context) -> DeliveriesPage:
    """List what was sent to a webhook endpoint, with every attempt."""
    query = call.query
    question = ListDeliveries(
        account_id=call.caller.account_id,
        endpoint_id=id_in_path(call, "webhook_id"),
        state=query.state,
        before=uuid_position(query),
        limit=query.limit,
    )
    page = await context.requester.ask(question, DeliveryPage)
    before = None
    if page.more:
        before = cursor_at(page.deliveries[-1].delivery_id)
    return DeliveriesPage(data=[_delivery(each) for each in page.deliveries], next_cursor=before)


def _delivery(found: notifier.Delivery) -> WebhookDelivery:
    facts: dict[str, Any] = dict(found)
    return WebhookDelivery(**facts, message_id=found.webhook_id, type=found.kind)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    one = "/v1/webhooks/{webhook_id}"
    read, write = "webhooks:read", "webhooks:write"
    return [
        Endpoint(
            "POST",
            f"{one}/replay",
            partial(replay_webhook, context=context),
            summary="Send again what a webhook endpoint was told",
            tag=TAG,
            scope=write,
            body=Replay,
            returns=ReplayCount,
            status=202,
            errors=(NotFoundError,),
            description="After an outage: `only_failed` with the moment at which it began. Each "
            "event is sent once, the oldest first, at most 10 at a time. Without `only_failed` "
            "`since` also takes what arrived, and what happened while the endpoint was disabled or "
            "not yet there. One replay takes at most 10,000 events; `until` parts more.",
        ),
        Endpoint(
            "POST",
            f"{one}/test",
            partial(test_webhook, context=context),
            summary="Send a test to a webhook endpoint",
            tag=TAG,
            scope=write,
            returns=TestOnItsWay,
            status=202,
            errors=(NotFoundError, ConflictError),
            description="A `webhook.test`, signed and delivered as any event is, to this endpoint "
            "only. It is not in the event feed.",
        ),
        Endpoint(
            "GET",
            f"{one}/deliveries",
            partial(list_deliveries, context=context),
            summary="List what was sent to a webhook endpoint",
            tag=TAG,
            scope=read,
            query=DeliveriesQuery,
            returns=DeliveriesPage,
            errors=(NotFoundError,),
        ),
    ]
