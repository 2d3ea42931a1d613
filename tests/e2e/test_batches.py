"""Lists of rows through the whole system, whatever is killed meanwhile."""

import asyncio
import csv
import io
import json
import secrets
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.batches import ended, result, send
from tests.e2e.test_exports import an_account
from tests.e2e.test_journeys import POINTS, a_template, download, get, post
from tests.partner import Partner
from tests.system import System, poll, run_command

ROWS = 10_000
SOME_ROWS = 2_000


async def issued(system: System, template: str) -> dict[str, Any]:
    """Read the passes of a template, by their handles."""
    connection = await asyncpg.connect(system.database_url)
    try:
        rows = await connection.fetch(
            "SELECT handle, own_values ->> 'number' AS number FROM triggers.passes"
            " WHERE template_id = $1",
            template,
        )
    finally:
        await connection.close()
    return {row["handle"]: row["number"] for row in rows}


def table(rows: int) -> bytes:
    return "".join(["number\n", *(f"n{number}\n" for number in range(rows))]).encode()


async def test_ten_thousand_rows_with_one_faulty_become_passes_and_partners_hear_of_the_end(
    system: System, partner: Partner
):
    async with system.session(await an_account(system)) as session:
        template = await a_template(session)
        body = {"url": partner.url, "types": ["batch.*"]}
        partner.secret = (await post(session, "/v1/webhooks", body, expect=201))["secret"]
        lines = [f"{'red' if n != 4711 else 'no colour'};n{n}\r\n" for n in range(ROWS)]
        content = f"backgroundColor;number\r\n{''.join(lines)}".encode("cp1252")

        begun = await send(session, content, kind="passes", template_id=template)
        same = await send(session, content, kind="passes", template_id=template)
        batch = await ended(session, begun["batch_id"])
        found = await result(session, begun["batch_id"], separator=";")
        failed = await result(session, begun["batch_id"], "errors", separator=";")
        archive = await download(session, found[-1]["handle"])
        await poll(lambda: partner.received, "webhook")

    passes = await issued(system, template)
    told = partner.received[0]
    assert (same["batch_id"], same["repeated"]) == (begun["batch_id"], True)
    assert (batch["state"], batch["done"], batch["failed"]) == ("finished", ROWS, 1)
    assert [row["number"] for row in found] == [f"n{n}" for n in range(ROWS)]
    assert [passes.get(row["handle"]) for row in found] == [
        f"n{n}" if n != 4711 else None for n in range(ROWS)
    ]
    assert len(passes) == ROWS - 1
    assert [row["number"] for row in failed] == ["n4711"]
    assert "backgroundColor: a colour" in failed[0]["error"]
    assert b"n9999" in archive["pass.json"]
    assert (told["type"], told["data"]["batch_id"]) == ("batch.finished", begun["batch_id"])
    assert (told["data"]["done"], told["data"]["failed"]) == (ROWS, 1)


async def test_people_are_enrolled_changed_and_forgotten_by_lists(system: System):
    mark = secrets.token_hex(4)
    async with system.session(await an_account(system)) as session:
        template = await a_template(session)
        people = (
            "externalId;name;e-mail\r\n"
            f"{mark}-1;Jürgen Groß;j.{mark}@example.com\r\n"
            f"{mark}-2;Hélène;h.{mark}@example.com\r\n"
            f"{mark}-1;Jürgen again;\r\n"
        ).encode("cp1252")
        begun = await send(session, people, kind="passes", template_id=template)
        await ended(session, begun["batch_id"])
        first, second, twin = await result(session, begun["batch_id"], separator=";")
        members = await get(session, f"/v1/members?external_id={mark}-1")
        (member,) = members["data"]

        changes = f"handle,{POINTS}\n{first['handle']},12\n".encode()
        changed = await send(session, changes, kind="changes")
        await ended(session, changed["batch_id"])
        shown = await download(session, first["handle"])
        tiers = f"external_id,tier\n{mark}-1,Gold\nnew-{mark},Silver\n{'x' * 201},Tin\n".encode()
        saved = await send(session, tiers, kind="members")
        batch = await ended(session, saved["batch_id"])
        refused = (await result(session, saved["batch_id"]))[2]["error"]
        gold = await get(session, f"/v1/members/{member['member_id']}")

        async with session.delete(f"/v1/members/{member['member_id']}") as response:
            assert response.status == 204

        async def is_erased() -> bool:
            rows = await result(session, begun["batch_id"], separator=";")
            return rows[0]["name"] == ""

        await poll(is_erased, "rows without the member")
        left = await result(session, begun["batch_id"], separator=";")

    assert member["name"] == "Jürgen Groß"
    assert twin["error"] == "It has the same external_id as line 2."
    card = json.loads(shown["pass.json"])["storeCard"]
    assert card["primaryFields"][0]["value"] == "Hello Jürgen Groß"
    assert card["headerFields"][0]["value"] == 12
    assert (batch["failed"], gold["tier"]) == (1, "Gold")
    assert refused.startswith("The member cannot be saved so. (external_id: ")
    assert (left[0]["externalId"], left[0]["error"]) == ("", "The member was erased.")
    assert left[1]["name"] == second["name"] == "Hélène"


async def test_batch_waits_goes_on_and_ends_when_it_is_told(system: System):
    async with system.session(await an_account(system)) as session:
        template = await a_template(session)
        first = await send(session, table(SOME_ROWS), kind="passes", template_id=template)
        one = f"/v1/batches/{first['batch_id']}"
        paused = await post(session, f"{one}/pause")
        resumed = await post(session, f"{one}/resume")
        batch = await ended(session, first["batch_id"])
        second = await send(
            session, table(SOME_ROWS), kind="passes", template_id=template, again="true"
        )
        cancelled = await post(session, f"/v1/batches/{second['batch_id']}/cancel")
        found = await result(session, second["batch_id"])

    assert (paused["state"], resumed["state"]) == ("paused", "queued")
    assert (batch["state"], batch["done"]) == ("finished", SOME_ROWS)
    assert cancelled["state"] == "cancelled"
    assert len(found) == SOME_ROWS


@pytest.mark.parametrize("point", ["batches.leased:3", "batches.done:3"])
async def test_gateway_that_ends_amid_a_batch_goes_on_where_it_was(point: str, distributed: System):
    gateway = distributed.processes["gateway"]
    await distributed.until_ready()
    async with distributed.session(await an_account(distributed)) as session:
        template = await a_template(session)
        await asyncio.to_thread(gateway.stop)
        gateway.start(PASSWRIGHT_CRASH_AT=point)
        await distributed.until_ready()
        running = gateway.running
        assert running is not None

        begun = await send(session, table(SOME_ROWS), kind="passes", template_id=template)
        code = await asyncio.to_thread(running.wait)
        gateway.start()
        await distributed.until_ready()
        await assert_exact(distributed, session, template, begun["batch_id"], SOME_ROWS)

    assert code == -9


@pytest.mark.parametrize("victim", ["triggers", "gateway", "member"])
async def test_killing_a_service_amid_a_batch_loses_and_doubles_no_row(
    victim: str, distributed: System
):
    await distributed.until_ready()
    async with distributed.session(await an_account(distributed)) as session:
        template = await a_template(session)
        lines = "".join(f"e{number},n{number}\n" for number in range(SOME_ROWS))
        content = f"external_id,number\n{lines}".encode()
        begun = await send(session, content, kind="passes", template_id=template)
        batch_id = begun["batch_id"]

        async def is_amid() -> bool:
            return (await get(session, f"/v1/batches/{batch_id}"))["done"] >= 500

        await poll(is_amid, "rows that are done")
        distributed.processes[victim].kill()
        distributed.processes[victim].start()
        await distributed.until_ready()
        await assert_exact(distributed, session, template, batch_id, SOME_ROWS)


async def assert_exact(
    system: System, session: aiohttp.ClientSession, template: str, batch_id: str, rows: int
) -> None:
    """Wait for the end; each row is one pass, and the result tells which."""
    batch = await ended(session, batch_id)
    found = await result(session, batch_id)
    passes = await issued(system, template)
    assert (batch["state"], batch["done"], batch["failed"]) == ("finished", rows, 0)
    assert [passes[row["handle"]] for row in found] == [f"n{n}" for n in range(rows)]
    assert len(passes) == rows


async def test_scans_are_answered_while_a_batch_runs(system: System):
    async with system.session(await an_account(system)) as session:
        template = await a_template(session)
        other = await a_template(session)
        handle = (await post(session, "/v1/passes", {"template_id": other}, expect=201))["handle"]
        begun = await send(session, table(SOME_ROWS), kind="passes", template_id=template)

        scans = 0
        while not (await get(session, f"/v1/batches/{begun['batch_id']}"))["ended_at"]:
            await post(session, f"/v1/passes/{handle}/scan")
            scans += 1
        counts = await get(session, f"/v1/templates/{other}/statistics")

    assert scans > 3
    assert counts["totals"]["scan"] == scans


async def test_the_command_shows_progress_and_writes_the_result(system: System, tmp_path: Path):
    key = await an_account(system)
    async with system.session(key) as session:
        template = await a_template(session)
    file = tmp_path / "people.csv"
    file.write_bytes(b"number,psScanText\nn1,x\nn2,\n")
    environment = system.extra["environment"] | {"PASSWRIGHT_KEY": key}

    said = await run_command(
        environment,
        "batch", str(file), "--template", template, "--url", system.base_url,
    )  # fmt: skip
    again = await run_command(
        environment,
        "batch", str(file), "--template", template, "--url", system.base_url,
    )  # fmt: skip
    refused = await run_command(
        environment,
        "batch", str(file), "--program", "mine", "--url", system.base_url, code=1,
    )  # fmt: skip

    written = (tmp_path / "people.result.csv").read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(written)))
    assert "2 of 2 rows, 0 failed" in said
    assert "was sent before" in again
    assert refused.startswith("?program_id: Input should be a valid UUID")
    assert [row["number"] for row in rows] == ["n1", "n2"]
    assert set((await issued(system, template)).keys()) == {row["handle"] for row in rows}
