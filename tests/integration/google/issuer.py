"""An issuer's server: it gets tokens, writes classes and objects, signs links, is called back."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.google.accounts import GRANT, SCOPE
from tests.google.server import FakeGoogle
from tests.integration.google.documents import Document, class_of, object_of


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def reason(self) -> str:
        """Google's word for what is wrong."""
        return self.body["error"]["errors"][0]["reason"]

    @property
    def message(self) -> str:
        return self.body["error"]["message"]


@dataclass
class IssuerServer:
    google: FakeGoogle
    key_file: dict[str, str]
    http: aiohttp.ClientSession
    bearer: str = ""
    callback_url: str = ""
    called_back: list[Document] = field(default_factory=list[Document])
    picture_url: str = ""
    pictures_fetched: list[str] = field(default_factory=list[str])
    """The query of each."""

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        """Ask the REST interface."""
        url, headers = f"/walletobjects/v1/{path}", {"Authorization": f"Bearer {self.bearer}"}
        async with self.http.request(
            method, url, json=body, params=query, headers=headers
        ) as response:
            return Answer(response.status, await response.json(), dict(response.headers))

    async def insert_both(self, type_: str = "loyalty") -> None:
        """Insert the class and the object of a type."""
        for kind, document in (("Class", class_of(type_)), ("Object", object_of(type_))):
            answer = await self.ask("POST", f"{type_}{kind}", document)
            assert answer.status == 200, answer.body

    def signed(self, claims: Document) -> str:
        """Sign a JWT with the key of the file; a claim that is None is left out."""
        kid = {"kid": self.key_file["private_key_id"]}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, _private_key(self.key_file["private_key"]), "RS256", kid)

    def assertion(self, **claims: Any) -> str:
        """Make an assertion; a `timedelta` among the claims counts from now."""
        now = int(time.time())
        usual = {
            "iss": self.key_file["client_email"],
            "scope": SCOPE,
            "aud": self.google.token_url,
            "iat": now,
            "exp": now + 3600,
        }
        return self.signed(usual | _dated(claims))

    async def token(self, assertion: str, grant_type: str = GRANT) -> Answer:
        form = {"grant_type": grant_type, "assertion": assertion}
        async with self.http.post("/token", data=form) as response:
            return Answer(response.status, await response.json(), dict(response.headers))

    async def log_in(self) -> None:
        answer = await self.token(self.assertion())
        assert answer.status == 200, answer.body
        self.bearer = answer.body["access_token"]

    def link(self, payload: Document, /, **claims: Any) -> str:
        """Make a save link; a `timedelta` among the claims counts from now."""
        usual = {
            "iss": self.key_file["client_email"],
            "aud": "google",
            "typ": "savetowallet",
            "iat": int(time.time()),
            "origins": ["https://issuer.example"],
            "payload": payload,
        }
        return self.google.save_url + self.signed(usual | _dated(claims))

    async def show_picture(self, request: web.Request) -> web.Response:
        self.pictures_fetched.append(request.query_string)
        return web.Response(body=b"\x89PNG", content_type="image/png")

    async def take_callback(self, request: web.Request) -> web.Response:
        self.called_back.append(await request.json())
        return web.Response()


def _dated(claims: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    return {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }


@cache
def _private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


@asynccontextmanager
async def an_issuer_server(
    google: FakeGoogle, key_file: dict[str, str]
) -> AsyncGenerator[IssuerServer]:
    """Run one that has a token already."""
    trust = aiohttp.TCPConnector(ssl=google.client_context())
    async with aiohttp.ClientSession(google.url, connector=trust) as http:
        server = IssuerServer(google, key_file, http)
        app = web.Application()
        app.router.add_post("/callbacks", server.take_callback)
        app.router.add_get("/picture.png", server.show_picture)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        own_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        server.callback_url, server.picture_url = f"{own_url}/callbacks", f"{own_url}/picture.png"
        await server.log_in()
        try:
            yield server
        finally:
            await runner.cleanup()
