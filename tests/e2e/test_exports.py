"""All passes or members of an account as CSV, while others are issued and on bad days."""

import asyncio
import csv
import io
from typing import Any

import aiohttp
import pytest

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests.e2e.test_journeys import a_template, get, post, put
from tests.system import System, poll

ROWS = 250
BATCHES = 5
LONG = "x" * 6000
LONG_ROWS = 150
LONG_PASSES = 24 * LONG_ROWS
"""More than a connection holds of a file that nobody reads."""


async def an_account(system: System) -> str:
    """Make an account that has nothing yet, and give its key."""
    async with system.session() as session:
        names = {"name": "Exports", "organization_name": "Exports"}
        return (await post(session, "/v1/accounts", names, expect=201))["key"]


async def issue(
    session: aiohttp.ClientSession, template: str, rows: int, values: dict[str, Any]
) -> list[str]:
    body = {"template_id": template, "passes": [{"values": values}] * rows}
    answer = await post(session, "/v1/passes", body, expect=201)
    return [row["handle"] for row in answer["passes"]]


async def export(session: aiohttp.ClientSession, **filters: str) -> list[dict[str, str]]:
    async with session.get("/v1/passes.csv", params=filters) as response:
        text = await response.text()
        assert response.status == 200, text
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_file_holds_every_pass_that_was_there_once_while_thousands_are_issued(
    system: System,
):
    async with system.session(await an_account(system)) as session:
        template = await a_template(session)
        issued: list[str] = []

        async def issue_all() -> None:
            for number in range(BATCHES):
                issued.extend(await issue(session, template, ROWS, {"number": str(number)}))

        issuing = asyncio.gather(issue_all(), issue_all())
        files: list[tuple[set[str], list[str]]] = []
        while not issuing.done():
            before = set(issued)
            rows = await export(session, template_id=template)
            files.append((before, [row["handle"] for row in rows]))
        await issuing
        last = [row["handle"] for row in await export(session)]

    for before, handles in files:
        assert len(handles) == len(set(handles))
        assert before <= set(handles) <= set(issued)
        assert handles == last[: len(handles)]
    assert sorted(last) == sorted(issued)
    assert len(last) == 2 * BATCHES * ROWS


async def test_passes_are_found_by_what_is_known_of_them_and_only_by_their_account(
    system: System,
):
    async with (
        system.session(await an_account(system)) as session,
        system.session(await an_account(system)) as stranger,
    ):
        template = await a_template(session)
        await put(session, "/v1/members/ann", {"email": "Ann@Beans.example"}, expect=201)
        body = {"template_id": template, "member_id": "ann", "values": {"number": "=1+1"}}
        mine = (await post(session, "/v1/passes", body, expect=201))["handle"]
        [other] = await issue(session, template, 1, {})
        await post(session, f"/v1/passes/{other}/void")
        past = {"expirationDate": "2020-01-31T18:30:00Z"}
        [old] = await issue(session, template, 1, past)
        expected = {
            ("email", "ann@beans.example"): [mine],
            ("member_id", "ann"): [mine],
            ("voided", "true"): [other],
            ("voided", "false"): [mine, old],
            ("expired", "true"): [old],
            ("expired", "false"): [mine, other],
            ("template_id", template): [mine, other, old],
        }
        found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
        for name, value in expected:
            page = await get(session, f"/v1/passes?{name}={value}")
            rows = await export(session, **{name: value})
            found[name, value] = (
                [listed["handle"] for listed in page["data"]],
                [row["handle"] for row in rows],
            )
        [row] = await export(session, template_id=template, email="ANN@beans.example")
        theirs = [await export(stranger, email="ann@beans.example"), await export(stranger)]
        scan = await post(session, f"/v1/passes/{old}/scan")

    assert found == {key: (handles, handles) for key, handles in expected.items()}
    assert (row["handle"], row["email"], row["member_id"]) == (mine, "Ann@Beans.example", "ann")
    assert row["number"] == "'=1+1"
    assert theirs == [[], []]
    assert scan["refused"] == "expired"


async def test_members_are_found_by_what_is_known_of_them_in_lists_and_files_alike(system: System):
    async with (
        system.session(await an_account(system)) as session,
        system.session(await an_account(system)) as stranger,
    ):
        template = await a_template(session)
        for name, fields in {
            "ann": {"name": "Ann Bean", "email": "Ann@Beans.example", "points": 5},
            "ben": {"name": "Zoë Ännchen", "phone": "+49 171", "tier": "gold", "external_id": "7"},
            "cleo": {"name": "=1+1", "points": 9},
        }.items():
            await put(session, f"/v1/members/{name}", fields, expect=201)
        body = {"template_id": template, "member_id": "ann"}
        handle = (await post(session, "/v1/passes", body, expect=201))["handle"]
        ann = await get(session, "/v1/members/ann")
        found: dict[str, tuple[list[str], list[str]]] = {}
        for query in ("", "name=BEAN", "name=änn", "email=ann@", "phone=49", "tier=gold",
                      "external_id=7", "points_min=5", f"template_id={template}"):  # fmt: skip
            page = await get(session, f"/v1/members?{query}")
            async with session.get(f"/v1/members.csv?{query}&columns=name") as response:
                text = (await response.read()).decode("utf-8-sig")
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
            found[query] = (
                [one["member_id"] for one in page["data"]],
                [row["member_id"] for row in rows],
            )
        by_points = await get(session, "/v1/members?sort=-points&limit=2")
        address = f"/v1/members?sort=-points&cursor={by_points['next_cursor']}"
        rest = await get(session, address)
        theirs = await get(stranger, "/v1/members")

    assert [one["handle"] for one in ann["passes"]["data"]] == [handle]
    assert ann["enrolments"] == {"data": [], "next_cursor": None}
    expected = [
        ["ann", "ben", "cleo"], ["ann"], ["ben"], ["ann"], ["ben"], ["ben"], ["ben"],
        ["ann", "cleo"], [],
    ]  # fmt: skip
    assert list(found.values()) == [(ids, ids) for ids in expected]
    ordered = [one["member_id"] for one in by_points["data"] + rest["data"]]
    assert ordered == ["cleo", "ann", "ben"]
    assert theirs["data"] == []


async def test_file_that_trouble_breaks_off_is_no_whole_one_and_can_be_had_later(
    distributed: System, server: EmbeddedPostgres | PrivateRabbitMQ
):
    await distributed.until_ready()
    async with distributed.session(await an_account(distributed)) as session:
        template = await a_template(session)
        for _ in range(LONG_PASSES // LONG_ROWS):
            await issue(session, template, LONG_ROWS, {"number": LONG})

        async with session.get("/v1/passes.csv") as response:
            await response.content.readexactly(1000)
            await asyncio.to_thread(server.kill)
            try:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.read()
            finally:
                await asyncio.to_thread(server.start)
        await distributed.until_ready()

        async def whole() -> bool:
            async with session.get("/v1/passes.csv") as again:
                return again.status == 200 and (await again.read()).count(b"\r\n") > LONG_PASSES

        await poll(whole, "a whole file", 60)

    assert response.status == 200
