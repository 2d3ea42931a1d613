"""Durable runs: rules that call a URL, their leases and their limits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from services.triggers.clients import UrlCaller
from services.triggers.domain import TooManyRunsError
from services.triggers.jobs.runs import MAX_RUNS_OF_HOST, RunJob
from shared.contracts.triggers import ChangePass
from shared.errors import ApplicationError, NotReadyError
from tests.integration.triggers.life import DOCUMENT, Life, a_change, a_template, good
from tests.system import poll

CALL = {"action": "PSActionURL", "url": "https://partner.example/called?of={hashedSerialNumber}"}
STAMP = {"action": "PSActionIncrementValue", "targetPath": "stamps", "amount": 1}


class FakeCaller:
    """Partners' servers, all of them: they only note that they were called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

        self.seconds: list[float] = []
        self.depths: list[int] = []
        self.act: Callable[[], Awaitable[object]] | None = None

    async def call(self, url: str, key: str, seconds: float, depth: int) -> dict[str, Any]:
        self.calls.append((url, key))
        self.depths.append(depth)
        self.seconds.append(seconds)
        if self.act is not None:
            await self.act()
        return {"status": 204, "ms": 7}


@pytest.fixture
def caller() -> FakeCaller:
    return FakeCaller()


def a_job(life: Life, caller: FakeCaller) -> RunJob:
    return RunJob(life.database, life.cache, cast("UrlCaller", caller), asyncio.Event())


async def a_scan(life: Life, *actions: Any) -> ChangePass:
    """Begin a scan whose rules have to call; it is answered "not ready"."""
    await life.keep(a_template(2, document={**DOCUMENT, "triggers": {"onScan": list(actions)}}))
    scan = a_change(await life.issued(revision=2), "scan")
    [answer] = await life.change(scan)
    assert isinstance(answer, NotReadyError)
    return scan


async def test_run_is_gone_on_with_and_answers_its_command(life: Life, caller: FakeCaller):
    scan = await a_scan(life, STAMP, CALL, STAMP)

    await a_job(life, caller).run()

    [answer] = await life.change(scan)
    assert good(answer).updated
    [found] = await life.read(scan.handle)
    assert found.values["stamps"] == 2
    assert [e.kind for e in await life.timeline(scan.handle)] == ["create", "scan"]
    [(url, key)] = caller.calls
    assert url == f"https://partner.example/called?of={scan.handle}"
    assert key.startswith(str(scan.command_id))


async def test_change_by_the_called_service_counts_as_updated_and_is_pushed(
    life: Life, caller: FakeCaller
):
    first = await a_scan(life, CALL)
    await a_job(life, caller).run()
    scan = a_change(first.handle, "scan")
    await life.change(scan)

    async def act() -> None:
        await life.happened(scan.handle, "update", {"stamps": 5}, push=False)

    caller.act = act
    [before] = await life.read(scan.handle)

    await a_job(life, caller).run()

    [answer] = await life.change(scan)
    [after] = await life.read(scan.handle)
    assert good(answer).updated
    assert good(answer).version == after.version == after.push_version
    assert after.push_version > before.push_version
    assert [e.kind for e in await life.timeline(scan.handle)] == [
        "create",
        "scan",
        "update",
        "scan",
        "push",
    ]


async def test_call_that_changes_nothing_is_no_update_and_no_push(life: Life, caller: FakeCaller):
    scan = await a_scan(life, CALL)

    await a_job(life, caller).run()

    [answer] = await life.change(scan)
    assert not good(answer).updated
    assert [e.kind for e in await life.timeline(scan.handle)] == ["create", "scan"]


async def test_timeline_tells_what_came_of_a_call_but_not_its_query(life: Life, caller: FakeCaller):
    scan = await a_scan(life, CALL)

    await a_job(life, caller).run()

    [_, line] = await life.timeline(scan.handle)
    assert line.data["rules"] == [
        {
            "action": "PSActionURL",
            "url": "https://partner.example/called",
            "status": 204,
            "ms": 7,
        }
    ]


async def test_call_has_ten_seconds_or_what_is_left_of_thirty(life: Life, caller: FakeCaller):
    await a_scan(life, CALL, CALL)

    async def act() -> None:
        async with life.database.work() as work:
            await work.connection.execute("UPDATE runs SET began_at = now() - interval '26 s'")

    caller.act = act

    await a_job(life, caller).run()

    first, second = caller.seconds
    assert first == 10
    assert 1 <= second <= 4


@pytest.mark.parametrize(("depth", "told"), [(0, [1]), (4, [5]), (5, [])])
async def test_rules_that_five_rules_led_to_call_nobody(
    life: Life, caller: FakeCaller, depth: int, told: list[int]
):
    first = await a_scan(life, CALL, STAMP)
    await a_job(life, caller).run()
    caller.depths.clear()
    scan = a_change(first.handle, "scan", depth=depth)
    await life.change(scan)

    await a_job(life, caller).run()

    [answer] = await life.change(scan)
    [*_, line] = await life.timeline(scan.handle)
    [call, stamp] = line.data["rules"]
    assert good(answer).updated
    assert caller.depths == told
    assert ("called each other" in call.get("reason", "")) is (not told)
    assert stamp["to"] == 2


async def test_pass_whose_rules_wait_for_fifty_calls_is_told_to_wait(
    life: Life, caller: FakeCaller
):
    first = await a_scan(life, CALL)
    more = [a_change(first.handle, "scan") for _ in range(50)]
    another = await life.issued(revision=2)

    answers = await life.change(*more, a_change(another, "scan"))
    await a_job(life, caller).run()
    [later] = await life.change(a_change(first.handle, "scan"))

    *begun, refused, elsewhere = answers
    assert {type(answer) for answer in (*begun, elsewhere, later)} == {NotReadyError}
    assert isinstance(refused, TooManyRunsError)
    assert len(caller.calls) == 51


async def test_host_that_does_not_answer_holds_up_half_of_its_account_and_nobody_else(
    life: Life, caller: FakeCaller
):
    call = {"action": "PSActionURL", "url": "https://{note}.example/"}
    first = await a_scan(life, call)
    others = {"note": "other"}, *[{"note": "silent"}] * 12, *[{"note": "quick"}] * 12
    handles = [await life.issued(values, revision=2) for values in others]
    await life.change(*(a_change(handle, "scan") for handle in handles))
    released = asyncio.Event()

    async def act() -> None:
        if "silent" in caller.calls[-1][0]:
            await released.wait()

    def called(host: str) -> int:
        return sum(f"//{host}." in url for url, _ in caller.calls)

    caller.act = act
    job = asyncio.create_task(a_job(life, caller).run())
    await poll(lambda: called("quick") == 12, "calls of the quick host")
    held = called("silent")
    released.set()
    await job

    assert held == MAX_RUNS_OF_HOST
    assert len(caller.calls) == 26
    [answer] = await life.change(first)
    assert good(answer)


async def test_command_asked_again_begins_no_second_run(life: Life, caller: FakeCaller):
    scan = await a_scan(life, CALL, STAMP)
    again = await life.change(scan, scan)

    await a_job(life, caller).run()

    assert [type(answer) for answer in again] == [NotReadyError, NotReadyError]
    assert len(caller.calls) == 1
    assert [e.kind for e in await life.timeline(scan.handle)] == ["create", "scan"]


async def test_run_whose_process_died_is_taken_over_after_its_lease(life: Life, caller: FakeCaller):
    scan = await a_scan(life, CALL, STAMP)
    async with life.database.work() as work:
        await work.connection.execute("UPDATE runs SET lease_until = now() + interval '1 minute'")
    await a_job(life, caller).run()
    untouched = list(caller.calls)
    async with life.database.work() as work:
        await work.connection.execute("UPDATE runs SET lease_until = now() - interval '1 second'")

    await a_job(life, caller).run()

    assert (untouched, len(caller.calls)) == ([], 1)
    [found] = await life.read(scan.handle)
    assert found.values["stamps"] == 1


async def test_run_that_takes_too_long_is_stopped_and_keeps_nothing(life: Life, caller: FakeCaller):
    scan = await a_scan(life, STAMP, CALL, CALL, STAMP)
    async with life.database.work() as work:
        await work.connection.execute("UPDATE runs SET began_at = now() - interval '1 minute'")

    await a_job(life, caller).run()

    [answer] = await life.change(scan)
    assert isinstance(answer, ApplicationError)
    assert (answer.code, answer.detail) == (
        "trigger_error",
        "The rules took longer than 30 seconds.",
    )
    [found] = await life.read(scan.handle)
    assert ("stamps" in found.values, found.scanned) == (False, False)


async def test_pass_deleted_during_the_call_is_not_brought_back(life: Life, caller: FakeCaller):
    scan = await a_scan(life, CALL, STAMP)
    await life.happened(scan.handle, "delete")

    await a_job(life, caller).run()

    [answer] = await life.change(scan)
    assert isinstance(answer, ApplicationError)
    assert answer.status == 410


async def test_refused_scan_calls_nobody(life: Life, caller: FakeCaller):
    await life.keep(a_template(2, document={**DOCUMENT, "triggers": {"onScan": [CALL, STAMP]}}))
    handle = await life.issued(revision=2)
    await life.happened(handle, "void")

    report = await life.happened(handle, "scan")
    await a_job(life, caller).run()

    assert report.refused == "voided"
    assert caller.calls == []


async def test_scan_that_began_before_the_pass_was_voided_is_let_in(life: Life, caller: FakeCaller):
    scan = await a_scan(life, CALL, STAMP)
    await life.happened(scan.handle, "void")

    await a_job(life, caller).run()

    [answer] = await life.change(scan)
    assert (good(answer).refused, good(answer).voided) == (None, True)
    [found] = await life.read(scan.handle)
    assert found.values["stamps"] == 1


async def test_of_manual_updates_that_call_one_counts_from_its_beginning(
    life: Life, caller: FakeCaller
):
    await life.keep(
        a_template(2, document={**DOCUMENT, "triggers": {"onDeviceUpdate": [CALL, STAMP]}})
    )
    handle = await life.issued(revision=2)
    first, second, third = (a_change(handle, "device_update") for _ in range(3))

    begun, beside = await life.change(first, second)
    [after] = await life.change(third)
    await a_job(life, caller).run()
    [answer] = await life.change(first)

    assert isinstance(begun, NotReadyError)
    assert [good(one).sequence for one in (beside, after, answer)] == [1, 1, 2]
    assert len(caller.calls) == 1
    [found] = await life.read(handle)
    assert found.values["stamps"] == 1
