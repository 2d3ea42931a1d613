"""What a person can do with Passwright, from a template to a webhook, as its users do it."""

import asyncio
import json
import secrets
from typing import Any

import aiohttp

from shared.passes.schema.images import plain_icon
from tests.partner import Partner
from tests.system import System, poll
from tests.wallet.files import open_pass, verify_signature

POINTS = "structure_headerFields_points_value"

STORE_CARD: dict[str, Any] = {
    "description": "A card",
    "backgroundColor": "#3a241a",
    "storeCard": {
        "headerFields": [{"key": "points", "label": "Points", "value": 0}],
        "primaryFields": [{"key": "hello", "label": "", "value": "Hello {member_name}"}],
        "secondaryFields": [{"key": "tier", "label": "Tier", "value": "{member_tier}"}],
    },
    "barcode": {"format": "PKBarcodeFormatQR", "message": "{number}"},
}

SCAN_COUNTS = {
    "onScan": [
        {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1},
        {"action": "PSActionSetValue", "targetPath": "psScanText", "value": "Welcome"},
    ]
}


async def test_a_pass_is_issued_and_its_file_verifies(system: System):
    async with system.session() as session:
        template = await a_template(session)
        issued = await post(
            session,
            "/v1/passes",
            {"template_id": template, "values": {POINTS: 7, "number": "4711"}},
            expect=201,
        )
        archive = await download(session, issued["handle"])

    content = json.loads(archive["pass.json"])
    assert issued["version"] == 1
    assert issued["url"].endswith(f"/p/{issued['handle']}")
    assert content["storeCard"]["headerFields"][0]["value"] == 7
    assert content["barcodes"][0]["message"] == "4711"
    assert content["backgroundColor"] == "rgb(58, 36, 26)"
    verify_signature(archive, system.root)


async def test_a_scan_raises_the_points_and_the_file_follows(system: System):
    async with system.session() as session:
        handle = await a_pass(session, await a_template(session))
        first = await post(session, f"/v1/passes/{handle}/scan")
        second = await post(session, f"/v1/passes/{handle}/scan")
        archive = await download(session, handle)

    assert (first["updated"], first["scan_text"]) == (True, "Welcome")
    assert second["version"] == first["version"] + 1
    field = json.loads(archive["pass.json"])["storeCard"]["headerFields"][0]
    assert field["value"] == 2


async def test_a_members_new_tier_appears_on_the_pass(system: System):
    async with system.session() as session:
        member = f"ada-{secrets.token_hex(3)}"
        await put(session, f"/v1/members/{member}", {"name": "Ada", "tier": "Bronze"}, expect=201)
        handle = await a_pass(session, await a_template(session), member_id=member)
        before = await download(session, handle)
        await put(session, f"/v1/members/{member}", {"name": "Ada", "tier": "Gold"})

        async def gold() -> bool:
            archive = await download(session, handle)
            return tier_of(archive) == "Gold"

        await poll(gold, "gold tier")
        after = await download(session, handle)

    assert tier_of(before) == "Bronze"
    assert greeting_of(after) == "Hello Ada"


async def test_a_deleted_members_data_leaves_the_pass_which_stays(system: System):
    async with system.session() as session:
        member = f"bob-{secrets.token_hex(3)}"
        await put(session, f"/v1/members/{member}", {"name": "Bob", "tier": "Silver"}, expect=201)
        handle = await a_pass(session, await a_template(session), member_id=member)
        assert greeting_of(await download(session, handle)) == "Hello Bob"
        async with session.delete(f"/v1/members/{member}") as response:
            assert response.status in (200, 204)

        async def gone() -> bool:
            return b"Bob" not in (await download(session, handle))["pass.json"]

        await poll(gone, "pass without the member's name")


async def test_an_unknown_member_is_named_and_nothing_is_issued(system: System):
    async with system.session() as session:
        template = await a_template(session)
        problem = await post(
            session,
            "/v1/passes",
            {"template_id": template, "member_id": "nobody-at-all"},
            expect=422,
        )
        listed = await get(session, f"/v1/passes?template_id={template}")

    assert problem["errors"][0]["pointer"] == "/member_id"
    assert listed["data"] == []


async def test_each_event_is_on_the_timeline_and_reaches_the_partner_signed(
    system: System, partner: Partner
):
    async with system.session() as session:
        template = await a_template(session)
        hook = await post(
            session, "/v1/webhooks", {"url": partner.url, "template_id": template}, expect=201
        )
        partner.secret = hook["secret"]
        handle = await a_pass(session, template)
        await post(session, f"/v1/passes/{handle}/scan")
        await patch(session, f"/v1/passes/{handle}", {"values": {"number": "12"}})
        await post(session, f"/v1/passes/{handle}/void")
        expected = ["pass.created", "pass.scanned", "pass.updated", "pass.voided"]

        await poll(lambda: len(partner.received) >= 4, "four webhooks")
        timeline = await get(session, f"/v1/passes/{handle}/timeline")

    kinds = sorted(event["type"] for event in partner.received)
    assert kinds == sorted(expected)
    assert {event["data"]["handle"] for event in partner.received} == {handle}
    logged = [e["type"] for e in timeline["data"] if e["source"] == "event"]
    assert logged == expected


async def test_a_partner_that_was_down_gets_its_events_by_replay(system: System, partner: Partner):
    async with system.session() as session:
        template = await a_template(session)
        hook = await post(
            session, "/v1/webhooks", {"url": partner.url, "template_id": template}, expect=201
        )
        partner.secret = hook["secret"]
        partner.status = 500
        handle = await a_pass(session, template)
        await poll(lambda: partner.refused, "a refused attempt")
        partner.status = 200
        path = f"/v1/webhooks/{hook['webhook_id']}/replay"
        replayed = await post(session, path, {"since": "2020-01-01T00:00:00Z"}, expect=202)

        await poll(lambda: partner.received, "the replayed webhook")

    assert replayed["count"] == 1
    assert partner.received[0]["data"]["handle"] == handle


async def test_a_saved_template_reaches_its_passes_at_their_next_fetch(system: System):
    async with system.session() as session:
        template = await a_template(session)
        handle = await a_pass(session, template, values={"number": "9"})
        old = await download(session, handle)
        changed = json.loads(json.dumps(STORE_CARD))
        changed["storeCard"]["primaryFields"][0]["value"] = "Good evening"
        saved = await put(session, f"/v1/templates/{template}", template_body(pass_=changed))
        new = await download(session, handle)

    assert saved["revision"] == 2
    assert greeting_of(old) == "Hello "
    assert greeting_of(new) == "Good evening"
    assert json.loads(new["pass.json"])["barcodes"][0]["message"] == "9"


async def test_an_unchanged_pass_answers_not_modified(system: System):
    async with system.session() as session:
        handle = await a_pass(session, await a_template(session))
        path = f"/p/{handle}.pkpass"
        async with session.get(path) as response:
            modified = response.headers["Last-Modified"]
        async with session.get(path, headers={"If-Modified-Since": modified}) as response:
            assert response.status == 304
        await post(session, f"/v1/passes/{handle}/scan")
        async with session.get(path, headers={"If-Modified-Since": modified}) as response:
            assert response.status == 200


async def test_many_rows_come_back_in_order_with_the_failing_ones_named(system: System):
    async with system.session() as session:
        template = await a_template(session)
        rows = [{"values": {POINTS: n}} for n in range(120)]
        rows[50] = {"values": {"nonsense_path": 1}}
        answer = await post(
            session, "/v1/passes", {"template_id": template, "passes": rows}, expect=201
        )

        results = answer["passes"]
        first = await get(session, f"/v1/passes/{results[0]['handle']}")
        last = await get(session, f"/v1/passes/{results[119]['handle']}")

    assert len(results) == 120
    assert [n for n, row in enumerate(results) if "error" in row] == [50]
    assert results[50]["error"]["status"] == 422
    assert (first["values"][POINTS], last["values"][POINTS]) == (0, 119)


async def test_repeating_a_post_with_its_key_has_one_effect(system: System):
    async with system.session() as session:
        template = await a_template(session)
        body = {"template_id": template, "values": {POINTS: 1}}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        first = await post(session, "/v1/passes", body, expect=201, headers=key)
        again = await post(session, "/v1/passes", body, expect=201, headers=key)
        other = await post(session, "/v1/passes", body | {"values": {}}, expect=422, headers=key)
        listed = await get(session, f"/v1/passes?template_id={template}")

    assert first == again
    assert other["code"] == "idempotency_key_reused"
    assert len(listed["data"]) == 1


async def test_another_accounts_pass_is_not_there(system: System):
    async with system.session() as session:
        handle = await a_pass(session, await a_template(session))
        stranger = await post(
            session,
            "/v1/accounts",
            {"name": "Stranger", "organization_name": "Strange"},
            expect=201,
        )
    async with system.session(stranger["key"]) as session:
        for method, path in (
            ("GET", f"/v1/passes/{handle}"),
            ("PATCH", f"/v1/passes/{handle}"),
            ("POST", f"/v1/passes/{handle}/scan"),
            ("DELETE", f"/v1/passes/{handle}"),
            ("GET", f"/v1/passes/{handle}/timeline"),
        ):
            body: Any = {"values": {}} if method == "PATCH" else None
            async with session.request(method, path, json=body) as response:
                assert response.status == 404, (method, path)


async def test_a_deleted_pass_is_gone_for_everyone(system: System):
    async with system.session() as session:
        handle = await a_pass(session, await a_template(session))
        async with session.delete(f"/v1/passes/{handle}") as response:
            assert response.status in (200, 204)
        for path in (f"/v1/passes/{handle}", f"/p/{handle}", f"/p/{handle}.pkpass"):
            async with session.get(path) as response:
                assert response.status == 410, path


async def test_statistics_count_passes_and_events_at_once(system: System):
    async with system.session() as session:
        template = await a_template(session)
        handles = [await a_pass(session, template) for _ in range(3)]
        for handle in (handles[0], handles[0], handles[1]):
            await post(session, f"/v1/passes/{handle}/scan")
        counts = await get(session, f"/v1/templates/{template}/statistics")

    assert (counts["totals"]["create"], counts["totals"]["scan"]) == (3, 3)
    assert counts["totals"]["passes_scan"] == 2


async def test_concurrent_scans_of_one_pass_all_count(system: System):
    async with system.session() as session:
        handle = await a_pass(session, await a_template(session))
        await asyncio.gather(*(post(session, f"/v1/passes/{handle}/scan") for _ in range(60)))
        state = await get(session, f"/v1/passes/{handle}")

    assert state["values"][POINTS] == 60


async def test_the_demo_pass_verifies(system: System):
    if not system.template_id:
        assert "gateway" in system.processes  # only `make run` makes a demo
        return
    async with system.session() as session:
        archive = await download(session, system.extra["pass_handle"])

    verify_signature(archive, system.root)
    assert "strip@2x.png" in archive


# What the journeys are made of


async def a_template(session: aiohttp.ClientSession) -> str:
    async with session.post(
        "/v1/images", data=plain_icon()["icon@2x.png"], headers={"Content-Type": "image/png"}
    ) as response:
        image = await response.json()
        assert response.status in (200, 201), image
    body = template_body() | {"images": {"icon@2x": image["sha256"]}}
    return (await post(session, "/v1/templates", body, expect=201))["template_id"]


def template_body(pass_: dict[str, Any] = STORE_CARD) -> dict[str, Any]:
    return {
        "name": "Card",
        "pass": pass_,
        "properties": {"number": "0", "psScanText": ""},
        "triggers": SCAN_COUNTS,
        "images": {},
    }


async def a_pass(
    session: aiohttp.ClientSession,
    template_id: str,
    member_id: str | None = None,
    values: dict[str, Any] | None = None,
) -> str:
    body: dict[str, Any] = {"template_id": template_id, "values": values or {}}
    if member_id is not None:
        body["member_id"] = member_id
    return (await post(session, "/v1/passes", body, expect=201))["handle"]


async def post(
    session: aiohttp.ClientSession,
    path: str,
    body: Any = None,
    expect: int = 200,
    headers: dict[str, str] | None = None,
) -> Any:
    return await send(session, "POST", path, body, expect, headers)


async def put(session: aiohttp.ClientSession, path: str, body: Any, expect: int = 200) -> Any:
    return await send(session, "PUT", path, body, expect)


async def patch(session: aiohttp.ClientSession, path: str, body: Any, expect: int = 200) -> Any:
    return await send(session, "PATCH", path, body, expect)


async def get(session: aiohttp.ClientSession, path: str, expect: int = 200) -> Any:
    return await send(session, "GET", path, None, expect)


async def send(  # noqa: PLR0917 - said in the order of a request
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Any,
    expect: int,
    headers: dict[str, str] | None = None,
) -> Any:
    async with session.request(method, path, json=body, headers=headers) as response:
        text = await response.text()
        assert response.status == expect, f"{method} {path}: {response.status} {text}"
        return json.loads(text) if text else None


async def events(session: aiohttp.ClientSession, handle: str) -> list[Any]:
    """The log of a pass; its timeline holds deliveries too, of the same types, to any endpoint."""
    entries = (await get(session, f"/v1/passes/{handle}/timeline?limit=100"))["data"]
    return [entry for entry in entries if entry["source"] == "event"]


async def download(session: aiohttp.ClientSession, handle: str) -> dict[str, bytes]:
    async with session.get(f"/p/{handle}.pkpass") as response:
        data = await response.read()
        assert response.status == 200, data
        assert response.content_type == "application/vnd.apple.pkpass"
        assert int(response.headers["Content-Length"]) == len(data)
    return open_pass(data).entries


def greeting_of(archive: dict[str, bytes]) -> str:
    return json.loads(archive["pass.json"])["storeCard"]["primaryFields"][0]["value"]


def tier_of(archive: dict[str, bytes]) -> str:
    return json.loads(archive["pass.json"])["storeCard"]["secondaryFields"][0]["value"]
