"""Pushes to a server that behaves as Apple's, over real HTTP/2 and TLS."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from services.notifier.apple.clients import apns
from services.notifier.apple.clients.apns import ApplePushSender
from services.notifier.apple.domain.pushes import Identity, Outcome, Wake
from shared import clock
from shared.contracts.gateway import IDENTITY_PURPOSE
from shared.identifiers import new_id
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.identities import SigningIdentity, identity_to_pem
from shared.sealing import MasterKeys
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

KEYS = MasterKeys([bytes(32)])
TOPIC = "pass.com.example.coffee"
AUTHORITY = DevelopmentAuthority.create(clock.now())
ISSUED = AUTHORITY.issue(TOPIC, "TEAM", "Coffee", clock.now())


@pytest.fixture
async def apple() -> AsyncIterator[PushServer]:
    async with a_push_server(AUTHORITY.root_pem) as server:
        yield server


@pytest.fixture
async def sender(apple: PushServer, tmp_path: Path) -> AsyncIterator[ApplePushSender]:
    root = tmp_path / "root.pem"
    root.write_bytes(apple.root)
    sender = ApplePushSender(KEYS, apple.url, root)
    yield sender
    await sender.close()


def sealed(issued: SigningIdentity = ISSUED, revision: int = 1) -> Identity:
    account_id = UUID(int=1)
    pem = KEYS.seal(identity_to_pem(issued), purpose=IDENTITY_PURPOSE, owner=str(account_id))
    return Identity(UUID(int=revision), revision, account_id, issued.pass_type_identifier, pem)


def a_wake(token: str = "aa11", topic: str = TOPIC) -> Wake:
    now = clock.now()
    return Wake("device", topic, UUID(int=1), ["handle"], 1, now, 0, now, token, "apple")


async def push(sender: ApplePushSender, token: str = "aa11", *identities: Identity) -> Outcome:
    return await sender.push(a_wake(token), identities or (IDENTITY,))


IDENTITY = sealed()
SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_a_push_says_nothing_but_its_topic(sender: ApplePushSender, apple: PushServer):
    outcome = await push(sender)

    assert (outcome.verdict, outcome.status) == ("delivered", 200)
    [heard] = apple.heard
    assert heard.body == "{}"
    assert heard.topic == TOPIC
    assert heard.headers["apns-push-type"] == "background"
    assert heard.headers["apns-priority"] == "5"
    assert heard.headers["apns-id"] == outcome.apns_id
    assert heard.fingerprint == ISSUED.fingerprint


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (gone(SINCE), "gone"),
        (BAD_TOKEN, "token_refused"),
        (Answer(400, "DeviceTokenNotForTopic"), "token_refused"),
        (TOO_MANY, "slow_down"),
        (TROUBLE, "failed"),
        (AWAY, "failed"),
        (Answer(403, "BadCertificateEnvironment"), "certificate_refused"),
        (Answer(400, "TopicDisallowed"), "certificate_refused"),
        (Answer(413, "PayloadTooLarge"), "failed"),
        (Answer(503, trick="bare"), "failed"),
        (Answer(trick="reset"), "failed"),
        (Answer(trick="drop"), "failed"),
        (Answer(trick="goaway"), "failed"),
    ],
)
async def test_each_answer_is_understood(
    sender: ApplePushSender, apple: PushServer, answer: Answer, verdict: str
):
    apple.answers["aa11"] = [answer, OK]

    outcome = await push(sender)

    assert outcome.verdict == verdict
    assert outcome.gone_at == answer.timestamp
    assert (await push(sender)).verdict in {"delivered", "certificate_refused"}


async def test_hundreds_of_pushes_share_a_connection(sender: ApplePushSender, apple: PushServer):
    outcomes = await asyncio.gather(*(push(sender, f"{number:04x}") for number in range(500)))

    assert {outcome.verdict for outcome in outcomes} == {"delivered"}
    assert apple.connected == 1
    assert len(apple.counts) == 500


async def test_no_more_streams_are_opened_than_the_server_takes(
    sender: ApplePushSender, apple: PushServer
):
    apple.most_streams = 3
    apple.default = Answer(trick="hang")
    waiting = [asyncio.create_task(push(sender, f"{number:04x}")) for number in range(7)]

    await apple.until(lambda: len(apple.heard) == 7)

    assert apple.connected == 3
    assert not any(task.done() for task in waiting)
    await sender.close()
    assert {outcome.verdict for outcome in await asyncio.gather(*waiting)} == {"failed"}


async def test_refusals_without_end_do_not_fill_the_connection(
    sender: ApplePushSender, apple: PushServer
):
    apple.default = Answer(400, "BadDeviceToken" + " " * 1000)

    for _ in range(4):
        outcomes = await asyncio.gather(*(push(sender) for _ in range(50)))
        assert {outcome.status for outcome in outcomes} == {400}

    assert apple.connected == 1


async def test_a_dropped_connection_fails_what_was_under_way_and_the_next_push_makes_another(
    sender: ApplePushSender, apple: PushServer
):
    apple.default = Answer(trick="hang")
    waiting = [asyncio.create_task(push(sender, f"{number:04x}")) for number in range(20)]
    await apple.until(lambda: len(apple.heard) == 20)

    apple.drop()

    outcomes = await asyncio.gather(*waiting)
    assert {outcome.verdict for outcome in outcomes} == {"failed"}
    apple.default = OK
    assert (await push(sender)).verdict == "delivered"


async def test_a_push_without_an_answer_ends_and_disturbs_no_other(
    sender: ApplePushSender, apple: PushServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(apns, "PUSH_SECONDS", 0.3)
    apple.answers["dead"] = [Answer(trick="hang")]

    async def others() -> list[Outcome]:
        return [await push(sender, f"{number:04x}") for number in range(200)]

    hanging, outcomes = await asyncio.gather(push(sender, "dead"), others())

    assert (hanging.verdict, hanging.reason) == ("failed", "no answer in time")
    assert {outcome.verdict for outcome in outcomes} == {"delivered"}


async def test_a_connection_that_is_deaf_is_left(
    sender: ApplePushSender, apple: PushServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(apns, "PUSH_SECONDS", 0.3)
    apple.default = Answer(trick="hang")
    assert (await push(sender)).verdict == "failed"
    await apple.until(lambda: len(apple.heard) == 1)
    apple.default = OK

    assert (await push(sender)).verdict == "delivered"


async def test_a_server_that_is_away_is_asked_by_one_for_all(
    sender: ApplePushSender, apple: PushServer
):
    await apple.stop()

    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*(push(sender) for _ in range(200)))

    assert {outcome.reason for outcome in outcomes} == {"the connection could not be made"}
    await apple.start()


async def test_a_certificate_of_another_root_is_refused(sender: ApplePushSender):
    stranger = DevelopmentAuthority.create(clock.now())
    issued = stranger.issue(TOPIC, "TEAM", "Coffee", clock.now())

    outcome = await push(sender, "aa11", sealed(issued))

    assert outcome.verdict == "certificate_refused"


async def test_a_certificate_of_another_pass_type_is_refused(sender: ApplePushSender):
    issued = AUTHORITY.issue("pass.com.example.tea", "TEAM", "Tea", clock.now())

    outcome = await push(sender, "aa11", replace(sealed(issued), pass_type_identifier=TOPIC))

    assert (outcome.verdict, outcome.reason) == ("certificate_refused", "TopicDisallowed")


async def test_a_server_that_is_not_trusted_hears_nothing(apple: PushServer):
    sender = ApplePushSender(KEYS, apple.url)

    outcome = await push(sender)

    assert outcome.verdict == "failed"
    assert not apple.heard
    await sender.close()


@pytest.mark.parametrize("how", ["in the handshake", "in the answer"])
async def test_while_certificates_overlap_the_one_before_stands_in(
    sender: ApplePushSender, apple: PushServer, how: str
):
    if how == "in the handshake":
        newer = DevelopmentAuthority.create(clock.now()).issue(TOPIC, "TEAM", "", clock.now())
    else:
        newer = AUTHORITY.issue(TOPIC, "TEAM", "", clock.now())
        apple.refused = {newer.fingerprint}
    both = (sealed(newer, 2), IDENTITY)

    outcomes = [await push(sender, "aa11", *both) for _ in range(3)]

    assert [outcome.verdict for outcome in outcomes] == ["delivered"] * 3
    refusals = [heard for heard in apple.heard if heard.answer.status == 403]
    assert len(refusals) <= 1, "a refused certificate rests"


async def test_both_certificates_push_while_they_overlap(
    sender: ApplePushSender, apple: PushServer
):
    newer = AUTHORITY.issue(TOPIC, "TEAM", "", clock.now())
    await push(sender)

    await push(sender, "aa11", sealed(newer, 2), IDENTITY)

    assert [heard.fingerprint for heard in apple.heard] == [ISSUED.fingerprint, newer.fingerprint]


async def test_apple_never_hears_of_a_development_identity():
    sender = ApplePushSender(KEYS)

    outcome = await push(sender)

    assert (outcome.verdict, outcome.reason) == ("withheld", "development identity")


async def test_without_a_certificate_nothing_is_pushed(sender: ApplePushSender, apple: PushServer):
    outcome = await sender.push(a_wake(), [])

    assert outcome.verdict == "certificate_refused"
    assert not apple.heard


async def test_no_token_and_no_key_reach_a_log(
    sender: ApplePushSender,
    apple: PushServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    caplog.set_level(logging.DEBUG)
    token = new_id().hex
    apple.answers[token] = [OK, BAD_TOKEN, Answer(trick="drop"), Answer(trick="goaway")]

    for _ in range(4):
        await push(sender, token)

    shown = capfd.readouterr()
    for text in (caplog.text, shown.out, shown.err, repr(a_wake(token)), repr(IDENTITY)):
        assert token not in text
        assert "PRIVATE KEY" not in text
        assert IDENTITY.sealed not in text


async def test_the_key_is_in_no_file(
    sender: ApplePushSender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    assert (await push(sender)).verdict == "delivered"
