"""Members are found by what is known of them, in every order, by indexes alone."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any, get_args
from uuid import UUID

import asyncpg
import pytest

from services.member.domain.listing import Listing, checked_list
from services.member.repository import listing
from services.member.repository import members as repository
from shared import clock
from shared.contracts.member import ListMembers, Member, MemberSort
from shared.database import Database
from tests.integration.member.people import (
    ACCOUNT,
    OTHER_ACCOUNT,
    OTHER_TEMPLATE,
    TEMPLATE,
    a_deletion,
    a_save,
    an_enrolment,
    delete,
    enrolled,
    page,
    saved,
)

MANY = 200_000
SORTS: tuple[MemberSort, ...] = get_args(MemberSort)
NAMES = [
    "Ada Lovelace", "ada lovelace", "Grace Hopper", "Ängla Ö", "Lovell", "Alan M. Turing", "",
    None, "A" * 200, "李小龙", "O'Brien", "100% Lov_", "Ada ",
]  # fmt: skip


async def test_filters_and_orders_combine_and_pages_of_every_combination_are_exact(
    database: Database,
):
    members = await a_crowd(database)
    wishes: list[tuple[dict[str, Any], Callable[[Member], bool]]] = [
        ({}, lambda _: True),
        ({"name_begins": "LOV"}, lambda m: begins(m.name, "lov")),
        ({"name_begins": "ada"}, lambda m: begins(m.name, "ada")),
        ({"name_begins": "änG"}, lambda m: begins(m.name, "äng")),
        ({"name_begins": "a" * 64}, lambda m: begins(m.name, "a" * 64)),
        ({"name_begins": "李"}, lambda m: begins(m.name, "李")),
        ({"name_begins": "%"}, lambda _: False),
        ({"email_begins": "M1"}, lambda m: (m.email or "").lower().startswith("m1")),
        ({"email_begins": "m1_"}, lambda _: False),
        ({"phone_begins": "(0) 17-1"}, lambda m: digits(m).startswith("0171")),
        ({"external_id": "x5"}, lambda m: m.external_id == "x5"),
        ({"tier": "gold"}, lambda m: m.tier == "gold"),
        ({"points_min": 3, "points_max": 5}, lambda m: 3 <= m.points <= 5),
        ({"points_max": -1}, lambda _: False),
        ({"created_from": members[20].created_at}, lambda m: m in members[20:]),
        ({"created_before": members[20].created_at}, lambda m: m in members[:20]),
        ({"template_id": TEMPLATE}, lambda m: (m.external_id or "").startswith("x")),
        (
            {"name_begins": "ada", "tier": "gold", "points_min": 1, "template_id": TEMPLATE},
            lambda m: (
                begins(m.name, "ada")
                and m.tier == "gold"
                and m.points > 0
                and m.external_id is not None
            ),
        ),
    ]  # fmt: skip
    found_by_some = set[str]()
    for (filters, fits), sort, descending in product(wishes, SORTS, (False, True)):
        found = await all_pages(database, sort=sort, descending=descending, **filters)

        wanted = sorted(filter(fits, members), key=key_of(sort), reverse=descending)
        assert [m.member_id for m in found] == [m.member_id for m in wanted], (filters, sort)
        found_by_some |= {str(filters)} if found else set()
    assert len(found_by_some) == len(wishes) - 3


async def test_deleted_member_is_in_no_list(database: Database):
    fields: dict[str, Any] = {"name": "Ada", "email": "a@b.org", "phone": "1", "tier": "gold"}
    await saved(database, a_save(external_id="7", **fields), a_save("bob"))
    await enrolled(database, an_enrolment("7"))
    await delete(database, a_deletion())

    for filters in (
        {"name_begins": "ada"}, {"email_begins": "a"}, {"phone_begins": "1"}, {"tier": "gold"},
        {"external_id": "7"}, {"template_id": TEMPLATE}, {"points_max": 0, "tier": "gold"},
    ):  # fmt: skip
        assert await all_pages(database, **filters) == []
    for sort in SORTS:
        assert [m.member_id for m in await all_pages(database, sort=sort)] == ["bob"]


async def test_nobody_finds_the_members_of_others(database: Database):
    fields: dict[str, Any] = {"name": "Ada", "email": "a@b.org", "phone": "1", "tier": "gold"}
    await saved(
        database,
        a_save("mine", external_id="7", **fields),
        a_save("theirs", account_id=OTHER_ACCOUNT, external_id="7", **fields),
    )
    await enrolled(database, an_enrolment("7"), an_enrolment("7", account_id=OTHER_ACCOUNT))

    for filters in (
        {}, {"name_begins": "ada"}, {"email_begins": "a"}, {"phone_begins": "1"},
        {"tier": "gold"}, {"external_id": "7"}, {"template_id": TEMPLATE}, {"points_min": 0},
    ):  # fmt: skip
        assert [m.member_id for m in await all_pages(database, **filters)] == ["mine"]
    assert await all_pages(database, template_id=OTHER_TEMPLATE) == []


async def test_member_that_is_changed_is_found_as_it_is_now(database: Database):
    await saved(database, a_save(name="Ada", email="old@b.org"))
    await saved(database, a_save(mode="merge", name="Grace", email="new@b.org", points=5))

    assert await all_pages(database, name_begins="ada") == []
    assert await all_pages(database, email_begins="old") == []
    assert len(await all_pages(database, email_begins="new", points_min=5)) == 1


async def test_page_that_would_be_too_large_is_cut_and_nothing_is_lost(database: Database):
    long: dict[str, Any] = {"name": "漢" * 200, "tier": "ア" * 64}
    await saved(database, *(a_save(f"m{n:03}", **long) for n in range(200)))
    await saved(database, *(a_save(f"n{n:03}", **long) for n in range(200)))
    await saved(database, *(a_save(f"o{n:03}", **long) for n in range(200)))

    first = await page(database, ListMembers(account_id=ACCOUNT, limit=1000))
    found = await all_pages(database, limit=1000)

    assert first.more
    assert len(first.model_dump_json().encode()) < 1024 * 1024
    assert len({m.member_id for m in found}) == len(found) == 600


SELECTIVE: list[tuple[dict[str, Any], set[str]]] = [
    ({"name_begins": "name 77 "}, {"members_by_name", "members_by_last_word"}),
    ({"name_begins": "word123"}, {"members_by_name", "members_by_last_word"}),
    ({"email_begins": "M1234@"}, {"members_by_email"}),
    ({"phone_begins": "+49 10012345"}, {"members_by_phone"}),
    ({"external_id": "x123456"}, {"members_external_id"}),
    ({"tier": "rare"}, {"members_by_tier"}),
    ({"points_min": 9_990}, {"members_by_points"}),
    ({"created_from": clock.now() - timedelta(minutes=50)}, {"members_by_age"}),
    ({"template_id": TEMPLATE}, {"enrolments"}),
]
BROAD: list[dict[str, Any]] = [
    {}, {"name_begins": "name"}, {"email_begins": "m"}, {"phone_begins": "49"}, {"tier": "usual"},
    {"points_min": 10}, {"created_before": clock.now()}, {"template_id": OTHER_TEMPLATE},
]  # fmt: skip


async def test_in_a_big_account_indexes_lead_every_filter_and_order_to_its_members(
    database: Database,
):
    await fill(database)

    orders = list(product(SORTS, (False, True)))
    for (filters, indexes), (sort, descending) in product(SELECTIVE, orders):
        asked = a_listing(sort=sort, descending=descending, **filters)
        plan = await explain(database, listing.listing_of_few(asked, "m.*"))
        assert {name for name in indexes if name in plan} == indexes, plan
        check_that_indexes_lead(plan)
    for filters, (sort, descending) in product(BROAD, orders):
        asked = a_listing(sort=sort, descending=descending, **filters)
        plan = await explain(database, listing.listing_in_order(asked, "m.*"))
        check_that_indexes_lead(plan)
        assert all(
            int(rows) <= 200 for rows in re.findall(r"Sort .*rows=(\d+)\.?\d* loops", plan)
        ), plan
    for sort, descending in orders:
        asked = a_listing(OTHER_ACCOUNT, sort=sort, descending=descending)
        check_that_indexes_lead(await explain(database, listing.listing_in_order(asked, "m.*")))


async def test_those_who_are_few_are_found_also_where_the_order_has_them_last(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    """Of many and of few, by each of the two statements, the pages are the same."""
    members = await a_crowd(database)
    wanted = sorted((m for m in members if m.points >= 2), key=key_of("points"))

    for few in (0, 1, len(wanted) - 1, len(wanted), 1000):
        monkeypatch.setattr(listing, "FEW", few)
        monkeypatch.setattr(repository, "FEW", few)
        assert await all_pages(database, sort="points", points_min=2) == wanted
        assert len(await all_pages(database, sort="name", name_begins="lov")) == 12


async def a_crowd(database: Database) -> list[Member]:
    """Members of every kind, in the order of their creation; those with an `x` are enrolled."""
    members: list[Member] = []
    for number in range(39):
        fields: dict[str, Any] = {
            "name": NAMES[number % len(NAMES)],
            "email": f"M{number}@Example.org" if number % 3 else None,
            "phone": f"(0){170 + number % 4}/".replace("/", "-") + str(number)
            if number % 2
            else None,
            "external_id": f"x{number}" if number % 4 == 1 else None,
            "tier": ["gold", "silver", None][number // 13],
            "points": number * 7 % 10,
        }
        members += await saved(database, a_save(f"m{number * 17 % 39:02}", **fields))
        if fields["external_id"]:
            await enrolled(database, an_enrolment(fields["external_id"]))
    return members


async def all_pages(database: Database, **fields: Any) -> list[Member]:
    query = ListMembers.model_validate({"account_id": ACCOUNT, "limit": 5, **fields})
    found: list[Member] = []
    more = True
    while more:
        answer = await page(database, query)
        found += answer.members
        more = answer.more
        if more:
            after = answer.members[-1].member_id
            query = query.model_copy(update={"after": after, "after_key": answer.last_key})
    return found


def key_of(sort: MemberSort) -> Callable[[Member], Any]:
    match sort:
        case "member_id":
            return lambda m: m.member_id
        case "name":
            return lambda m: ((m.name or "").lower()[:64], m.member_id)
        case "points":
            return lambda m: (m.points, m.member_id)
        case "created_at":
            return lambda m: (m.created_at, m.member_id)


def begins(name: str | None, text: str) -> bool:
    words = (name or "").lower().split(" ")
    return " ".join(words).startswith(text) or (len(words) > 1 and words[-1].startswith(text))


def digits(member: Member) -> str:
    return re.sub("[^0-9]", "", member.phone or "")


async def fill(database: Database) -> None:
    """Have many members: few of a rare tier, few enrolled for one template, many for another."""
    owner = await asyncpg.connect(database.url)
    for account, count in ((ACCOUNT, MANY), (OTHER_ACCOUNT, 1000)):
        await owner.execute(
            f"""
            INSERT INTO member.members (
                account_id, member_id, version, name, email, phone, external_id, tier, points,
                created_at, updated_at
            )
            SELECT
                '{account}', md5(n::text), 1,
                'Name ' || n % 5000 || ' Word' || n % 30000, 'M' || n || '@Example.org',
                '+49 ' || 100000000 + n, 'x' || n,
                CASE WHEN n % 5000 = 0 THEN 'rare' ELSE 'usual' END, n % 10000,
                now() - n * interval '1 minute', now()
            FROM generate_series(1, {count}) AS n
            """
        )
    for template, every in ((TEMPLATE, 5000), (OTHER_TEMPLATE, 2)):
        await owner.execute(
            f"""
            INSERT INTO member.enrolments (
                account_id, enrolment_id, template_id, member_id, handle, campaign, created_at
            )
            SELECT
                '{ACCOUNT}', gen_random_uuid(), '{template}', md5(n::text),
                '{template}' || n, '', now()
            FROM generate_series({every}, {MANY}, {every}) AS n
            """
        )
    await owner.execute("VACUUM ANALYZE member.members, member.enrolments")
    await owner.close()


def a_listing(account_id: UUID = ACCOUNT, **fields: Any) -> Listing:
    return checked_list(ListMembers.model_validate({"account_id": account_id, **fields}))


async def explain(database: Database, statement: listing.Statement) -> str:
    async with database.connection() as connection:
        text, *arguments = statement.parts
        rows = await connection.fetch(f"EXPLAIN (ANALYZE) {text}", *arguments)
    return "\n".join(row[0] for row in rows)


def check_that_indexes_lead(plan: str) -> None:
    in_vain = re.findall(r"Rows Removed by (?:Filter|Index Recheck): (\d+)", plan)
    assert "Seq Scan" not in plan, plan
    assert sum(map(int, in_vain)) < MANY / 100, plan
