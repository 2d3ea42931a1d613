"""The event feed under /v1: what happened, for partners that ask instead of being told."""

import re
from functools import partial
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.gateway.context import Context
from shared.contracts.message import JsonObject
from shared.contracts.notifier import FeedPage, ListEvents
from shared.contracts.partners import PATTERNS, CursorExpiredError, PartnerEvent
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply

LATEST: Final = "latest"
_POSITION: Final = re.compile(rf"[0-9]{{1,18}}|{LATEST}", re.ASCII)


def known_type(text: str) -> str:
    """Refuse what names no event."""
    if text not in PATTERNS:
        raise ValueError(f"There is no event type {text!r}; see /asyncapi.json")
    return text


def _known_position(text: str) -> str:
    """Refuse what neither a page nor this description has named."""
    if not _POSITION.fullmatch(text):
        raise ValueError(f"a `next_cursor` or `{LATEST}` is needed")
    return text


Position = Annotated[
    str,
    Field(json_schema_extra={"pattern": f"^({_POSITION.pattern})$"}),
    AfterValidator(_known_position),
]
EventPattern = Annotated[
    str,
    Field(
        max_length=50,
        examples=["pass.scanned"],
        json_schema_extra={"enum": [*sorted(PATTERNS)]},
    ),
    AfterValidator(known_type),
]
Patterns = Annotated[
    list[EventPattern],
    Field(
        max_length=50,
        description="Event types such as `pass.scanned`, families such as `pass.*`, or `*`; empty: "
        "everything.",
    ),
]


class FeedQuery(BaseModel):
    """Where to read on, and what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: Position | None = Field(
        None,
        description="The `next_cursor` of the page before, which is the `sequence` of the last "
        "event known; without it, from the oldest event kept; `latest`: from now on.",
    )
    limit: int = Field(100, ge=1, le=1000, description="How many events to return at most.")
    types: Patterns = []


class Subject(BaseModel):
    """What it happened to."""

    kind: Literal["pass", "member", "template", "identity", "webhook", "batch"]
    id: str = Field(description="A pass's handle; the id of anything else.")


class FeedEvent(PartnerEvent):
    """Something that happened; /asyncapi.json has the shape of each type."""

    type: str = Field(examples=["pass.scanned"])
    subject: Subject
    data: JsonObject


class FeedAnswer(BaseModel):
    """A page of the feed, oldest first."""

    data: list[FeedEvent]
    next_cursor: str = Field(
        description="Ask with it as `after` for what comes next; always there."
    )
    has_more: bool = Field(description="There is more already: ask on at once.")


async def list_events(call: Call[None, FeedQuery], *, context: Context) -> Reply:
    """Read on in the account's event feed."""
    query = call.query
    latest = query.after == LATEST
    question = ListEvents(
        account_id=call.caller.account_id,
        after=None if latest or query.after is None else int(query.after),
        latest=latest,
        kinds=list(query.types),
        limit=query.limit,
    )
    page = await context.requester.ask(question, FeedPage)
    end: dict[str, Any] = {"next_cursor": str(page.after), "has_more": page.more}
    head, tail = b'{"data":[', b"]," + orjson.dumps(end)[1:]
    return Reply(head + b",".join(event.encode() for event in page.events) + tail)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "GET",
            "/v1/events",
            partial(list_events, context=context),
            summary="Read what happened, in order and without gaps",
            tag="Events",
            scope="webhooks:read",
            query=FeedQuery,
            returns=FeedAnswer,
            errors=(CursorExpiredError,),
            description="Every event of the account once, in the order in which they became true, "
            "kept for 30 days: keep `next_cursor`, ask again with it, and nothing is missed. A "
            "cursor whose next events are no longer kept is answered with 410, never with a gap. A "
            "page has less than 1 MiB, so it may hold fewer events than asked for.",
        ),
    ]
