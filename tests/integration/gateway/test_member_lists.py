"""Lists of members: the filters and orders that are asked for, and all of them in one file."""

import csv
import io
from codecs import BOM_UTF8
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from services.gateway.routes.v1.member_lists import COLUMNS
from shared.contracts.member import ListMembers, Member, MemberPage
from shared.errors import InvalidError, UnavailableError
from shared.http.pagination import encode_cursor
from shared.identifiers import new_id
from tests.integration.gateway.conftest import AnAccount, Answer, Gateway
from tests.integration.gateway.owners import Owners, a_member

ADDRESSES = ["/v1/members", "/v1/members.csv"]


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


def serve(owners: Owners, members: list[Member], *, most: int = 1000) -> None:
    """Let the member service have these, of which it tells at most so many at a time."""

    def page(query: ListMembers) -> MemberPage:
        ids = [member.member_id for member in members]
        rest = members[ids.index(query.after) + 1 :] if query.after is not None else members
        shown = rest[: min(query.limit, most)]
        key = None if query.sort == "member_id" else getattr(shown[-1], query.sort)
        return MemberPage(members=shown, more=len(rest) > len(shown), last_key=key)

    owners.answer(ListMembers, page)


def rows_of(answer: Answer) -> list[dict[str, str]]:
    assert answer.content.startswith(BOM_UTF8)
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("address", ADDRESSES)
async def test_filters_reach_the_owner_of_the_members(
    an_account: AnAccount, owners: Owners, address: str
):
    owners.answer(ListMembers, lambda _: MemberPage(members=[], more=False))
    template_id = new_id()

    answer = await an_account.call(
        "GET",
        f"{address}?name=Ad&email=a%2Bn%40beans&phone=%2B49&external_id=77&tier=gold&points_min=-1"
        "&points_max=5&created_from=2026-01-01T00:00:00%2B02:00&created_before=2026-01-02T00:00:00Z"
        f"&template_id={template_id}",
    )

    assert answer.status == 200
    [asked] = owners.asked_for(ListMembers)
    assert asked == ListMembers(
        account_id=an_account.account_id,
        name_begins="Ad",
        email_begins="a+n@beans",
        phone_begins="+49",
        external_id="77",
        tier="gold",
        points_min=-1,
        points_max=5,
        created_from=datetime(2025, 12, 31, 22, tzinfo=UTC),
        created_before=datetime(2026, 1, 2, tzinfo=UTC),
        template_id=template_id,
        limit=asked.limit,
    )


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("name=" + "x" * 1001, "?name"),
        ("points_min=many", "?points_min"),
        ("points_max=1000000000001", "?points_max"),
        ("created_from=2026-01-01", "?created_from"),
        ("created_from=2026-01-01T00:00:00", "?created_from"),
        ("created_from=2026-01-01T00:00:00+01:00", "?created_from"),
        ("created_before=1767225600", "?created_before"),
        ("created_before=2026-02-30T00:00:00Z", "?created_before"),
        ("template_id=card", "?template_id"),
        ("columns=shoe_size", "?columns"),
        ("columns=" + "&columns=".join(["name"] * 13), "?columns"),
        ("tier=a&tier=b", "?tier"),
        ("colour=red", "?colour"),
    ],
)
async def test_filter_that_makes_no_sense_is_pointed_at(
    an_account: AnAccount, owners: Owners, address: str, query: str, pointer: str
):
    answer = await an_account.call("GET", f"{address}?{query}")

    assert (answer.status, list(answer.faults)) == (422, [pointer])
    assert owners.asked_for(ListMembers) == []


@pytest.mark.parametrize("address", ADDRESSES)
async def test_faults_the_owner_finds_are_passed_on(
    an_account: AnAccount, owners: Owners, address: str
):
    fault = {"pointer": "?phone", "detail": "a digit is needed"}
    owners.answer(ListMembers, lambda _: InvalidError(errors=[fault]))

    answer = await an_account.call("GET", f"{address}?phone=-")

    assert (answer.status, answer.faults) == (422, {"?phone": "a digit is needed"})


@pytest.mark.parametrize("sort", ["member_id", "-member_id", "name", "-name", "points", "-points"])
async def test_pages_go_on_in_the_order_asked_for(an_account: AnAccount, owners: Owners, sort: str):
    members = [
        a_member(an_account.account_id, name, name=f"{name} 漢", points=number)
        for number, name in enumerate(("ann", "bob", "cleo"))
    ]
    serve(owners, members)

    first = await an_account.call("GET", f"/v1/members?limit=2&sort={sort}")
    cursor = first.json["next_cursor"]
    second = await an_account.call("GET", f"/v1/members?limit=2&sort={sort}&cursor={cursor}")

    listed = first.json["data"] + second.json["data"]
    assert [m["member_id"] for m in listed] == ["ann", "bob", "cleo"]
    assert second.json["next_cursor"] is None
    asked = owners.asked_for(ListMembers)
    key = {"member_id": None, "name": "bob 漢", "points": 1}[sort.removeprefix("-")]
    assert [(q.after, q.after_key) for q in asked] == [(None, None), ("bob", key)]
    assert {(q.sort, q.descending) for q in asked} == {(sort.removeprefix("-"), "-" in sort)}


async def test_longest_name_fits_in_a_cursor(an_account: AnAccount, owners: Owners):
    last = a_member(an_account.account_id, "m" * 64)
    page = MemberPage(members=[last], more=True, last_key="🎈" * 64)
    owners.answer(ListMembers, lambda _: page)

    first = await an_account.call("GET", "/v1/members?sort=-name")
    cursor = first.json["next_cursor"]
    second = await an_account.call("GET", f"/v1/members?sort=-name&cursor={cursor}")

    assert (first.status, second.status) == (200, 200)
    assert owners.asked_for(ListMembers)[1].after_key == "🎈" * 64


@pytest.mark.parametrize(
    "place",
    [
        {"at": "ann"},
        {"at": "ann", "sort": "name", "key": "ann"},
        {"at": "ann", "sort": "-points", "key": 5},
        {"at": "ann", "sort": "points", "key": "5"},
        {"at": "ann", "sort": "points", "key": None},
        {"at": "ann", "sort": "points", "key": True},
        {"at": 7, "sort": "points", "key": 5},
        {"sort": "points", "key": 5},
    ],
)
async def test_cursor_of_another_order_is_refused(
    an_account: AnAccount, owners: Owners, place: dict[str, Any]
):
    answer = await an_account.call("GET", f"/v1/members?sort=points&cursor={encode_cursor(place)}")

    assert (answer.status, answer.json["code"]) == (422, "invalid_cursor")
    assert owners.asked_for(ListMembers) == []


async def test_only_the_columns_asked_for_are_told(an_account: AnAccount, owners: Owners):
    member = a_member(an_account.account_id, "ann", name="Ann", points=5)
    serve(owners, [member])

    some = await an_account.call("GET", "/v1/members?columns=points&columns=email&columns=points")
    all_ = await an_account.call("GET", "/v1/members")
    file = await an_account.call("GET", "/v1/members.csv?columns=points&columns=email")

    assert some.json["data"] == [{"member_id": "ann", "email": None, "points": 5}]
    assert some.json["next_cursor"] is None
    assert set(all_.json["data"][0]) == set(COLUMNS)
    assert list(rows_of(file)[0].items()) == [("member_id", "ann"), ("points", "5"), ("email", "")]


async def test_file_holds_every_member_once_in_the_order_of_ids(
    an_account: AnAccount, owners: Owners
):
    account_id = an_account.account_id
    members = [a_member(account_id, f"m{n:04}", name="Zoë", points=n) for n in range(2500)]
    serve(owners, members, most=400)

    answer = await an_account.call("GET", "/v1/members.csv?name=zo")

    rows = rows_of(answer)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="members.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert [row["member_id"] for row in rows] == [member.member_id for member in members]
    assert list(rows[0]) == list(COLUMNS)
    assert (rows[7]["name"], rows[7]["points"], rows[7]["tier"]) == ("Zoë", "7", "")
    assert rows[7]["created_at"] == members[7].created_at.isoformat()
    assert owners.lanes_of(ListMembers) == {"bulk"}
    assert {query.name_begins for query in owners.asked_for(ListMembers)} == {"zo"}


async def test_file_of_nobody_is_its_head(an_account: AnAccount, owners: Owners):
    owners.answer(ListMembers, lambda _: MemberPage(members=[], more=False))

    answer = await an_account.call("GET", "/v1/members.csv")

    assert answer.content == BOM_UTF8 + ",".join(f'"{name}"' for name in COLUMNS).encode() + b"\r\n"


async def test_cells_that_a_spreadsheet_would_run_are_harmless(
    an_account: AnAccount, owners: Owners
):
    facts = {"name": "=1+1", "phone": "+49 171", "external_id": "-7", "tier": "@x"}
    serve(owners, [a_member(an_account.account_id, "-ann", **facts, points=-3)])

    [row] = rows_of(await an_account.call("GET", "/v1/members.csv"))

    assert {name: row[name] for name in facts} == {
        "name": "'=1+1", "phone": "'+49 171", "external_id": "-7", "tier": "'@x",
    }  # fmt: skip
    assert (row["member_id"], row["points"]) == ("'-ann", "-3")


async def test_file_that_cannot_begin_is_an_error(an_account: AnAccount, owners: Owners):
    owners.answer(ListMembers, lambda _: UnavailableError())

    answer = await an_account.call("GET", "/v1/members.csv")

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_file_that_breaks_off_is_no_whole_one(an_account: AnAccount, owners: Owners):
    members = [a_member(an_account.account_id, f"m{n}") for n in range(1000)]
    owners.answer(
        ListMembers,
        lambda query: UnavailableError() if query.after else MemberPage(members=members, more=True),
    )

    with pytest.raises(aiohttp.ClientPayloadError):
        await an_account.call("GET", "/v1/members.csv")

    assert (await an_account.gateway.call("GET", "/health")).status == 200


@pytest.mark.parametrize("address", ADDRESSES)
async def test_lists_need_the_right_to_read_members(
    an_account: AnAccount, owners: Owners, address: str
):
    owners.answer(ListMembers, lambda _: MemberPage(members=[], more=False))
    reader = await an_account.with_scopes("members:read")
    writer = await an_account.with_scopes("members:write", "passes:read")

    assert (await reader.call("GET", address)).status == 200
    assert (await writer.call("GET", address)).status == 403
    assert (await an_account.gateway.call("GET", address)).status == 401
