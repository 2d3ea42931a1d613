"""The timeline of a pass: all that happened to it and what became of that, in one list."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.context import Context
from services.gateway.routes.v1.verdict import DELETED, Verdict, judge
from services.gateway.usecases import passes
from shared import clock
from shared.contracts.notifier import (
    MAX_NOTICES,
    Attempt,
    ContentNotice,
    Delivery,
    Observation,
    PassNotices,
    ReadNotices,
)
from shared.contracts.partners import TYPE_OF
from shared.contracts.triggers import EventPage, LoggedEvent, Pass, ReadTimeline
from shared.errors import GoneError, NotFoundError, UnavailableError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.pagination import InvalidCursorError, PageQuery, decode_cursor, encode_cursor

NOTICES_SECONDS = 2.0
"""The events are not kept waiting for longer."""

"""As many as the notifier tells; with so many of one sort there may be more."""

Completeness = Literal["complete", "newest", "unavailable"]


class _Entry(BaseModel):
    """What stands in a timeline; `source` says which, and is always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class EventEntry(_Entry):
    """Something that happened to the pass."""

    source: Literal["event"] = "event"
    type: str = Field(examples=["pass.scanned"])
    occurred_at: datetime
    version: int = Field(description="The pass's version after it.")
    sequence: int = Field(description="The event's number in the pass's log, without gaps.")
    event_id: UUID
    member_id: str | None
    data: dict[str, Any] = Field(
        description="`values`: own values at creation; `changes`: path → [before, after];"
        " `rules`: which rules ran and what they did; `refused`: why a scan or check did not"
        " happen: voided or expired; `warnings`: texts of this pass that lead back to themselves"
        " since then, and stay text."
    )


class ContentEntry(_Entry):
    """New bytes were made of the pass: what phones fetch. No entry: nothing visible changed."""

    source: Literal["content"] = "content"
    type: Literal["content.built"] = "content.built"
    occurred_at: datetime
    version: int = Field(description="The pass's version they show.")
    content_number: int


class DeliveryEntry(_Entry):
    """An event set out for a webhook endpoint."""

    source: Literal["delivery"] = "delivery"
    type: str = Field(description="The event's type.", examples=["pass.scanned"])
    occurred_at: datetime
    event_id: UUID
    delivery_id: UUID
    webhook_id: UUID
    state: str
    next_attempt_at: datetime | None
    attempts: list[Attempt]


class DeviceEntry(_Entry):
    """Something seen of the pass on its way to a device: registered, pushed, listed, fetched."""

    source: Literal["device"] = "device"
    type: str = Field(examples=["device.fetched"])
    occurred_at: datetime
    device: str | None = Field(
        description="The beginning of the digest of its id; a fetch does not say whose it is."
    )
    data: dict[str, Any] = Field(
        description="pushed: Apple's id and status of the push; listed: the tag told; fetched: "
        "200 or 304 and the content's number; device_log: the line that the device logged."
    )


class GoogleEntry(_Entry):
    """A step of the pass on its way to Google Wallet: wanted, sent, saved, notified, or why not."""

    source: Literal["google"] = "google"
    type: str = Field(examples=["google.sent"])
    occurred_at: datetime
    data: dict[str, Any] = Field(
        description="The pass's version; sent: the method and status; refused, failed: Google's "
        "words; notified: by what; silent: why nobody was notified."
    )


AnyEntry = EventEntry | ContentEntry | DeliveryEntry | DeviceEntry | GoogleEntry
NoticeEntry = ContentEntry | DeliveryEntry | DeviceEntry | GoogleEntry
Entry = Annotated[AnyEntry, Field(discriminator="source")]


class Timeline(BaseModel):
    """One page of a timeline, oldest first."""

    data: list[Entry] = Field(
        description="As many events as asked for, and what else happened in their time."
    )
    notices: Completeness = Field(
        description="How far contents and deliveries are told: complete, only the newest of them, "
        "or not at all for the moment."
    )
    verdict: Verdict | None = Field(
        description="Why wallets show the pass as they do; null while the notifier is away."
    )
    next_cursor: str | None = Field(description="Ask with it for the next page; null on the last.")


class Position(BaseModel):
    """Where the page before ended: the last event's number and time."""

    after: int = Field(0, ge=0, le=2**31 - 1)
    since: datetime | None = None


async def read_pass_timeline(call: Call[None, PageQuery], *, context: Context) -> Timeline:
    """Merge the pass's log with what the notifier knows of it, by time."""
    position = _position(call.query.cursor)
    account_id, handle = call.caller.account_id, call.path["handle"]
    question = ReadTimeline(
        account_id=account_id, handle=handle, after=position.after, limit=call.query.limit
    )
    page, notices, issued = await asyncio.gather(
        context.requester.ask(question, EventPage),
        _notices(context, account_id, handle),
        _pass_as_it_is(context, account_id, handle),
    )
    until = _end(page, position.since)
    told: Completeness = "unavailable"
    entries: list[AnyEntry] = [_event(e) for e in page.events]
    verdict = None
    if notices is not None:
        entries += _within(map(_content, notices.contents), position.since, until)
        entries += _within(map(_delivery, notices.deliveries), position.since, until)
        entries += _within(map(_observation, notices.observations), position.since, until)
        verdict = DELETED if issued is None else judge(issued, notices, clock.now())
        most = max(len(notices.contents), len(notices.deliveries), len(notices.observations))
        told = "complete" if most < MAX_NOTICES else "newest"
    entries.sort(key=lambda entry: entry.occurred_at)  # stable: an event before what came of it
    return Timeline(data=entries, notices=told, verdict=verdict, next_cursor=_cursor(page, until))


def _end(page: EventPage, since: datetime | None) -> datetime | None:
    """Find up to when the page tells; None: to the end."""
    if not page.more:
        return None
    return max([*(event.occurred_at for event in page.events), *([since] if since else [])])


async def _notices(context: Context, account_id: UUID, handle: str) -> PassNotices | None:
    question = ReadNotices(account_id=account_id, handle=handle, limit=MAX_NOTICES)
    try:
        async with asyncio.timeout(NOTICES_SECONDS):
            return await context.requester.ask(question, PassNotices)
    except (UnavailableError, TimeoutError):
        return None
    except NotFoundError:
        return PassNotices(contents=[], deliveries=[])


async def _pass_as_it_is(context: Context, account_id: UUID, handle: str) -> Pass | None:
    """Read the pass; None when it has been deleted."""
    try:
        return await passes.read(context, account_id, handle)
    except GoneError:
        return None


def _within(
    entries: Iterable[NoticeEntry],
    since: datetime | None,
    until: datetime | None,
) -> list[NoticeEntry]:
    """Keep what belongs to the page: after the page before, up to its own last event."""
    return [
        entry
        for entry in entries
        if (since is None or entry.occurred_at > since)
        and (until is None or entry.occurred_at <= until)
    ]


def _event(event: LoggedEvent) -> EventEntry:
    return EventEntry(
        type=TYPE_OF[event.kind],
        occurred_at=event.occurred_at,
        version=event.version,
        sequence=event.sequence,
        event_id=event.event_id,
        member_id=event.member_id,
        data=event.data,
    )


def _content(notice: ContentNotice) -> ContentEntry:
    return ContentEntry(
        occurred_at=notice.at,
        version=notice.pass_version,
        content_number=notice.content_number,
    )


def _delivery(delivery: Delivery) -> DeliveryEntry:
    return DeliveryEntry(
        type=delivery.kind,
        occurred_at=delivery.created_at,
        event_id=delivery.event_id,
        delivery_id=delivery.delivery_id,
        webhook_id=delivery.endpoint_id,
        state=delivery.state,
        next_attempt_at=delivery.next_attempt_at,
        attempts=delivery.attempts,
    )


def _observation(seen: Observation) -> DeviceEntry | GoogleEntry:
    if seen.kind.startswith("google_"):
        type_ = seen.kind.replace("_", ".", 1)
        return GoogleEntry(type=type_, occurred_at=seen.at, data=seen.data)
    return DeviceEntry(
        type=f"device.{seen.kind}", occurred_at=seen.at, device=seen.device, data=seen.data
    )


def _position(cursor: str | None) -> Position:
    if cursor is None:
        return Position(after=0)
    try:
        position = Position.model_validate(decode_cursor(cursor))
    except ValueError as error:
        raise InvalidCursorError from error
    if position.since is not None and position.since.tzinfo is None:
        raise InvalidCursorError
    return position


def _cursor(page: EventPage, until: datetime | None) -> str | None:
    if until is None:
        return None
    return encode_cursor({"after": page.events[-1].sequence, "since": until.isoformat()})


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "GET",
            "/v1/passes/{handle}/timeline",
            partial(read_pass_timeline, context=context),
            summary="Read all that happened to a pass, and what became of it",
            tag="Passes",
            scope="passes:read",
            query=PageQuery,
            returns=Timeline,
            errors=(NotFoundError,),
            description="Why did my pass not update? The log of the pass, the contents made of it, "
            "what devices were told, asked and fetched, its steps to Google Wallet, and the "
            "webhooks that told of it, in one list by time, with a verdict in plain words. A "
            "change without a content after it changed nothing that is seen. A deleted pass keeps "
            "its timeline.",
        ),
    ]
