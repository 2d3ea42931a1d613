"""A client hash in a text: it follows the account's credentials."""

import secrets
from typing import Any

from tests.e2e.test_journeys import a_pass, download, post, template_body
from tests.system import System, poll


async def test_a_client_hash_in_a_text_is_the_present_one(system: System):
    async with system.session() as session:
        made = await post(
            session, "/v1/accounts", {"name": "Hashes", "organization_name": "Hashes"}, expect=201
        )
    async with system.session(made["key"]) as session:
        email = f"hash-{secrets.token_hex(4)}@example.com"
        login = {"email": email, "password": "correct horse battery"}
        async with session.patch("/v1/account", json=login) as response:
            assert response.status == 200, await response.text()
        async with session.get("/api/login.php", params=login) as response:
            client_hash = (await response.json(content_type=None))["clientHash"]
        body = template_body()
        body["properties"]["psInformationURL"] = "{psEditorURL}"
        body["pass"]["storeCard"]["backFields"] = [{"key": "edit", "value": "{clientHash}"}]
        template = (await post(session, "/v1/templates", body, expect=201))["template_id"]
        handle = await a_pass(session, template)

        async def told() -> bool:
            scanned = await post(session, f"/v1/passes/{handle}/scan")
            return client_hash in scanned["information_url"]

        await poll(told, "the present client hash")
        first = await file_of(session, handle)
        change = {"password": "another password", "current_password": login["password"]}
        async with session.patch("/v1/account", json=change) as response:
            assert response.status == 200, await response.text()

        async def is_new() -> bool:
            return await file_of(session, handle) != first

        await poll(is_new, "a download without the dead client hash, though nothing happened")


async def file_of(session: Any, handle: str) -> bytes:
    return (await download(session, handle))["pass.json"]
