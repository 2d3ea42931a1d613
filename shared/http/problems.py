"""Errors as RFC 9457 problems, the same for a failed request and a failed row."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import (
    ApplicationError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)

PROBLEM_MEDIA = "application/problem+json"

ErrorWriter = Callable[[ApplicationError], web.Response]
"""Writes an error as the callers of a dialect read it."""


class BadRequestError(ApplicationError):
    """The request is malformed."""


class AddressNotFoundError(NotFoundError):
    """There is nothing at this address."""

    code = "address_not_found"


class MethodNotAllowedError(ApplicationError):
    """That method is not taken at this address."""

    status = 405
    code = "method_not_allowed"


class SlowRequestError(ApplicationError):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"


class UnforeseenError(ApplicationError):
    """Something failed on our side that nobody foresaw."""

    status = 500
    code = "internal_error"


class UnsupportedMediaError(ApplicationError):
    """Bodies of that media type are not taken at this address."""

    status = 415
    code = "unsupported_media_type"


class Fault(BaseModel):
    """One place in the request that is wrong."""

    pointer: str = Field(
        description="A JSON pointer into the body, or ?name for a query parameter.",
        examples=["/passes/0/values"],
    )
    detail: str = Field(description="What is wrong there.", examples=["Field required"])


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(
        description="A relative address that names and explains this kind of problem.",
        examples=["/problems/invalid"],
    )
    title: str = Field(description="The kind of problem in a sentence.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str | None = Field(None, description="What happened this time; never parse it.")
    code: str = Field(description="The stable name of this kind of problem.", examples=["invalid"])
    errors: list[Fault] = Field([], description="The single faults, where they can be told apart.")


def problem(error: ApplicationError) -> dict[str, Any]:
    """Write an error as a problem object."""
    content: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": title_of(type(error)),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.errors:
        content["errors"] = error.errors
    return content


def title_of(kind: type[ApplicationError]) -> str:
    """Take the first line of the class's docstring."""
    return (kind.__doc__ or kind.code).strip().partition("\n")[0]


def status_problem(status: int) -> dict[str, Any]:
    """Write a problem of which nothing but its status is told."""
    phrase = HTTPStatus(status).phrase
    code = _snake(phrase)
    return {"type": f"/problems/{code}", "title": phrase, "status": status, "code": code}


def application_error(error: web.HTTPException) -> ApplicationError | None:
    """Find the error of ours that says the same as one of aiohttp's."""
    match error:
        case web.HTTPNotFound():
            return AddressNotFoundError()
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowedError()
        case web.HTTPRequestEntityTooLarge():
            return TooLargeError()
        case _:
            return None


def write_problem(error: ApplicationError) -> web.Response:
    """Answer an error as a problem, which is how all dialects do that have no form of their own."""
    return with_headers(problem_response(problem(error)), error)


def write_status(error: ApplicationError) -> web.Response:
    """Answer an error to somebody who reads nothing of it but its status."""
    return with_headers(web.Response(status=error.status), error)


def with_headers(response: web.Response, error: ApplicationError) -> web.Response:
    """Add what the error says in headers: when to come again, how to sign in."""
    headers: dict[str, str] = getattr(error, "headers", {})
    response.headers.update(headers)
    if isinstance(error, UnavailableError):
        response.headers.setdefault(hdrs.RETRY_AFTER, "1")
    if isinstance(error, UnauthorizedError):
        response.headers.setdefault(hdrs.WWW_AUTHENTICATE, "ApiKey")
    return response


def problem_response(content: dict[str, Any]) -> web.Response:
    """Wrap a problem in its HTTP response."""
    return web.Response(
        body=orjson.dumps(content, default=str),
        status=content["status"],
        headers={"Content-Type": PROBLEM_MEDIA},
    )


def _snake(phrase: str) -> str:
    return phrase.lower().replace(" ", "_").replace("-", "_").replace("'", "")
