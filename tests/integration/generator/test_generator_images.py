"""Passes with images of their own."""

import orjson
import pytest

from shared.errors import NotReadyError, RetryableError
from tests.integration.generator.generating import (
    ICON,
    LOGO,
    OTHER_ACCOUNT,
    Generator,
    a_pass,
    check_content,
    images_saved,
    template_saved,
)

OWN = {"images_logo": LOGO.sha256}


async def test_an_own_image_is_in_the_manifest_and_among_the_images(generator: Generator):
    await generator.keep(images_saved(LOGO), images_saved(LOGO, ICON))
    await generator.build([a_pass(values=OWN), a_pass(values={}, handle="plain")])

    content, plain = await generator.read(), await generator.read(handle="plain")

    check_content(content)
    assert content.images == {"icon.png": ICON, "logo.png": LOGO}
    assert orjson.loads(content.manifest)["logo.png"] == LOGO.sha1
    check_content(plain)
    assert plain.images == {"icon.png": ICON}


async def test_an_own_image_goes_before_the_template_s(generator: Generator):
    await generator.keep(images_saved(LOGO))
    await generator.build([a_pass(values={"images_icon": LOGO.sha256})])

    content = await generator.read()

    check_content(content)
    assert content.images == {"icon.png": LOGO}


async def test_another_own_image_is_another_content(generator: Generator):
    await generator.keep(images_saved(LOGO, ICON))
    await generator.build([a_pass(1, OWN)])
    first = await generator.read()

    await generator.build([a_pass(2, {"images_logo": ICON.sha256})])
    second = await generator.read(version=2)
    await generator.build([a_pass(3, {})])
    third = await generator.read(version=3)

    assert [c.content_number for c in (first, second, third)] == [1, 2, 3]
    assert first.last_modified < second.last_modified < third.last_modified
    assert first.pass_json == second.pass_json == third.pass_json
    assert "logo.png" not in third.images
    check_content(third)


async def test_a_pass_whose_image_is_late_is_built_when_it_has_come(generator: Generator):
    await generator.fetch([a_pass()])
    with pytest.raises(RetryableError):
        await generator.build([a_pass(2, OWN)])
    await generator.keep(images_saved(LOGO))

    await generator.build([a_pass(2, OWN)])

    assert (await generator.read()).images["logo.png"] == LOGO


async def test_a_reader_waits_for_an_image_that_was_lost(generator: Generator):
    await generator.keep(images_saved(LOGO))
    await generator.build([a_pass(values=OWN)])
    async with generator.database.work() as work:
        await work.connection.execute("DELETE FROM images")

    with pytest.raises(NotReadyError):
        await generator.read()
    await generator.keep(template_saved(2, description="Tea card"))
    with pytest.raises(NotReadyError):
        await generator.read(template_revision=2)
    await generator.keep(images_saved(LOGO))

    check_content(await generator.read(template_revision=2))


async def test_the_images_of_another_account_are_none(generator: Generator):
    await generator.keep(images_saved(LOGO, account_id=OTHER_ACCOUNT))

    await generator.build([a_pass(values=OWN)])
    with pytest.raises(NotReadyError):
        await generator.read()


async def test_passes_without_own_images_look_for_none(generator: Generator):
    await generator.build([a_pass()])
    async with generator.database.work() as other:
        await other.connection.execute("LOCK TABLE images")

        await generator.build([a_pass(2)])

        check_content(await generator.read(version=2))
