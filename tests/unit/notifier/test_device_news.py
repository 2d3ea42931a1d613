"""What is new of members and templates, whatever the order in which versions come."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.feed.domain.happenings import Happening, numbered, write_body
from services.notifier.feed.domain.news import (
    Announced,
    end_of_template,
    member_key,
    news_of_member,
    news_of_template,
    template_key,
)
from shared.contracts.gateway import TemplateDeleted, TemplateSaved
from shared.contracts.member import Member
from shared.identifiers import new_id
from tests.schemas import Schema, checked

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT, TEMPLATE = new_id(), new_id()


def test_new_member_is_told_without_who_it_is():
    [created] = story([a_member(1, name="Ada", email="ada@example.com", points=5, tier="Gold")])

    assert created["type"] == "member.created"
    assert created["data"] == {"member_id": "m", "version": 1, "points": 5, "tier": "Gold"}


def test_change_names_the_fields_and_not_their_values():
    before = a_member(1, name="Ada", phone="1", points=5)

    _, updated = story([before, a_member(2, name="Grace", email="g@example.com", points=5)])

    assert updated["type"] == "member.updated"
    assert updated["data"]["fields"] == ["name", "email", "phone"]
    assert "Grace" not in str(updated)


def test_points_have_an_event_of_their_own():
    told = story([a_member(1, points=5), a_member(2, points=3), a_member(3, points=3, tier="Gold")])

    assert [event["type"] for event in told] == [
        "member.created",
        "points.changed",
        "member.updated",
    ]
    assert told[1]["data"] == {
        "member_id": "m", "version": 2, "points": 3, "before": 5, "delta": -2,
    }  # fmt: skip


def test_member_that_is_deleted_leaves_nothing_and_may_come_again():
    told = Announced(*member_key(a_member(1)), version=0, living=False, facts={})

    tell(told, [a_member(1, name="Ada", points=5), a_member(2, deleted=True)])

    assert told.facts == {}
    assert [h.type for h in tell(told, [a_member(3, name="Eve")])] == ["member.created"]


@given(st.data())
def test_versions_that_come_late_or_twice_tell_nothing_twice(data: st.DataObject):
    balances = data.draw(st.lists(st.integers(-3, 3), min_size=1, max_size=6))
    versions = [a_member(n, points=points) for n, points in enumerate(balances, start=1)]
    arrivals = [*versions, *data.draw(st.lists(st.sampled_from(versions), max_size=6))]

    told = story(data.draw(st.permutations(arrivals)))

    assert [event["type"] for event in told].count("member.created") == 1
    changes = [event["data"] for event in told if event["type"] == "points.changed"]
    assert told[0]["data"]["points"] + sum(c["delta"] for c in changes) == balances[-1]
    seen = [event["data"]["version"] for event in told]
    assert seen == sorted(set(seen))


def test_template_is_told_by_revision_until_its_end():
    told = Announced(*template_key(a_template(1)), version=0, living=False, facts={})
    arrivals = [a_template(1), a_template(3), a_template(2), a_template(3)]

    happenings = [h for message in arrivals for h in news_of_template(told, message, NOW)]
    end = TemplateDeleted(template_id=TEMPLATE, account_id=ACCOUNT, revision=4)
    for _ in range(2):
        happenings += end_of_template(told, end, NOW)
    happenings += news_of_template(told, a_template(5), NOW)

    events = read(happenings)
    assert [(event["type"], event["data"]["revision"]) for event in events] == [
        ("template.created", 1), ("template.updated", 3), ("template.deleted", 4),
    ]  # fmt: skip
    assert {h.template_id for h in happenings} == {None}  # endpoints bound to it hear of passes


def story(members: Iterable[Member]) -> list[Schema]:
    members = list(members)
    return read(
        tell(Announced(*member_key(members[0]), version=0, living=False, facts={}), members)
    )


def tell(told: Announced, members: Iterable[Member]) -> list[Happening]:
    return [happening for member in members for happening in news_of_member(told, member)]


def read(happenings: Iterable[Happening]) -> list[Schema]:
    return [checked(numbered(write_body(happening), 1)) for happening in happenings]


def a_member(version: int, **fields: Any) -> Member:
    return Member(
        account_id=ACCOUNT, member_id="m", version=version, created_at=NOW, updated_at=NOW, **fields
    )


def a_template(revision: int) -> TemplateSaved:
    return TemplateSaved(
        template_id=TEMPLATE, account_id=ACCOUNT, revision=revision, template_name="Card",
        organization_name="Tea", apple_identity_id=new_id(), document={}, images={},
    )  # fmt: skip
