"""The fake Google on a socket of its own, for tests and for the command line."""

import ssl
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.google.accounts import new_key
from tests.google.cards import Card
from tests.google.holders import HOLDER, Callback
from tests.google.links import open_link
from tests.google.resources import Resource
from tests.google.routes import BASE, Routes
from tests.google.world import World
from tests.sockets import Identity, free_port

ISSUER: Final = "3388000000000000001"
PROJECT: Final = "a-project"
NAME: Final = "an-issuer"
SOON: Final = 0.05
"""How many seconds answers that are under way still have when it stops; for aiohttp 0 is never."""


class FakeGoogle(World):
    """Google Wallet: `async with FakeGoogle() as google`.

    There is one issuer, `ISSUER`, and a service account invited by it, whose file is `key_file`;
    `issuer` and `accounts` make more.
    """

    def __init__(self, port: int | None = None, identity: Identity | None = None) -> None:
        self.port = port or free_port()
        super().__init__(f"https://localhost:{self.port}")
        self._identity = identity or Identity.create("Fake Google for tests")
        self.key_file = self.accounts.create(NAME, PROJECT, self.token_url, _first_key())
        self.issuer(ISSUER).invited.add(self.key_file["client_email"])

    @property
    def root(self) -> bytes:
        """The certificate to trust, as PEM."""
        return self._identity.certificate

    @property
    def classes(self) -> dict[str, Resource]:
        return self.resources.classes

    @property
    def objects(self) -> dict[str, Resource]:
        return self.resources.objects

    def client_context(self) -> ssl.SSLContext:
        """Trust this Google."""
        return ssl.create_default_context(cadata=self.root.decode())

    def invite(self, name: str, issuer: str = ISSUER, project: str = PROJECT) -> dict[str, str]:
        """Make a service account and let an issuer invite it; return the file with its key."""
        key_file = self.accounts.create(name, project, self.token_url)
        self.issuer(issuer).invited.add(key_file["client_email"])
        return key_file

    def settings(self, root: Path) -> dict[str, str]:
        """Write the certificate to trust into a file, and say how Passwright finds all this."""
        root.write_bytes(self.root)
        return {
            "PASSWRIGHT_GOOGLE_API": f"{self.url}{BASE}",
            "PASSWRIGHT_GOOGLE_TOKEN_URL": self.token_url,
            "PASSWRIGHT_GOOGLE_KEYS_URL": f"{self.url}/gp/m/issuer/keys",
            "PASSWRIGHT_GOOGLE_SAVE_URL": self.save_url,
            "PASSWRIGHT_GOOGLE_ROOT": str(root.resolve()),
        }

    async def save(self, link: str, holder: str = HOLDER) -> list[Card]:
        """Open a save link on a phone, and save what it offers; LinkError when it does not work."""
        verified = open_link(link, self.save_url, self.accounts, self.clock.now())
        return await self.holders.save(verified, holder, self._http)

    async def remove(self, object_id: str, holder: str = HOLDER) -> None:
        """Throw a card away."""
        await self.holders.remove(object_id, holder, self._http)

    async def deliver(self, callback: Callback) -> None:
        """Send a callback, one of `holders.callbacks` again or a forged one."""
        await self.holders.deliver(callback, self._http)

    async def start(self) -> None:
        """Listen."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        routes = Routes(self, self._http)
        self._runner = web.AppRunner(routes.application(), access_log=None, shutdown_timeout=SOON)
        await self._runner.setup()
        context = self._identity.server_context()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context).start()

    async def stop(self) -> None:
        """Stop listening; what is there stays, and `start` may follow."""
        await self._runner.cleanup()
        await self._http.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.stop()


@cache
def _first_key() -> RSAPrivateKey:
    """Make the key of the account that is there at first: once, for it takes long."""
    return new_key()
