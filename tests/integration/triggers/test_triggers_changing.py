import asyncio
from typing import Any

import pytest

from services.triggers.domain import PassDeletedError, PassNotFoundError
from services.triggers.handlers import questions
from shared.contracts.triggers import EventsLogged, PassesChanged, PassesDeleted, ReadTimeline
from shared.errors import InvalidError
from shared.passes.google.linked import TooManyLinkedError
from tests.integration.triggers.life import (
    ACCOUNT,
    OTHER_ACCOUNT,
    POINTS,
    Life,
    a_change,
    a_creation,
    a_member,
    a_template,
    good,
    kinds,
    put,
)

KINDS = ["check", "scan", "register", "edit", "update", "void", "unvoid", "delete"]


async def test_scan_runs_its_rules_and_tells_the_scanner(life: Life):
    handle = await life.issued({"psScanColor": "#00ff00"})

    report = await life.happened(handle, "scan")

    assert (report.version, report.sequence, report.updated) == (2, 2, True)
    assert (report.scan_text, report.scan_color) == ("1 stamps", "#00ff00")
    [changed] = life.changed()
    assert (changed.values["stamps"], changed.scanned, changed.push_version) == (1, True, 2)
    assert life.logged()[0].data["changes"]["stamps"] == [None, 1]


async def test_scan_texts_alone_are_no_update(life: Life):
    handle = await life.issued()

    report = await life.happened(handle, "check")

    assert (report.scan_text, report.updated) == ("Checked", False)


async def test_event_that_changes_nothing_raises_the_version_only_the_first_time(life: Life):
    handle = await life.issued({"psScanText": "Checked"})

    first = await life.happened(handle, "check")
    told_first = [type(event) for event in life.told]
    second = await life.happened(handle, "check")

    assert (first.version, first.sequence, first.updated) == (2, 2, False)
    assert (second.version, second.sequence, second.updated) == (2, 3, False)
    assert told_first == [PassesChanged, EventsLogged]
    assert [type(event) for event in life.told] == [EventsLogged]


async def test_hundred_concurrent_scans_all_count(life: Life):
    handle = await life.issued()

    outcomes = await asyncio.gather(*(life.change(a_change(handle, "scan")) for _ in range(100)))

    reports = [good(outcome) for [outcome] in outcomes]
    assert sorted(report.sequence for report in reports) == list(range(2, 102))
    assert sorted(report.version for report in reports) == list(range(2, 102))
    [scanned] = await life.read(handle)
    assert (scanned.values["stamps"], scanned.version) == (100, 101)
    timeline = await life.timeline(handle, limit=200)
    assert [(e.sequence, e.version) for e in timeline] == [(n, n) for n in range(1, 102)]


async def test_overlapping_batches_in_opposite_order_do_not_deadlock(life: Life):
    handles = [await life.issued() for _ in range(10)]

    async def scan_all(number: int) -> None:
        ordered = handles if number % 2 else handles[::-1]
        await life.change(*(a_change(handle, "scan") for handle in ordered))

    await asyncio.gather(*(scan_all(number) for number in range(12)))

    assert {p.values["stamps"] for p in await life.read(*handles)} == {12}


async def test_same_pass_twice_in_one_batch_is_changed_in_order(life: Life):
    handle = await life.issued()

    outcomes = await life.change(
        a_change(handle, "scan"),
        a_change(handle, "update", {"stamps": 10}),
        a_change(handle, "scan"),
        a_change(handle, "void"),
    )

    assert [(good(o).sequence, good(o).version) for o in outcomes] == [(n, n) for n in range(2, 6)]
    [announced] = life.changed()
    assert (announced.version, announced.values["stamps"], announced.voided) == (5, 11, True)
    assert [event.sequence for event in life.logged()] == [2, 3, 4, 5]
    assert await life.read(handle) == [announced]


async def test_nothing_happens_to_a_pass_after_its_deletion_in_one_batch(life: Life):
    handle = await life.issued()

    outcomes = await life.change(
        a_change(handle, "scan"), a_change(handle, "delete"), a_change(handle, "scan")
    )

    assert kinds(outcomes) == ["PassChanged", "PassChanged", "PassDeletedError"]
    assert [type(event) for event in life.told] == [PassesDeleted, EventsLogged]


async def test_voiding_twice_is_voiding_once(life: Life):
    handle = await life.issued()

    void = [await life.happened(handle, "void") for _ in range(2)]
    told = life.told
    unvoid = [await life.happened(handle, "unvoid") for _ in range(2)]

    assert [report.version for report in void + unvoid] == [2, 2, 3, 3]
    assert told == life.told == []
    assert [event.kind for event in await life.timeline(handle)] == ["create", "void", "unvoid"]
    assert not (await life.read(handle))[0].voided


async def test_null_takes_an_own_value_away(life: Life):
    handle = await life.issued({"note": "hello", POINTS: 5})

    report = await life.happened(handle, "update", {"note": None, POINTS: 6})

    assert report.updated
    assert (await life.read(handle))[0].values == {POINTS: 6, "welcomes": 1}
    [_, event] = await life.timeline(handle)
    assert event.data["changes"] == {"note": ["hello", None], POINTS: [5, 6]}


async def test_null_takes_a_value_away_by_any_of_its_names(life: Life):
    handle = await life.issued({"barcodes_0_message": "Mine"})
    before = (await life.read(handle))[0].values

    await life.happened(handle, "update", {"barcodes_0_message": None})

    assert before["barcode_message"] == "Mine"
    assert (await life.read(handle))[0].values == {"welcomes": 1}


@pytest.mark.parametrize("values", [{}, {"note": "hello"}, {POINTS: None}, {"gone": None}])
async def test_update_that_changes_nothing_logs_nothing(life: Life, values: dict[str, Any]):
    handle = await life.issued({"note": "hello"})

    report = await life.happened(handle, "update", values)

    assert (report.version, report.sequence, report.updated) == (1, 1, False)
    assert life.told == []


async def test_true_is_another_value_than_one(life: Life):
    handle = await life.issued({"note": 1})

    report = await life.happened(handle, "update", {"note": True})

    assert (report.version, report.updated) == (2, True)
    assert (await life.read(handle))[0].values["note"] is True


async def test_invalid_update_changes_nothing(life: Life):
    handle = await life.issued({"note": "hello"})
    before = await life.read(handle)

    outcomes = await life.change(
        a_change(handle, "update", {"note": "new", "nothing": 1}),
        a_change(handle, "scan", {POINTS: {"a": 1}}),
    )

    assert kinds(outcomes) == ["InvalidError"] * 2
    assert life.told == []
    assert await life.read(handle) == before
    assert len(await life.timeline(handle)) == 1


async def test_deleted_pass_is_gone_and_its_timeline_stays(life: Life):
    handle = await life.issued({"note": "private"}, member=a_member(name="Ann"))

    await life.happened(handle, "delete")

    [deleted] = [event for event in life.told if isinstance(event, PassesDeleted)]
    assert [(p.handle, p.version) for p in deleted.passes] == [(handle, 2)]
    assert life.changed() == []
    for account_id in (ACCOUNT, None):
        with pytest.raises(PassDeletedError):
            await life.read(handle, account_id=account_id)
    assert kinds(await life.change(a_change(handle, "scan"))) == ["PassDeletedError"]
    assert [event.kind for event in await life.timeline(handle)] == ["create", "delete"]
    assert (await life.page()).passes == []
    async with life.database.connection() as connection:
        assert await connection.fetchval("SELECT own_values FROM passes") == {}


async def test_pass_of_another_account_is_not_found(life: Life):
    handle = await life.issued()
    before = await life.read(handle)

    outcomes = await life.change(*(a_change(handle, k, account_id=OTHER_ACCOUNT) for k in KINDS))
    [timeline] = await life.ask(
        questions.read_timelines, ReadTimeline(account_id=OTHER_ACCOUNT, handle=handle)
    )

    assert kinds(outcomes) == ["PassNotFoundError"] * len(KINDS)
    assert isinstance(timeline, PassNotFoundError)
    with pytest.raises(PassNotFoundError):
        await life.read(handle, account_id=OTHER_ACCOUNT)
    assert (await life.page(account_id=OTHER_ACCOUNT)).passes == []
    assert (await life.counts(account_id=OTHER_ACCOUNT)).totals == {}
    assert await life.read(handle) == before


async def test_deleted_pass_of_another_account_is_not_found(life: Life):
    handle = await life.issued()
    await life.happened(handle, "delete")

    outcomes = await life.change(a_change(handle, "scan", account_id=OTHER_ACCOUNT))

    assert kinds(outcomes) == ["PassNotFoundError"]
    with pytest.raises(PassNotFoundError):
        await life.read(handle, account_id=OTHER_ACCOUNT)


async def test_public_reads_a_pass_by_its_handle(life: Life):
    handle = await life.issued()

    assert await life.read(handle, account_id=None) == await life.read(handle)
    with pytest.raises(PassNotFoundError):
        await life.read("nothing", account_id=None)


async def test_scan_delivered_again_has_one_effect_and_the_same_outcome(life: Life):
    command = a_change(await life.issued(), "scan")
    consumer = life.consumer()

    first = await put(consumer, command)
    later = await put(consumer, command, a_change(command.handle, "scan"))

    assert later[0] == first[0]
    assert later[1]["ok"]["sequence"] == 3
    assert (await life.read(command.handle))[0].values["stamps"] == 2


async def test_scan_delivered_at_the_same_time_has_one_effect(life: Life):
    command = a_change(await life.issued(), "scan")

    outcomes = await asyncio.gather(*(put(life.consumer(), command) for _ in range(8)))

    assert outcomes == [outcomes[0]] * 8
    assert outcomes[0][0]["ok"]["sequence"] == 2
    assert (await life.read(command.handle))[0].values["stamps"] == 1


async def test_change_follows_the_rules_of_the_newest_revision(life: Life):
    handle = await life.issued()
    document: dict[str, Any] = {
        "pass": {"generic": {}},
        "properties": {"stamps": 0},
        "triggers": {"onScan": {"action": "PSActionSetValue", "targetPath": "stamps", "value": 50}},
    }
    await life.keep(a_template(2, document=document))

    await life.happened(handle, "scan")

    assert (await life.read(handle))[0].values["stamps"] == 50


async def test_batch_of_creations_keeps_what_the_scans_of_each_need(life: Life):
    commands = [a_creation({"stamps": n}) for n in range(20)]
    await life.create(*commands)

    reports = await life.change(*(a_change(c.handle, "scan") for c in reversed(commands)))

    assert [good(r).scan_text for r in reports] == [f"{n + 1} stamps" for n in reversed(range(20))]


MONEY = "structure_secondaryFields_sum_value"
STYLED: dict[str, Any] = {
    "pass": {
        "description": "Card",
        "storeCard": {
            "secondaryFields": [{"key": "sum", "label": "", "value": 0, "currencyCode": "EUR"}]
        },
    },
    "properties": {"text": "n/a"},
    "triggers": {
        "onScan": {"action": "PSActionSetValue", "targetPath": MONEY, "value": "{text}"},
    },
}


async def test_value_that_its_fields_style_does_not_fit_is_refused_whole(life: Life):
    await life.keep(a_template(2, document=STYLED))
    handle = await life.issued({MONEY: "12.50"}, revision=2)

    [refused] = await life.create(a_creation({MONEY: "12,50"}, revision=2))
    [unchanged] = await life.change(a_change(handle, "update", {MONEY: "n/a", "text": "x"}))
    [styled] = await life.change(
        a_change(handle, "update", {"structure_secondaryFields_sum_currencyCode": "EURO"})
    )

    for outcome, path in (
        (refused, MONEY),
        (unchanged, MONEY),
        (styled, "structure_secondaryFields_sum_currencyCode"),
    ):
        assert isinstance(outcome, InvalidError)
        assert [fault["pointer"] for fault in outcome.errors] == [path]
    (found,) = await life.read(handle)
    assert found.values == {MONEY: 12.5}


async def test_value_of_a_rule_that_does_not_fit_is_told_on_the_timeline(life: Life):
    await life.keep(a_template(2, document=STYLED))
    handle = await life.issued(revision=2)

    await life.happened(handle, "scan")

    line = (await life.timeline(handle))[-1]
    assert line.data["warnings"] == [
        f"{MONEY} is shown as text: a number is needed beside currencyCode"
    ]


async def test_objects_at_google_are_linked_one_by_one_and_each_once(life: Life):
    handle = await life.issued(google_name="p_named")

    reports = [await life.happened(handle, "update", link=name) for name in ("one", "two")]
    [told] = life.changed()
    reports.append(await life.happened(handle, "update", link="one"))

    [found] = await life.read(handle)
    assert [report.version for report in reports] == [2, 3, 3]
    assert (found.google_name, found.linked) == ("p_named", ["one", "two"])
    assert told.linked == ["one", "two"]


async def test_a_51st_linked_object_is_refused(life: Life):
    handle = await life.issued()
    for number in range(50):
        await life.happened(handle, "update", link=f"linked{number}")

    [refused] = await life.change(a_change(handle, "update", {POINTS: 5}, link="one more"))

    [found] = await life.read(handle)
    assert isinstance(refused, TooManyLinkedError)
    assert len(found.linked) == 50
    assert POINTS not in found.values
