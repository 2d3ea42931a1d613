from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.member.domain.members import (
    Draft,
    ExternalIdTakenError,
    MemberExistsError,
    MemberInvalidError,
    MemberNotFoundError,
    PageInvalidError,
    PointsRefusedError,
    Roster,
    checked_adjustment,
    checked_page,
    draft,
    each,
)
from shared.contracts.member import AdjustPoints, DeleteMember, ListPoints, Member, SaveMember
from shared.errors import ApplicationError
from shared.identifiers import new_id

ACCOUNT = UUID(int=1)
MORNING = datetime(2026, 1, 1, 8, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_save(
    member_id: str = "ada", mode: Literal["create", "replace", "merge"] = "merge", **fields: Any
) -> SaveMember:
    return SaveMember(
        command_id=new_id(), account_id=ACCOUNT, member_id=member_id, mode=mode, fields=fields
    )


def a_draft(
    member_id: str = "ada", mode: Literal["create", "replace", "merge"] = "merge", **fields: Any
) -> Draft:
    return draft(a_save(member_id, mode, **fields))


def an_adjustment(delta: int, reason: str | None = None) -> AdjustPoints:
    return AdjustPoints(
        command_id=new_id(), account_id=ACCOUNT, member_id="ada", delta=delta, reason=reason
    )


def a_member(member_id: str = "ada", version: int = 1, **fields: Any) -> Member:
    return Member(
        account_id=ACCOUNT,
        member_id=member_id,
        version=version,
        created_at=MORNING,
        updated_at=MORNING,
        **fields,
    )


def a_roster(*members: Member) -> Roster:
    return Roster({(m.account_id, m.member_id): m for m in members}, NOON)


def pointers(errors: Sequence[dict[str, Any]]) -> list[str]:
    return [error["pointer"] for error in errors]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "Ada Lovelace"),
        ("name", "ア" * 200),
        ("name", ""),
        ("name", None),
        ("email", "ada@example.org"),
        ("email", "ada+x@ex-ample.co.uk"),
        ("email", "ada@bücher.example"),
        ("phone", "+44 (0)20 7946-0000"),
        ("phone", "555-0100,x12"),
        ("external_id", "crm/4711"),
        ("tier", "gold"),
        ("points", 0),
        ("points", -(10**12)),
        ("points", 10**12),
    ],
)
def test_field_that_is_right_is_kept(name: str, value: Any):
    assert a_draft(**{name: value}).changes == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "x" * 201),
        ("name", "a\x00b"),
        ("name", 7),
        ("email", "ada"),
        ("email", "ada@example"),
        ("email", "a b@example.org"),
        ("email", "ada@@example.org"),
        ("email", "ada@example..org"),
        ("email", "ada@example.org\n"),
        ("email", "a" * 243 + "@example.org"),
        ("email", ""),
        ("phone", "1" * 33),
        ("phone", "call me"),
        ("phone", "٣"),
        ("phone", ""),
        ("external_id", ""),
        ("external_id", "x" * 201),
        ("tier", "x" * 65),
        ("tier", ["gold"]),
        ("points", 10**12 + 1),
        ("points", 1.0),
        ("points", True),
        ("points", "5"),
        ("points", None),
        ("shoe_size", 43),
    ],
)
def test_field_that_is_wrong_is_named(name: str, value: Any):
    with pytest.raises(MemberInvalidError) as caught:
        a_draft(**{name: value})

    assert pointers(caught.value.errors) == [f"/{name}"]


@pytest.mark.parametrize("member_id", ["", "a" * 65, "a b", "a/b", "ä", "a\n", "a\x00"])
def test_member_id_that_is_wrong_is_named(member_id: str):
    with pytest.raises(MemberInvalidError) as caught:
        a_draft(member_id)

    assert pointers(caught.value.errors) == ["/member_id"]


def test_all_faults_are_named_at_once():
    with pytest.raises(MemberInvalidError) as caught:
        a_draft("a b", email="x", phone="y")

    assert pointers(caught.value.errors) == ["/member_id", "/email", "/phone"]


def test_replacing_resets_what_is_not_given_but_for_points():
    roster = a_roster(a_member(name="Ada", tier="gold", points=5))

    saved = roster.save(a_draft(mode="replace", email="ada@example.org"))

    assert not saved.created
    assert saved.member == a_member(version=2, email="ada@example.org", points=5).model_copy(
        update={"updated_at": NOON}
    )


def test_saving_what_is_so_already_changes_nothing():
    roster = a_roster(a_member(name="Ada", points=5))

    saved = roster.save(a_draft(name="Ada", points=5))

    assert saved.member.version == 1
    assert roster.changed() == []
    assert roster.lines == []


def test_commands_on_the_same_member_are_applied_in_order():
    roster = a_roster(a_member())

    roster.save(a_draft(name="Ada", points=5))
    roster.save(a_draft(name="Augusta", points=3))

    assert [(m.name, m.points, m.version) for m in roster.changed()] == [("Augusta", 3, 3)]
    assert [(n.entry.delta, n.entry.balance, n.version) for n in roster.lines] == [
        (5, 5, 2),
        (-2, 3, 3),
    ]


def test_external_id_can_change_hands_within_a_batch():
    roster = a_roster(a_member("ada", external_id="1"), a_member("bob", external_id="2"))

    roster.save(a_draft("ada", external_id=None))
    roster.save(a_draft("bob", external_id="1"))
    roster.save(a_draft("ada", external_id="2"))

    assert {m.member_id: m.external_id for m in roster.changed()} == {"ada": "2", "bob": "1"}
    assert [member_id for _, member_id in roster.handed_over()] == ["ada", "bob"]


def test_external_id_of_another_member_is_refused():
    roster = a_roster(a_member("ada", external_id="1"), a_member("bob"))

    with pytest.raises(ExternalIdTakenError):
        roster.save(a_draft("bob", external_id="1"))

    assert roster.changed() == []


def test_creating_refuses_a_living_member_and_merging_a_missing_one():
    roster = a_roster(a_member("ada"), a_member("bob", deleted=True))

    with pytest.raises(MemberExistsError):
        roster.save(a_draft("ada", "create"))
    with pytest.raises(MemberNotFoundError):
        roster.save(a_draft("bob", "merge"))
    with pytest.raises(MemberNotFoundError):
        roster.save(a_draft("eve", "merge"))


def test_deleted_member_keeps_nothing_personal_and_is_deleted_once():
    command = DeleteMember(command_id=new_id(), account_id=ACCOUNT, member_id="ada")
    roster = a_roster(
        a_member(name="Ada", email="a@b.c", phone="1", external_id="1", tier="gold", points=5)
    )

    deleted = roster.delete(command)

    assert deleted == a_member(version=2, deleted=True).model_copy(update={"updated_at": NOON})
    with pytest.raises(MemberNotFoundError):
        roster.delete(command)


@pytest.mark.parametrize("delta", [0, 10**12 + 1, -(10**12) - 1])
def test_delta_out_of_bounds_is_refused(delta: int):
    with pytest.raises(PointsRefusedError) as caught:
        checked_adjustment(an_adjustment(delta))

    assert pointers(caught.value.errors) == ["/delta"]


@pytest.mark.parametrize("reason", ["x" * 201, "\x00"])
def test_reason_that_is_wrong_is_refused(reason: str):
    with pytest.raises(PointsRefusedError) as caught:
        checked_adjustment(an_adjustment(1, reason))

    assert pointers(caught.value.errors) == ["/reason"]


@given(st.lists(st.integers(-20, 20).filter(bool)))
def test_ledger_adds_up_to_the_balance_and_never_falls_below_zero(deltas: list[int]):
    roster = a_roster(a_member())

    outcomes = each(roster.adjust, [an_adjustment(delta) for delta in deltas])

    lines = [line.entry for line in roster.lines]
    assert [o for o in outcomes if not isinstance(o, ApplicationError)] == lines
    assert [line.balance for line in lines] == [
        sum(entry.delta for entry in lines[: n + 1]) for n in range(len(lines))
    ]
    assert all(line.balance >= 0 for line in lines)


@pytest.mark.parametrize("limit", [0, -1, 251])
def test_limit_out_of_bounds_is_refused(limit: int):
    with pytest.raises(PageInvalidError) as caught:
        checked_page(ListPoints(account_id=ACCOUNT, member_id="ada", limit=limit))

    assert pointers(caught.value.errors) == ["?limit"]
