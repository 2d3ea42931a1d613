"""Telling those who have a pass something: one of them, or all, by a job that can be followed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.e2e.passsource import PassSource, log_in_as
from tests.e2e.test_journeys import (
    a_pass,
    download,
    events,
    get,
    post,
    put,
    send,
    template_body,
)
from tests.system import System, poll

NEWS = "structure_backFields_news_value"
INSTALL, REMOVE = "2", "6"


@pytest.fixture
async def account(system: System) -> AsyncIterator[aiohttp.ClientSession]:
    """An account of its own, and what it may do under /v1."""
    async with system.session() as session:
        body = {"name": "Beans", "organization_name": "Beans"}
        made = await post(session, "/v1/accounts", body, expect=201)
    async with system.session(made["key"]) as session:
        session.headers["X-API-Key"] = made["key"]
        yield session


@pytest.fixture
async def till(system: System, account: aiohttp.ClientSession) -> AsyncIterator[PassSource]:
    """The same account by PassSource's API, where installs can be noted without a phone."""
    async with aiohttp.ClientSession(
        system.base_url, timeout=aiohttp.ClientTimeout(total=40)
    ) as http:
        yield await log_in_as(http, account.headers["X-API-Key"])


async def test_a_message_to_all_reaches_every_installed_pass(
    account: aiohttp.ClientSession, till: PassSource
):
    template = await a_template(account)
    plain = await installed(account, till, template)
    own = await installed(account, till, template, {NEWS: "Only for you"})
    left = await a_pass(account, template, values={NEWS: "Not installed"})

    sent = await send(
        account, "POST", "/v1/messages", {"text": "Closed today", "template_id": template}, 202,
        {"Idempotency-Key": "closed"},
    )  # fmt: skip
    again = await send(
        account, "POST", "/v1/messages", {"text": "Closed today", "template_id": template}, 202,
        {"Idempotency-Key": "closed"},
    )  # fmt: skip
    job = await ended(account, sent["job_id"])

    assert again == sent
    assert (sent["field"], sent["path"], sent["revision"]) == ("news", NEWS, 2)
    assert (job["state"], job["total"], job["done"]) == ("done", 2, 2)
    for handle in (plain, own):
        await poll(lambda handle=handle: built_after_push(account, handle), "new content")
        assert news_of(await download(account, handle)) == "Closed today"
    assert news_of(await download(account, left)) == "Not installed"
    jobs = (await get(account, f"/v1/push-jobs?template_id={template}"))["data"]
    assert [listed["job_id"] for listed in jobs] == [sent["job_id"]]


async def test_a_message_to_one_pass_is_on_that_pass_alone(account: aiohttp.ClientSession):
    template = await a_template(account)
    one, other = await a_pass(account, template), await a_pass(account, template)

    sent = await post(account, "/v1/messages", {"text": "Hello", "handle": one}, expect=202)
    same = await post(account, "/v1/messages", {"text": "Hello", "handle": one}, expect=409)

    assert (sent["handle"], sent["version"], sent["warnings"]) == (one, 2, [])
    assert same["code"] == "message_unchanged"
    assert [news_of(await download(account, handle)) for handle in (one, other)] == [
        "Hello", "Nothing new",
    ]  # fmt: skip


async def test_what_a_template_lacks_for_messages_is_said_and_can_be_added(
    account: aiohttp.ClientSession,
):
    body = with_back(template_body(), {"key": "news", "label": "News", "value": "Nothing new"})
    template = (await post(account, "/v1/templates", body, expect=201))["template_id"]
    message = {"text": "Hello", "template_id": template}

    refused = await post(account, "/v1/messages", message, expect=422)
    await put(account, f"/v1/templates/{template}", with_news())
    await post(account, "/v1/messages", message, expect=202)

    assert '"changeMessage": "%@"' in refused["detail"]


async def test_a_push_of_all_is_a_job_that_ends(account: aiohttp.ClientSession, till: PassSource):
    template = await a_template(account)
    kept = [await installed(account, till, template) for _ in range(3)]
    dropped = await installed(account, till, template)
    await till.do("trackPassAccess", hashedSerialNumber=dropped, accessType=REMOVE)
    await put(account, f"/v1/templates/{template}", with_news("Something new"))

    begun = await post(account, f"/v1/templates/{template}/push", expect=202)
    job = await ended(account, begun["job_id"])
    late = await post(account, f"/v1/push-jobs/{begun['job_id']}/cancel", expect=409)
    for handle in kept:
        await poll(lambda handle=handle: built_after_push(account, handle), "new content")

    assert (begun["total"], job["done"], job["state"]) == (3, 3, "done")
    assert late["code"] == "push_job_ended"
    assert "pass.pushed" not in [e["type"] for e in await events(account, dropped)]


async def test_a_job_of_another_account_is_not_there(
    system: System, account: aiohttp.ClientSession
):
    begun = await post(account, f"/v1/templates/{await a_template(account)}/push", expect=202)

    async with system.session() as stranger:
        address = f"/v1/push-jobs/{begun['job_id']}"
        await get(stranger, address, expect=404)
        await post(stranger, f"{address}/cancel", expect=404)


async def test_the_feed_tells_the_values_of_a_pass_from_its_creation(
    account: aiohttp.ClientSession,
):
    handle = await a_pass(account, await a_template(account), values={"number": "7"})
    await post(account, "/v1/messages", {"text": "Hello", "handle": handle}, expect=202)

    created, updated = [event["data"] for event in await events(account, handle)]

    assert created["values"] == {"number": "7"}
    assert updated["changes"] == {NEWS: [None, "Hello"]}


async def a_template(session: aiohttp.ClientSession) -> str:
    return (await post(session, "/v1/templates", with_news(), expect=201))["template_id"]


def with_news(text: str = "Nothing new") -> dict[str, Any]:
    field = {"key": "news", "label": "News", "value": text, "changeMessage": "News: %@"}
    return with_back(template_body(), field)


def with_back(body: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    card = {**body["pass"]["storeCard"], "backFields": [field]}
    return {**body, "pass": {**body["pass"], "storeCard": card}}


async def installed(
    session: aiohttp.ClientSession,
    till: PassSource,
    template: str,
    values: dict[str, Any] | None = None,
) -> str:
    handle = await a_pass(session, template, values=values)
    async with session.get(f"/p/{handle}.pkpass") as response:
        assert response.status == 200
    await till.do("trackPassAccess", hashedSerialNumber=handle, accessType=INSTALL)
    return handle


async def ended(session: aiohttp.ClientSession, job_id: str) -> Any:
    async def look() -> Any:
        job = await get(session, f"/v1/push-jobs/{job_id}")
        return job if job["ended_at"] else None

    return await poll(look, "end of the push job")


async def timeline(session: aiohttp.ClientSession, handle: str) -> list[dict[str, Any]]:
    return (await get(session, f"/v1/passes/{handle}/timeline"))["data"]


async def built_after_push(session: aiohttp.ClientSession, handle: str) -> bool:
    """Whether new bytes were made by the push itself, not by a download."""
    entries = await timeline(session, handle)
    versions = [entry["version"] for entry in entries if entry["type"] == "pass.pushed"]
    built = [entry["version"] for entry in entries if entry["type"] == "content.built"]
    return bool(versions) and max(built, default=0) >= versions[0]


def news_of(archive: dict[str, bytes]) -> str:
    return json.loads(archive["pass.json"])["storeCard"]["backFields"][0]["value"]
