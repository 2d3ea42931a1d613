from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.member.domain.enrolments import (
    Desk,
    Entry,
    LinkUsedUpError,
    Wanted,
    differing,
    wanted,
)
from services.member.domain.members import MemberInvalidError, Roster
from shared.contracts.member import Enrolled, EnrolMember, Member
from shared.errors import NotReadyError
from shared.identifiers import new_handle, new_id

ACCOUNT, TEMPLATE, LINK = UUID(int=1), UUID(int=2), UUID(int=3)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_wish(
    member_id: str = "ada",
    *,
    template_id: UUID = TEMPLATE,
    max_uses: int | None = None,
    replaces: str | None = None,
    **fields: Any,
) -> Wanted:
    return wanted(
        EnrolMember(
            command_id=new_id(),
            account_id=ACCOUNT,
            template_id=template_id,
            member_id=member_id,
            handle=new_handle(),
            fields=fields,
            link_id=LINK,
            max_uses=max_uses,
            replaces=replaces,
        )
    )


def a_member(member_id: str = "ada", version: int = 1, **fields: Any) -> Member:
    return Member(
        account_id=ACCOUNT,
        member_id=member_id,
        version=version,
        created_at=NOON,
        updated_at=NOON,
        deleted=version == 0,
        **fields,
    )


def a_desk(*members: Member, uses: int = 0, stored: list[Entry] | None = None) -> Desk:
    roster = Roster({(m.account_id, m.member_id): m for m in members}, NOON)
    return Desk(roster, {(ACCOUNT, LINK): uses}, stored or [], {})


def enrolled(desk: Desk, wish: Wanted) -> Enrolled:
    outcome = desk.enrol(wish)
    assert isinstance(outcome, Enrolled)
    return outcome


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, []),
        ({"name": "Ada", "email": "ada@example.org", "phone": "1"}, []),
        ({"name": " Ada ", "email": "ADA@example.ORG"}, []),
        ({"name": None, "email": None}, []),
        ({"name": "", "tier": "gold", "points": 7}, []),
        ({"name": "ada"}, ["name"]),
        ({"name": "Grace", "email": "g@example.org", "phone": "2"}, ["name", "email", "phone"]),
    ],
)
def test_what_differs_is_name_email_and_phone_as_people_read_them(
    given: dict[str, Any], names: list[str]
):
    ada = a_member(name="Ada", email="Ada@example.org", phone="1")

    assert differing(ada, a_wish(**given)) == names


def test_what_the_member_did_not_have_yet_differs():
    assert differing(a_member(), a_wish(email="ada@example.org")) == ["email"]


def test_fields_are_checked_as_those_of_a_member_that_is_saved():
    with pytest.raises(MemberInvalidError) as caught:
        a_wish("a b", email="x", shoe_size=43)

    assert [e["pointer"] for e in caught.value.errors] == ["/member_id", "/email", "/shoe_size"]


def test_new_member_gets_the_id_that_is_reserved_for_its_external_id():
    desk = a_desk(a_member("ada", 0), a_member("bob", 0, external_id="7"))

    first = enrolled(desk, a_wish("ada", external_id="7", name="Ada"))
    second = enrolled(desk, a_wish("bob", external_id="7", name="Bob"))

    assert [one.member.member_id for one in (first, second)] == ["bob", "bob"]
    assert [(one.is_new, one.differs) for one in (first, second)] == [(True, False), (False, True)]
    assert desk.roster.unused() == [(ACCOUNT, "ada")]
    assert [entry.enrolment for entry in desk.added()] == [first.enrolment]


def test_external_id_that_nobody_has_any_more_is_not_ready():
    assert isinstance(a_desk().enrol(a_wish(external_id="7")), NotReadyError)


def test_link_gives_an_open_enrolment_again_only_when_it_is_used_up():
    desk = a_desk(*(a_member(name, 0) for name in ("ada", "bob", "cat")))

    outcomes = [enrolled(desk, a_wish(name, max_uses=2)) for name in ("ada", "bob", "cat")]

    assert [one.is_new for one in outcomes] == [True, True, False]
    assert outcomes[2].enrolment == outcomes[0].enrolment
    assert desk.used() == {(ACCOUNT, LINK): 2}


def test_link_does_not_give_the_enrolment_of_another_template():
    desk = a_desk(a_member("ada", 0), a_member("bob", 0))
    enrolled(desk, a_wish("ada", max_uses=1))

    with pytest.raises(LinkUsedUpError):
        desk.enrol(a_wish("bob", max_uses=1, template_id=new_id()))


def test_link_without_a_limit_counts_nothing():
    desk = a_desk(a_member("ada", 0))

    assert enrolled(desk, a_wish("ada")).is_new
    assert desk.used() == {}


def test_only_the_first_of_those_who_replace_a_pass_names_the_new_one():
    desk = a_desk(a_member("ada", external_id="7"))
    old = enrolled(desk, a_wish(external_id="7")).enrolment
    desk = a_desk(a_member("ada", external_id="7"), stored=[Entry(old)])
    first = a_wish(external_id="7", replaces=old.handle)

    handles = [
        enrolled(desk, wish).enrolment.handle
        for wish in (first, a_wish(external_id="7", replaces=old.handle), a_wish(external_id="7"))
    ]

    assert handles == [first.command.handle] * 3
    assert [(e.enrolment.handle, e.replaced_handle) for e in desk.changed()] == [
        (first.command.handle, old.handle)
    ]
