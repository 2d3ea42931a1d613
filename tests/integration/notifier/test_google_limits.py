"""Google is asked at the pace that it allows, whoever asks, and what people wait for goes first."""

import asyncio
from contextlib import suppress

from services.notifier.google.jobs.sending import SendingWorker
from services.notifier.google.jobs.slots import Slots
from tests.google.server import ISSUER, FakeGoogle
from tests.integration.notifier.googling import Googling, object_id, short

RATE = 20


def at_google_s_pace(googling: Googling, google: FakeGoogle, rate: float = RATE) -> None:
    googling.rate, google.requests_a_second = rate, RATE
    googling.worker = googling.a_worker()


def pace(google: FakeGoogle) -> float:
    """Requests a second, by Google's clock."""
    calls = [one.at for one in google.requests if one.email]
    return (len(calls) - 1) / (calls[-1] - calls[0]).total_seconds()


async def slots_taken(googling: Googling) -> dict[str, int]:
    rows = await googling.notifier.sql("SELECT project_id, slots FROM google_limits")
    return {row["project_id"]: row["slots"] for row in rows}


async def drained(googling: Googling, *workers: SendingWorker) -> None:
    """Let processes send, each again and again, until nothing waits."""
    async with asyncio.timeout(60):
        while await googling.jobs():
            await asyncio.gather(*(worker.run() for worker in workers or [googling.worker]))
            await asyncio.sleep(0.05)


async def test_two_processes_ask_twenty_times_a_second_together(
    googling: Googling, google: FakeGoogle
):
    at_google_s_pace(googling, google)
    await googling.keep(*(googling.a_pass(f"handle{number}") for number in range(60)))

    await drained(googling, googling.worker, googling.a_worker())

    assert {one.status for one in google.requests} == {200}
    assert len(google.objects) == 60
    assert pace(google) <= 20.5
    assert sum((await slots_taken(googling)).values()) == len(googling.calls())


async def test_five_processes_ask_no_faster(googling: Googling, google: FakeGoogle):
    at_google_s_pace(googling, google)
    await googling.keep(*(googling.a_pass(f"handle{number}") for number in range(60)))

    await drained(googling, *(googling.a_worker() for _ in range(5)))

    assert {one.status for one in google.requests} == {200}
    assert pace(google) <= 20.5
    assert sum((await slots_taken(googling)).values()) == len(googling.calls())


async def test_projects_have_a_pace_each(googling: Googling, google: FakeGoogle):
    at_google_s_pace(googling, google)
    other = "3388000000000000002"
    file = google.invite("other", other, "another-project")
    await googling.keep_issuer(file, issuer_id=other)
    await googling.keep(
        *(googling.a_pass(f"handle{number}") for number in range(20)),
        *(
            googling.a_pass(f"other{number}", issuer_id=other, class_id=f"{other}.t_card")
            for number in range(20)
        ),
    )

    await drained(googling)

    assert len(google.objects) == 40
    assert list((await slots_taken(googling)).values()) == [21, 21]


async def test_calls_that_no_job_was_leased_for_take_slots_too(
    googling: Googling, google: FakeGoogle
):
    at_google_s_pace(googling, google)
    slots = Slots(googling.notifier.database, RATE)
    begun = asyncio.get_running_loop().time()

    await asyncio.gather(*(slots.take("a-project") for _ in range(21)))

    assert asyncio.get_running_loop().time() - begun >= 1.0


async def test_an_issuer_that_asks_too_often_slows_down_and_loses_nothing(
    googling: Googling, google: FakeGoogle
):
    at_google_s_pace(googling, google, rate=200)
    await googling.keep(*(googling.a_pass(f"handle{number}") for number in range(80)))

    await drained(googling)

    [limit] = await googling.notifier.sql("SELECT slowness FROM google_limits")
    assert len(google.objects) == 80
    assert limit["slowness"] >= 2
    assert {one.status for one in google.requests} == {200, 429}


async def test_a_quiet_minute_takes_a_tenth_off(googling: Googling):
    await googling.notifier.sql(
        "UPDATE google_limits SET slowness = 4, slowed_at = now() - interval '61 seconds'"
    )

    await googling.want("handle")

    [limit] = await googling.notifier.sql("SELECT slowness FROM google_limits")
    assert limit["slowness"] == 3.6


async def test_a_single_change_passes_by_a_backfill(googling: Googling, google: FakeGoogle):
    at_google_s_pace(googling, google)
    handles = [f"single{number}" for number in range(12)]
    googling.rate = 1_000
    google.requests_a_second = None
    fast = googling.a_worker()
    await googling.keep(*(googling.a_pass(handle) for handle in handles))
    await drained(googling, fast)
    await googling.keep(*(googling.a_pass(f"many{n}") for n in range(500)), lane="backfill")
    google.requests_a_second = RATE
    running = asyncio.create_task(going_on(googling))

    passed_by: list[int] = []
    for handle in handles:
        await asyncio.sleep(0.3)
        await googling.build(googling.a_pass(handle, version=2, accountName="Grace"))
        before = len(google.requests)
        await google.until(lambda handle=handle: is_changed(google, handle))
        passed_by.append(len(google.requests) - before)
    running.cancel()

    assert max(passed_by) <= 6, "calls of the backfill went before a change"
    assert {one.status for one in google.requests} == {200}


async def test_every_twentieth_slot_goes_to_a_lane_behind(googling: Googling, google: FakeGoogle):
    await googling.want("class")
    await googling.keep(*(googling.a_pass(f"now{n}") for n in range(40)))
    await googling.keep(*(googling.a_pass(f"later{n}") for n in range(10)), lane="backfill")
    googling.rate = 100
    worker = googling.a_worker()

    await drained(googling, worker)

    sent = [one.body["id"] for one in googling.calls() if short(one).startswith("POST loyaltyO")]
    early = [id_ for id_ in sent[1:41] if id_.startswith(f"{ISSUER}.p_later")]
    assert len(early) == 2
    assert sent[-1].startswith(f"{ISSUER}.p_later")


def is_changed(google: FakeGoogle, handle: str) -> bool:
    return google.objects[object_id(handle)].document.get("accountName") == "Grace"


async def going_on(googling: Googling) -> None:
    """Send as a service does, until it is cancelled."""
    while True:
        await googling.worker.run()
        with suppress(TimeoutError):
            await asyncio.wait_for(googling.due.wait(), 1)
