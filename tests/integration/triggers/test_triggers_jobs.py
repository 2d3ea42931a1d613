import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from services.triggers import jobs
from services.triggers.app import build
from services.triggers.domain import PassNotFoundError
from services.triggers.handlers import passes
from services.triggers.settings import Settings
from shared import clock
from shared.contracts.gateway import TemplateDeleted
from shared.database import Database
from shared.messaging.embedded import EmbeddedTransport
from shared.sealing import MasterKeys
from tests.integration.triggers.life import (
    ACCOUNT,
    OTHER_ACCOUNT,
    TEMPLATE,
    Life,
    a_change,
    a_creation,
    a_member,
    a_template,
    until_somebody_waits,
)

THEIRS = UUID(int=11)
DELETION = TemplateDeleted(template_id=TEMPLATE, account_id=ACCOUNT, revision=2)


async def test_counts_are_the_same_before_and_after_folding(life: Life):
    handle = await life.issued()
    await life.issued()
    await life.change(*(a_change(handle, "scan") for _ in range(3)))
    today = clock.now().date().isoformat()
    expected = {
        "create": 2,
        "passes_create": 2,
        "scan": 3,
        "passes_scan": 1,
    }

    fresh = await life.counts()
    await jobs.fold_counters(life.database)
    folded = await life.counts()

    assert fresh.totals == folded.totals == expected
    assert fresh.days == folded.days == {today: expected}
    assert await deltas(life.database) == 0


async def test_counts_add_up_over_several_foldings(life: Life):
    handle = await life.issued()
    for _ in range(3):
        await life.happened(handle, "scan")
        await jobs.fold_counters(life.database)
    await life.happened(handle, "scan")

    assert (await life.counts()).totals["scan"] == 4


async def test_folding_while_others_append_loses_nothing(life: Life):
    handles = [await life.issued() for _ in range(4)]

    async def scan(handle: str) -> None:
        for _ in range(10):
            await life.change(a_change(handle, "scan"))

    async def fold() -> None:
        for _ in range(10):
            await jobs.fold_counters(life.database)

    await asyncio.gather(*(scan(handle) for handle in handles), fold(), fold())
    before = await life.counts()
    await jobs.fold_counters(life.database)

    assert before.totals["scan"] == 40
    assert before.totals["passes_scan"] == 4
    assert await life.counts() == before


async def test_counts_of_one_template_are_not_anothers(life: Life):
    await life.keep(a_template(template_id=THEIRS, account_id=OTHER_ACCOUNT))
    await life.issued()
    await life.create(a_creation(template_id=THEIRS, account_id=OTHER_ACCOUNT))

    assert (await life.counts()).totals["create"] == 1


async def test_passes_of_a_deleted_template_are_deleted_in_turns(
    life: Life, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "DELETE_TURN", 4)
    await life.keep(a_template(template_id=THEIRS))
    spared = await life.issued(template_id=THEIRS)
    await life.create(*(a_creation(member=a_member(name="Ann")) for _ in range(10)))
    await life.drop(DELETION)

    await jobs.delete_orphans(life.database)

    assert [p.handle for p in (await life.page()).passes] == [spared]
    assert (await life.counts()).totals["delete"] == 10
    async with life.database.connection() as connection:
        sent = await connection.fetch("SELECT body FROM outbox WHERE name LIKE '%deleted%'")
    assert [row["body"].count(b'"handle"') for row in sent] == [4, 4, 2]


async def test_pass_deleted_meanwhile_is_not_deleted_twice(life: Life):
    handle = await life.issued()
    await life.drop(DELETION)

    async with life.database.work() as work:
        await passes.change_passes([a_change(handle, "delete")], work, cache=life.cache)
        job = asyncio.create_task(jobs.delete_orphans(life.database))
        await until_somebody_waits(life.database)
    await job

    assert [event.kind for event in await life.timeline(handle)] == ["create", "delete"]


async def test_tombstones_are_forgotten_after_30_days(life: Life, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "FORGET_TURN", 2)
    old = [await life.issued() for _ in range(5)]
    young, living = await life.issued(), await life.issued()
    for handle in (*old, young):
        await life.happened(handle, "delete")
    await age(life.database, old, timedelta(days=30, minutes=1))
    await age(life.database, [young], timedelta(days=29, hours=23))

    await jobs.forget_tombstones(life.database)

    for handle in old:
        with pytest.raises(PassNotFoundError):
            await life.timeline(handle)
    assert len(await life.timeline(young)) == 2
    assert len(await life.read(living)) == 1
    async with life.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM events") == 3


async def test_paging_walks_all_passes_once(life: Life):
    commands = [a_creation(member=a_member(member_id=f"m{n % 2}")) for n in range(25)]
    await life.create(*commands)
    deleted = commands[3].handle
    await life.happened(deleted, "delete")

    walked: list[str] = []
    after, more = 0, True
    while more:
        page = await life.page(after=after, limit=7)
        walked += [p.handle for p in page.passes]
        after, more = page.last, page.more

    assert walked == [c.handle for c in commands if c.handle != deleted]


async def test_pages_are_of_one_template_and_one_member(life: Life):
    await life.keep(a_template(template_id=THEIRS))
    await life.create(
        a_creation(member=a_member(member_id="ann")),
        a_creation(member=a_member(member_id="bob")),
        a_creation(template_id=THEIRS, member=a_member(member_id="ann")),
    )

    anns = await life.page(member_id="ann")
    anns_here = await life.page(member_id="ann", template_id=TEMPLATE)
    all_here = await life.page(template_id=TEMPLATE, limit=2)

    assert [len(page.passes) for page in (anns, anns_here, all_here)] == [2, 1, 2]
    assert not all_here.more
    assert all(p.member for p in anns.passes)


async def test_timeline_is_paged_by_sequence(life: Life):
    handle = await life.issued()
    await life.change(*(a_change(handle, "scan") for _ in range(4)))

    first = await life.timeline(handle, limit=3)
    second = await life.timeline(handle, after=3, limit=3)

    assert [e.sequence for e in first] == [1, 2, 3]
    assert [e.sequence for e in second] == [4, 5]


async def test_service_is_built_from_its_settings(triggers_database: str):
    keys = MasterKeys.generate_text()
    settings = Settings.model_validate({"DATABASE_URL": triggers_database, "master_keys": keys})

    service = build(settings, EmbeddedTransport(triggers_database))

    assert service.name == "triggers"


async def age(database: Database, handles: list[str], by: timedelta) -> None:
    async with database.work() as work:
        await work.connection.execute(
            "UPDATE passes SET deleted_at = now() - $2::interval WHERE handle = ANY($1)",
            handles,
            by,
        )


async def deltas(database: Database) -> int:
    async with database.work() as work:
        return await work.connection.fetchval("SELECT count(*) FROM counter_deltas")
