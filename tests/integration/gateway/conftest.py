"""A gateway on a port, alone with its database and its transport; accounts to call it with."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
import pytest_asyncio
from aiohttp import ClientSession

from services.gateway.app import build, open_context
from services.gateway.catalogue import passwords
from services.gateway.context import Context
from services.gateway.settings import Settings
from shared.database import Database
from shared.messaging.embedded import MIGRATIONS as QUEUES
from shared.messaging.embedded import EmbeddedTransport
from shared.messaging.requests import Requester
from shared.migrations import MESSAGING, migrate
from shared.sealing import MasterKeys
from shared.service import RunningServices
from tests.servers import new_database

PUBLIC_URL = "https://passes.example"


@pytest.fixture(scope="session", autouse=True)
def passwords_are_cheap() -> Iterator[None]:
    """The whole system takes what they really cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "COST", 2**4)
        yield


@dataclass(frozen=True)
class Answer:
    """What the gateway answered."""

    status: int
    headers: dict[str, str]
    content: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return orjson.loads(self.content)

    @property
    def code(self) -> str:
        """The code of a problem."""
        return self.json["code"]

    @property
    def faults(self) -> dict[str, str]:
        """The faults of a problem by pointer."""
        return {fault["pointer"]: fault["detail"] for fault in self.json["errors"]}


@dataclass(frozen=True)
class Gateway:
    """One that runs, and what it works with."""

    url: str
    database_url: str
    transport: EmbeddedTransport
    master_keys: MasterKeys
    context: Context
    """A catalogue of our own on the same database, as another replica has it."""
    http: ClientSession

    async def call(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request; `json` or raw `data`."""
        given = dict(headers or {})
        if json is not None:
            given.setdefault("Content-Type", "application/json")
            data = orjson.dumps(json)
        async with self.http.request(
            method, path, data=data and BytesIO(data), headers=given, allow_redirects=False
        ) as response:
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.read(),
            )

    async def query(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Look into the gateway's schema."""
        connection = await asyncpg.connect(
            self.database_url, server_settings={"search_path": "gateway"}
        )
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def announced(self, account_id: UUID | str) -> list[tuple[str, dict[str, Any]]]:
        """All that was announced about an account, in order: wire name and body."""
        rows = await self.query(
            "SELECT name, body FROM outbox UNION SELECT name, body FROM messaging.messages"
        )
        events = [(row["name"], orjson.loads(row["body"])) for row in rows]
        mine = [event for event in events if event[1].get("account_id") == str(account_id)]
        return sorted(mine, key=lambda event: (event[0], event[1]["revision"]))


@dataclass(frozen=True)
class AnAccount:
    """An account that calls the gateway with a key of its own."""

    gateway: Gateway
    account_id: UUID
    key: str

    async def call(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        """Send one request with the account's key; `key` stands for an Idempotency-Key."""
        given = {"X-API-Key": self.key, **(headers or {})}
        if key is not None:
            given["Idempotency-Key"] = key
        return await self.gateway.call(method, path, json, data=data, headers=given)

    async def with_scopes(self, *scopes: str) -> "AnAccount":
        """The same account with a key that may do less."""
        made = await self.call("POST", "/v1/keys", {"name": "less", "scopes": scopes})
        return AnAccount(self.gateway, self.account_id, made.json["key"])


@pytest_asyncio.fixture(scope="module")
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway whose other services are away; every test makes accounts of its own."""
    async with new_database(database_url) as url, running_gateway(url) as running:
        yield running


@pytest_asyncio.fixture
async def an_account(gateway: Gateway) -> AnAccount:
    return await make_account(gateway)


@pytest_asyncio.fixture
async def another_account(gateway: Gateway) -> AnAccount:
    return await make_account(gateway)


async def make_account(gateway: Gateway) -> AnAccount:
    account, key = await gateway.context.accounts.create("Blue Bottle, Berlin", "Blue Bottle")
    return AnAccount(gateway, account.account_id, key)


@asynccontextmanager
async def running_gateway(url: str, **extra: object) -> AsyncGenerator[Gateway]:
    """Migrate an empty database and run a gateway on it; without limits unless they are given."""
    master_keys = MasterKeys.generate_text()
    settings = Settings.model_validate(
        {
            "database_url": url,
            "master_keys": master_keys,
            "port": 0,
            "base_url": PUBLIC_URL,
            "pool_size": 4,
            "trusted_proxies": "127.0.0.0/8",
            "limit_per_network": 0,
            "limit_per_key": 0,
            "pass2u_limit": 0,
            **extra,
        }
    )
    transport = EmbeddedTransport(url)
    service = build(settings, transport)
    await migrate(url, {"messaging": [QUEUES], "gateway": [MESSAGING, service.migrations]})
    services = RunningServices([service], transport)
    await services.start()
    database = Database(url, schema="gateway", size=4)
    await database.start()
    keys = MasterKeys.parse(master_keys)
    tokens = settings.read_pass_tokens(keys)
    context = open_context(database, Requester(transport), keys, PUBLIC_URL, tokens=tokens)
    address = f"http://127.0.0.1:{services.ports['gateway']}"
    async with ClientSession(address) as http:
        yield Gateway(address, url, transport, keys, context, http)
    await context.keyring.close()
    await database.stop()
    await services.stop()
