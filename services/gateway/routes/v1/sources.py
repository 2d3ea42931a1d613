"""From where passes came: counts by channel and day."""

from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.context import Context
from services.gateway.routes.v1.reading import id_in_path
from shared.contracts.triggers import Channel, ChannelCount, ChannelCounts, ChannelDay, ReadChannels
from shared.errors import NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.pagination import (
    InvalidCursorError,
    Page,
    PageQuery,
    decode_cursor,
    encode_cursor,
)
from shared.passes.schema.values import holds_nul


class SourceView(BaseModel):
    """What came of one channel on one day."""

    model_config = ConfigDict(title="Source")

    program_id: UUID | None = Field(description="The link program that the passes came by.")
    source: str = Field(description="The `utm_source`; empty where nothing was said.")
    medium: str
    campaign: str
    term: str
    content: str
    day: date = Field(description="In UTC.")
    issued: int = Field(description="Passes issued on this day.")
    installed: int = Field(description="Passes that got onto a device on this day, the first time.")


class SourceQuery(PageQuery):
    """Which channels."""

    program_id: UUID | None = Field(None, description="Only passes that came by this link program.")


async def list_sources(call: Call[None, SourceQuery], *, context: Context) -> Page[SourceView]:
    """List by channel and day; passes without a channel are not among them."""
    account_id, template_id = call.caller.account_id, id_in_path(call, "template_id")
    if template_id not in await context.templates.current(account_id, [template_id]):
        raise NotFoundError
    question = ReadChannels(
        account_id=account_id,
        template_id=template_id,
        program_id=call.query.program_id,
        after=_position(call.query),
        limit=call.query.limit,
    )
    found = await context.requester.ask(question, ChannelCounts)
    cursor = encode_cursor(_place(found.counts[-1])) if found.more else None
    return Page[SourceView](data=[_view(count) for count in found.counts], next_cursor=cursor)


def _view(count: ChannelCount) -> SourceView:
    return SourceView(
        **dict(count.channel), day=count.day, issued=count.issued, installed=count.installed
    )


def _place(count: ChannelCount) -> dict[str, Any]:
    """Write where a page ends, without the parts that say nothing: a cursor is short."""
    channel = count.channel.model_dump(mode="json", exclude_defaults=True)
    return {**channel, "day": count.day.isoformat()}


def _position(query: PageQuery) -> ChannelDay | None:
    if query.cursor is None:
        return None
    given = decode_cursor(query.cursor)
    if holds_nul(orjson.dumps(given)):
        raise InvalidCursorError
    try:
        channel = Channel.model_validate({k: v for k, v in given.items() if k != "day"})
        return ChannelDay.model_validate({"channel": channel, "day": given.get("day")})
    except ValidationError as error:
        raise InvalidCursorError from error


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "GET",
            "/v1/templates/{template_id}/sources",
            partial(list_sources, context=context),
            summary="Count passes by the channel they came from",
            tag="Templates",
            scope="templates:read",
            query=SourceQuery,
            returns=Page[SourceView],
            errors=(InvalidCursorError, NotFoundError),
        ),
    ]
