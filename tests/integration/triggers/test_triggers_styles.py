"""What passes look like by their own choice, and passes whose style or group changes."""

from typing import Any
from uuid import UUID

import pytest

from services.triggers.handlers import catalogue, questions
from services.triggers.jobs import templates
from services.triggers.jobs.templates import restyle_passes
from shared.contracts.gateway import StyleGroupSaved, StyleSaved
from shared.contracts.triggers import ReadPassStyleUse
from tests.integration.triggers.life import (
    ACCOUNT,
    DOCUMENT,
    OTHER_ACCOUNT,
    Life,
    a_member,
    a_template,
)

BRONZE, SILVER, TIERS = UUID(int=31), UUID(int=32), UUID(int=33)
NAMED_TEMPLATE = UUID(int=34)
RULES = [
    {"style_id": str(BRONZE), "min_points": 0, "max_points": 100},
    {"style_id": str(SILVER), "min_points": 101, "max_points": None},
]


def a_style(style_id: UUID, revision: int, **rest: Any) -> StyleSaved:
    document = {"name": "Style"}
    return StyleSaved(
        style_id=style_id,
        account_id=ACCOUNT,
        revision=revision,
        document=document,
        images={},
        **rest,
    )


def a_group(revision: int) -> StyleGroupSaved:
    return StyleGroupSaved(
        style_group_id=TIERS,
        account_id=ACCOUNT,
        revision=revision,
        document={"name": "Tiers", "rules": RULES},
    )


async def save(life: Life, *events: StyleSaved | StyleGroupSaved) -> None:
    """Let the gateway tell of styles and groups, and passes be gone over."""
    async with life.database.work() as work:
        styles = [event for event in events if isinstance(event, StyleSaved)]
        groups = [event for event in events if isinstance(event, StyleGroupSaved)]
        await catalogue.keep_styles(styles, work)
        await catalogue.keep_style_groups(groups, work)
    await restyle_passes(life.database)


async def changed(life: Life, *handles: str) -> list[bool]:
    """Say which passes are at another version than their first."""
    return [one.version > 1 for one in await life.read(*handles)]


async def test_a_pass_keeps_the_style_that_it_was_issued_with(life: Life):
    handle = await life.issued(style_id=BRONZE, style_group_id=TIERS)

    [told] = life.changed()
    assert (told.style_id, told.style_group_id) == (BRONZE, TIERS)
    [read] = await life.read(handle)
    assert (read.style_id, read.style_group_id) == (BRONZE, TIERS)


async def test_another_style_is_a_change_and_the_same_again_is_none(life: Life):
    handle = await life.issued(style_group_id=TIERS)

    first = await life.happened(handle, "update", styles={"style_id": SILVER})
    again = await life.happened(handle, "update", styles={"style_id": SILVER})
    cleared = await life.happened(handle, "update", styles={"style_id": None})

    assert [first.version, again.version, cleared.version] == [2, 2, 3]
    [read] = await life.read(handle)
    assert (read.style_id, read.style_group_id) == (None, TIERS)
    events = await life.timeline(handle)
    assert [event.data for event in events[1:]] == [{"cause": "style"}] * 2


async def test_what_members_name_is_among_their_facts_and_its_change_reaches_passes(life: Life):
    handle = await life.issued(member=a_member(name="Ann"))

    await life.follow(a_member(2, name="Ann", style_group_id=TIERS))

    [told] = life.changed()
    assert (told.handle, told.version) == (handle, 2)
    assert (told.member or {})["style_group_id"] == str(TIERS)
    await life.follow(a_member(3, name="Ann"))
    [told] = life.changed()
    assert "style_group_id" not in (told.member or {})


@pytest.fixture
async def named(life: Life) -> list[str]:
    """Passes that are silver by themselves, by member, by group, by template; and bronze ones."""
    await life.keep(
        a_template(template_id=NAMED_TEMPLATE, document={**DOCUMENT, "style_group_id": str(TIERS)})
    )
    await save(life, a_style(BRONZE, 1), a_style(SILVER, 1), a_group(1))
    rich = a_member(member_id="rich", points=150, style_group_id=TIERS)
    poor = a_member(member_id="poor", points=50, style_group_id=TIERS)
    silver = a_member(member_id="silver", style_id=SILVER)
    grouped = a_member(member_id="grouped", points=150)
    return [
        await life.issued(style_id=SILVER),
        await life.issued(member=silver),
        await life.issued(member=rich),
        await life.issued(member=grouped, template_id=NAMED_TEMPLATE),
        await life.issued(member=poor),
        await life.issued(template_id=NAMED_TEMPLATE),
        await life.issued(member=silver, style_id=BRONZE),
        await life.issued(),
    ]


async def test_a_changed_style_is_news_to_those_who_show_it(life: Life, named: list[str]):
    assert await changed(life, *named) == [False] * 8

    await save(life, a_style(SILVER, 2))

    assert await changed(life, *named) == [*[True] * 4, *[False] * 4]


async def test_a_changed_group_is_news_to_all_who_name_it(life: Life, named: list[str]):
    await save(life, a_group(2))

    assert await changed(life, *named) == [False, False, True, True, True, True, False, False]


async def test_the_pages_of_a_style_are_as_long_as_they_may_be(
    life: Life, named: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(templates, "PAGE", 1)
    member = a_member(member_id="many", points=150, style_group_id=TIERS)
    more = [await life.issued(member=member) for _ in range(3)]
    more += [await life.issued(style_id=SILVER) for _ in range(3)]

    await save(life, a_style(SILVER, 2))

    assert await changed(life, *named[:4], *more) == [True] * 10
    assert [one.version for one in await life.read(*more)] == [2] * 6


async def test_what_was_heard_of_before_begins_nothing(life: Life, named: list[str]):
    await save(life, a_style(SILVER, 2))
    await save(life, a_style(SILVER, 2), a_style(SILVER, 1))

    assert [one.version for one in await life.read(*named)] == [2, 2, 2, 2, 1, 1, 1, 1]


async def test_passes_are_composed_by_the_revision_that_is_news(life: Life, named: list[str]):
    async with life.database.work() as work:
        await catalogue.keep_styles([a_style(SILVER, 2)], work)
    await restyle_passes(life.database)

    async with life.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT body FROM outbox WHERE name = 'triggers.passes_changed.v1'"
        )
    assert any(f'"styles_needed":{{"{SILVER}":2}}' in bytes(row["body"]).decode() for row in rows)
    assert (await life.read(named[0]))[0].styles_needed == {}


async def test_who_names_a_style_is_known(life: Life, named: list[str]):
    def asked(named_id: UUID, account_id: UUID = ACCOUNT) -> ReadPassStyleUse:
        return ReadPassStyleUse(account_id=account_id, named_id=named_id)

    answers = await life.ask(
        questions.read_style_uses, asked(SILVER), asked(TIERS), asked(SILVER, OTHER_ACCOUNT)
    )

    assert [answer.in_use for answer in answers] == [True, False, False]
    await life.happened(named[0], "delete")
    [answer] = await life.ask(questions.read_style_uses, asked(SILVER))
    assert not answer.in_use
