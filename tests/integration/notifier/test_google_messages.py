"""A message to all is one of each class; its passes show it and say nothing more of it."""

import asyncio
from typing import Any

from shared.contracts.generator import GooglePass
from tests.google.server import FakeGoogle
from tests.integration.notifier.googling import CLASS, Googling

OTHER_CLASS = f"{CLASS}_v2"


def showing(googling: Googling, text: str, version: int, handle: str, **more: Any) -> GooglePass:
    """A pass that shows the text of a template in a field that announces its change."""
    fields: dict[str, Any] = {
        "version": version,
        "push_version": version,
        "watched": {"offer": (text, "New: %@")},
        "textModulesData": [{"id": "offer", "header": "Offer", "body": text}],
    }
    return googling.a_pass(handle, **fields | more)


async def held(googling: Googling, *handles: str, **more: Any) -> None:
    await googling.keep(*(showing(googling, "tea", 1, handle, **more) for handle in handles))
    await googling.run()
    await googling.save(*handles)


async def test_a_message_to_all_is_one_of_their_class(googling: Googling, google: FakeGoogle):
    await held(googling, "ada", "grace", "joan")

    told = await googling.tell("cake")
    await googling.run()

    [message] = google.classes[CLASS].document["messages"]
    assert told == 1
    assert message == {
        "id": "1", "header": "Example", "body": "New: cake", "messageType": "TEXT_AND_NOTIFY",
    }  # fmt: skip
    assert googling.asked("POST").count("POST loyaltyClass addMessage 200") == 1
    assert [googling.notices(handle) for handle in ("ada", "grace", "joan")] == [["Example"]] * 3
    assert await googling.jobs() == []


async def test_passes_that_show_what_was_told_to_all_change_silently(
    googling: Googling, google: FakeGoogle
):
    await held(googling, "ada", "grace")

    await googling.tell("cake")
    await googling.build(
        showing(googling, "cake", 2, "ada"), showing(googling, "Cake, Grace!", 2, "grace"),
        lane="bulk",
    )  # fmt: skip
    await googling.run()

    assert googling.at_google("ada")["textModulesData"][0]["body"] == "cake"
    assert "messages" not in googling.at_google("ada")
    assert googling.notices("ada") == ["Example"]
    assert [one["body"] for one in googling.at_google("grace")["messages"]] == ["New: Cake, Grace!"]


async def test_a_class_of_which_nobody_has_a_pass_tells_nothing(
    googling: Googling, google: FakeGoogle
):
    await googling.want("ada")
    await held(googling, "grace", class_id=OTHER_CLASS)

    told = await googling.tell("cake")
    await googling.run()

    assert told == 1
    assert "messages" not in google.classes[CLASS].document
    assert len(google.classes[OTHER_CLASS].document["messages"]) == 1


async def test_what_is_told_to_all_counts_with_each_pass(googling: Googling):
    await held(googling, "ada", "grace")
    for text in ("one", "two", "three"):
        await googling.tell(text)
        await googling.run()

    outlook = await googling.outlook()
    await googling.build(showing(googling, "For Ada", 2, "ada"))
    await googling.run()

    assert (outlook.holders, outlook.silent) == (2, 2)
    assert [one["messageType"] for one in googling.at_google("ada")["messages"]] == ["TEXT"]
    assert len(googling.notices("ada")) == 3


async def test_a_fourth_message_to_all_is_silent(googling: Googling, google: FakeGoogle):
    await held(googling, "ada")

    for text in ("one", "two", "three", "four"):
        await googling.tell(text)
        await googling.run()

    types = [one["messageType"] for one in google.classes[CLASS].document["messages"]]
    assert types == ["TEXT_AND_NOTIFY"] * 3 + ["TEXT"]
    assert [one.status for one in googling.calls() if one.status != 200] == []


async def test_of_messages_that_wait_the_newest_of_a_field_is_told(
    googling: Googling, google: FakeGoogle
):
    await held(googling, "ada")

    await googling.tell("cake")
    await googling.tell("pie")
    await googling.run()

    [message] = google.classes[CLASS].document["messages"]
    assert message["body"] == "New: pie"


async def test_a_message_that_comes_while_another_is_sent_is_told_too(
    googling: Googling, google: FakeGoogle
):
    await held(googling, "ada")
    await googling.tell("cake")
    google.faults.hold(of="addMessage")
    sending = asyncio.create_task(googling.run())
    await google.until(lambda: "messages" in google.classes[CLASS].document)

    await googling.tell("pie")
    google.faults.release()
    await sending
    await googling.run()

    bodies = [one["body"] for one in google.classes[CLASS].document["messages"]]
    assert bodies == ["New: cake", "New: pie"]


async def test_a_lost_answer_to_a_message_to_all_says_it_once(
    googling: Googling, google: FakeGoogle
):
    await held(googling, "ada")
    await googling.tell("cake")
    google.faults.lose(of="addMessage")

    await googling.until_sent()

    assert len(google.classes[CLASS].document["messages"]) == 1
    assert googling.notices("ada") == ["Example"]


async def test_a_later_change_of_the_class_says_nothing_again(
    googling: Googling, google: FakeGoogle
):
    await held(googling, "ada")
    await googling.tell("cake")
    await googling.run()

    for revision in (2, 3):
        name = {"programName": f"Beans {revision}"}
        await googling.build(
            showing(googling, "cake", revision, "ada", revision=revision, of_class=name)
        )
        await googling.run()
        await googling.tell("pie")
        await googling.run()

    bodies = [one["body"] for one in google.classes[CLASS].document["messages"]]
    assert bodies == ["New: cake", "New: pie", "New: pie"]
    assert google.classes[CLASS].document["programName"] == "Beans 3"


async def test_the_timeline_of_a_pass_shows_what_was_told_to_all_since_it_was_saved(
    googling: Googling,
):
    await held(googling, "ada")
    await googling.tell("cake")
    await googling.run()
    await held(googling, "late")

    [shown] = [one for one in await googling.seen("ada") if one.kind == "google_notified"]
    assert shown.data == {"by": "class"}
    assert (await googling.state("ada")).notified_at is not None
    assert [one for one in await googling.seen("late") if one.kind == "google_notified"] == []
    assert (await googling.state("late")).notified_at is None


async def test_the_outlook_says_how_much_is_at_google_and_how_fast(googling: Googling):
    googling.rate = 20
    await held(googling, "ada", "grace")
    await googling.want("joan")
    await googling.keep(googling.a_pass("waits"))

    all_, one = await googling.outlook(), await googling.outlook("ada")
    stranger = await googling.outlook("nobody")

    assert (all_.objects, all_.holders, all_.silent, all_.classes) == (4, 2, 0, 1)
    assert (all_.waiting, all_.spacing) == (1, 0.05)
    assert (one.objects, one.holders) == (1, 1)
    assert (stranger.objects, stranger.classes, stranger.spacing) == (0, 0, 0)


async def test_nothing_of_a_development_issuer_is_foreseen_at_google_itself(googling: Googling):
    await googling.keep_issuer(revision=2, development=True)
    await googling.keep(googling.a_pass())

    assert (await googling.outlook(at_google=True)).objects == 0
    assert (await googling.outlook()).objects == 1
