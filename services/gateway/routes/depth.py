"""The header that travels with what rules and webhooks call, so that nothing calls itself on."""

import re
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from services.gateway.usecases.depth import note_depth
from shared.contracts.triggers import DEPTH_HEADER, WEBHOOK_DEPTH
from shared.http.problems import BadRequestError

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


class CalledByWebhookError(BadRequestError):
    """A webhook leads here, which would tell itself of what it does: let your own system call."""

    code = "called_by_webhook"


@web.middleware
async def read_depth(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note the depth that the request names: who names one has less of it left, no number is none.

    CalledByWebhookError at the depth of webhooks.
    """
    named = _NUMBER.fullmatch(request.headers.get(DEPTH_HEADER, ""))
    depth = int(named[0]) if named else 0
    if depth >= WEBHOOK_DEPTH:
        raise CalledByWebhookError
    note_depth(depth)
    return await handler(request)
