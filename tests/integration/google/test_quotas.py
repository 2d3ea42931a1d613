"""Twenty requests a second, three notices a day."""

from typing import Any

import pytest

from tests.google.server import ISSUER, FakeGoogle
from tests.integration.google.documents import CLASS, OBJECT, class_of, object_of
from tests.integration.google.issuer import Answer, IssuerServer, an_issuer_server

NEWS = {"message": {"header": "News", "body": "We are open", "messageType": "TEXT_AND_NOTIFY"}}


@pytest.fixture(autouse=True)
def standing_clock(google: FakeGoogle) -> None:
    google.clock.stop()


async def notify(issuer: IssuerServer, path: str = f"loyaltyObject/{OBJECT}") -> Answer:
    return await issuer.ask("POST", f"{path}/addMessage", NEWS)


async def set_points(issuer: IssuerServer, points: int, **more: Any) -> Answer:
    change = {"loyaltyPoints": {"balance": {"int": points}}, **more}
    return await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", change)


async def test_the_request_after_twenty_in_a_second_is_too_many(issuer: IssuerServer):
    answers = [await issuer.ask("GET", "issuer") for _ in range(21)]

    assert [answer.status for answer in answers] == [200] * 20 + [429]
    assert answers[-1].reason == "rateLimitExceeded"
    assert answers[-1].body["error"]["status"] == "RESOURCE_EXHAUSTED"


async def test_each_twentieth_of_a_second_allows_one_more(google: FakeGoogle, issuer: IssuerServer):
    for _ in range(20):
        await issuer.ask("GET", "issuer")

    for _ in range(30):
        google.clock.advance(milliseconds=50)
        assert (await issuer.ask("GET", "issuer")).status == 200
    assert (await issuer.ask("GET", "issuer")).status == 429


async def test_accounts_of_one_project_share_its_quota(google: FakeGoogle, issuer: IssuerServer):
    colleague, stranger = google.invite("colleague"), google.invite("else", project="another")
    for _ in range(20):
        await issuer.ask("GET", "issuer")

    async with an_issuer_server(google, colleague) as other:
        assert (await other.ask("GET", "issuer")).status == 429
    async with an_issuer_server(google, stranger) as other:
        assert (await other.ask("GET", "issuer")).status == 200


async def test_the_limit_can_be_switched_off(google: FakeGoogle, issuer: IssuerServer):
    google.requests_a_second = None

    answers = [await issuer.ask("GET", "issuer") for _ in range(30)]

    assert {answer.status for answer in answers} == {200}


async def test_the_fourth_notice_of_a_day_is_refused(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()

    answers = [await notify(issuer) for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 200, 403]
    assert answers[-1].reason == "quotaExceeded"
    assert answers[-1].message.startswith(
        f"Quota exceeded for issuer {ISSUER} when adding TEXT_AND_NOTIFY message"
    )
    assert len(google.objects[OBJECT].document["messages"]) == 3


async def test_the_day_of_notices_rolls(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    await notify(issuer)
    google.clock.advance(hours=12)
    await issuer.log_in()
    await notify(issuer)
    await notify(issuer)
    google.clock.advance(hours=11, minutes=59)
    await issuer.log_in()
    too_early = await notify(issuer)
    google.clock.advance(minutes=1)
    in_time, again = await notify(issuer), await notify(issuer)

    assert (too_early.status, in_time.status, again.status) == (403, 200, 403)


async def test_a_silent_message_needs_no_quota(issuer: IssuerServer):
    await issuer.insert_both()
    for _ in range(3):
        await notify(issuer)

    quiet = {"message": NEWS["message"] | {"messageType": "TEXT"}}
    answer = await issuer.ask("POST", f"loyaltyObject/{OBJECT}/addMessage", quiet)

    assert answer.status == 200


async def test_a_change_that_notifies_counts_with_messages(issuer: IssuerServer):
    await issuer.insert_both()
    await notify(issuer)
    for points in (1, 2):
        await set_points(issuer, points, notifyPreference="NOTIFY_ON_UPDATE")

    loud = await set_points(issuer, 3, notifyPreference="NOTIFY_ON_UPDATE")
    silent = await set_points(issuer, 3)

    assert (loud.status, loud.reason) == (403, "quotaExceeded")
    assert "TEXT_AND_NOTIFY" in loud.message
    assert (silent.status, silent.body["loyaltyPoints"]["balance"]) == (200, {"int": 3})


async def test_the_wish_to_notify_holds_for_one_request(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()

    answer = await set_points(issuer, 1, notifyPreference="NOTIFY_ON_UPDATE")

    assert "notifyPreference" not in answer.body
    assert "notifyPreference" not in google.objects[OBJECT].document


async def test_a_change_of_which_google_does_not_notify_costs_nothing(issuer: IssuerServer):
    await issuer.insert_both()
    for name in ("A", "B", "C", "D"):
        change = {"accountName": name, "notifyPreference": "NOTIFY_ON_UPDATE"}
        await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", change)

    assert [(await notify(issuer)).status for _ in range(4)] == [200, 200, 200, 403]


async def test_a_notice_on_the_class_counts_with_each_of_its_objects(issuer: IssuerServer):
    await issuer.insert_both()
    await notify(issuer, f"loyaltyClass/{CLASS}")

    assert [(await notify(issuer)).status for _ in range(3)] == [200, 200, 403]


async def test_a_class_has_three_notices_a_day_too(issuer: IssuerServer):
    await issuer.insert_both()

    answers = [await notify(issuer, f"loyaltyClass/{CLASS}") for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 200, 403]


async def test_another_card_has_notices_of_its_own(issuer: IssuerServer):
    await issuer.ask("POST", "loyaltyClass", class_of())
    ids = [f"{ISSUER}.one", f"{ISSUER}.two"]
    for id_ in ids:
        await issuer.ask("POST", "loyaltyObject", object_of(id=id_))
    for _ in range(3):
        await notify(issuer, f"loyaltyObject/{ids[0]}")

    assert (await notify(issuer, f"loyaltyObject/{ids[1]}")).status == 200


async def test_notices_can_be_unlimited(google: FakeGoogle, issuer: IssuerServer):
    google.switches.limits_notices = False
    await issuer.insert_both()

    assert {(await notify(issuer)).status for _ in range(5)} == {200}
