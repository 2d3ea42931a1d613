"""What is done about each answer of Google's, as google.md's table says, and reports of others."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from services.notifier.google.domain.sending import ISSUER_PAUSE
from shared import clock
from shared.errors import ConflictError
from shared.google.api import GoogleApi
from tests.google.server import ISSUER, FakeGoogle
from tests.integration.notifier.googling import CLASS, Googling, object_id

LOCATION: dict[str, Any] = {"merchantLocations": [{"latitude": 48.2, "longitude": 16.4}]}
OBJECTS = "/loyaltyObject"


# 400


async def test_400_refuses_a_pass_until_its_document_changes(googling: Googling):
    await googling.want("handle", barcode={"type": "NO_SUCH_CODE"})
    refused, asked = await googling.state(), googling.asked()
    await googling.bring_forward()
    await googling.run()
    assert googling.asked() == asked

    await googling.build(googling.a_pass(version=2))
    await googling.run()

    assert refused.state == "refused"
    assert "barcode" in refused.detail
    assert (await googling.state()).state == "there"


async def test_400_is_told_at_the_pass_and_at_the_template(googling: Googling):
    await googling.want("handle", barcode={"type": "NO_SUCH_CODE"})

    status = await googling.status()

    assert (status.refused, len(status.refusals)) == (1, 1)
    assert "barcode" in status.refusals[0]
    assert [one.kind for one in await googling.seen()] == ["google_wanted", "google_refused"]
    with pytest.raises(ConflictError, match="barcode"):
        await googling.link()


async def test_a_class_that_google_refuses_refuses_its_passes_until_it_changes(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle", of_class={"hexBackgroundColor": "red"})
    refused = await googling.state()
    assert google.objects == {}

    await googling.build(googling.a_pass("handle", revision=2))
    await googling.run()

    assert refused.state == "refused"
    assert "hexBackgroundColor" in refused.detail
    assert (await googling.state()).state == "there"


async def test_a_refused_change_leaves_what_is_there_and_its_link(googling: Googling):
    await googling.want("handle")

    await googling.build(googling.a_pass(version=2, barcode={"type": "NO_SUCH_CODE"}))
    await googling.run()

    assert (await googling.state()).state == "refused"
    assert (await googling.link()).object_id == object_id("handle")


# Reports: edutap.wallet_google #44, #36; spatie/laravel-mobile-pass #71, #72; web-codelab #78 …


async def test_an_issuer_without_merchant_locations_sends_without_them(googling: Googling):
    await googling.want("handle", **LOCATION)

    assert googling.asked("POST") == [
        "POST loyaltyClass 200",
        "POST loyaltyObject 400",
        "POST loyaltyObject 200",
    ]
    assert "merchantLocations" not in googling.at_google()
    assert (await googling.state()).state == "there"


async def test_that_merchant_locations_are_refused_is_remembered(googling: Googling):
    await googling.want("handle", **LOCATION)

    await googling.want("other", **LOCATION)

    assert googling.asked("POST")[3:] == ["POST loyaltyObject 200"]
    assert any("locations" in note for note in (await googling.status()).notes)


async def test_merchant_locations_come_once_google_allows_them(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle", **LOCATION)
    google.switches.takes_merchant_locations = True

    await googling.keep_issuer(revision=2)
    await googling.build(googling.a_pass(version=2, accountName="Grace", **LOCATION))
    await googling.run()

    assert "merchantLocations" in googling.at_google()
    assert (await googling.status()).notes == []


async def test_an_account_that_is_not_invited_waits_with_the_invitation(
    googling: Googling, google: FakeGoogle
):
    google.issuer(ISSUER).invited.clear()
    await googling.keep(*(googling.a_pass(f"handle{number}") for number in range(50)))
    await googling.run()
    state, asked = await googling.state("handle7"), googling.asked()
    await googling.run()
    assert googling.asked() == asked

    google.issuer(ISSUER).invited.add(google.key_file["client_email"])
    await googling.bring_forward()
    await googling.run()

    assert asked == ["POST loyaltyClass 403", "GET issuer 403"]
    assert state.state == "waiting"
    assert google.key_file["client_email"] in state.detail
    assert "quota" not in state.detail.casefold()
    assert len(google.objects) == 50


async def test_a_class_of_somebody_else_refuses_its_passes_and_nobody_else(
    googling: Googling, google: FakeGoogle
):
    foreign = "3388000000000000007.class"
    google.issuer("3388000000000000007")
    await googling.keep(googling.a_pass("mine"), googling.a_pass("foreign", class_id=foreign))

    await googling.run()

    assert (await googling.state("mine")).state == "there"
    assert (await googling.state("foreign")).state == "refused"


async def test_a_logo_that_google_cannot_load_refuses_the_class(
    googling: Googling, google: FakeGoogle
):
    google.images.are_fetched = True
    logo = {"sourceUri": {"uri": f"{google.url}/nothing.png"}}

    await googling.want("handle", of_class={"programLogo": logo})

    assert "Image cannot be loaded" in (await googling.state()).detail


# 401


async def test_a_token_that_is_refused_once_is_renewed(googling: Googling, google: FakeGoogle):
    await googling.want("handle")
    google.clock.advance(hours=2)

    await googling.build(googling.a_pass(version=2, accountName="Grace"))
    await googling.run()

    assert googling.asked("PATCH") == ["PATCH loyaltyObject 401", "PATCH loyaltyObject 200"]
    assert [one.path for one in google.requests].count("/token") == 2


async def test_a_revoked_key_amid_a_thousand_changes_loses_none(
    googling: Googling, google: FakeGoogle
):
    handles = [f"handle{number}" for number in range(1_000)]
    google.switches.checks_documents = False
    await googling.want(*handles)
    await googling.build(
        *(googling.a_pass(handle, version=2, accountName=f"new {handle}") for handle in handles)
    )

    running = asyncio.create_task(googling.run())
    await google.until(lambda: len(googling.asked("PATCH")) > 300)
    google.accounts.revoke(google.key_file["private_key_id"])
    await running
    waiting = await googling.status()
    detail = (await googling.state(handles[-1])).detail
    await googling.keep_issuer(google.invite("renewed"), revision=2)
    await googling.run()

    assert waiting.waiting > 500
    assert detail
    assert await googling.jobs() == []
    assert all(googling.at_google(h)["accountName"] == f"new {h}" for h in handles)
    patched = [one.path for one in googling.calls() if (one.method, one.status) == ("PATCH", 200)]
    assert len(patched) == len(set(patched)) == 1_000


async def test_an_issuer_with_a_refused_key_is_tried_hourly_by_one_document(
    googling: Googling, google: FakeGoogle
):
    google.accounts.revoke(google.key_file["private_key_id"])
    await googling.keep(*(googling.a_pass(f"handle{number}") for number in range(30)))
    await googling.run()
    [issuer] = await googling.notifier.sql("SELECT waits_until FROM google_issuers")
    tokens = google.requests.copy()

    await googling.bring_forward()
    await googling.run()

    pause = issuer["waits_until"] - clock.now()
    assert ISSUER_PAUSE - timedelta(minutes=1) < pause <= ISSUER_PAUSE
    assert len(google.requests) - len(tokens) == 1


async def test_an_answer_to_the_old_key_does_not_stop_the_new_one(
    googling: Googling, google: FakeGoogle
):
    google.faults.hold(of="/token")
    google.accounts.revoke(google.key_file["private_key_id"])
    await googling.keep(googling.a_pass())
    running = asyncio.create_task(googling.run())
    await google.until(lambda: any(one.path == "/token" for one in google.requests))

    await googling.keep_issuer(google.invite("renewed"), revision=2)
    google.faults.release()
    await running
    await googling.run()

    assert (await googling.state()).state == "there"


# 404, 409


async def test_404_of_a_known_object_inserts_it(googling: Googling, google: FakeGoogle):
    await googling.want("handle")
    google.objects.clear()
    changed = googling.a_pass(version=2, accountName="Grace")

    await googling.build(changed)
    await googling.run()

    assert googling.asked()[2:] == ["PATCH loyaltyObject 404", "POST loyaltyObject 200"]
    assert googling.at_google() == changed.object_document.body


async def test_404_that_names_the_class_sends_the_class_first(
    googling: Googling, google: FakeGoogle
):
    await googling.want("other")
    google.objects.clear()
    google.classes.clear()

    await googling.keep(googling.a_pass())
    await googling.until_sent()

    assert googling.asked()[2:] == [
        "POST loyaltyObject 404",
        "POST loyaltyClass 200",
        "POST loyaltyObject 200",
    ]


async def test_an_adopted_class_that_is_not_there_is_waited_for(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle", adopted=True)
    waiting = await googling.state()

    await googling.want("other")
    await googling.until_sent()

    assert waiting.state == "waiting"
    assert "class" in waiting.detail
    assert (await googling.state()).state == "there"


async def test_409_patches_with_everything_and_leaves_nothing_else(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle", smartTapRedemptionValue="old")
    await googling.notifier.sql("UPDATE google_documents SET sent = NULL, sent_digest = NULL")
    changed = googling.a_pass(version=2, accountName="Grace")

    await googling.build(changed)
    await googling.run()

    assert googling.asked()[2:] == [
        "POST loyaltyClass 409",
        "PATCH loyaltyClass 200",
        "POST loyaltyObject 409",
        "PATCH loyaltyObject 200",
        "PUT loyaltyObject 200",
    ]
    assert googling.at_google() == changed.object_document.body


# 429, 5xx, no answer


async def test_429_doubles_the_spacing_and_waits_as_long_as_google_says(
    googling: Googling, google: FakeGoogle
):
    googling.rate, googling.worker = 20, googling.a_worker()
    google.faults.fail(429, of=f"POST /walletobjects/v1{OBJECTS}", retry_after=90)
    await googling.want("handle")

    [limit] = await googling.notifier.sql(
        "SELECT slowness, extract(epoch FROM frozen_until - now())::float AS frozen"
        " FROM google_limits"
    )
    [job] = await googling.jobs()
    await googling.run()

    assert limit["slowness"] == 2
    assert 85 < limit["frozen"] <= 90
    assert job["tries"] == 0
    assert googling.asked() == ["POST loyaltyClass 200", "POST loyaltyObject 429"]


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_5xx_is_tried_again_until_it_is_done(
    googling: Googling, google: FakeGoogle, status: int
):
    google.faults.fail(status, times=2, of=f"POST /walletobjects/v1{OBJECTS}")
    await googling.want("handle")
    [job] = await googling.jobs()

    await googling.until_sent()

    assert job["tries"] == 1
    assert 0 < job["due_in"] <= 1.3
    assert googling.asked("POST")[1:] == [
        f"POST loyaltyObject {status}",
        f"POST loyaltyObject {status}",
        "POST loyaltyObject 200",
    ]


async def test_retry_after_of_a_5xx_is_heeded(googling: Googling, google: FakeGoogle):
    google.faults.fail(503, of=f"POST /walletobjects/v1{OBJECTS}", retry_after=120)

    await googling.want("handle")

    [job] = await googling.jobs()
    assert 110 < job["due_in"] <= 120


async def test_a_lost_answer_to_an_insert_leaves_one_object_as_it_is_wanted(
    googling: Googling, google: FakeGoogle
):
    google.faults.lose(of=f"POST /walletobjects/v1{OBJECTS}")
    await googling.want("handle")

    await googling.until_sent()

    assert googling.asked()[1:] == [
        "POST loyaltyObject 200",
        "POST loyaltyObject 409",
        "PATCH loyaltyObject 200",
    ]
    assert (await googling.state()).state == "there"


async def test_a_lost_answer_to_a_change_changes_nothing_twice(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle")
    google.faults.lose(of="PATCH")
    await googling.build(googling.a_pass(version=2, accountName="Grace"))
    await googling.run()

    await googling.until_sent()

    assert googling.asked("PATCH") == ["PATCH loyaltyObject 200"] * 2
    assert google.objects[object_id("handle")].version == 2


async def test_google_away_for_an_hour_delays_and_loses_nothing(
    googling: Googling, google: FakeGoogle
):
    handles = [f"handle{number}" for number in range(20)]
    await googling.want(*handles)
    google.faults.away = True
    await googling.build(*(googling.a_pass(h, version=2, accountName=f"new {h}") for h in handles))
    for _ in range(12):  # 1 s, 2 s, 4 s … more than an hour in all
        await googling.run()
        await googling.bring_forward()
    jobs = await googling.jobs()
    waiting = await googling.state(handles[0])
    await googling.keep(googling.a_pass("newcomer"))
    await googling.run()

    google.clock.advance(hours=1)
    google.faults.away = False
    await googling.until_sent()

    assert {job["tries"] for job in jobs} == {12}
    assert waiting.detail == "Google did not answer."
    assert all(googling.at_google(handle)["accountName"] == f"new {handle}" for handle in handles)
    assert (await googling.state("newcomer")).state == "there"


async def test_pauses_grow_to_an_hour(googling: Googling, google: FakeGoogle):
    google.faults.away = True
    await googling.want("handle")
    await googling.notifier.sql("UPDATE google_jobs SET tries = 40, due_at = now()")

    await googling.run()

    due = [job["due_in"] for job in await googling.jobs() if job["document_id"] == CLASS]
    assert 2_600 < due[0] <= 3_600


# A class and its review


async def test_a_class_refused_by_review_holds_new_passes_until_it_changes(
    googling: Googling, google: FakeGoogle
):
    google.switches.review = "refuse"
    await googling.want("handle")
    refused, status = await googling.state(), await googling.status()
    assert google.objects == {}
    google.switches.review = "approve"

    await googling.build(googling.a_pass(revision=2, of_class={"programName": "Tea Club"}))
    await googling.run()

    assert refused.state == "refused"
    assert status.review == "REJECTED"
    assert (await googling.state()).state == "there"
    assert (await googling.status()).review == "APPROVED"


async def test_passes_that_were_there_go_on_when_a_review_refuses_their_class(
    googling: Googling, google: FakeGoogle
):
    await googling.want("old")
    google.resources.review(CLASS, "REJECTED", "The logo is not yours.")

    await googling.keep(googling.a_pass("new"))
    await googling.build(googling.a_pass("old", version=2, accountName="Grace"))
    await googling.run()

    assert googling.at_google("old")["accountName"] == "Grace"
    assert (await googling.state("new")).state == "refused"
    assert "The logo is not yours." in (await googling.status()).refusals

    await googling.build(googling.a_pass("old", revision=2, of_class={"programName": "Tea"}))
    await googling.run()
    assert (await googling.state("new")).state == "there"


# What is told of it


async def test_neither_log_nor_timeline_holds_what_a_pass_shows_or_its_handle(
    googling: Googling, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
):
    canary = "canary4711"
    wanted = googling.a_pass(canary, accountName=canary, barcode={"type": canary})
    google.faults.fail(of=OBJECTS)
    with structlog.testing.capture_logs() as logs:
        await googling.keep(wanted)
        await googling.until_sent()
        monkeypatch.setattr(GoogleApi, "ask", broken)
        await googling.build(googling.a_pass(canary, version=2, accountName=canary))
        await googling.run()

    shown = [one.data for one in await googling.seen(canary)]
    assert [one["event"] for one in logs] == ["google_failed"]
    assert canary not in str(logs)
    assert canary not in str(shown)


async def broken(*_arguments: Any) -> None:
    raise ValueError("canary4711")


async def test_steps_are_counted_by_what_they_led_to(googling: Googling, google: FakeGoogle):
    def count(outcome: str) -> float:
        labels = {"step": "write", "outcome": outcome}
        return REGISTRY.get_sample_value("passwright_google_steps_total", labels) or 0

    before = count("done"), count("later")
    google.faults.fail(of=f"POST /walletobjects/v1{OBJECTS}")

    await googling.want("handle")

    assert (count("done") - before[0], count("later") - before[1]) == (1, 1)
