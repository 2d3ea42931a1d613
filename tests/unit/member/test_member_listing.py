from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from services.member.domain.listing import MAX_BYTES, RangeEmptyError, checked_list, within
from services.member.domain.members import PageInvalidError
from shared.contracts.member import ListMembers, Member

ACCOUNT = UUID(int=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_list(**fields: Any) -> ListMembers:
    return ListMembers.model_validate({"account_id": ACCOUNT, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"limit": 1000},
        {"name_begins": "ア" * 64, "email_begins": "a", "phone_begins": "+4", "tier": "gold"},
        {"points_min": 5, "points_max": 5},
        {"points_min": -(10**12), "points_max": 10**12},
        {"created_from": NOON, "created_before": NOON + timedelta(seconds=1)},
        {"after": "ada"},
        {"after": "ada", "sort": "name", "after_key": ""},
        {"after": "ada", "sort": "name", "after_key": "ada lovelace", "descending": True},
        {"after": "ada", "sort": "points", "after_key": -3},
        {"after": "ada", "sort": "created_at", "after_key": NOON.isoformat()},
    ],
)
def test_list_that_there_can_be_is_let_through(fields: dict[str, Any]):
    assert checked_list(a_list(**fields)).query == a_list(**fields)


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"limit": 0}, ["?limit"]),
        ({"limit": 1001}, ["?limit"]),
        ({"name_begins": ""}, ["?name"]),
        ({"name_begins": "x" * 65}, ["?name"]),
        ({"name_begins": "a\x00"}, ["?name"]),
        ({"email_begins": "a b"}, ["?email"]),
        ({"email_begins": ""}, ["?email"]),
        ({"phone_begins": "+"}, ["?phone"]),
        ({"phone_begins": "call 1"}, ["?phone"]),
        ({"phone_begins": "1" * 33}, ["?phone"]),
        ({"external_id": ""}, ["?external_id"]),
        ({"tier": ""}, ["?tier"]),
        ({"tier": "x" * 65}, ["?tier"]),
        ({"points_min": 10**12 + 1, "points_max": -(10**12) - 1}, ["?points_min", "?points_max"]),
        ({"created_from": datetime(2026, 1, 1)}, ["?created_from"]),  # noqa: DTZ001
        (
            {"created_before": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
            ["?created_before"],
        ),
        ({"after": "a b"}, ["?cursor"]),
        ({"after": "\x00"}, ["?cursor"]),
        ({"after": "ada", "after_key": "ada"}, ["?cursor"]),
        ({"after": "ada", "sort": "name"}, ["?cursor"]),
        ({"after": "ada", "sort": "name", "after_key": 5}, ["?cursor"]),
        ({"after": "ada", "sort": "name", "after_key": "x" * 65}, ["?cursor"]),
        ({"after": "ada", "sort": "name", "after_key": "\x00"}, ["?cursor"]),
        ({"after": "ada", "sort": "points", "after_key": "5"}, ["?cursor"]),
        ({"after": "ada", "sort": "points", "after_key": 2**63}, ["?cursor"]),
        ({"after": "ada", "sort": "created_at", "after_key": "noon"}, ["?cursor"]),
        ({"after": "ada", "sort": "created_at", "after_key": "2026-01-01"}, ["?cursor"]),
        ({"name_begins": "", "phone_begins": "", "limit": 0}, ["?name", "?phone", "?limit"]),
    ],
)
def test_list_that_there_cannot_be_is_refused_with_all_its_faults(
    fields: dict[str, Any], pointers: list[str]
):
    with pytest.raises(PageInvalidError) as caught:
        checked_list(a_list(**fields))

    assert [error["pointer"] for error in caught.value.errors] == pointers


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"points_min": 6, "points_max": 5}, ["?points_max"]),
        ({"created_from": NOON, "created_before": NOON}, ["?created_before"]),
        (
            {"points_min": 1, "points_max": 0, "created_from": NOON, "created_before": NOON},
            ["?points_max", "?created_before"],
        ),
    ],
)
def test_bounds_that_nobody_is_between_are_refused(fields: dict[str, Any], pointers: list[str]):
    with pytest.raises(RangeEmptyError) as caught:
        checked_list(a_list(**fields))

    assert [error["pointer"] for error in caught.value.errors] == pointers


def test_page_is_cut_where_the_room_ends_and_holds_one_member_at_least():
    members = [
        Member(
            account_id=ACCOUNT, member_id=str(number), version=1, name='"' * 200,
            email="ä" * 254, external_id="漢" * 200, created_at=NOON, updated_at=NOON,
        )
        for number in range(1000)
    ]  # fmt: skip

    kept, room = within(members, MAX_BYTES)

    assert kept == members[: len(kept)]
    assert MAX_BYTES * 0.9 < MAX_BYTES - room < MAX_BYTES * 1.1
    assert sum(len(member.model_dump_json().encode()) for member in kept) < MAX_BYTES
    assert within(members, 0)[0] == members[:1]
