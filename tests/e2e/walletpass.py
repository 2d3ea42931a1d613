"""A caller of WalletPass.ai's API as its users write one, with what stands for Google."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.e2e.googling import add_issuer
from tests.e2e.test_journeys import patch, post
from tests.google.resources import Resource
from tests.google.server import FakeGoogle
from tests.system import System, poll
from tests.wallet.files import PassFile, open_pass

HOSTS: Final = ("generate.example", "member.example")
"""What the systems of the tests serve this API to at their root."""

MEMBER: Final[dict[str, Any]] = {
    "member_id": "MEMBER-001",
    "member_name": "Member 001",
    "member_email": "member001@example.com",
}


@dataclass
class Reply:
    """Whatever the API said."""

    status: int
    body: Any
    content: bytes = field(repr=False)

    @property
    def data(self) -> Any:
        assert self.body["status"] == "success", self.body
        return self.body["data"]

    @property
    def faults(self) -> dict[str, str]:
        """The faults of an error by path."""
        assert self.body["status"] == "error", self.body
        return {fault["path"]: fault["message"] for fault in self.body["errors"]}


@dataclass
class WalletPass:
    """One account that calls the API."""

    system: System
    google: FakeGoogle
    http: aiohttp.ClientSession
    account_id: str
    issuer_id: str
    members: int = 0

    async def ask(
        self, method: str, path: str, body: Any = None, data: Any = None, **headers: str
    ) -> Reply:
        """Make a call; keywords are headers, with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(
            method, f"/walletpass/{path}", json=body, data=data, headers=named
        ) as response:
            content = await response.read()
            is_json = response.content_type == "application/json"
            return Reply(response.status, json.loads(content) if is_json else None, content)

    async def do(
        self, method: str, path: str, body: Any = None, expect: int = 200, **rest: Any
    ) -> Any:
        """Make a call that must succeed; its data."""
        reply = await self.ask(method, path, body, **rest)
        assert reply.status == expect, f"{method} {path}: {reply.status} {reply.content!r}"
        return reply.data

    async def refused(
        self, status: int, method: str, path: str, body: Any = None, **rest: Any
    ) -> dict[str, str]:
        """Make a call that must fail; its faults by path."""
        reply = await self.ask(method, path, body, **rest)
        assert reply.status == status, f"{method} {path}: {reply.status} {reply.content!r}"
        assert reply.body.keys() == {"status", "message", "code", "errors"}
        assert reply.body["message"]
        return reply.faults

    async def member(self, **fields: Any) -> str:
        """Register a member; its id."""
        self.members += 1
        member_id = f"MEMBER-{self.members:03}"
        body = MEMBER | {"member_id": member_id, **fields}
        await self.do("POST", "v1/members/register", body, 201)
        return member_id

    async def points(self, member_id: str, points: int, operation: str = "set") -> dict[str, Any]:
        body = {"points": points, "operation": operation}
        return await self.do("PUT", f"v1/members/{member_id}/points", body)

    async def create(
        self, member_id: str, pass_type: str = "apple", expect: int = 201, **body: Any
    ) -> dict[str, Any]:
        """Create a pass from a member."""
        wanted = {"member_id": member_id, "pass_type": pass_type, "company_name": "My Company"}
        path = "v1/passes/create-from-member"
        return await self._with_link(
            path, wanted | body, await self.do("POST", path, wanted | body, expect)
        )

    async def style(self, name: str = "Style", **body: Any) -> str:
        made = await self.do("POST", "v1/pass-styles", {"name": name, **body}, 201)
        assert made["id"] == made["pass_style_id"]
        return made["id"]

    async def group(self, *rules: tuple[str, int, int | None], name: str = "Tier Colors") -> str:
        body = {
            "name": name,
            "rules": [
                {"pass_style_id": style, "min_points": low, "max_points": high}
                for style, low, high in rules
            ],
        }
        made = await self.do("POST", "v1/style-groups", body, 201)
        assert made["id"] == made["style_group_id"]
        return made["id"]

    async def file(self, pass_id: str) -> PassFile:
        """Download a pass for Apple Wallet, without a key."""
        path = f"/walletpass/v1/passes/{pass_id}/download"
        async with (
            aiohttp.ClientSession(self.system.base_url) as session,
            session.get(path) as response,
        ):
            content = await response.read()
            assert response.status == 200, content
        return open_pass(content)

    async def content(self, pass_id: str) -> dict[str, Any]:
        return (await self.file(pass_id)).content

    async def object_of(self, pass_id: str) -> Resource:
        """Find the object of a pass at Google."""
        async with self.http.get(f"/v1/passes/{pass_id}/google") as response:
            state = await response.json()
        return await poll(lambda: self.google.objects.get(state["object_id"]), "object at Google")

    async def class_of(self, pass_id: str) -> dict[str, Any]:
        object_ = await self.object_of(pass_id)
        return self.google.classes[object_.document["classId"]].document

    async def link(self, member_id: str, /, expect: int = 201, **body: Any) -> dict[str, Any]:
        """Link a pass to a member's loyalty pass."""
        wanted, path = {"member_id": member_id, **body}, "demo/google/linked-pass"
        return await self._with_link(path, wanted, await self.do("POST", path, wanted, expect))

    async def _with_link(
        self, path: str, body: dict[str, Any], made: dict[str, Any]
    ) -> dict[str, Any]:
        """Ask again while Google was slow, as a machine with much to do makes it."""

        async def again() -> dict[str, Any] | None:
            told = await self.do("POST", path, body)
            return None if "/p/" in told["pass_url"] else told

        return await poll(again, "save link") if "/p/" in made.get("pass_url", "") else made


def fields_of(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of a pass.json by their keys."""
    kind = "storeCard" if "storeCard" in content else "generic"
    return {one["key"]: one for group in content[kind].values() for one in group}


def values_of(content: dict[str, Any]) -> dict[str, Any]:
    return {key: field["value"] for key, field in fields_of(content).items()}


async def open_walletpass(system: System, google: FakeGoogle) -> WalletPass:
    """Make a fresh account with an issuer at Google; its session is to be closed."""
    api = await open_without_google(system, google)
    api.issuer_id = await add_issuer(api.http, google)
    return api


async def open_without_google(system: System, google: FakeGoogle) -> WalletPass:
    """Make a fresh account without one."""
    async with system.session() as session:
        names = {"name": "WalletPass", "organization_name": "Beans"}
        account = await post(session, "/v1/accounts", names, expect=201)
    http = system.session(account["key"])
    return WalletPass(system, google, http, account["account_id"], "")


async def open_to_all(api: WalletPass) -> None:
    """Let everybody link passes to those of the account's members."""
    await patch(api.http, "/v1/account", {"keyless_links": True})
