"""Members and their points, in the words of /v1."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from shared.contracts.member import (
    AdjustPoints,
    DeleteMember,
    Enrolment,
    EnrolmentPage,
    ListEnrolments,
    ListPoints,
    MemberSaved,
    PointsEntry,
    PointsPage,
    ReadMember,
    SaveMember,
)
from shared.contracts.triggers import ListPasses, Pass, PassPage
from shared.errors import ConflictError, NotFoundError
from shared.identifiers import new_id
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.owners import Owners, a_member
from tests.integration.gateway.samples import make_template

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    """A member service that keeps what it is told."""
    owners = Owners(gateway.transport)

    def save(command: SaveMember) -> MemberSaved:
        place = (command.account_id, command.member_id)
        known = owners.members.get(place)
        if known and command.mode == "create":
            raise ConflictError("There is such a member.")
        if not known and command.mode == "merge":
            raise NotFoundError
        kept = known if known and command.mode == "merge" else a_member(*place)
        owners.members[place] = kept.model_copy(update=command.fields)
        return MemberSaved(member=owners.members[place], created=known is None)

    owners.answer(SaveMember, save)
    return owners


def facts(state: dict[str, Any]) -> dict[str, Any]:
    """What was said about a member, without what we made of it."""
    return {k: v for k, v in state.items() if v and k not in {"created_at", "updated_at"}}


async def test_member_gets_an_id(an_account: AnAccount, owners: Owners):
    body = {"name": "Ann", "email": "ann@example.org", "points": 5}

    answer = await an_account.call("POST", "/v1/members", body, key="ann")
    again = await an_account.call("POST", "/v1/members", body, key="ann")

    (member,) = owners.members.values()
    assert answer.status == 201
    assert answer.headers["location"] == f"/v1/members/{member.member_id}"
    assert facts(answer.json) == {"member_id": member.member_id, "version": 1, **body}
    assert answer.json["phone"] is None
    assert "account_id" not in answer.json
    assert again.json == answer.json
    assert again.headers["idempotent-replayed"] == "true"
    assert owners.asked_for(SaveMember)[0].fields == body


async def test_member_may_bring_an_id(an_account: AnAccount, owners: Owners):
    answer = await an_account.call("POST", "/v1/members", {"member_id": "ann"})
    twice = await an_account.call("POST", "/v1/members", {"member_id": "ann"})

    assert (answer.status, answer.json["member_id"]) == (201, "ann")
    assert twice.status == 409
    assert owners.asked_for(SaveMember)[0].fields == {}


async def test_put_creates_then_replaces(an_account: AnAccount, owners: Owners):
    first = await an_account.call("PUT", "/v1/members/ann", {"name": "Ann", "tier": "gold"})
    second = await an_account.call("PUT", "/v1/members/ann", {"name": "Anna"})

    assert (first.status, second.status) == (201, 200)
    assert (second.json["name"], second.json["tier"]) == ("Anna", None)
    assert [command.mode for command in owners.asked_for(SaveMember)] == ["replace", "replace"]


async def test_patch_merges_the_fields_given(an_account: AnAccount, owners: Owners):
    await an_account.call("PUT", "/v1/members/ann", {"name": "Ann", "tier": "gold"})

    answer = await an_account.call("PATCH", "/v1/members/ann", {"tier": None, "points": 3})
    missing = await an_account.call("PATCH", "/v1/members/bob", {})

    assert answer.status == 200
    assert (answer.json["name"], answer.json["tier"], answer.json["points"]) == ("Ann", None, 3)
    assert owners.asked_for(SaveMember)[1].fields == {"tier": None, "points": 3}
    assert missing.status == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"points": 1.5}, "/points"),
        ({"points": 2**53}, "/points"),
        ({"points": None}, "/points"),
        ({"name": 7}, "/name"),
        ({"email": "x" * 1001}, "/email"),
    ],
)
async def test_malformed_member_is_pointed_at(
    an_account: AnAccount, owners: Owners, body: dict[str, Any], pointer: str
):
    answer = await an_account.call("POST", "/v1/members", body)

    assert (answer.status, list(answer.faults)) == (422, [pointer])
    assert not owners.asked


async def test_faults_the_owner_finds_are_passed_on(an_account: AnAccount, owners: Owners):
    fault = {"pointer": "/external_id", "detail": "belongs to another member"}
    owners.answer(SaveMember, lambda _: ConflictError(errors=[fault]))

    answer = await an_account.call("POST", "/v1/members", {"external_id": "77"})

    assert answer.status == 409
    assert answer.faults == {"/external_id": "belongs to another member"}


def serve_enrolments(owners: Owners, enrolments: list[Enrolment]) -> None:
    def page(query: ListEnrolments) -> EnrolmentPage | NotFoundError:
        if (query.account_id, query.member_id) not in owners.members:
            return NotFoundError()
        ids = [one.enrolment_id for one in enrolments]
        rest = enrolments[ids.index(query.before) + 1 :] if query.before else enrolments
        return EnrolmentPage(enrolments=rest[: query.limit], more=len(rest) > query.limit)

    owners.answer(ListEnrolments, page)


def serve_passes(owners: Owners, passes: list[Pass], *, more: bool = False) -> None:
    owners.answer(ListPasses, lambda _: PassPage(passes=passes, more=more, last=7))


def an_enrolment(account_id: UUID, **facts: Any) -> Enrolment:
    return Enrolment(
        enrolment_id=new_id(),
        account_id=account_id,
        template_id=new_id(),
        member_id="ann",
        handle="h1",
        created_at=NOON,
        **facts,
    )


async def test_member_is_read_by_its_account_only(
    an_account: AnAccount, another_account: AnAccount, owners: Owners
):
    serve_enrolments(owners, [])
    serve_passes(owners, [])
    await an_account.call("PUT", "/v1/members/ann", {"name": "Ann"})

    mine = await an_account.call("GET", "/v1/members/ann")
    foreign = await another_account.call("GET", "/v1/members/ann")

    assert (mine.status, mine.json["name"], foreign.status) == (200, "Ann", 404)
    assert "account_id" not in mine.json
    assert owners.asked_for(ReadMember)[1].account_id == another_account.account_id


async def test_member_is_read_with_the_first_of_its_passes_and_enrolments(
    an_account: AnAccount, owners: Owners
):
    template_id = await make_template(an_account)
    one = an_enrolment(an_account.account_id, program_id=new_id(), campaign="spring")
    serve_enrolments(owners, [one])
    held = Pass.model_validate(
        {
            "handle": "h1", "account_id": an_account.account_id, "template_id": template_id,
            "serial_number": "s1", "member_id": "ann", "version": 1, "values": {},
            "created_at": NOON, "updated_at": NOON,
        }
    )  # fmt: skip
    serve_passes(owners, [held], more=True)
    await an_account.call("PUT", "/v1/members/ann", {"name": "Ann"})

    answer = await an_account.call("GET", "/v1/members/ann")
    cursor = answer.json["passes"]["next_cursor"]
    rest = await an_account.call("GET", f"/v1/passes?member_id=ann&cursor={cursor}")

    assert [p["handle"] for p in answer.json["passes"]["data"]] == ["h1"]
    assert answer.json["enrolments"] == {
        "data": [
            {
                "enrolment_id": str(one.enrolment_id),
                "template_id": str(one.template_id),
                "handle": "h1",
                "program_id": str(one.program_id),
                "campaign": "spring",
                "created_at": "2026-11-21T12:00:00Z",
            }
        ],
        "next_cursor": None,
    }
    assert rest.status == 200
    asked = owners.asked_for(ListPasses)
    assert [(query.member_id, query.after) for query in asked] == [("ann", 0), ("ann", 7)]


async def test_key_that_may_not_read_passes_sees_none_of_a_member(
    an_account: AnAccount, owners: Owners
):
    serve_enrolments(owners, [])
    await an_account.call("PUT", "/v1/members/ann", {"name": "Ann"})
    reader = await an_account.with_scopes("members:read")

    answer = await reader.call("GET", "/v1/members/ann")

    assert (answer.status, answer.json["passes"]) == (200, None)
    assert owners.asked_for(ListPasses) == []


async def test_enrolments_are_read_in_pages(an_account: AnAccount, owners: Owners):
    await an_account.call("PUT", "/v1/members/ann", {})
    enrolments = [an_enrolment(an_account.account_id) for _ in range(3)]
    serve_enrolments(owners, enrolments)

    first = await an_account.call("GET", "/v1/members/ann/enrolments?limit=2")
    cursor = first.json["next_cursor"]
    second = await an_account.call("GET", f"/v1/members/ann/enrolments?cursor={cursor}")
    missing = await an_account.call("GET", "/v1/members/bob/enrolments")

    shown = [one["enrolment_id"] for one in first.json["data"] + second.json["data"]]
    assert shown == [str(one.enrolment_id) for one in enrolments]
    assert second.json["next_cursor"] is None
    assert missing.status == 404


async def test_erased_member_leaves_nothing_to_say(an_account: AnAccount, owners: Owners):
    ann = a_member(an_account.account_id, "ann").model_copy(update={"deleted": True})
    owners.answer(DeleteMember, lambda _: ann)

    answer = await an_account.call("DELETE", "/v1/members/ann")

    assert (answer.status, answer.content) == (204, b"")
    assert owners.asked_for(DeleteMember)[0].member_id == "ann"


def an_entry(delta: int, balance: int) -> PointsEntry:
    return PointsEntry(
        entry_id=new_id(),
        member_id="ann",
        delta=delta,
        balance=balance,
        reason="coffee",
        created_at=NOON,
    )


async def test_points_are_given_once(an_account: AnAccount, owners: Owners):
    owners.answer(AdjustPoints, lambda command: an_entry(command.delta, 10 + command.delta))
    body = {"delta": 5, "reason": "coffee"}

    answer = await an_account.call("POST", "/v1/members/ann/points", body, key="coffee")
    again = await an_account.call("POST", "/v1/members/ann/points", body, key="coffee")
    nothing = await an_account.call("POST", "/v1/members/ann/points", {"reason": "coffee"})

    assert answer.status == 201
    assert (answer.json["delta"], answer.json["balance"]) == (5, 15)
    assert again.json == answer.json
    assert list(nothing.faults) == ["/delta"]
    first, second = owners.asked_for(AdjustPoints)
    assert first.command_id == second.command_id


async def test_ledger_is_read_in_pages(an_account: AnAccount, owners: Owners):
    entries = [an_entry(1, 3), an_entry(1, 2), an_entry(1, 1)]

    def page(query: ListPoints) -> PointsPage:
        ids = [entry.entry_id for entry in entries]
        rest = entries[ids.index(query.before) + 1 :] if query.before else entries
        return PointsPage(entries=rest[: query.limit], more=len(rest) > query.limit)

    owners.answer(ListPoints, page)
    first = await an_account.call("GET", "/v1/members/ann/points?limit=2")
    cursor = first.json["next_cursor"]
    second = await an_account.call("GET", f"/v1/members/ann/points?cursor={cursor}")

    lines = first.json["data"] + second.json["data"]
    assert [line["balance"] for line in lines] == [3, 2, 1]
    assert second.json["next_cursor"] is None


async def test_reading_key_may_not_write(an_account: AnAccount, owners: Owners):
    reader = await an_account.with_scopes("members:read")

    assert (await reader.call("POST", "/v1/members", {})).status == 403
    assert (await reader.call("DELETE", "/v1/members/ann")).status == 403
    assert (await reader.call("POST", "/v1/members/ann/points", {"delta": 1})).status == 403
    assert not owners.asked
