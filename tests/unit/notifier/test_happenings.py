"""What partners are told of each thing that happens, and what they are not told."""

from datetime import UTC, datetime
from typing import Any, Literal, get_args
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.feed.domain.happenings import (
    Happening,
    KeptEvent,
    numbered,
    of_enrolment,
    of_pass,
    webhook_id,
    write_body,
)
from services.notifier.partners.domain.happenings import DisabledEndpoint, of_disabled, of_test
from shared.contracts.member import EnrolmentNews
from shared.contracts.partners import EVENTS, TYPE_OF
from shared.contracts.triggers import EventKind, LoggedEvent
from shared.identifiers import new_id
from tests.schemas import Schema, checked

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def an_event(kind: EventKind, data: dict[str, Any]) -> LoggedEvent:
    return LoggedEvent(
        event_id=new_id(), account_id=new_id(), template_id=new_id(), handle="h", kind=kind,
        member_id="ada", sequence=2, version=3, occurred_at=NOW, data=data,
    )  # fmt: skip


def test_event_of_a_pass_tells_what_happened_why_and_in_which_order():
    event = an_event("scan", {"changes": {"points": [1, 2]}, "rules": ["internal"]})

    assert told(of_pass(event), 7) == {
        "id": webhook_id(event.event_id),
        "sequence": 7,
        "type": "pass.scanned",
        "timestamp": "2026-01-01T00:00:00Z",
        "account": str(event.account_id),
        "subject": {"kind": "pass", "id": "h"},
        "cause": {"kind": "scan"},
        "data": {
            "handle": "h",
            "template_id": str(event.template_id),
            "member_id": "ada",
            "version": 3,
            "sequence": 2,
            "changes": {"points": [1, 2]},
        },
    }


@pytest.mark.parametrize("kind", get_args(EventKind))
def test_every_kind_of_event_has_a_name_and_fits_its_schema(kind: EventKind):
    body = told(of_pass(an_event(kind, {"changes": {"a": [None, {"b": 1}]}, "nulls": []})))

    assert body["type"] == TYPE_OF[kind]


@pytest.mark.parametrize("kind", ["scan", "check"])
def test_scan_that_was_refused_says_why(kind: Any):
    body = told(of_pass(an_event(kind, {"refused": "expired"})))

    assert body["data"]["refused"] == "expired"


def test_creation_tells_the_values_with_which_a_pass_begins():
    body = told(of_pass(an_event("create", {"values": {"number": "1"}, "rules": ["internal"]})))

    assert body["data"]["values"] == {"number": "1"}
    assert "changes" not in body["data"]


def an_enrolment(kind: Literal["enrolled", "conflict"], **facts: Any) -> EnrolmentNews:
    return EnrolmentNews(
        event_id=new_id(), kind=kind, account_id=new_id(), template_id=new_id(), member_id="ada",
        enrolment_id=new_id(), handle="h", occurred_at=NOW, **facts,
    )  # fmt: skip


def test_enrolment_tells_whose_it_is_for_what_and_by_which_link_program():
    news = an_enrolment("enrolled", program_id=new_id())

    body = told(of_enrolment(news), 7)

    assert body["type"] == "member.enrolled"
    assert body["subject"] == {"kind": "member", "id": "ada"}
    assert body["cause"] == {"kind": "link", "id": str(news.program_id)}
    assert body["data"] == {
        "member_id": "ada",
        "enrolment_id": str(news.enrolment_id),
        "template_id": str(news.template_id),
        "handle": "h",
        "program_id": str(news.program_id),
    }


def test_conflict_tells_names_of_fields_and_no_program_when_a_call_brought_it():
    body = told(of_enrolment(an_enrolment("conflict", fields=["name"])))

    assert (body["type"], body["cause"]) == ("member.enrolment_conflict", {"kind": "api"})
    assert (body["data"]["fields"], body["data"]["program_id"]) == (["name"], None)


def test_null_that_is_a_value_is_told_from_no_value():
    data = {"changes": {"a": [1, None], "b": [1, None]}, "nulls": ["a"]}

    assert told(of_pass(an_event("edit", data)))["data"]["nulls"] == ["a"]


def test_facts_of_a_member_are_told_apart_from_values_of_the_pass():
    changes = {"member_name": [None, None], "member_points": [1, 2], "member_of_staff": [0, 1]}

    body = told(of_pass(an_event("update", {"cause": "member", "changes": changes})))

    assert body["cause"] == {"kind": "member", "id": "ada"}
    assert body["data"]["changes"] == {"member_of_staff": [0, 1]}
    assert body["data"]["member_changes"].keys() == {"member_name", "member_points"}


def test_expiry_tells_the_date_that_has_passed():
    body = told(of_pass(an_event("expire", {"expiration_date": "2025-12-31T23:59:59+00:00"})))

    assert body["data"]["expiration_date"] == "2025-12-31T23:59:59+00:00"


@pytest.mark.parametrize(
    ("kind", "data", "cause"),
    [
        ("create", {}, "api"), ("scan", {}, "scan"), ("edit", {}, "holder"),
        ("install", {}, "device"), ("expire", {}, "expiry"), ("update", {"cause": "push"},
        "push_job"), ("update", {"cause": "rules"}, "rule"), ("update", {"cause": "moon"}, "api"),
    ],
)  # fmt: skip
def test_cause_is_what_the_log_says_or_the_kind_means(
    kind: EventKind, data: dict[str, Any], cause: str
):
    assert told(of_pass(an_event(kind, data)))["cause"] == {"kind": cause}


@given(st.integers(60_000, 70_000), st.sampled_from(["", "é", '"']))
def test_body_never_exceeds_64_kib_and_says_when_it_is_thin(size: int, letter: str):
    changes = {"name": ["", "x" * size + letter * 10]}

    body = numbered(write_body(of_pass(an_event("update", {"changes": changes}))), 2**62)

    event = checked(body)
    assert event.get("thin", False) == ("changes" not in event["data"])
    assert ("changes" in event["data"]) == (len(body) > 1000)
    assert len(body) > 1000 or size > 65_000


@pytest.mark.parametrize(
    "happening",
    [
        of_pass(an_event("create", {"values": {"name": 'Ann "A" \u00c4\n'}})),
        of_pass(an_event("update", {"cause": "member", "changes": {"a": [1, None]}})),
        of_pass(an_event("update", {"changes": {"name": ["", "x" * 70_000]}})),
        of_disabled(DisabledEndpoint(new_id(), new_id(), "gone"), NOW),
        of_test(new_id(), new_id(), NOW),
    ],
)
def test_an_event_is_told_to_the_letter_as_it_was_written(happening: Happening):
    assert KeptEvent.of(happening).whole_body == write_body(happening)


def test_what_happened_to_a_pass_is_kept_without_what_its_columns_say():
    kept = KeptEvent.of(of_pass(an_event("scan", {})))

    assert kept.whole_body.endswith(kept.body)
    assert len(kept.body) < len(kept.whole_body) / 4


def test_end_and_test_of_an_endpoint_fit_their_schemas():
    endpoint_id = new_id()

    end = told(of_disabled(DisabledEndpoint(endpoint_id, new_id(), "gone"), NOW))
    test = told(of_test(new_id(), endpoint_id, NOW), None)

    assert (end["subject"]["id"], end["data"]["reason"]) == (str(endpoint_id), "gone")
    assert test["sequence"] == 0


def test_schema_is_checked_to_the_letter():
    body = told(of_pass(an_event("scan", {})))
    wrong: list[Schema] = [
        {**body, "type": "pass.created"},
        {**body, "sequence": "7"},
        {**body, "cause": {"kind": "moon"}},
        {**body, "colour": "red"},
        {**body, "data": {**body["data"], "version": True}},
        {**body, "data": {**body["data"], "changes": {"a": [1]}}},
        {name: value for name, value in body.items() if name != "account"},
    ]

    for event in wrong:
        with pytest.raises(AssertionError):
            checked(orjson.dumps(event).decode())


def test_webhook_id_holds_no_dot_and_is_that_of_the_event():
    event_id = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

    assert webhook_id(event_id) == "evt_01890a5dac96774bbcceb302099a8057"


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_says_what_it_is(kind: str):
    assert (EVENTS[kind].__doc__ or "").endswith(".")


def told(happening: Happening, number: int | None = 1) -> Schema:
    return checked(numbered(write_body(happening), number))
