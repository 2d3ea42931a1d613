"""Push jobs in the words of /v1."""

from uuid import UUID

import pytest
import pytest_asyncio

from shared import clock
from shared.contracts.notifier import GoogleOutlook, ReadGoogleOutlook
from shared.contracts.triggers import (
    ControlTemplatePush,
    ListTemplatePushes,
    PassesPushed,
    PushPasses,
    ReadTemplatePush,
    TemplatePush,
    TemplatePushPage,
)
from shared.errors import ApplicationError, ConflictError, NotFoundError
from shared.identifiers import new_id
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template


def a_job(job_id: UUID, template_id: UUID, state: str = "running") -> TemplatePush:
    facts = {"job_id": job_id, "template_id": template_id, "state": state, "total": 3, "done": 1}
    return TemplatePush.model_validate({**facts, "created_at": clock.now()})


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    owners = Owners(gateway.transport)
    jobs: dict[UUID, TemplatePush] = {}

    def push(command: PushPasses) -> PassesPushed:
        jobs[command.command_id] = a_job(command.command_id, command.template_id)
        return PassesPushed(count=3, job_id=command.command_id)

    def read(query: ReadTemplatePush) -> TemplatePush | ApplicationError:
        return jobs.get(query.job_id) or NotFoundError()

    owners.answer(PushPasses, push)
    owners.answer(ReadTemplatePush, read)
    return owners


async def test_push_of_a_template_is_a_job(an_account: AnAccount, owners: Owners):
    template_id = await make_template(an_account)

    answer = await an_account.call("POST", f"/v1/templates/{template_id}/push", key="once")
    again = await an_account.call("POST", f"/v1/templates/{template_id}/push", key="once")

    (job_id,) = {command.command_id for command in owners.asked_for(PushPasses)}
    command = owners.asked_for(PushPasses)[0]
    assert (answer.status, again.status) == (202, 202)
    assert answer.headers["location"] == f"/v1/push-jobs/{job_id}"
    assert again.headers["idempotent-replayed"] == "true"
    assert answer.json | {"created_at": None} == {
        "job_id": str(job_id), "template_id": template_id, "state": "running",
        "total": 3, "done": 1, "created_at": None, "ended_at": None, "google": None,
    }  # fmt: skip
    assert (command.template_revision, command.forget) == (1, [])
    assert owners.lanes_of(PushPasses) == {"bulk"}
    shown = await an_account.call("GET", answer.headers["location"])
    assert answer.json == {**shown.json, "google": None}


async def test_before_a_push_it_is_said_what_it_takes_at_google(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    template_id = await make_template(an_account)
    issuers = gateway.context.google_issuers
    await issuers.develop(an_account.account_id)
    await issuers.of_template(an_account.account_id, UUID(template_id))
    outlook = GoogleOutlook(objects=72_000, holders=9, classes=1, waiting=19, spacing=0.05)
    owners.answer(ReadGoogleOutlook, lambda _: outlook)

    tried = await an_account.call("POST", f"/v1/templates/{template_id}/push?dry_run=true")
    asked = len(owners.asked_for(PushPasses))
    done = await an_account.call("POST", f"/v1/templates/{template_id}/push")

    cost = {"calls": 72_001, "seconds": 3601, "class_calls": 1, "class_seconds": 1}
    assert (tried.status, tried.json, asked) == (200, {"google": cost}, 0)
    assert (done.status, done.json["google"]) == (202, cost)


async def test_template_of_others_is_not_pushed(
    an_account: AnAccount, another_account: AnAccount, owners: Owners
):
    template_id = await make_template(another_account)

    for unknown in (template_id, str(new_id()), "x"):
        answer = await an_account.call("POST", f"/v1/templates/{unknown}/push")
        assert answer.status == 404
    assert not owners.asked_for(PushPasses)


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
async def test_job_is_controlled(an_account: AnAccount, owners: Owners, action: str):
    job_id = new_id()
    owners.answer(ControlTemplatePush, lambda command: a_job(command.job_id, new_id(), "paused"))

    answer = await an_account.call("POST", f"/v1/push-jobs/{job_id}/{action}")

    (command,) = owners.asked_for(ControlTemplatePush)
    assert (answer.status, answer.json["state"]) == (200, "paused")
    assert (command.job_id, command.action) == (job_id, action)
    assert command.account_id == an_account.account_id


async def test_job_that_has_ended_or_is_unknown_is_a_clear_error(
    an_account: AnAccount, owners: Owners
):
    owners.answer(ControlTemplatePush, lambda _: ConflictError("The push job is done."))

    ended = await an_account.call("POST", f"/v1/push-jobs/{new_id()}/pause")
    unknown = await an_account.call("GET", f"/v1/push-jobs/{new_id()}")
    odd = await an_account.call("POST", "/v1/push-jobs/1/pause")

    assert (ended.status, ended.json["detail"]) == (409, "The push job is done.")
    assert (unknown.status, odd.status) == (404, 404)


async def test_jobs_are_paged(an_account: AnAccount, owners: Owners):
    template_id = new_id()
    jobs = [a_job(new_id(), template_id) for _ in range(3)][::-1]

    def page(query: ListTemplatePushes) -> TemplatePushPage:
        after = [j for j in jobs if query.before is None or j.job_id < query.before]
        return TemplatePushPage(jobs=after[: query.limit], more=len(after) > query.limit)

    owners.answer(ListTemplatePushes, page)
    first = await an_account.call("GET", f"/v1/push-jobs?limit=2&template_id={template_id}")
    cursor = first.json["next_cursor"]
    second = await an_account.call("GET", f"/v1/push-jobs?limit=2&cursor={cursor}")

    listed = [job["job_id"] for job in first.json["data"] + second.json["data"]]
    assert listed == [str(job.job_id) for job in jobs]
    assert second.json["next_cursor"] is None
    assert owners.asked_for(ListTemplatePushes)[0].template_id == template_id


async def test_job_needs_the_scope_of_passes(an_account: AnAccount, owners: Owners):
    reader = await an_account.with_scopes("passes:read", "templates:write")
    template_id = await make_template(an_account)

    assert (await reader.call("POST", f"/v1/templates/{template_id}/push")).status == 403
    assert (await reader.call("POST", f"/v1/push-jobs/{new_id()}/cancel")).status == 403
    assert not owners.asked_for(PushPasses)
