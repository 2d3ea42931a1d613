"""Promise 25: with whatever names of another account, nobody reads or changes what it has."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from services.gateway.routes.passsource.api import FUNCTIONS, STREAMS
from shared.http.schema_view import SchemaView
from shared.passes.schema.values import is_object
from tests.e2e.passsource import log_in_as
from tests.e2e.test_journeys import POINTS, STORE_CARD, download, get, post, send, template_body
from tests.integration.gateway.samples import a_png
from tests.integration.gateway.test_scopes import operations
from tests.promises.conftest import Figure
from tests.system import System, poll

Things = Mapping[str, str]
"""What an account has, by the name that paths, queries and bodies have for it."""

PUBLIC: Final = frozenset(
    {
        "show_development_root",
        "fetch_image",
        "download_passes",
        "download_pass",
        "show_pass",
        "keep_device_logs",
        "list_updated_passes",
        "open_link",
        "post_link",
    }
)
"""Whoever knows the name that they take may call these; there is no account to be another's."""
NAMELESS: Final = frozenset({"login", "logout", "clientInfo"})
"""Functions of PassSource that name nothing."""
OF_ANYBODY: Final = frozenset({"createPassFromTemplateFields", "imageForName"})
"""Functions that do their work for whoever has the link."""
CHOSEN: Final = frozenset(
    {"member_id", "external_id", "email", "revision", "device", "pass_type", "after"}
)
"""Names that accounts choose, or count: another account may have the same."""
FORM: Final = {
    "accessType": "onScan",
    "image": "icon",
    "templateName": "Mine",
    "passConstructor": '{"description": "Mine", "generic": {}}',
}


@dataclass(frozen=True)
class Owner:
    """An account with one of everything, in each of which is a word that only it has."""

    key: str
    word: str
    things: dict[str, str]

    @property
    def secrets(self) -> set[str]:
        """What only this account may see."""
        return {self.word, *(v for n, v in self.things.items() if n not in CHOSEN)}


async def an_owner(system: System, http: aiohttp.ClientSession) -> Owner:
    word = secrets.token_hex(8)
    names = {"name": f"Name {word}", "organization_name": f"Shop {word}"}
    made = await send(http, "POST", "/v1/accounts", names, 201, {"X-API-Key": system.api_key})
    things = {"account_id": made["account_id"], "revision": "1", "device": f"{word}device"}
    api = await log_in_as(http, made["key"])
    things["client_hash"] = api.client_hash
    things["email"] = f"ada@{word}.example"
    async with system.session(made["key"]) as session:
        png = a_png(f"#{word[:6]}")
        async with session.post(
            "/v1/images", data=png, headers={"Content-Type": "image/png"}
        ) as response:
            things["sha256"] = (await response.json())["sha256"]
        template = template_body({**STORE_CARD, "description": word})
        template |= {"name": word, "images": {"icon": things["sha256"]}}
        things["template_id"] = (await post(session, "/v1/templates", template, 201))["template_id"]
        member = {"member_id": f"m-{word}", "name": word, "email": things["email"]}
        member["external_id"] = things["external_id"] = f"e-{word}"
        things["member_id"] = (await post(session, "/v1/members", member, 201))["member_id"]
        await post(session, f"/v1/members/m-{word}/points", {"delta": 5, "reason": word}, 201)
        order = {"template_id": things["template_id"], "member_id": things["member_id"]}
        issued = await post(session, "/v1/passes", order | {"values": {"number": word}}, 201)
        things["handle"] = issued["handle"]
        await post(session, f"/v1/passes/{issued['handle']}/scan")
        style = await post(session, "/v1/styles", {"name": word}, 201)
        things["style_id"] = style["style_id"]
        group = {"name": word, "rules": [{"style_id": style["style_id"], "min_points": 0}]}
        things["style_group_id"] = (await post(session, "/v1/style-groups", group, 201))[
            "style_group_id"
        ]
        key = {"name": word, "scopes": ["passes:read"]}
        things["key_id"] = (await post(session, "/v1/keys", key, 201))["key_id"]
        request = await post(session, "/v1/identities/requests", {"name": word}, 201)
        things["request_id"] = request["request_id"]
        hook: dict[str, Any] = {"url": f"https://hooks.example/{word}", "description": word}
        hook["types"] = ["pass.deleted"]  # so that nothing is on its way there
        things["webhook_id"] = (await post(session, "/v1/webhooks", hook, 201))["webhook_id"]
        job = f"/v1/templates/{things['template_id']}/push"
        things["job_id"] = (await post(session, job, None, 202))["job_id"]
        things["identity_id"] = (await get(session, "/v1/identities"))["data"][0]["identity_id"]
        document = json.loads((await download(session, issued["handle"]))["pass.json"])
        things["after"] = (await get(session, "/v1/events?limit=1"))["next_cursor"]
    things["pass_type"] = document["passTypeIdentifier"]
    things["serial_number"] = document["serialNumber"]
    things["authentication_token"] = document["authenticationToken"]
    listed = await api.do("templates")
    things["template_hash"] = listed["templates"][0]["templateHash"]
    address = f"/wallet/v1/devices/{things['device']}/registrations/{things['pass_type']}"
    token = {"Authorization": f"ApplePass {things['authentication_token']}"}
    await send(
        http, "POST", f"{address}/{things['serial_number']}", {"pushToken": "ab" * 32}, 201, token
    )
    return Owner(made["key"], word, things)


@pytest.fixture
async def http(system: System) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(system.base_url) as session:
        yield session


@dataclass(frozen=True)
class Attempt:
    """A request of one account that names things of another."""

    operation: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    in_path: frozenset[str]
    in_body: frozenset[str]
    """What of the other's is named there."""


def attempts(document: dict[str, Any], mine: Things, others: Things) -> Iterator[Attempt]:
    """Write each operation with another's things everywhere, in its address, and in its body."""
    view = SchemaView(document)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name = operation["operationId"]
            if name in PUBLIC or path.startswith("/api/"):
                continue
            parameters = operation.get("parameters", [])
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            for in_path, in_query, in_body in CHOICES:
                used: set[str] = set()
                in_text: set[str] = set()
                address = path
                for one in parameters:
                    if one["in"] == "path":
                        value = chosen(one["name"], mine, others, used, is_others=in_path)
                        address = address.replace(f"{{{one['name']}}}", quote(value, safe=""))
                query = {
                    one["name"]: (others if in_query else mine)[one["name"]]
                    for one in parameters
                    if one["in"] == "query" and one["name"] in others
                }
                body = None
                if schema is not None:
                    body = filled(view.example(schema), mine, others, in_text, is_others=in_body)
                    body |= filled(
                        fields(document, schema), mine, others, in_text, is_others=in_body
                    )
                yield Attempt(
                    name,
                    method.upper(),
                    address,
                    query,
                    body,
                    frozenset(used - CHOSEN),
                    frozenset(in_text - CHOSEN),
                )


CHOICES: Final = (
    (True, True, True),
    (True, False, False),
    (False, True, False),
    (False, False, True),
)
"""Where the other's things stand: in the path, in the query, in the body."""


def chosen(name: str, mine: Things, others: Things, used: set[str], *, is_others: bool) -> str:
    if is_others:
        used.add(name)
    return (others if is_others else mine)[name]


def fields(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Name the fields of a body that take names of things, whether its example has them or not."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    given = schema.get("properties", {})
    return {name: "" for name in given if name in IDS}


IDS: Final = frozenset({"template_id", "handle", "member_id", "identity_id"})


def filled(value: Any, mine: Things, others: Things, used: set[str], *, is_others: bool) -> Any:
    if is_object(value):
        return {
            name: chosen(name, mine, others, used, is_others=is_others)
            if name in IDS
            else filled(inner, mine, others, used, is_others=is_others)
            for name, inner in value.items()
        }
    return value


async def test_every_operation_with_another_accounts_names_gives_and_changes_nothing(
    system: System, http: aiohttp.ClientSession, figure: Figure
):
    me, other = await an_owner(system, http), await an_owner(system, http)
    before = await settled(system, other)
    assert other.word in before
    document = await (await http.get("/openapi.json")).json()
    tried = refused = 0
    seen: set[str] = set()
    for attempt in attempts(document, me.things, other.things):
        status, content = await ask(system, http, me, attempt)
        tried, refused = tried + 1, refused + (status >= 400)
        seen.add(attempt.operation)
        sent = json.dumps([attempt.path, attempt.query, attempt.body])
        shown = {word for word in other.secrets if word in content and word not in sent}
        assert shown == set(), (attempt, status, content[:500])
        if attempt.in_path or attempt.in_body:
            assert 400 <= status < 500, (attempt, status, content[:500])
        if attempt.method == "DELETE" and status < 400:
            me = await an_owner(system, http)  # what it had is deleted
    scoped = {(method, address) for method, address, _ in operations(document)}

    assert len(seen) >= len(scoped)
    assert await all_of(system, other) == before
    figure(f"{tried} requests of {len(seen)} operations, {refused} of them refused: nothing shown")


async def ask(
    system: System, http: aiohttp.ClientSession, me: Owner, attempt: Attempt
) -> tuple[int, str]:
    headers = {"X-API-Key": me.key}
    if attempt.path.startswith("/wallet/"):
        headers = {"Authorization": f"ApplePass {me.things['authentication_token']}"}
    data: Any = None
    if attempt.operation == "upload_image":
        headers["Content-Type"], data = "image/png", a_png("#123456")
    url = URL(attempt.path, encoded=True).with_query(attempt.query)
    async with http.request(
        attempt.method, url, json=attempt.body, data=data, headers=headers
    ) as response:
        content = (await response.read()).decode(errors="replace")
        assert response.status < 500, (attempt, content)
        return response.status, content


async def test_every_function_of_passsource_with_another_accounts_hashes_gives_nothing(
    system: System, http: aiohttp.ClientSession, figure: Figure
):
    me, other = await an_owner(system, http), await an_owner(system, http)
    before = await settled(system, other)
    names = [name for name in (*FUNCTIONS, *STREAMS) if name not in NAMELESS | OF_ANYBODY]
    mine, theirs = me.things, other.things
    named = [
        {"templateHash": theirs["template_hash"]},
        {"hashedSerialNumber": theirs["handle"]},
        {"templateHash": mine["template_hash"], "hashedSerialNumber": theirs["handle"]},
        {"templateHash": theirs["template_hash"], "hashedSerialNumber": mine["handle"]},
        {"templateHash": theirs["template_hash"], "templateId": theirs["template_id"]},
        {"hashedSerialNumber": theirs["handle"], "clientHash": ""},
    ]
    tried = 0
    for name in names:
        for hashes in named:
            query = {"clientHash": mine["client_hash"]} | hashes
            for method in ("GET", "POST"):
                form = {**FORM, POINTS: "99", "number": "99"}
                is_get = method == "GET"
                async with http.request(
                    method,
                    f"/api/{name}.php",
                    params=query | form if is_get else query,
                    data=None if is_get else form,
                ) as response:
                    content = await response.text()
                    assert response.status == 200, content
                sent = json.dumps(query)
                shown = {word for word in other.secrets if word in content and word not in sent}
                assert shown == set(), (name, hashes, content)
                tried += 1
    query = {"clientHash": mine["client_hash"], "templateHash": theirs["template_hash"]}
    async with http.get("/pass/export.php", params=query) as response:
        assert response.status == 403

    assert await all_of(system, other) == before
    figure(f"{tried} calls of {len(names)} functions of PassSource: nothing shown or changed")


async def test_pages_of_lists_and_keys_of_requests_are_each_accounts_own(
    system: System, http: aiohttp.ClientSession
):
    me, other = await an_owner(system, http), await an_owner(system, http)
    document = await (await http.get("/openapi.json")).json()
    lists = [
        path
        for path, item in document["paths"].items()
        if "{" not in path
        and "cursor" in {p["name"] for p in item.get("get", {}).get("parameters", [])}
    ]
    async with system.session(me.key) as mine, system.session(other.key) as theirs:
        again: dict[str, Any] = {"template_id": other.things["template_id"], "passes": [{}, {}]}
        await post(theirs, "/v1/passes", again, 201)
        for path in lists:
            cursor = (await get(theirs, f"{path}?limit=1"))["next_cursor"]
            if cursor:
                page = await get(mine, f"{path}?limit=100&cursor={quote(cursor)}")
                assert not [word for word in other.secrets if word in json.dumps(page)], path
        key = {"Idempotency-Key": secrets.token_hex(8)}
        new = {"name": "the same", "scopes": ["passes:read"]}
        first = await post(theirs, "/v1/keys", new, 201, key)
        second = await post(mine, "/v1/keys", new, 201, key)

    assert len(lists) > 5
    assert first["key"] != second["key"]


async def all_of(system: System, owner: Owner) -> str:
    """Read all that an account has, as it sees it."""
    things = owner.things
    handle, template, member = things["handle"], things["template_id"], things["member_id"]
    paths = [
        "/v1/account", "/v1/accounts", "/v1/keys", "/v1/templates", f"/v1/templates/{template}",
        f"/v1/templates/{template}/revisions", f"/v1/templates/{template}/statistics",
        "/v1/identities", "/v1/identities/requests", "/v1/passes", f"/v1/passes/{handle}",
        "/v1/push-jobs", "/v1/members", f"/v1/members/{member}/points", "/v1/webhooks",
        f"/v1/webhooks/{things['webhook_id']}/deliveries", "/v1/events",
    ]  # fmt: skip
    async with system.session(owner.key) as session:
        return json.dumps([await get(session, path) for path in paths], sort_keys=True)


async def settled(system: System, owner: Owner) -> str:
    """Do the same when what was just made has reached its end."""
    found = [await all_of(system, owner)]

    async def is_quiet() -> bool:
        await asyncio.sleep(1)
        found.append(await all_of(system, owner))
        return found[-1] == found[-2]

    await poll(is_quiet, "quiet account")
    return found[-1]
