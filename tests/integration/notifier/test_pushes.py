"""Devices are told of news: once for many passes, again until Apple takes it, never in vain."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.notifier.apple.clients import apns_connection
from services.notifier.apple.clients.apns import APPLE, ApplePushSender
from services.notifier.apple.domain.pushes import RETRY_SECONDS, Outcome
from shared import clock
from shared.contracts.partners import EVENTS
from shared.passes.apple.development import DevelopmentAuthority
from tests.apple import (
    AWAY,
    BAD_TOKEN,
    OK,
    TOO_MANY,
    TROUBLE,
    Answer,
    PushServer,
    a_push_server,
    gone,
)
from tests.integration.notifier.partner import Notifier
from tests.integration.notifier.pushing import AUTHORITY, ISSUED, TOPIC, Pushing, token_of

PHONE = "ab" * 32
WATCH = "cd" * 32
FAILURES = [
    TOO_MANY,
    TROUBLE,
    AWAY,
    Answer(trick="drop"),
    Answer(trick="goaway"),
    Answer(trick="reset"),
]


@pytest.fixture
async def apple() -> AsyncIterator[PushServer]:
    async with a_push_server(AUTHORITY.root_pem) as server:
        yield server


@pytest.fixture
async def pushing(notifier: Notifier, apple: PushServer, tmp_path: Path) -> AsyncIterator[Pushing]:
    pushing = Pushing(notifier)
    pushing.aim(apple, tmp_path / "root.pem")
    await pushing.keep()
    yield pushing
    await pushing.stop()


async def test_a_device_is_pushed_once_for_however_many_passes(pushing: Pushing, apple: PushServer):
    handles = [f"handle{number:02}" for number in range(50)]
    await pushing.register(PHONE, *handles)
    for handle in handles:
        await pushing.change(handle)

    await pushing.run()

    assert apple.counts == {(token_of(PHONE), TOPIC): 1}
    assert await pushing.wakes() == []
    for handle in handles:
        [seen] = await pushing.seen(handle)
        assert (seen.kind, seen.device) == ("pushed", PHONE[:8])
        assert seen.data["status"] == 200
        assert seen.data["apns_id"] == apple.heard[0].headers["apns-id"]
        assert seen.data["milliseconds"] >= 0


async def test_each_device_of_a_pass_is_pushed(pushing: Pushing, apple: PushServer):
    await pushing.register(PHONE, "handle")
    await pushing.register(WATCH, "handle")
    await pushing.change("handle")

    await pushing.run()

    assert apple.counts == {(token_of(PHONE), TOPIC): 1, (token_of(WATCH), TOPIC): 1}


async def test_other_wallets_are_never_pushed_through_apple(pushing: Pushing, apple: PushServer):
    await pushing.register("1a" * 32, "handle", kind="wallet_passes")
    await pushing.register("2b" * 32, "handle", kind="wallet_union")
    await pushing.register("3c" * 32, "handle", kind="pass2u")
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    await pushing.register(PHONE, "handle", kind="pass2u")  # it came back as another

    await pushing.run()

    assert apple.heard == []
    assert await pushing.wakes() == []
    assert await pushing.seen("handle") == []


@pytest.mark.parametrize("failure", FAILURES)
async def test_what_apple_does_not_take_is_tried_again(
    pushing: Pushing, apple: PushServer, failure: Answer
):
    apple.answers[token_of(PHONE)] = [failure, OK]
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")

    await pushing.run()
    [waiting] = await pushing.wakes()
    await pushing.bring_forward()
    await pushing.run()

    assert waiting["tries"] == 1
    assert 0 < waiting["due_in"] <= 1.2 * RETRY_SECONDS[0]
    assert [seen.kind for seen in await pushing.seen("handle")] == ["push_failed", "pushed"]
    assert await pushing.wakes() == []


async def test_a_server_that_is_away_loses_nothing(
    pushing: Pushing, apple: PushServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(apns_connection, "REST_SECONDS", 0.0)
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    await apple.stop()
    await pushing.run()
    assert [seen.kind for seen in await pushing.seen("handle")] == ["push_failed"]
    await apple.start()

    await pushing.bring_forward()
    await pushing.run()

    assert apple.counts == {(token_of(PHONE), TOPIC): 1}


async def test_a_push_that_never_succeeds_is_given_up_and_told(pushing: Pushing, apple: PushServer):
    apple.default = TROUBLE
    await pushing.register(PHONE, "handle", "other")
    await pushing.change("handle", "other")

    for _ in range(len(RETRY_SECONDS) + 1):
        await pushing.run()
        await pushing.bring_forward()

    assert await pushing.wakes() == []
    told = await pushing.told("push.failed")
    assert sorted(event["subject"]["id"] for event in told) == ["handle", "other"]
    for event in told:
        EVENTS["push.failed"].model_validate(event | {"sequence": 1})
        assert event["data"]["device"] == PHONE[:8]
        assert event["data"]["tries"] == len(RETRY_SECONDS) + 1
        assert event["data"]["reason"] == "InternalServerError"
    assert await pushing.devices() == [PHONE]


@pytest.mark.parametrize("answer", ["gone", "bad token", "not for topic"])
async def test_a_device_that_is_gone_is_removed(pushing: Pushing, apple: PushServer, answer: str):
    await pushing.register(PHONE, "handle", "other")
    await pushing.register(WATCH, "handle")
    apple.answers[token_of(PHONE)] = [
        {
            "gone": gone(clock.now() + timedelta(seconds=1)),
            "bad token": BAD_TOKEN,
            "not for topic": Answer(400, "DeviceTokenNotForTopic"),
        }[answer]
    ]
    await pushing.change("handle", "other")

    await pushing.run()

    assert await pushing.devices() == [WATCH]
    assert await pushing.wakes() == []
    kinds = [seen.kind for seen in await pushing.seen("other", "push_failed", "unregistered")]
    assert kinds == ["push_failed", "unregistered"]
    assert await pushing.told("push.failed") == []


async def test_a_device_that_registered_after_it_was_gone_stays(
    pushing: Pushing, apple: PushServer
):
    apple.answers[token_of(PHONE)] = [gone(clock.now() - timedelta(minutes=1)), OK]
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")

    await pushing.run()
    await pushing.bring_forward()
    await pushing.run()

    assert await pushing.devices() == [PHONE]
    assert apple.counts == {(token_of(PHONE), TOPIC): 1}


async def test_a_device_that_has_a_new_token_meanwhile_stays(
    pushing: Pushing, apple: PushServer, monkeypatch: pytest.MonkeyPatch
):
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    apple.answers[token_of(PHONE)] = [BAD_TOKEN]
    push = ApplePushSender.push

    async def push_slowly(sender: ApplePushSender, *arguments: Any) -> Outcome:
        outcome = await push(sender, *arguments)
        if outcome.verdict == "token_refused":
            await pushing.register(PHONE, "handle", token="beef")
        return outcome

    monkeypatch.setattr(ApplePushSender, "push", push_slowly)
    await pushing.run()
    await pushing.bring_forward()
    await pushing.run()

    assert await pushing.devices() == [PHONE]
    assert apple.counts == {("beef", TOPIC): 1}


async def test_what_is_asked_during_a_push_is_pushed_again(pushing: Pushing, apple: PushServer):
    await pushing.register(PHONE, "handle", "other")
    await pushing.change("handle")
    apple.listeners.append(lambda _push: late.append(asyncio.create_task(change_once())))
    late: list[asyncio.Task[None]] = []

    async def change_once() -> None:
        if len(late) == 1:
            await pushing.change("other")

    push = ApplePushSender.push

    async def push_slowly(sender: ApplePushSender, *arguments: Any) -> Outcome:
        outcome = await push(sender, *arguments)
        await asyncio.gather(*late)
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ApplePushSender, "push", push_slowly)
        await pushing.run()

    assert apple.counts == {(token_of(PHONE), TOPIC): 2}
    assert await pushing.wakes() == []
    assert [seen.kind for seen in await pushing.seen("other")] == ["pushed"]


async def test_a_process_killed_between_push_and_record_loses_nothing(
    pushing: Pushing, apple: PushServer, tmp_path: Path
):
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    killed = pushing.a_job(apple.url, tmp_path / "root.pem")
    task = asyncio.create_task(killed.run())
    await apple.until(lambda: bool(apple.heard))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    await pushing.run()
    assert len(apple.heard) == 1, "the lease still holds"
    await pushing.notifier.sql("UPDATE wakes SET lease_until = now()")
    await pushing.run()

    assert apple.counts == {(token_of(PHONE), TOPIC): 2}
    assert await pushing.wakes() == []


async def test_the_lease_of_a_push_that_is_under_way_is_renewed(
    pushing: Pushing, apple: PushServer, tmp_path: Path
):
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    apple.answers[token_of(PHONE)] = [Answer(trick="hang"), OK]
    slow = pushing.a_job(apple.url, tmp_path / "root.pem")
    task = asyncio.create_task(slow.run())
    await apple.until(lambda: bool(apple.heard))
    await pushing.notifier.sql("UPDATE wakes SET lease_until = now() + interval '1 second'")

    await slow.renew()
    [row] = await pushing.notifier.sql(
        "SELECT lease_until > now() + interval '4 seconds' AS is_held FROM wakes"
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    apple.drop()
    await slow.stop()

    assert row["is_held"]


async def test_a_result_that_comes_after_its_lease_takes_no_later_wake_away(
    pushing: Pushing, apple: PushServer, tmp_path: Path
):
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    apple.answers[token_of(PHONE)] = [Answer(trick="hang"), OK]
    slow = pushing.a_job(apple.url, tmp_path / "root.pem")
    task = asyncio.create_task(slow.run())
    await apple.until(lambda: bool(apple.heard))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await pushing.notifier.sql("UPDATE wakes SET lease_until = now()")
    await pushing.run()
    await pushing.change("handle")
    [asked] = await pushing.wakes()

    apple.drop()
    await slow.stop()

    assert (await pushing.wakes())[0] | {"due_in": 0} == asked | {"due_in": 0}


async def test_processes_side_by_side_push_once(
    pushing: Pushing, apple: PushServer, tmp_path: Path
):
    for number in range(300):
        await pushing.register(f"{number:064x}", "handle")
    await pushing.change("handle")
    other = pushing.a_job(apple.url, tmp_path / "root.pem")

    await asyncio.gather(pushing.run(), other.run())
    await other.stop()

    assert sorted(apple.counts.values()) == [1] * 300
    assert await pushing.wakes() == []


async def test_a_job_that_is_stopped_gives_back_what_it_did_not_push(
    pushing: Pushing, apple: PushServer
):
    pushing.job.drain_seconds = 0.1
    apple.default = Answer(trick="hang")
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    task = asyncio.create_task(pushing.run())
    await apple.until(lambda: bool(apple.heard))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    await pushing.job.stop()

    [wake] = await pushing.wakes()
    assert (wake["lease_until"], wake["tries"]) == (None, 0)


async def test_while_certificates_overlap_the_one_before_pushes_what_the_new_one_cannot(
    pushing: Pushing, apple: PushServer
):
    newer = AUTHORITY.issue(TOPIC, "TEAM", "Coffee", clock.now())
    await pushing.keep(newer, revision=2)
    apple.refused = {newer.fingerprint}
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")

    await pushing.run()

    assert [push.fingerprint for push in apple.heard] == [newer.fingerprint, ISSUED.fingerprint]
    assert apple.counts == {(token_of(PHONE), TOPIC): 1}


async def test_a_certificate_that_ended_does_not_push(pushing: Pushing, apple: PushServer):
    await pushing.notifier.sql("UPDATE identities SET not_after = now()")
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")

    await pushing.run()

    assert apple.heard == []
    [seen] = await pushing.seen("handle")
    assert seen.data["reason"] == "no valid certificate"


async def test_a_new_certificate_pushes_at_once_what_waited_for_it(
    pushing: Pushing, apple: PushServer
):
    await pushing.notifier.sql("DELETE FROM identities")
    await pushing.keep(DevelopmentAuthority.create(clock.now()).issue(TOPIC, "T", "", clock.now()))
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    for _ in range(len(RETRY_SECONDS) + 2):
        await pushing.run()
        await pushing.bring_forward()
    await pushing.run()
    assert len(await pushing.wakes()) == 1, "it is not the device's fault"

    await pushing.keep(revision=2)
    await pushing.run()

    assert apple.counts == {(token_of(PHONE), TOPIC): 1}
    assert await pushing.told("push.failed") == []


async def test_apple_hears_nothing_of_a_development_identity(pushing: Pushing):
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    job = pushing.a_job(APPLE)

    await job.run()

    assert await pushing.wakes() == []
    [seen] = await pushing.seen("handle")
    assert (seen.kind, seen.data["reason"]) == ("push_failed", "development identity")


async def test_pushes_are_measured_from_the_ask(pushing: Pushing, apple: PushServer):
    before = measured()
    apple.answers[token_of(PHONE)] = [TOO_MANY, OK]
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    await pushing.run()
    await pushing.notifier.sql("UPDATE wakes SET asked_at = now() - interval '10 seconds'")
    await pushing.bring_forward()
    await pushing.run()

    after = measured()
    assert after["delivered"] == before["delivered"] + 1
    assert after["slow_down"] == before["slow_down"] + 1
    assert after["seconds"] >= before["seconds"] + 10


def measured() -> dict[str, float]:
    def sample(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    counted = {
        outcome: sample("passwright_pushes_total", outcome=outcome)
        for outcome in ("delivered", "slow_down")
    }
    return counted | {"seconds": sample("passwright_push_seconds_sum")}


async def test_no_push_token_and_no_key_reach_a_log(
    pushing: Pushing,
    apple: PushServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    caplog.set_level(logging.DEBUG)
    apple.answers[token_of(PHONE)] = [TROUBLE, Answer(trick="drop"), BAD_TOKEN]
    await pushing.register(PHONE, "handle")
    await pushing.change("handle")
    push = ApplePushSender.push

    async def fail(_sender: ApplePushSender, *arguments: Any) -> Outcome:
        monkeypatch.setattr(ApplePushSender, "push", push)
        raise RuntimeError(arguments)

    monkeypatch.setattr(ApplePushSender, "push", fail)
    for _ in range(4):
        await pushing.run()
        await pushing.bring_forward()

    shown = capfd.readouterr()
    assert "push_failed" in shown.out
    for text in (caplog.text, shown.out, shown.err):
        assert token_of(PHONE) not in text
        assert "PRIVATE KEY" not in text
    assert await pushing.devices() == []
