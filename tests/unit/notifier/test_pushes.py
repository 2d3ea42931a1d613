"""What an answer of Apple's means, and when a push is tried again."""

from datetime import timedelta

import pytest

from services.notifier.apple.domain.pushes import (
    JITTER,
    RETRY_SECONDS,
    Outcome,
    Verdict,
    pause_after,
    verdict_of,
)


@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (200, "", "delivered"),
        (410, "Unregistered", "gone"),
        (410, "ExpiredToken", "gone"),
        (400, "BadDeviceToken", "token_refused"),
        (400, "DeviceTokenNotForTopic", "token_refused"),
        (400, "BadTopic", "certificate_refused"),
        (400, "TopicDisallowed", "certificate_refused"),
        (403, "BadCertificate", "certificate_refused"),
        (403, "", "certificate_refused"),
        (429, "TooManyRequests", "slow_down"),
        (400, "BadMessageId", "failed"),
        (500, "InternalServerError", "failed"),
        (503, "Shutdown", "failed"),
    ],
)
def test_an_answer_is_read(status: int, reason: str, verdict: Verdict):
    assert verdict_of(status, reason) == verdict


@pytest.mark.parametrize("verdict", ["failed", "slow_down", "gone", "token_refused"])
def test_pauses_grow_until_a_push_is_given_up_within_a_day(verdict: Verdict):
    longest = [pause_after(Outcome(verdict), tries, 1.0) for tries in range(len(RETRY_SECONDS))]
    pauses = [pause for pause in longest if pause]

    assert pauses == sorted(pauses)
    assert len(pauses) == len(RETRY_SECONDS)
    assert sum(RETRY_SECONDS) <= timedelta(days=1).total_seconds()
    assert pause_after(Outcome(verdict), len(RETRY_SECONDS), 0.5) is None


def test_a_pause_is_jittered():
    least, most = (pause_after(Outcome("failed"), 3, chance) for chance in (0.0, 1.0))

    assert least == timedelta(seconds=RETRY_SECONDS[3] * (1 - JITTER))
    assert most == timedelta(seconds=RETRY_SECONDS[3] * (1 + JITTER))


def test_a_refused_certificate_is_waited_for_without_end():
    for tries in (0, len(RETRY_SECONDS), 1_000):
        assert pause_after(Outcome("certificate_refused"), tries, 0.5)


@pytest.mark.parametrize("verdict", ["delivered", "withheld", "unreachable"])
def test_what_is_over_is_not_tried_again(verdict: Verdict):
    assert pause_after(Outcome(verdict), 0, 0.5) is None


def test_what_is_kept_of_a_push_names_no_more_than_it_knows():
    outcome = Outcome("failed", 15, apns_id="id", reason="the connection was lost")

    assert outcome.data == {
        "apns_id": "id", "reason": "the connection was lost", "milliseconds": 15
    }  # fmt: skip
