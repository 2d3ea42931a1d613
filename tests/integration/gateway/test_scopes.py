"""Scopes hold on every operation: a key does what it names and nothing else."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.gateway.domain import EVERY_SCOPE, SCOPES
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.test_templates import a_card

LOGIN = {"email": "nobody@beans.example", "password": "a long password"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give method, an address and the scope of every operation that needs one."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "x-scope" in operation:
                yield method.upper(), re.sub(r"\{[^}]*\}", "1", path), operation["x-scope"]


async def test_every_address_names_its_own_methods(gateway: Gateway):
    document = (await gateway.call("GET", "/openapi.json")).json
    examples = {"{sha256}": "0" * 64, "{page}": "create", "{function}": "login"}

    for path, item in document["paths"].items():
        for parameter, example in examples.items():
            path = path.replace(parameter, example)  # noqa: PLW2901  the address
        address = re.sub(r"\{[^}]*\}", "1", path)
        answer = await gateway.call("PROPFIND", address)
        named = {name.strip() for name in answer.headers["allow"].split(",")} - {"HEAD"}

        assert (path, answer.status, named) == (path, 405, {m.upper() for m in item} - {"HEAD"})


async def test_every_operation_refuses_every_key_without_its_scope(
    gateway: Gateway, an_account: AnAccount
):
    document = (await gateway.call("GET", "/openapi.json")).json
    keys = {scope: await an_account.with_scopes(scope) for scope in SCOPES if scope != EVERY_SCOPE}

    let_in = [
        (method, address, scope)
        for method, address, needed in operations(document)
        for scope, key in keys.items()
        if scope != needed and (await key.call(method, address)).status != 403
    ]

    assert len(list(operations(document))) > 40
    assert let_in == []


@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != EVERY_SCOPE])
async def test_no_single_scope_leads_to_a_greater_key(an_account: AnAccount, scope: str):
    greater = {"name": "all", "scopes": [EVERY_SCOPE]}
    made = await an_account.call("POST", "/v1/keys", greater, key="made")
    rotate = f"/v1/keys/{made.json['key_id']}/rotate"
    await an_account.call("POST", rotate, {}, key="rotated")
    managed = {"name": "x", "organization_name": "x"}
    await an_account.call("POST", "/v1/accounts", managed, key="managed")
    lesser = await an_account.with_scopes(scope)

    answers = [
        await lesser.call("POST", "/v1/keys", greater),
        await lesser.call("POST", "/v1/keys", greater, key="made"),
        await lesser.call("POST", rotate, {}),
        await lesser.call("POST", rotate, {}, key="rotated"),
        await lesser.call("POST", "/v1/accounts", managed, key="managed"),
        await lesser.call("PATCH", "/v1/account", LOGIN),
    ]

    assert [answer.status for answer in answers] == [403] * len(answers)
    assert not any(b"pw_" in answer.content for answer in answers)


SHOWING: dict[str, Any] = {
    "a client hash": "{clientHash}",
    "an address with one": "Edit at {psEditorURL}",
    "a member's address": "For {member_email}",
    "a client hash, through another text": "See {hidden}",
}


@pytest.mark.parametrize("text", SHOWING.values(), ids=SHOWING.keys())
async def test_template_by_a_lesser_key_shows_no_more_than_the_key_sees(
    an_account: AnAccount, text: str
):
    lesser = await an_account.with_scopes("templates:write")
    plain = a_card(properties={"hidden": "{clientHash}", "shown": ""})
    showing = a_card(properties={"hidden": "{clientHash}", "shown": text})
    saved = await an_account.call("POST", "/v1/templates", plain)
    address = f"/v1/templates/{saved.json['template_id']}"

    new = await lesser.call("POST", "/v1/templates", showing)
    changed = await lesser.call("PUT", address, showing)
    as_it_was = await lesser.call("PUT", address, {**plain, "name": "Another name"})
    by_all = await an_account.call("PUT", address, showing)
    afterwards = await lesser.call("PUT", address, {**showing, "name": "A third"})

    assert [(a.status, a.code) for a in (new, changed)] == [(403, "text_not_allowed")] * 2
    assert "/properties/shown" in changed.faults
    assert [a.status for a in (as_it_was, by_all, afterwards)] == [200] * 3


async def test_template_may_name_members_with_the_right_to_read_them(an_account: AnAccount):
    lesser = await an_account.with_scopes("templates:write", "members:read")

    saved = await lesser.call("POST", "/v1/templates", a_card(properties={"x": "{member_email}"}))

    assert saved.status == 201
