"""Transactions held open beside each other: nothing is listed too late, missed or miscounted."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from services.notifier.apple.handlers import contents, devices
from services.notifier.feed.handlers import events
from services.notifier.handlers import store_events
from services.notifier.partners.handlers.deliveries import deliver
from shared.contracts.generator import ContentBuilt
from shared.contracts.triggers import DeletedPass, EventsLogged, PassesDeleted
from shared.database import UnitOfWork
from shared.errors import GoneError
from shared.sealing import MasterKeys
from tests.integration.notifier.partner import Notifier
from tests.integration.notifier.phones import Card, Phones, a_device

Act = Callable[[UnitOfWork], Awaitable[Any]]


@pytest.fixture
def phones(notifier: Notifier) -> Phones:
    return Phones(notifier)


@asynccontextmanager
async def held(phones: Phones, act: Act) -> AsyncGenerator[None]:
    """Act, and commit at the end of the block."""
    async with phones.notifier.database.work() as work:
        await act(work)
        yield


async def alone(phones: Phones, act: Act) -> Any:
    async with phones.notifier.database.work() as work:
        return await act(work)


async def beside(phones: Phones, first: Act, second: Act) -> Any:
    """Hold the first open until the second waits for it; both are done at the end."""
    async with held(phones, first):
        task = asyncio.create_task(alone(phones, second))
        await phones.until_blocked(task)
    return await task


def building(card: Card, number: int, **fields: Any) -> Act:
    built = ContentBuilt(contents=[card.built(number, **fields)])
    return partial(call, partial(contents.store_contents, start_pushing=ignore), built)


def registering(card: Card, device: str) -> Act:
    handler = partial(devices.register_devices, start_pushing=ignore, keys=MasterKeys([bytes(32)]))
    return partial(call, handler, card.registered(device))


def unregistering(card: Card, device: str) -> Act:
    return partial(call, devices.unregister_devices, card.unregistered(device))


def pushing(card: Card, version: int) -> Act:
    tell = partial(events.tell, deliver=partial(deliver, notify=lambda _: None))
    handler = partial(store_events, tell=tell, start_pushing=ignore)
    return partial(call, handler, EventsLogged(events=[card.push(version)]))


def deleting(card: Card) -> Act:
    gone = DeletedPass(handle=card.handle, account_id=card.account_id, version=9)
    return partial(call, contents.mark_deleted, PassesDeleted(passes=[gone]))


async def call(handler: Callable[[list[Any], UnitOfWork], Any], row: Any, work: UnitOfWork) -> Any:
    return await handler([row], work)


def ignore() -> None:
    """Nobody sleeps here."""


async def test_higher_tag_is_never_seen_before_a_lower_one(phones: Phones):
    card, device = Card(), a_device()
    other = card.another()
    await phones.register(card.registered(device), other.registered(device))

    async with held(phones, building(card, 2)):
        later = asyncio.create_task(alone(phones, building(other, 2)))
        await phones.until_blocked(later)
        seen = await phones.ask(device, card, "0")
        assert seen.serial_numbers == []
    await later

    listed = await phones.ask(device, card, "0")
    assert (listed.serial_numbers, listed.last_updated) == (
        [card.serial_number, other.serial_number], "2",
    )  # fmt: skip


async def test_tags_of_other_pass_types_do_not_wait(phones: Phones):
    card, device = Card(), a_device()
    other = Card()
    await phones.register(other.registered(device))

    async with held(phones, building(card, 2)):
        await alone(phones, building(other, 2))

    assert (await phones.ask(device, other, "0")).serial_numbers == [other.serial_number]


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("built_first", [True, False])
async def test_registration_and_change_at_the_same_moment_never_miss_each_other(
    phones: Phones, *, is_known: bool, built_first: bool
):
    card, device = Card(), a_device()
    if is_known:
        await phones.fetch(card.fetched(1, source="public"))
    build, register = building(card, 2), registering(card, device)

    await beside(phones, *((build, register) if built_first else (register, build)))

    assert await phones.wakes(card) == {device: [card.handle]}
    assert (await phones.ask(device, card, "0")).serial_numbers == [card.serial_number]


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("asked_first", [True, False])
async def test_silent_change_and_ask_at_the_same_moment_never_miss_each_other(
    phones: Phones, *, is_known: bool, asked_first: bool
):
    card, device = Card(), a_device()
    if is_known:
        await phones.register(card.registered(device))
    build, push = building(card, 2, push=0), pushing(card, 3)

    await beside(phones, *((push, build) if asked_first else (build, push)))
    await phones.register(card.registered(device))

    assert await phones.wakes(card) == {device: [card.handle]}


@pytest.mark.parametrize("deleted_first", [True, False])
async def test_registration_and_deletion_at_the_same_moment_end_deleted(
    phones: Phones, *, deleted_first: bool
):
    card, device = Card(), a_device()
    delete, register = deleting(card), registering(card, device)

    replies = await beside(phones, *((delete, register) if deleted_first else (register, delete)))

    if deleted_first:
        assert isinstance(replies[0], GoneError)
    await phones.build(card.built(2))
    assert await phones.wakes(card) == {}
    assert (await phones.ask(device, card)).serial_numbers == []


async def test_two_devices_at_the_same_moment_are_both_counted(phones: Phones):
    card, watch, phone = Card(), a_device(), a_device()

    await beside(phones, registering(card, watch), registering(card, phone))
    await beside(phones, unregistering(card, watch), unregistering(card, phone))

    told = [(a.kind, a.number, a.devices) for a in await phones.acts(card)]
    assert told == [("install", 1, 1), ("install", 2, 2), ("remove", 3, 1), ("remove", 4, 0)]


async def test_device_that_comes_while_it_leaves_stays(phones: Phones):
    card, other, device = Card(), Card(), a_device()
    await phones.register(card.registered(device))

    await beside(phones, unregistering(card, device), registering(other, device))

    await phones.build(other.built(2))
    assert await phones.wakes(other) == {device: [other.handle]}


async def test_device_that_leaves_while_it_comes_stays_for_what_is_new(phones: Phones):
    card, other, device = Card(), Card(), a_device()
    await phones.register(card.registered(device))

    await beside(phones, registering(other, device), unregistering(card, device))

    await phones.build(other.built(2))
    assert await phones.wakes(other) == {device: [other.handle]}


async def test_busy_devices_do_not_deadlock(phones: Phones):
    card = Card()
    cards = [card, *(card.another() for _ in range(3))]
    held_by = [a_device() for _ in range(4)]
    joined = [c.registered(d) for c in cards for d in held_by]

    async def one_round(number: int) -> None:
        await asyncio.gather(
            phones.register(*joined[number % 3 :]),
            phones.register(*reversed(joined)),
            phones.build(*(c.built(number + 2) for c in cards)),
            phones.fetch(*(c.fetched(number + 1) for c in reversed(cards))),
            *(phones.ask(d, card, None) for d in held_by),
            phones.unregister(*(c.unregistered(held_by[0]) for c in reversed(cards))),
            phones.log(*(c.push(number + 2) for c in reversed(cards))),
        )

    for number in range(15):
        await one_round(number)

    for c in cards:
        changes = [a for a in await phones.acts(c) if a.number]
        assert [a.number for a in changes] == list(range(1, len(changes) + 1))
        counts = await phones.notifier.sql(
            "SELECT count(*) FROM registrations WHERE handle = $1", c.handle
        )
        assert changes[-1].devices == counts[0]["count"]
