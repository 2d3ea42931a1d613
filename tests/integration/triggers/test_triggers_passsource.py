"""What PassSource's dialect asks of the life of passes: rights, pushes, lists, purging."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.triggers import jobs
from services.triggers.domain import PassNotFoundError
from services.triggers.handlers import questions
from services.triggers.jobs import templates
from shared import clock
from shared.contracts.triggers import LastEvent, PassesDeleted, ReadLastEvent
from shared.errors import InvalidError
from shared.identifiers import handle_before
from tests.integration.triggers.life import (
    ACCOUNT,
    DOCUMENT,
    OTHER_ACCOUNT,
    POINTS,
    Life,
    a_change,
    a_creation,
    a_template,
    create_in,
    good,
    kinds,
    put,
)

EDITABLE: dict[str, Any] = {
    **DOCUMENT,
    "properties": {**DOCUMENT["properties"], "name": {"value": "", "editable": True}},
}
STAMP = {"action": "PSActionIncrementValue", "targetPath": "stamps", "amount": 1}
PURGE = {"stale_after": timedelta(days=730), "untouched_after": timedelta(days=183)}


@pytest.fixture(autouse=True)
async def _editable(life: Life) -> None:
    await life.keep(a_template(2, document=EDITABLE))


async def test_who_is_not_trusted_sets_only_editable_values(life: Life):
    command = a_creation({"name": "Ann", POINTS: 99, "nothing": 1}, revision=2)
    await life.create(command.model_copy(update={"trusted": False}))

    report = await life.happened(
        command.handle, "update", {"name": "Bob", "note": "x"}, trusted=False
    )

    (found,) = await life.read(command.handle)
    assert found.values == {"name": "Bob", "welcomes": 1}
    assert (report.updated, report.values_changed) == (True, True)


async def test_editable_value_that_does_not_fit_is_refused(life: Life):
    command = a_creation({"name": "x" * 20_000}, revision=2)

    outcomes = await life.create(command.model_copy(update={"trusted": False}))

    assert kinds(outcomes) == ["InvalidError"]
    assert isinstance(outcomes[0], InvalidError)


async def test_replacing_all_takes_away_what_may_be_changed(life: Life):
    handle = await life.issued({"name": "Ann", "note": "x"}, revision=2)

    await life.happened(handle, "update", {}, trusted=False, replace_all=True)
    (untrusted,) = await life.read(handle)
    await life.happened(handle, "update", {"name": "Bob"}, replace_all=True)
    (trusted,) = await life.read(handle)

    assert untrusted.values == {"note": "x", "welcomes": 1}
    assert trusted.values == {"name": "Bob"}


async def test_quiet_update_asks_for_no_push_and_a_push_does(life: Life):
    handle = await life.issued(revision=2)
    await life.happened(handle, "update", {"name": "Ann"}, push=False)
    quiet = life.changed()[0]

    await life.happened(handle, "push")
    first = life.changed()[0]
    await life.happened(handle, "push")
    second = life.changed()[0]

    assert (quiet.version, quiet.push_version) == (2, 0)
    assert (first.version, first.push_version) == (3, 3)
    assert (second.version, second.push_version) == (4, 4)
    assert [event.kind for event in await life.timeline(handle)] == [
        "create",
        "update",
        "push",
        "push",
    ]


async def test_scan_texts_alone_change_values_but_update_nothing(life: Life):
    handle = await life.issued(revision=2)

    report = await life.happened(handle, "update", {"psScanText": "Hi"})

    assert (report.updated, report.values_changed) == (False, True)


async def test_devices_events_are_logged_with_their_rules(life: Life):
    rules = {"onInstall": {"action": "PSActionIncrementValue", "targetPath": "stamps", "amount": 5}}
    await life.keep(a_template(3, document={**EDITABLE, "triggers": rules}))
    handle = await life.issued(revision=3)

    for kind in ("install", "device_update", "remove"):
        await life.happened(handle, kind)

    (found,) = await life.read(handle)
    assert found.installed
    assert found.values == {"stamps": 5}
    assert (await life.counts()).totals["passes_remove"] == 1


async def test_passes_are_listed_by_what_happened_to_them(life: Life):
    handles = [await life.issued(revision=2) for _ in range(5)]
    for handle in handles[1:4]:
        await life.happened(handle, "scan")
    await life.happened(handles[4], "install")

    scanned = await life.page(kind="scan", limit=2)
    rest = await life.page(kind="scan", limit=2, after=scanned.last)
    skipped = await life.page(kind="create", skip=3)

    assert [p.handle for p in scanned.passes] == handles[1:3]
    assert scanned.more
    assert [p.handle for p in rest.passes] == handles[3:4]
    assert not rest.more
    assert [p.handle for p in skipped.passes] == handles[3:]
    assert (await life.page(kind="register")).passes == []


async def test_pages_follow_creation_exactly_also_while_passes_come(life: Life):
    """Whoever began earlier and commits later comes after what was listed meanwhile."""
    first = await life.issued(revision=2)
    late, early = a_creation(revision=2), a_creation(revision=2)
    async with life.database.work() as slow:
        await create_in(slow, life, late)
        good((await life.create(early))[0])
        shown = await life.page()
    rest = await life.page(after=shown.last)

    assert [p.handle for p in shown.passes] == [first]
    assert [p.handle for p in rest.passes] == [late.handle, early.handle]


async def test_creator_whose_lock_comes_between_the_looks_does_not_empty_the_list(life: Life):
    """Its key is ahead of the position that was read before."""
    handle = await life.issued(revision=2)
    async with life.database.connection() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock_shared(20567, 1000000)")
        page = await life.page()

    assert [p.handle for p in page.passes] == [handle]


async def test_pages_among_many_creators_repeat_and_miss_nothing(life: Life):
    listed: list[str] = []

    async def create() -> None:
        for _ in range(10):
            await life.create(*(a_creation(revision=2) for _ in range(5)))

    async def read(position: int, *, until_empty: bool) -> int:
        while True:
            page = await life.page(after=position, limit=20)
            listed.extend(p.handle for p in page.passes)
            position = page.last
            if not (until_empty and page.passes):
                return position

    creating = asyncio.gather(create(), create(), create())
    position = 0
    while not creating.done():
        position = await read(position, until_empty=False)
    await creating
    await read(position, until_empty=True)

    assert len(listed) == len(set(listed)) == 150


async def test_page_of_long_passes_is_shorter_than_its_limit(
    life: Life, monkeypatch: pytest.MonkeyPatch
):
    handles = [await life.issued({"name": "x" * 900}, revision=2) for _ in range(4)]
    monkeypatch.setattr(questions, "MAX_BYTES", 3200)

    page = await life.page(limit=4)

    assert [p.handle for p in page.passes] == handles[:2]
    assert page.more


async def test_last_event_of_a_kind_is_found(life: Life):
    handle = await life.issued(revision=2)
    await life.happened(handle, "scan")
    await life.happened(handle, "scan")
    log = await life.timeline(handle)

    def asked(kind: Any, account_id: Any = ACCOUNT) -> ReadLastEvent:
        return ReadLastEvent(account_id=account_id, handle=handle, kind=kind)

    answers = await life.ask(
        questions.read_last_events, asked("scan"), asked("check"), asked("scan", OTHER_ACCOUNT)
    )

    assert answers[0] == LastEvent(happened=True, occurred_at=log[-1].occurred_at)
    assert answers[1] == LastEvent(happened=False)
    assert isinstance(answers[2], PassNotFoundError)


async def test_refused_scan_counts_as_none_and_is_told(life: Life):
    handle = await life.issued()
    await life.happened(handle, "void")

    report = await life.happened(handle, "scan")
    told = life.logged()
    (last,) = await life.ask(
        questions.read_last_events, ReadLastEvent(account_id=ACCOUNT, handle=handle, kind="scan")
    )

    (found,) = await life.read(handle)
    totals = (await life.counts()).totals
    assert (report.refused, report.scan_text) == ("voided", "Voided")
    assert [(event.kind, event.data) for event in told] == [("scan", {"refused": "voided"})]
    assert (found.scanned, "stamps" in found.values, found.version) == (False, False, 2)
    assert last == LastEvent(happened=False)
    assert (await life.page(kind="scan")).passes == []
    assert totals["scan_refused"] == 1
    assert "scan" not in totals
    assert "passes_scan" not in totals


async def test_last_event_is_one_that_was_not_refused(life: Life):
    handle = await life.issued()
    await life.happened(handle, "scan")
    accepted = life.logged()[0].occurred_at
    await life.happened(handle, "void")
    await life.happened(handle, "scan")

    (last,) = await life.ask(
        questions.read_last_events, ReadLastEvent(account_id=ACCOUNT, handle=handle, kind="scan")
    )

    assert last == LastEvent(happened=True, occurred_at=accepted)


async def test_installed_passes_are_pushed_turn_by_turn(
    life: Life, monkeypatch: pytest.MonkeyPatch
):
    handles = [await life.issued(revision=2) for _ in range(5)]
    for handle in handles[:3]:
        await life.happened(handle, "install")
    monkeypatch.setattr(templates, "PAGE", 2)

    count = await life.push_all()
    strangers = await life.push_all(account_id=OTHER_ACCOUNT)
    await templates.push_passes(life.database, life.cache)

    pushed = [p.handle for p in await life.read(*handles) if p.push_version == 3]
    assert (count, strangers) == (3, 0)
    assert sorted(pushed) == sorted(handles[:3])
    assert len((await life.page(kind="push")).passes) == 3
    await templates.push_passes(life.database, life.cache)
    assert (await life.counts()).totals["push"] == 3


async def test_old_passes_are_purged_when_that_is_switched_on(life: Life):
    fresh, untouched, stale, scanned, busy = [await life.issued(revision=2) for _ in range(5)]
    for handle in (stale, scanned, busy):
        await life.happened(handle, "scan")
    await life.happened(untouched, "update", {"note": "x"})
    old = {
        untouched: await make_old(life, untouched, 200),
        stale: await make_old(life, stale, 800),
        scanned: await make_old(life, scanned, 300),
        busy: await make_old(life, busy, 800),
    }
    await life.happened(old[busy], "check", {})

    await jobs.purge_passes(life.database, is_on=False, **PURGE)
    kept = len((await life.page()).passes)
    await jobs.purge_passes(life.database, is_on=True, **PURGE)

    living = {found.handle for found in (await life.page()).passes}
    assert kept == 5
    assert living == {fresh, old[scanned], old[busy]}
    assert [event.kind for event in await life.timeline(old[busy])] == ["check"]
    assert await outbox(life, PassesDeleted.name) == 1


async def make_old(life: Life, handle: str, days: int) -> str:
    """Let a pass be as it would be had nothing happened since; its handle tells the time."""
    moment = clock.now() - timedelta(days=days)
    old = handle_before(moment) + handle[6:]
    async with life.database.work() as work:
        await work.connection.execute(
            "UPDATE passes SET handle = $2, created_at = $3, updated_at = $3 WHERE handle = $1",
            handle,
            old,
            moment,
        )
        await work.connection.execute(
            "UPDATE events SET handle = $2, occurred_at = $3 WHERE handle = $1",
            handle,
            old,
            moment,
        )
    return old


async def outbox(life: Life, name: str) -> int:
    async with life.database.work() as work:
        return await work.connection.fetchval("SELECT count(*) FROM outbox WHERE name = $1", name)


async def test_push_of_a_pass_of_others_is_refused(life: Life):
    handle = await life.issued(revision=2)

    with pytest.raises(PassNotFoundError):
        good((await life.change(a_change(handle, "push", account_id=OTHER_ACCOUNT)))[0])


async def test_of_manual_updates_at_once_exactly_one_counts(life: Life):
    rules = {"onDeviceUpdate": STAMP}
    await life.keep(a_template(3, document={**EDITABLE, "triggers": rules}))
    handle = await life.issued(revision=3)
    consumers = [life.consumer() for _ in range(4)]

    answers = await asyncio.gather(
        *(
            put(consumer, *(a_change(handle, "device_update") for _ in range(3)))
            for consumer in consumers
        )
    )

    replies = [row["ok"] for rows in answers for row in rows]
    assert [reply["sequence"] for reply in replies] == [2] * 12
    assert sum(reply.get("updated", False) for reply in replies) == 1
    assert [e.kind for e in await life.timeline(handle)] == ["create", "device_update"]
    (found,) = await life.read(handle)
    assert found.values == {"stamps": 1}
    assert (await life.counts()).totals["device_update"] == 1


async def test_manual_update_counts_again_once_the_time_is_over(life: Life):
    handle = await life.issued(revision=2)
    await life.happened(handle, "device_update")
    async with life.database.work() as work:
        await work.connection.execute(
            "UPDATE passes SET refreshed_at = refreshed_at - interval '30 seconds'"
        )

    late = await life.happened(handle, "device_update")
    early = await life.happened(handle, "device_update")

    assert (late.sequence, early.sequence) == (3, 3)
    assert not life.told


async def test_loop_that_a_pass_makes_is_told_on_its_timeline(life: Life):
    handle = await life.issued(revision=2)

    await life.happened(handle, "update", {"note": "{psScanText}", "psScanText": "{note}"})
    [announced] = life.logged()

    *_, told = await life.timeline(handle)
    assert told.data == announced.data
    assert told.data["warnings"] == [
        "{note} leads back to itself and stays text",
        "{psScanText} leads back to itself and stays text",
    ]
