"""The header that travels with what rules call: who names a depth has less of it left."""

import re
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from services.gateway.usecases.depth import note_depth
from shared.contracts.triggers import DEPTH_HEADER

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


@web.middleware
async def read_depth(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note the depth that the request names; what is no number is none."""
    named = _NUMBER.fullmatch(request.headers.get(DEPTH_HEADER, ""))
    note_depth(int(named[0]) if named else 0)
    return await handler(request)
