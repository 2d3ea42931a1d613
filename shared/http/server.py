"""Serves an application on a port until told to stop; the addresses that operators ask."""

import asyncio
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

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class _Handler(RequestHandler):
    """Answers what cannot be read as HTTP with a problem that repeats nothing of it."""

    __slots__ = ()

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
    """Makes our handler of connections, for which aiohttp has no setting."""

    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        return server


class HttpServer:
    """One listening port."""

    def __init__(
        self, app: web.Application, host: str, port: int, *, reuse_port: bool = False
    ) -> None:
        """With `port` 0 the system chooses one; with `reuse_port` several processes share it."""
        self._runner = _Runner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
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
