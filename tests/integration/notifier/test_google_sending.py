"""Passes that somebody wants in Google Wallet come there, once, and are kept in step."""

import asyncio
from functools import partial
from typing import Any

import jwt
import pytest

from services.notifier import handlers
from services.notifier.google.domain.lanes import BACKFILL, CAMPAIGN, INTERACTIVE
from shared.contracts.message import Person
from shared.contracts.notifier import KeepGoogle
from shared.errors import GoneError, NotFoundError, NotReadyError
from shared.google.api import GoogleAddresses
from shared.identifiers import new_id
from tests.google.server import ISSUER, FakeGoogle
from tests.integration.notifier.googling import CLASS, Googling, object_id

POINTS = {"label": "beans", "balance": {"int": 13}}


async def test_a_pass_that_is_wanted_is_sent_behind_its_class(googling: Googling):
    wanted = googling.a_pass()

    [kept] = await googling.keep(wanted)
    await googling.run()

    assert (kept.state, kept.object_id, kept.class_id) == ("waiting", object_id("handle"), CLASS)
    assert googling.asked() == ["POST loyaltyClass 200", "POST loyaltyObject 200"]
    assert googling.at_google() == wanted.object_document.body
    assert (await googling.state()).state == "there"
    assert await googling.jobs() == []


async def test_a_class_is_sent_once_for_all_its_passes(googling: Googling):
    await googling.keep(*(googling.a_pass(f"handle{number}") for number in range(20)))

    await googling.run()

    assert googling.asked("POST") == ["POST loyaltyClass 200"] + ["POST loyaltyObject 200"] * 20


async def test_a_class_that_was_adopted_is_never_written(googling: Googling, google: FakeGoogle):
    await googling.want("other", class_id=CLASS)

    await googling.want("handle", adopted=True, type_="loyalty")

    assert googling.asked().count("POST loyaltyClass 200") == 1
    assert googling.asked("PATCH", "PUT") == []
    assert (await googling.state()).state == "there"


async def test_a_link_is_given_once_the_pass_is_there(googling: Googling, google: FakeGoogle):
    await googling.keep(googling.a_pass())
    with pytest.raises(NotReadyError):
        await googling.link()
    await googling.run()

    link = await googling.link(life_seconds=3600)

    [card] = await google.save(link.save_url)
    assert "Bean Club" in str(card)
    assert len(link.save_url) < 1_800
    assert link.expires_at is not None
    claims = jwt.decode(link.save_url.rpartition("/")[2], options={"verify_signature": False})
    assert claims["payload"] == {"loyaltyObjects": [{"id": object_id("handle"), "classId": CLASS}]}
    assert claims["origins"] == ["https://pass.example"]
    assert (claims["iss"], claims["aud"]) == (google.key_file["client_email"], "google")
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_link_without_a_life_has_no_end(googling: Googling):
    await googling.want("handle")

    link = await googling.link()

    claims = jwt.decode(link.save_url.rpartition("/")[2], options={"verify_signature": False})
    assert "exp" not in claims
    assert link.expires_at is None


async def test_no_link_is_given_for_a_pass_that_nobody_wanted(googling: Googling):
    with pytest.raises(NotFoundError):
        await googling.link("nobody")

    assert await googling.state("nobody") == type(await googling.state("nobody"))()


async def test_a_change_patches_only_what_differs(googling: Googling):
    await googling.want("handle")

    await googling.build(googling.a_pass(version=2, accountName="Grace", accountId=None))
    await googling.run()

    [patch] = [one for one in googling.calls() if one.method == "PATCH"]
    assert patch.body == {"accountName": "Grace", "accountId": None}
    assert "accountId" not in googling.at_google()
    assert patch.path.endswith(f"loyaltyObject/{ISSUER}.p_handle")
    assert (await googling.state()).sent_version == 2


async def test_what_google_does_not_remove_by_null_is_replaced(
    googling: Googling, google: FakeGoogle
):
    google.switches.null_removes = False
    await googling.want("handle")
    changed = googling.a_pass(version=2, accountId=None)

    await googling.build(changed)
    await googling.run()

    assert googling.asked("PATCH", "PUT") == ["PATCH loyaltyObject 200", "PUT loyaltyObject 200"]
    assert googling.at_google() == changed.object_document.body


async def test_nothing_is_sent_of_what_has_not_changed(googling: Googling):
    await googling.want("handle")
    before = googling.asked()

    await googling.build(googling.a_pass(version=2))
    await googling.keep(googling.a_pass(version=2))
    await googling.run()

    assert googling.asked() == before


async def test_of_many_versions_only_the_newest_is_sent(googling: Googling):
    await googling.want("handle")
    for version in range(2, 12):
        await googling.build(googling.a_pass(version=version, accountName=f"Ada {version}"))

    await googling.run()

    assert googling.asked("PATCH") == ["PATCH loyaltyObject 200"]
    assert googling.at_google()["accountName"] == "Ada 11"


async def test_a_version_that_comes_late_is_dropped(googling: Googling):
    await googling.want("handle", version=5, accountName="new")

    await googling.build(googling.a_pass(version=4, accountName="old"))
    await googling.run()

    assert googling.at_google()["accountName"] == "new"
    assert googling.asked("PATCH") == []


async def test_a_class_of_a_revision_that_comes_late_is_dropped(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle", revision=3, of_class={"programName": "new"})

    await googling.build(
        googling.a_pass("other", revision=2, version=9, of_class={"programName": "old"})
    )
    await googling.run()

    assert google.classes[CLASS].document["programName"] == "new"


async def test_a_version_that_comes_before_anybody_wanted_the_pass_is_kept(googling: Googling):
    await googling.build(googling.a_pass(version=2, accountName="new"))
    await googling.keep(googling.a_pass(version=1, accountName="old"))

    await googling.run()

    assert googling.at_google()["accountName"] == "new"


async def test_an_approved_class_is_always_sent_under_review(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle")
    assert google.classes[CLASS].document["reviewStatus"] == "APPROVED"

    await googling.build(googling.a_pass(revision=2, of_class={"programName": "Tea Club"}))
    await googling.run()

    [patch] = [one for one in googling.calls() if one.method == "PATCH"]
    assert patch.body == {"programName": "Tea Club", "reviewStatus": "UNDER_REVIEW"}
    assert (await googling.status()).review == "APPROVED"


async def test_a_template_change_sends_its_class_before_its_passes(googling: Googling):
    handles = [f"handle{number}" for number in range(5)]
    await googling.want(*handles)

    await googling.build(
        *(
            googling.a_pass(handle, revision=2, of_class={"programName": "Tea"}, accountId=None)
            for handle in handles
        )
    )
    await googling.run()

    assert googling.asked("PATCH") == [
        "PATCH loyaltyClass 200",
        *["PATCH loyaltyObject 200"] * 5,
    ]


async def test_lanes_are_told_by_how_a_pass_came_to_be_different(googling: Googling):
    handles = ["template", "single", "silent", "campaign", "prepared"]
    await googling.want(*handles[:4])

    await googling.build(googling.a_pass("template", revision=2, accountId=None))
    await googling.build(googling.a_pass("single", version=2, accountName="Grace"))
    silent = googling.a_pass("silent", version=2, accountName="Grace")
    campaign = googling.a_pass("campaign", version=2, push_version=2, accountName="Grace")
    await googling.build(silent, campaign, lane="bulk")
    await googling.keep(googling.a_pass("prepared"), lane="backfill")

    lanes = {job["document_id"]: job["lane"] for job in await googling.jobs()}
    assert [lanes[object_id(handle)] for handle in handles] == [
        BACKFILL,
        INTERACTIVE,
        BACKFILL,
        CAMPAIGN,
        BACKFILL,
    ]


async def test_who_waits_for_a_pass_of_the_backfill_goes_first(googling: Googling):
    await googling.keep(*(googling.a_pass(f"h{n}") for n in range(5)), lane="backfill")

    await googling.keep(googling.a_pass("h4"))

    [first, *others] = sorted(await googling.jobs(), key=lambda job: job["lane"])
    assert {first["document_id"], others[0]["document_id"]} == {CLASS, object_id("h4")}
    assert {job["lane"] for job in others[1:]} == {BACKFILL}


async def test_linked_objects_are_sent_before_the_one_that_they_are_linked_to(googling: Googling):
    await googling.keep(
        googling.a_pass("a", linkedObjectIds=[object_id("b")]), googling.a_pass("b")
    )

    await googling.run()

    created = [one.body["id"] for one in googling.calls() if one.method == "POST"]
    assert created == [CLASS, object_id("b"), object_id("a")]


async def test_what_google_has_linked_is_looked_at_and_compared(googling: Googling):
    await googling.want("a", "b")

    await googling.build(googling.a_pass("a", version=2, linkedObjectIds=[object_id("b")]))
    await googling.run()

    assert googling.asked()[-2:] == ["PATCH loyaltyObject 200", "GET loyaltyObject 200"]
    assert (await googling.state("a")).state == "there"


async def test_an_object_that_is_heard_of_after_the_one_it_is_linked_to_is_linked(
    googling: Googling,
):
    await googling.want("a")

    await googling.build(googling.a_pass("a", version=2, linkedObjectIds=[object_id("b")]))
    await googling.run()
    before = googling.at_google("a").get("linkedObjectIds", [])
    await googling.want("b")
    await googling.notifier.sql("UPDATE google_jobs SET due_at = now()")
    await googling.run()

    assert before == []
    assert googling.at_google("a")["linkedObjectIds"] == [object_id("b")]
    assert (await googling.state("a")).state == "there"


async def test_what_google_does_not_link_without_a_word_is_told(googling: Googling):
    handles = [f"h{number:02}" for number in range(52)]
    await googling.want(*handles)

    ids = [object_id(handle) for handle in handles[1:]]
    await googling.build(googling.a_pass("h00", version=2, linkedObjectIds=ids))
    await googling.run()

    state = await googling.state("h00")
    assert (state.state, state.detail) == ("refused", "Google did not link 1 of 51 objects.")


async def test_a_link_for_a_version_waits_until_it_is_there(googling: Googling):
    await googling.want("a")
    await googling.build(googling.a_pass("a", version=2, accountName="Somebody else"))

    with pytest.raises(NotReadyError):
        await googling.link("a", version=2)

    await googling.run()

    assert (await googling.link("a", version=2)).object_id == object_id("a")


async def test_the_objects_of_a_member_are_listed(googling: Googling):
    await googling.keep(
        googling.a_pass("a", member_id="ada"),
        googling.a_pass("b", member_id="bob"),
        googling.a_pass("c", member_id="ada", type_="generic", class_id=f"{CLASS}_generic"),
    )
    await googling.keep(googling.a_pass("d", member_id="ada"))
    await googling.delete("d")

    listed = await googling.objects_of("ada")

    assert [(one.object_id, one.handle, one.is_loyalty) for one in listed] == [
        (object_id("a"), "a", True),
        (object_id("c"), "c", False),
    ]


async def test_a_development_issuer_sends_nothing_to_google_itself(
    googling: Googling, google: FakeGoogle
):
    await googling.keep_issuer(revision=2, development=True)
    [kept] = await googling.keep(googling.a_pass(), at_google=True)
    at_google, at_the_fake = googling.a_worker(at_google=True), googling.a_worker()

    await at_google.run()
    nothing = googling.asked()
    await at_the_fake.run()

    assert nothing == []
    assert (kept.state, "development issuer" in kept.detail) == ("waiting", True)
    assert googling.asked() == ["POST loyaltyClass 200", "POST loyaltyObject 200"]


async def test_a_development_issuer_s_links_are_signed_though_nothing_was_sent(googling: Googling):
    await googling.keep_issuer(revision=2, development=True)
    await googling.keep(googling.a_pass(), at_google=True)

    link = await googling.link(addresses=GoogleAddresses())

    assert link.save_url.startswith("https://pay.google.com/gp/v/save/")
    with pytest.raises(NotReadyError):
        await googling.link()


async def test_passes_of_an_issuer_that_is_not_known_yet_wait_for_it(googling: Googling):
    other = "3388000000000000002"
    wanted = googling.a_pass(issuer_id=other, class_id=f"{other}.t_card")
    googling.google.issuer(other).invited.add(googling.google.key_file["client_email"])
    await googling.keep(wanted)
    await googling.run()
    assert googling.asked() == []

    await googling.keep_issuer(issuer_id=other)
    await googling.run()

    assert googling.asked() == ["POST loyaltyClass 200", "POST loyaltyObject 200"]


async def test_a_deleted_pass_is_void_at_google_and_tells_of_nobody(googling: Googling):
    await googling.want("handle", watched={"points": ("12", "You have %@")})
    await googling.save("handle")

    await googling.delete("handle")
    await googling.run()

    assert googling.at_google() == {
        "id": object_id("handle"),
        "classId": CLASS,
        "state": "INACTIVE",
    }
    [row] = await googling.notifier.sql(
        "SELECT wanted::text || watched::text || sent::text AS all FROM google_documents"
        " WHERE handle = 'handle'"
    )
    assert "Ada" not in row["all"]
    assert "4711" not in row["all"]
    with pytest.raises(NotFoundError):
        await googling.link()


@pytest.mark.parametrize("type_", ["generic", "giftCard", "flight", "transit", "eventTicket"])
async def test_a_deleted_pass_keeps_what_google_demands(
    googling: Googling, google: FakeGoogle, type_: str
):
    await googling.want("handle", type_=type_)

    await googling.delete("handle")
    await googling.run()

    assert (await googling.jobs()) == []
    assert googling.at_google()["state"] == "INACTIVE"
    assert "ADA" not in str(googling.at_google()).upper().replace("READABLE", "")


async def test_a_pass_that_is_deleted_before_it_was_sent_never_comes_to_google(
    googling: Googling, google: FakeGoogle
):
    await googling.keep(googling.a_pass())

    await googling.delete("handle")
    await googling.run()

    assert google.objects == {}
    assert await googling.jobs() == []


async def test_news_of_a_pass_that_never_came_to_google_do_not_bring_it_there_once_it_is_deleted(
    googling: Googling, google: FakeGoogle
):
    await googling.keep(googling.a_pass())
    await googling.delete("handle")

    await googling.build(googling.a_pass(version=2))
    await googling.run()

    assert google.objects == {}
    assert (await googling.state()).state is None


async def test_a_pass_that_is_wanted_while_it_is_deleted_is_gone(
    googling: Googling, google: FakeGoogle
):
    async with googling.notifier.database.work() as work:
        deleting = partial(handlers.end_passes, start_sending=googling.due.set)
        await deleting([googling.gone("handle")], work)
        keeping = asyncio.create_task(googling.keep(googling.a_pass()))
        await googling.notifier.until_waiting_for_a_lock()

    [kept] = await keeping
    await googling.run()
    assert isinstance(kept, GoneError)
    assert google.objects == {}


async def test_a_pass_that_is_deleted_while_it_is_wanted_is_kept_nowhere(
    googling: Googling, google: FakeGoogle
):
    async with googling.notifier.database.work() as work:
        keeping = partial(handlers.keep_google, start_sending=googling.due.set, at_google=False)
        command = KeepGoogle(command_id=new_id(), google_pass=googling.a_pass())
        await keeping([command], work)
        deleting = asyncio.create_task(googling.delete("handle"))
        await googling.notifier.until_waiting_for_a_lock()

    await deleting
    await googling.run()
    assert google.objects == {}
    assert (await googling.state()).state is None


async def test_news_of_a_deleted_pass_change_nothing(googling: Googling):
    await googling.want("handle")
    await googling.delete("handle")

    [kept] = await googling.keep(googling.a_pass(version=2))
    await googling.build(googling.a_pass(version=3, accountName="Grace"))
    await googling.run()

    assert isinstance(kept, GoneError)
    assert googling.at_google()["state"] == "INACTIVE"


async def test_messages_to_a_deleted_member_are_taken_away(googling: Googling):
    await googling.want("handle", member_id="ada", watched={"offer": ("a", "%@ for Ada")})
    await googling.save("handle")
    changed: dict[str, Any] = {
        "watched": {"offer": ("b", "%@ for Ada")},
        "textModulesData": [a_text("b")],
    }
    await googling.build(googling.a_pass(version=2, push_version=2, member_id="ada", **changed))
    await googling.run()
    assert len(googling.at_google()["messages"]) == 1

    await googling.erase(Person(googling.account_id, "ada"))
    await googling.build(googling.a_pass(version=3, accountName="-", member_id="ada"))
    await googling.run()

    assert googling.at_google()["messages"] == []
    assert googling.at_google()["accountName"] == "-"


async def test_a_saved_pass_is_told_as_installed_and_a_removed_one_as_removed(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle")
    await googling.save("handle")
    saved = await googling.state()
    await google.remove(object_id("handle"))

    await googling.call_back("del", "handle")
    await googling.run()

    told = [(act.kind, act.number, act.devices, act.wallet) for act in await googling.acts()]
    assert told == [("install", 1, 1, "google"), ("remove", 2, 0, "google")]
    assert (saved.saved, saved.saved_at is not None) == (True, True)
    assert not (await googling.state()).saved
    assert googling.asked("GET") == ["GET loyaltyObject 200"]


async def test_who_removes_a_pass_that_another_account_still_has_removes_nothing(
    googling: Googling, google: FakeGoogle
):
    await googling.want("handle")
    await googling.save("handle")
    await google.save((await googling.link()).save_url, "another@example.com")
    await google.remove(object_id("handle"))

    await googling.call_back("del", "handle")
    await googling.run()

    assert [act.kind for act in await googling.acts()] == ["install"]
    assert (await googling.state()).saved


async def test_callbacks_in_another_order_end_at_what_google_has(googling: Googling):
    await googling.want("handle")
    await googling.save("handle", told=False)

    await googling.call_back("del", "handle")
    await googling.run()
    await googling.call_back("save", "handle")
    await googling.run()

    assert (await googling.state()).saved
    assert [(act.kind, act.devices) for act in await googling.acts()] == [("install", 1)]


async def test_callbacks_of_unknown_objects_kinds_and_issuers_are_ignored(googling: Googling):
    await googling.want("handle")

    await googling.call_back("save", "unknown")
    await googling.call_back("activate", "handle")
    await googling.call_back("save", "handle", issuer_id="3388000000000000009")
    await googling.run()

    assert await googling.acts() == []
    assert googling.asked("GET") == []


async def test_timeline_shows_each_step(googling: Googling):
    await googling.want("handle", watched={"points": ("12", "You have %@")})
    await googling.save("handle")
    await googling.build(
        googling.a_pass(
            version=2,
            push_version=2,
            loyaltyPoints=POINTS,
            watched={"points": ("13", "You have %@")},
        )
    )
    await googling.run()

    seen = await googling.seen()
    assert [one.kind for one in seen] == [
        "google_wanted",
        "google_sent",
        "google_saved",
        "google_wanted",
        "google_sent",
        "google_notified",
    ]
    assert seen[4].data["method"] == "PATCH"
    assert seen[5].data == {"version": 2, "by": "update"}


async def test_status_says_how_far_a_template_is(googling: Googling):
    googling.rate = 20
    await googling.want("there", "saved")
    await googling.save("saved")
    await googling.keep(*(googling.a_pass(f"waits{n}") for n in range(40)), lane="backfill")

    status = await googling.status()

    assert (status.wanted, status.there, status.waiting, status.refused) == (42, 2, 40, 0)
    assert (status.holders, status.calls_waiting, status.review) == (1, 40, "APPROVED")
    assert status.oldest_waiting_at is not None
    assert status.done_at is not None
    assert 1.5 < (status.done_at - status.oldest_waiting_at).total_seconds() < 4


def a_text(body: str) -> dict[str, str]:
    return {"id": "offer", "header": "Offer", "body": body}
