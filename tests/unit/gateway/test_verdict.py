"""Why did it not update? Each way that news can stop on has its words."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.gateway.routes.v1.verdict import Verdict, judge
from shared.contracts.notifier import (
    ContentNotice,
    GooglePassState,
    Holder,
    Observation,
    PassNotices,
)
from shared.contracts.triggers import Pass
from shared.identifiers import new_id

BUILT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = BUILT + timedelta(hours=1)
PHONE, WATCH = "aaaaaaaa", "bbbbbbbb"


def after(seconds: float) -> datetime:
    return BUILT + timedelta(seconds=seconds)


def seen(kind: str, seconds: float, device: str | None = PHONE, **data: Any) -> Observation:
    return Observation(at=after(seconds), kind=kind, device=device, data=data)  # type: ignore[arg-type]


def fetched(seconds: float, number: int = 2) -> Observation:
    return seen("fetched", seconds, None, source="device", content_number=number, status=200)


def holder(device: str = PHONE, **facts: Any) -> Holder:
    return Holder.model_validate({"device": device, "registered_at": after(-3600), **facts})


def verdict_of(
    *observations: Observation,
    holders: list[Holder] | None = None,
    version: int = 2,
    changed_at: datetime = BUILT,
    contents: list[ContentNotice] | None = None,
    unpushed_since: int | None = None,
    google: GooglePassState | None = None,
) -> Verdict:
    issued = Pass(
        handle="h", account_id=new_id(), template_id=new_id(), serial_number="s", version=version,
        values={}, created_at=BUILT, updated_at=changed_at,
    )  # fmt: skip
    there = [holder()] if holders is None else holders
    notices = PassNotices(
        contents=[ContentNotice(content_number=2, pass_version=2, at=BUILT)]
        if contents is None
        else contents,
        deliveries=[],
        observations=list(observations),
        holders=there,
        holder_count=len(there),
        unpushed_since=unpushed_since,
        google=google or GooglePassState(),
    )
    return judge(issued, notices, NOW)


def test_a_device_that_was_pushed_and_fetched_is_current():
    verdict = verdict_of(seen("pushed", 1), seen("listed", 2, tag=7), fetched(3))

    assert verdict.code == "current"
    assert "12:00:03" in verdict.text


def test_a_push_that_no_device_answered_says_what_may_be_the_matter():
    verdict = verdict_of(seen("pushed", 1))

    assert verdict.code == "not_asked"
    assert "off, without network" in verdict.text


def test_a_device_that_was_told_but_did_not_fetch_is_named():
    verdict = verdict_of(seen("pushed", 1), seen("listed", 2, tag=7), fetched(-60, number=1))

    assert verdict.code == "not_fetched"


def test_what_a_device_complains_of_is_told_with_it():
    complaint = seen("device_log", 4, **{"class": "unexpected_response", "line": "…"})

    verdict = verdict_of(seen("listed", 2, tag=7), complaint)

    assert "unexpected_response" in verdict.text


def test_a_push_that_fails_tells_why_and_when_it_is_tried_again():
    due = holder(push_due_at=after(30), push_tries=2)

    verdict = verdict_of(seen("push_failed", 1, reason="TooManyRequests"), holders=[due])

    assert verdict.code == "push_failed"
    assert "2 times (TooManyRequests)" in verdict.text
    assert "12:00:30" in verdict.text


def test_a_push_that_was_given_up_tells_why():
    verdict = verdict_of(seen("push_failed", 1, reason="development identity"))

    assert verdict.code == "push_failed"
    assert "development identity" in verdict.text


def test_a_push_on_its_way_is_waited_for():
    assert verdict_of(holders=[holder(push_due_at=after(0))]).code == "waiting"


def test_a_change_that_asked_for_no_push_says_so():
    assert verdict_of(unpushed_since=2).code == "not_pushed"


def test_an_android_wallet_is_not_told():
    verdict = verdict_of(holders=[holder(kind="pass2u")])

    assert verdict.code == "no_push_channel"
    assert "Pass2U" in verdict.text


def test_a_device_that_came_after_the_content_has_it():
    assert verdict_of(holders=[holder(registered_at=after(5))]).code == "current"


def test_without_a_device_there_is_none_to_tell():
    assert verdict_of(holders=[]).code == "no_devices"


def test_of_two_devices_the_one_that_lags_is_told():
    verdict = verdict_of(
        seen("pushed", 1, PHONE), seen("pushed", 1, WATCH), seen("listed", 2, PHONE), fetched(3),
        holders=[holder(PHONE), holder(WATCH)],
    )  # fmt: skip

    assert [(one.device, one.code) for one in verdict.devices] == [
        (PHONE, "current"),
        (WATCH, "not_asked"),
    ]
    assert verdict.code == "not_asked"
    assert verdict.text.startswith("1 of 2 devices")


def test_a_change_without_new_content_changed_nothing_that_is_seen():
    verdict = verdict_of(seen("listed", 2), fetched(3), version=4)

    assert verdict.code == "current"
    assert "changed nothing that is seen" in verdict.text


def test_a_change_of_this_moment_is_being_built():
    verdict = verdict_of(version=3, changed_at=NOW - timedelta(seconds=1))

    assert verdict.code == "being_built"


def test_a_pass_that_nobody_has_downloaded_says_so():
    verdict = verdict_of(version=3, changed_at=NOW - timedelta(seconds=1), contents=[], holders=[])

    assert verdict.code == "not_downloaded"


def test_a_device_whose_fetch_was_not_noted_has_the_first_content():
    verdict = verdict_of(contents=[], holders=[holder(registered_at=after(5))])

    assert (verdict.code, len(verdict.devices)) == ("current", 1)


def at_google(**facts: Any) -> GooglePassState:
    known = {"state": "there", "wanted_version": 2, "sent_version": 2, "sent_at": BUILT}
    return GooglePassState.model_validate(known | {"saved": True, "saved_at": BUILT} | facts)


def step(kind: str, seconds: float, version: int = 2, **data: Any) -> Observation:
    return seen(f"google_{kind}", seconds, None, version=version, **data)


def only_at_google(
    *observations: Observation, version: int = 2, changed_at: datetime = BUILT, **facts: Any
) -> Verdict:
    """Nobody has the pass in another wallet."""
    return verdict_of(
        *observations, contents=[], holders=[], version=version, changed_at=changed_at,
        google=at_google(**facts),
    )  # fmt: skip


def test_a_pass_that_nobody_wanted_at_google_has_no_verdict_there():
    assert verdict_of().google is None


def test_a_pass_in_google_wallet_alone_is_judged_by_that():
    verdict = only_at_google(step("notified", 4, by="message"))

    assert verdict.code == "current"
    assert verdict.text == (
        "Google Wallet: Version 2 is there, sent at 2026-03-01 12:00:00 UTC. Its holder was"
        " notified by a message at 2026-03-01 12:00:04 UTC."
    )


def test_a_silent_change_says_why_nobody_was_notified():
    verdict = only_at_google(
        step("notified", 1, 1, by="update"), step("silent", 4, reason="three notices in 24 hours")
    )

    assert "was not notified: three notices in 24 hours." in verdict.text


def test_a_change_without_a_message_had_nothing_to_notify_of():
    assert "nothing to notify" in only_at_google(step("notified", 1, 1, by="update")).text


def test_what_waits_for_google_says_why_and_what_came_of_the_last_attempt():
    failed = step("failed", 9, status=503, reason="backendError")

    verdict = only_at_google(failed, state="waiting", sent_version=1, detail="Google was away.")

    assert verdict.code == "waiting"
    assert "Version 2 waits to be sent: Google was away." in verdict.text
    assert "failed at 2026-03-01 12:00:09 UTC (backendError)" in verdict.text


def test_what_google_refused_is_told_in_its_words():
    verdict = only_at_google(state="refused", sent_version=1, detail="Invalid barcode.")

    assert verdict.code == "refused"
    assert verdict.text == "Google Wallet: Version 2 was refused: Invalid barcode."


def test_a_pass_that_is_there_and_nobody_has_says_whether_anybody_had_it():
    never, removed = (only_at_google(saved=False, saved_at=at) for at in (None, BUILT))

    assert never.code == removed.code == "not_saved"
    assert "nobody has added it yet" in never.text
    assert "who had it has removed it" in removed.text


def test_a_change_of_this_moment_is_being_composed_for_google():
    verdict = only_at_google(version=3, changed_at=NOW - timedelta(seconds=1))

    assert verdict.code == "being_built"


def test_a_change_that_google_does_not_show_changed_nothing_there():
    assert "after version 2 changed nothing that is seen there" in only_at_google(version=3).text


def test_of_both_wallets_the_one_that_lags_is_told():
    phone = (seen("pushed", 1), seen("listed", 2, tag=7), fetched(3))

    behind_at_google = verdict_of(*phone, google=at_google(state="waiting", sent_version=1))
    behind_on_the_phone = verdict_of(seen("pushed", 1), google=at_google())

    assert behind_at_google.code == "waiting"
    assert behind_at_google.devices[0].code == "current"
    assert behind_on_the_phone.code == "not_asked"
    assert behind_on_the_phone.google is not None
    assert behind_on_the_phone.google.code == "current"
    assert "Google Wallet: " in behind_on_the_phone.text
