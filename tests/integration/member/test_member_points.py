import asyncio

from shared.database import Database
from shared.errors import InvalidError
from tests.integration.member.people import (
    a_deletion,
    a_save,
    adjust,
    an_adjustment,
    delete,
    good,
    kinds,
    points_page,
    read,
    saved,
)


async def test_adjustment_changes_the_balance_and_is_announced(database: Database):
    await saved(database, a_save(points=5))

    outcomes, news = await adjust(database, an_adjustment(-2, reason="coffee"))

    entry = good(outcomes[0])
    assert (entry.delta, entry.balance, entry.reason) == (-2, 3, "coffee")
    assert [(m.points, m.version) for m in news] == [(3, 2)]
    assert (await points_page(database)).entries[0] == entry


async def test_adjustments_of_one_batch_are_applied_in_order_and_fail_alone(database: Database):
    await saved(database, a_save(), a_save("bob"))

    outcomes, news = await adjust(
        database,
        an_adjustment(-1),
        an_adjustment(2),
        an_adjustment(0),
        an_adjustment(-2),
        an_adjustment(1, "bob"),
        an_adjustment(1, "nobody"),
        an_adjustment(1, "a\x00b"),
        an_adjustment(10**12),
        an_adjustment(1),
    )

    assert kinds(outcomes) == [
        "PointsRefusedError",
        "PointsEntry",
        "PointsRefusedError",
        "PointsEntry",
        "PointsEntry",
        "MemberNotFoundError",
        "MemberNotFoundError",
        "PointsEntry",
        "PointsRefusedError",
    ]
    assert isinstance(outcomes[0], InvalidError)
    assert sorted((m.member_id, m.points, m.version) for m in news) == [
        ("ada", 10**12, 4),
        ("bob", 1, 2),
    ]


async def test_refused_adjustments_announce_nothing(database: Database):
    await saved(database, a_save())

    _, news = await adjust(database, an_adjustment(-1), an_adjustment(0))

    assert news == []


async def test_fifty_concurrent_adjustments_all_count(database: Database):
    await saved(database, a_save())

    await asyncio.gather(*(adjust(database, an_adjustment(1)) for _ in range(50)))

    entries = (await points_page(database)).entries
    assert good((await read(database, "ada"))[0]).points == 50
    assert [e.balance for e in entries] == list(range(50, 0, -1))


async def test_ledger_is_paged_newest_first(database: Database):
    await saved(database, a_save())
    await adjust(database, *(an_adjustment(1) for _ in range(5)))

    first = await points_page(database, limit=2)
    second = await points_page(database, limit=2, before=first.entries[-1].entry_id)
    third = await points_page(database, limit=2, before=second.entries[-1].entry_id)

    assert [[e.balance for e in p.entries] for p in (first, second, third)] == [[5, 4], [3, 2], [1]]
    assert [p.more for p in (first, second, third)] == [True, True, False]


async def test_ledger_still_adds_up_for_a_member_created_again(database: Database):
    await saved(database, a_save())
    await adjust(database, an_adjustment(5, reason="gift"))
    await delete(database, a_deletion())
    await saved(database, a_save())
    await adjust(database, an_adjustment(1))

    entries = (await points_page(database)).entries
    assert [(e.delta, e.balance, e.reason) for e in entries] == [
        (1, 1, None),
        (-5, 0, None),
        (5, 5, None),
    ]
