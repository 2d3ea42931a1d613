"""What is the same for every operation of the Pass2U API: how often, and what is accepted."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import hdrs, web

from services.gateway.catalogue.models import Model, ModelNotFoundError
from services.gateway.context import Context
from services.gateway.routes.pass2u.words import NotAcceptableError
from shared.http.endpoint import Answer, Call
from shared.http.limiting import RateLimitedError
from shared.messaging.transport import NoAnswerError

Operation = Callable[..., Awaitable[Answer]]
"""Takes a call, and the context by name."""

MAX_MODEL_ID: Final = 2**63 - 1


class OperationLimitError(RateLimitedError):
    """An API key may call an operation only so many times a second."""

    def __init__(self, operation: str = "an operation", limit: int = 100) -> None:
        super().__init__()
        self.detail = (
            f"Too many requests: an API key may call {operation} at most {limit} times a second."
        )


ALWAYS: Final = (OperationLimitError, NotAcceptableError, NoAnswerError)
"""What every operation may answer besides its own errors."""


def serve(
    context: Context, operation: Operation, media: str
) -> Callable[[Call[Any, Any]], Awaitable[Answer]]:
    """Make the handler of an operation: it lets a call in unless too many came before it.

    The limit is for each API key and operation; see SharedLimit. What does not accept the answer's
    media type is refused before anything is done.
    """
    name = operation.__name__

    async def handle(call: Call[Any, Any]) -> Answer:
        limit = context.pass2u_limit
        if not limit.admits((call.caller.key_id, name)):
            raise OperationLimitError(name, limit.limit)
        check_accept(call.request, media)
        return await operation(call, context=context)

    handle.__name__ = name
    return handle


def check_accept(request: web.Request, media: str) -> None:
    """Refuse a request that accepts no answer of this media type (RFC 9110, 12.5.1)."""
    accepted = ",".join(request.headers.getall(hdrs.ACCEPT, []))
    if not accepted.strip():
        return
    kind = media.partition("/")[0]
    for entry in accepted.split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        is_refused = any(_is_zero(parameter) for parameter in parameters)
        if name in {media, f"{kind}/*", "*/*"} and not is_refused:
            return
    raise NotAcceptableError(f"This address answers {media}.")


async def find_model(call: Call[Any, Any], context: Context) -> Model:
    """Find the model that the path names; what is no number names none."""
    text = call.path["modelId"]
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(MAX_MODEL_ID)):
        raise ModelNotFoundError
    model_id = int(text)
    if model_id > MAX_MODEL_ID:
        raise ModelNotFoundError
    return await context.models.find(call.caller.account_id, model_id)


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() == "q" and float(value) == 0
    except ValueError:
        return False
