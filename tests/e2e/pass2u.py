"""A client of Pass2U's API as its users write one, and models for it."""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from multidict import CIMultiDictProxy

from shared.passes.schema.registry import FIELD_GROUPS
from tests.e2e.test_journeys import patch, post, put
from tests.e2e.test_pass_images import a_png
from tests.system import System
from tests.wallet.files import PASS_MEDIA, PassFile, open_pass

OFFSET: Final = "+08:00"
"""Of the account that most tests use."""

ATTRIBUTES: Final[dict[str, Any]] = {
    "description": "Of the model",
    "organizationName": "The model's shop",
    "associatedStoreIdentifiers": [1],
    "appLaunchURL": "model://open",
    "expirationDate": "2038-01-01T00:00:00+08:00",
    "maxDistance": 100,
    "relevantDate": "2037-01-01T00:00:00+08:00",
    "backgroundColor": "rgb(1, 1, 1)",
    "foregroundColor": "rgb(2, 2, 2)",
    "labelColor": "rgb(3, 3, 3)",
    "logoText": "Model",
    "beacons": [{"proximityUUID": "11111111-1111-4111-8111-111111111111", "major": 1}],
    "locations": [{"latitude": 1.5, "longitude": 2.5, "relevantText": "Of the model"}],
}
"""What a model says, by the names of the reference."""

OTHER_ATTRIBUTES: Final[dict[str, Any]] = {
    "description": "Of the pass",
    "organizationName": "The pass's shop",
    "associatedStoreIdentifiers": [22_222_222_222],
    "appLaunchURL": "pass://open",
    "expirationDate": "2039-12-31T23:00:15+08:00",
    "maxDistance": 250.5,
    "relevantDate": "2039-06-01T12:00:00+02:00",
    "backgroundColor": "rgb(11, 11, 11)",
    "foregroundColor": "rgb(12, 12, 12)",
    "labelColor": "rgb(13, 13, 13)",
    "logoText": "Pass",
    "beacons": [
        {
            "proximityUUID": "22222222-2222-4222-8222-222222222222",
            "major": 65535,
            "minor": 0,
            "relevantText": "At the door",
        }
    ],
    "locations": [{"latitude": -90, "longitude": 180, "altitude": 381.5, "relevantText": "Here"}],
}
"""What a pass may say instead."""

LATER_ATTRIBUTES: Final[dict[str, Any]] = {
    "description": "Of the model, later",
    "organizationName": "The later shop",
    "associatedStoreIdentifiers": [3],
    "appLaunchURL": "later://open",
    "expirationDate": "2040-01-01T00:00:00+08:00",
    "maxDistance": 300,
    "relevantDate": "2039-01-01T00:00:00+08:00",
    "backgroundColor": "rgb(21, 21, 21)",
    "foregroundColor": "rgb(22, 22, 22)",
    "labelColor": "rgb(23, 23, 23)",
    "logoText": "Later",
    "beacons": [{"proximityUUID": "33333333-3333-4333-8333-333333333333", "major": 3}],
    "locations": [{"latitude": 31.5, "longitude": 32.5}],
}
"""What the model says once it was saved anew."""

FIELDS: Final[dict[str, Any]] = {
    "primaryFields": [
        {"key": "name", "label": "NAME", "value": {"value": "Guest", "dynamic": True}}
    ],
    "secondaryFields": [
        {
            "key": "level",
            "label": "LEVEL",
            "value": {"value": "BRONZE", "dynamic": True},
            "changeMessage": "Now %@",
        },
        {"key": "since", "label": "SINCE", "value": {"value": "2001", "dynamic": True}},
    ],
    "auxiliaryFields": [{"key": "city", "label": "CITY", "value": "Taipei"}],
    "backFields": [
        {"key": "points", "label": "POINTS", "value": {"value": 5, "type": "points"}},
        {"key": "credits", "label": "CREDITS", "value": {"value": 7, "type": "credits"}},
        {"key": "k" * 100, "label": "LONG", "value": {"value": "-", "dynamic": True}},
    ],
}
"""Of every model here: dynamic ones, a fixed one, and two that count."""

IMAGES: Final = {
    "generic": ("icon", "logo", "thumbnail"),
    "coupon": ("icon", "logo", "strip"),
    "storeCard": ("icon", "logo", "strip"),
    "eventTicket": ("icon", "logo", "strip", "background", "thumbnail"),
    "boardingPass": ("icon", "logo", "footer"),
}
"""The images that the reference lists for each style; event tickets in both layouts."""


def model_body(style: str = "generic", policy: str = "data", **changes: Any) -> dict[str, Any]:
    """Write a template; `changes` stand beside its style."""
    fields = deepcopy(FIELDS)
    if style == "boardingPass":
        fields["transitType"] = "PKTransitTypeAir"
    barcode = {"format": "PKBarcodeFormatQR", "message": "FIXED", "altText": "Model's"}
    return {
        "name": "Model",
        "pass": {**deepcopy(ATTRIBUTES), style: fields, "barcode": barcode, **changes},
        "barcode_policy": policy,
    }


@dataclass
class Reply:
    """Whatever the API said."""

    status: int
    headers: CIMultiDictProxy[str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass
class Pass2U:
    """One account that calls the API."""

    system: System
    http: aiohttp.ClientSession
    images: dict[str, str] = field(default_factory=dict[str, str])
    """Of its models: slot → SHA-256."""

    async def ask(
        self, method: str, path: str, body: Any = None, data: Any = None, **headers: str
    ) -> Reply:
        """Make a call; keywords are headers, with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(
            method, f"/v2/{path}", json=body, data=data, headers=named
        ) as response:
            return Reply(response.status, response.headers, await response.read())

    async def do(self, method: str, path: str, body: Any = None, **rest: Any) -> Any:
        """Make a call that must succeed."""
        reply = await self.ask(method, path, body, **rest)
        assert reply.status == 200, f"{method} {path}: {reply.status} {reply.content!r}"
        return reply.body if reply.content else None

    async def refused(
        self, status: int, method: str, path: str, body: Any = None, **rest: Any
    ) -> str:
        """Make a call that must fail; its message."""
        reply = await self.ask(method, path, body, **rest)
        assert reply.status == status, f"{method} {path}: {reply.status} {reply.content!r}"
        assert reply.headers["Content-Type"] == "application/json"
        assert list(reply.body) == ["message"]
        assert reply.body["message"]
        return reply.body["message"]

    async def model(
        self, style: str = "generic", *, policy: str = "data", voids: bool = False, **changes: Any
    ) -> "Model":
        """Design a model with all images of its style."""
        body = model_body(style, policy, **changes) | {"void_when_expired": voids}
        return await self.model_of(body, IMAGES[style])

    async def model_of(self, body: dict[str, Any], images: tuple[str, ...] = ("icon",)) -> "Model":
        slots = {f"{name}@2x": await self._image_of_model(name) for name in images}
        saved = await post(self.http, "/v1/templates", body | {"images": slots}, expect=201)
        return Model(self, saved["model_id"], saved["template_id"], body | {"images": slots})

    async def upload(self, content: bytes) -> str:
        """Upload an image for passes; its hex."""
        return (await self.do("POST", "images", data=content, Content_Type="image/png"))["hex"]

    async def _image_of_model(self, name: str) -> str:
        if name not in self.images:
            png = {"Content-Type": "image/png"}
            content = a_png("white", (60, 60 + len(self.images)))  # one for each name
            async with self.http.post("/v1/images", data=content, headers=png) as response:
                self.images[name] = (await response.json())["sha256"]
        return self.images[name]


@dataclass
class Model:
    """A model, and the passes of it."""

    api: Pass2U
    model_id: int
    template_id: str
    body: dict[str, Any]
    made: int = 0

    @property
    def path(self) -> str:
        return f"models/{self.model_id}/passes"

    async def create(self, query: str = "", /, **attributes: Any) -> "Copy":
        """Create a pass; it gets a barcode message of its own unless one is given."""
        self.made += 1
        barcode = {"message": f"{self.model_id}-{self.made}"}
        body = {"barcode": barcode, **attributes}
        answer = await self.api.do("POST", f"{self.path}{query}", body)
        return Copy(self, answer["passId"], answer)

    async def refused(self, status: int, **attributes: Any) -> str:
        """Create a pass in vain; the message."""
        body = {"barcode": {"message": "1"}, **attributes}
        return await self.api.refused(status, "POST", self.path, body)

    async def save(self, **changes: Any) -> None:
        """Save the design anew with other attributes."""
        self.body = self.body | {"pass": self.body["pass"] | changes}
        await put(self.api.http, f"/v1/templates/{self.template_id}", self.body)


@dataclass
class Copy:
    """One pass of a model."""

    model: Model
    pass_id: str
    answer: dict[str, Any]
    """What its creation said."""

    @property
    def path(self) -> str:
        return f"{self.model.path}/{self.pass_id}"

    @property
    def api(self) -> Pass2U:
        return self.model.api

    async def update(self, **attributes: Any) -> dict[str, Any]:
        return await self.api.do("PUT", self.path, attributes)

    async def refused(self, status: int, **attributes: Any) -> str:
        """Update it in vain; the message."""
        return await self.api.refused(status, "PUT", self.path, attributes)

    async def reset(self, what: str) -> None:
        """Delete an attribute or a field."""
        assert await self.api.do("DELETE", f"{self.path}/{what}") is None

    async def file(self) -> PassFile:
        reply = await self.api.ask("GET", self.path, Accept=PASS_MEDIA)
        assert reply.status == 200, reply.content
        return open_pass(reply.content)

    async def content(self) -> dict[str, Any]:
        return (await self.file()).content

    async def shown(self, key: str) -> Any:
        return (await self.content()).get(key)

    async def field(self, key: str) -> dict[str, Any]:
        """One of its fields, as it is shown."""
        return fields_of(await self.content())[key]

    async def images(self) -> set[str]:
        return {name for name in (await self.file()).entries if name.endswith(".png")}


def fields_of(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of a pass.json by their keys."""
    style = next(name for name in IMAGES if name in content)
    groups = [content[style].get(group, []) for group in FIELD_GROUPS]
    return {one["key"]: one for group in groups for one in group}


async def open_shop(system: System, utc_offset: str | None = OFFSET) -> Pass2U:
    """Make a fresh account whose times have an offset; its session is to be closed."""
    async with system.session() as session:
        names = {"name": "Shop", "organization_name": "Shop"}
        key = (await post(session, "/v1/accounts", names, expect=201))["key"]
    http = system.session(key)
    if utc_offset is not None:
        await patch(http, "/v1/account", {"utc_offset": utc_offset})
    return Pass2U(system, http)
