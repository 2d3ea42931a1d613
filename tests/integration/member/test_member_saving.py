import asyncio
from typing import Any

from services.member.domain.members import ExternalIdTakenError
from services.member.handlers import members as handlers
from shared.contracts.member import Member, MembersErased, digest_external_id
from shared.database import Database
from shared.errors import ApplicationError, InvalidError
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
    points_page,
    read,
    save,
    saved,
    until_somebody_waits,
)


async def test_created_member_is_stored_and_announced(database: Database):
    fields: dict[str, Any] = {
        "name": "Ada",
        "email": "ada@example.org",
        "phone": "+44 20",
        "external_id": "crm-1",
        "tier": "gold",
        "points": 7,
    }

    outcomes, news = await save(database, a_save(**fields))

    outcome = good(outcomes[0])
    assert outcome.created
    assert outcome.member.version == 1
    assert outcome.member.model_dump(include=set(fields)) == fields
    assert news == [outcome.member]
    assert await read(database, "ada") == [outcome.member]


async def test_points_of_a_saved_member_are_a_ledger_entry(database: Database):
    await saved(database, a_save(points=7), a_save(mode="merge", points=4))

    entries = (await points_page(database)).entries
    assert [(e.delta, e.balance, e.reason) for e in entries] == [(-3, 4, "set"), (7, 7, "set")]


async def test_create_on_an_existing_id_is_a_conflict(database: Database):
    [before] = await saved(database, a_save(name="Ada"))

    outcomes, news = await save(database, a_save(name="Eve"), a_save("bob"))

    assert kinds(outcomes) == ["MemberExistsError", "MemberSaved"]
    assert [m.member_id for m in news] == ["bob"]
    assert await read(database, "ada") == [before]


async def test_merging_sets_only_what_is_given(database: Database):
    await saved(database, a_save(name="Ada", tier="gold", points=3))

    [member] = await saved(database, a_save(mode="merge", tier=None))

    assert (member.name, member.tier, member.points, member.version) == ("Ada", None, 3, 2)


async def test_merging_a_missing_member_is_not_found(database: Database):
    outcomes, news = await save(database, a_save(mode="merge", name="Ada"))

    assert kinds(outcomes) == ["MemberNotFoundError"]
    assert news == []


async def test_replacing_resets_the_rest_but_keeps_points(database: Database):
    await saved(database, a_save(name="Ada", tier="gold", points=3))

    [member] = await saved(database, a_save(mode="replace", email="a@b.org"))

    assert (member.name, member.email, member.tier, member.points) == (None, "a@b.org", None, 3)


async def test_replacing_a_missing_member_creates_it(database: Database):
    outcomes, _ = await save(database, a_save(mode="replace", name="Ada"))

    assert good(outcomes[0]).created


async def test_saving_what_is_so_already_announces_nothing(database: Database):
    [before] = await saved(database, a_save(name="Ada", points=3))

    outcomes, news = await save(
        database, a_save(mode="merge", name="Ada"), a_save(mode="replace", name="Ada", points=3)
    )

    assert [good(o).member for o in outcomes] == [before, before]
    assert news == []
    assert await read(database, "ada") == [before]


async def test_same_member_twice_in_a_batch_is_changed_in_order_and_announced_once(
    database: Database,
):
    outcomes, news = await save(
        database, a_save(name="Ada"), a_save(mode="merge", name="Augusta"), a_save()
    )

    assert kinds(outcomes) == ["MemberSaved", "MemberSaved", "MemberExistsError"]
    assert [good(o).member.version for o in outcomes[:2]] == [1, 2]
    assert [(m.name, m.version) for m in news] == [("Augusta", 2)]


async def test_invalid_row_fails_alone(database: Database):
    outcomes, news = await save(
        database, a_save("a b"), a_save("nul", name="\x00"), a_save("ada", name="Ada")
    )

    assert kinds(outcomes) == ["MemberInvalidError", "MemberInvalidError", "MemberSaved"]
    assert all(isinstance(o, InvalidError) for o in outcomes[:2])
    assert [m.member_id for m in news] == ["ada"]


async def test_external_id_of_another_member_is_a_conflict_for_that_row_only(database: Database):
    await saved(database, a_save("ada", external_id="1"))

    outcomes, news = await save(
        database,
        a_save("bob", external_id="1"),
        a_save("cat", external_id="2"),
        a_save("dan", external_id="2"),
        a_save("eve", account_id=OTHER_ACCOUNT, external_id="1"),
    )

    assert kinds(outcomes) == [
        "ExternalIdTakenError",
        "MemberSaved",
        "ExternalIdTakenError",
        "MemberSaved",
    ]
    assert [m.member_id for m in news] == ["cat", "eve"]
    assert await stored_count(database) == 3


async def test_external_ids_can_be_swapped_in_one_batch(database: Database):
    await saved(database, a_save("ada", external_id="1"), a_save("bob", external_id="2"))

    outcomes, _ = await save(
        database,
        a_save("ada", "merge", external_id=None),
        a_save("bob", "merge", external_id="1"),
        a_save("ada", "merge", external_id="2"),
    )

    assert kinds(outcomes) == ["MemberSaved"] * 3
    ada, bob = [good(o) for o in await read(database, "ada", "bob")]
    assert (ada.external_id, bob.external_id) == ("2", "1")


async def test_external_id_claimed_at_the_same_time_goes_to_one(database: Database):
    async def claim(member_id: str) -> Member | ApplicationError:
        try:
            return (await saved(database, a_save(member_id, external_id="1")))[0]
        except ApplicationError as error:
            return error

    outcomes = await asyncio.gather(*(claim(f"m{n}") for n in range(20)))

    losers = [o for o in outcomes if isinstance(o, ApplicationError)]
    assert len(losers) == 19
    assert all(isinstance(o, ExternalIdTakenError) for o in losers)
    assert await stored_count(database) == 1


async def test_external_id_taken_while_we_wait_is_a_conflict(database: Database):
    async with database.work() as first:
        await first.connection.execute(
            """
            INSERT INTO members (
                account_id, member_id, version, external_id, created_at, updated_at
            )
            VALUES ($1, 'ada', 1, '1', now(), now())
            """,
            ACCOUNT,
        )
        second = asyncio.create_task(save(database, a_save("bob", external_id="1")))
        await until_somebody_waits(database)
    [outcome] = await asyncio.gather(second, return_exceptions=True)

    assert isinstance(outcome, ExternalIdTakenError)
    assert outcome.__cause__ is None


async def test_member_created_at_the_same_time_is_created_once(database: Database):
    results = await asyncio.gather(*(save(database, a_save(name=f"{n}")) for n in range(20)))

    kept = [outcome for outcomes, _ in results for outcome in outcomes]
    assert sorted(kinds(kept)) == ["MemberExistsError"] * 19 + ["MemberSaved"]
    assert good((await read(database, "ada"))[0]).version == 1


async def test_overlapping_batches_in_opposite_order_do_not_deadlock(database: Database):
    names = [f"m{n}" for n in range(30)]

    async def replace_all(number: int) -> None:
        ordered = names if number % 2 else names[::-1]
        outcomes, _ = await save(
            database, *(a_save(name, "replace", tier=str(number)) for name in ordered)
        )
        assert kinds(outcomes) == ["MemberSaved"] * 30

    await asyncio.gather(*(replace_all(number) for number in range(16)))

    assert {good(m).version for m in await read(database, *names)} == {16}


async def test_deleted_member_is_erased_and_announced(database: Database):
    await saved(
        database,
        a_save(name="Ada", email="a@b.org", phone="1", external_id="crm-1", tier="gold", points=5),
    )
    await adjust(database, an_adjustment(1, reason="birthday of Ada"))

    outcomes, news = await delete(database, a_deletion())

    tombstone = good(outcomes[0])
    assert tombstone.model_dump(include={"name", "email", "phone", "external_id", "tier"}) == {
        "name": None,
        "email": None,
        "phone": None,
        "external_id": None,
        "tier": None,
    }
    assert (tombstone.deleted, tombstone.points, tombstone.version) == (True, 0, 3)
    assert news == [tombstone]
    assert kinds(await read(database, "ada")) == ["MemberNotFoundError"]
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT m::text FROM members m UNION ALL SELECT p::text FROM points_entries p"
        )
    stored = " ".join(row[0] for row in rows)
    assert not any(word in stored for word in ("Ada", "a@b.org", "crm-1", "gold", "birthday"))


async def test_erased_members_are_named_by_what_does_not_tell_who_they_were(database: Database):
    await saved(database, a_save(external_id="crm-1"), a_save("bob"))

    async with database.work() as work:
        await handlers.delete_members([a_deletion(), a_deletion("bob")], work)
        [erased] = [event for event in work.announced if isinstance(event, MembersErased)]

    ada, bob = erased.members
    assert ada.external_id_digest == digest_external_id(ACCOUNT, "crm-1")
    assert bob.external_id_digest is None
    assert "crm-1" not in erased.model_dump_json()


async def test_deleting_twice_is_not_found(database: Database):
    await saved(database, a_save())

    outcomes, news = await delete(database, a_deletion(), a_deletion(), a_deletion("nobody"))

    assert kinds(outcomes) == ["Member", "MemberNotFoundError", "MemberNotFoundError"]
    assert len(news) == 1
    outcomes, news = await delete(database, a_deletion(), a_deletion("a\x00b"))
    assert kinds(outcomes) == ["MemberNotFoundError"] * 2
    assert news == []


async def test_member_created_again_continues_the_version(database: Database):
    [first] = await saved(database, a_save(name="Ada", external_id="1", points=5))
    await delete(database, a_deletion())
    await saved(database, a_save("bob", external_id="1"))

    outcomes, news = await save(database, a_save())

    again = good(outcomes[0])
    assert again.created
    assert (again.member.version, again.member.name, again.member.points) == (3, None, 0)
    assert again.member.created_at > first.created_at
    assert news == [again.member]


async def test_replacing_a_deleted_member_creates_it_and_merging_does_not(database: Database):
    await saved(database, a_save())
    await delete(database, a_deletion())

    outcomes, _ = await save(database, a_save(mode="merge"), a_save(mode="replace"))

    assert kinds(outcomes) == ["MemberNotFoundError", "MemberSaved"]
    assert good(outcomes[1]).created


async def stored_count(database: Database) -> int:
    async with database.connection() as connection:
        return await connection.fetchval("SELECT count(*) FROM members")
