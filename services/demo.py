"""The first run: a demo account with one of everything, and what to try next.

What the commands in `/docs` name, such as `$TEMPLATE_ID`, goes into `demo.env`.
"""

import asyncio
import csv
import io
import json
import secrets
import shlex
from base64 import b64encode
from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import aiohttp
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from services.demo_model import EXAMPLE_HEX, MEMBER, MODEL, MODEL_IMAGES
from services.gateway.catalogue.google_issuers import make_key_file
from services.gateway.catalogue.logins import LoginChange
from services.gateway.context import Context
from services.local import write_private
from shared import clock
from shared.hashes import template_hash
from shared.passes.apple.development import DevelopmentAuthority

ENVIRONMENT = "demo.env"
ROWS = Path(__file__).parent / "demo_rows.csv"
FAVOURITE = "structure_auxiliaryFields_favourite_value"
LOOK_SECONDS = 0.1
COLOURS = {
    "Bronze": {"background_color": "rgb(205, 127, 50)"},
    "Silver": {"background_color": "rgb(192, 192, 192)"},
    "Spare": {"background_color": "rgb(1, 2, 3)"},
}
IMAGES = ("icon", "icon@2x", "icon@3x", "logo", "logo@2x", "strip", "strip@2x")

TEMPLATE: dict[str, Any] = {
    "name": "Coffee card",
    "pass": {
        "description": "Passwright Coffee card",
        "logoText": "Passwright Coffee",
        "backgroundColor": "rgb(58, 36, 26)",
        "foregroundColor": "rgb(255, 248, 240)",
        "labelColor": "rgb(226, 188, 146)",
        "storeCard": {
            "headerFields": [
                {
                    "key": "points",
                    "label": "POINTS",
                    "value": {"value": 0, "type": "number", "label": "Points on the card"},
                    "changeMessage": "You now have %@ points",
                }
            ],
            "secondaryFields": [
                {"key": "name", "label": "MEMBER", "value": "{member_name}"},
                {
                    "key": "tier",
                    "label": "TIER",
                    "value": "{member_tier}",
                    "changeMessage": "Welcome to %@",
                },
            ],
            "auxiliaryFields": [
                {
                    "key": "favourite",
                    "label": "FAVOURITE",
                    "value": {"value": "Espresso", "editable": True, "label": "Your favourite"},
                }
            ],
            "backFields": [
                {
                    "key": "about",
                    "label": "About this card",
                    "value": "A point for every scan, {member_name}. Coffee is on us at ten.",
                }
            ],
        },
        "barcode": {"format": "PKBarcodeFormatQR", "altText": "{hashedSerialNumber}"},
    },
    "properties": {
        "psScanText": "",
        "psExportPaths": "hashedSerialNumber, structure_headerFields_points_value",
    },
    "triggers": {
        "onScan": [
            {
                "action": "PSActionIncrementValue",
                "targetPath": "structure_headerFields_points_value",
                "amount": 1,
            },
            {
                "action": "PSActionSetValue",
                "targetPath": "psScanText",
                "value": "{structure_headerFields_points_value} points",
            },
        ]
    },
    "barcode_policy": "handle",
}


async def welcome(data: Path, base_url: str, context: Context, say: Callable[[str], None]) -> None:
    """Make the demo unless it is there, then say where everything is."""
    record = data / "demo.json"
    if record.exists():
        demo = json.loads(record.read_text()) | {"base_url": base_url}
        _write_environment(data, demo)
        say(f"\nPasswright is running at {base_url}")
        say(f"  documentation  {base_url}/docs")
        say(f"  the demo pass  {base_url}/p/{demo['pass_handle']}")
        say(f"  what was made on the first run is in {record}")
        say(f"  what commands in the documentation name  {_sourcing(data)}")
        return
    account, key = await context.accounts.create("Demo", "Passwright Coffee")
    email, password = f"demo-{secrets.token_hex(4)}@localhost", secrets.token_urlsafe(12)
    account = await context.logins.change(
        account.account_id, LoginChange(email=email, password=password)
    )
    root = data / "development_root.pem"
    root.write_bytes(await context.accounts.root_pem())
    google_key = data / "development_google.pem"
    issuer, public_key = await context.google_issuers.develop(account.account_id)
    google_key.write_bytes(public_key)
    async with aiohttp.ClientSession(base_url, headers={"X-API-Key": key}) as session:
        images = {name: await _upload(session, name) for name in IMAGES}
        template = await _post(session, "/v1/templates", TEMPLATE | {"images": images})
        await _send(session, "PUT", "/v1/members/ada", {"name": "Ada Lovelace", "tier": "Bronze"})
        issued = await _post(
            session,
            "/v1/passes",
            {"template_id": template["template_id"], "member_id": "ada", "values": {}},
        )
        save_url = await _want_at_google(session, issued["handle"])
        things = await _make_things(session, template["template_id"])
        things |= await _make_link(session, template["template_id"])
        things |= await _make_model(session, context, account.account_id)
        things |= await _make_styles(session)
        bearer = await _read_bearer(session, issued["handle"])
    demo = {
        "base_url": base_url,
        "account_id": str(account.account_id),
        "api_key": key,
        "template_id": template["template_id"],
        "pass_handle": issued["handle"],
        "development_root": str(root.resolve()),
        "google_issuer_id": issuer.issuer_id,
        "google_public_key": str(google_key.resolve()),
        "google_save_url": save_url,
        "email": email,
        "password": password,
        "client_hash": context.logins.client_hash(account),
        "template_hash": template_hash(
            context.master_keys, account.account_id, UUID(template["template_id"])
        ),
        "handle": issued["handle"],
        "member_id": "ada",
        "wallet": "apple",
        "revision": "1",
        "sha256": images["logo"],
        "file": str(files("services") / "demo_images" / "logo.png"),
        "rows": str(ROWS),
        "device": secrets.token_hex(16),
        **_make_certificate(),
        "service_account": b64encode(make_key_file()).decode(),
        **things,
        **bearer,
    }
    _write_environment(data, demo)
    write_private(record, json.dumps(demo, indent=2) + "\n")
    _introduce(demo, _sourcing(data), say)


def _introduce(demo: dict[str, str], sourcing: str, say: Callable[[str], None]) -> None:
    base_url, key, handle = demo["base_url"], demo["api_key"], demo["pass_handle"]
    say(
        f"""
Passwright is running at {base_url}
  documentation   {base_url}/docs
  the demo pass   {base_url}/p/{handle}
  its file        {base_url}/p/{handle}.pkpass
  API key         {key}
                  (shown once; also in demo.json, which only you can read)

No Apple certificate is here yet, so passes are signed by a development identity: a phone will not
accept them, every tool will, against {demo["development_root"]}

No Google Wallet issuer is here yet, so the demo has a development issuer: nothing of it is sent to
Google, and its save links, as google_save_url in demo.json, are signed with a key of our own.

Three things to try:

  curl -X POST -H 'X-API-Key: {key}' {base_url}/v1/passes/{handle}/scan

  curl -X PUT -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \\
       -d '{{"name": "Ada Lovelace", "tier": "Gold"}}' {base_url}/v1/members/ada

  curl -H 'X-API-Key: {key}' {base_url}/v1/passes/{handle}/timeline

All commands in the documentation run as they are printed there, after

  {sourcing}

Ctrl-C ends it; running it again finds everything as it was."""
    )


async def _make_things(session: aiohttp.ClientSession, template_id: str) -> dict[str, str]:
    """Make one of each other thing that commands name, none of which does anything by itself."""
    key = await _post(session, "/v1/keys", {"name": "to try out", "scopes": ["passes:read"]})
    request = await _post(session, "/v1/identities/requests", {"name": "Pass Type ID"})
    webhook = await _post(
        session,
        "/v1/webhooks",
        {
            "url": "https://hooks.example.com/passes",
            "description": "to try out",
            "types": ["pass.deleted"],
            "template_id": template_id,
        },
    )
    job = await _post(session, f"/v1/templates/{template_id}/push", None)
    silver = {"name": "Silver", "brand_colors": {"background_color": "rgb(192, 192, 192)"}}
    style = await _post(session, "/v1/styles", silver)
    rules = [{"style_id": style["style_id"], "min_points": 100}]
    group = await _post(session, "/v1/style-groups", {"name": "Tier colours", "rules": rules})
    batch = await _do_rows(session, "kind=members", ROWS.read_bytes())
    short = await _shorten(session, template_id)
    async with session.get("/v1/identities") as response:
        identity, *_ = (await _read(response))["data"]
    return {
        "key_id": key["key_id"],
        "request_id": request["request_id"],
        "webhook_id": webhook["webhook_id"],
        "job_id": job["job_id"],
        "batch_id": batch["batch_id"],
        "short_key": short,
        "style_id": style["style_id"],
        "style_group_id": group["style_group_id"],
        "identity_id": identity["identity_id"],
    }


async def _make_link(session: aiohttp.ClientSession, template_id: str) -> dict[str, str]:
    """Make a link program, and a link of it for somebody whose clicks all lead to one pass."""
    wanted = {"name": "Welcome", "template_id": template_id, "auto_fill_external_id": "email"}
    program = await _post(session, "/v1/link-programs", wanted)
    program_id = program["program_id"]
    person = {"name": "Percy PassKit", "email": "percy@example.com", "tier": "Silver"}
    wanted = {"external_id": "percy", "member": person, "campaign": "welcome"}
    link = await _post(session, f"/v1/link-programs/{program_id}/links", wanted)
    return {
        "program_id": program_id,
        "link_program_id": program_id,
        "link_url": link["url"],
        "link_data": link["url"].partition("data=")[2],
    }


async def _want_at_google(session: aiohttp.ClientSession, handle: str) -> str:
    """Make a link for Google Wallet; none where what stands for Google does not know the issuer."""
    async with session.post(f"/v1/passes/{handle}/google") as response:
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return ""
        return (await _read(response))["save_url"]


async def _do_rows(session: aiohttp.ClientSession, query: str, rows: bytes) -> dict[str, Any]:
    """Have a list of rows done; gives the batch at its end."""
    headers = {"Content-Type": "text/csv"}
    async with session.post(f"/v1/batches?{query}", data=rows, headers=headers) as response:
        batch = await _read(response)
    while batch["ended_at"] is None:
        await asyncio.sleep(LOOK_SECONDS)
        async with session.get(f"/v1/batches/{batch['batch_id']}") as response:
            batch = await _read(response)
    return batch


async def _shorten(session: aiohttp.ClientSession, template_id: str) -> str:
    """Make a short link; its key."""
    rows = f"{FAVOURITE}\nMocha\n".encode()
    batch = await _do_rows(session, f"kind=links&template_id={template_id}", rows)
    async with session.get(f"/v1/batches/{batch['batch_id']}/result.csv") as response:
        (row,) = csv.DictReader(io.StringIO(await response.text("utf-8-sig")))
    return row["link"].rpartition("/")[2]


async def _make_model(
    session: aiohttp.ClientSession, context: Context, account_id: UUID
) -> dict[str, str]:
    """Make a model and a pass of it, as callers of the Pass2U API have them."""
    images = {name: await _upload(session, name) for name in MODEL_IMAGES}
    async with context.database.work() as work:
        await context.images.name(work, account_id, EXAMPLE_HEX, images["thumbnail@2x"])
    model = await _post(session, "/v1/templates", MODEL | {"images": images})
    model_id = str(model["model_id"])
    issued = await _post(session, f"/v2/models/{model_id}/passes", MEMBER)
    return {"pass2u_model_id": model_id, "pass2u_pass_id": issued["passId"]}


async def _make_styles(session: aiohttp.ClientSession) -> dict[str, str]:
    """Make styles and groups, as callers of WalletPass.ai's API have them; one of each is spare."""
    styles = [
        await _create(session, "pass-styles", {"name": name, "brand_colors": colours})
        for name, colours in COLOURS.items()
    ]
    groups = [
        await _create(session, "style-groups", {"name": name, "rules": rules})
        for name, rules in (
            ("Tier colours", _rules(styles[0], styles[1])),
            ("Spare", _rules(styles[0])),
        )
    ]
    # Of members of this account passes may be linked without a key, as WalletPass.ai's demo does.
    await _send(session, "PATCH", "/v1/account", {"keyless_links": True})
    names = (
        "pass_style_id",
        "silver_style_id",
        "spare_style_id",
        "tier_group_id",
        "spare_group_id",
    )
    return dict(zip(names, (*styles, *groups), strict=True))


def _rules(*styles: str) -> list[dict[str, Any]]:
    return [
        {"pass_style_id": style, "min_points": number * 101}
        for number, style in reversed(list(enumerate(styles)))
    ]


async def _create(session: aiohttp.ClientSession, kind: str, body: dict[str, Any]) -> str:
    return (await _post(session, f"/walletpass/v1/{kind}", body))["data"]["id"]


def _make_certificate() -> dict[str, str]:
    """Make a .p12 file as Apple's certificates come in, for a pass type of nobody."""
    authority = DevelopmentAuthority.create(clock.now())
    identity = authority.issue("pass.com.example.demo", "DEMO123456", "Demo", clock.now())
    password = secrets.token_urlsafe(12)
    file = pkcs12.serialize_key_and_certificates(
        b"demo",
        identity.private_key,
        identity.certificate,
        list(identity.intermediates),
        BestAvailableEncryption(password.encode()),
    )
    return {"p12": b64encode(file).decode(), "p12_password": password}


async def _read_bearer(session: aiohttp.ClientSession, handle: str) -> dict[str, str]:
    """Read from the file of a pass what a phone shows to Apple's web service."""
    async with session.get(f"/p/{handle}.pkpass", raise_for_status=True) as response:
        file = ZipFile(BytesIO(await response.read()))
    content = json.loads(file.read("pass.json"))
    return {
        "pass_type": content["passTypeIdentifier"],
        "serial_number": content["serialNumber"],
        "authentication_token": content["authenticationToken"],
    }


def _sourcing(data: Path) -> str:
    """Write the command that tells a shell what the demo is made of."""
    return f". {shlex.quote(str(data / ENVIRONMENT))}"


def _write_environment(data: Path, demo: dict[str, str]) -> None:
    known = demo | {"passwright_url": demo["base_url"], "passwright_key": demo["api_key"]}
    lines = [f"{name.upper()}={shlex.quote(value)}" for name, value in known.items()]
    write_private(data / ENVIRONMENT, "\n".join(lines) + "\n")


async def _upload(session: aiohttp.ClientSession, name: str) -> str:
    png = (files("services") / "demo_images" / f"{name}.png").read_bytes()
    async with session.post(
        "/v1/images", data=png, headers={"Content-Type": "image/png"}, raise_for_status=True
    ) as response:
        return (await response.json())["sha256"]


async def _post(
    session: aiohttp.ClientSession, path: str, body: dict[str, Any] | None
) -> dict[str, Any]:
    async with session.post(path, json=body) as response:
        return await _read(response)


async def _send(
    session: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any]
) -> dict[str, Any]:
    async with session.request(method, path, json=body) as response:
        return await _read(response)


async def _read(response: aiohttp.ClientResponse) -> dict[str, Any]:
    if not response.ok:
        raise RuntimeError(f"{response.url.path}: {response.status} {await response.text()}")
    return await response.json()
