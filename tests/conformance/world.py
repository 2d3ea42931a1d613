"""An account with one of everything, so that requests find what they name."""

import copy
import csv
import io
import json
import secrets
from dataclasses import dataclass, field
from importlib.resources import files
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import aiohttp
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from services.demo import TEMPLATE
from services.demo_model import MODEL
from shared import clock
from shared.passes.apple.development import DevelopmentAuthority
from tests.system import System

NEWS = {"key": "news", "label": "News", "value": "", "changeMessage": "%@"}
SPARE = 5
"""Things of each kind that may be deleted."""


@dataclass
class World:
    """What a run knows of the system: credentials, and values of parameters."""

    base_url: str
    credentials: dict[str, str]
    """Name of a security scheme → what is sent."""
    values: dict[str, list[str]]
    """Name of a parameter → values that name something."""
    spare: dict[str, list[str]]
    """The same for operations that delete."""
    kept: list[str] = field(default_factory=list[str])
    """What nothing may delete."""


async def build(system: System) -> World:
    """Make an account, managed by another one whose client hash stays valid, and fill it."""
    async with system.session() as session:
        manager = await post(session, "/v1/accounts", account("Manager"))
    login = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(12)}
    async with system.session(manager["key"]) as session:
        await ask(session, "PATCH", "/v1/account", login)
        owner = await post(session, "/v1/accounts", account("Owner"))
        manager_hash = await log_in(session, login)
    async with system.session(owner["key"]) as session:
        values = await fill(session, owner)
        spare = await fill_spare(session, values["template_id"])
        own_login = {**login, "email": f"own-{login['email']}"}
        await ask(session, "PATCH", "/v1/account", own_login)
        own_hash = await log_in(session, own_login)
        listed = await get(session, f"/api/templates.php?clientHash={own_hash}")
        token = await read_bearer(session, values)
    values["templateHash"] = next(
        each["templateHash"]
        for each in listed["templates"]
        if each["templateId"] == values["template_id"]
    )
    values |= {"clientHash": manager_hash, "hashedSerialNumber": values["handle"]}
    key_id = owner["key"].split("_")[1]
    kept = [key_id, values["hashedSerialNumber"], values["templateHash"]]
    return World(
        system.base_url,
        {"ApiKey": owner["key"], "PassToken": f"ApplePass {token}"},
        {name: [value] for name, value in values.items()},
        spare,
        kept + [values[name] for name in spare],
    )


async def fill(session: aiohttp.ClientSession, owner: dict[str, Any]) -> dict[str, str]:
    """Make one of each thing that addresses name."""
    template = await make_template(session)
    await ask(session, "PUT", "/v1/members/ada", {"name": "Ada Lovelace"})
    order = {"template_id": template, "member_id": "ada"}
    issued = await post(session, "/v1/passes", order)
    job = await post(session, f"/v1/templates/{template}/push")
    batch = await make_batch(session, template)
    identities = await get(session, "/v1/identities")
    model_id, pass_id = await make_model(session)
    return {
        "modelId": model_id,
        "passId": pass_id,
        "attributeName": "logoText",
        "fieldKey": "level",
        "account_id": owner["account_id"],
        "template_id": template,
        "revision": "1",
        "handle": issued["handle"],
        "member_id": "ada",
        "job_id": job["job_id"],
        "batch_id": batch,
        "short_key": await make_short_link(session, template),
        "identity_id": identities["data"][0]["identity_id"],
        "key_id": await make_key(session),
        "request_id": await make_request(session),
        "webhook_id": await make_webhook(session),
        **await make_link(session, template),
        "sha256": await upload(session, "logo"),
        **await make_styles(session),
        "pass_id": issued["handle"],
        "asset_name": "logo.png",
        "device": secrets.token_hex(16),
        "pem": make_certificate(),
    }


async def fill_spare(session: aiohttp.ClientSession, template: str) -> dict[str, list[str]]:
    """Make some of each thing that may be deleted."""
    nothing: dict[str, Any] = {}
    order = {"template_id": template, "passes": [nothing] * SPARE}
    issued = await post(session, "/v1/passes", order)
    members = [await post(session, "/v1/members", {}) for _ in range(SPARE)]
    return {
        "template_id": [await make_template(session) for _ in range(SPARE)],
        "handle": [one["handle"] for one in issued["passes"]],
        "member_id": [one["member_id"] for one in members],
        "key_id": [await make_key(session) for _ in range(SPARE)],
        "request_id": [await make_request(session) for _ in range(SPARE)],
        "webhook_id": [await make_webhook(session) for _ in range(SPARE)],
        "program_id": [await make_program(session, template) for _ in range(SPARE)],
        "style_id": [await make_style(session) for _ in range(SPARE)],
        "pass_style_id": [await make_style(session) for _ in range(SPARE)],
        "style_group_id": [await make_style_group(session) for _ in range(SPARE)],
    }


async def make_template(session: aiohttp.ClientSession) -> str:
    images = {slot: await upload(session, slot) for slot in ("icon", "logo")}
    template = copy.deepcopy(TEMPLATE)
    template["pass"]["storeCard"]["backFields"].append(NEWS)
    saved = await post(session, "/v1/templates", {**template, "images": images})
    return saved["template_id"]


async def make_short_link(session: aiohttp.ClientSession, template: str) -> str:
    """Make a short link by a batch; its key."""
    url = f"/v1/batches?kind=links&template_id={template}"
    lines = io.BytesIO(b'{"structure_auxiliaryFields_favourite_value":"Mocha"}')
    headers = {"Content-Type": "application/x-ndjson"}
    async with session.post(url, data=lines, headers=headers) as response:
        batch_id = await ended(session, await response.json())
    async with session.get(f"/v1/batches/{batch_id}/result.csv") as response:
        (row,) = csv.DictReader(io.StringIO(await response.text("utf-8-sig")))
    return row["link"].rpartition("/")[2]


async def make_batch(session: aiohttp.ClientSession, template: str) -> str:
    """Issue passes by a batch, to its end."""
    url = f"/v1/batches?kind=passes&template_id={template}&count=3"
    return await ended(session, await post(session, url))


async def ended(session: aiohttp.ClientSession, batch: dict[str, Any]) -> str:
    while batch["ended_at"] is None:
        batch = await get(session, f"/v1/batches/{batch['batch_id']}")
    return batch["batch_id"]


async def make_model(session: aiohttp.ClientSession) -> tuple[str, str]:
    """Make a model and a pass of it, as the Pass2U API names them."""
    model = await post(session, "/v1/templates", {**MODEL, "barcode_policy": "random"})
    model_id = str(model["model_id"])
    issued = await post(session, f"/v2/models/{model_id}/passes", {})
    return model_id, issued["passId"]


async def make_styles(session: aiohttp.ClientSession) -> dict[str, str]:
    """Make a style and a group, as both of our APIs name them."""
    style = await make_style(session)
    return {
        "style_id": style,
        "pass_style_id": style,
        "style_group_id": await make_style_group(session),
    }


def make_certificate() -> str:
    """Make what Apple's certificates look like, for a pass type of nobody."""
    authority = DevelopmentAuthority.create(clock.now())
    identity = authority.issue("pass.com.example.run", "RUN1234567", "Run", clock.now())
    key = identity.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificates = [identity.certificate, *identity.intermediates]
    return b"".join([key, *(each.public_bytes(Encoding.PEM) for each in certificates)]).decode()


async def make_key(session: aiohttp.ClientSession) -> str:
    return (await post(session, "/v1/keys", {"name": "spare", "scopes": ["passes:read"]}))["key_id"]


async def make_request(session: aiohttp.ClientSession) -> str:
    return (await post(session, "/v1/identities/requests", {}))["request_id"]


async def make_webhook(session: aiohttp.ClientSession) -> str:
    body = {"url": "https://hooks.example.com/passes", "types": ["endpoint.disabled"]}
    return (await post(session, "/v1/webhooks", body))["webhook_id"]


async def make_style(session: aiohttp.ClientSession) -> str:
    return (await post(session, "/v1/styles", {"name": "spare"}))["style_id"]


async def make_style_group(session: aiohttp.ClientSession) -> str:
    rules = [{"style_id": await make_style(session), "min_points": 0}]
    body = {"name": "spare", "rules": rules}
    return (await post(session, "/v1/style-groups", body))["style_group_id"]


async def make_program(session: aiohttp.ClientSession, template: str) -> str:
    body = {"name": "spare", "template_id": template}
    return (await post(session, "/v1/link-programs", body))["program_id"]


async def make_link(session: aiohttp.ClientSession, template: str) -> dict[str, str]:
    """Make a program and a link of it, as its address names it."""
    program_id = await make_program(session, template)
    link = await post(session, f"/v1/link-programs/{program_id}/links", {"external_id": "ada"})
    return {"program_id": program_id, "data": link["url"].partition("data=")[2]}


async def read_bearer(session: aiohttp.ClientSession, values: dict[str, str]) -> str:
    """Read from the file of the pass what a phone shows, and how it names the pass."""
    async with session.get(f"/p/{values['handle']}.pkpass", raise_for_status=True) as response:
        file = ZipFile(BytesIO(await response.read()))
    content = json.loads(file.read("pass.json"))
    values["pass_type"] = content["passTypeIdentifier"]
    values["serial_number"] = content["serialNumber"]
    return content["authenticationToken"]


async def log_in(session: aiohttp.ClientSession, login: dict[str, str]) -> str:
    async with session.post("/api/login.php", data=login) as response:
        return (await response.json())["clientHash"]


def account(name: str) -> dict[str, str]:
    return {"name": name, "organization_name": name}


async def upload(session: aiohttp.ClientSession, name: str) -> str:
    png = (files("services") / "demo_images" / f"{name}.png").read_bytes()
    headers = {"Content-Type": "image/png"}
    async with session.post("/v1/images", data=png, headers=headers) as response:
        return (await response.json())["sha256"]


async def get(session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    return await ask(session, "GET", path)


async def post(session: aiohttp.ClientSession, path: str, body: Any = None) -> dict[str, Any]:
    return await ask(session, "POST", path, body)


async def ask(
    session: aiohttp.ClientSession, method: str, path: str, body: Any = None
) -> dict[str, Any]:
    async with session.request(method, path, json=body) as response:
        assert response.ok, (path, response.status, await response.text())
        return await response.json()
