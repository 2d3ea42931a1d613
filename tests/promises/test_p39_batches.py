"""Promise 39: each row of a batch has one effect, whatever is killed meanwhile."""

import os
import time
from collections.abc import AsyncGenerator
from typing import Any, Final
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from shared.passes.links.tokens import LinkClaims, LinkSealer
from shared.sealing import read_base64url
from tests.batches import ended, read, result, send
from tests.e2e.test_exports import an_account
from tests.e2e.test_journeys import a_template, get, post
from tests.promises.conftest import Figure
from tests.promises.faults import kill
from tests.system import SERVICES, System, a_distributed_system, poll

ROWS: Final = int(os.environ.get("PASSWRIGHT_BATCH_ROWS", "100000"))  # noqa: TID251
PATIENCE_SECONDS: Final = 900.0
BROWSER: Final = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/144.0"}
CLICKED: Final = 5
KILLS: Final = len(SERVICES)

FOUND: Final = {
    "members": "SELECT count(*) FROM member.members WHERE account_id = $1 AND NOT deleted",
    "enrolments": "SELECT count(*) FROM member.enrolments WHERE account_id = $1",
    "passes": "SELECT count(*) FROM triggers.passes WHERE account_id = $1",
    "states": """
        SELECT count(*)
        FROM triggers.passes AS p
        JOIN generator.passes AS g USING (handle, version)
        WHERE p.account_id = $1
    """,
    "events": """
        SELECT count(*)
        FROM notifier.events
        WHERE account_id = $1 AND kind = 'pass.created'
    """,
}
"""What there is of an account's rows, at each service that has something of them."""


@pytest.fixture(scope="module")
async def system() -> AsyncGenerator[System]:
    async with a_distributed_system() as system:
        yield system


async def test_each_row_becomes_one_pass_of_one_member(system: System, figure: Figure):
    async with system.session(await an_account(system)) as session:
        template = await a_template(session)
        account = UUID((await get(session, "/v1/account"))["account_id"])
        rows = "".join(f"e{number},Member {number},n{number}\n" for number in range(ROWS))
        content = f"external_id,name,number\n{rows}".encode()

        begun = await send(session, content, kind="passes", template_id=template)
        seconds = await kill_amid(system, session, begun["batch_id"])
        found = await result(session, begun["batch_id"])

        async def is_told() -> bool:
            return set((await count(system, account)).values()) == {ROWS}

        await poll(is_told, "one of each for each row", PATIENCE_SECONDS)
        counts = await get(session, f"/v1/templates/{template}/statistics")
    passes = await passes_of(system, account)

    assert [row["number"] for row in found] == [f"n{number}" for number in range(ROWS)]
    assert [(row["handle"], row["external_id"], row["number"]) for row in found] == passes
    assert {row["error"] for row in found} == {""}
    assert counts["totals"]["create"] == ROWS
    figure(f"{ROWS:,} rows → passes, {KILLS} kills: 0 lost, 0 twice, {ROWS / seconds:,.0f}/s")


async def test_each_row_becomes_one_link_that_says_what_the_row_says(
    system: System, figure: Figure
):
    async with system.session(await an_account(system)) as session:
        template = await a_template(session)
        account = UUID((await get(session, "/v1/account"))["account_id"])
        body = {"name": "Mailing", "template_id": template}
        program = (await post(session, "/v1/link-programs", body, expect=201))["program_id"]
        sealer = await sealer_of(session, program)
        rows = "".join(f"e{number},Member {number},n{number}\n" for number in range(ROWS))
        content = f"members.externalId,person.displayName,meta.number\n{rows}".encode()

        begun = await send(session, content, kind="links", program_id=program)
        seconds = await kill_amid(system, session, begun["batch_id"])
        found = await result(session, begun["batch_id"])
        before = await count(system, account)
        claims = [claims_of(sealer, row["link"]) for row in found]
        sample = [found[number * (ROWS - 1) // (CLICKED - 1)] for number in range(CLICKED)]
        handles = [
            {await click(session, row["link"]), await click(session, row["link"])} for row in sample
        ]
        after = await count(system, account)

    assert set(before.values()) == {0}
    assert [row["members.externalId"] for row in found] == [f"e{n}" for n in range(ROWS)]
    assert [(said.member, said.values) for said in claims] == [
        ({"external_id": f"e{n}", "name": f"Member {n}"}, {"number": f"n{n}"}) for n in range(ROWS)
    ]
    assert len({said.link_id for said in claims}) == ROWS
    assert {len(each) for each in handles} == {1}
    assert (after["members"], after["passes"]) == (CLICKED, CLICKED)
    figure(f"{ROWS:,} rows → links, {KILLS} kills: 0 lost, 0 wrong, {ROWS / seconds:,.0f}/s")


async def test_each_row_becomes_one_short_link(system: System, figure: Figure):
    async with system.session(await an_account(system)) as session:
        pass_ = {
            "description": "A card",
            "storeCard": {
                "headerFields": [
                    {"key": "seat", "value": {"value": "", "editable": True, "label": "Seat"}}
                ]
            },
        }
        body = {"name": "Card", "pass": pass_}
        template = (await post(session, "/v1/templates", body, expect=201))["template_id"]
        account = UUID((await get(session, "/v1/account"))["account_id"])
        path = "structure_headerFields_seat_value"
        content = "".join([f"{path}\n", *(f"s{number}\n" for number in range(ROWS))]).encode()

        begun = await send(session, content, kind="links", template_id=template)
        seconds = await kill_amid(system, session, begun["batch_id"])
        found = await result(session, begun["batch_id"])
    kept = await fetch(
        system, "SELECT count(*) AS links FROM gateway.short_links WHERE account_id = $1", account
    )

    assert [row[path] for row in found] == [f"s{number}" for number in range(ROWS)]
    assert len({row["link"] for row in found}) == ROWS == kept[0]["links"]
    assert {row["error"] for row in found} == {""}
    figure(f"{ROWS:,} rows → short links, {KILLS} kills: 0 lost, 0 twice, {ROWS / seconds:,.0f}/s")


async def kill_amid(system: System, session: aiohttp.ClientSession, batch_id: str) -> float:
    """Kill each process in turn, and wait for the end; the seconds that it took."""
    started = time.monotonic()
    for number, name in enumerate(SERVICES, 1):
        share = ROWS * number // (len(SERVICES) + 1)

        async def is_there(share: int = share) -> bool:
            batch = await read(session, batch_id)
            assert batch["ended_at"] is None, "over before the last kill"
            return batch["done"] >= share

        await poll(is_there, f"{share} rows", PATIENCE_SECONDS)
        await kill(name, system)
        await system.until_ready()
    batch = await ended(session, batch_id, PATIENCE_SECONDS)
    assert (batch["state"], batch["done"], batch["failed"]) == ("finished", ROWS, 0)
    return time.monotonic() - started


async def count(system: System, account: UUID) -> dict[str, int]:
    columns = ", ".join(f"({statement}) AS {name}" for name, statement in FOUND.items())
    (row,) = await fetch(system, f"SELECT {columns}", account)
    return dict(row)


async def passes_of(system: System, account: UUID) -> list[tuple[str, str, str]]:
    """Handle, external id and number of all passes, in the order of their rows."""
    rows = await fetch(
        system,
        """
        SELECT p.handle, m.external_id, p.own_values ->> 'number' AS number
        FROM triggers.passes AS p
        JOIN member.enrolments AS e USING (account_id, handle)
        JOIN member.members AS m ON m.account_id = e.account_id AND m.member_id = e.member_id
        WHERE p.account_id = $1
        ORDER BY substring(m.external_id FROM 2)::int
        """,
        account,
    )
    return [tuple(row) for row in rows]


async def fetch(system: System, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(system.database_url)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def sealer_of(session: aiohttp.ClientSession, program: str) -> LinkSealer:
    """What opens the program's links, by the key that it hands out."""
    file = await get(session, f"/v1/link-programs/{program}/key-file")
    return LinkSealer(
        read_base64url(file["key"]),
        account_id=UUID(file["account_id"]),
        program_id=UUID(file["program_id"]),
    )


def claims_of(sealer: LinkSealer, link: str) -> LinkClaims:
    opened = sealer.open(link.partition("?data=")[2])
    claims = opened and LinkClaims.read(opened)
    assert claims, link
    return claims


async def click(session: aiohttp.ClientSession, link: str) -> str:
    """The handle of the pass that a person is led to."""
    path = link[link.index("/c/") :]
    async with session.get(path, headers=BROWSER, allow_redirects=False) as response:
        assert response.status == 303, await response.text()
        return response.headers["Location"].removeprefix("/p/")
