"""Once a day what is at Google is compared: who has it, what is gone, what is otherwise."""

import pytest

from services.notifier.google.handlers import acts
from services.notifier.google.jobs.forgetting import forget_objects
from services.notifier.google.jobs.reconciling import Reconciler
from tests.google.server import FakeGoogle
from tests.integration.notifier.googling import CLASS, Googling, object_id


@pytest.fixture
def reconciler(googling: Googling) -> Reconciler:
    return Reconciler(
        googling.notifier.database, googling.sender, tell_acts=acts.tell_acts, at_google=False
    )


async def reconciled(googling: Googling, reconciler: Reconciler) -> None:
    """A day goes by, and all is compared and put right."""
    await googling.notifier.sql("UPDATE google_lists SET listed_at = now() - interval '2 days'")
    await reconciler.run()
    await googling.run()


async def test_saves_and_removals_that_no_callback_told_are_found_out(
    googling: Googling, google: FakeGoogle, reconciler: Reconciler
):
    await googling.want("saved", "removed", "nobody")
    await googling.save("saved", told=False)
    await googling.save("removed")
    await google.remove(object_id("removed"))

    await reconciled(googling, reconciler)
    await reconciled(googling, reconciler)

    told = [(act.handle, act.kind) for act in await googling.acts()]
    assert sorted(told) == [("removed", "install"), ("removed", "remove"), ("saved", "install")]
    assert (await googling.state("saved")).saved


async def test_a_save_that_is_told_after_its_removal_is_found_out(
    googling: Googling, google: FakeGoogle, reconciler: Reconciler
):
    """google-wallet/android-codelab #2: callbacks are hints, late and in any order."""
    await googling.want("handle")
    await googling.save("handle", told=False)
    await google.remove(object_id("handle"))
    await googling.call_back("del", "handle")
    await googling.run()
    await googling.call_back("save", "handle")

    await reconciled(googling, reconciler)

    assert not (await googling.state()).saved
    assert [act.kind for act in await googling.acts()] == ["install", "remove"]


async def test_objects_that_google_has_lost_are_inserted_anew(
    googling: Googling, google: FakeGoogle, reconciler: Reconciler
):
    await googling.want("lost", "there")
    del google.objects[object_id("lost")]

    await reconciled(googling, reconciler)

    assert googling.at_google("lost") == googling.a_pass("lost").object_document.body
    assert googling.asked("POST")[3:] == ["POST loyaltyObject 200"]


async def test_keys_that_google_has_otherwise_are_sent_again(
    googling: Googling, google: FakeGoogle, reconciler: Reconciler
):
    await googling.want("other", "same")
    google.objects[object_id("other")].document["accountName"] = "Mallory"

    await reconciled(googling, reconciler)

    [patch] = [one for one in googling.calls() if one.method == "PATCH"]
    assert patch.body == {"accountName": "Ada"}


async def test_lists_are_read_page_by_page(
    googling: Googling, google: FakeGoogle, reconciler: Reconciler
):
    await googling.want(*(f"handle{number}" for number in range(250)))
    del google.objects[object_id("handle249")]

    await reconciled(googling, reconciler)

    lists = [one for one in googling.calls() if one.method == "GET"]
    assert len([one for one in lists if one.path.endswith("/loyaltyObject")]) == 3
    assert object_id("handle249") in google.objects


async def test_a_class_is_compared_once_a_day_by_one_process(
    googling: Googling, reconciler: Reconciler
):
    await googling.want("handle")

    for _ in range(3):
        await reconciler.run()

    assert googling.asked("GET") == ["GET loyaltyObject 200"]


async def test_a_list_says_how_the_review_of_a_class_went(
    googling: Googling, google: FakeGoogle, reconciler: Reconciler
):
    google.switches.review = "wait"
    await googling.want("handle")
    waiting = (await googling.status()).review
    google.resources.review(CLASS, "APPROVED")

    await reconciled(googling, reconciler)

    assert (waiting, (await googling.status()).review) == ("UNDER_REVIEW", "APPROVED")


async def test_a_google_that_is_away_is_compared_another_day(
    googling: Googling, google: FakeGoogle, reconciler: Reconciler
):
    await googling.want("handle")
    google.faults.away = True

    await reconciled(googling, reconciler)

    assert await googling.jobs() == []
    assert (await googling.state()).state == "there"


async def test_what_is_kept_of_deleted_passes_is_forgotten_after_a_month(googling: Googling):
    await googling.want("gone", "late", "living")
    await googling.delete("gone", "late")
    await googling.run()
    await googling.notifier.sql(
        "UPDATE google_documents SET deleted_at = now() - interval '31 days' WHERE handle = 'gone'"
    )

    await forget_objects(googling.notifier.database)

    rows = await googling.notifier.sql("SELECT handle FROM google_documents ORDER BY handle")
    assert [row["handle"] for row in rows] == ["late", "living", None]
