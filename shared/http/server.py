"""Serves an application on a port until told to stop; the addresses that operators ask."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import orjson
from aiohttp import web

SHUTDOWN_SECONDS = 20
READY_SECONDS = 5
BACKLOG = 1024


class HttpServer:
    """One listening port."""

    def __init__(
        self, app: web.Application, host: str, port: int, *, reuse_port: bool = False
    ) -> None:
        """With `port` 0 the system chooses one; with `reuse_port` several processes share it."""
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
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
    metrics: Callable[[], tuple[bytes, str]],
) -> list[web.RouteDef]:
    """`/health` says that the process runs, `/ready` that it can work, `/metrics` how it does."""

    async def report_health(_request: web.Request) -> web.Response:
        return _json(200, {"status": "ok", **health})

    async def report_readiness(_request: web.Request) -> web.Response:
        async with asyncio.timeout(READY_SECONDS):
            checks = dict(await ready())
        well = all(checks.values())
        return _json(200 if well else 503, {"ready": well, "checks": checks})

    async def report_metrics(_request: web.Request) -> web.Response:
        content, media = metrics()
        return web.Response(body=content, headers={"Content-Type": media})

    return [
        web.get("/health", report_health),
        web.get("/ready", report_readiness),
        web.get("/metrics", report_metrics),
    ]


def _json(status: int, content: dict[str, Any]) -> web.Response:
    return web.Response(
        body=orjson.dumps(content),
        status=status,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )
