"""Pushes of all installed passes as jobs: followed, paused, cancelled, in turns."""

from typing import Any
from uuid import UUID

import pytest

from services.triggers import jobs
from services.triggers.domain import PassRecord
from services.triggers.handlers import pushes
from services.triggers.jobs import templates
from services.triggers.repository.passes import PassRepository
from shared.contracts.triggers import (
    ControlTemplatePush,
    ListTemplatePushes,
    PassesChanged,
    PassesPushed,
    PushPasses,
    ReadTemplatePush,
    TemplatePush,
    TemplatePushPage,
)
from shared.errors import ApplicationError, NotReadyError
from shared.identifiers import new_id
from tests.integration.triggers.life import (
    ACCOUNT,
    DOCUMENT,
    OTHER_ACCOUNT,
    TEMPLATE,
    Life,
    a_template,
    good,
)
from tests.integration.triggers.test_triggers_devices import an_act

OTHER_TEMPLATE = UUID(int=11)
NEWS = "structure_backFields_news_value"
NEWSY: dict[str, Any] = {
    **DOCUMENT,
    "pass": {"storeCard": {"backFields": [{"key": "news", "value": "old"}]}},
}


async def installed(life: Life, count: int, **rest: Any) -> list[str]:
    handles = sorted([await life.issued(**rest) for _ in range(count)])
    await life.act(*(an_act(handle, "install", 1, 1, 1) for handle in handles))
    return handles


async def begin(life: Life, template_id: UUID = TEMPLATE, **rest: Any) -> UUID:
    command = PushPasses(command_id=new_id(), account_id=ACCOUNT, template_id=template_id, **rest)
    async with life.database.work() as work:
        [pushed] = await pushes.push_passes([command], work, cache=life.cache)
    assert isinstance(pushed, PassesPushed)
    assert pushed.job_id == command.command_id
    return command.command_id


async def control(
    life: Life, job_id: UUID, action: Any, account_id: UUID = ACCOUNT
) -> TemplatePush:
    command = ControlTemplatePush(
        command_id=new_id(), account_id=account_id, job_id=job_id, action=action
    )
    async with life.database.work() as work:
        return good((await pushes.control_template_pushes([command], work))[0])


async def job_of(life: Life, job_id: UUID, account_id: UUID = ACCOUNT) -> TemplatePush:
    query = ReadTemplatePush(account_id=account_id, job_id=job_id)
    return good((await life.ask(pushes.read_template_pushes, query))[0])


async def pushed(life: Life) -> set[str]:
    return {found.handle for found in (await life.page(kind="push", limit=50)).passes}


class KilledError(Exception):
    pass


def turn_by_turn(
    turns: int, monkeypatch: pytest.MonkeyPatch, size: int = 1
) -> pytest.RaisesExc[KilledError]:
    """Let template_pushes take only so many turns, as a process does that is killed."""
    left = iter(range(turns))
    lock = PassRepository.lock_in_wallets

    async def turn(passes: PassRepository, *arguments: Any) -> list[PassRecord]:
        if next(left, None) is None:
            raise KilledError
        return await lock(passes, *arguments)

    monkeypatch.setattr(templates, "PAGE", size)
    monkeypatch.setattr(PassRepository, "lock_in_wallets", turn)
    return pytest.raises(KilledError)


async def test_job_tells_how_far_it_is_and_ends(life: Life, monkeypatch: pytest.MonkeyPatch):
    handles = await installed(life, 5)
    job_id = await begin(life)
    first = await job_of(life, job_id)

    with monkeypatch.context() as patch, turn_by_turn(2, patch, size=2):
        await templates.push_passes(life.database, life.cache)
    halfway = await job_of(life, job_id)
    await templates.push_passes(life.database, life.cache)

    last = await job_of(life, job_id)
    assert [(job.state, job.total, job.done) for job in (first, halfway, last)] == [
        ("running", 5, 0), ("running", 5, 4), ("done", 5, 5),
    ]  # fmt: skip
    assert (first.ended_at, last.ended_at is not None) == (None, True)
    assert await pushed(life) == set(handles)
    assert (await life.counts()).totals["push"] == 5


async def test_passes_that_are_kept_at_google_are_pushed_though_nobody_has_them(life: Life):
    wanted, strangers, _ = await life.issued(), await life.issued(), await life.issued()
    await life.want_at_google(wanted, wanted)
    await life.want_at_google(strangers, account_id=OTHER_ACCOUNT)
    [on_a_phone] = await installed(life, 1)

    job_id = await begin(life)
    await templates.push_passes(life.database, life.cache)

    assert await pushed(life) == {wanted, on_a_phone}
    assert (await job_of(life, job_id)).total == 2


async def test_only_passes_that_are_on_a_device_now_are_pushed(life: Life):
    kept, dropped = await installed(life, 2)
    await life.act(an_act(dropped, "remove", 2, 2, 0))
    noted, _ = await life.issued(), await life.issued()
    await life.happened(noted, "install")

    job_id = await begin(life)
    await templates.push_passes(life.database, life.cache)

    assert await pushed(life) == {kept, noted}
    assert (await job_of(life, job_id)).total == 2


async def test_paused_job_waits_and_holds_nobody_up(life: Life):
    await life.keep(a_template(template_id=OTHER_TEMPLATE))
    mine = await installed(life, 2)
    others = await installed(life, 2, template_id=OTHER_TEMPLATE)
    first, second = await begin(life), await begin(life, OTHER_TEMPLATE)

    paused = await control(life, first, "pause")
    again = await control(life, first, "pause")
    await templates.push_passes(life.database, life.cache)
    meanwhile = await pushed(life)
    resumed = await control(life, first, "resume")
    await templates.push_passes(life.database, life.cache)

    assert [job.state for job in (paused, again, resumed)] == ["paused", "paused", "running"]
    assert meanwhile == set(others)
    assert await pushed(life) == {*mine, *others}
    assert [(await job_of(life, job)).state for job in (first, second)] == ["done", "done"]


async def test_jobs_take_turns(life: Life, monkeypatch: pytest.MonkeyPatch):
    await life.keep(a_template(template_id=OTHER_TEMPLATE))
    await installed(life, 4)
    await installed(life, 4, template_id=OTHER_TEMPLATE)
    jobs_begun = [await begin(life), await begin(life, OTHER_TEMPLATE)]

    with turn_by_turn(4, monkeypatch):
        await templates.push_passes(life.database, life.cache)

    assert [(await job_of(life, job)).done for job in jobs_begun] == [2, 2]


async def test_cancelled_job_stops_where_it_is(life: Life, monkeypatch: pytest.MonkeyPatch):
    await installed(life, 3)
    job_id = await begin(life)
    with monkeypatch.context() as patch, turn_by_turn(1, patch):
        await templates.push_passes(life.database, life.cache)

    cancelled = await control(life, job_id, "cancel")
    await templates.push_passes(life.database, life.cache)

    assert (cancelled.state, cancelled.ended_at is not None) == ("cancelled", True)
    assert (await job_of(life, job_id)).done == len(await pushed(life)) == 1


async def test_ended_jobs_are_controlled_no_more(life: Life):
    done, cancelled = await begin(life), await begin(life)
    await control(life, cancelled, "cancel")
    await templates.push_passes(life.database, life.cache)

    for job_id in (done, cancelled):
        for action in ("pause", "resume", "cancel"):
            with pytest.raises(ApplicationError) as refused:
                await control(life, job_id, action)
            assert (refused.value.status, refused.value.code) == (409, "push_job_ended")


async def test_jobs_of_others_are_not_there(life: Life):
    job_id = await begin(life)

    for asked in (
        job_of(life, job_id, OTHER_ACCOUNT),
        control(life, job_id, "cancel", UUID(int=9)),
    ):
        with pytest.raises(ApplicationError) as refused:
            await asked
        assert (refused.value.status, refused.value.code) == (404, "push_job_not_found")
    assert (await job_of(life, job_id)).state == "running"


async def test_jobs_are_listed_newest_first(life: Life):
    begun = [await begin(life) for _ in range(3)]
    other = await begin(life, OTHER_TEMPLATE)

    async def listed(account_id: UUID = ACCOUNT, **rest: Any) -> TemplatePushPage:
        query = ListTemplatePushes(account_id=account_id, **rest)
        return (await life.ask(pushes.list_template_pushes, query))[0]

    first = await listed(limit=2)
    second = await listed(limit=2, before=first.jobs[-1].job_id)
    of_template = await listed(template_id=TEMPLATE)

    assert [job.job_id for job in (*first.jobs, *second.jobs)] == [other, *reversed(begun)]
    assert (first.more, second.more) == (True, False)
    assert [job.job_id for job in of_template.jobs] == list(reversed(begun))
    assert (await listed(OTHER_ACCOUNT)).jobs == []


async def test_ended_jobs_are_forgotten_after_a_month(life: Life):
    old, paused, fresh = [await begin(life) for _ in range(3)]
    await control(life, old, "cancel")
    await control(life, fresh, "cancel")
    await control(life, paused, "pause")
    async with life.database.work() as work:
        await work.connection.execute(
            """
            UPDATE template_pushes
            SET
                created_at = created_at - interval '31 days',
                ended_at = ended_at - interval '31 days'
            WHERE command_id = ANY($1)
            """,
            [old, paused],
        )

    await jobs.forget_tombstones(life.database)

    page = (await life.ask(pushes.list_template_pushes, ListTemplatePushes(account_id=ACCOUNT)))[0]
    assert [job.job_id for job in page.jobs] == [fresh, paused]


async def test_job_takes_own_values_away_that_would_hide_the_news(life: Life):
    await life.keep(a_template(2, document=NEWSY))
    own = await life.issued({NEWS: "mine", "note": "x"}, revision=2)
    plain = await life.issued(revision=2)
    away = await life.issued({NEWS: "not installed"}, revision=2)
    await life.act(*(an_act(handle, "install", 1, 1, 1) for handle in (own, plain)))

    await begin(life, forget=[NEWS], template_revision=2)
    await templates.push_passes(life.database, life.cache)

    [one, two, three] = await life.read(own, plain, away)
    assert (one.values, NEWS in two.values) == ({"note": "x", "welcomes": 1}, False)
    assert three.values[NEWS] == "not installed"
    *_, forgotten, push = await life.timeline(own)
    assert (forgotten.kind, push.kind) == ("update", "push")
    assert forgotten.data == {"cause": "push", "changes": {NEWS: ["mine", None]}}
    assert [event.kind for event in await life.timeline(plain)] == ["create", "install", "push"]


async def test_push_waits_for_the_revision_that_passes_are_to_show(life: Life):
    [handle] = await installed(life, 1)
    command = PushPasses(
        command_id=new_id(), account_id=ACCOUNT, template_id=TEMPLATE, template_revision=2
    )
    async with life.database.work() as work:
        [early] = await pushes.push_passes([command], work, cache=life.cache)
    await life.keep(a_template(2))

    await begin(life, template_revision=2)
    await templates.push_passes(life.database, life.cache)

    assert isinstance(early, NotReadyError)
    async with life.database.connection() as connection:
        bodies = await connection.fetch(
            "SELECT body FROM outbox WHERE name = $1 AND lane = 'bulk'", PassesChanged.name
        )
    [told] = PassesChanged.model_validate_json(bodies[-1]["body"]).passes
    assert (told.handle, told.template_revision) == (handle, 2)
