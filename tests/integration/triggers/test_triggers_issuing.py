import asyncio
from uuid import UUID

import pytest

from services.triggers.handlers import catalogue, passes
from shared import clock
from shared.contracts.gateway import TemplateDeleted
from shared.contracts.triggers import EventsLogged, Pass, PassesChanged
from shared.errors import InvalidError, NotReadyError
from shared.identifiers import new_serial
from tests.integration.triggers.life import (
    ACCOUNT,
    OTHER_ACCOUNT,
    POINTS,
    TEMPLATE,
    Life,
    a_change,
    a_creation,
    a_member,
    a_template,
    good,
    kinds,
    put,
    until_somebody_waits,
)

UNHEARD = UUID(int=11)
DELETION = TemplateDeleted(template_id=TEMPLATE, account_id=ACCOUNT, revision=2)


async def test_issued_pass_has_its_values_and_those_of_its_rules(life: Life):
    command = a_creation({POINTS: 7, "note": None})

    [outcome] = await life.create(command)

    assert good(outcome).version == 1
    [issued] = await life.read(command.handle)
    assert issued.values == {POINTS: 7, "welcomes": 1}
    assert (issued.version, issued.push_version, issued.voided) == (1, 0, False)
    assert issued.serial_number == command.serial_number


async def test_a_pass_is_found_by_its_serial_number_until_it_is_deleted(life: Life):
    kept, gone = a_creation(), a_creation(account_id=ACCOUNT)
    await life.create(kept, gone)
    await life.change(a_change(gone.handle, "delete"))

    found = await life.find(kept.serial_number, gone.serial_number, "unknown", kept.handle)

    assert kinds(found) == ["Pass", "PassDeletedError", "PassNotFoundError", "PassNotFoundError"]
    assert [p.handle for p in found if isinstance(p, Pass)] == [kept.handle]


async def test_a_pass_is_told_to_whoever_knows_another_version_of_it(life: Life):
    command = a_creation({POINTS: 7})
    await life.create(command)
    handle = command.handle

    same = await life.since(handle, 1)
    await life.change(a_change(handle, "update", {POINTS: 8}))
    changed = await life.since(handle, 1)
    others = [await life.since(handle, 2, account_id=OTHER_ACCOUNT), await life.since("unknown", 1)]
    await life.change(a_change(handle, "delete"))

    assert good(same).changed is None
    told = good(changed).changed
    assert told is not None
    assert (told.version, told.values[POINTS]) == (2, 8)
    assert kinds(others) == ["PassNotFoundError"] * 2
    assert kinds([await life.since(handle, 2)]) == ["PassDeletedError"]


async def test_a_pass_keeps_the_id_of_its_secret_for_life(life: Life):
    older, newer = a_creation(), a_creation()
    async with life.database.work() as work:
        await passes.create_passes(
            [older], work, cache=life.cache, channels=life.channels, token_key="old"
        )
        await passes.create_passes(
            [newer], work, cache=life.cache, channels=life.channels, token_key="new"
        )
    await life.change(a_change(older.handle, "update", {POINTS: 3}))

    assert [p.token_key for p in life.changed()] == ["old"]
    assert [p.token_key for p in await life.read(older.handle, newer.handle)] == ["old", "new"]


async def test_serial_numbers_are_made_in_the_order_of_time():
    first = new_serial()

    assert len(first) == 40
    assert abs(int(first[:8], 16) - clock.now().timestamp()) < 60


async def test_creation_is_the_first_event_of_a_pass(life: Life):
    handle = await life.issued()

    [event] = await life.timeline(handle)
    assert (event.kind, event.sequence, event.version) == ("create", 1, 1)
    assert [rule["path"] for rule in event.data["rules"]] == ["welcomes"]


async def test_unfit_values_fail_only_their_row(life: Life):
    outcomes = await life.create(
        a_creation({"nothing": 1}),
        a_creation({POINTS: {"a": 1}, "alsoNothing": 2}),
        a_creation({"member_name": "Eve"}),
        a_creation({POINTS: 3}),
    )

    assert kinds(outcomes) == ["InvalidError"] * 3 + ["PassCreated"]
    assert isinstance(outcomes[1], InvalidError)
    assert [error["pointer"] for error in outcomes[1].errors] == [POINTS, "alsoNothing"]
    assert [p.values[POINTS] for p in (await life.page()).passes] == [3]


async def test_batch_is_announced_once(life: Life):
    await life.create(*(a_creation({POINTS: n}) for n in range(5)))

    assert [type(event) for event in life.told] == [PassesChanged, EventsLogged]
    assert [p.values[POINTS] for p in life.changed()] == list(range(5))
    assert [event.kind for event in life.logged()] == ["create"] * 5


async def test_batch_of_failures_announces_nothing(life: Life):
    await life.create(a_creation({"nothing": 1}))

    assert life.told == []


async def test_creation_waits_for_the_template_to_arrive(life: Life):
    with pytest.raises(NotReadyError):
        await life.create(a_creation(revision=2))


async def test_creation_waits_for_a_template_not_heard_of(life: Life):
    with pytest.raises(NotReadyError):
        await life.create(a_creation(template_id=UNHEARD))


async def test_waiting_creation_is_done_once_the_revision_comes(life: Life):
    consumer = life.consumer()
    waiting = asyncio.create_task(put(consumer, a_creation(revision=2)))
    await asyncio.sleep(0)

    await life.keep(a_template(2))

    assert ["ok" in outcome for outcome in await waiting] == [True]
    assert len((await life.page()).passes) == 1


async def test_creation_whose_revision_has_not_come_is_given_back_for_another_time(life: Life):
    late = a_creation(revision=2)
    [waits, ready] = await put(life.consumer(), late, a_creation())
    [told_at_the_deadline] = await put(life.consumer(), late, patience=0.05)

    assert (waits, told_at_the_deadline) == ({}, {})
    assert "ok" in ready
    assert len((await life.page()).passes) == 1


async def test_deleted_template_issues_no_more(life: Life):
    await life.drop(DELETION)

    outcomes = await life.create(a_creation(), a_creation(revision=2))

    assert kinds(outcomes) == ["TemplateGoneError"] * 2
    assert life.told == []


async def test_template_saved_late_stays_deleted(life: Life):
    await life.drop(TemplateDeleted(template_id=UNHEARD, account_id=ACCOUNT, revision=3))

    await life.keep(a_template(2, template_id=UNHEARD))

    outcomes = await life.create(a_creation(template_id=UNHEARD, revision=2))
    assert kinds(outcomes) == ["TemplateGoneError"]


async def test_template_of_another_account_issues_nothing(life: Life):
    outcomes = await life.create(a_creation(account_id=OTHER_ACCOUNT))

    assert kinds(outcomes) == ["TemplateGoneError"]


async def test_older_revision_that_comes_late_is_dropped(life: Life):
    await life.keep(a_template(3))

    await life.keep(a_template(2, document={"pass": {"generic": {}}}))

    assert kinds(await life.create(a_creation({"note": "still there"}, revision=3))) == [
        "PassCreated"
    ]


async def test_revision_that_comes_between_two_looks_does_no_harm(life: Life):
    """The cache finds a revision to compile, and by then there is the next."""
    async with life.database.work() as saving:
        await catalogue.keep_templates([a_template(2)], saving)
        creation = asyncio.create_task(life.create(a_creation()))
        await until_somebody_waits(life.database)

    assert kinds(await creation) == ["PassCreated"]


async def test_row_that_breaks_unexpectedly_fails_alone(life: Life):
    unwritable = a_creation(handle="nul\x00")
    rows = [a_creation(), unwritable, a_creation(member=a_member(name="Ann"))]

    outcomes = await put(life.consumer(), *rows)

    assert ["ok" in outcome for outcome in outcomes] == [True, False, True]
    assert outcomes[1]["error"]["status"] == 500
    assert len((await life.page()).passes) == 2


async def test_creation_delivered_again_has_one_effect_and_the_same_outcome(life: Life):
    command = a_creation()
    consumer = life.consumer()

    first = await put(consumer, command)
    again = await put(consumer, command, a_creation())

    assert again[0] == first[0]
    assert len((await life.page()).passes) == 2
    assert [p.values["welcomes"] for p in await life.read(command.handle)] == [1]


async def test_refused_creation_delivered_again_is_refused_alike(life: Life):
    command = a_creation({"nothing": 1})
    consumer = life.consumer()

    first = await put(consumer, command)

    assert first[0]["error"]["status"] == 422
    assert await put(consumer, command) == first


async def test_creation_delivered_at_the_same_time_has_one_effect(life: Life):
    command = a_creation()

    outcomes = await asyncio.gather(*(put(life.consumer(), command) for _ in range(8)))

    assert outcomes == [outcomes[0]] * 8
    assert "ok" in outcomes[0][0]
    assert len((await life.page()).passes) == 1
    assert len(await life.timeline(command.handle)) == 1
