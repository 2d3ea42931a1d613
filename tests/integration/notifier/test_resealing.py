"""What the notifier keeps sealed is sealed anew, some rows at a time, beside what goes on."""

import asyncio

import pytest

from services.notifier.apple.domain.devices import open_push_token, seal_push_token
from services.notifier.apple.repository.sealed import PUSH_TOKENS
from services.notifier.apple.repository.sealed import SEALED as SEALED_OF_DEVICES
from services.notifier.partners.repository.sealed import SEALED as SEALED_OF_ENDPOINTS
from shared.contracts.notifier import SECRET_PURPOSE, RotateSecret
from shared.identifiers import new_id
from shared.resealing import SealedColumn, Walked, walk
from shared.sealing import MasterKeys, UnknownKeyError
from tests.integration.notifier.partner import Notifier, an_endpoint
from tests.integration.notifier.phones import Card, Phones, a_device

OLD, NEW = bytes(32), b"n" * 32
BOTH, ALONE = MasterKeys([NEW, OLD]), MasterKeys([NEW])
SEALED = (*SEALED_OF_DEVICES, *SEALED_OF_ENDPOINTS)


async def reseal(notifier: Notifier, column: SealedColumn, keys: MasterKeys = BOTH) -> Walked:
    return [walked async for walked in walk(notifier.database, keys, column, turn=4)][-1]


async def test_secrets_of_endpoints_are_the_same_by_the_new_key_alone(notifier: Notifier):
    made = await notifier.create(an_endpoint(new_id(), "https://p.example/hook"))
    account_id = made.endpoint.account_id
    rotated = await notifier.rotate(
        RotateSecret(
            command_id=new_id(), account_id=account_id, endpoint_id=made.endpoint.endpoint_id,
            grace=600,
        )
    )  # fmt: skip

    for column in SEALED:
        await reseal(notifier, column)

    [row] = await notifier.sql("SELECT secret, former_secrets FROM endpoints")
    [former] = row["former_secrets"]
    opened = [
        ALONE.open(sealed, purpose=SECRET_PURPOSE, owner=str(account_id)).decode()
        for sealed in (row["secret"], former["secret"])
    ]
    assert opened == [rotated.secret, made.secret]
    assert "until" in former


async def test_every_row_is_resealed_once_in_as_many_turns_as_it_takes(notifier: Notifier):
    card, named = Card(), {a_device(): f"token{number}" for number in range(10)}
    await Phones(notifier).register(*(card.registered(d, token) for d, token in named.items()))

    first, again = await reseal(notifier, PUSH_TOKENS), await reseal(notifier, PUSH_TOKENS)

    rows = await notifier.sql("SELECT device, push_token FROM devices")
    assert {d: open_push_token(ALONE, d, token) for d, token in rows} == named
    assert (first, again) == (Walked(10, 10), Walked(10, 0))


async def test_what_cannot_be_opened_is_counted_and_left_as_it_is(notifier: Notifier):
    card, device = Card(), a_device()
    await Phones(notifier).register(card.registered(device, "aa"))
    [before] = await notifier.sql("SELECT push_token FROM devices")

    walked = await reseal(notifier, PUSH_TOKENS, ALONE)

    assert walked == Walked(1, 0, 1)
    assert await notifier.sql("SELECT push_token FROM devices") == [before]
    with pytest.raises(UnknownKeyError):
        open_push_token(ALONE, device, before["push_token"])


async def test_what_changes_while_it_is_resealed_keeps_its_change(notifier: Notifier):
    card, device = Card(), a_device()
    phones = Phones(notifier)
    await phones.register(card.registered(device, "aa"))

    async with notifier.database.work() as other:
        await other.connection.execute(
            "UPDATE devices SET push_token = $1", seal_push_token(notifier.keys, device, "bb")
        )
        walking = asyncio.create_task(reseal(notifier, PUSH_TOKENS))
        await phones.until_blocked(walking)
    await walking

    [row] = await notifier.sql("SELECT push_token FROM devices")
    assert open_push_token(BOTH, device, row["push_token"]) == "bb"
