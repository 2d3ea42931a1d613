import asyncio
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import orjson

from shared.contracts.gateway import ImageReference
from shared.errors import NotFoundError
from tests.integration.generator.generating import (
    ICON,
    OTHER_ACCOUNT,
    OTHER_IDENTITY,
    Generator,
    a_pass,
    a_query,
    an_identity,
    check_content,
    identity_saved,
    kinds,
    points_of,
    template_saved,
    until_somebody_waits,
)

SECOND = timedelta(seconds=1)


async def test_new_revision_is_rendered_at_the_next_reading(generator: Generator):
    await generator.build([a_pass()])
    before = await generator.read()
    await generator.keep(template_saved(2, description="Tea card"))

    after = await generator.read(template_revision=2)

    check_content(after)
    assert orjson.loads(after.pass_json)["description"] == "Tea card"
    assert (after.content_number, after.pass_version) == (before.content_number + 1, 1)
    assert [(c.content_number, c.pass_version) for c in generator.built] == [(2, 1)]
    assert await generator.read(template_revision=2) == after
    assert generator.built == []


async def test_new_images_come_with_the_content_made_for_them(generator: Generator):
    await generator.build([a_pass()])
    icon = ImageReference(sha256="12" * 32, sha1="34" * 20, crc32=5, size=6)
    await generator.keep(template_saved(2, icon=icon))

    content = await generator.read()

    check_content(content)
    assert content.images == {"icon.png": icon}


async def test_revision_without_visible_change_is_no_new_content(generator: Generator):
    await generator.build([a_pass()])
    before = await generator.read()
    await generator.keep(template_saved(2))

    after = await generator.read(template_revision=2)

    assert after == before
    assert generator.built == []


async def test_rotated_identity_signs_anew_without_new_content(generator: Generator):
    await generator.build([a_pass()])
    before = await generator.read()
    await generator.keep(identity_saved(2, an_identity(2)))

    after = await generator.read()

    check_content(after, an_identity(2))
    assert generator.built == []
    parts = {"content_number", "last_modified", "manifest", "pass_json"}
    assert after.model_dump(include=parts) == before.model_dump(include=parts)
    assert await generator.read() == after


async def test_change_after_a_rotation_is_signed_by_the_new_identity(generator: Generator):
    await generator.fetch([a_pass(1)])
    await generator.keep(identity_saved(2, an_identity(2)))

    await generator.build([a_pass(2)])

    check_content(await generator.read(), an_identity(2))


async def test_content_after_a_served_one_is_at_least_a_second_newer(generator: Generator):
    await generator.build([a_pass(1)])
    dates = [(await generator.read()).last_modified]
    for version in range(2, 5):
        await generator.build([a_pass(version)])
        dates.append((await generator.read(version=version)).last_modified)

    assert all(later - earlier >= SECOND for earlier, later in pairwise(dates))


async def test_content_after_one_nobody_saw_need_not_be_newer(generator: Generator):
    served = (await generator.fetch([a_pass(1)]))[0].last_modified
    [unseen] = await generator.build([a_pass(2)])
    await generator.backdate(-timedelta(minutes=1))
    [third] = await generator.build([a_pass(3)])

    assert unseen.last_modified == served + SECOND
    assert third.last_modified == unseen.last_modified + timedelta(minutes=1)


async def test_unseen_content_between_two_served_ones_makes_no_gap(generator: Generator):
    await generator.fetch([a_pass(1)])
    await generator.backdate(-timedelta(minutes=1))
    served = (await generator.read()).last_modified

    await generator.build([a_pass(2)])
    await generator.build([a_pass(3)])

    assert (await generator.read(version=3)).last_modified == served + SECOND


async def test_same_bytes_of_a_newer_version_stay_served(generator: Generator):
    await generator.fetch([a_pass(1, {"hidden": 1})])
    await generator.backdate(-timedelta(minutes=1))
    served = (await generator.read()).last_modified

    await generator.build([a_pass(2, {"hidden": 2})])
    [changed] = await generator.build([a_pass(3)])

    assert changed.last_modified == served + SECOND


async def test_content_is_not_sent_again_to_whoever_has_it(generator: Generator):
    await generator.build([a_pass(1)])
    content = await generator.read()

    same = await generator.read(modified_since=content.last_modified)
    older = await generator.read(modified_since=content.last_modified - SECOND)

    assert same.not_modified
    assert (same.pass_json, same.manifest, same.signature) == (b"", b"", b"")
    assert same.last_modified == content.last_modified
    assert older == content


async def test_content_changed_within_the_same_second_is_sent(generator: Generator):
    await generator.build([a_pass(1)])
    seen = await generator.read()

    await generator.build([a_pass(2)])

    changed = await generator.read(version=2, modified_since=seen.last_modified)
    assert not changed.not_modified
    assert points_of(changed) == 2


async def test_who_reads_while_a_content_is_replaced_gets_the_new_one(generator: Generator):
    """Else the new one could have the date of the old one, and a device would never ask for it."""
    await generator.fetch([a_pass(1)])
    await generator.build([a_pass(2)])
    async with generator.database.work() as building:
        await generator.build_in(building, a_pass(3))
        reading = asyncio.create_task(generator.read())
        await until_somebody_waits(generator.database)

    seen = await reading
    await generator.build([a_pass(4)])

    check_content(seen)
    assert points_of(seen) == 3
    assert not (await generator.read(version=4, modified_since=seen.last_modified)).not_modified


async def test_content_replaced_by_one_of_an_older_revision_is_composed_again(
    generator: Generator,
):
    await generator.fetch([a_pass(1)])
    async with generator.database.work() as building:
        await generator.build_in(building, a_pass(2))
        await generator.keep(template_saved(2, description="Tea card"))
        reading = asyncio.create_task(generator.read(template_revision=2))
        await until_somebody_waits(generator.database)

    content = await reading
    check_content(content)
    assert orjson.loads(content.pass_json)["description"] == "Tea card"
    assert points_of(content) == 2


async def test_changes_between_two_fetches_cost_one_signature(generator: Generator):
    await generator.fetch([a_pass(1)])
    for version in range(2, 22):
        assert len(await generator.build([a_pass(version)])) == 1
        assert await signatures(generator) == 0

    content = await generator.read(version=21)

    check_content(content)
    assert content.content_number == 21
    assert await signatures(generator) == 1
    assert await generator.read(version=21) == content


async def test_a_pass_nobody_has_fetched_is_not_composed(generator: Generator):
    for version in (1, 2, 3):
        assert await generator.build([a_pass(version)]) == []

    async with generator.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM apple_contents") == 0
    assert (await generator.read(version=3)).content_number == 1


async def test_what_a_device_has_already_is_not_signed_anew(generator: Generator):
    await generator.build([a_pass(1)])
    content = await generator.read()
    await generator.keep(identity_saved(2, an_identity(2)), template_saved(2))

    same = await generator.read(template_revision=2, modified_since=content.last_modified)

    assert same.not_modified
    assert await signatures(generator) == 0
    check_content(await generator.read(template_revision=2), an_identity(2))


async def test_two_processes_that_serve_a_pass_at_once_serve_the_same_bytes(generator: Generator):
    other = Generator(generator.database)
    for version in range(1, 6):
        await generator.build([a_pass(version)])

        one, two = await asyncio.gather(
            generator.read(version=version), other.read(version=version)
        )

        check_content(one)
        assert one == two


async def test_a_template_with_another_identity_of_the_same_type_is_signed_by_that(
    generator: Generator,
):
    await generator.fetch([a_pass(1)])
    other = an_identity(2)
    await generator.keep(identity_saved(1, other, identity_id=OTHER_IDENTITY))
    await generator.keep(template_saved(2, identity_id=OTHER_IDENTITY))

    content = await generator.read(template_revision=2)

    check_content(content, other)
    assert content.content_number == 1


async def signatures(generator: Generator) -> int:
    """How many contents are signed."""
    async with generator.database.connection() as connection:
        return await connection.fetchval(
            "SELECT count(*) FROM apple_contents WHERE signature_value IS NOT NULL"
        )


async def test_content_of_another_account_is_not_found(generator: Generator):
    await generator.build([a_pass()])
    await generator.keep(template_saved(2, description="Tea card"))
    await generator.build([a_pass(handle="deleted")])
    await generator.delete(handle="deleted")

    outcomes = await generator.ask(
        a_query(account_id=OTHER_ACCOUNT),
        a_query(account_id=OTHER_ACCOUNT, version=9, template_revision=9),
        a_query("deleted", account_id=OTHER_ACCOUNT),
        a_query(template_id=UUID(int=11)),
    )

    assert kinds(outcomes) == ["NotFoundError"] * 4
    assert all(isinstance(outcome, NotFoundError) for outcome in outcomes)
    async with generator.database.connection() as connection:
        assert not await connection.fetchval("SELECT bool_or(served) FROM apple_contents")
    assert generator.built == []


async def test_refused_rows_do_not_keep_others_from_their_content(generator: Generator):
    await generator.build([a_pass(), a_pass(handle="deleted")])
    await generator.delete(handle="deleted")

    outcomes = await generator.ask(
        a_query(account_id=OTHER_ACCOUNT), a_query("deleted"), a_query(), a_query()
    )

    assert kinds(outcomes) == ["NotFoundError", "ContentGoneError", "Content", "Content"]


async def test_many_reading_a_new_revision_at_once_get_one_content(generator: Generator):
    passes = [a_pass(handle=f"handle{n}") for n in range(10)]
    await generator.fetch(passes)
    await generator.keep(template_saved(2, description="Tea card"))
    queries = [a_query(p.handle, template_revision=2) for p in passes]

    answers = await asyncio.gather(generator.ask(*queries), generator.ask(*reversed(queries)))

    assert [kinds(contents) for contents in answers] == [["Content"] * 10] * 2
    content = await generator.read(template_revision=2)
    check_content(content)
    assert (content.content_number, content.images) == (2, {"icon.png": ICON})
