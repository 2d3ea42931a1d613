"""Promise 27: master keys, API keys and webhook secrets are changed while requests go on."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import aiohttp

from services.demo import TEMPLATE
from shared.sealing import MasterKeys
from tests.e2e.test_data_at_rest import key_id, places
from tests.partner import Partner
from tests.promises.conftest import Figure
from tests.sockets import free_port
from tests.system import SERVICES, Process, System, poll, run_command

CLIENTS: Final = 4
SECONDS: Final = 3.0
"""Of requests between two changes."""
REVOKED_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 60.0


@dataclass
class Traffic:
    """Clients of a load balancer, each of whose requests has to succeed."""

    session: aiohttp.ClientSession
    base_url: str
    """Of the gateway that is asked now."""
    api_key: str
    template: str = ""
    handles: list[str] = field(default_factory=list[str])
    requests: int = 0

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> bytes:
        async with self.session.request(
            method, self.base_url + path, json=body, headers={"X-API-Key": self.api_key}
        ) as response:
            content = await response.read()
            assert response.status == status, f"{method} {path}: {response.status} {content!r}"
        self.requests += 1
        return content

    async def make(self, path: str, body: Any, status: int = 201) -> dict[str, Any]:
        return json.loads(await self.ask("POST", path, body, status))

    async def issue_scan_and_fetch(self) -> None:
        issued = await self.make("/v1/passes", {"template_id": self.template, "values": {}})
        await self.ask("POST", f"/v1/passes/{issued['handle']}/scan", {})
        await self.ask("GET", f"/p/{issued['handle']}.pkpass")
        self.handles.append(issued["handle"])


async def test_no_request_fails_while_all_keys_are_changed(system: System, figure: Figure):
    old, new = system.extra["environment"]["PASSWRIGHT_MASTER_KEYS"], MasterKeys.generate_text()
    partner = Partner()
    await partner.start()
    async with aiohttp.ClientSession() as session:
        traffic = Traffic(session, system.base_url, system.api_key)
        traffic.template = (await traffic.make("/v1/templates", TEMPLATE))["template_id"]
        wanted = {"url": partner.url, "types": ["pass.scanned"], "template_id": traffic.template}
        hook = await traffic.make("/v1/webhooks", wanted)
        partner.secret = hook["secret"]

        async with going_on(traffic):
            await restart_all(system, traffic, f"{old},{new}")
            await restart_all(system, traffic, f"{new},{old}")
            both = system.processes["member"].environment
            await run_command(both, "keys", "reseal")
            await restart_all(system, traffic, new)

            rotation = f"/v1/webhooks/{hook['webhook_id']}/rotate-secret"
            rotated = await traffic.make(rotation, {"grace": 3600}, 200)
            await asyncio.sleep(SECONDS)
            partner.secret = rotated["secret"]
            await asyncio.sleep(SECONDS)
            await change_api_key(system, traffic)
            await asyncio.sleep(SECONDS)

        for handle in traffic.handles:
            await traffic.ask("GET", f"/p/{handle}.pkpass")
        await poll(lambda: len(partner.ids) == len(traffic.handles), "webhooks", PATIENCE_SECONDS)
        sealed_with_old = await places(system, {"old key": f"v1.{key_id(old)}."})
    await partner.stop()

    assert sealed_with_old == {}
    assert set(partner.ids.values()) == {1}
    figure(
        f"{traffic.requests:,} requests and {len(partner.ids):,} webhooks during three restarts of"
        " all services, a change of the webhook's secret and one of the API key: 0 failed"
    )


@asynccontextmanager
async def going_on(traffic: Traffic) -> AsyncGenerator[None]:
    """Let the clients go on in the meantime, until the first request fails."""
    over = asyncio.Event()

    async def go_on() -> None:
        while not over.is_set():
            await traffic.issue_scan_and_fetch()

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(go_on())
        await asyncio.sleep(SECONDS)
        try:
            yield
        finally:
            over.set()


async def restart_all(system: System, traffic: Traffic, master_keys: str) -> None:
    """Start a process of each service with these keys, then stop the one that was there."""
    for name in SERVICES:
        before = system.processes[name]
        beside = await started_beside(before, PASSWRIGHT_MASTER_KEYS=master_keys)
        system.processes[name] = beside
        if name == "gateway":
            traffic.base_url = url_of(beside)
        assert await asyncio.to_thread(before.stop) == 0
    await asyncio.sleep(SECONDS)


async def started_beside(process: Process, **settings: str) -> Process:
    """Start another one of a service, on ports of its own, and wait until it is ready."""
    ports = {"PASSWRIGHT_PORT": str(free_port()), "PASSWRIGHT_HEALTH_PORT": str(free_port())}
    another = replace(process, environment=process.environment | ports | settings, running=None)
    another.start()
    health = f"http://localhost:{ports['PASSWRIGHT_HEALTH_PORT']}/ready"

    async def is_ready() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(health) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    await poll(is_ready, f"second {process.name}", PATIENCE_SECONDS)
    return another


def url_of(gateway: Process) -> str:
    return f"http://localhost:{gateway.environment['PASSWRIGHT_PORT']}"


async def change_api_key(system: System, traffic: Traffic) -> None:
    """Give the clients another key and revoke the one before; soon every gateway refuses it."""
    other = await started_beside(system.processes["gateway"])
    body = {"name": f"Rotated {secrets.token_hex(4)}", "scopes": ["*"]}
    first = await traffic.make("/v1/keys", body)
    traffic.api_key = first["key"]
    await asyncio.sleep(SECONDS)
    second = await traffic.make("/v1/keys", body)
    traffic.api_key = second["key"]
    await asyncio.sleep(SECONDS)  # until the last request with the first one is answered
    await traffic.ask("DELETE", f"/v1/keys/{first['key_id']}", status=204)

    async def is_refused() -> bool:
        headers = {"X-API-Key": first["key"]}
        address = f"{url_of(other)}/v1/templates"
        async with traffic.session.get(address, headers=headers) as response:
            return response.status == 401

    await poll(is_refused, "refusal of the revoked key", REVOKED_SECONDS)
    await asyncio.to_thread(other.stop)
