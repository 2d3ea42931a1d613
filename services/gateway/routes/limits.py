"""Which requests count for which limit."""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from services.gateway.routes.apple.web_service import ROOT as WALLET
from services.gateway.routes.authentication import read_key
from shared.errors import UnauthorizedError
from shared.http.limiting import Limits

PROBES: Final = frozenset({"/health", "/ready"})
"""What load balancers ask: who refuses them is taken out of service."""

CLIENT_HASH: Final = "clientHash"


def limiter(limits: Limits) -> Middleware:
    """Make the middleware that lets requests in, or tells them to wait.

    Apple's web service does not count: a phone cannot help how many share its network, and Wallet
    takes a refusal ill. What does is a wrong token, and log lines, which need none.
    """

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        place = resource.canonical if resource else ""
        if place in PROBES:
            return await handler(request)
        if place.startswith(f"{WALLET}/"):
            return await _serve_device(request, handler, place)
        limits.admit(request, _credential(request))
        return await handler(request)

    async def _serve_device(
        request: web.Request, handler: Handler, place: str
    ) -> web.StreamResponse:
        if place == f"{WALLET}/log":
            limits.count_stranger(request)
        try:
            return await handler(request)
        except UnauthorizedError:
            limits.count_stranger(request)
            raise

    return admit


def _credential(request: web.Request) -> str | None:
    """Read what may prove who is asking: an API key, else the last client hash of the query."""
    key = read_key(request)
    if key is not None or CLIENT_HASH not in request.query_string:
        return key
    return next(reversed(request.query.getall(CLIENT_HASH, [])), None)
