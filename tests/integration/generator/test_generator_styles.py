"""Passes composed by the style that they, their members or their template name."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from services.generator.handlers import catalogue
from shared.contracts.gateway import StyleGroupSaved, StyleSaved
from shared.contracts.generator import GooglePass
from shared.errors import ApplicationError, NotReadyError, RetryableError
from tests.integration.generator.generating import (
    ACCOUNT,
    ICON,
    LOGO,
    OTHER_ACCOUNT,
    Generator,
    a_pass,
    check_content,
    good,
    kinds,
    template_saved,
)

BRONZE, SILVER, TIERS = UUID(int=31), UUID(int=32), UUID(int=33)
COLOURS = {BRONZE: "rgb(205, 127, 50)", SILVER: "rgb(192, 192, 192)"}
RULES = [
    {"style_id": str(BRONZE), "min_points": 0, "max_points": 100},
    {"style_id": str(SILVER), "min_points": 101, "max_points": None},
]


def a_style(
    style_id: UUID, revision: int = 1, *, colour: str = "", deleted: bool = False, **rest: Any
) -> StyleSaved:
    colours = {"background_color": colour or COLOURS[style_id]}
    return StyleSaved(
        style_id=style_id,
        account_id=rest.pop("account_id", ACCOUNT),
        revision=revision,
        document={"name": "Style", "brand_colors": colours, **rest},
        images={"logo.png": LOGO} if "assets" in rest else {},
        deleted=deleted,
    )


def a_group(revision: int = 1, rules: list[dict[str, Any]] | None = None) -> StyleGroupSaved:
    return StyleGroupSaved(
        style_group_id=TIERS,
        account_id=ACCOUNT,
        revision=revision,
        document={"name": "Tiers", "rules": rules or RULES},
    )


async def save(generator: Generator, *events: StyleSaved | StyleGroupSaved) -> None:
    async with generator.database.work() as work:
        styles = [event for event in events if isinstance(event, StyleSaved)]
        groups = [event for event in events if isinstance(event, StyleGroupSaved)]
        await catalogue.keep_styles(styles, work)
        await catalogue.keep_style_groups(groups, work)


async def colour(generator: Generator, version: int = 1) -> str | None:
    content = await generator.read(version=version)
    check_content(content)
    return orjson.loads(content.pass_json).get("backgroundColor")


async def at_google(generator: Generator, version: int = 1) -> GooglePass:
    [told] = await generator.want_at_google("handle0", version=version)
    return good(told)


async def test_a_pass_has_the_colour_of_the_style_that_its_points_choose(generator: Generator):
    await save(generator, a_style(BRONZE), a_style(SILVER), a_group())
    member = {"points": 100}
    await generator.fetch([a_pass(style_group_id=TIERS, member=member)])
    assert await colour(generator) == COLOURS[BRONZE]

    built = await generator.build([a_pass(2, style_group_id=TIERS, member={"points": 101})])

    assert [one.content_number for one in built] == [2]
    assert await colour(generator, 2) == COLOURS[SILVER]


async def test_points_that_change_nothing_to_be_seen_are_no_news(generator: Generator):
    await save(generator, a_style(BRONZE), a_style(SILVER), a_group())
    values = {"hidden": 1}
    await generator.fetch([a_pass(1, values, style_group_id=TIERS, member={"points": 1})])

    assert (
        await generator.build([a_pass(2, values, style_group_id=TIERS, member={"points": 2})]) == []
    )


async def test_at_google_a_style_is_a_class_of_its_own(generator: Generator):
    await save(generator, a_style(BRONZE), a_style(SILVER), a_group())
    await generator.build([a_pass(member={"points": 1, "style_group_id": str(TIERS)})])
    bronze = await at_google(generator)

    await generator.build([a_pass(2, member={"points": 101, "style_group_id": str(TIERS)})])

    [silver] = generator.google_built
    assert bronze.class_id.endswith(f"_s{BRONZE.hex}")
    assert silver.class_id.endswith(f"_s{SILVER.hex}")
    assert silver.class_document is not None
    assert silver.class_document.body["hexBackgroundColor"] == "#c0c0c0"
    assert silver.object_document.body["classId"] == silver.class_id
    assert silver.object_document.id == bronze.object_document.id


async def test_the_class_of_a_style_is_newer_with_each_revision_of_either(generator: Generator):
    await save(generator, a_style(BRONZE))
    await generator.build([a_pass(style_id=BRONZE)])
    first = await at_google(generator)
    await save(generator, a_style(BRONZE, 2, colour="white"))
    await generator.build([a_pass(2, style_id=BRONZE)])
    [second] = generator.google_built
    await generator.keep(template_saved(2, description="Tea card"))
    await generator.build([a_pass(3, style_id=BRONZE)])
    [third] = generator.google_built

    assert first.class_revision < second.class_revision < third.class_revision
    assert first.class_id == second.class_id == third.class_id


async def test_a_fetch_gives_the_newest_revision_of_a_style(generator: Generator):
    await save(generator, a_style(BRONZE))
    await generator.fetch([a_pass(style_id=BRONZE)])

    await save(generator, a_style(BRONZE, 3, colour="white"), a_style(BRONZE, 2, colour="black"))

    assert await colour(generator) == "rgb(255, 255, 255)"


async def test_the_images_of_a_style_are_in_the_file(generator: Generator):
    await save(generator, a_style(BRONZE, assets={"apple": {"logo": LOGO.sha256}}))

    [content] = await generator.fetch([a_pass(style_id=BRONZE)])

    check_content(content)
    assert content.images == {"icon.png": ICON, "logo.png": LOGO}


async def test_a_template_names_the_style_of_passes_that_name_none(generator: Generator):
    await save(generator, a_style(BRONZE), a_style(SILVER))
    await generator.keep(template_saved(2, style_id=str(BRONZE)))
    await generator.fetch([a_pass()])
    assert await colour(generator) == COLOURS[BRONZE]

    await generator.build([a_pass(2, style_id=SILVER)])

    assert await colour(generator, 2) == COLOURS[SILVER]


async def test_a_pass_waits_for_its_style(generator: Generator):
    await save(generator, a_group())
    await generator.build([a_pass(style_group_id=TIERS)])

    assert kinds(await generator.want_at_google("handle0")) == ["NotReadyError"]
    with pytest.raises(NotReadyError):
        await generator.read()
    await save(generator, a_style(BRONZE), a_style(SILVER))
    assert await colour(generator) == COLOURS[BRONZE]


async def test_a_change_waits_for_the_revision_that_it_is_about(generator: Generator):
    await save(generator, a_style(BRONZE))
    await generator.fetch([a_pass(style_id=BRONZE)])
    change = a_pass(2, style_id=BRONZE, styles_needed={BRONZE: 2})

    with pytest.raises(RetryableError):
        await generator.build([change])
    await save(generator, a_style(BRONZE, 2, colour="white"))

    assert [one.pass_version for one in await generator.build([change])] == [2]


async def test_a_deleted_style_is_passed_over(generator: Generator):
    await save(generator, a_style(BRONZE), a_style(SILVER, 2, deleted=True))
    member = {"style_id": str(BRONZE)}

    await generator.fetch([a_pass(style_id=SILVER, member=member)])

    assert await colour(generator) == COLOURS[BRONZE]


async def test_the_style_of_another_account_is_none(generator: Generator):
    await save(generator, a_style(SILVER, account_id=OTHER_ACCOUNT))
    await generator.build([a_pass(style_id=SILVER)])

    [answer] = await generator.want_at_google("handle0")

    assert isinstance(answer, NotReadyError | ApplicationError)


async def test_passes_without_a_style_ask_for_none(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("services.generator.repository.bundles.StyleRepository", refuse)

    await generator.fetch([a_pass(member={"name": "Ann", "points": 7})])

    assert await colour(generator) is None
