"""One pass in both wallets: wanted, saved, changed and removed at what stands for Google."""

import json
import secrets
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import asyncpg
import pytest

from tests.e2e.googling import (
    POINTS,
    TEMPLATE,
    Shop,
    a_google_shop,
    points_of,
    saved,
    there,
    timeline,
    unsaved,
)
from tests.e2e.phones import hold
from tests.e2e.test_batches import ended, result, send
from tests.e2e.test_journeys import get, patch, post, put
from tests.google.resources import Resource
from tests.google.server import FakeGoogle
from tests.google_schema import validate
from tests.system import System, poll
from tests.wallet.fleet import Fleet


@pytest.fixture
async def shop(system: System, google: FakeGoogle) -> AsyncIterator[Shop]:
    async with a_google_shop(system, google) as shop:
        yield shop


async def test_a_pass_is_added_to_google_wallet_and_kept_in_stepthere(shop: Shop):
    handle = await shop.issue(**{POINTS: 3})

    object_, link = await shop.want(handle)
    await shop.google.save(link)
    known = await poll(lambda: saved(shop, handle), "the save is known")
    await patch(shop.http, f"/v1/passes/{handle}", {"values": {POINTS: 4}})
    await poll(lambda: points_of(object_) == 4, "the edit is at Google")
    await patch(shop.http, "/v1/members/ada", {"name": "Ada Lovelace"})
    await poll(lambda: "Ada Lovelace" in json.dumps(object_.document), "the member's name is")
    await post(shop.http, f"/v1/passes/{handle}/void")
    await poll(lambda: object_.document["state"] == "INACTIVE", "the pass is void at Google")

    assert known["saved"]
    validate("loyalty", "object", {k: v for k, v in object_.document.items() if k != "kind"})
    assert handle not in object_.id
    kinds = [entry["type"] for entry in (await timeline(shop, handle)) if "type" in entry]
    assert "pass.installed" in kinds


async def test_an_edit_reaches_a_saved_card_in_under_a_second(shop: Shop):
    handle = await shop.issue()
    object_ = await shop.save(handle)
    seconds: list[float] = []

    for points in range(1, 6):
        begun = monotonic()
        await patch(shop.http, f"/v1/passes/{handle}", {"values": {POINTS: points}})
        await poll(lambda points=points: points_of(object_) == points, "the edit is at Google")
        seconds.append(monotonic() - begun)

    assert min(seconds) < 1  # a busy machine may delay any of them


async def test_what_happened_at_google_is_told_in_the_verdict_and_with_the_pass(shop: Shop):
    handle = await shop.issue()
    await shop.save(handle)
    await patch(shop.http, f"/v1/passes/{handle}", {"values": {POINTS: 4}})

    async def judged() -> dict[str, Any] | None:
        verdict = (await get(shop.http, f"/v1/passes/{handle}/timeline"))["verdict"]
        return verdict if "was notified by Google" in verdict["text"] else None

    verdict = await poll(judged, "the verdict")
    shown = await get(shop.http, f"/v1/passes/{handle}")

    assert verdict["code"] == verdict["google"]["code"] == "current"
    assert shown["wallets"]["apple"] == {"devices": 0}
    assert shown["wallets"]["google"]["saved"]
    assert shown["wallets"]["google"]["sent_version"] == shown["version"]


async def test_a_message_to_all_is_one_message_at_google_and_every_card_shows_it(shop: Shop):
    objects = [await shop.save(await shop.issue()) for _ in range(3)]
    body = {"text": "Cake is half price", "template_id": shop.template_id}

    tried = await post(shop.http, "/v1/messages?dry_run=true", body)
    sent = await post(shop.http, "/v1/messages", body, expect=202)

    for object_ in objects:
        await poll(lambda one=object_: body["text"] in str(one.document), "the card shows it")
        await poll(lambda one=object_: shop.notices(one), "its holder has heard of it")
    class_ = shop.google.classes[objects[0].document["classId"]]
    assert tried["google"] == sent["google"]
    assert sent["google"]["calls"] == 3 + 1
    assert [one["body"] for one in class_.document["messages"]] == [body["text"]]
    assert [shop.notices(one) for one in objects] == [["Beans"]] * 3
    assert [one.document.get("messages") for one in objects] == [None] * 3


async def test_a_message_that_names_its_reader_is_one_of_each_card(shop: Shop):
    handle = await shop.issue()
    object_ = await shop.save(handle)
    body = {"text": "Cake, {member_name}!", "template_id": shop.template_id}

    sent = await post(shop.http, "/v1/messages", body, expect=202)

    await poll(lambda: object_.document.get("messages"), "the message is at Google")
    assert sent["google"]["calls"] == 2
    assert [one["body"] for one in object_.document["messages"]] == ["Cake, Ada!"]
    assert "messages" not in shop.google.classes[object_.document["classId"]].document


async def test_passes_are_prepared_at_google_when_they_are_issued(shop: Shop):
    order = {"template_id": shop.template_id, "wallets": ["apple", "google"]}
    rows = {**order, "passes": [{"member_id": "ada"}, {"member_id": "nobody"}, {}]}

    one = await post(shop.http, "/v1/passes", {**order, "member_id": "ada"}, expect=201)
    many = (await post(shop.http, "/v1/passes", rows, expect=201))["passes"]
    batch = await send(
        shop.http, b"member_id\nada\n", kind="passes", template_id=shop.template_id,
        wallets="apple,google",
    )  # fmt: skip
    await ended(shop.http, batch["batch_id"])
    [row] = await result(shop.http, batch["batch_id"])

    handles = [one["handle"], many[0]["handle"], many[2]["handle"], row["handle"]]
    assert many[1]["error"]["code"] == "member_unknown"
    for handle in handles:
        state = await poll(lambda handle=handle: there(shop, handle), "it is at Google")
        assert state["object_id"] in shop.google.objects
        assert not state["saved"]
    assert one["google"]["object_id"] == (await shop.state(one["handle"]))["object_id"]


async def test_a_pass_that_nobody_wants_there_is_not_told_to_google(shop: Shop):
    before = set(shop.google.objects)
    handle = await shop.issue()
    await patch(shop.http, f"/v1/passes/{handle}", {"values": {POINTS: 4}})
    wanted, _ = await shop.want(await shop.issue())

    assert set(shop.google.objects) - before == {wanted.id}
    assert (await shop.state(handle))["state"] is None


async def test_a_holder_who_removes_the_pass_is_known_to_have_done_so(shop: Shop):
    handle = await shop.issue()
    object_, link = await shop.want(handle)
    await shop.google.save(link)
    await poll(lambda: saved(shop, handle), "the save is known")

    await shop.google.remove(object_.id)

    gone = await poll(lambda: unsaved(shop, handle), "the removal is known")
    assert gone["state"] == "there"


async def test_of_a_deleted_member_nothing_is_left_at_google_or_in_what_is_kept_for_it(
    shop: Shop, system: System
):
    canary = f"Canary {secrets.token_hex(4)}"
    await patch(shop.http, "/v1/members/ada", {"name": canary})
    object_, _ = await shop.want(await shop.issue())
    assert canary in json.dumps(object_.document)

    async with shop.http.delete("/v1/members/ada") as response:
        assert response.status == 204, await response.text()

    await poll(lambda: canary not in json.dumps(object_.document), "Google has no name")
    connection = await asyncpg.connect(system.database_url)
    try:
        rows = await connection.fetch("SELECT d::text AS all FROM notifier.google_documents d")
    finally:
        await connection.close()
    assert rows
    assert not any(canary in row["all"] for row in rows)


async def test_one_change_reaches_a_phone_of_each_kind(shop: Shop, system: System, fleet: Fleet):
    [phone] = fleet.add()
    held = await hold(system, shop.http, phone, shop.template_id)
    object_, link = await shop.want(held.handle)
    await shop.google.save(link)

    await patch(shop.http, f"/v1/passes/{held.handle}", {"values": {POINTS: 7}})

    await fleet.until_newest({held.serial: 7})
    await poll(lambda: points_of(object_) == 7, "the change is at Google")


async def test_a_pass_lives_one_life_in_both_wallets(shop: Shop, system: System, fleet: Fleet):
    [phone] = fleet.add()
    held = await hold(system, shop.http, phone, shop.template_id)
    object_ = await shop.save(held.handle)
    one = f"/v1/passes/{held.handle}"

    async def until(state: str, *, is_void: bool) -> None:
        await poll(lambda: object_.document["state"] == state, f"it is {state} at Google")
        await poll(lambda: held.card.content.get("voided", False) == is_void, "the phone knows")

    await post(shop.http, f"{one}/void")
    await until("INACTIVE", is_void=True)
    await post(shop.http, f"{one}/unvoid")
    await until("ACTIVE", is_void=False)

    renamed = {
        **TEMPLATE,
        "pass": {**TEMPLATE["pass"], "logoText": "Tea", "description": "Tea card"},
    }
    await put(shop.http, f"/v1/templates/{shop.template_id}", renamed)
    tried = await post(shop.http, f"/v1/templates/{shop.template_id}/push?dry_run=true")
    await post(shop.http, f"/v1/templates/{shop.template_id}/push", expect=202)
    class_ = shop.google.classes[object_.document["classId"]]
    await poll(lambda: class_.document["programName"] == "Tea", "the class is another one")
    await poll(lambda: held.card.content["logoText"] == "Tea", "the phone has it, too")
    assert (tried["google"]["calls"], tried["google"]["class_calls"]) == (2, 1)

    await patch(shop.http, one, {"values": {"expirationDate": "2026-01-01T00:00:00Z"}})
    await until("EXPIRED", is_void=False)
    await settled(shop, held.handle, object_)
    await patch(shop.http, one, {"values": {"expirationDate": None}})
    await until("ACTIVE", is_void=False)
    await settled(shop, held.handle, object_)

    async with shop.http.delete(one) as response:
        assert response.status == 204
    await poll(lambda: object_.document["state"] == "INACTIVE", "it is void at Google")
    assert object_.document.keys() <= {"id", "classId", "state", "kind"}


async def test_a_template_s_change_reaches_what_is_at_google_though_nobody_has_it(shop: Shop):
    object_, _ = await shop.want(await shop.issue())
    fields = {**TEMPLATE["pass"]["storeCard"], "headerFields": [
        {"key": "points", "label": "Beans", "value": 0}
    ]}  # fmt: skip

    renamed = {**TEMPLATE, "pass": {**TEMPLATE["pass"], "storeCard": fields}}
    await put(shop.http, f"/v1/templates/{shop.template_id}", renamed)
    await post(shop.http, f"/v1/templates/{shop.template_id}/push", expect=202)

    await poll(lambda: "Beans" in str(object_.document["loyaltyPoints"]), "it shows the new label")


async def test_while_google_is_away_a_page_tries_again_until_it_is_back(shop: Shop):
    button = f"/p/{await shop.issue()}/google"
    shop.google.faults.away = True
    try:
        async with shop.http.post(button, allow_redirects=False) as response:
            status, page = response.status, await response.text()
    finally:
        shop.google.faults.away = False

    async def led() -> str | None:
        async with shop.http.get(button, allow_redirects=False) as response:
            return response.headers.get("Location")

    assert status == 200
    assert button in page
    [card] = await shop.google.save(await poll(led, "the page leads to Google"))
    assert card.object["accountName"] == "Ada"


async def test_while_google_is_away_a_link_makes_the_card_which_is_whole_later(shop: Shop):
    await shop.want(await shop.issue())
    handle = await shop.issue()
    button = f"/p/{handle}/google"
    shop.google.faults.away = True
    try:

        async def led() -> str | None:
            async with shop.http.post(button, allow_redirects=False) as response:
                return response.headers.get("Location")

        link = await poll(led, "a link that carries the card")
        [small] = await shop.google.save(link)
    finally:
        shop.google.faults.away = False

    object_ = shop.google.objects[small.object["id"]]
    assert "accountName" not in small.object
    assert handle not in link
    await poll(lambda: object_.document.get("accountName") == "Ada", "the card is whole")
    await poll(lambda: saved(shop, handle), "the save is known")


async def settled(shop: Shop, handle: str, object_: Resource) -> None:
    """Wait until what Google has is what is composed."""

    async def same() -> bool:
        wanted = (await shop.state(handle))["object"]
        ours = {key: object_.document.get(key) for key in wanted}
        return ours == wanted

    await poll(same, "Google has what is composed")


ANDROID = "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15"


@pytest.mark.parametrize(
    ("agent", "first", "second"),
    [
        (ANDROID, "Add to Google Wallet", "Add to Apple Wallet"),
        (IPHONE, "Add to Apple Wallet", "Add to Google Wallet"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "Add to Apple Wallet", "Add to Google Wallet"),
    ],
)
async def test_the_page_offers_the_wallet_of_the_device_first(
    shop: Shop, agent: str, first: str, second: str
):
    handle = await shop.issue()

    async with shop.http.get(f"/p/{handle}", headers={"User-Agent": agent}) as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]

    assert 0 < page.index(first) < page.index(second)
    assert "form-action 'self' https://pay.google.com;" in policy


async def test_the_button_of_the_page_leads_to_a_link_that_saves_the_pass(shop: Shop):
    handle = await shop.issue()

    async with shop.http.post(f"/p/{handle}/google", allow_redirects=False) as response:
        status, target = response.status, response.headers["Location"]

    [card] = await shop.google.save(target)
    assert status == 303
    assert card.object["accountName"] == "Ada"


async def test_a_void_pass_has_no_button_and_goes_nowhere(shop: Shop):
    handle = await shop.issue()
    await post(shop.http, f"/v1/passes/{handle}/void")

    async with shop.http.get(f"/p/{handle}", headers={"Accept": "text/html"}) as response:
        page = await response.text()
    async with shop.http.post(f"/p/{handle}/google", allow_redirects=False) as response:
        target = response.headers["Location"]

    assert "Google" not in page
    assert target.endswith(f"/p/{handle}")


async def test_an_account_without_an_issuer_is_told_so(system: System):
    async with system.session() as session:
        body = {"name": "No Google", "organization_name": "Beans"}
        api_key = (await post(session, "/v1/accounts", body, expect=201))["key"]
    async with system.session(api_key) as session:
        template = await post(session, "/v1/templates", TEMPLATE, expect=201)
        order = {"template_id": template["template_id"]}
        handle = (await post(session, "/v1/passes", order, expect=201))["handle"]

        answer = await post(session, f"/v1/passes/{handle}/google", expect=409)
        prepared = await post(session, "/v1/passes", {**order, "wallets": ["google"]}, expect=409)
        issued = (await get(session, "/v1/passes"))["data"]

    assert answer["code"] == prepared["code"] == "google_not_configured"
    assert [one["handle"] for one in issued] == [handle]
