"""What a partner learns: posted or read, it is the same, and enough to rebuild every pass."""

import asyncio
import json
import random
import secrets
from typing import Any

import aiohttp

from tests.e2e.test_journeys import (
    POINTS,
    SCAN_COUNTS,
    STORE_CARD,
    a_pass,
    get,
    patch,
    post,
    put,
    template_body,
)
from tests.partner import Partner
from tests.schemas import Schema, checked
from tests.system import System, poll

PASSES, ACTS = 12, 15


async def test_every_pass_is_rebuilt_exactly_from_the_feed(system: System):
    async with system.session() as session:
        start = (await get(session, "/v1/events?after=latest"))["next_cursor"]
        template = await a_busy_template(session)
        handles = await asyncio.gather(
            *(a_pass(session, template, values={"number": str(n)}) for n in range(PASSES))
        )
        await asyncio.gather(*(a_busy_life(session, h, n) for n, h in enumerate(handles)))
        passes = {handle: await state_of(session, handle) for handle in handles}
        versions = {handle: told["version"] for handle, told in passes.items() if told}

        async def caught_up() -> dict[str, Schema] | None:
            rebuilt = rebuild(await read_feed(session, start))
            is_there = all(
                (handle in rebuilt and rebuilt[handle]["version"] == versions[handle])
                if handle in versions
                else handle not in rebuilt
                for handle in handles
            )
            return rebuilt if is_there else None

        rebuilt = await poll(caught_up, "feed that has caught up")

    assert {h: rebuilt[h] for h in versions} == {h: passes[h] for h in versions}
    assert len(versions) == PASSES - PASSES // 4


async def test_what_is_posted_is_what_is_read_in_one_numbering(system: System, partner: Partner):
    async with system.session() as session:
        start = (await get(session, "/v1/events?after=latest"))["next_cursor"]
        hook = await post(
            session,
            "/v1/webhooks",
            {"url": partner.url, "types": ["pass.*", "member.*", "points.*"]},
            expect=201,
        )
        partner.secret = hook["secret"]
        template = await a_busy_template(session)
        member = f"ada-{secrets.token_hex(3)}"
        await put(session, f"/v1/members/{member}", {"name": "Ada", "points": 3}, expect=201)
        handle = await a_pass(session, template, member_id=member)
        await put(session, f"/v1/members/{member}", {"name": "Grace", "points": 5})
        await post(session, f"/v1/passes/{handle}/scan")
        await post(session, f"/v1/passes/{handle}/void")
        expected = {
            "member.created", "pass.created", "member.updated", "points.changed", "pass.updated",
            "pass.scanned", "pass.voided", "template.created",
        }  # fmt: skip

        async def told() -> list[Schema] | None:
            feed = await read_feed(session, start)
            return feed if {event["type"] for event in feed} >= expected else None

        feed = await poll(told, "feed of all that happened")
        wanted = [event for event in feed if not event["type"].startswith("template.")]
        await poll(lambda: len(partner.ids) >= len(wanted), "webhooks")
        few = await read_feed(session, start, "&types=pass.voided&types=points.*")
        async with session.delete(f"/v1/webhooks/{hook['webhook_id']}"):
            pass

    numbers = [event["sequence"] for event in feed]
    assert numbers == list(range(int(start) + 1, int(start) + 1 + len(feed)))
    by_id = {event["id"]: event for event in partner.received}
    assert by_id == {event["id"]: event for event in wanted}
    assert [event["type"] for event in few].count("pass.voided") == 1
    assert "Grace" not in json.dumps(wanted)


async def test_a_test_and_a_range_are_sent_on_demand(system: System, partner: Partner):
    async with system.session() as session:
        template = await a_busy_template(session)
        handle = await a_pass(session, template)
        await post(session, f"/v1/passes/{handle}/void")
        hook = await post(
            session,
            "/v1/webhooks",
            {"url": partner.url, "template_id": template, "types": ["pass.*"]},
            expect=201,
        )
        partner.secret = hook["secret"]
        address = f"/v1/webhooks/{hook['webhook_id']}"
        tried = await post(session, f"{address}/test", expect=202)
        await poll(lambda: partner.received, "the test")
        start = "2020-01-01T00:00:00Z"

        async def both() -> bool:
            replay = {"since": start, "until": "2100-01-01T00:00:00Z"}
            return (await post(session, f"{address}/replay", replay, expect=202))["count"] == 2

        await poll(both, "both events to replay")
        await poll(lambda: len(partner.ids) == 3, "the replayed webhooks")
        before = {"since": start, "until": "2020-01-02T00:00:00Z"}
        nothing = await post(session, f"{address}/replay", before, expect=202)
        deliveries = await get(session, f"{address}/deliveries")

    assert {event["type"] for event in partner.received} == {
        "webhook.test",
        "pass.created",
        "pass.voided",
    }
    assert tried["delivery_id"] in {delivery["delivery_id"] for delivery in deliveries["data"]}
    assert nothing["count"] == 0


async def test_a_cursor_of_tomorrow_and_an_unknown_type_are_refused(system: System):
    async with system.session() as session:
        ahead = await get(session, "/v1/events?after=999999999", expect=422)
        unknown = await get(session, "/v1/events?types=pass.teapot", expect=422)

    assert ahead["code"] == "invalid_cursor"
    assert unknown["errors"][0]["pointer"] == "?types"


async def a_busy_template(session: aiohttp.ClientSession) -> str:
    rules = {**SCAN_COUNTS, "onCreate": [
        {"action": "PSActionSetValue", "targetPath": POINTS, "value": 10}
    ]}  # fmt: skip
    body = template_body(pass_=STORE_CARD) | {"triggers": rules}
    return (await post(session, "/v1/templates", body, expect=201))["template_id"]


async def a_busy_life(session: aiohttp.ClientSession, handle: str, number: int) -> None:
    """All that can happen to a pass, some of it at the same time; each fourth one is deleted."""
    chance = random.Random(number)
    address = f"/v1/passes/{handle}"
    for _ in range(ACTS):
        act = chance.randrange(7)
        if act == 0:
            await asyncio.gather(*(post(session, f"{address}/scan") for _ in range(3)))
        elif act == 1:
            await patch(session, address, {"values": {"number": str(chance.randrange(4))}})
        elif act == 2:
            await patch(session, address, {"values": {"number": None, POINTS: None}})
        elif act == 3:
            await asyncio.gather(post(session, f"{address}/void"), post(session, f"{address}/scan"))
        elif act == 4:
            await post(session, f"{address}/unvoid")
        elif act == 5:
            await post(session, f"{address}/check")
        else:
            await post(session, f"{address}/edit", {"values": {POINTS: chance.randrange(99)}})
    if number % 4 == 0:
        async with session.delete(address) as response:
            assert response.status == 204


async def read_feed(session: aiohttp.ClientSession, after: str, types: str = "") -> list[Schema]:
    """Follow the cursor to the end, in small steps."""
    events: list[Schema] = []
    while True:
        page = await get(session, f"/v1/events?after={after}&limit=50{types}")
        events += [checked(json.dumps(event)) for event in page["data"]]
        after = page["next_cursor"]
        if not page["has_more"]:
            return events


def rebuild(events: list[Schema]) -> dict[str, Schema]:
    """What a partner knows who has only the feed."""
    passes: dict[str, Schema] = {}
    sequences: dict[str, int] = {}
    for event in sorted(
        (e for e in events if e["subject"]["kind"] == "pass"), key=lambda e: e["data"]["sequence"]
    ):
        data, handle = event["data"], event["subject"]["id"]
        assert data["sequence"] == sequences.get(handle, 0) + 1
        sequences[handle] = data["sequence"]
        known = passes.setdefault(handle, {"values": {}, "voided": False})
        known["version"] = data["version"]
        known["values"] |= data.get("values", {})
        for path, (_, after) in data.get("changes", {}).items():
            if after is None and path not in data.get("nulls", []):
                del known["values"][path]
            else:
                known["values"][path] = after
        known["voided"] = {"pass.voided": True, "pass.unvoided": False}.get(
            event["type"], known["voided"]
        )
        if event["type"] == "pass.deleted":
            del passes[handle]
    return passes


async def state_of(session: aiohttp.ClientSession, handle: str) -> dict[str, Any] | None:
    async with session.get(f"/v1/passes/{handle}") as response:
        if response.status == 410:
            return None
        shown = await response.json()
    return {name: shown[name] for name in ("values", "version", "voided")}
