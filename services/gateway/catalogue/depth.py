"""How many rules called each other before a request: it travels in a header, so that loops end."""

import re
from contextvars import ContextVar
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from shared.contracts.triggers import DEPTH_HEADER, MOST_DEPTH

_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_DEPTH: Final = ContextVar("depth", default=0)


@web.middleware
async def read_depth(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note the depth that the request names; who names one has less of it left, and no more."""
    named = _NUMBER.fullmatch(request.headers.get(DEPTH_HEADER, ""))
    # Always set: one task serves all requests of a connection.
    _DEPTH.set(min(int(named[0]), MOST_DEPTH) if named else 0)
    return await handler(request)


def present_depth() -> int:
    """Return the depth of the request that is being served."""
    return _DEPTH.get()
