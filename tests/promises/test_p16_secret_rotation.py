"""Promise 16: a receiver may change to a new secret whenever it likes within the grace."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from services.demo import TEMPLATE
from shared import clock
from tests.promises.conftest import Figure
from tests.promises.ledger import post
from tests.system import System, poll
from tests.wallet.changes import issue

ROTATIONS: Final = 10
"""So many former secrets an endpoint may have at once."""
EVERY_SECONDS: Final = 1.0
GRACE: Final = {"grace": 86_400}
PASSES, SCANNERS = 20, 4
PATIENCE_SECONDS: Final = 60.0


@dataclass
class Receiver:
    """Was given all secrets, and takes only what verifies with the one it holds."""

    choose: Callable[[list[str]], str]
    secrets: list[str] = field(default_factory=list[str])
    given_at: list[datetime] = field(default_factory=list[datetime])
    address: str = ""
    """Of the endpoint, in our API."""
    taken: Counter[str] = field(default_factory=Counter[str])
    unverified: list[str] = field(default_factory=list[str])
    """Events that did not verify with each secret that had been given when they happened."""
    overtaken: int = 0
    """Refused because they were on their way before the secret that it holds was given."""

    def give(self, secret: str) -> None:
        self.secrets.append(secret)
        self.given_at.append(clock.now())

    async def answer(self, request: web.Request) -> web.Response:
        body, headers = await request.text(), dict(request.headers)
        event = json.loads(body)
        happened_at = datetime.fromisoformat(event["timestamp"])
        for secret, given_at in zip(self.secrets, self.given_at, strict=True):
            if given_at < happened_at and not verifies(secret, body, headers):
                self.unverified.append(event["id"])
        if not verifies(self.choose(self.secrets), body, headers):
            self.overtaken += 1
            return web.Response(status=401)
        self.taken[event["id"]] += 1
        return web.Response()


async def test_receivers_with_the_old_or_the_new_secret_verify_all_while_it_is_rotated_every_second(
    system: System, figure: Figure
):
    old, new = Receiver(lambda given: given[0]), Receiver(lambda given: given[-1])
    async with system.session() as session, AsyncExitStack() as stack:
        template = (await post(session, "/v1/templates", TEMPLATE))["template_id"]
        handles = await issue(session, template, PASSES)
        for one in (old, new):
            await stack.enter_async_context(an_endpoint_of(one, session, template))

        async with scanning(session, handles) as scanned:
            for _ in range(ROTATIONS):
                await asyncio.sleep(EVERY_SECONDS)
                for one in (old, new):
                    rotated = await post(session, f"{one.address}/rotate-secret", GRACE, 200)
                    one.give(rotated["secret"])
            await asyncio.sleep(EVERY_SECONDS)
        for one in (old, new):
            await poll(lambda one=one: len(one.taken) == len(scanned), "events", PATIENCE_SECONDS)
        await post(session, f"{old.address}/rotate-secret", GRACE, 409)  # more cannot be tried

    assert old.unverified == new.unverified == []
    assert old.overtaken == 0
    figure(
        f"{len(scanned):,} events during {ROTATIONS} rotations: all verified with the first, the"
        f" newest and every other secret that was given before them; {new.overtaken} that a"
        " rotation overtook on their way came again"
    )


@asynccontextmanager
async def an_endpoint_of(
    receiver: Receiver, session: aiohttp.ClientSession, template: str
) -> AsyncGenerator[None]:
    """Have a receiver told of the scans of a template."""
    application = web.Application()
    application.router.add_post("/hook", receiver.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        wanted = {"url": url, "types": ["pass.scanned"], "template_id": template}
        made = await post(session, "/v1/webhooks", wanted)
        receiver.address = f"/v1/webhooks/{made['webhook_id']}"
        receiver.give(made["secret"])
        yield
        async with session.delete(receiver.address) as response:
            assert response.status == 204
    finally:
        await runner.cleanup()


@asynccontextmanager
async def scanning(session: aiohttp.ClientSession, handles: list[str]) -> AsyncGenerator[list[str]]:
    """Scan passes again and again in the meantime; whose scans were acknowledged."""
    scanned: list[str] = []
    over = asyncio.Event()

    async def scan() -> None:
        while not over.is_set():
            handle = handles[len(scanned) % len(handles)]
            await post(session, f"/v1/passes/{handle}/scan", {}, 200)
            scanned.append(handle)

    async with asyncio.TaskGroup() as group:
        for _ in range(SCANNERS):
            group.create_task(scan())
        try:
            yield scanned
        finally:
            over.set()


def verifies(secret: str, body: str, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True
