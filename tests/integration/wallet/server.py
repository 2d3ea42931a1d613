"""A pass server of one page: right by default, wrong where a test says so."""

import hashlib
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import aiohttp
from aiohttp import web

from shared import clock
from shared.passes.apple.archive import ArchiveEntry, PassArchive
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.signing import PassSigner
from shared.passes.schema.images import plain_icon
from tests.wallet.calls import Caller
from tests.wallet.device import Device

TOPIC = "pass.toy"


@cache
def authority() -> tuple[DevelopmentAuthority, PassSigner]:
    made = DevelopmentAuthority.create(clock.now())
    identity = made.issue(TOPIC, "TEAM123456", "Toys", clock.now())
    signer = PassSigner(identity.certificate, identity.private_key, identity.intermediates)
    return made, signer


@dataclass
class ToyServer:
    """Passes by serial number, each with a version; what was asked and what was logged."""

    url: str = ""
    versions: dict[str, int] = field(default_factory=lambda: {"1": 1})
    changed: dict[str, int] = field(default_factory=dict[str, int])
    """Serial number → tag of its newest change."""
    registrations: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])
    """Device, serial number, push token."""
    asked: list[str] = field(default_factory=list[str])
    logged: list[str] = field(default_factory=list[str])
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    """Keys of pass.json that are as they should not be."""
    spoiled: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Files that are replaced after the manifest was made."""
    heeds_dates: bool = True
    status: int | None = None
    """What everything is answered, if not what it should."""
    on_log: Callable[[], None] | None = None
    tag: int = 0
    began: float = field(default_factory=time.time)

    def change(self, serial: str = "1") -> None:
        self.tag += 1
        self.changed[serial] = self.tag
        self.versions[serial] += 1

    def name_unchanged(self, serial: str = "1") -> None:
        """List a pass as new that is not."""
        self.tag += 1
        self.changed[serial] = self.tag

    def file(self, serial: str) -> bytes:
        content = {
            "formatVersion": 1, "passTypeIdentifier": TOPIC, "serialNumber": serial,
            "teamIdentifier": "TEAM123456", "organizationName": "Toys", "description": "A toy",
            "webServiceURL": self.url, "authenticationToken": f"token of {serial} 0123456789",
            "storeCard": {"headerFields": [{"key": "points", "value": self.versions[serial]}]},
        }  # fmt: skip
        entries = {"pass.json": json.dumps(content | self.overrides).encode(), **plain_icon()}
        hashes = {k: hashlib.sha1(v, usedforsecurity=False).hexdigest() for k, v in entries.items()}
        entries["manifest.json"] = json.dumps(hashes).encode()
        entries["signature"] = authority()[1].sign(entries["manifest.json"], clock.now())
        entries |= self.spoiled
        layout = [ArchiveEntry(name, len(data), crc32(data)) for name, data in entries.items()]
        archive = PassArchive(layout)
        parts = [archive.header(n) + data for n, data in enumerate(entries.values())]
        return b"".join(parts) + archive.trailer()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        registration = "/v1/devices/{device}/registrations/{type}/{serial}"
        app.add_routes(
            [
                web.get("/p/{serial}.pkpass", self._fetch),
                web.post(registration, self._register),
                web.delete(registration, self._unregister),
                web.get("/v1/devices/{device}/registrations/{type}", self._list),
                web.get("/v1/passes/{type}/{serial}", self._fetch),
                web.post("/v1/log", self._log),
            ]
        )
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        resource = request.match_info.route.resource
        self.asked.append(f"{request.method} {resource.canonical if resource else ''}")
        if self.status is not None:
            return web.Response(status=self.status)
        return await handler(request)

    async def _register(self, request: web.Request) -> web.Response:
        found = request.match_info
        token = (await request.json())["pushToken"]
        row = (found["device"], found["serial"], token)
        is_new = row not in self.registrations
        self.registrations.add(row)
        return web.Response(status=201 if is_new else 200)

    async def _unregister(self, request: web.Request) -> web.Response:
        found = (request.match_info["device"], request.match_info["serial"])
        self.registrations = {row for row in self.registrations if row[:2] != found}
        return web.Response()

    async def _list(self, request: web.Request) -> web.Response:
        since = int(request.query.get("passesUpdatedSince", "0"))
        serials = [serial for serial, tag in self.changed.items() if tag > since]
        if not serials:
            return web.Response(status=204)
        return web.json_response({"serialNumbers": serials, "lastUpdated": str(self.tag)})

    async def _fetch(self, request: web.Request) -> web.Response:
        serial = request.match_info["serial"]
        said = formatdate(self.began + self.versions[serial], usegmt=True)
        if self.heeds_dates and request.headers.get("If-Modified-Since") == said:
            return web.Response(status=304)
        return web.Response(
            body=self.file(serial),
            content_type="application/vnd.apple.pkpass",
            headers={"Last-Modified": said},
        )

    async def _log(self, request: web.Request) -> web.Response:
        self.logged += (await request.json())["logs"]
        if self.on_log is not None:
            self.on_log()
        return web.Response()


@asynccontextmanager
async def a_toy_server() -> AsyncGenerator[ToyServer]:
    toy = ToyServer()
    runner = web.AppRunner(toy.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    toy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield toy
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_device(folder: Path) -> AsyncGenerator[Device]:
    root = folder / "root.pem"
    root.write_bytes(authority()[0].root_pem)
    async with aiohttp.ClientSession() as http:
        device = Device(Caller(http), root, repeat_seconds=0.01)
        yield device
        await device.close()
