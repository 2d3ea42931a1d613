"""Batches on their way: done row by row, told of, kept sealed, forgotten."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import orjson
import pytest

from shared.contracts.gateway import BatchEnded
from shared.contracts.triggers import (
    CreatePass,
)
from shared.errors import (
    ApplicationError,
    InternalError,
)
from tests.integration.gateway.batches.batching import (
    PATIENCE,
    POINTS,
    Gate,
    People,
    begun,
    ended,
    result,
    send,
    until,
)
from tests.integration.gateway.conftest import (
    AnAccount,
    Answer,
    Gateway,
)
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template


async def test_rows_in_doubt_are_done_once_when_their_owner_is_back(
    an_account: AnAccount, template_id: str, owners: Owners
):
    gate = Gate(owners)
    batch_id = await begun(an_account, f"{POINTS}\n1\n2\n", kind="passes", template_id=template_id)
    async with asyncio.timeout(PATIENCE):
        while len(owners.asked_for(CreatePass)) < 4:
            await asyncio.sleep(0.02)
    before = (await an_account.call("GET", f"/v1/batches/{batch_id}")).json

    gate.is_open = True
    batch = await ended(an_account, batch_id)

    assert (before["state"], before["done"]) == ("running", 0)
    assert (batch["done"], batch["failed"]) == (2, 0)
    assert len({command.command_id for command in owners.asked_for(CreatePass)}) == 2
    assert len({command.handle for command in owners.asked_for(CreatePass)}) == 2


async def test_paused_batch_waits_and_a_cancelled_one_tells_what_was_not_done(
    an_account: AnAccount, template_id: str, owners: Owners
):
    gate = Gate(owners)
    rows = f"{POINTS}\n" + "1\n" * 3000
    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)

    async def control(action: str) -> Answer:
        return await an_account.call("POST", f"/v1/batches/{batch_id}/{action}")

    paused = [await control("pause"), await control("pause")]
    early = await an_account.call("GET", f"/v1/batches/{batch_id}/result.csv")
    gate.is_open = True
    resumed = [await control("resume"), await control("resume")]
    await until(an_account, batch_id, lambda batch: batch["done"] >= 500)
    gate.is_open = False
    cancelled = [await control("cancel"), await control("cancel")]
    late = await control("resume")
    found = await result(an_account, batch_id)

    assert [answer.json["state"] for answer in paused] == ["paused"] * 2
    assert (early.status, early.code) == (409, "batch_goes_on")
    assert {answer.json["state"] for answer in resumed} <= {"queued", "running"}
    assert [answer.json["state"] for answer in cancelled] == ["cancelled"] * 2
    assert (late.status, late.code) == (409, "batch_ended")
    assert len(found) == 3000
    told = Counter(row["error"] for row in found)
    assert set(told) == {"", "The batch was cancelled before this row."}
    assert told[""] >= 500


async def test_batches_of_two_accounts_advance_in_turns(
    an_account: AnAccount, another_account: AnAccount, owners: Owners
):
    gate = Gate(owners)
    templates = [await make_template(account) for account in (an_account, another_account)]
    rows = f"{POINTS}\n" + "1\n" * 10_000
    large = [
        await begun(an_account, rows + f"{n}\n", kind="passes", template_id=templates[0])
        for n in range(2)
    ]
    small = await begun(
        another_account, f"{POINTS}\n" + "1\n" * 2000, kind="passes", template_id=templates[1]
    )

    gate.is_open = True
    await ended(another_account, small)
    batches = [(await an_account.call("POST", f"/v1/batches/{one}/cancel")).json for one in large]

    assert sum(batch["done"] for batch in batches) < 10_000


async def test_rows_that_fail_on_our_side_are_tried_again_and_then_told(
    an_account: AnAccount, template_id: str, owners: Owners
):
    asked: list[CreatePass] = []

    def create(command: CreatePass) -> ApplicationError:
        if command.account_id == an_account.account_id:
            asked.append(command)
        owners.forget(command)
        return InternalError()

    owners.answer(CreatePass, create)
    batch_id = await begun(an_account, f"{POINTS}\n1\n", kind="passes", template_id=template_id)
    batch = await ended(an_account, batch_id)
    (row,) = await result(an_account, batch_id)

    assert (batch["failed"], len(asked)) == (1, 5)
    assert row["error"] == InternalError().detail


async def test_batch_that_cannot_be_opened_has_failed_and_holds_up_no_other(
    gateway: Gateway,
    an_account: AnAccount,
    template_id: str,
    owners: Owners,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("services.gateway.jobs.batches.MAX_ATTEMPTS", 3)
    gate = Gate(owners)
    asked = {"kind": "passes", "template_id": template_id}
    batch_id = await begun(an_account, f"{POINTS}\n1\n", **asked)
    other_id = await begun(an_account, f"{POINTS}\n2\n", **asked)
    await gateway.query(
        "UPDATE batch_chunks SET content = $2 WHERE batch_id = $1", UUID(batch_id), bytes(50)
    )

    gate.is_open = True
    other = await ended(an_account, other_id)
    batch = await ended(an_account, batch_id)
    told = await announced_end(gateway, batch_id)

    assert (other["state"], batch["state"]) == ("finished", "failed")
    assert batch["fault"] == "Some of its rows cannot be done."
    assert told["state"] == "failed"


async def announced_end(gateway: Gateway, batch_id: str) -> dict[str, Any]:
    """Read what was announced of a batch's end: one message."""
    (row,) = await gateway.query(
        """
        SELECT DISTINCT ON (message_id) body
        FROM outbox
        WHERE name = $1 AND convert_from(body, 'UTF8')::jsonb ->> 'batch_id' = $2
        """,
        BatchEnded.name,
        batch_id,
    )
    return orjson.loads(row["body"])


async def test_the_end_is_announced_once(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    batch_id = await begun(
        an_account, "unknown\n1\n\n", kind="passes",
        template_id=await make_template(an_account, properties={"unknown": ""}),
    )  # fmt: skip
    batch = await ended(an_account, batch_id)

    told = await announced_end(gateway, batch_id)
    assert told == {
        "batch_id": batch_id,
        "account_id": str(an_account.account_id),
        "kind": "passes",
        "state": "finished",
        "rows": 1,
        "done": 1,
        "failed": 1,
        "ended_at": batch["ended_at"],
    }


async def test_rows_and_results_rest_sealed_and_go_some_days_after_the_end(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    rows = "external_id,name\ncrm-canary-1,Ada Canary\n"
    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)
    await ended(an_account, batch_id)
    texts = [
        str(bytes(value)) if isinstance(value, bytes) else str(value)
        for table in ("batches", "batch_chunks", "batch_marks")
        for row in await gateway.query(f"SELECT * FROM {table} WHERE batch_id = $1", UUID(batch_id))
        for value in row
    ]

    await gateway.context.batches.forget_over(7)
    kept = await an_account.call("GET", f"/v1/batches/{batch_id}")
    await gateway.query(
        "UPDATE batches SET ended_at = now() - interval '8 days' WHERE batch_id = $1",
        UUID(batch_id),
    )
    await gateway.context.batches.forget_over(7)
    gone = await an_account.call("GET", f"/v1/batches/{batch_id}")

    assert len(texts) > 20
    assert not [text for text in texts if "anary" in text]
    assert (kept.status, gone.status, gone.code) == (200, 404, "batch_not_found")
    for table in ("batch_chunks", "batch_marks"):
        assert not await gateway.query(f"SELECT 1 FROM {table} WHERE batch_id = $1", UUID(batch_id))


async def test_batch_is_nobody_elses(
    an_account: AnAccount, another_account: AnAccount, template_id: str, owners: Owners
):
    batch_id = await begun(an_account, f"{POINTS}\n1\n", kind="passes", template_id=template_id)

    answers = [
        await another_account.call("GET", f"/v1/batches/{batch_id}"),
        await another_account.call("GET", f"/v1/batches/{batch_id}/result.csv"),
        await another_account.call("POST", f"/v1/batches/{batch_id}/cancel"),
        await send(another_account, f"{POINTS}\n1\n", kind="passes", template_id=template_id),
    ]

    assert [answer.status for answer in answers] == [404, 404, 404, 422]
    assert (await another_account.call("GET", "/v1/batches")).json["data"] == []
