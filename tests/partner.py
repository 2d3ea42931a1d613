"""A partner's server: takes webhooks and rules' calls over a real socket and verifies them."""

from collections import Counter
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.schemas import checked


class Partner:
    """Counts what it got by webhook-id; answers as it is told."""

    def __init__(self) -> None:
        self.secret: str | None = None
        self.status = 200
        self.received: list[dict[str, Any]] = []
        self.ids: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        """Calls of rules by their Idempotency-Key."""
        self.refused = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        application = web.Application()
        application.router.add_post("/hook", self._take)
        application.router.add_get("/called", self._be_called)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=512)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def call(self) -> dict[str, str]:
        """An action that calls this partner."""
        return {"action": "PSActionURL", "url": self.url.removesuffix("hook") + "called"}

    async def _be_called(self, request: web.Request) -> web.Response:
        self.calls[request.headers["Idempotency-Key"]] += 1
        return web.Response()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.status >= 300:
            self.refused += 1
            return web.Response(status=self.status)
        if self.secret is not None:
            Webhook(self.secret).verify(body, dict(request.headers))
            event = checked(body.decode())
            assert event["id"] == request.headers["webhook-id"]
            self.received.append(event)
        self.ids[request.headers["webhook-id"]] += 1
        return web.Response()
