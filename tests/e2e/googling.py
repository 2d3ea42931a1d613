"""An account that has a Google Wallet issuer, and what stands for Google."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.e2e.test_journeys import get, post
from tests.google.resources import Resource
from tests.google.server import FakeGoogle
from tests.system import System, poll

POINTS = "structure_headerFields_points_value"
TEMPLATE: dict[str, Any] = {
    "name": "Card",
    "pass": {
        "description": "Coffee card",
        "organizationName": "Beans",
        "logoText": "Beans",
        "storeCard": {
            "headerFields": [
                {"key": "points", "label": "Points", "value": 0, "changeMessage": "Now %@ points"}
            ],
            "secondaryFields": [{"key": "name", "label": "Name", "value": "{member_name}"}],
            "backFields": [{"key": "news", "label": "News", "value": "-", "changeMessage": "%@"}],
        },
        "barcode": {"format": "PKBarcodeFormatQR"},
    },
    "barcode_policy": "handle",
}


@dataclass
class Shop:
    """An account with an issuer, a template and a member."""

    http: aiohttp.ClientSession
    google: FakeGoogle
    issuer_id: str
    template_id: str = ""

    async def issue(self, **values: Any) -> str:
        body = {"template_id": self.template_id, "member_id": "ada", "values": values}
        return (await post(self.http, "/v1/passes", body, expect=201))["handle"]

    async def want(self, handle: str) -> tuple[Resource, str]:
        """Want a pass at Google; what is there then, and the link that saves it."""
        made = await post(self.http, f"/v1/passes/{handle}/google")
        return self.google.objects[made["object_id"]], made["save_url"]

    async def save(self, handle: str) -> Resource:
        """Somebody has a pass in Google Wallet, and we know."""
        object_, link = await self.want(handle)
        await self.google.save(link)
        await poll(lambda: saved(self, handle), "the save is known")
        return object_

    def notices(self, object_: Resource) -> list[str]:
        """What its holder was notified of."""
        changes = self.google.holders.changes
        return [one.notice for one in changes if one.object_id == object_.id and one.notice]

    async def state(self, handle: str) -> dict[str, Any]:
        return await get(self.http, f"/v1/passes/{handle}/google")


async def add_issuer(session: aiohttp.ClientSession, google: FakeGoogle) -> str:
    """Give an account an issuer that Google knows; its id."""
    issuer_id = str(3388000000000000000 + secrets.randbelow(10**15))
    google.issuer(issuer_id)
    key = google.invite(f"shop-{secrets.token_hex(4)}", issuer=issuer_id)
    issuer = {"issuer_id": issuer_id, "name": "Beans", "service_account": key}
    added = await post(session, "/v1/google/issuers", issuer, expect=201)
    assert added["access"] == "granted"
    return issuer_id


@asynccontextmanager
async def a_google_shop(system: System, google: FakeGoogle) -> AsyncGenerator[Shop]:
    """Open an account with an issuer that Google knows, a template and a member."""
    body = {"name": "Shop", "organization_name": "Beans"}
    async with system.session() as session:
        api_key = (await post(session, "/v1/accounts", body, expect=201))["key"]
    async with system.session(api_key) as session:
        issuer_id = await add_issuer(session, google)
        template = await post(session, "/v1/templates", TEMPLATE, expect=201)
        await post(session, "/v1/members", {"member_id": "ada", "name": "Ada"}, expect=201)
        yield Shop(session, google, issuer_id, template["template_id"])


def points_of(resource: Resource) -> Any:
    return resource.document["loyaltyPoints"]["balance"]["int"]


async def timeline(shop: Shop, handle: str) -> list[dict[str, Any]]:
    return (await get(shop.http, f"/v1/passes/{handle}/timeline?limit=100"))["data"]


async def there(shop: Shop, handle: str) -> dict[str, Any] | None:
    state = await shop.state(handle)
    return state if state["state"] == "there" else None


async def saved(shop: Shop, handle: str) -> dict[str, Any] | None:
    state = await shop.state(handle)
    return state if state["saved"] else None


async def unsaved(shop: Shop, handle: str) -> dict[str, Any] | None:
    state = await shop.state(handle)
    return None if state["saved"] else state
