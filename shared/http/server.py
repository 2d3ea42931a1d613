"""Serves an application on a port until told to stop; the addresses that operators ask."""

import asyncio
import resource
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from shared.http.problems import problem_response, status_problem

SHUTDOWN_SECONDS = 20
READY_SECONDS = 5
BACKLOG = 1024
HEAD_SECONDS = 15.0
KEEP_ALIVE_SECONDS = 75.0
MAX_FILES = 65_536
FILES_FOR_OTHERS = 256
"""Open files that are not connections of clients: databases, the broker, calls to others."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class _Handler(RequestHandler):
    """Answers what cannot be read as HTTP with a problem that repeats nothing of it."""

    __slots__ = ("_head_timer",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the client some time for the head of its first request."""
        super().connection_made(transport)
        seconds = cast("_Server", self._manager).head_seconds
        self._head_timer = self._loop.call_later(seconds, self._end_if_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the time."""
        self._head_timer.cancel()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is done for this connection that is not ending already."""
        return self._current_request is None and not self._messages and not self._force_close

    def _end_if_silent(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Say what is wrong without the line that was, which may hold a secret."""
        del message
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        log.info("request_unreadable", kind=type(exc).__name__)
        content = status_problem(status)
        if isinstance(exc, LineTooLong):
            content["detail"] = "A line of the request, as its address, is longer than 8 KB."
        response = problem_response(content)
        response.force_close()
        return response


class _Server(web.Server):
    """Makes our handler of connections, for which aiohttp has no setting, and bounds their number.

    A connection beyond the bound takes the place of the oldest idle one, so that clients that say
    nothing shut nobody out.
    """

    head_seconds: float
    most_connections: int

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Make room for a connection."""
        super().connection_made(handler, transport)
        if len(self._connections) > self.most_connections:
            others = (cast("_Handler", other) for other in self._connections if other != handler)
            if oldest := next((other for other in others if other.is_idle), None):
                oldest.force_close()

    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    def __init__(self, app: web.Application, *, head_seconds: float, most_connections: int) -> None:
        super().__init__(
            app,
            access_log=None,
            shutdown_timeout=SHUTDOWN_SECONDS,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        )
        self._head_seconds = head_seconds
        self._most_connections = most_connections

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        bounded = cast("_Server", server)
        bounded.head_seconds = self._head_seconds
        bounded.most_connections = self._most_connections
        return server


class HttpServer:
    """One listening port."""

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        reuse_port: bool = False,
        head_seconds: float = HEAD_SECONDS,
        most_connections: int | None = None,
    ) -> None:
        """With `port` 0 the system chooses one; with `reuse_port` several processes share it.

        A client has `head_seconds` for the head of its first request. Without `most_connections`
        as many are held as the system lets a process have open files, less some for others.
        """
        if most_connections is None:
            most_connections = raise_file_limit() - FILES_FOR_OTHERS
        self._runner = _Runner(app, head_seconds=head_seconds, most_connections=most_connections)
        self._host = host
        self._port = port
        self._reuse_port = reuse_port

    async def start(self) -> int:
        """Listen; returns the port."""
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            self._host,
            self._port,
            backlog=BACKLOG,
            reuse_port=self._reuse_port or None,
        )
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        return cast("int", self._runner.addresses[0][1])

    async def stop(self, grace: float = SHUTDOWN_SECONDS) -> None:
        """Take no more connections, give running requests `grace` seconds, cancel the rest."""
        for site in list(self._runner.sites):
            await site.stop()
        if (server := self._runner.server) is not None:
            await asyncio.sleep(0)  # connections just accepted begin their request
            server.pre_shutdown()
            await server.shutdown(grace)
        await self._runner.cleanup()


def raise_file_limit() -> int:
    """Let this process open as many files as it may, at most 65,536; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft if soft != resource.RLIM_INFINITY else MAX_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def operational_routes(
    health: Mapping[str, str],
    ready: Callable[[], Awaitable[Mapping[str, bool]]],
    metrics: Callable[[], tuple[bytes, str]] | None,
) -> list[web.RouteDef]:
    """`/health` says that the process runs, `/ready` that it can work, `/metrics` how it does.

    Metrics are for operators, so that they are not served where the public comes.
    """

    async def report_health(_request: web.Request) -> web.Response:
        return _json(200, {"status": "ok", **health})

    async def report_readiness(_request: web.Request) -> web.Response:
        async with asyncio.timeout(READY_SECONDS):
            checks = dict(await ready())
        well = all(checks.values())
        return _json(200 if well else 503, {"ready": well, "checks": checks})

    routes = [web.get("/health", report_health), web.get("/ready", report_readiness)]
    if metrics is None:
        return routes

    async def report_metrics(_request: web.Request) -> web.Response:
        content, media = metrics()
        return web.Response(body=content, headers={"Content-Type": media})

    return [*routes, web.get("/metrics", report_metrics)]


def _json(status: int, content: dict[str, Any]) -> web.Response:
    return web.Response(
        body=orjson.dumps(content),
        status=status,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )
