"""The rules of sending to Google: whose turn it is, at which pace, when again, and what is told."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.google.domain.lanes import BACKFILL, CAMPAIGN, INTERACTIVE, Candidate, choose
from services.notifier.google.domain.limits import AHEAD_SECONDS, Limit
from services.notifier.google.domain.links import claims_of
from services.notifier.google.domain.notices import (
    Ledger,
    changed_fields,
    is_told_by_google,
    message_of,
    watched_digests,
)
from services.notifier.google.domain.sending import Meaning, Outcome, pause_after, read
from shared import clock
from shared.google.api import GoogleAnswer

NOW = clock.now()


def waiting(lane: int, *minutes: int) -> list[Candidate]:
    return [Candidate(f"{lane}-{m}", lane, NOW - timedelta(minutes=m)) for m in minutes]


def names(chosen: list[Candidate]) -> list[str]:
    return [one.document_id for one in chosen]


# Lanes


def test_lanes_go_strictly_in_order_and_within_one_who_has_waited_longest():
    candidates = waiting(BACKFILL, 9) + waiting(CAMPAIGN, 5) + waiting(INTERACTIVE, 1, 2)

    assert names(choose(candidates, range(1, 5))) == ["0-2", "0-1", "1-5", "2-9"]


def test_the_twentieth_slot_goes_to_who_has_waited_longest_in_the_lanes_behind():
    candidates = waiting(BACKFILL, 9, 8) + waiting(CAMPAIGN, 5) + waiting(INTERACTIVE, 1, 2)

    assert names(choose(candidates, range(19, 22))) == ["0-2", "2-9", "0-1"]


def test_the_twentieth_slot_is_like_others_where_nobody_waits_behind():
    assert names(choose(waiting(BACKFILL, 3, 4), [20, 21])) == ["2-4", "2-3"]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), unique=True, max_size=30))
def test_each_slot_goes_to_one_job_and_each_job_to_one_slot(jobs: list[tuple[int, int]]):
    candidates = [one for lane, minute in jobs for one in waiting(lane, minute)]

    chosen = choose(candidates, range(1, 41))

    assert sorted(names(chosen)) == sorted(names(candidates))


# The pace


def a_limit(wait: float = 0, frozen: float = 0, slowness: float = 1) -> Limit:
    return Limit("project", 0, wait, frozen, slowness)


@pytest.mark.parametrize(
    ("limit", "count"),
    [
        (a_limit(), 2),
        (a_limit(wait=0.02), 1),
        (a_limit(wait=0.2), 0),
        (a_limit(slowness=2), 1),
        (a_limit(frozen=5), 0),
    ],
)
def test_slots_are_taken_a_moment_ahead_at_most(limit: Limit, count: int):
    assert limit.count(rate=20) == count


def test_many_slots_fit_into_a_moment_where_many_are_allowed():
    assert a_limit().count(rate=10_000) == round(AHEAD_SECONDS * 10_000)


def test_spacing_is_a_second_at_most():
    assert (a_limit().spacing(20), a_limit(slowness=500).spacing(20)) == (0.05, 1.0)


def test_slots_may_be_taken_again_when_the_next_is_near_or_google_listens():
    assert a_limit(wait=0.5).pause() == 0.5 - AHEAD_SECONDS
    assert a_limit(frozen=30).pause() == 30


# Answers


@pytest.mark.parametrize(
    ("status", "reason", "message", "meaning"),
    [
        (200, "", "", "done"),
        (400, "invalid", "Invalid value at 'state'", "invalid"),
        (400, "", "Issuer not allowlisted for Merchant Locations.", "no_locations"),
        (401, "authError", "", "key_refused"),
        (403, "permissionDenied", "Permission denied.", "denied"),
        (403, "quotaExceeded", "Quota exceeded … when adding TEXT_AND_NOTIFY", "notices_spent"),
        (403, "quotaExceeded", "Quota exceeded.", "slow_down"),
        (403, "rateLimitExceeded", "", "slow_down"),
        (404, "resourceNotFound", "", "missing"),
        (409, "existingResource", "", "exists"),
        (429, "", "", "slow_down"),
        (500, "", "", "later"),
        (503, "backendError", "", "later"),
        (418, "", "", "invalid"),
    ],
)
def test_answers_mean_what_the_table_says(status: int, reason: str, message: str, meaning: Meaning):
    error = {"errors": [{"reason": reason}], "message": message}

    assert read(GoogleAnswer(status, {"error": error})) == meaning


@given(st.integers(0, 100), st.floats(0, 1))
def test_pauses_are_from_a_second_to_an_hour(tries: int, chance: float):
    pause = pause_after(Outcome("later"), tries, chance)

    assert pause is not None
    assert timedelta(seconds=0.75) <= pause <= timedelta(hours=1)


def test_what_waits_for_issuer_or_pace_waits_for_these_alone():
    assert pause_after(Outcome("issuer_refused"), 9, 0.5) == timedelta()
    assert pause_after(Outcome("slow_down"), 9, 0.5) == timedelta()
    assert pause_after(Outcome("done"), 9, 0.5) is None
    assert pause_after(Outcome("refused"), 9, 0.5) is None


# Notices


def test_three_notices_in_24_hours_and_the_day_rolls():
    moments = [NOW - timedelta(hours=hours) for hours in (25, 23, 2, 1)]

    assert not Ledger(moments).has_room(NOW)
    assert Ledger(moments).has_room(NOW + timedelta(hours=1))
    assert Ledger(moments[2:]).has_room(NOW)


def test_fields_are_told_that_show_something_else_and_have_something_to_say():
    before = {"a": ("1", "A is %@"), "b": ("1", "B is %@"), "c": ("1", ""), "gone": ("1", "%@")}
    after = {"a": ("2", "A is %@"), "b": ("1", "B is %@"), "c": ("2", ""), "new": ("1", "%@")}

    assert changed_fields(after, watched_digests(before)) == ["a"]


@pytest.mark.parametrize(
    ("type_", "patch", "fields", "is_googles"),
    [
        ("loyalty", {"loyaltyPoints": {}}, ["points"], True),
        ("loyalty", {"loyaltyPoints": {}, "textModulesData": []}, ["points", "offer"], False),
        ("loyalty", {"textModulesData": []}, ["offer"], False),
        ("generic", {"loyaltyPoints": {}}, ["points"], False),
        ("flight", {"boardingAndSeatingInfo": {}}, ["seat"], True),
    ],
)
def test_google_words_the_notice_of_its_own_keys_alone(
    type_: str, patch: dict[str, Any], fields: list[str], *, is_googles: bool
):
    wanted = {"textModulesData": [{"id": "offer"}]}

    assert is_told_by_google(type_, wanted, patch, fields) is is_googles


def test_a_message_says_each_change_in_a_line_and_has_the_version_as_its_id():
    watched = {"a": ("12", "You have %@"), "b": ("x", ""), "c": ("y", "Changed")}

    assert message_of(7, watched, ["a", "b", "c", "gone"], "Beans") == {
        "id": "7",
        "header": "Beans",
        "body": "You have 12\nChanged",
    }
    assert "body" not in message_of(7, watched, ["gone"], "Beans")


# Links


def test_a_link_vouches_for_ids_in_numbers_of_seconds():
    claims = claims_of("a@b.example", {"offerObjects": []}, "https://here.example", NOW, 60)

    assert claims["exp"] - claims["iat"] == 60
    assert isinstance(claims["iat"], int)
    assert "exp" not in claims_of("a@b.example", {}, "https://here.example", NOW, None)
