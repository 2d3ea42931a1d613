"""WalletPass.ai's API: passes that are linked to a loyalty pass at Google; W27 to W41, W62.

The numbers count the statements of /work/shared's `walletpass-ai-pass-generation.txt` from its
beginning.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.e2e.walletpass import (
    WalletPass,
    open_to_all,
    open_walletpass,
    open_without_google,
)
from tests.google.resources import Resource
from tests.google.server import FakeGoogle
from tests.system import System, poll

PATH = "/walletpass/demo/google/linked-pass"
NOBODY = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
async def api(system: System, google: FakeGoogle) -> AsyncIterator[WalletPass]:
    api = await open_walletpass(system, google)
    yield api
    await api.http.close()


async def a_primary(api: WalletPass) -> tuple[str, Resource]:
    """Make a member with a Google Wallet loyalty pass."""
    member_id = await api.member()
    return member_id, await api.object_of((await api.create(member_id, "google"))["pass_id"])


async def until_linked(primary: Resource, ids: list[str]) -> None:
    """Wait until Google has linked these; after the answer, where it was slow."""
    await poll(lambda: primary.document.get("linkedObjectIds", []) == ids, "linked objects")


async def test_a_second_pass_is_linked_to_the_first_as_printed(api: WalletPass):
    """W27, W30, W40: created, attached, and told as printed."""
    member_id, primary = await a_primary(api)
    body = {
        "member_id": member_id,
        "member_name": "Member 001",
        "header_title": "Bonus pass",
        "card_title": "WalletPass.ai",
    }
    reply = await api.ask("POST", "demo/google/linked-pass", body)
    made = reply.data

    assert reply.status == 201
    assert reply.body["message"].startswith("Linked pass created")
    assert list(made) == ["linked_object_id", "primary_member_id", "pass_url", "pass_type"]
    assert made["linked_object_id"] == f"{primary.id}_linked"
    assert (made["primary_member_id"], made["pass_type"]) == (member_id, "google")
    await until_linked(primary, [made["linked_object_id"]])


async def test_the_pass_appears_with_the_first_and_can_be_added_by_hand(api: WalletPass):
    """W27, W40: who has the primary pass gets the linked one; pass_url adds it."""
    member_id = await api.member()
    primary = await api.create(member_id, "google")
    await api.google.save(primary["pass_url"])
    made = await api.link(member_id)
    holders = await poll(
        lambda: api.google.resources.users.get(made["linked_object_id"]), "a linked card"
    )
    [card] = await api.google.save(made["pass_url"], "other@example.com")

    assert holders == {"holder@example.com", "other@example.com"}
    assert card.kind.type == "generic"


async def test_what_is_left_out_has_its_default(api: WalletPass):
    """W31 to W36: the defaults of the table."""
    member_id, _ = await a_primary(api)
    made = await api.link(member_id)
    document = await document_of(api, made)

    assert text_of(document["cardTitle"]) == "WalletPass.ai"
    assert text_of(document["header"]) == "Bonus pass"
    assert document["barcode"]["value"] == f"LINKED-{member_id}"
    assert [module["body"] for module in document["textModulesData"]] == ["Member"]


async def test_what_is_given_is_shown_and_the_address_is_not(api: WalletPass):
    """W32 to W36: name, e-mail, titles and barcode."""
    member_id, _ = await a_primary(api)
    made = await api.link(
        member_id,
        member_name="Ada",
        member_email="ada@example.com",
        card_title="Beans",
        header_title="Gift card",
        barcode_value="GIFT-1",
    )
    document = await document_of(api, made)

    assert (text_of(document["cardTitle"]), text_of(document["header"])) == ("Beans", "Gift card")
    assert document["barcode"]["value"] == "GIFT-1"
    assert [module["body"] for module in document["textModulesData"]] == ["Ada"]
    assert "ada@example.com" not in str(document)


@pytest.mark.parametrize(
    ("codes", "value"),
    [
        ({"qr_code_value": "QR-1", "barcode_value": "BAR-1"}, "QR-1"),
        ({"qr_code_value": "", "barcode_value": "BAR-1"}, "BAR-1"),
        ({"qr_code_value": ""}, None),
    ],
)
async def test_the_code_is_chosen_as_the_table_says(
    api: WalletPass, codes: dict[str, Any], value: str | None
):
    """W37: qr_code_value overrides barcode_value unless it is empty."""
    member_id, _ = await a_primary(api)
    made = await api.link(member_id, **codes)
    document = await document_of(api, made)

    assert document["barcode"]["value"] == (value or f"LINKED-{member_id}")


async def test_a_style_gives_logo_and_colour(api: WalletPass):
    """W38, W39: a style, with its tenant."""
    style = await api.style(brand_colors={"background_color": "rgb(1, 2, 3)"})
    member_id, _ = await a_primary(api)
    made = await api.link(member_id, pass_style_id=style, tenant_id=api.account_id)
    document = await document_of(api, made)

    assert document["hexBackgroundColor"] == "#010203"


async def test_a_repeat_brings_the_linked_pass_up_to_date(api: WalletPass):
    member_id, primary = await a_primary(api)
    first = await api.link(member_id)
    again = await api.link(member_id, expect=200, header_title="Gift card")
    id_ = first["linked_object_id"]

    await poll(
        lambda: text_of(api.google.objects[id_].document["header"]) == "Gift card",
        "new title at Google",
    )
    assert again["linked_object_id"] == first["linked_object_id"]
    await until_linked(primary, [first["linked_object_id"]])


async def test_twenty_requests_at_once_make_one_linked_pass(api: WalletPass):
    member_id, primary = await a_primary(api)
    replies = await asyncio.gather(
        *(api.ask("POST", "demo/google/linked-pass", {"member_id": member_id}) for _ in range(20))
    )

    assert {reply.status for reply in replies} <= {200, 201}
    assert {reply.data["linked_object_id"] for reply in replies} == {f"{primary.id}_linked"}
    await until_linked(primary, [f"{primary.id}_linked"])


async def test_one_that_was_deleted_is_made_anew_beside_it(api: WalletPass):
    """All linked objects are told at once: Google never unlinks."""
    member_id, primary = await a_primary(api)
    first = await api.link(member_id)
    listed = (await api.do("GET", f"v1/members/{member_id}"))["passes"]
    async with api.http.delete(f"/v1/passes/{listed[-1]['pass_id']}") as response:
        assert response.status == 204
    second = await api.link(member_id)

    assert second["linked_object_id"] == f"{primary.id}_linked2"
    await until_linked(primary, [first["linked_object_id"], second["linked_object_id"]])


async def test_the_linked_pass_is_among_the_members_passes(api: WalletPass):
    """W62: different pass types, all linked to the member."""
    member_id, _ = await a_primary(api)
    await api.create(member_id)
    await api.link(member_id)
    listed = (await api.do("GET", f"v1/members/{member_id}"))["passes"]

    assert [one["pass_type"] for one in listed] == ["google", "apple", "google"]


# Who may ask


async def test_no_key_is_needed_where_the_account_has_it_so(api: WalletPass):
    """W29: no API key required, for accounts that switch it on."""
    member_id, primary = await a_primary(api)
    body = {"member_id": member_id, "tenant_id": api.account_id}
    closed = await keyless(api, body)
    await open_to_all(api)
    opened = await keyless(api, body)

    assert (closed.status, opened.status) == (404, 201)
    await until_linked(primary, [f"{primary.id}_linked"])


async def test_where_several_may_be_meant_the_tenant_must_be_named(
    api: WalletPass, system: System, google: FakeGoogle
):
    other = await open_without_google(system, google)
    await open_to_all(api)
    await open_to_all(other)
    member_id, _ = await a_primary(api)
    several = await keyless(api, {"member_id": member_id})
    foreign = await keyless(api, {"member_id": member_id, "tenant_id": other.account_id})
    await other.http.close()

    assert (several.status, several.faults) == (422, {"tenant_id": "Several tenants may be meant"})
    assert foreign.status == 404


async def test_who_asks_too_often_for_a_member_waits(api: WalletPass):
    await open_to_all(api)
    body = {"member_id": "ASKED-TOO-OFTEN", "tenant_id": api.account_id}
    replies = [await keyless(api, body) for _ in range(11)]

    assert [reply.status for reply in replies] == [404] * 10 + [429]
    assert replies[-1].body["code"] == "too_many_keyless_links"
    with_key = await api.ask("POST", "demo/google/linked-pass", body)
    assert with_key.status == 404


@pytest.mark.parametrize(
    ("body", "status", "place"),
    [
        ({}, 422, "member_id"),
        ({"member_id": "NOBODY"}, 404, "member_id"),
        ({"member_id": "MEMBER-001", "tenant_id": NOBODY}, 404, "tenant_id"),
        ({"member_id": "MEMBER-001", "pass_style_id": NOBODY}, 422, "tenant_id"),
        ({"member_id": "MEMBER-001", "card_title": ""}, 422, "card_title"),
        ({"member_id": "MEMBER-001", "tenant_id": "x"}, 422, "tenant_id"),
    ],
)
async def test_a_request_that_cannot_be_names_the_field(
    api: WalletPass, body: dict[str, Any], status: int, place: str
):
    assert place in await api.refused(status, "POST", "demo/google/linked-pass", body)


async def test_a_style_that_there_is_not_is_not_found(api: WalletPass):
    body = {"member_id": "MEMBER-001", "pass_style_id": NOBODY, "tenant_id": api.account_id}

    assert "pass_style_id" in await api.refused(404, "POST", "demo/google/linked-pass", body)


async def test_a_member_without_a_loyalty_pass_at_google_is_told_so(api: WalletPass):
    """W28: the member must already have a Google Wallet loyalty pass; one that is valid."""
    member_id = await api.member()
    await api.create(member_id)
    voided_id, _ = await a_primary(api)
    [voided] = (await api.do("GET", f"v1/members/{voided_id}"))["passes"]
    async with api.http.post(f"/v1/passes/{voided['pass_id']}/void") as response:
        assert response.status == 200
    replies = [
        await api.ask("POST", "demo/google/linked-pass", {"member_id": one})
        for one in (member_id, voided_id)
    ]

    assert [(reply.status, reply.body["code"]) for reply in replies] == [
        (404, "loyalty_pass_not_found")
    ] * 2


async def test_the_usage_is_told(api: WalletPass):
    """W41: method and body parameters."""
    async with aiohttp.ClientSession(api.system.base_url) as session:
        async with session.get(PATH) as response:
            usage = (await response.json())["data"]
        async with session.get("/walletpass/health") as response:
            health = (await response.json())["data"]

    names = [parameter["name"] for parameter in usage["parameters"]]
    assert usage["method"] == "POST"
    assert names == [
        "member_id", "member_name", "member_email", "card_title", "header_title", "barcode_value",
        "qr_code_value", "pass_style_id", "tenant_id",
    ]  # fmt: skip
    assert [one["name"] for one in usage["parameters"] if one["required"]] == ["member_id"]
    assert {one["name"]: one.get("default") for one in usage["parameters"]}["member_name"] == (
        "Member"
    )
    assert health == {"status": "ok"}


async def document_of(api: WalletPass, made: dict[str, Any]) -> dict[str, Any]:
    """The object of a linked pass, as soon as Google has it."""
    return (await poll(lambda: api.google.objects.get(made["linked_object_id"]), "object")).document


def text_of(localized: dict[str, Any]) -> str:
    return localized["defaultValue"]["value"]


async def keyless(api: WalletPass, body: dict[str, Any]) -> Any:
    """Ask without a key."""
    visitor = WalletPass(
        api.system, api.google, aiohttp.ClientSession(api.system.base_url), api.account_id, ""
    )
    try:
        return await visitor.ask("POST", "demo/google/linked-pass", body)
    finally:
        await visitor.http.close()
