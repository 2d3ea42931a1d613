"""Devices hear of what is new to them, once, and what they do is told with the right counts."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.notifier.apple.domain.devices import open_push_token
from services.notifier.apple.handlers import devices
from services.notifier.apple.jobs.sealing import seal_push_tokens
from services.notifier.jobs import forget_old
from shared import clock
from shared.contracts.notifier import (
    DeviceLogLine,
    DeviceRegistered,
    NoteDeviceLogs,
    UpdatedPasses,
)
from shared.errors import GoneError, InvalidError
from shared.identifiers import new_id
from shared.sealing import MasterKeys
from tests.integration.notifier.partner import Notifier
from tests.integration.notifier.phones import Card, Phones, a_device

NOTHING = UpdatedPasses()


@pytest.fixture
def phones(notifier: Notifier) -> Phones:
    return Phones(notifier)


async def test_first_content_is_nobodys_news_and_writes_nothing(phones: Phones):
    card, device = Card(), a_device()
    await phones.build(card.built(1))

    assert await phones.notifier.sql("SELECT FROM passes") == []
    await phones.register(card.registered(device))

    assert await phones.ask(device, card, "0") == NOTHING
    assert await phones.ask(device, card) == UpdatedPasses(
        serial_numbers=[card.serial_number], last_updated="0"
    )
    assert await phones.wakes(card) == {}


async def test_change_wakes_every_apple_device_once_and_is_listed(phones: Phones):
    card, watch, phone, android = Card(), a_device(), a_device(), a_device()
    other = card.another()
    await phones.register(
        card.registered(watch), card.registered(phone), other.registered(phone),
        card.registered(android, kind="wallet_passes"),
    )  # fmt: skip

    await phones.build(card.built(2), other.built(2))
    await phones.build(card.built(3))

    both = sorted([card.handle, other.handle])
    assert await phones.wakes(card) == {watch: [card.handle], phone: both}
    assert phones.notifier.pushes.is_set()
    listed = await phones.ask(phone, card, "0")
    assert set(listed.serial_numbers) == {card.serial_number, other.serial_number}
    assert await phones.ask(phone, card, listed.last_updated) == NOTHING
    assert (await phones.ask(android, card)).serial_numbers == [card.serial_number]


async def test_list_of_strangers_and_other_types_is_empty(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))
    await phones.build(card.built(2))

    assert await phones.ask(a_device(), card) == NOTHING
    assert await phones.ask(device, Card()) == NOTHING
    assert await phones.ask("\0", Card(pass_type_identifier="\0")) == NOTHING


@pytest.mark.parametrize(
    "since", ["", "x", "-1", "1.5", "²", "999", "9" * 19, "9" * 30, "\0", "1\n"]
)
async def test_cursor_that_was_not_given_out_counts_as_absent(phones: Phones, since: str):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))
    await phones.build(card.built(2))

    listed = await phones.ask(device, card, since)

    assert listed == UpdatedPasses(serial_numbers=[card.serial_number], last_updated="1")


async def test_older_content_that_arrives_late_is_dropped(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))
    await phones.build(card.built(3))
    tag = (await phones.ask(device, card)).last_updated
    await phones.push(card)

    await phones.build(card.built(2))

    assert await phones.ask(device, card, tag) == NOTHING
    assert await phones.wakes(card) == {}


async def test_change_to_be_pushed_that_arrives_late_is_pushed(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))
    await phones.build(card.built(3, push=2))
    assert await phones.wakes(card) == {}

    await phones.build(card.built(2))

    assert await phones.wakes(card) == {device: [card.handle]}


@pytest.mark.parametrize("ask_first", [True, False])
async def test_silent_change_is_pushed_when_asked_in_whatever_order(
    phones: Phones, *, ask_first: bool
):
    card, device = Card(), a_device()
    if ask_first:  # nothing is known of the pass yet
        await phones.log(card.push(version=3))
        await phones.register(card.registered(device))
    else:
        await phones.register(card.registered(device))
    await phones.build(card.built(2, push=0))
    assert await phones.wakes(card) == ({device: [card.handle]} if ask_first else {})
    assert (await phones.ask(device, card)).serial_numbers == [card.serial_number]

    await phones.log(card.push(version=3))

    assert await phones.push(card) == {device: [card.handle]}
    await phones.log(card.push(version=4))
    assert await phones.wakes(card) == {}


async def test_bytes_made_again_without_a_change_are_not_pushed(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))
    await phones.build(card.built(2, version=5, since=3, push=5))
    await phones.push(card)

    await phones.build(card.built(3, version=5, since=6, push=5))

    assert await phones.wakes(card) == {}
    assert (await phones.ask(device, card, "1")).last_updated == "2"


async def test_registration_is_created_once_and_always_keeps_the_new_token(phones: Phones):
    card, device = Card(), a_device()

    replies = await phones.register(card.registered(device, "aa"), card.registered(device, "bb"))
    again = await phones.register(card.registered(device, "cc"))

    assert [r.created for r in [*replies, *again]] == [True, False, False]
    [row] = await phones.notifier.sql("SELECT push_token FROM devices")
    assert open_push_token(phones.notifier.keys, device, row["push_token"]) == "cc"
    [act] = await phones.acts(card)
    assert (act.kind, act.number, act.devices, act.account_id) == ("install", 1, 1, card.account_id)


async def test_joined_requests_of_many_devices_are_told_one_by_one(phones: Phones):
    card, other, held = Card(), Card(), [a_device() for _ in range(5)]
    commands = [c.registered(d) for d in held for c in (card, other)]

    replies = await phones.register(*commands, *commands[:3])
    await phones.unregister(
        card.unregistered(held[0]), card.unregistered(held[0]), card.unregistered(held[3]),
        other.unregistered(a_device()), Card().unregistered(held[1]),
    )  # fmt: skip

    assert [r.created for r in replies] == [True] * 10 + [False] * 3
    told = [(a.kind, a.number, a.devices) for a in await phones.acts(card)]
    assert told == [
        ("install", 1, 1), ("install", 2, 2), ("install", 3, 3), ("install", 4, 4),
        ("install", 5, 5), ("remove", 6, 4), ("remove", 7, 3),
    ]  # fmt: skip
    assert [a.devices for a in await phones.acts(other)] == [1, 2, 3, 4, 5]


async def test_device_goes_with_its_last_registration(phones: Phones):
    card, other, device = Card(), Card(), a_device()
    await phones.register(card.registered(device), other.registered(device))

    await phones.unregister(card.unregistered(device))
    assert len(await phones.notifier.sql("SELECT FROM devices")) == 1
    await phones.unregister(other.unregistered(device))

    assert await phones.notifier.sql("SELECT FROM devices") == []
    await phones.unregister(other.unregistered(device))
    assert len(await phones.acts(card, other)) == 4


async def test_who_leaves_is_woken_only_for_what_is_left(phones: Phones):
    card, device = Card(), a_device()
    other = card.another()
    await phones.register(card.registered(device), other.registered(device))
    await phones.build(card.built(2), other.built(2))

    await phones.unregister(card.unregistered(device))
    assert await phones.wakes(card) == {device: [other.handle]}
    await phones.unregister(other.unregistered(device))

    assert await phones.wakes(card) == {}


async def test_wake_keeps_a_hundred_handles_and_stays_while_there_may_be_others(phones: Phones):
    card, device = Card(), a_device()
    cards = [card.another() for _ in range(102)]
    await phones.register(*(c.registered(device) for c in cards))
    await phones.build(*(c.built(2) for c in cards))
    [named] = (await phones.wakes(card)).values()
    assert len(named) == 100

    await phones.delete(*(c for c in cards if c.handle in named))

    assert await phones.wakes(card) == {device: []}
    assert len((await phones.ask(device, card)).serial_numbers) == 2


async def test_registration_with_a_copy_that_may_be_old_is_woken_whatever_was_listed(
    phones: Phones,
):
    card, late = Card(), a_device()
    listed = card.another()
    await phones.fetch(card.fetched(1, source="public"))
    await phones.register(listed.registered(late))
    await phones.build(card.built(2))
    await phones.build(listed.built(2))
    cursor = (await phones.ask(late, card)).last_updated
    await phones.push(card)
    await phones.fetch(card.fetched(2, source="public"))

    await phones.register(card.registered(late))

    assert await phones.wakes(card) == {late: [card.handle]}
    assert (await phones.ask(late, card, cursor)).serial_numbers == [card.serial_number]


async def test_registration_is_not_woken_when_every_copy_is_the_newest(phones: Phones):
    card, device = Card(), a_device()
    await phones.build(card.built(2))
    await phones.fetch(card.fetched(2, source="public"))

    await phones.register(card.registered(device))

    assert await phones.wakes(card) == {}


async def test_older_download_that_is_noted_late_wakes_who_registered_meanwhile(phones: Phones):
    card, device = Card(), a_device()
    earlier = card.fetched(1, source="public")
    await phones.build(card.built(2))
    await phones.fetch(card.fetched(2, source="public"))
    await phones.register(card.registered(device))

    await phones.fetch(earlier)

    assert await phones.wakes(card) == {device: [card.handle]}
    assert (await phones.ask(device, card, "1")).serial_numbers == [card.serial_number]


async def test_new_push_token_is_woken_for_what_the_old_one_may_have_missed(phones: Phones):
    card, device = Card(), a_device()
    quiet = Card()
    await phones.register(card.registered(device, "aa"), quiet.registered(device, "aa"))
    await phones.build(card.built(2))
    await phones.push(card)

    await phones.register(card.registered(device, "aa"))
    assert await phones.wakes(card) == {}
    await phones.register(quiet.registered(device, "bb"))

    assert await phones.wakes(card) == {device: [card.handle]}
    assert await phones.wakes(quiet) == {}


async def test_push_token_is_the_same_by_whatever_master_key_it_is_sealed(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device, "aa"))
    await phones.build(card.built(2))
    await phones.push(card)
    newer = b"n" * 32

    phones.notifier.keys = MasterKeys([newer, bytes(32)])
    await phones.register(card.registered(device, "aa"))

    assert await phones.wakes(card) == {}


async def test_push_tokens_that_are_stored_unsealed_are_sealed_some_at_a_time(phones: Phones):
    card, named = Card(), {a_device(): f"token{number}" for number in range(5)}
    await phones.register(*(card.registered(device, token) for device, token in named.items()))
    await phones.notifier.sql(
        """
        UPDATE devices
        SET push_token = n.token
        FROM unnest($1::text[], $2::text[]) AS n (device, token)
        WHERE devices.device = n.device
        """,
        list(named),
        list(named.values()),
    )
    await phones.notifier.sql("INSERT INTO token_sealings VALUES ('')")

    await seal_push_tokens(phones.notifier.database, phones.notifier.keys, turn=2)

    rows = await phones.notifier.sql("SELECT device, push_token FROM devices")
    assert not {row["push_token"] for row in rows} & set(named.values())
    keys = phones.notifier.keys
    assert {d: open_push_token(keys, d, token) for d, token in rows} == named
    assert await phones.notifier.sql("SELECT FROM token_sealings") == []


async def test_push_token_that_cannot_be_one_is_refused_alone(phones: Phones):
    card = Card()

    replies = await phones.register(
        card.registered(a_device(), "a\0"), card.registered(a_device()),
        card.registered(a_device(), "a" * 5000),
    )  # fmt: skip

    assert [type(r) for r in replies] == [InvalidError, DeviceRegistered, InvalidError]
    assert len(await phones.notifier.sql("SELECT FROM devices")) == 1


async def test_deleted_pass_is_neither_listed_nor_pushed_nor_registered(phones: Phones):
    card, device = Card(), a_device()
    other = card.another()
    await phones.register(card.registered(device), other.registered(device))
    await phones.build(card.built(2), other.built(2))

    await phones.delete(card)
    await phones.build(card.built(3))
    await phones.log(card.push(version=9))

    assert await phones.wakes(card) == {device: [other.handle]}
    assert (await phones.ask(device, card)).serial_numbers == [other.serial_number]
    [reply] = await phones.register(card.registered(a_device()))
    assert isinstance(reply, GoneError)
    assert len(await phones.notifier.sql("SELECT FROM devices")) == 1
    await phones.unregister(card.unregistered(device))
    assert (await phones.acts(card))[-1].kind == "remove"


async def test_pass_that_is_deleted_before_anything_is_known_stays_deleted(phones: Phones):
    card = Card()
    await phones.delete(card)
    await phones.delete(card)

    [reply] = await phones.register(card.registered(a_device()))

    assert isinstance(reply, GoneError)


async def test_fetch_that_nobody_was_told_of_is_a_manual_update(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))

    await phones.fetch(card.fetched(1, status=304))

    act = (await phones.acts(card))[0]
    assert (act.kind, act.number, act.devices) == ("device_update", 0, 1)


async def test_fetch_after_a_list_is_none_nor_is_its_repeat(phones: Phones):
    card, watch, phone = Card(), a_device(), a_device()
    await phones.register(card.registered(watch), card.registered(phone))
    await phones.build(card.built(2))
    await phones.ask(watch, card)
    await phones.ask(phone, card)

    await phones.fetch(card.fetched(2))
    await phones.fetch(card.fetched(2))
    await phones.fetch(card.fetched(2))

    assert [act.kind for act in await phones.acts(card)] == ["install", "install"]
    await phones.fetch(card.fetched(2, status=304))
    assert (await phones.acts(card))[0].kind == "device_update"


async def test_manual_update_that_changes_the_pass_does_not_loop(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))
    await phones.fetch(card.fetched(1, status=304))

    for number in range(2, 6):  # the rule changes the pass, which pushes, lists, fetches
        await phones.build(card.built(number))
        await phones.push(card)
        await phones.ask(device, card, str(number - 2))
        await phones.fetch(card.fetched(number))

    kinds = [act.kind for act in await phones.acts(card)]
    assert sorted(kinds) == ["device_update", "install"]


async def test_fetches_of_a_moment_are_judged_in_their_order(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))
    await phones.build(card.built(2))
    await phones.ask(device, card)
    first, repeated, newer = card.fetched(2), card.fetched(2), card.fetched(3)

    await phones.fetch(newer, repeated, first)

    [act] = [a for a in await phones.acts(card) if a.kind == "device_update"]
    assert act.occurred_at == newer.at


async def test_public_downloads_are_never_manual_updates(phones: Phones):
    card = Card()

    await phones.fetch(card.fetched(1, source="public"), card.fetched(1, source="public"))

    assert await phones.acts(card) == []


async def test_device_that_apple_does_not_know_is_removed_with_its_registrations(phones: Phones):
    card, other, device, stays = Card(), Card(), a_device(), a_device()
    await phones.register(card.registered(stays), card.registered(device), other.registered(device))
    await phones.build(card.built(2))

    assert await remove(phones, device, clock.now())

    assert [(a.kind, a.number, a.devices) for a in await phones.acts(card)] == [
        ("install", 1, 1), ("install", 2, 2), ("remove", 3, 1),
    ]  # fmt: skip
    assert (await phones.acts(other))[-1].devices == 0
    assert list(await phones.wakes(card)) == [stays]
    assert await remove(phones, device, None)


async def test_device_that_registered_again_is_not_removed(phones: Phones):
    card, device = Card(), a_device()
    before = clock.now()
    await phones.register(card.registered(device, "bb"))

    assert not await remove(phones, device, before)

    assert [act.kind for act in await phones.acts(card)] == ["install"]
    assert await remove(phones, device, None)


async def test_what_was_seen_is_told_newest_first_and_to_its_account_only(phones: Phones):
    card, device = Card(), a_device()
    await phones.register(card.registered(device))
    await phones.build(card.built(2))
    await phones.ask(device, card, "0")
    await phones.fetch(card.fetched(2))
    await phones.unregister(card.unregistered(device))

    seen = await phones.seen(card)

    short = device[:8]
    assert [(o.kind, o.device, o.data) for o in seen] == [
        ("unregistered", short, {}),
        ("fetched", None, {"status": 200, "content_number": 2, "version": 2, "source": "device"}),
        ("listed", short, {"tag": 1, "cursor": 0}),
        ("registered", short, {"created": True, "device_kind": "apple"}),
    ]
    assert await phones.seen(card, new_id()) == []


async def test_a_first_content_stands_on_the_timeline_since_its_first_fetch(phones: Phones):
    card = Card()
    first, again = card.fetched(1, source="public"), card.fetched(1)
    await phones.fetch(first, again)
    await phones.fetch(card.fetched(1, status=304))
    await phones.build(card.built(2))

    [newest, noted] = await phones.contents(card)

    assert (newest.content_number, noted.content_number) == (2, 1)
    assert (noted.pass_version, noted.at) == (first.pass_version, first.at)


async def test_device_log_lines_are_tied_to_pass_and_version(phones: Phones):
    card, device = Card(), a_device()
    await phones.fetch(card.fetched(3, source="public"))

    await note(phones, a_line(card, "Register task \0failed" + "x" * 2000, device=device))

    line = (await phones.seen(card))[0]
    assert (line.kind, line.device) == ("device_log", device[:8])
    assert (line.data["class"], line.data["version"]) == ("register_failed", 3)
    assert line.data["line"].startswith("Register task failedxxx")
    assert len(line.data["line"]) == 1000


async def test_device_log_lines_of_no_known_pass_are_dropped(phones: Phones):
    card = Card()
    await phones.fetch(card.fetched(1, source="public"))

    await note(
        phones,
        a_line(Card(), "unknown"),
        a_line(card, "no serial", serial_number=None),
        a_line(card, "other type", pass_type_identifier="pass.other"),
        a_line(card, "hostile", serial_number="\0"),
    )

    assert [o.kind for o in await phones.seen(card)] == ["fetched"]


async def test_device_log_line_that_names_no_type_is_tied_by_its_serial_number(phones: Phones):
    card = Card()
    await phones.fetch(card.fetched(1, source="public"))

    await note(phones, a_line(card, "pass_unchanged", pass_type_identifier=None))

    assert (await phones.seen(card))[0].kind == "device_log"


async def test_device_log_lines_are_capped_for_each_pass_and_day(phones: Phones):
    card, other = Card(), Card()
    await phones.fetch(card.fetched(1, source="public"), other.fetched(1, source="public"))
    for _ in range(5):
        await note(phones, *(a_line(card, f"line {n}") for n in range(51)))
    await note(phones, a_line(other, "line"))

    [kept] = await phones.notifier.sql(
        "SELECT count(*) FROM observations WHERE handle = $1 AND kind = 'device_log'", card.handle
    )

    assert kept["count"] == 200
    assert (await phones.seen(other))[0].kind == "device_log"


async def test_observations_of_a_pass_outlive_it_and_go_after_thirty_days(phones: Phones):
    card, device = Card(), a_device()
    kept = Card()
    await phones.register(card.registered(device), kept.registered(a_device()))
    await phones.delete(card)
    database = phones.notifier.database

    await forget_old(database)
    assert len(await phones.seen(card)) == 1
    for table, column in (("observations", "at"), ("passes", "deleted_at"),
                          ("deleted_passes", "deleted_at")):  # fmt: skip
        await phones.notifier.sql(f"UPDATE {table} SET {column} = {column} - $1::interval",
                                  timedelta(days=31))  # fmt: skip
    await forget_old(database)

    assert await phones.seen(card) == []
    for table in ("passes", "registrations", "devices"):
        assert len(await phones.notifier.sql(f"SELECT FROM {table}")) == 1


def a_line(card: Card, line: str, **fields: Any) -> DeviceLogLine:
    given = {
        "line": line, "kind": "register_failed", "at": clock.now(),
        "pass_type_identifier": card.pass_type_identifier, "serial_number": card.serial_number,
    }  # fmt: skip
    return DeviceLogLine.model_validate(given | fields)


async def note(phones: Phones, *lines: DeviceLogLine) -> None:
    await phones.notifier.tell(devices.note_device_logs, NoteDeviceLogs(lines=list(lines)))


async def remove(phones: Phones, device: str, before: datetime | None) -> bool:
    async with phones.notifier.database.work() as work:
        return await devices.remove_device(work, device, before)
