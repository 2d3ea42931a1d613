"""Who is asking: the API key in the header, and whether it holds the scope."""

from functools import partial

from aiohttp import web
from structlog.contextvars import bind_contextvars

from services.gateway.catalogue.keyring import Keyring
from services.gateway.domain import ApiKeyText, Caller
from shared.errors import ForbiddenError, UnauthorizedError
from shared.http.endpoint import Authenticate
from shared.http.limiting import disprove, prove

HEADER = "X-API-Key"


class MissingScopeError(ForbiddenError):
    """The API key lacks the scope that the operation needs."""

    code = "scope_missing"


def read_key(request: web.Request) -> str | None:
    """Read the API key of a request; one with another prefix is the same key."""
    given = request.headers.get(HEADER)
    key = ApiKeyText.parse(given) if given is not None else None
    return key.text if key is not None else given


def authenticator(keyring: Keyring) -> Authenticate:
    """Make what `routes` calls for every address that is not public."""
    return partial(authenticate, keyring)


async def authenticate(keyring: Keyring, request: web.Request, scope: str) -> Caller:
    """Let the request in, or say why not."""
    given = read_key(request)
    if given is None:
        raise UnauthorizedError(f"Send an API key in the header {HEADER}.")
    caller = await keyring.find(given)
    if caller is None:
        disprove(request, given)
        raise UnauthorizedError("This API key is unknown, has ended or was revoked.")
    prove(request, given)
    if not caller.may(scope):
        raise MissingScopeError(f"This API key lacks the scope {scope}.")
    bind_contextvars(account_id=str(caller.account_id), key_id=caller.key_id)
    return caller
