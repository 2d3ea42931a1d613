import asyncpg
import pytest
from pydantic import SecretStr

from services.member.app import build
from services.member.handlers import members as handlers
from services.member.settings import Settings
from shared.contracts.member import ListMembers, ListPoints
from shared.database import Database
from shared.errors import ApplicationError
from shared.messaging.embedded import EmbeddedTransport
from shared.migrations import MESSAGING, migrate
from shared.sealing import MasterKeys
from tests.integration.member.people import (
    ACCOUNT,
    OTHER_ACCOUNT,
    a_deletion,
    a_save,
    adjust,
    an_adjustment,
    delete,
    good,
    kinds,
    page,
    points_page,
    read,
    save,
    saved,
)


async def test_members_are_read_in_the_order_asked(database: Database):
    await saved(database, a_save("ada"), a_save("bob"))

    found = await read(database, "bob", "nobody", "ada", "a\x00b", "bob")

    assert kinds(found) == [
        "Member",
        "MemberNotFoundError",
        "Member",
        "MemberNotFoundError",
        "Member",
    ]
    assert [m.member_id for m in found if not isinstance(m, ApplicationError)] == [
        "bob",
        "ada",
        "bob",
    ]


async def test_members_are_paged_by_id_without_the_deleted(database: Database):
    await saved(database, *(a_save(name) for name in ("b", "a", "C", "d", "~", "0")))
    await delete(database, a_deletion("b"))

    first = await page(database, ListMembers(account_id=ACCOUNT, limit=3))
    second = await page(database, ListMembers(account_id=ACCOUNT, limit=3, after="a"))

    assert [m.member_id for m in first.members] == ["0", "C", "a"]
    assert first.more
    assert [m.member_id for m in second.members] == ["d", "~"]
    assert not second.more


async def test_page_that_ends_exactly_has_no_more(database: Database):
    await saved(database, a_save("a"), a_save("b"))

    listed = await page(database, ListMembers(account_id=ACCOUNT, limit=2))

    assert len(listed.members) == 2
    assert not listed.more


async def test_members_are_found_by_external_id(database: Database):
    await saved(database, a_save("a", external_id="1"), a_save("b", external_id="2"))

    found = await page(database, ListMembers(account_id=ACCOUNT, external_id="2"))
    after = await page(database, ListMembers(account_id=ACCOUNT, external_id="2", after="b"))

    assert [m.member_id for m in found.members] == ["b"]
    assert not found.more
    assert after.members == []


async def test_page_that_cannot_be_fails_alone(database: Database):
    queries = [
        ListMembers(account_id=ACCOUNT, limit=1001),
        ListMembers(account_id=ACCOUNT, after="\x00"),
        ListMembers(account_id=ACCOUNT, external_id="\x00"),
        ListMembers(account_id=ACCOUNT),
    ]
    async with database.work() as work:
        outcomes = await handlers.list_members(queries, work)

    assert kinds(outcomes) == ["PageInvalidError"] * 3 + ["MemberPage"]


async def test_ledger_of_an_unknown_or_deleted_member_is_not_found(database: Database):
    await saved(database, a_save("ada"), a_save("bob"))
    await delete(database, a_deletion("ada"))
    queries = [
        ListPoints(account_id=ACCOUNT, member_id=member_id)
        for member_id in ("ada", "nobody", "bob")
    ]

    async with database.work() as work:
        outcomes = await handlers.list_points(queries, work)

    assert kinds(outcomes) == ["MemberNotFoundError", "MemberNotFoundError", "PointsPage"]


async def test_members_of_different_accounts_with_one_id_never_see_each_other(database: Database):
    mine = a_save(name="Ada", external_id="1", points=1)
    theirs = a_save(account_id=OTHER_ACCOUNT, name="Eve", external_id="1", points=2)
    await saved(database, mine, theirs)

    await save(database, a_save(mode="merge", tier="gold"))
    await adjust(database, an_adjustment(5))
    await delete(database, a_deletion())

    [eve] = [good(m) for m in await read(database, "ada", account_id=OTHER_ACCOUNT)]
    assert (eve.name, eve.tier, eve.points, eve.version) == ("Eve", None, 2, 1)
    listed = await page(database, ListMembers(account_id=OTHER_ACCOUNT, external_id="1"))
    assert listed.members == [eve]
    assert (await page(database, ListMembers(account_id=ACCOUNT))).members == []
    entries = (await points_page(database, account_id=OTHER_ACCOUNT)).entries
    assert [(e.delta, e.reason) for e in entries] == [(2, "set")]


async def test_cursor_of_another_members_ledger_shows_nothing(database: Database):
    await saved(database, a_save(points=1), a_save(account_id=OTHER_ACCOUNT, points=2))
    theirs = (await points_page(database, account_id=OTHER_ACCOUNT)).entries[0]

    assert (await points_page(database, before=theirs.entry_id)).entries == []


async def test_member_role_cannot_read_another_schema(database: Database, fresh_database: str):
    await migrate(fresh_database, {"triggers": [MESSAGING]})

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.connection() as connection:
            await connection.fetch("SELECT * FROM triggers.outbox")


async def test_service_is_built_from_its_settings(fresh_database: str):
    settings = Settings.model_validate(
        {"DATABASE_URL": fresh_database, "master_keys": SecretStr(MasterKeys.generate_text())}
    )

    service = build(settings, EmbeddedTransport(fresh_database))

    assert service.name == "member"
    assert len({s.message.name for s in service.subscriptions}) == 11
    assert sorted(path.name for path in service.migrations.glob("*.sql")) == [
        "0001_members.sql",
        "0002_enrolments.sql",
        "0003_lists.sql",
        "0004_styles.sql",
    ]
