"""Passes are found by member, e-mail, voided and expired, of one account, in their own order."""

import re
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg

from services.triggers import jobs
from services.triggers.repository.listing import listing
from services.triggers.repository.passes import READ_COLUMNS
from shared import clock
from shared.contracts.triggers import ListPasses, PassPage
from tests.integration.triggers.life import (
    ACCOUNT,
    OTHER_ACCOUNT,
    TEMPLATE,
    Life,
    a_creation,
    a_member,
    a_template,
    create_in,
)

OTHER_TEMPLATE = UUID(int=11)
THEIR_TEMPLATE = UUID(int=12)
MANY = 20_000
YESTERDAY = (clock.now() - timedelta(days=1)).isoformat()
TOMORROW = (clock.now() + timedelta(days=1)).isoformat()


def handles(page: PassPage) -> list[str]:
    return [found.handle for found in page.passes]


async def test_passes_of_a_member_are_found(life: Life):
    ann, ben = a_member(member_id="ann"), a_member(member_id="ben")
    first = await life.issued(member=ann)
    await life.issued(member=ben)
    await life.issued()
    second = await life.issued(member=ann)

    assert handles(await life.page(member_id="ann")) == [first, second]
    assert handles(await life.page(member_id="nobody")) == []


async def test_passes_are_found_by_their_members_email_however_it_is_written(life: Life):
    ann = a_member(member_id="ann", email="Ann@Beans.example")
    twin = a_member(member_id="twin", email="ann@beans.example")
    first = await life.issued(member=ann)
    second = await life.issued(member=twin)
    await life.issued(member=a_member(member_id="ben", email="ben@beans.example"))
    third = await life.issued(member=ann)

    page = await life.page(email="ANN@beans.Example", limit=2)
    rest = await life.page(email="ann@beans.example", limit=2, after=page.last)

    assert (handles(page), page.more) == ([first, second], True)
    assert (handles(rest), rest.more) == ([third], False)
    assert handles(await life.page(email="ann@beans.example", member_id="twin")) == [second]
    assert handles(await life.page(email="nn@beans.example")) == []


async def test_a_changed_email_finds_the_pass_and_the_former_one_does_not(life: Life):
    handle = await life.issued(member=a_member(email="old@beans.example"))

    await life.follow(a_member(2, email="new@beans.example"))

    assert handles(await life.page(email="new@beans.example")) == [handle]
    assert handles(await life.page(email="old@beans.example")) == []

    await life.follow(a_member(3).model_copy(update={"deleted": True}))

    assert handles(await life.page(email="new@beans.example")) == []


async def test_voided_passes_are_told_from_valid_ones(life: Life):
    issued = [await life.issued() for _ in range(4)]
    for handle in issued[1:3]:
        await life.happened(handle, "void")
    await life.happened(issued[2], "unvoid")

    assert handles(await life.page(voided=True)) == [issued[1]]
    assert handles(await life.page(voided=False)) == [issued[0], *issued[2:]]


async def test_expired_passes_are_found_as_scans_judge_them(life: Life):
    """Also those whose date nobody has noticed yet."""
    dates = [YESTERDAY, TOMORROW, None, YESTERDAY]
    issued = [await life.issued({"expirationDate": date} if date else {}) for date in dates]
    await jobs.expire_passes(life.database, life.cache)
    issued.append(await life.issued({"expirationDate": YESTERDAY}))
    refusals = [(await life.happened(handle, "scan")).refused for handle in issued]

    expired, valid = await life.page(expired=True), await life.page(expired=False)

    judged = [handle for handle, why in zip(issued, refusals, strict=True) if why == "expired"]
    assert handles(expired) == judged == [issued[0], issued[3], issued[4]]
    assert handles(valid) == [issued[1], issued[2]]
    assert [p.expires_at is not None for p in valid.passes] == [True, False]

    await life.happened(issued[0], "update", {"expirationDate": TOMORROW})

    assert handles(await life.page(expired=True)) == [issued[3], issued[4]]


async def test_filters_combine_and_pages_of_every_combination_are_exact(life: Life):
    await life.keep(a_template(template_id=OTHER_TEMPLATE))
    ann = a_member(member_id="ann", email="ann@beans.example")
    kinds = list(product((TEMPLATE, OTHER_TEMPLATE), (ann, None), (True, False), (True, False)))
    facts: dict[str, tuple[Any, ...]] = {}
    for index, (template_id, member, voided, expired) in enumerate([*kinds, *kinds]):
        values = {"expirationDate": YESTERDAY} if expired else {}
        handle = await life.issued(values, template_id=template_id, member=member)
        if voided:
            await life.happened(handle, "void")
        if index < len(kinds):  # of the second half nobody has noticed yet which have expired
            await jobs.expire_passes(life.database, life.cache)
        facts[handle] = (template_id, member and member.member_id, voided, expired)

    for template_id, member_id, email, voided, expired in product(
        (None, TEMPLATE), (None, "ann"), (None, "Ann@beans.example"), (None, True, False),
        (None, True, False),
    ):  # fmt: skip
        filters = {
            "template_id": template_id,
            "member_id": member_id,
            "email": email,
            "voided": voided,
            "expired": expired,
        }
        wanted = (template_id, member_id or (email and "ann"), voided, expired)
        found: list[str] = []
        page = PassPage(passes=[], more=True)
        while page.more:
            page = await life.page(**filters, limit=3, after=page.last)
            found += handles(page)

        assert found == [
            handle
            for handle, fact in facts.items()
            if all(wish in (None, it) for wish, it in zip(wanted, fact, strict=True))
        ], filters
        assert handles(await life.page(**filters, skip=2)) == found[2:]


async def test_nobody_finds_the_passes_of_others(life: Life):
    await life.keep(a_template(template_id=THEIR_TEMPLATE, account_id=OTHER_ACCOUNT))
    email = "ann@beans.example"
    mine = await life.issued({"expirationDate": YESTERDAY}, member=a_member(email=email))
    theirs = await life.issued(
        {"expirationDate": YESTERDAY},
        template_id=THEIR_TEMPLATE,
        account_id=OTHER_ACCOUNT,
        member=a_member(account_id=OTHER_ACCOUNT, email=email),
    )
    await life.happened(mine, "void")
    await life.happened(theirs, "void", account_id=OTHER_ACCOUNT)

    for filters in (
        {"member_id": "ann"},
        {"email": email},
        {"voided": True},
        {"expired": True},
        {"template_id": THEIR_TEMPLATE},
    ):
        expected = [mine] if "template_id" not in filters else []
        assert handles(await life.page(**filters)) == expected
    assert handles(await life.page(account_id=OTHER_ACCOUNT, email=email)) == [theirs]


async def test_filtered_pages_follow_creation_exactly_also_while_passes_come(life: Life):
    """Whoever began earlier and commits later comes after what was listed meanwhile."""
    ann = a_member(email="ann@beans.example")
    values = {"expirationDate": YESTERDAY}
    first = await life.issued(values, member=ann)
    late, early = a_creation(values), a_creation(values, member=ann)
    filters = {"expired": True, "voided": False}
    async with life.database.work() as slow:
        await create_in(slow, life, late)
        await life.create(early)
        shown = await life.page(**filters)
    rest = await life.page(**filters, after=shown.last)

    assert handles(shown) == [first]
    assert handles(rest) == [late.handle, early.handle]


INDEXES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"passes_of_account"}),
    ({"template_id": TEMPLATE}, {"passes_of_template"}),
    ({"member_id": "m7"}, {"passes_of_member"}),
    ({"email": "m7@beans.example"}, {"members_of_email", "passes_of_member"}),
    ({"email": "m7@beans.example", "expired": True}, {"members_of_email", "passes_of_member"}),
    ({"voided": True}, {"passes_voided"}),
    ({"voided": True, "template_id": TEMPLATE}, {"passes_voided"}),
    ({"expired": True}, {"passes_expired", "passes_due"}),
    ({"expired": True, "template_id": TEMPLATE}, {"passes_due"}),
    ({"kind": "scan", "template_id": TEMPLATE}, {"passes_touched"}),
]


async def test_in_a_big_account_indexes_lead_every_filter_to_its_passes(
    life: Life, triggers_database: str
):
    await fill(life, triggers_database)

    for filters, indexes in INDEXES:
        plan = await explain(life, filters)

        assert {name for name in indexes if name in plan} == indexes, plan
        assert sum(map(int, re.findall(r"Rows Removed by Filter: (\d+)", plan))) < MANY / 50, plan


async def fill(life: Life, server: str) -> None:
    """Have many passes: of three thousand members, some scanned, few voided, many expired."""
    async with life.database.connection() as connection:
        await connection.execute(
            f"""
            INSERT INTO members (account_id, member_id, version, facts)
            SELECT
                '{ACCOUNT}', 'm' || n, 1,
                jsonb_build_object('email', 'M' || n || '@Beans.example')
            FROM generate_series(1, 3000) AS n
            """
        )
        await connection.execute(
            f"""
            INSERT INTO passes (
                handle, account_id, template_id, serial_number, member_id, version, sequence,
                push_version, own_values, happened, voided, created_at, updated_at, expires_at,
                expired
            )
            SELECT
                'h' || n, '{ACCOUNT}',
                (CASE WHEN n % 10 = 0 THEN '{TEMPLATE}' ELSE '{OTHER_TEMPLATE}' END)::uuid,
                's' || n, 'm' || n % 3000, 1, 1, 0, '{{}}',
                CASE WHEN n % 50 = 0 THEN 5 ELSE 1 END, n % 250 = 0, now(), now(),
                now() + (n % 20 - 10) * interval '1 day', n % 20 <= 10
            FROM generate_series(1, {MANY}) AS n
            """
        )
    owner = await asyncpg.connect(server)
    await owner.execute("ANALYZE triggers.passes, triggers.members")
    await owner.close()


async def explain(life: Life, filters: dict[str, Any]) -> str:
    query = ListPasses.model_validate({"account_id": ACCOUNT, **filters})
    statement, arguments = listing(query, READ_COLUMNS, limit=51, settled=2**62, at=clock.now())
    async with life.database.connection() as connection:
        rows = await connection.fetch(f"EXPLAIN (ANALYZE) {statement}", *arguments)
    return "\n".join(row[0] for row in rows)
