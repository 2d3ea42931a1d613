"""A client of PassSource's API as its users write one: URLs in, JSON out."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.e2e.test_journeys import send
from tests.system import System

POINTS = "structure_headerFields_points_value"
NAME = "structure_secondaryFields_name_value"

LOYALTY: dict[str, Any] = {
    "formatVersion": 1,
    "description": "Loyalty card",
    "organizationName": "Beans",
    "logoText": {"PSValue": "Beans", "PSEditable": True, "PSLabel": "Shop"},
    "backgroundColor": {"PSValue": "rgb(58, 36, 26)", "PSEditable": False},
    "storeCard": {
        "headerFields": [{"key": "points", "label": "Points", "value": {"PSValue": 0}}],
        "primaryFields": [
            {
                "key": "member",
                "label": "Member",
                "value": {"PSValue": "", "PSEditable": True, "PSLabel": "Name"},
            }
        ],
        "secondaryFields": [{"key": "name", "label": "Name", "value": ""}],
        "backFields": [
            {"key": "news", "label": "Latest News", "value": "None yet", "changeMessage": "%@"}
        ],
    },
    "barcode": {
        "format": "PKBarcodeFormatQR",
        "message": {"PSValue": "0", "PSEditable": True},
        "altText": {"PSValue": "", "PSEditable": True},
        "messageEncoding": "iso-8859-1",
    },
    "memberId": {"PSValue": "", "PSEditable": True},
    "psPassDescription": f"{{{NAME}}} has {{{POINTS}}} points",
    "psScanText": "",
    "psScanColor": "",
    "psInformationURL": "https://beans.example/more",
    "psInformationLabel": "More",
    "psDisplayURL": "",
    "psExportPaths": f"hashedSerialNumber, {NAME}, {POINTS},memberId",
    "triggers": {
        "onScan": [
            {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1},
            {"action": "PSActionSetValue", "targetPath": "psScanText", "value": "Welcome"},
            {"action": "PSActionSetValue", "targetPath": "psScanColor", "value": "green"},
        ],
        "onCheck": {"action": "PSActionSetValue", "targetPath": "psScanText", "value": "Checked"},
        "onRegister": {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 25},
    },
}


@dataclass
class PassSource:
    """One account that calls the API."""

    http: aiohttp.ClientSession
    client_hash: str
    email: str = ""
    password: str = ""

    async def ask(
        self,
        function: str,
        *,
        data: Any = None,
        anonymous: bool = False,
        suffix: str = ".php",
        **query: str,
    ) -> dict[str, Any]:
        """Call a function; whatever it says comes back."""
        if not anonymous:
            query = {"clientHash": self.client_hash} | query
        method = "GET" if data is None else "POST"
        async with self.http.request(
            method, f"/api/{function}{suffix}", params=query, data=data
        ) as response:
            text = await response.text()
            assert response.status == 200, f"{function}: {response.status} {text}"
            assert response.content_type == "application/json"
            answer = json.loads(text)
        assert isinstance(answer["success"], bool)
        assert answer["success"] or answer["message"]
        return answer

    async def do(self, function: str, **rest: Any) -> dict[str, Any]:
        """Call a function that must succeed."""
        answer = await self.ask(function, **rest)
        assert answer["success"], f"{function}: {answer}"
        return answer

    async def refused(self, function: str, **rest: Any) -> str:
        """Call a function that must not succeed; its message."""
        answer = await self.ask(function, **rest)
        assert not answer["success"], f"{function}: {answer}"
        return answer["message"]

    async def template(self, constructor: dict[str, Any] | None = None, **rest: Any) -> str:
        form = {
            "templateName": "Loyalty",
            "passConstructor": json.dumps(constructor or LOYALTY),
            **rest,
        }
        return (await self.do("insertUpdateTemplate", data=form))["templateHash"]

    async def issued(self, template: str, **values: str) -> str:
        made = await self.do("createPassFromTemplateFields", templateHash=template, **values)
        return made["hashedSerialNumber"]

    async def fields(self, handle: str) -> dict[str, Any]:
        return (await self.do("passInfo", hashedSerialNumber=handle))["userFields"]


async def log_in(system: System, http: aiohttp.ClientSession) -> PassSource:
    """Make a fresh account with a login and log in to it."""
    body = {"name": "Beans", "organization_name": "Beans"}
    headers = {"X-API-Key": system.api_key}
    account = await send(http, "POST", "/v1/accounts", body, 201, headers)
    return await log_in_as(http, account["key"])


async def log_in_as(http: aiohttp.ClientSession, key: str) -> PassSource:
    """Give an account a login by its API key, and use it."""
    email, password = f"Till-{secrets.token_hex(6)}@Beans.Example", secrets.token_urlsafe(9)
    login = {"email": email, "password": password}
    await send(http, "PATCH", "/v1/account", login, 200, {"X-API-Key": key})
    api = PassSource(http, "", email, password)
    api.client_hash = (await api.do("login", anonymous=True, **login))["clientHash"]
    return api
