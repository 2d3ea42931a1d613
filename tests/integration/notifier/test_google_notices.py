"""Holders hear of changes: by Google's words or ours, once, and three times in 24 hours at most."""

import asyncio
from typing import Any

from shared.contracts.generator import GooglePass
from tests.google.server import FakeGoogle
from tests.integration.notifier.googling import Googling, object_id

ADD_MESSAGE = "addMessage"


def points(googling: Googling, balance: int, version: int, **more: Any) -> GooglePass:
    """A pass whose points are on Google's list of what it tells of."""
    fields: dict[str, Any] = {
        "version": version,
        "push_version": version,
        "watched": {"points": (str(balance), "You have %@ beans")},
        "loyaltyPoints": {"label": "beans", "balance": {"int": balance}},
    }
    return googling.a_pass(**fields | more)


def offer(googling: Googling, text: str, version: int, **more: Any) -> GooglePass:
    """A pass with a text of which only a message tells."""
    fields: dict[str, Any] = {
        "version": version,
        "push_version": version,
        "watched": {"offer": (text, "New: %@")},
        "textModulesData": [{"id": "offer", "header": "Offer", "body": text}],
    }
    return googling.a_pass(**fields | more)


async def held(googling: Googling, wanted: GooglePass) -> None:
    """Somebody has the pass, as it is wanted."""
    await googling.keep(wanted)
    await googling.run()
    await googling.save(wanted.handle)


async def built(googling: Googling, *changed: GooglePass) -> None:
    for one in changed:
        await googling.build(one)
        await googling.run()


async def why_silent(googling: Googling) -> list[str]:
    return [one.data["reason"] for one in await googling.seen() if one.kind == "google_silent"]


async def test_a_change_on_googles_list_is_told_by_its_patch(googling: Googling):
    await held(googling, points(googling, 1, 1))

    await built(googling, points(googling, 2, 2))

    [patch] = [one for one in googling.calls() if one.method == "PATCH"]
    assert patch.body["notifyPreference"] == "NOTIFY_ON_UPDATE"
    assert googling.notices() == ["loyaltyPoints"]
    assert "messages" not in googling.at_google()
    assert (await googling.state()).notified_at is not None


async def test_another_change_is_told_by_one_message_after_its_patch(googling: Googling):
    await held(googling, offer(googling, "tea", 1))

    await built(googling, offer(googling, "cake", 2))

    assert googling.asked()[2:] == ["PATCH loyaltyObject 200", "POST loyaltyObject addMessage 200"]
    [message] = googling.at_google()["messages"]
    assert message == {
        "id": "2",
        "header": "Example",
        "body": "New: cake",
        "messageType": "TEXT_AND_NOTIFY",
    }
    assert googling.notices() == ["Example"]


async def test_all_changed_fields_share_one_message(googling: Googling):
    watched = {"a": ("1", "A is %@"), "b": ("1", "B is %@"), "c": ("1", "C is %@")}
    await held(googling, googling.a_pass(watched=watched, textModulesData=[a_module("a", "1")]))
    watched |= {"a": ("2", "A is %@"), "b": ("2", "B is %@")}

    await built(
        googling,
        googling.a_pass(
            version=2, push_version=2, watched=watched, textModulesData=[a_module("a", "2")]
        ),
    )

    assert [one["body"] for one in googling.at_google()["messages"]] == ["A is 2\nB is 2"]


async def test_a_change_that_nobody_is_to_hear_of_is_silent(googling: Googling):
    await held(googling, offer(googling, "tea", 1))

    await built(googling, offer(googling, "cake", 2, push_version=0))

    assert googling.notices() == []
    assert await why_silent(googling) == []


async def test_a_change_of_a_field_without_a_message_is_silent(googling: Googling):
    await held(googling, points(googling, 1, 1))

    await built(googling, points(googling, 1, 2, accountName="Grace"))

    assert googling.notices() == []


async def test_nobody_is_told_where_nobody_has_the_pass(googling: Googling):
    await googling.keep(offer(googling, "tea", 1))
    await googling.run()

    await built(googling, offer(googling, "cake", 2))

    assert googling.asked()[2:] == ["PATCH loyaltyObject 200"]
    assert await why_silent(googling) == ["nobody has it"]


async def test_three_notices_in_a_day_and_then_silence_with_its_reason(
    googling: Googling, google: FakeGoogle
):
    await held(googling, points(googling, 0, 1))

    await built(googling, *(points(googling, version, version) for version in range(2, 8)))

    assert googling.notices() == ["loyaltyPoints"] * 3
    assert [one.status for one in googling.calls() if one.status != 200] == []
    assert await why_silent(googling) == ["three notices in 24 hours"] * 3
    assert googling.at_google()["loyaltyPoints"]["balance"]["int"] == 7


async def test_messages_and_changes_share_the_day(googling: Googling):
    await held(googling, offer(googling, "0", 1))

    await built(googling, *(offer(googling, str(version), version) for version in range(2, 7)))

    types = [one["messageType"] for one in googling.at_google()["messages"]]
    assert types == ["TEXT_AND_NOTIFY"] * 3 + ["TEXT"] * 2
    assert len(googling.notices()) == 3


async def test_a_day_later_holders_are_told_again(googling: Googling, google: FakeGoogle):
    await held(googling, points(googling, 0, 1))
    await built(googling, *(points(googling, version, version) for version in range(2, 6)))

    google.clock.advance(hours=24)
    await googling.notifier.sql(
        "UPDATE google_notices SET moments = ARRAY("
        "SELECT moment - interval '1 day' FROM unnest(moments) AS moment)"
    )
    await built(googling, points(googling, 6, 6))

    assert len(googling.notices()) == 4


async def test_403_that_google_allows_no_more_notices_fills_the_ledger_and_is_repeated_silently(
    googling: Googling, google: FakeGoogle
):
    await held(googling, points(googling, 0, 1))
    for _ in range(3):
        google.resources.notices.spend(object_id("handle"), google.clock.now())

    await built(googling, points(googling, 2, 2), points(googling, 3, 3))

    assert googling.asked("PATCH") == [
        "PATCH loyaltyObject 403",
        "PATCH loyaltyObject 200",
        "PATCH loyaltyObject 200",
    ]
    assert await why_silent(googling) == [
        "Google allows no more notices today",
        "three notices in 24 hours",
    ]
    assert googling.at_google()["loyaltyPoints"]["balance"]["int"] == 3


async def test_a_message_that_may_not_notify_is_added_silently(
    googling: Googling, google: FakeGoogle
):
    await held(googling, offer(googling, "tea", 1))
    for _ in range(3):
        google.resources.notices.spend(object_id("handle"), google.clock.now())

    await built(googling, offer(googling, "cake", 2))

    assert googling.asked("POST")[2:] == [
        "POST loyaltyObject addMessage 403",
        "POST loyaltyObject addMessage 200",
    ]
    assert [one["messageType"] for one in googling.at_google()["messages"]] == ["TEXT"]
    assert googling.notices() == []


async def test_a_place_in_the_ledger_is_given_back_when_nothing_came_of_it(googling: Googling):
    await held(googling, points(googling, 0, 1))

    await built(
        googling,
        *(points(googling, v, v, barcode={"type": "NO_SUCH_CODE"}) for v in range(2, 6)),
        *(points(googling, v, v) for v in range(6, 9)),
    )

    assert len(googling.notices()) == 3


async def test_a_lost_answer_to_a_message_adds_it_once(googling: Googling, google: FakeGoogle):
    await held(googling, offer(googling, "tea", 1))
    google.faults.lose(of=ADD_MESSAGE)
    await built(googling, offer(googling, "cake", 2))

    await googling.until_sent()

    assert googling.asked()[3:] == ["POST loyaltyObject addMessage 200", "GET loyaltyObject 200"]
    assert len(googling.at_google()["messages"]) == 1
    assert len(googling.notices()) == 1


async def test_a_message_that_did_not_come_is_looked_for_and_sent(
    googling: Googling, google: FakeGoogle
):
    await held(googling, offer(googling, "tea", 1))
    google.faults.fail(of=ADD_MESSAGE)
    await built(googling, offer(googling, "cake", 2))

    await googling.until_sent()

    assert googling.asked()[3:] == [
        "POST loyaltyObject addMessage 503",
        "GET loyaltyObject 200",
        "POST loyaltyObject addMessage 200",
    ]
    assert len(googling.notices()) == 1


async def test_lost_answers_take_one_place_in_the_ledger(googling: Googling, google: FakeGoogle):
    await held(googling, points(googling, 0, 1))
    google.faults.lose(times=4, of="PATCH")

    await built(googling, points(googling, 2, 2))
    await googling.until_sent()
    await built(googling, points(googling, 3, 3), points(googling, 4, 4))

    assert len(googling.notices()) == 3


async def test_a_change_amid_an_uncertain_message_is_told_too(
    googling: Googling, google: FakeGoogle
):
    await held(googling, offer(googling, "tea", 1))
    google.faults.lose(of=ADD_MESSAGE)
    await built(googling, offer(googling, "cake", 2))

    await googling.build(offer(googling, "pie", 3))
    await googling.until_sent()

    assert [(one["id"], one["body"]) for one in googling.at_google()["messages"]] == [
        ("2", "New: cake"),
        ("3", "New: pie"),
    ]


async def test_before_an_eleventh_message_the_newest_nine_stay(
    googling: Googling, google: FakeGoogle
):
    google.switches.limits_notices = False
    await held(googling, offer(googling, "0", 1))

    await built(googling, *(offer(googling, str(version), version) for version in range(2, 14)))

    ids = [int(one["id"]) for one in googling.at_google()["messages"]]
    assert ids == list(range(4, 14))


async def test_messages_outlive_changes(googling: Googling, google: FakeGoogle):
    google.switches.null_removes = False
    await held(googling, offer(googling, "tea", 1))
    await built(googling, offer(googling, "cake", 2))

    await built(googling, offer(googling, "cake", 3, accountId=None))

    assert len(googling.at_google()["messages"]) == 1
    assert "accountId" not in googling.at_google()


async def test_two_processes_tell_a_holder_once(googling: Googling, google: FakeGoogle):
    await held(googling, offer(googling, "tea", 1))
    await googling.build(offer(googling, "cake", 2))

    await asyncio.gather(*(googling.a_worker().run() for _ in range(4)))

    assert len(googling.at_google()["messages"]) == 1


def a_module(id_: str, body: str) -> dict[str, str]:
    return {"id": id_, "header": id_, "body": body}
