"""The rules of webhooks, without a database or a clock."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.feed.domain.happenings import of_pass
from services.notifier.partners.domain.webhooks import (
    ASKED_TO_STOP,
    GONE,
    Outcome,
    Recipient,
    RoundRobin,
    checked_fields,
    decide,
)
from shared.contracts.partners import EVENTS, RETRY_SECONDS, matching
from shared.contracts.triggers import LoggedEvent
from shared.errors import InvalidError
from shared.identifiers import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILED = Outcome(10, status=500)


def test_ten_attempts_are_made_in_75_hours_and_35_minutes():
    moment, moments = NOW, [NOW]
    for tries in range(9):
        decision = decide(FAILED, tries, moment, 0.5)
        assert decision.state == "pending"
        assert decision.next_attempt_at is not None
        moment = decision.next_attempt_at
        moments.append(moment)

    assert len(moments) == 10
    assert moment - NOW == timedelta(seconds=272_105)
    assert decide(FAILED, 9, moment, 0.5).state == "exhausted"


@given(st.integers(0, 8), st.floats(0, 1))
def test_pauses_differ_by_at_most_a_fifth(tries: int, chance: float):
    pause = pause_after(FAILED, tries, chance)

    assert 0.8 * RETRY_SECONDS[tries] - 1e-5 <= pause <= 1.2 * RETRY_SECONDS[tries] + 1e-5


@given(st.integers(0, 8), st.floats(0, 1e9), st.floats(0, 1))
def test_receiver_can_ask_for_at_most_twice_the_planned_pause(
    tries: int, asked: float, chance: float
):
    pause = pause_after(Outcome(10, status=503, retry_after=asked), tries, chance)

    assert RETRY_SECONDS[tries] <= pause <= 2 * RETRY_SECONDS[tries]


@pytest.mark.parametrize(
    "outcome", [Outcome(10, status=429), Outcome(10, status=429, retry_after=1),
                Outcome(15_000, timed_out=True)],
)  # fmt: skip
def test_busy_receiver_is_left_alone_for_a_minute(outcome: Outcome):
    assert pause_after(outcome, 0, 0) == 60


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_delivery(status: int):
    assert decide(Outcome(1, status=status), 3, NOW, 0).state == "delivered"


@pytest.mark.parametrize("status", [None, 100, 301, 302, 400, 404, 500])
def test_everything_else_is_tried_again(status: int | None):
    assert decide(Outcome(1, status=status), 3, NOW, 0).state == "pending"


def test_gone_and_asked_to_stop_disable_the_endpoint():
    assert decide(Outcome(1, status=410), 0, NOW, 0).disable == GONE
    assert decide(Outcome(1, status=410), 9, NOW, 0).disable == GONE
    assert decide(Outcome(1, status=200, asked_to_stop=True), 0, NOW, 0).disable == ASKED_TO_STOP
    assert decide(Outcome(1, status=500, asked_to_stop=True), 0, NOW, 0).disable == ASKED_TO_STOP
    assert decide(FAILED, 0, NOW, 0).disable is None


def test_our_own_trouble_is_not_the_endpoints_fault():
    assert decide(Outcome(1, our_fault=True), 9, NOW, 0).state == "pending"


def test_recipient_wants_its_kinds_of_its_template():
    happening = of_pass(an_event())

    assert recipient().wants(happening)
    assert recipient(kinds={"pass.scanned"}).wants(happening)
    assert recipient(template_id=happening.template_id).wants(happening)
    assert not recipient(kinds={"pass.created"}).wants(happening)
    assert not recipient(template_id=new_id()).wants(happening)


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [({"pass.*"}, True), ({"*"}, True), ({"member.*", "pass.scanned"}, True),
     ({"member.*"}, False), ({"points.*", "pass.created"}, False)],
)  # fmt: skip
def test_recipient_wants_whole_families(kinds: set[str], wanted: bool):  # noqa: FBT001
    assert recipient(kinds=kinds).wants(of_pass(an_event())) is wanted


@given(st.sets(st.sampled_from(sorted(EVENTS))), st.sampled_from(sorted(EVENTS)))
def test_a_family_is_the_list_of_its_members(families: set[str], kind: str):
    prefixes = {name.partition(".")[0] for name in families}
    listed = {name for name in EVENTS if name.partition(".")[0] in prefixes}

    by_family = not {f"{prefix}.*" for prefix in prefixes}.isdisjoint(matching(kind))

    assert by_family == (kind in listed)


def test_unknown_types_are_named():
    with pytest.raises(InvalidError, match=r"pass\.teapot, tea\.\*"):
        checked_fields({"kinds": ["pass.*", "tea.*", "pass.teapot"]}, lambda _: None)


@pytest.mark.parametrize(
    "fields",
    [{"url": 1}, {"url": None}, {"description": "x" * 201}, {"kinds": ["pass.unknown"]},
     {"kinds": None}, {"kinds": "pass.*"}, {"kinds": [["pass.scanned"]]}, {"template_id": "x"},
     {"enabled": 1}, {"secret": "x"}, {"account_id": "x"}],
)  # fmt: skip
def test_wrong_fields_are_refused_by_name(fields: dict[str, object]):
    with pytest.raises(InvalidError) as caught:
        checked_fields(fields, lambda _: None)

    assert caught.value.errors[0]["pointer"] == f"/{next(iter(fields))}"


def try_endpoints_take_turns():
    round_robin, ids = RoundRobin(), [new_id() for _ in range(5)]
    round_robin.add(ids)
    round_robin.add(ids)

    first = round_robin.take(2, lambda _: 10)
    second = round_robin.take(2, lambda _: 10)
    third = round_robin.take(2, lambda _: 10)

    assert [*first, *second, *third] == [*ids, ids[0]]
    assert set(first.values()) == {1}


def test_backlog_of_one_endpoint_never_takes_more_than_its_places():
    round_robin, ids = RoundRobin(), [new_id(), new_id()]
    round_robin.add(ids)

    assert round_robin.take(100, lambda e: 0 if e == ids[0] else 10) == {ids[1]: 10}


def test_endpoint_without_anything_due_leaves_the_rota():
    round_robin, ids = RoundRobin(), [new_id(), new_id()]
    round_robin.add(ids)

    round_robin.remove([*ids, new_id()])

    assert not round_robin


def pause_after(outcome: Outcome, tries: int, chance: float) -> float:
    decision = decide(outcome, tries, NOW, chance)
    assert decision.next_attempt_at is not None
    return (decision.next_attempt_at - NOW).total_seconds()


def an_event(data: dict[str, object] | None = None) -> LoggedEvent:
    return LoggedEvent(
        event_id=new_id(), account_id=new_id(), template_id=new_id(), handle="h", kind="scan",
        sequence=2, version=3, occurred_at=NOW, data=data or {},
    )  # fmt: skip


def recipient(kinds: set[str] | None = None, template_id: UUID | None = None) -> Recipient:
    return Recipient(new_id(), new_id(), frozenset(kinds or ()), template_id)
