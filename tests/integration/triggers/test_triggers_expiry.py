"""Passes expire by themselves: noticed once for each date, also when a revision changes it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.triggers import jobs
from services.triggers.jobs import templates
from services.triggers.repository import corrections
from shared import clock
from tests.integration.triggers.life import DOCUMENT, Life, a_template

DATED: dict[str, Any] = {**DOCUMENT, "properties": {**DOCUMENT["properties"], "season": ""}}


def a_date(days: float) -> str:
    moment = clock.now() + timedelta(days=days)
    return moment.replace(microsecond=0).isoformat()


async def save(life: Life, revision: int, expiration: str | None, **properties: str) -> None:
    document = {**DATED, "properties": {**DATED["properties"], **properties}}
    if expiration is not None:
        document = {**document, "pass": {**DATED["pass"], "expirationDate": expiration}}
    await life.keep(a_template(revision, document=document))


async def expired(life: Life, handle: str) -> int:
    await jobs.expire_passes(life.database, life.cache)
    return [event.kind for event in await life.timeline(handle)].count("expire")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "WAIT_SECONDS", 0)


async def test_pass_whose_date_has_passed_expires_once(life: Life):
    past, future, never = [
        await life.issued(values)
        for values in ({"expirationDate": a_date(-1)}, {"expirationDate": a_date(1)}, {})
    ]

    counts = [await expired(life, past) for _ in range(2)]

    [found] = await life.read(past)
    assert counts == [1, 1]
    assert (found.version, found.push_version) == (2, 2)
    assert [await expired(life, handle) for handle in (future, never)] == [0, 0]
    assert (await life.counts()).totals["passes_expire"] == 1


async def test_pass_that_gets_another_date_can_expire_again(life: Life):
    handle = await life.issued({"expirationDate": a_date(-2)})
    await expired(life, handle)

    await life.happened(handle, "update", {"expirationDate": a_date(1)})
    waiting = await expired(life, handle)
    await life.happened(handle, "update", {"expirationDate": a_date(-1)})

    assert (waiting, await expired(life, handle)) == (1, 2)


async def test_many_expire_turn_by_turn_and_at_two_places_at_once(
    life: Life, monkeypatch: pytest.MonkeyPatch
):
    handles = [await life.issued({"expirationDate": a_date(-1)}) for _ in range(7)]
    deleted = await life.issued({"expirationDate": a_date(-1)})
    await life.happened(deleted, "delete")
    monkeypatch.setattr(jobs, "EXPIRE_TURN", 2)

    await asyncio.gather(*(jobs.expire_passes(life.database, life.cache) for _ in range(3)))

    assert [await expired(life, handle) for handle in handles] == [1] * 7
    assert await expired(life, deleted) == 0


async def test_new_revision_redates_the_passes_that_follow_it(
    life: Life, at_once: None, monkeypatch: pytest.MonkeyPatch
):
    handles = [await life.issued() for _ in range(5)]
    own = await life.issued({"expirationDate": a_date(2)})
    monkeypatch.setattr(templates, "PAGE", 2)

    await save(life, 2, a_date(-1))
    before = [await expired(life, handle) for handle in handles]
    await templates.correct_dates(life.database, life.cache)
    after = [await expired(life, handle) for handle in handles]

    assert (before, after) == ([0] * 5, [1] * 5)
    assert await expired(life, own) == 0
    assert await open_corrections(life) == 0


async def test_date_moved_before_it_came_lets_nothing_expire(life: Life, at_once: None):
    date = a_date(-1)
    await save(life, 2, "{season}", season=date)
    handle = await life.issued(revision=2)

    await save(life, 3, "{season}", season=a_date(1))

    assert await expired(life, handle) == 0
    assert await open_corrections(life) == 1
    async with life.database.connection() as connection:
        [row] = await connection.fetch("SELECT expires_at, expired FROM passes")
    assert row["expires_at"] > datetime.fromisoformat(date)
    assert not row["expired"]


async def test_revision_that_leaves_dates_alone_starts_no_walk(life: Life, at_once: None):
    date = a_date(1)
    await save(life, 2, date)
    await templates.correct_dates(life.database, life.cache)

    await save(life, 3, date, note="another text")

    assert await open_corrections(life) == 0


async def test_walk_waits_for_those_who_still_issue_by_the_revision_before(life: Life):
    handle = await life.issued()

    await save(life, 2, a_date(-1))
    await templates.correct_dates(life.database, life.cache)

    assert await open_corrections(life) == 1
    assert await expired(life, handle) == 0


async def test_revision_saved_during_the_walk_begins_it_anew(
    life: Life, at_once: None, monkeypatch: pytest.MonkeyPatch
):
    handles = [await life.issued() for _ in range(4)]
    monkeypatch.setattr(templates, "PAGE", 3)
    monkeypatch.setattr(templates, "CORRECT_TURNS", 1)
    await save(life, 2, a_date(1))
    await templates.correct_dates(life.database, life.cache)

    await save(life, 3, a_date(-1))
    for _ in range(3):
        await templates.correct_dates(life.database, life.cache)

    assert [await expired(life, handle) for handle in handles] == [1] * 4


async def open_corrections(life: Life) -> int:
    async with life.database.connection() as connection:
        return await connection.fetchval("SELECT count(*) FROM corrections")
