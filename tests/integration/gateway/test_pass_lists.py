"""Lists of passes: the filters that are asked for, and all of them in one file."""

import csv
import io
import json
import time
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio

from services.gateway.usecases.exports import COLUMNS, OTHER_VALUES
from shared import clock
from shared.contracts.triggers import ListPasses, Pass, PassPage
from shared.errors import UnavailableError
from tests.integration.gateway.conftest import AnAccount, Answer, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template

POINTS = "structure_headerFields_points_value"
SECONDS = 30


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


@pytest_asyncio.fixture
async def template_id(an_account: AnAccount) -> str:
    return await make_template(an_account, properties={"note": ""})


def issued(number: int, template_id: str, **facts: Any) -> Pass:
    moment = clock.now()
    return Pass.model_validate(
        {
            "handle": f"h{number}",
            "account_id": UUID(int=1),
            "template_id": template_id,
            "serial_number": f"s{number}",
            "version": 1,
            "values": {},
            "created_at": moment,
            "updated_at": moment,
            **facts,
        }
    )


def serve(owners: Owners, passes: list[Pass], *, most: int = 1000) -> None:
    """Let triggers have these passes, of which it tells at most so many at a time."""

    def page(query: ListPasses) -> PassPage:
        shown = passes[query.after :][: min(query.limit, most)]
        last = query.after + len(shown)
        return PassPage(passes=shown, more=last < len(passes), last=last)

    owners.answer(ListPasses, page)


def rows_of(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


@pytest.mark.parametrize("address", ["/v1/passes", "/v1/passes.csv"])
async def test_filters_reach_the_owner_of_the_passes(
    an_account: AnAccount, template_id: str, owners: Owners, address: str
):
    serve(owners, [])

    answer = await an_account.call(
        "GET",
        f"{address}?template_id={template_id}&member_id=ann&email=a%2Bn%40Beans.example"
        "&voided=false&expired=true",
    )

    assert answer.status == 200
    [asked] = owners.asked_for(ListPasses)
    assert asked.account_id == an_account.account_id
    assert (asked.template_id, asked.member_id) == (UUID(template_id), "ann")
    assert (asked.email, asked.voided, asked.expired) == ("a+n@Beans.example", False, True)


@pytest.mark.parametrize("address", ["/v1/passes", "/v1/passes.csv"])
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("voided=maybe", "?voided"),
        ("voided=1", "?voided"),
        ("expired=", "?expired"),
        ("email=ann", "?email"),
        ("email=a+n@beans.example", "?email"),
        ("email=" + "a" * 250 + "@b.example", "?email"),
        ("member_id=", "?member_id"),
        ("template_id=card", "?template_id"),
        ("colour=red", "?colour"),
    ],
)
async def test_filter_that_makes_no_sense_is_pointed_at(
    an_account: AnAccount, owners: Owners, address: str, query: str, pointer: str
):
    answer = await an_account.call("GET", f"{address}?{query}")

    assert (answer.status, list(answer.faults)) == (422, [pointer])
    assert owners.asked_for(ListPasses) == []


async def test_pass_tells_when_it_expires(an_account: AnAccount, template_id: str, owners: Owners):
    past = clock.now()
    serve(owners, [issued(1, template_id, expires_at=past), issued(2, template_id)])

    listed = (await an_account.call("GET", "/v1/passes")).json["data"]

    assert [found["expired"] for found in listed] == [True, False]
    assert listed[0]["expires_at"] == past.isoformat().replace("+00:00", "Z")
    assert listed[1]["expires_at"] is None


async def test_file_holds_every_pass_once_in_the_order_of_the_list(
    an_account: AnAccount, template_id: str, owners: Owners
):
    passes = [issued(n, template_id, values={POINTS: n, "note": f"n{n}"}) for n in range(2500)]
    serve(owners, passes, most=400)

    answer = await an_account.call("GET", f"/v1/passes.csv?template_id={template_id}")

    rows = rows_of(answer)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="passes.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert [row["handle"] for row in rows] == [found.handle for found in passes]
    assert list(rows[0])[: len(COLUMNS)] == list(COLUMNS)
    assert (rows[7][POINTS], rows[7]["note"], rows[7][OTHER_VALUES]) == ("7", "n7", "")
    assert owners.lanes_of(ListPasses) == {"bulk"}


async def test_file_of_many_templates_holds_their_values_in_one_column(
    an_account: AnAccount, template_id: str, owners: Owners
):
    serve(owners, [issued(1, template_id, values={POINTS: 5})])

    [row] = rows_of(await an_account.call("GET", "/v1/passes.csv"))

    assert list(row) == [*COLUMNS, OTHER_VALUES]
    assert json.loads(row[OTHER_VALUES]) == {POINTS: 5}


async def test_template_of_somebody_else_is_unknown(
    another_account: AnAccount, template_id: str, owners: Owners
):
    answer = await another_account.call("GET", f"/v1/passes.csv?template_id={template_id}")

    assert (answer.status, answer.faults) == (422, {"?template_id": "Unknown template"})


async def test_file_needs_the_right_to_read_passes(an_account: AnAccount, owners: Owners):
    serve(owners, [])
    reader = await an_account.with_scopes("passes:read")
    writer = await an_account.with_scopes("passes:write")

    assert (await reader.call("GET", "/v1/passes.csv")).status == 200
    assert (await writer.call("GET", "/v1/passes.csv")).status == 403
    assert (await an_account.gateway.call("GET", "/v1/passes.csv")).status == 401


async def test_file_tells_who_has_a_pass_to_those_who_may_read_members(
    an_account: AnAccount, template_id: str, owners: Owners
):
    member = {"name": "Ada", "email": "ada@example.com"}
    serve(owners, [issued(1, template_id, member_id="ada", member=member)])
    lesser = await an_account.with_scopes("passes:read")
    reader = await an_account.with_scopes("passes:read", "members:read")

    answers = [await key.call("GET", "/v1/passes.csv") for key in (lesser, reader)]

    assert [rows_of(answer)[0]["email"] for answer in answers] == ["", "ada@example.com"]
    assert b"Ada" not in answers[0].content


async def test_head_of_a_file_says_what_it_would_be(
    an_account: AnAccount, template_id: str, owners: Owners
):
    serve(owners, [issued(n, template_id) for n in range(3000)])

    answer = await an_account.call("HEAD", "/v1/passes.csv")

    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(owners.asked_for(ListPasses)) == 1


async def test_file_that_cannot_begin_is_an_error(an_account: AnAccount, owners: Owners):
    owners.answer(ListPasses, lambda _: UnavailableError())

    answer = await an_account.call("GET", "/v1/passes.csv")

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_file_that_breaks_off_is_no_whole_one(
    an_account: AnAccount, template_id: str, owners: Owners
):
    passes = [issued(n, template_id) for n in range(1000)]
    owners.answer(
        ListPasses,
        lambda query: (
            UnavailableError() if query.after else PassPage(passes=passes, more=True, last=1000)
        ),
    )

    with pytest.raises(aiohttp.ClientPayloadError):
        await an_account.call("GET", "/v1/passes.csv")

    assert (await an_account.gateway.call("GET", "/health")).status == 200


async def test_reader_who_is_slow_is_waited_for_and_holds_up_nobody(
    an_account: AnAccount, template_id: str, owners: Owners
):
    """Of a list without end no more is read than the connection takes."""
    page = [issued(n, template_id, values={"long": "x" * 5000}) for n in range(100)]
    owners.answer(ListPasses, lambda query: PassPage(passes=page, more=True, last=query.after + 1))
    http, headers = an_account.gateway.http, {"X-API-Key": an_account.key}
    async with http.get("/v1/passes.csv", headers=headers) as response:
        deadline = time.monotonic() + SECONDS
        read = -1
        while read != len(owners.asked):
            read = len(owners.asked)
            for _ in range(50):
                assert (await an_account.gateway.call("GET", "/health")).status == 200
            assert time.monotonic() < deadline, "it reads on and on"
        response.close()

    assert response.status == 200
