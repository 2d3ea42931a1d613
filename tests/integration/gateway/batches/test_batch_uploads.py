"""Files of rows on their way in: judged, taken once, or refused as a whole."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import FormData
from yarl import URL

from shared.contracts.triggers import (
    CreatePass,
)
from tests.integration.gateway.batches.batching import (
    CSV,
    PATIENCE,
    POINTS,
    Gate,
    begun,
    send,
)
from tests.integration.gateway.conftest import (
    AnAccount,
    Gateway,
    make_account,
    running_gateway,
)
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template
from tests.servers import new_database


async def test_unknown_columns_are_named_with_the_nearest_name_and_nothing_has_happened(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    head = f"structure_headerFields_point_value,externl_id,serialNumber,{POINTS},{POINTS}"
    answer = await send(an_account, f"{head}\n1,2,3,4,5\n", kind="passes", template_id=template_id)
    again = await send(
        an_account,
        "structure_headerFields_point_value,externl_id,serialNumber\n1,2,3\n",
        kind="passes",
        template_id=template_id,
    )

    assert (answer.status, answer.code) == (422, "batch_columns")
    assert answer.faults == {f"/1/{POINTS}": f"means the same as the column {POINTS}"}
    assert again.faults == {
        "/1/structure_headerFields_point_value": f"is unknown; did you mean {POINTS}?",
        "/1/externl_id": "is unknown; did you mean external_id?",
        "/1/serialNumber": "is read-only",
    }
    assert not owners.asked_for(CreatePass)
    assert await gateway.query("SELECT 1 FROM batches") == await gateway.query(
        "SELECT 1 FROM batches WHERE account_id <> $1", an_account.account_id
    )


async def test_missing_columns_are_named(an_account: AnAccount, template_id: str, owners: Owners):
    answers = [
        await send(an_account, f"{POINTS}\n1\n", kind="passes"),
        await send(an_account, f"{POINTS}\n1\n", kind="changes", template_id=template_id),
        await send(an_account, "link\nx\n", kind="members"),
    ]

    assert [answer.code for answer in answers] == ["batch_columns"] * 3
    assert [list(answer.faults) for answer in answers] == [["?template_id"], ["/1"], ["/1"]]


async def test_file_may_be_a_field_of_a_form(
    an_account: AnAccount, gateway: Gateway, template_id: str, owners: Owners
):
    form = FormData()
    form.add_field("file", f"{POINTS}\n1\n2\n".encode(), filename="rows.csv")
    url = f"/v1/batches?kind=passes&template_id={template_id}"
    async with gateway.http.post(url, data=form, headers={"X-API-Key": an_account.key}) as answer:
        batch = await answer.json()
    assert (answer.status, batch["rows"]) == (202, 2)


@pytest.mark.parametrize("names", [["other"], ["file", "file"], ["file", "push"]])
async def test_form_has_one_field(
    names: list[str], an_account: AnAccount, gateway: Gateway, template_id: str
):
    form = FormData()
    for name in names:
        form.add_field(name, f"{POINTS}\n1\n".encode(), filename="rows.csv")
    url = f"/v1/batches?kind=passes&template_id={template_id}"
    async with gateway.http.post(url, data=form, headers={"X-API-Key": an_account.key}) as refused:
        problem = await refused.json()

    assert (refused.status, problem["detail"]) == (400, "A form has one field: the file.")
    assert (await an_account.call("GET", "/v1/batches")).json["data"] == []


async def test_dry_run_tells_what_would_be_and_does_nothing(
    an_account: AnAccount, template_id: str, owners: Owners
):
    rows = f"Name,{POINTS},backgroundColor\nAnn,1,red\nBob,2,no colour\n" + "x,,\n" * 30

    answer = await send(an_account, rows, kind="passes", template_id=template_id, dry_run="true")
    listed = await an_account.call("GET", "/v1/batches")

    first, second, *others = answer.json["first"]
    assert (answer.status, answer.json["rows"], len(others)) == (200, 32, 18)
    assert answer.json["columns"]["Name"] == "name"
    assert first == {
        "line": 2,
        "template_id": template_id,
        "facts": {"name": "Ann"},
        "values": {POINTS: "1", "backgroundColor": "red"},
        "error": None,
    }
    assert second["error"].startswith("These values cannot be set. (backgroundColor: a colour")
    assert listed.json["data"] == []
    assert not owners.asked_for(CreatePass)


async def test_dry_run_lists_equal_ids(an_account: AnAccount, template_id: str):
    rows = "external_id\ne1\ne2\ne1\n"

    answer = await send(an_account, rows, kind="passes", template_id=template_id, dry_run="true")

    errors = [row["error"] for row in answer.json["first"]]
    assert errors == [None, None, "It has the same external_id as line 2."]


async def test_same_file_within_a_day_is_the_same_batch_unless_it_is_to_be_done_again(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    rows = f"{POINTS}\n1\n"
    asked = {"kind": "passes", "template_id": template_id}
    first = await send(an_account, rows, **asked)

    same = await send(an_account, rows, **asked)
    other_terms = await send(an_account, rows, **asked, push="false")
    again = await send(an_account, rows, **asked, again="true")

    ids = [answer.json["batch_id"] for answer in (first, same, other_terms, again)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert [a.json["repeated"] for a in (first, same, again)] == [False, True, False]
    left = await gateway.query("SELECT 1 FROM batches WHERE account_id = $1", an_account.account_id)
    assert len(left) == 3


async def test_same_key_is_the_same_batch(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    asked = {"kind": "passes", "template_id": template_id, "again": "true"}
    first = await send(an_account, f"{POINTS}\n1\n", "a-key", **asked)

    same = await send(an_account, f"{POINTS}\n1\n", "a-key", **asked)
    other = await send(an_account, f"{POINTS}\n2\n", "a-key", **asked)

    assert first.content == same.content
    assert same.headers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    left = await gateway.query("SELECT 1 FROM batches WHERE account_id = $1", an_account.account_id)
    assert len(left) == 1


async def test_upload_that_is_cut_off_leaves_nothing(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    body = (f"{POINTS}\n" + "1\n" * 100_000).encode()
    url = URL(gateway.url)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"POST /v1/batches?kind=passes&template_id={template_id} HTTP/1.1\r\nHost: x\r\n"
        f"X-API-Key: {an_account.key}\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(body[: len(body) // 2])
    await writer.drain()

    async def held() -> list[Any]:
        return await gateway.query(
            "SELECT 1 FROM batches WHERE account_id = $1", an_account.account_id
        )

    async with asyncio.timeout(PATIENCE):
        while not await held():
            await asyncio.sleep(0.01)
        writer.close()
        while await held():
            await asyncio.sleep(0.01)

    assert (await an_account.call("GET", "/v1/batches")).json["data"] == []
    assert not owners.asked_for(CreatePass)


async def test_file_that_cannot_be_read_to_its_end_leaves_nothing(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    rows = f"{POINTS}\n" + "1\n" * 5000 + '"never closed\n'

    answer = await send(an_account, rows, kind="passes", template_id=template_id)

    assert (answer.status, answer.code, list(answer.faults)) == (422, "table_unreadable", ["/5002"])
    assert not await gateway.query(
        "SELECT 1 FROM batches WHERE account_id = $1", an_account.account_id
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "batch_columns"),
        ("\n\n", "batch_columns"),
        ("name", "batch_empty"),
        ("name\r\n", "batch_empty"),
        ("name,email\n\n,\n", "batch_empty"),
    ],
)
async def test_file_without_rows_is_refused(an_account: AnAccount, content: str, code: str):
    answers = [
        await send(an_account, content, kind="members", dry_run=dry_run)
        for dry_run in ("false", "true")
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(422, code)] * 2
    assert (await an_account.call("GET", "/v1/batches")).json["data"] == []


async def test_members_have_no_template(an_account: AnAccount, template_id: str):
    answer = await send(an_account, "name\nAda\n", kind="members", template_id=template_id)

    assert (answer.status, list(answer.faults)) == (422, ["?template_id"])


async def test_kind_needs_the_right_to_do_each_row(
    an_account: AnAccount, template_id: str, owners: Owners
):
    key = await an_account.with_scopes("batches:write", "batches:read", "passes:write")

    answers = [
        await send(key, "name\nx\n", kind="members"),
        await send(key, "name\nx\n", kind="passes", template_id=template_id),
    ]
    allowed = await send(key, f"{POINTS}\n1\n", kind="passes", template_id=template_id)

    assert [answer.status for answer in answers] == [403, 403]
    assert "members:write" in answers[0].json["detail"]
    assert allowed.status == 202


async def test_an_account_has_only_so_many_batches_on_their_way(
    an_account: AnAccount, template_id: str, owners: Owners
):
    Gate(owners)
    asked = {"kind": "passes", "template_id": template_id}
    ids = [await begun(an_account, f"{POINTS}\n{n}\n", **asked) for n in range(20)]

    one_more = await send(an_account, f"{POINTS}\nx\n", **asked)
    for batch_id in ids:
        await an_account.call("POST", f"/v1/batches/{batch_id}/cancel")

    assert (one_more.status, one_more.code) == (429, "too_many_batches")


async def test_file_that_is_too_long_leaves_nothing(database_url: str):
    async with (
        new_database(database_url) as url,
        running_gateway(url, batch_mebibytes=1) as gateway,
    ):
        account = await make_account(gateway)
        template_id = await make_template(account)
        rows = "psScanText\n" + f"{'x' * 999}\n" * 1100

        async def pieces() -> AsyncIterator[bytes]:
            yield rows.encode()

        headers = {"X-API-Key": account.key, **CSV}
        path = f"/v1/batches?kind=passes&template_id={template_id}"
        async with gateway.http.post(path, data=pieces(), headers=headers) as answer:
            problem = await answer.json()

        assert (answer.status, problem["code"]) == (413, "too_large")
        assert not await gateway.query("SELECT 1 FROM batches")
