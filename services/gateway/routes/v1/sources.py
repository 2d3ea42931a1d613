"""From which channels passes came: counts by `utm_source` and day."""

from datetime import date
from functools import partial

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.context import Context
from services.gateway.routes.v1.reading import id_in_path
from shared.contracts.triggers import ReadSources, SourceDay, Sources
from shared.errors import NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.pagination import (
    InvalidCursorError,
    Page,
    PageQuery,
    decode_cursor,
    encode_cursor,
)


class SourceView(BaseModel):
    """What came of one channel on one day."""

    model_config = ConfigDict(from_attributes=True, title="Source")

    source: str = Field(description="The `utm_source` that the passes were issued with.")
    day: date = Field(description="In UTC.")
    issued: int = Field(description="Passes issued on this day.")
    installed: int = Field(description="Passes that got onto a device on this day, the first time.")


async def list_sources(call: Call[None, PageQuery], *, context: Context) -> Page[SourceView]:
    """List by channel and day; passes without a channel are not among them."""
    account_id, template_id = call.caller.account_id, id_in_path(call, "template_id")
    if template_id not in await context.templates.current(account_id, [template_id]):
        raise NotFoundError
    question = ReadSources(
        account_id=account_id,
        template_id=template_id,
        after=_position(call.query),
        limit=call.query.limit,
    )
    found = await context.requester.ask(question, Sources)
    cursor = None
    if found.more:
        last = found.counts[-1]
        cursor = encode_cursor({"source": last.source, "day": last.day.isoformat()})
    shown = [SourceView.model_validate(count) for count in found.counts]
    return Page[SourceView](data=shown, next_cursor=cursor)


def _position(query: PageQuery) -> SourceDay | None:
    if query.cursor is None:
        return None
    try:
        found = SourceDay.model_validate(decode_cursor(query.cursor))
    except ValidationError as error:
        raise InvalidCursorError from error
    if "\0" in found.source:
        raise InvalidCursorError
    return found


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
            query=PageQuery,
            returns=Page[SourceView],
            errors=(InvalidCursorError, NotFoundError),
        ),
    ]
