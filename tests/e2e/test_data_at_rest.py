"""What rests in tables, logs and metrics: no secret at any time, no person after the deletion."""

import asyncio
import json
import secrets
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from services.generator.renderers.blanks import Blank
from shared.sealing import MasterKeys
from tests.apple import PushServer
from tests.e2e.passsource import log_in
from tests.e2e.phones import a_phone, hold, link, set_points
from tests.e2e.test_journeys import (
    STORE_CARD,
    a_pass,
    download,
    get,
    post,
    put,
    send,
    template_body,
)
from tests.partner import Partner
from tests.system import System, poll, run_command, start_embedded
from tests.wallet.fleet import Fleet, open_fleet

SCHEMAS = ("gateway", "member", "triggers", "generator", "notifier", "messaging")

KEPT = frozenset({"member.members", "triggers.members", "member.points_entries", "triggers.runs",
                  "generator.passes", "generator.apple_contents", "member.outbox",
                  "triggers.outbox", "messaging.messages"})  # fmt: skip
"""Where a living member's values stand: as state, or in facts on their way."""

PACKED = """
    SELECT c.files, b.blank_id, b.files AS blank
    FROM generator.apple_contents c
    JOIN generator.blanks b USING (blank_id)
    """

Places = dict[str, list[str]]
"""What a value is called \u2192 the tables, logs and metrics where it stands."""


@dataclass
class Person:
    """A member; who it is tells each of its values, but for the tier, and each is like no other."""

    member_id: str
    fields: dict[str, str]
    reason: str

    @property
    def values(self) -> dict[str, str]:
        personal = {name: text for name, text in self.fields.items() if name != "tier"}
        return {**personal, "reason": self.reason}


async def test_no_secret_stands_unsealed_anywhere_at_any_time(
    system: System, fleet: Fleet, partner: Partner
):
    known: dict[str, str] = {}
    async with system.session() as session:
        template = (await post(session, "/v1/templates", greeting(), expect=201))["template_id"]
        hook = await post(
            session, "/v1/webhooks", {"url": partner.url, "template_id": template}, expect=201
        )
        partner.secret = known["webhook secret"] = hook["secret"]
        rotated = await post(
            session, f"/v1/webhooks/{hook['webhook_id']}/rotate-secret", {"grace": 60}
        )
        known["rotated secret"] = rotated["secret"]
        api_key = await post(
            session, "/v1/keys", {"name": "till", "scopes": ["passes:read"]}, expect=201
        )
        known["API key"] = api_key["key"]
        known["certificate password"] = secrets.token_urlsafe(20)
        await post(
            session,
            "/v1/identities",
            {"p12": "AAAA", "password": known["certificate password"]},
            expect=422,
        )
        [phone] = fleet.add()
        held = await hold(system, session, phone, template)
        known |= {"pass token": held.card.token, "push token": phone.push_token}
        known["device id"] = phone.device_id
        await set_points(session, held.handle, 12)
        await fleet.until_newest({held.serial: 12})
        phone.push_token = known["next push token"] = secrets.token_hex(32)
        await held.ask("register")
        await held.ask("fetch", token="0" * 64)
        shop = await log_in(system, session)
        known |= {"client hash": shop.client_hash, "password": shop.password}
        known["passcode"] = secrets.token_urlsafe(20)
        known["wrong passcode"] = f"not {known['passcode'][::-1]}"
        await set_passcode(session, template, held.handle, known["passcode"])
        assert await try_passcode(system, held.handle, known["wrong passcode"]) == 403
        assert await try_passcode(system, held.handle, known["passcode"]) == 303

    assert await places(system, known) == {}


async def test_nothing_of_a_deleted_member_is_left(system: System, partner: Partner):
    person = a_person()
    async with system.session() as session:
        template = (await post(session, "/v1/templates", greeting(calls=partner.url), expect=201))[
            "template_id"
        ]
        hook = await post(
            session, "/v1/webhooks", {"url": partner.url, "template_id": template}, expect=201
        )
        partner.secret = hook["secret"]
        handle = await a_busy_member(system, session, template, person)
        before = await places(system, person.values)
        stray = {place for found in before.values() for place in found} - KEPT

        async with session.delete(f"/v1/members/{person.member_id}") as response:
            assert response.status == 204

        async def is_forgotten() -> bool:
            return await places(system, person.values) == {}

        try:
            await poll(is_forgotten, "end of all that was known", seconds=40)
        except AssertionError:
            assert await places(system, person.values) == {}
        kept = await get(session, f"/v1/passes/{handle}")

    assert stray == set()
    assert kept["handle"] == handle


async def test_all_works_by_a_new_master_key_alone_once_all_is_sealed_anew(
    tmp_path: Path, partner: Partner
):
    old, new = MasterKeys.generate_text(), MasterKeys.generate_text()
    tmp_path.chmod(0o755)
    system = await start_embedded(tmp_path, PushServer(""), PASSWRIGHT_MASTER_KEYS=old)
    assert system.apple is not None
    run = system.processes["run"]
    async with open_fleet(system.root, system.apple) as fleet, system.session() as session:
        template = (await post(session, "/v1/templates", greeting(), expect=201))["template_id"]
        hook = await post(
            session, "/v1/webhooks", {"url": partner.url, "template_id": template}, expect=201
        )
        partner.secret = hook["secret"]
        [phone] = fleet.add()
        held = await hold(system, session, phone, template)
        shop = await log_in(system, session)
        await asyncio.to_thread(run.stop)

        both = {**run.environment, "PASSWRIGHT_MASTER_KEYS": f"{new},{old}"}
        said = await run_command(both, "keys", "reseal")
        again = await run_command(both, "keys", "reseal")
        run.environment["PASSWRIGHT_MASTER_KEYS"] = new
        run.start()
        await system.until_ready()

        await set_points(session, held.handle, 21)
        await fleet.until_newest({held.serial: 21})
        await poll(lambda: "pass.updated" in [e["type"] for e in partner.received], "webhook")
        assert (await held.ask("fetch")).status == 200
        assert (await held.ask("fetch", token="0" * 64)).status == 401
        assert (await shop.ask("clientInfo"))["success"]
        later = await hold(system, session, a_phone(fleet), template)
        stands = await places(system, {"old key": f"v1.{key_id(old)}."})
        await asyncio.to_thread(run.stop)
        await system.apple.stop()

    assert later.points == 0
    assert stands == {}
    assert "notifier.devices.push_token: 1 of 1 sealed anew" in said
    assert " 0 of 1 sealed anew" in again
    assert not [line for line in again.splitlines() if ": 0 of " not in line]


def key_id(key: str) -> str:
    """Name a master key as sealed texts do."""
    return repr(MasterKeys.parse(key)).removeprefix("MasterKeys(").removesuffix(")")


async def a_busy_member(
    system: System, session: aiohttp.ClientSession, template: str, person: Person
) -> str:
    """Let happen to a member, and to a pass of its, what may leave something of it behind."""
    path = f"/v1/members/{person.member_id}"
    key = {"Idempotency-Key": secrets.token_hex(8)}
    await send(session, "PUT", path, person.fields, 201, key)
    await send(session, "PUT", path, person.fields, 201, key)
    await send(session, "PATCH", path, {"tier": person.fields["tier"]}, 200)
    await post(session, f"{path}/points", {"delta": 5, "reason": person.reason}, expect=201)
    handle = await a_pass(session, template, member_id=person.member_id)
    shown = json.loads((await download(session, handle))["pass.json"])
    assert person.fields["name"] in shown["storeCard"]["primaryFields"][0]["value"]
    scanned = await post(session, f"/v1/passes/{handle}/scan", headers=key)
    again = await post(session, f"/v1/passes/{handle}/scan", headers=key)
    assert scanned["scan_text"] == again["scan_text"] == f"Welcome {person.fields['name']}"
    await get(session, f"/v1/passes?email={person.fields['email']}")
    async with session.get(link(system, handle).removesuffix(".pkpass")) as response:
        await response.read()
    return handle


async def set_passcode(
    session: aiohttp.ClientSession, template_id: str, handle: str, passcode: str
) -> None:
    """Give a pass a passcode, as a caller of the Pass2U API does."""
    model = await get(session, f"/v1/templates/{template_id}")
    address = f"/v2/models/{model['model_id']}/passes/{handle}"
    await put(session, address, {"passcode": passcode})


async def try_passcode(system: System, handle: str, passcode: str) -> int:
    """Send the form that stands in place of a pass; the status of the answer."""
    async with (
        aiohttp.ClientSession(system.base_url) as session,
        session.post(
            f"/d/{handle}", data={"passcode": passcode}, allow_redirects=False
        ) as response,
    ):
        return response.status


def a_person() -> Person:
    mark = secrets.token_hex(6)
    return Person(
        f"m-{secrets.token_hex(4)}",
        {
            "name": f"Ada{mark}",
            "email": f"ada.{mark}@example.com",
            "phone": "+" + str(secrets.randbelow(10**15) + 10**15),
            "external_id": f"crm{mark}",
            "tier": f"tier{mark}",
        },
        f"reason{mark}",
    )


def greeting(calls: str | None = None) -> dict[str, Any]:
    """A template that shows a member's values, and perhaps calls a URL with one of them."""
    body = template_body(json.loads(json.dumps(STORE_CARD)))
    body["pass"]["storeCard"]["backFields"] = [
        {"key": "mail", "label": "", "value": "{member_email} {member_external_id}"}
    ]
    body["properties"] |= {
        "psScanText": "Welcome {member_name}",
        "psInformationURL": "https://shop.example/?mail={member_email}",
    }
    if calls is not None:
        url = f"{calls}?mail={{member_email}}"
        body["triggers"] = {"onScan": {"action": "PSActionURL", "url": url}}
    return body


async def places(system: System, values: dict[str, str]) -> Places:
    """Look for values, as text or as hexadecimal bytes, in all tables, logs and metrics."""
    found: defaultdict[str, set[str]] = defaultdict(set)

    def look(text: str, place: str) -> None:
        for name, value in values.items():
            if value in text or value.encode().hex() in text:
                found[name].add(place)

    connection = await asyncpg.connect(system.database_url)
    try:
        tables = await connection.fetch(
            """
            SELECT table_schema, table_name
            FROM information_schema.tables
            WHERE table_schema = ANY($1::text[])
            """,
            list(SCHEMAS),
        )
        for schema, table in tables:
            for row in await connection.fetch(f'SELECT t::text FROM "{schema}"."{table}" AS t'):
                look(row[0], f"{schema}.{table}")
        for row in await connection.fetch(PACKED):
            unpacked = Blank(row["blank_id"], row["blank"]).unpack(row["files"])
            look(b"".join(unpacked).decode(), "generator.apple_contents")
    finally:
        await connection.close()
    for process in system.processes.values():
        look(process.log.read_text(errors="replace"), f"log of {process.name}")
    if port := system.extra.get("health_port"):
        url = f"http://localhost:{port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            look(await response.text(), "metrics")
    return {name: sorted(places) for name, places in found.items()}
