"""What a pass has beside its values: a barcode message of its own, a passcode, a channel."""

import asyncio
import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from services.triggers import jobs
from services.triggers.handlers import questions
from shared.contracts.triggers import Channel, ChannelCounts, PassesChanged, ReadChannels
from shared.errors import ApplicationError, InvalidError
from tests.integration.triggers.life import (
    ACCOUNT,
    DOCUMENT,
    OTHER_ACCOUNT,
    TEMPLATE,
    Life,
    a_change,
    a_creation,
    a_template,
    good,
    kinds,
)
from tests.integration.triggers.test_triggers_runs import FakeCaller, a_job

MESSAGE = "barcode_message"


async def use(life: Life, policy: str, **changes: Any) -> None:
    """Let the template make barcode messages by a policy."""
    document = {**DOCUMENT, "barcode_policy": policy, **changes}
    await life.keep(a_template(2, document=document))


def named(message: str, **rest: Any) -> Any:
    return a_creation({MESSAGE: message}, revision=2, **rest)


def draw(monkeypatch: pytest.MonkeyPatch, numbers: Iterable[int]) -> None:
    """Let these be the random numbers."""
    drawn = iter(numbers)

    def next_number(_most: int) -> int:
        return next(drawn)

    monkeypatch.setattr("services.triggers.domain.issuing.secrets.randbelow", next_number)


async def test_a_unique_message_is_given_once_within_a_batch(life: Life):
    await use(life, "unique")

    outcomes = await life.create(named("1"), named("2"), named("1"))

    assert kinds(outcomes) == ["PassCreated", "PassCreated", "BarcodeTakenError"]


async def test_of_many_who_want_the_same_message_at_once_one_gets_it(life: Life):
    await use(life, "unique")
    others = [Life(life.database, life.cache) for _ in range(8)]

    outcomes = await asyncio.gather(*(one.create(named("1"), named("2")) for one in others))

    told = sorted(kind for pair in outcomes for kind in kinds(pair))
    assert told == ["BarcodeTakenError"] * 14 + ["PassCreated"] * 2


async def test_a_message_is_unique_in_its_template_only(life: Life):
    await use(life, "unique")
    other = a_template(1, template_id=ACCOUNT, document={**DOCUMENT, "barcode_policy": "unique"})
    await life.keep(other)

    outcomes = await life.create(named("1"), a_creation({MESSAGE: "1"}, template_id=ACCOUNT))

    assert kinds(outcomes) == ["PassCreated", "PassCreated"]


async def test_a_message_may_be_longer_than_a_key_of_an_index(life: Life):
    await use(life, "unique")
    long = "é" * 7089

    outcomes = await life.create(named(long), named(long + "."), named(long))

    assert kinds(outcomes) == ["PassCreated", "PassCreated", "BarcodeTakenError"]


async def test_a_deleted_pass_gives_its_message_back(life: Life):
    await use(life, "unique")
    first = named("1")
    await life.create(first)

    await life.happened(first.handle, "delete")

    assert kinds(await life.create(named("1"))) == ["PassCreated"]


async def test_a_pass_that_its_rules_stop_gives_its_message_back(life: Life):
    stop = {"action": "PSActionSetValue", "targetPath": "psTriggerError", "value": "{note}"}
    await use(life, "unique", triggers={"onCreate": stop})
    stopped = a_creation({MESSAGE: "1", "note": "stop"}, revision=2)

    refused = await life.create(stopped)

    assert kinds(refused) == ["TriggerStoppedError"]
    assert kinds(await life.create(named("1"))) == ["PassCreated"]


async def test_a_pass_whose_run_fails_gives_its_message_back(life: Life):
    call = {"action": "PSActionURL", "url": "https://partner.example/called"}
    stop = {"action": "PSActionSetValue", "targetPath": "psTriggerError", "value": "no"}
    await use(life, "unique", triggers={"onCreate": [call, stop]})
    wanted, rival = named("1"), named("1")

    first = await life.create(wanted)
    waiting = await life.create(wanted)
    taken = await life.create(rival)
    await a_job(life, FakeCaller()).run()

    assert (kinds(first), kinds(waiting)) == (["NotReadyError"], ["NotReadyError"])
    assert kinds(taken) == ["BarcodeTakenError"]
    [stopped] = await life.create(wanted)
    assert isinstance(stopped, ApplicationError)
    assert stopped.code == "trigger_error"
    assert kinds(await life.create(rival)) == ["NotReadyError"]


async def test_a_message_from_data_may_be_the_same_for_many_but_is_needed(life: Life):
    await use(life, "data")

    outcomes = await life.create(named("1"), named("1"), a_creation(revision=2), named(""))

    assert kinds(outcomes) == ["PassCreated"] * 2 + ["BarcodeNeededError"] * 2


async def test_a_random_message_has_eight_digits_and_none_twice(
    life: Life, monkeypatch: pytest.MonkeyPatch
):
    await use(life, "random")
    draw(monkeypatch, [5, 5, 5, 6])

    commands = [a_creation({MESSAGE: "mine"}, revision=2) for _ in range(2)]
    outcomes = [good(one) for one in await life.create(*commands)]

    assert sorted(one.barcode_message or "" for one in outcomes) == ["10000005", "10000006"]
    found = await life.read(*(command.handle for command in commands))
    assert [one.values[MESSAGE] for one in found] == [one.barcode_message for one in outcomes]


async def test_a_random_message_that_is_taken_each_time_is_refused(
    life: Life, monkeypatch: pytest.MonkeyPatch
):
    await use(life, "random")
    draw(monkeypatch, itertools.repeat(5))

    outcomes = await life.create(a_creation(revision=2), a_creation(revision=2))

    assert kinds(outcomes) == ["PassCreated", "BarcodeTakenError"]


@pytest.mark.parametrize("policy", ["data", "unique", "random"])
async def test_a_pass_keeps_its_message(life: Life, policy: str):
    await use(life, policy)
    command = named("12345678")
    message = good((await life.create(command))[0]).barcode_message or "12345678"
    changes: list[dict[str, Any]] = [
        {MESSAGE: "other", "note": "new"},
        {MESSAGE: None},
        {"barcode": {"message": "other", "format": "PKBarcodeFormatQR"}},
        {MESSAGE: message, "barcode_altText": "same", "note": "kept"},
    ]

    outcomes = [
        *await life.change(*(a_change(command.handle, "update", one) for one in changes)),
        *await life.change(a_change(command.handle, "update", {"note": "x"}, replace_all=True)),
    ]

    assert kinds(outcomes) == ["BarcodeFixedError"] * 3 + ["PassChanged", "BarcodeFixedError"]
    [found] = await life.read(command.handle)
    assert found.values == {
        MESSAGE: message,
        "barcode_altText": "same",
        "note": "kept",
        "welcomes": 1,
    }


async def test_rules_leave_a_message_of_a_pass_alone(life: Life):
    rule = {"action": "PSActionSetValue", "targetPath": MESSAGE, "value": "other"}
    await use(life, "unique", triggers={"onScan": rule})
    command = named("1")
    await life.create(command)

    await life.happened(command.handle, "scan")

    [found] = await life.read(command.handle)
    assert found.values[MESSAGE] == "1"
    assert "keeps the barcode" in str((await life.timeline(command.handle))[-1].data["rules"])


async def test_brackets_of_literal_values_are_text(life: Life):
    plain, expanding = a_creation({"note": "{stamps}"}, literal=True), a_creation()
    await life.create(plain, expanding)

    await life.happened(expanding.handle, "update", {"note": "{stamps}"}, literal=True)

    assert [one.literal for one in await life.read(plain.handle, expanding.handle)] == [
        ["note"]
    ] * 2


async def test_only_a_pass_of_the_template_that_is_named_changes(life: Life):
    handle = await life.issued()

    outcomes = await life.change(
        a_change(handle, "update", {"note": "x"}, template_id=ACCOUNT),
        a_change(handle, "update", {"note": "x"}, template_id=TEMPLATE),
    )

    assert kinds(outcomes) == ["PassNotFoundError", "PassChanged"]


async def test_a_pass_is_void_from_the_beginning_and_valid_again_with_an_update(life: Life):
    command = a_creation(voided=True)
    await life.create(command)
    kinds_at_first = [event.kind for event in life.logged()]

    changed = await life.happened(command.handle, "update", {"note": "x"}, voided=False)

    assert kinds_at_first == ["create", "void"]
    assert [event.kind for event in life.logged()] == ["update", "unvoid"]
    [found] = await life.read(command.handle)
    assert (found.voided, found.version) == (False, changed.version)


async def test_a_passcode_is_told_to_whoever_asks_for_the_pass_and_in_no_event(life: Life):
    command = a_creation(passcode="digest-1")
    await life.create(command)
    told = list(life.told)

    await life.happened(command.handle, "update", {}, passcode="digest-2")
    told += life.told
    [changed] = await life.read(command.handle)
    await life.happened(command.handle, "update", {}, passcode="")
    told += life.told
    [without] = await life.read(command.handle)

    assert (changed.passcode, without.passcode) == ("digest-2", None)
    assert without.version == 3
    assert any(isinstance(event, PassesChanged) for event in told)
    assert "digest" not in str([event.model_dump_json() for event in told])
    assert "digest" not in str([e.model_dump_json() for e in await life.timeline(command.handle)])
    page = await life.page()
    assert [one.passcode for one in page.passes] == [None]


async def test_a_refused_change_changes_no_passcode(life: Life):
    command = a_creation(passcode="digest-1")
    await life.create(command)

    [outcome] = await life.change(
        a_change(command.handle, "update", {"nothing": 1}, passcode="digest-2", voided=True)
    )

    assert isinstance(outcome, ApplicationError)
    [found] = await life.read(command.handle)
    assert (found.passcode, found.voided) == ("digest-1", False)


async def channels(life: Life, **rest: Any) -> ChannelCounts:
    query = ReadChannels.model_validate({"account_id": ACCOUNT, "template_id": TEMPLATE, **rest})
    return (await life.ask(questions.read_channels, query))[0]  # type: ignore[index]


SHOP, MAIL = Channel(source="shop"), Channel(source="mail", program_id=OTHER_ACCOUNT, term="t")


async def test_issues_and_installs_are_counted_for_the_channel_of_the_pass(life: Life):
    commands = [a_creation(channel=channel) for channel in (SHOP, SHOP, MAIL, None)]
    await life.create(*commands)
    for command in commands[1:]:
        for kind in ("install", "remove", "install"):
            await life.happened(command.handle, kind)

    fresh = await channels(life)
    await jobs.fold_counters(life.database)
    folded = await channels(life)

    assert [(c.channel, c.issued, c.installed) for c in folded.counts] == [
        (SHOP, 2, 1),
        (MAIL, 1, 1),
    ]
    assert fresh == folded
    assert (await life.counts()).totals["create"] == 4
    page = await channels(life, limit=1)
    rest = await channels(life, after=page.counts[0])
    assert (page.more, [c.channel for c in rest.counts]) == (True, [MAIL])
    of_program = await channels(life, program_id=OTHER_ACCOUNT)
    assert [c.channel for c in of_program.counts] == [MAIL]
    assert (await channels(life, account_id=OTHER_ACCOUNT)).counts == []


async def test_a_channel_that_came_in_a_transaction_that_failed_is_numbered_anew(life: Life):
    async def number_in_vain() -> None:
        async with life.database.work() as work:
            await life.channels.numbers(work, [SHOP])
            raise InvalidError

    with pytest.raises(InvalidError):
        await number_in_vain()

    await life.create(a_creation(channel=SHOP))

    assert [c.channel for c in (await channels(life)).counts] == [SHOP]
