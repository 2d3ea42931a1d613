import asyncio
import random

import orjson
import pytest

from services.generator import jobs
from services.generator.app import build
from services.generator.domain import ContentGoneError
from services.generator.jobs import cut_tokens
from services.generator.renderers.blanks import BETWEEN
from services.generator.repository.bundles import BundleCache
from services.generator.repository.contents import ContentRepository
from services.generator.settings import Settings
from shared.errors import RetryableError
from shared.messaging.embedded import EmbeddedTransport
from shared.passes.apple.tokens import PassTokens
from shared.sealing import MasterKeys
from tests.integration.generator.generating import (
    KEYS,
    OTHER_IDENTITY,
    POINTS,
    ROOT_URL,
    TOKENS,
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


async def test_built_content_is_what_wallet_accepts(generator: Generator):
    assert await generator.build([a_pass(3, {POINTS: 7}, member={"name": "Ann"})]) == []

    content = await generator.read(version=3)
    check_content(content)
    pass_json = orjson.loads(content.pass_json)
    assert (pass_json["passTypeIdentifier"], pass_json["teamIdentifier"]) == (
        "pass.com.example.coffee",
        "TEAM123456",
    )
    assert pass_json["serialNumber"] == "serial of handle0"
    assert pass_json["storeCard"]["secondaryFields"][0]["value"] == "Ann"
    assert points_of(content) == 7
    assert (content.content_number, content.pass_version) == (1, 3)
    assert content.last_modified.microsecond == 0


async def test_a_first_content_is_news_to_nobody(generator: Generator):
    await generator.fetch([a_pass()])

    assert generator.built == []


async def test_a_pass_tells_devices_where_to_ask_and_with_which_token(generator: Generator):
    await generator.build([a_pass(token_key=TOKENS.newest_id)])

    pass_json = orjson.loads((await generator.read()).pass_json)
    assert pass_json["webServiceURL"] == "https://passes.example/wallet"
    assert TOKENS.verify(
        "pass.com.example.coffee", "serial of handle0", pass_json["authenticationToken"]
    )


async def test_the_token_of_a_pass_is_stored_nowhere(generator: Generator):
    await generator.build([a_pass()])

    token = orjson.loads((await generator.read()).pass_json)["authenticationToken"]
    assert token.encode().hex() not in await stored(generator)
    assert token not in await stored(generator)


async def test_a_pass_whose_secret_was_taken_away_gets_another_token_at_its_next_reading(
    generator: Generator,
):
    newer = PassTokens([bytes([1]) * 32])
    await generator.build([a_pass(token_key=TOKENS.newest_id)])
    before = await generator.read()
    generator.cache = BundleCache(KEYS, ROOT_URL, newer)

    after = await generator.read()

    check_content(after)
    token = orjson.loads(after.pass_json)["authenticationToken"]
    assert newer.verify("pass.com.example.coffee", "serial of handle0", token)
    assert after.content_number == before.content_number + 1


async def test_contents_that_hold_their_tokens_lose_them_and_are_served_as_before(
    generator: Generator,
):
    handles = [f"handle{number}" for number in range(5)]
    await generator.build([a_pass(handle=handle) for handle in handles])
    before = [await generator.read(handle=handle) for handle in handles]
    async with generator.database.work() as work:
        for content in before:
            await work.connection.execute(
                """
                UPDATE apple_contents
                SET files = $2, blank_id = NULL, token_at = NULL, token_key = NULL
                WHERE handle = $1
                """,
                content.handle,
                content.pass_json + BETWEEN + content.manifest,
            )
        await work.connection.execute("INSERT INTO token_cuts VALUES ('')")
    as_it_was = [await generator.read(handle=handle) for handle in handles]

    await cut_tokens(generator.database, TOKENS, turn=2)

    assert as_it_was == before == [await generator.read(handle=handle) for handle in handles]
    tokens = [orjson.loads(content.pass_json)["authenticationToken"] for content in before]
    text = await stored(generator)
    assert [token for token in tokens if token.encode().hex() in text] == []
    async with generator.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM token_cuts") == 0


async def stored(generator: Generator) -> str:
    """Everything that the table of contents holds, also unpacked."""
    async with generator.database.connection() as connection:
        text = await connection.fetchval("SELECT string_agg(c::text, ' ') FROM apple_contents c")
        handles = [row["handle"] for row in await connection.fetch("SELECT handle FROM passes")]
        _, contents = await ContentRepository(connection).find(handles)
        blanks = await generator.cache.blanks(
            connection, {c.blank_id for c in contents.values() if c.blank_id is not None}
        )
    files = [file.hex() for c in contents.values() for file in c.unpack(blanks)]
    return " ".join([text, *files])


async def test_a_built_content_tells_the_first_version_that_may_be_new_in_it(generator: Generator):
    await generator.fetch([a_pass(1, {POINTS: 1})])
    assert await generator.build([a_pass(4, {POINTS: 1})]) == []  # the same bytes
    [later] = await generator.build([a_pass(7, {POINTS: 2})])

    assert (later.content_number, later.since_version, later.pass_version) == (2, 5, 7)
    assert later.push_version == 7
    assert later.last_modified == (await generator.read(version=7)).last_modified
    assert (later.pass_type_identifier, later.serial_number) == (
        "pass.com.example.coffee",
        "serial of handle0",
    )


async def test_strings_of_other_languages_are_in_the_manifest_and_beside_it(generator: Generator):
    await generator.keep(template_saved(2, localizations={"de": {"Points": "Punkte"}, "fr": {}}))
    await generator.build([a_pass()])

    content = await generator.read(template_revision=2)
    assert content.files == {"de.lproj/pass.strings": b'"Points" = "Punkte";\n'}
    check_content(content)


async def test_many_passes_are_built_in_one_batch(generator: Generator):
    passes = [a_pass(values={POINTS: n}, handle=f"handle{n}") for n in range(40)]

    contents = await generator.fetch(passes[:25], passes[25:])

    assert len(contents) == 40
    for number in (0, 17, 39):
        content = await generator.read(handle=f"handle{number}")
        check_content(content)
        assert points_of(content) == number


async def test_same_bytes_are_no_new_content(generator: Generator):
    await generator.build([a_pass(1, {POINTS: 7, "hidden": 1})])
    before = await generator.read()

    built = await generator.build([a_pass(2, {POINTS: 7, "hidden": 2})])

    assert built == []
    after = await generator.read(version=2)
    assert after.pass_version == 2
    assert after.model_dump(exclude={"pass_version"}) == before.model_dump(exclude={"pass_version"})


async def test_version_that_arrives_late_is_dropped(generator: Generator):
    await generator.fetch([a_pass(3)])

    built = await generator.build([a_pass(2)])

    assert built == []
    content = await generator.read()
    assert (content.pass_version, content.content_number, points_of(content)) == (3, 1, 3)


async def test_shuffled_and_repeated_changes_end_at_the_newest(generator: Generator):
    shuffle = random.Random(7)
    changes = [a_pass(version, handle=f"handle{n}") for n in range(3) for version in range(1, 8)]
    changes *= 2
    shuffle.shuffle(changes)

    while changes:
        batch, changes = changes[:5], changes[5:]
        await generator.build(batch[:2], batch[2:])

    for number in range(3):
        content = await generator.read(handle=f"handle{number}")
        check_content(content)
        assert (content.pass_version, points_of(content)) == (7, 7)


async def test_versions_built_at_the_same_time_end_at_the_newest(generator: Generator):
    await asyncio.gather(*(generator.build([a_pass(version)]) for version in range(1, 9)))

    content = await generator.read()
    check_content(content)
    assert (content.pass_version, points_of(content)) == (8, 8)


async def test_new_pass_built_twice_at_the_same_time_is_one_content(generator: Generator):
    async with generator.database.work() as first:
        await generator.build_in(first, a_pass(1))
        second = asyncio.create_task(generator.build([a_pass(2)]))
        await until_somebody_waits(generator.database)
    assert await second == []

    content = await generator.read()
    check_content(content)
    assert (content.content_number, content.pass_version, points_of(content)) == (1, 2, 2)


async def test_older_version_of_a_new_pass_that_loses_the_race_is_dropped(generator: Generator):
    async with generator.database.work() as first:
        await generator.build_in(first, a_pass(2))
        second = asyncio.create_task(generator.build([a_pass(1)]))
        await until_somebody_waits(generator.database)

    assert await second == []
    content = await generator.read()
    check_content(content)
    assert (content.pass_version, points_of(content)) == (2, 2)


async def test_version_refused_for_its_older_revision_comes_again(generator: Generator):
    """Neither may fall, so what has the newer version but the older revision is made anew."""
    other = Generator(generator.database)
    await generator.fetch([a_pass(1)])
    async with generator.database.work() as first:
        await generator.build_in(first, a_pass(2))
        second = asyncio.create_task(other.build([a_pass(3)]))
        await until_somebody_waits(generator.database)
        await first.connection.execute("UPDATE apple_contents SET template_revision = 2")
    with pytest.raises(RetryableError):
        await second

    await generator.keep(template_saved(2))
    await other.build([a_pass(3)])

    content = await generator.read(template_revision=2)
    assert (content.pass_version, points_of(content)) == (3, 3)


async def test_pass_whose_template_has_not_arrived_is_kept_and_composed_then(bare: Generator):
    await bare.build([a_pass()])
    assert kinds(await bare.ask(a_query())) == ["NotReadyError"]
    await bare.keep(template_saved())
    assert kinds(await bare.ask(a_query())) == ["NotReadyError"]
    await bare.keep(identity_saved())

    check_content(await bare.read())


async def test_pass_that_is_to_show_a_newer_revision_comes_again(generator: Generator):
    await generator.fetch([a_pass()])
    pushed = a_pass(2, template_revision=2)

    with pytest.raises(RetryableError):
        await generator.build([pushed])
    await generator.keep(template_saved(2))

    assert len(await generator.build([pushed])) == 1


async def test_deleted_pass_refuses_what_comes_late(generator: Generator):
    await generator.fetch([a_pass(1)])
    await generator.delete(2)

    assert await generator.build([a_pass(1)], [a_pass(3)]) == []
    assert kinds(await generator.ask(a_query())) == ["ContentGoneError"]
    async with generator.database.connection() as connection:
        assert await connection.fetchval("SELECT state FROM passes") == ""
        assert await connection.fetchval("SELECT count(*) FROM apple_contents") == 0


async def test_pass_deleted_before_it_came_stays_deleted(generator: Generator):
    await generator.delete(2)

    assert await generator.build([a_pass(1)]) == []
    with pytest.raises(ContentGoneError):
        await generator.read()


async def test_new_pass_deleted_while_it_is_built_stays_deleted(generator: Generator):
    async with generator.database.work() as deleting:
        await generator.delete_in(deleting, 2)
        building = asyncio.create_task(generator.build([a_pass(3)]))
        await until_somebody_waits(generator.database)

    assert await building == []
    with pytest.raises(ContentGoneError):
        await generator.read()


async def test_tombstones_are_forgotten_after_30_days(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "FORGET_TURN", 2)
    for number in range(6):
        await generator.delete(handle=f"handle{number}")
    await generator.build([a_pass(handle="living")])
    async with generator.database.work() as work:
        await work.connection.execute(
            """
            UPDATE passes
            SET deleted_at = now() - interval '30 days 1 minute'
            WHERE handle <> 'handle0'
                AND deleted_at IS NOT NULL
            """
        )

    await jobs.forget_tombstones(generator.database)

    async with generator.database.connection() as connection:
        left = await connection.fetch("SELECT handle FROM passes ORDER BY handle")
    assert [row["handle"] for row in left] == ["handle0", "living"]


async def test_older_revisions_that_come_late_are_dropped(generator: Generator):
    await generator.keep(template_saved(3, description="Third"), identity_saved(3, an_identity(3)))
    await generator.keep(template_saved(2, description="Second"), identity_saved(2, an_identity(2)))

    await generator.build([a_pass()])

    content = await generator.read(template_revision=3)
    check_content(content, an_identity(3))
    assert orjson.loads(content.pass_json)["description"] == "Third"


async def test_template_may_change_to_an_identity_of_a_lower_revision(generator: Generator):
    await generator.keep(identity_saved(5))
    await generator.build([a_pass(1)])
    await generator.read()
    gift = an_identity(2, "pass.com.example.gift")
    await generator.keep(identity_saved(1, gift, identity_id=OTHER_IDENTITY))
    await generator.keep(template_saved(2, identity_id=OTHER_IDENTITY))

    rendered_again = await generator.read(template_revision=2)
    await generator.build([a_pass(2)])

    check_content(rendered_again, gift)
    changed = await generator.read(version=2, template_revision=2)
    check_content(changed, gift)
    assert (changed.content_number, points_of(changed)) == (3, 2)


async def test_content_of_a_version_to_come_is_waited_for(generator: Generator):
    early = [a_query(), a_query(template_revision=2)]
    assert kinds(await generator.ask(*early)) == ["NotReadyError"] * 2
    await generator.build([a_pass(1)])

    later = [a_query(version=2), a_query(template_revision=2), a_query()]
    assert kinds(await generator.ask(*later)) == ["NotReadyError"] * 2 + ["Content"]


async def test_service_is_built_from_its_settings(generator_database: str):
    settings = Settings.model_validate(
        {"DATABASE_URL": generator_database, "master_keys": MasterKeys.generate_text()}
    )

    service = build(settings, EmbeddedTransport(generator_database))

    assert service.name == "generator"
    for close in service.closed:
        await close()
