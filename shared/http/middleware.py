"""What every request passes: an id, one log line, metrics, safe headers, written errors."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import Counter, Histogram
from structlog.contextvars import bind_contextvars, clear_contextvars

from shared import metrics
from shared.errors import ApplicationError, UnavailableError
from shared.http.problems import (
    ErrorWriter,
    UnforeseenError,
    application_error,
    problem_response,
    status_problem,
    write_problem,
)
from shared.identifiers import new_id
from shared.logs import trace_of

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
UNMATCHED = "(unmatched)"
CLIENT_LEFT = 499

DIALECTS: web.AppKey[Mapping[str, ErrorWriter]] = web.AppKey("dialects")
"""Beginning of a path, or of host and path, → how errors are written of addresses there are not."""

PAGES: web.AppKey[Callable[[web.Request, ApplicationError], web.Response | None]] = web.AppKey(
    "pages"
)
"""Writes an error for a reader of pages; None if a machine is to read it."""

_HTML = "text/html"
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
_STARTED: web.RequestKey[web.StreamResponse] = web.RequestKey("started", web.StreamResponse)

_NO_DIALECTS: Final[Mapping[str, ErrorWriter]] = {}

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def install_middleware(app: web.Application) -> None:
    """Put all requests through `observe`, and safe headers on all responses."""
    app.middlewares.append(observe)
    app.on_response_prepare.append(_finish_headers)


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name, time, count and log the request; render what it raises."""
    started = perf_counter()
    request_id = _request_id(request)
    request[_REQUEST_ID] = request_id
    clear_contextvars()  # one task serves all requests of a connection
    bind_contextvars(request_id=request_id)
    status = CLIENT_LEFT
    try:
        response = await _answer(request, handler)
        status = response.status
    except ConnectionResetError:
        return _cut(request) or web.Response(status=CLIENT_LEFT)
    except web.HTTPException as redirect_or_page:
        status = redirect_or_page.status
        raise
    finally:
        _record(request, status, perf_counter() - started)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApplicationError as error:
        return _render(request, error)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST or error.content_type == _HTML:
            raise
        return _render_foreign(request, error)
    except (ConnectionResetError, TimeoutError) as error:
        if isinstance(error, ConnectionResetError) and _has_left(request):
            raise
        log.warning("request_unanswered", kind=type(error).__name__, trace=trace_of(error))
        return _render(request, UnavailableError())
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
        # Not log.exception: a message may show personal values or secrets.
        log.error("request_failed", kind=type(error).__name__, trace=trace_of(error))  # noqa: TRY400
        return _render(request, UnforeseenError())


def _render(request: web.Request, error: ApplicationError) -> web.StreamResponse:
    """Write an error as a page for a browser, else as the dialect of the address does."""
    if cut := _cut(request):
        return cut
    show = request.app.get(PAGES)
    if show is not None and (page := show(request, error)) is not None:
        return page
    write: ErrorWriter | None = getattr(request.match_info.handler, "write_error", None)
    return (write or _dialect_of(request))(error)


def _dialect_of(request: web.Request) -> ErrorWriter:
    dialects = request.app.get(DIALECTS, _NO_DIALECTS)
    host = request.host.partition(":")[0].lower()
    places = request.path, f"{host}{request.path}"
    found = (write for start, write in dialects.items() if any(p.startswith(start) for p in places))
    return next(found, write_problem)


def _render_foreign(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    known = application_error(error)
    response = _render(request, known) if known else problem_response(status_problem(error.status))
    if hdrs.ALLOW in error.headers and not response.prepared:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response


def _has_left(request: web.Request) -> bool:
    """Tell a client that went away, or a stream that broke, from a reset behind the gateway."""
    transport = request.transport
    return transport is None or transport.is_closing() or _STARTED in request


def _cut(request: web.Request) -> web.StreamResponse | None:
    """Cut off a response that had begun when its handler failed: nobody may take it for whole."""
    started = request.get(_STARTED)
    if started is not None and request.transport is not None:
        request.transport.abort()
    return started


async def _finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    request[_STARTED] = response
    headers = response.headers
    headers["X-Request-Id"] = request.get(_REQUEST_ID) or _request_id(request)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    if headers.get(hdrs.CONTENT_TYPE, "").startswith(_HTML):
        headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id")
    return given if given and _SANE_ID.fullmatch(given) else str(new_id())


def _record(request: web.Request, status: int, seconds: float) -> None:
    resource = request.match_info.route.resource
    route = resource.canonical if resource else UNMATCHED
    method = request.method if request.method in hdrs.METH_ALL else "OTHER"
    counter, histogram = _meters(route, method, status)
    counter.inc()
    histogram.observe(seconds)
    log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 2))


@lru_cache(maxsize=4096)
def _meters(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Look the labels up once: routes, methods and statuses are few."""
    return (
        metrics.requests.labels(route, method, str(status)),
        metrics.request_seconds.labels(route),
    )
