"""Long answers: read page by page from their owners, and sent as they come."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
from aiohttp import hdrs, web

from services.gateway.context import Context
from shared.contracts.triggers import EventPage, LoggedEvent, ReadTimeline
from shared.http.endpoint import JSON_MEDIA

PAGE = 1000


async def all_events(
    context: Context, account_id: UUID, handle: str
) -> AsyncIterator[list[LoggedEvent]]:
    """Read the log of a pass, oldest first."""
    after = 0
    while True:
        question = ReadTimeline(account_id=account_id, handle=handle, after=after, limit=PAGE)
        page = await context.requester.ask(question, EventPage)
        yield page.events
        if not page.more:
            return
        after = page.events[-1].sequence


async def stream_list(
    request: web.Request, name: str, pages: AsyncIterator[list[Any]]
) -> web.StreamResponse:
    """Send a list as it is read; the first page is read before anything is sent."""
    first = await anext(pages, list[Any]())
    response = web.StreamResponse(
        headers={hdrs.CONTENT_TYPE: JSON_MEDIA, hdrs.CACHE_CONTROL: "no-store"}
    )
    await response.prepare(request)
    await response.write(b'{"success":true,"%s":[' % name.encode() + _joined(first))
    is_empty = not first
    async for page in pages:
        if page:
            await response.write((b"" if is_empty else b",") + _joined(page))
            is_empty = False
    await response.write(b"]}")
    await response.write_eof()
    return response


def _joined(rows: list[Any]) -> bytes:
    return orjson.dumps(rows, default=str)[1:-1]
