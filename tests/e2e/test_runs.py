"""Rules that call a URL: outside every lock, and what the called service does counts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from shared.contracts.triggers import DEPTH_HEADER
from tests.e2e.passsource import log_in_as
from tests.e2e.test_journeys import POINTS, a_pass, events, get, patch, post, template_body
from tests.system import System, poll

ADD_ONE = {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1}


class Called:
    """A service that rules call; what it does before it answers is up to the test."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.act: Callable[[web.Request], Awaitable[None]] | None = None
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/called/{handle}", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/called"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.calls.append((request.match_info["handle"], request.headers["Idempotency-Key"]))
        if self.act is not None:
            await self.act(request)
        return web.Response(text="ignored")


@pytest.fixture
async def called() -> AsyncIterator[Called]:
    called = Called()
    await called.start()
    yield called
    await called.stop()


async def a_calling_template(session: Any, called: Called, trigger: str, *after: Any) -> str:
    body = template_body()
    call = {"action": "PSActionURL", "url": f"{called.url}/{{hashedSerialNumber}}"}
    body["triggers"] = {trigger: [ADD_ONE, call, *after]}
    return (await post(session, "/v1/templates", body, expect=201))["template_id"]


async def test_what_the_called_service_changes_is_seen_by_the_actions_behind_the_call(
    system: System, called: Called
):
    copy = {"action": "PSActionSetValue", "targetPath": "psScanText", "value": "No. {number}"}
    async with system.session() as session:
        handle = await a_pass(session, await a_calling_template(session, called, "onScan", copy))
        seen: list[Any] = []

        async def act(_request: web.Request) -> None:
            seen.append((await get(session, f"/v1/passes/{handle}"))["values"])
            change = {"values": {"number": "42", POINTS: 10}}
            await patch(session, f"/v1/passes/{handle}", change)

        called.act = act
        scanned = await post(session, f"/v1/passes/{handle}/scan")
        after = await get(session, f"/v1/passes/{handle}")
        log = await events(session, handle)

    assert seen == [{}]
    assert scanned["scan_text"] == "No. 42"
    assert after["values"][POINTS] == 11
    assert [handle for handle, _ in called.calls] == [handle]
    in_order = sorted(log, key=lambda event: event["sequence"])
    assert [event["type"] for event in in_order] == ["pass.created", "pass.updated", "pass.scanned"]


async def test_an_error_set_during_the_call_stops_the_event(system: System, called: Called):
    async with system.session() as session:
        handle = await a_pass(session, await a_calling_template(session, called, "onScan"))

        async def act(_request: web.Request) -> None:
            change = {"values": {"psTriggerError": "Not today"}}
            await patch(session, f"/v1/passes/{handle}", change)

        called.act = act
        problem = await post(session, f"/v1/passes/{handle}/scan", expect=422)
        after = await get(session, f"/v1/passes/{handle}")
        log = await events(session, handle)

    assert (problem["code"], problem["detail"]) == ("trigger_error", "Not today")
    assert POINTS not in after["values"]
    assert after["scanned"] is False
    assert "pass.scanned" not in [event["type"] for event in log]


async def test_a_pass_can_be_read_while_its_creation_waits_for_a_call(
    system: System, called: Called
):
    async with system.session() as session:
        template = await a_calling_template(session, called, "onCreate")
        read: list[Any] = []

        async def act(request: web.Request) -> None:
            read.append(await get(session, f"/v1/passes/{request.match_info['handle']}"))

        called.act = act
        handle = await a_pass(session, template)
        after = await get(session, f"/v1/passes/{handle}")
        counts = await get(session, f"/v1/templates/{template}/statistics")

    assert [one["handle"] for one in read] == [handle]
    assert (after["values"][POINTS], after["version"]) == (1, 1)
    assert counts["totals"]["create"] == 1


async def test_a_creation_that_a_call_stops_leaves_nothing(system: System, called: Called):
    async with system.session() as session:
        template = await a_calling_template(session, called, "onCreate")

        async def act(request: web.Request) -> None:
            change = {"values": {"psTriggerError": "Sold out"}}
            await patch(session, f"/v1/passes/{request.match_info['handle']}", change)

        called.act = act
        problem = await post(session, "/v1/passes", {"template_id": template}, expect=422)
        listed = await get(session, f"/v1/passes?template_id={template}")

    assert problem["detail"] == "Sold out"
    assert listed["data"] == []


async def test_a_call_that_fails_is_ignored(system: System, called: Called):
    async with system.session() as session:
        handle = await a_pass(session, await a_calling_template(session, called, "onScan"))
        await called.stop()

        await post(session, f"/v1/passes/{handle}/scan")
        after = await get(session, f"/v1/passes/{handle}")

    assert after["values"][POINTS] == 1


@pytest.mark.parametrize(("hops", "result"), [(3, {"status": 200}), (4, None)])
async def test_call_follows_three_redirects_and_the_timeline_tells_what_came_of_it(
    system: System, called: Called, hops: int, result: dict[str, Any] | None
):
    async with system.session() as session:
        handle = await a_pass(session, await a_calling_template(session, called, "onScan"))

        async def act(request: web.Request) -> None:
            hop = int(request.query.get("hop", "0"))
            if hop < hops:
                raise web.HTTPFound(f"{called.url}/{handle}?hop={hop + 1}")

        called.act = act
        await post(session, f"/v1/passes/{handle}/scan")
        log = await events(session, handle)

    (scan,) = [event for event in log if event["type"] == "pass.scanned"]
    (call,) = [entry for entry in scan["data"]["rules"] if entry["action"] == "PSActionURL"]
    assert len(called.calls) == 4
    assert call["url"] == f"{called.url}/{{hashedSerialNumber}}"
    if result is None:
        assert call["reason"] == "no answer: there were too many redirects"
    else:
        assert call.items() >= result.items()


@pytest.mark.parametrize("through", ["itself", "another account"])
async def test_rules_that_call_our_own_api_do_not_breed(
    system: System, called: Called, through: str
):
    """Each call scans again: without a bound it goes on for ever."""
    async with system.session() as session:
        owners = [{"name": name, "organization_name": name} for name in ("One", "Two")]
        keys = [(await post(session, "/v1/accounts", each, expect=201))["key"] for each in owners]
    if through != "another account":
        keys[1] = keys[0]
    handles: list[str] = []
    templates: list[str] = []
    for key in keys:
        async with system.session(key) as session:
            templates.append(await a_calling_template(session, called, "onScan"))
            handles.append(await a_pass(session, templates[-1]))
    if through == "itself":
        handles[1] = handles[0]
    other = {handles[0]: (keys[1], handles[1]), handles[1]: (keys[0], handles[0])}
    depths: list[int] = []

    async def act(request: web.Request) -> None:
        key, handle = other[request.match_info["handle"]]
        depth = request.headers[DEPTH_HEADER]
        depths.append(int(depth))
        async with system.session(key) as session:
            headers = {DEPTH_HEADER: depth}
            async with session.post(f"/v1/passes/{handle}/scan", headers=headers) as response:
                await response.read()

    called.act = act
    first = f"/v1/passes/{handles[0]}/scan"
    async with system.session(keys[0]) as session, session.post(first) as response:
        await response.read()

    async def are_over() -> bool:
        return await scans_of(system, dict(zip(templates, keys, strict=True))) == 1 + len(depths)

    await poll(are_over, "the last of the scans")

    assert depths == [1, 2, 3, 4, 5]


async def test_webhooks_that_call_our_own_api_do_not_breed(system: System):
    """Each pass would make two webhooks, and each of these another pass."""
    async with system.session() as session:
        template = (await post(session, "/v1/templates", template_body(), 201))["template_id"]
        program = {"name": "Loop", "template_id": template}
        program_id = (await post(session, "/v1/link-programs", program, 201))["program_id"]
        link = await post(session, f"/v1/link-programs/{program_id}/links", {}, 201)
        hook = {"template_id": template, "types": ["pass.created"]}
        hooks = [
            await post(session, "/v1/webhooks", {**hook, "url": f"{link['url']}&n={number}"}, 201)
            for number in range(2)
        ]
        await a_pass(session, template)
        at = f"/v1/webhooks/{hooks[1]['webhook_id']}/deliveries"

        async def was_tried() -> bool:
            told = (await get(session, at))["data"]
            return bool(told and told[0]["attempts"])

        await poll(was_tried, "an attempt to call ourselves")
        deliveries = (await get(session, at))["data"]
        counts = await get(session, f"/v1/templates/{template}/statistics")

    (attempt,) = [each for delivery in deliveries for each in delivery["attempts"]]
    assert attempt["status"] == 400
    assert "called_by_webhook" in attempt["response"]
    assert counts["totals"]["create"] == 1


async def scans_of(system: System, templates: dict[str, str]) -> int:
    total = 0
    for template, key in templates.items():
        async with system.session(key) as session:
            counts = await get(session, f"/v1/templates/{template}/statistics")
            total += counts["totals"].get("scan", 0)
    return total


async def test_scans_that_call_at_the_same_time_all_count(system: System, called: Called):
    async with system.session() as session:
        handle = await a_pass(session, await a_calling_template(session, called, "onScan"))

        await asyncio.gather(*(post(session, f"/v1/passes/{handle}/scan") for _ in range(12)))
        after = await get(session, f"/v1/passes/{handle}")

    assert after["values"][POINTS] == 12
    assert len({key for _, key in called.calls}) == 12


async def test_passsource_waits_for_a_run_that_outlasts_a_request_and_its_neighbours_do_not(
    system: System, called: Called
):
    """Its callers have no Idempotency-Key to ask again with; those of /v1 have."""
    owner = {"name": "Beans", "organization_name": "Beans"}
    async with system.session() as session:
        key = (await post(session, "/v1/accounts", owner, expect=201))["key"]
    async with system.session(key) as session:
        call = {"action": "PSActionURL", "url": f"{called.url}/{{hashedSerialNumber}}"}
        template = await a_calling_template(session, called, "onScan", call, call)
        slow, impatient = [await a_pass(session, template) for _ in range(2)]
        plain = (await post(session, "/v1/templates", template_body(), expect=201))["template_id"]
        quick = await a_pass(session, plain)
        api = await log_in_as(session, key)
        released = asyncio.Event()

        async def act(request: web.Request) -> None:
            if request.match_info["handle"] == slow:
                await asyncio.sleep(2)
            else:
                await released.wait()

        called.act = act
        track = {"accessType": "7"}
        scan = asyncio.create_task(api.do("trackPassAccess", hashedSerialNumber=slow, **track))
        late = asyncio.create_task(post(session, f"/v1/passes/{impatient}/scan", expect=503))
        neighbours = [
            asyncio.create_task(api.do("trackPassAccess", hashedSerialNumber=quick, **track))
            for _ in range(10)
        ]

        await asyncio.gather(*neighbours)
        waiting = [scan.done(), late.done()]
        problem = await late
        released.set()
        answer = await scan
        after = await get(session, f"/v1/passes/{slow}")

    assert waiting == [False, False]
    assert problem["code"] == "no_answer"
    assert answer["updated"] is True
    assert (after["values"][POINTS], after["scanned"]) == (1, True)
    assert [handle for handle, _ in called.calls].count(slow) == 3


async def test_a_rule_feeds_the_members_ledger_once_per_event(system: System):
    body = template_body()
    body["pass"]["storeCard"]["backFields"] = [{"key": "m", "value": "{member_points}"}]
    body["triggers"] = {"onScan": {"action": "PSActionAdjustPoints", "amount": 5}}
    async with system.session() as session:
        template = (await post(session, "/v1/templates", body, expect=201))["template_id"]
        await post(session, "/v1/members", {"member_id": "eve", "name": "Eve"}, expect=201)
        issue: dict[str, Any] = {"template_id": template, "member_id": "eve", "values": {}}
        handle = (await post(session, "/v1/passes", issue, expect=201))["handle"]
        for key in ("one", "two", "two"):
            headers = {"Idempotency-Key": f"{handle}-{key}"}
            async with session.post(f"/v1/passes/{handle}/scan", headers=headers) as response:
                assert response.status == 200, await response.text()

        async def has_points() -> bool:
            return (await get(session, "/v1/members/eve"))["points"] == 10

        async def shows_points() -> bool:
            async with session.get(f"/p/{handle}", headers={"Accept": "text/html"}) as page:
                return ">10<" in (await page.text()).replace("\n", "").replace(" ", "")

        await poll(has_points, "the points of two scans")
        await poll(shows_points, "the points on the pass")
        ledger = await get(session, "/v1/members/eve/points")
        await session.delete("/v1/members/eve")

    assert [(entry["delta"], entry["reason"]) for entry in ledger["data"]] == [
        (5, "rule: scan"),
        (5, "rule: scan"),
    ]
