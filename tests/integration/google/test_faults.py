"""What goes wrong at Google goes wrong on order."""

import asyncio

import aiohttp
import pytest

from tests.google.server import FakeGoogle
from tests.integration.google.documents import CLASS, OBJECT, class_of, object_of
from tests.integration.google.issuer import IssuerServer


async def test_a_lost_answer_is_to_something_that_was_done(
    google: FakeGoogle, issuer: IssuerServer
):
    google.faults.lose()

    with pytest.raises(aiohttp.ClientConnectionError):
        await issuer.ask("POST", "loyaltyClass", class_of())

    assert CLASS in google.classes
    assert (await issuer.ask("POST", "loyaltyClass", class_of())).status == 409


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_failure_does_nothing(google: FakeGoogle, issuer: IssuerServer, status: int):
    google.faults.fail(status, times=2, retry_after=7)

    answers = [await issuer.ask("POST", "loyaltyClass", class_of()) for _ in range(3)]

    assert [answer.status for answer in answers] == [status, status, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].body["error"]["code"] == status


async def test_a_fault_can_be_for_some_requests_only(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    google.faults.fail(of="PATCH /walletobjects/v1/loyaltyObject/")

    read = await issuer.ask("GET", f"loyaltyObject/{OBJECT}")
    changed = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {})

    assert (read.status, changed.status) == (200, 503)


async def test_tokens_and_keys_fail_too(google: FakeGoogle, issuer: IssuerServer):
    google.faults.fail(of="/token")

    assert (await issuer.token(issuer.assertion())).status == 503
    assert (await issuer.token(issuer.assertion())).status == 200


async def test_an_answer_is_held_until_it_is_released(google: FakeGoogle, issuer: IssuerServer):
    google.faults.hold()
    waiting = asyncio.create_task(issuer.ask("POST", "loyaltyClass", class_of()))
    await google.until(lambda: CLASS in google.classes)
    assert not waiting.done()

    google.faults.release()

    assert (await waiting).status == 200
    assert (await issuer.ask("POST", "loyaltyObject", object_of())).status == 200


async def test_google_is_away_and_comes_back(google: FakeGoogle, issuer: IssuerServer):
    google.faults.away = True
    with pytest.raises(aiohttp.ClientConnectionError):
        await issuer.ask("POST", "loyaltyClass", class_of())
    assert CLASS not in google.classes

    google.faults.away = False

    assert (await issuer.ask("POST", "loyaltyClass", class_of())).status == 200


async def test_google_stops_and_starts_again_with_what_it_had(
    google: FakeGoogle, issuer: IssuerServer
):
    await issuer.ask("POST", "loyaltyClass", class_of())

    await google.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await issuer.ask("GET", f"loyaltyClass/{CLASS}")
    await google.start()

    assert (await issuer.ask("GET", f"loyaltyClass/{CLASS}")).status == 200


async def test_answers_take_time(google: FakeGoogle, issuer: IssuerServer):
    google.faults.seconds = 60

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await issuer.ask("GET", "issuer")
