"""What a key writes into a pass shows no more than the key itself may see."""

import secrets
from dataclasses import dataclass

import aiohttp
import pytest

from tests.e2e.test_journeys import a_pass, download, patch, post, template_body
from tests.system import System

FIELD = "structure_backFields_note_value"
BOTH = "{clientHash} {member_email}"
TEXTS = (BOTH, "{hidden}", "{psEditorURL}", "{hidden:URLEncoded}")
EMAIL = "eve@secret.example"
LESSER = ("passes:write", "scans:write")


@dataclass
class Issuer:
    """An account with a login, a member, and a template in which both are hidden."""

    system: System
    key: str
    client_hash: str
    template_id: str

    async def key_with(self, *scopes: str) -> str:
        async with self.system.session(self.key) as session:
            new = {"name": "less", "scopes": list(scopes)}
            return (await post(session, "/v1/keys", new, expect=201))["key"]

    def seen_in(self, content: bytes) -> tuple[bool, bool]:
        """Whether the client hash and the member's address are in a file."""
        return self.client_hash.encode() in content, EMAIL.encode() in content


@pytest.fixture
async def issuer(system: System) -> Issuer:
    async with system.session() as session:
        owner = {"name": "Scopes", "organization_name": "Scopes"}
        key = (await post(session, "/v1/accounts", owner, expect=201))["key"]
    email = f"owner-{secrets.token_hex(4)}@beans.example"
    login = {"email": email, "password": "correct horse battery"}
    body = template_body()
    body["properties"] |= {"hidden": BOTH, "actions": ""}
    body["pass"]["storeCard"]["backFields"] = [{"key": "note", "value": "", "changeMessage": "%@"}]
    run = {"action": "PSActionExecuteTriggers", "targetPath": "actions"}
    body["triggers"] = {"onScan": run}
    async with system.session(key) as session:
        async with session.patch("/v1/account", json=login) as response:
            assert response.status == 200, await response.text()
        async with session.get("/api/login.php", params=login) as response:
            client_hash = (await response.json(content_type=None))["clientHash"]
        member = {"member_id": "eve", "name": "Eve", "email": EMAIL}
        await post(session, "/v1/members", member, expect=201)
        template_id = (await post(session, "/v1/templates", body, expect=201))["template_id"]
    return Issuer(system, key, client_hash, template_id)


async def test_values_that_a_key_writes_show_what_the_key_may_see(issuer: Issuer):
    keys = {
        (True, True): issuer.key,
        (False, True): await issuer.key_with("passes:write", "members:read"),
        (False, False): await issuer.key_with("passes:write"),
    }

    for expected, key in keys.items():
        async with issuer.system.session(key) as session:
            for text in (BOTH, "{hidden}"):
                handle = await a_pass(session, issuer.template_id, "eve", {FIELD: text})
                assert issuer.seen_in(await file_of(session, handle)) == expected


async def test_no_way_to_write_a_value_brings_out_more(issuer: Issuer):
    shown: list[bytes] = []
    async with issuer.system.session(await issuer.key_with(*LESSER)) as session:
        rows = [{"member_id": "eve", "values": {FIELD: text}} for text in TEXTS]
        many = {"template_id": issuer.template_id, "passes": rows}
        issued = (await post(session, "/v1/passes", many, expect=201))["passes"]
        shown += [await file_of(session, row["handle"]) for row in issued]
        handle = await a_pass(session, issuer.template_id, "eve")
        for text in TEXTS:
            await patch(session, f"/v1/passes/{handle}", {"values": {FIELD: text}})
            shown.append(await file_of(session, handle))
        rule = {"action": "PSActionSetValue", "targetPath": FIELD, "value": "{hidden}"}
        await patch(session, f"/v1/passes/{handle}", {"values": {FIELD: "", "actions": [rule]}})
        await post(session, f"/v1/passes/{handle}/scan")
        shown.append(await file_of(session, handle))
        news = {"handle": handle, "text": f"{{hidden}} {BOTH}", "field": "note"}
        await post(session, "/v1/messages", news, expect=202)
        shown.append(await file_of(session, handle))
        to_all = {"template_id": issuer.template_id, "text": "{clientHash}", "field": "note"}
        refused = await post(session, "/v1/messages", to_all, expect=403)

    assert [issuer.seen_in(content) for content in shown] == [(False, False)] * len(shown)
    assert refused["code"] == "text_not_allowed"


async def test_what_others_wrote_stays_as_it_is_when_a_lesser_key_sends_it_back(issuer: Issuer):
    async with issuer.system.session(issuer.key) as session:
        handle = await a_pass(session, issuer.template_id, "eve", {FIELD: BOTH})
    async with issuer.system.session(await issuer.key_with("passes:write")) as session:
        back = {"values": {FIELD: BOTH, "number": "5"}}
        await patch(session, f"/v1/passes/{handle}", back)
        content = await file_of(session, handle)

    assert issuer.seen_in(content) == (True, True)


async def file_of(session: aiohttp.ClientSession, handle: str) -> bytes:
    return (await download(session, handle))["pass.json"]
