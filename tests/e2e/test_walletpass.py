"""WalletPass.ai's API as its page "Pass Generation" describes it: W1 to W40.

The numbers count the statements of /work/shared's `walletpass-ai-pass-generation.txt` from its
beginning; linked passes, style groups, assets and updates are in test_walletpass_groups.py.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared import clock
from tests.e2e.test_journeys import get
from tests.e2e.walletpass import (
    MEMBER,
    WalletPass,
    fields_of,
    open_walletpass,
    open_without_google,
    values_of,
)
from tests.google.server import FakeGoogle
from tests.system import System, poll
from tests.wallet.files import verify_signature

FUTURE = "2038-01-31T23:59:59+01:00"


@pytest.fixture(scope="module")
async def api(system: System, google: FakeGoogle) -> AsyncIterator[WalletPass]:
    api = await open_walletpass(system, google)
    yield api
    await api.http.close()


# Apple Wallet


async def test_a_pass_for_apple_is_a_signed_file(api: WalletPass):
    """W1, W3: a signed .pkpass file, created from a member as printed."""
    member_id = await api.member()
    made = await api.create(member_id)
    file = await api.file(made["pass_id"])

    assert made.keys() == {"pass_id", "pass_type", "download_url"}
    assert made["pass_type"] == "apple"
    verify_signature(file.entries, api.system.root)
    assert file.content["organizationName"] == "My Company"
    assert file.content["logoText"] == "My Company"


async def test_the_address_of_the_file_is_whole_and_needs_no_key(api: WalletPass):
    made = await api.create(await api.member())
    path = f"/walletpass/v1/passes/{made['pass_id']}/download"

    assert made["download_url"] == f"{api.system.base_url}{path}"
    assert (await api.content(made["pass_id"]))["serialNumber"]
    assert (await api.ask("GET", "v1/passes/nothing/download")).status == 404


async def test_a_pass_without_a_date_does_not_expire(api: WalletPass):
    """W4: without an expiration date there is no expirationDate."""
    member_id = await api.member()
    made, at_google = await api.create(member_id), await api.create(member_id, "google")
    object_ = await api.object_of(at_google["pass_id"])

    assert "expirationDate" not in await api.content(made["pass_id"])
    assert "validTimeInterval" not in object_.document


async def test_a_date_is_set_exactly_in_both_wallets(api: WalletPass):
    """W5: a date of the request is set on the pass, as it was written."""
    member_id = await api.member()
    made = await api.create(member_id, expiration_date=FUTURE)
    at_google = await api.create(member_id, "google", expiration_date=FUTURE)
    object_ = await api.object_of(at_google["pass_id"])

    assert (await api.content(made["pass_id"]))["expirationDate"] == FUTURE
    assert object_.document["validTimeInterval"] == {"end": {"date": FUTURE}}


async def test_a_repeat_without_a_date_takes_it_away(api: WalletPass):
    member_id = await api.member()
    made = await api.create(member_id, expiration_date=FUTURE)
    again = await api.create(member_id, expect=200)

    assert again == made
    assert "expirationDate" not in await api.content(made["pass_id"])


async def test_the_rules_of_dates_are_in_the_page_of_the_api(api: WalletPass):
    """W6: APPLE_PASS_EXPIRATION, which the text names."""
    async with api.http.get("/walletpass/openapi.json") as response:
        document = await response.json()
    async with api.http.get("/docs") as response:
        page = await response.text()

    assert "APPLE_PASS_EXPIRATION" in document["info"]["description"]
    assert all(path.startswith("/walletpass/") for path in document["paths"])
    assert "APPLE_PASS_EXPIRATION" in page


async def test_the_barcode_is_made_from_the_member_id(api: WalletPass):
    """W7: a QR code with the member ID."""
    member_id = await api.member()
    content = await api.content((await api.create(member_id))["pass_id"])

    [barcode] = content["barcodes"]
    assert (barcode["message"], barcode["altText"]) == (member_id, member_id)
    assert barcode["format"] == "PKBarcodeFormatQR"


async def test_a_pass_has_tier_points_details_and_back_fields(api: WalletPass):
    """W8, W9, W10: primary, secondary and back fields."""
    member_id = await api.member(tier="gold", points=120)
    content = await api.content((await api.create(member_id))["pass_id"])
    card = content["storeCard"]

    assert [one["value"] for one in card["primaryFields"]] == ["gold"]
    assert [one["value"] for one in card["secondaryFields"]] == ["120", "Member 001"]
    assert [one["value"] for one in card["backFields"]] == [member_id]


async def test_a_pass_has_an_icon_and_colours(api: WalletPass):
    """W11, W12: images and colours, also of an account that gave none."""
    file = await api.file((await api.create(await api.member()))["pass_id"])

    assert "icon.png" in file.entries
    assert file.content["backgroundColor"].startswith("rgb(")


async def test_a_repeat_gives_the_same_pass(api: WalletPass):
    member_id = await api.member()
    first = await api.create(member_id)
    again = await api.create(member_id, expect=200, external_id="EXT-1")
    other_company = await api.create(member_id, company_name="Other Company")

    assert again == first
    assert other_company["pass_id"] != first["pass_id"]
    assert (await api.content(first["pass_id"]))["barcode"]["message"] == "EXT-1"


async def test_a_request_with_a_key_has_one_effect_and_one_answer(api: WalletPass):
    body = {"member_id": await api.member(), "pass_type": "apple", "company_name": "Once"}
    path = "v1/passes/create-from-member"
    replies = [await api.ask("POST", path, body, Idempotency_Key="once") for _ in range(2)]

    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].body == replies[1].body
    changed = body | {"company_name": "Twice"}
    assert (await api.ask("POST", path, changed, Idempotency_Key="once")).status == 422


async def test_a_deleted_pass_is_made_anew(api: WalletPass):
    member_id = await api.member()
    first = await api.create(member_id)
    async with api.http.delete(f"/v1/passes/{first['pass_id']}") as response:
        assert response.status == 204
    second = await api.create(member_id)

    assert second["pass_id"] != first["pass_id"]
    assert (await api.ask("GET", f"v1/passes/{first['pass_id']}/download")).status == 404


# Google Wallet


async def test_a_pass_for_google_is_a_link_that_saves_it(api: WalletPass):
    """W2, W20, W21, W25, W26: a JWT-based save link, as the example response has it."""
    member_id = await api.member(points=7)
    made = await api.create(member_id, "google", external_id="EXT-MEMBER-001")
    [card] = await api.google.save(made["pass_url"])

    assert made.keys() == {"pass_id", "pass_type", "pass_url"}
    assert made["pass_type"] == "google"
    assert card.object["accountName"] == "Member 001"
    assert card.object["loyaltyPoints"]["balance"] == {"int": 7}
    assert card.class_["issuerName"] == "My Company"


async def test_an_external_id_is_what_the_card_shows(api: WalletPass):
    """W22: external ID, a separate ID for barcode and display."""
    member_id = await api.member()
    made = await api.create(member_id, "google", external_id="EXT-9")
    document = (await api.object_of(made["pass_id"])).document

    assert document["barcode"]["value"] == "EXT-9"
    assert document["barcode"]["alternateText"] == "EXT-9"
    assert document["accountId"] == "EXT-9"


async def test_a_style_with_a_back_of_its_own_leaves_the_id_on_the_card(api: WalletPass):
    """W22."""
    member_id = await api.member()
    back = [{"key": "terms", "label": "Terms", "value": "None"}]
    style = await api.style("Backs", back_fields=back)
    made = await api.create(member_id, "google", external_id="EXT-7", pass_style_id=style)
    document = (await api.object_of(made["pass_id"])).document

    assert document["accountId"] == "EXT-7"


async def test_without_an_external_id_it_is_the_member_id(api: WalletPass):
    member_id = await api.member()
    document = (await api.object_of((await api.create(member_id, "google"))["pass_id"])).document

    assert document["barcode"]["value"] == member_id
    assert document["accountId"] == member_id


async def test_passes_of_a_company_share_a_loyalty_class(api: WalletPass):
    """W23: a loyalty class; an existing one is adopted by `class_id` of the template."""
    made = [await api.create(await api.member(), "google") for _ in range(2)]
    objects = [await api.object_of(one["pass_id"]) for one in made]

    assert objects[0].kind.type == "loyalty"
    assert objects[0].document["classId"] == objects[1].document["classId"]


async def test_passes_follow_the_member_in_real_time(api: WalletPass):
    """W24: passes update automatically when member data changes."""
    member_id = await api.member()
    object_ = await api.object_of((await api.create(member_id, "google"))["pass_id"])
    await api.points(member_id, 5, "add")

    await poll(
        lambda: object_.document["loyaltyPoints"]["balance"] == {"int": 5}, "points at Google"
    )


async def test_while_google_is_slow_the_link_is_that_of_our_page(api: WalletPass):
    member_id = await api.member()
    order = {"member_id": member_id, "pass_type": "google", "company_name": "My Company"}
    await api.create(await api.member(), "google")  # its class is there
    api.google.faults.hold(of="POST /walletobjects/v1/loyaltyObject")
    try:
        made = await api.do("POST", "v1/passes/create-from-member", order, 201)
    finally:
        api.google.faults.release()

    assert made["pass_url"] == f"{api.system.base_url}/p/{made['pass_id']}"
    await api.object_of(made["pass_id"])


async def test_an_account_without_an_issuer_is_told_so(system: System, google: FakeGoogle):
    api = await open_without_google(system, google)
    member_id = await api.member()
    body = {"member_id": member_id, "pass_type": "google", "company_name": "My Company"}
    reply = await api.ask("POST", "v1/passes/create-from-member", body)
    listed = (await api.do("GET", f"v1/members/{member_id}"))["passes"]
    await api.http.close()

    assert (reply.status, reply.body["code"]) == (409, "google_not_configured")
    assert listed == []


# Members


async def test_a_member_is_registered_with_no_points_and_bronze(api: WalletPass):
    body = MEMBER | {"member_id": "REG-1"}
    made = await api.do("POST", "v1/members/register", body, 201)

    assert made.keys() >= {
        "id", "member_id", "member_name", "member_email", "phone_number", "points", "tier",
        "status", "passes", "created_at", "updated_at",
    }  # fmt: skip
    assert (made["points"], made["tier"], made["status"]) == (0, "bronze", "active")
    assert made["passes"] == []
    assert (await api.ask("POST", "v1/members/register", body)).status == 409


async def test_a_member_is_changed_in_part(api: WalletPass):
    member_id = await api.member(phone_number="+49 30 1234567")
    changed = await api.do("PUT", f"v1/members/{member_id}", {"member_name": "Ada", "tier": "gold"})
    read = await api.do("GET", f"v1/members/{member_id}")

    assert changed == read
    assert (read["member_name"], read["tier"]) == ("Ada", "gold")
    assert read["phone_number"] == "+49 30 1234567"
    assert read["member_email"] == MEMBER["member_email"]


async def test_points_are_added_subtracted_and_set(api: WalletPass):
    member_id = await api.member()
    seen = [
        (await api.points(member_id, points, operation))["points"]
        for points, operation in ((10, "add"), (3, "subtract"), (0, "add"), (50, "set"))
    ]
    described = {"points": 20, "operation": "set", "description": "Corrected"}
    await api.do("PUT", f"v1/members/{member_id}/points", described)
    ledger = (await get(api.http, f"/v1/members/{member_id}/points"))["data"]

    assert seen == [10, 7, 7, 50]
    assert (ledger[0]["delta"], ledger[0]["reason"]) == (-30, "Corrected")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"points": -1}, "points"),
        ({"points": 1, "operation": "subtract"}, "points"),
        ({"points": "1"}, "points"),
        ({"points": 1, "operation": "double"}, "operation"),
        ({}, "points"),
    ],
)
async def test_points_that_cannot_be_are_refused(api: WalletPass, body: Any, place: str):
    member_id = await api.member()

    assert place in await api.refused(422, "PUT", f"v1/members/{member_id}/points", body)
    assert (await api.do("GET", f"v1/members/{member_id}"))["points"] == 0


async def test_the_passes_of_a_member_are_listed_in_both_wallets(api: WalletPass):
    """W60, W61, W63: multiple passes of each wallet, shown in the member response."""
    member_id = await api.member()
    wanted = [("apple", "A"), ("apple", "B"), ("google", "A"), ("google", "B")]
    made = [await api.create(member_id, wallet, company_name=name) for wallet, name in wanted]
    listed = (await api.do("GET", f"v1/members/{member_id}"))["passes"]

    assert [(one["pass_id"], one["pass_type"]) for one in listed] == [
        (one["pass_id"], one["pass_type"]) for one in made
    ]
    assert all(one["created_at"] for one in listed)


async def test_a_pass_in_both_wallets_is_told_twice(api: WalletPass):
    member_id = await api.member()
    made = await api.create(member_id)
    async with api.http.post(f"/v1/passes/{made['pass_id']}/google") as response:
        assert response.status == 200
    listed = (await api.do("GET", f"v1/members/{member_id}"))["passes"]

    assert [one["pass_type"] for one in listed] == ["apple", "google"]


# Bad input


async def test_what_is_not_known_is_named_and_ignored(api: WalletPass):
    body = MEMBER | {"member_id": "EXTRA-1", "favourite": "tea"}
    member = await api.ask("POST", "v1/members/register", body)
    order = {"member_id": "EXTRA-1", "pass_type": "apple", "company_name": "X", "colour": "red"}
    made = await api.ask("POST", "v1/passes/create-from-member", order)

    assert member.body["warnings"] == ["favourite: unknown, ignored"]
    assert made.body["warnings"] == ["colour: unknown, ignored"]


@pytest.mark.parametrize(
    ("changes", "status", "place"),
    [
        ({"member_id": "NOBODY"}, 404, "member_id"),
        ({"member_id": "not an id"}, 422, "member_id"),
        ({"pass_type": "paper"}, 422, "pass_type"),
        ({"pass_type": None}, 422, "pass_type"),
        ({"company_name": ""}, 422, "company_name"),
        ({"company_name": "x" * 65}, 422, "company_name"),
        ({"pass_style_id": "style-uuid-here"}, 422, "pass_style_id"),
        ({"pass_style_id": "018f0000-0000-7000-8000-000000000000"}, 404, "pass_style_id"),
        ({"style_group_id": "018f0000-0000-7000-8000-000000000000"}, 404, "style_group_id"),
        ({"expiration_date": "2018-12-31T23:00:15+08:00"}, 422, "expiration_date"),
        ({"expiration_date": "2038-12-31"}, 422, "expiration_date"),
        ({"expiration_date": "2038-02-31T00:00:00Z"}, 422, "expiration_date"),
        ({"external_id": ""}, 422, "external_id"),
    ],
)
async def test_an_order_that_cannot_be_names_the_field(
    api: WalletPass, changes: dict[str, Any], status: int, place: str
):
    body = {"member_id": "MEMBER-001", "pass_type": "apple", "company_name": "My Company"}
    faults = await api.refused(status, "POST", "v1/passes/create-from-member", body | changes)

    assert place in faults


async def test_a_member_of_another_account_is_unknown(
    api: WalletPass, system: System, google: FakeGoogle
):
    member_id = await api.member()
    other = await open_without_google(system, google)
    order = {"member_id": member_id, "pass_type": "apple", "company_name": "X"}
    statuses = [
        (await other.ask("GET", f"v1/members/{member_id}")).status,
        (await other.ask("PUT", f"v1/members/{member_id}", {"tier": "x"})).status,
        (await other.ask("PUT", f"v1/members/{member_id}/points", {"points": 1})).status,
        (await other.ask("POST", "v1/passes/create-from-member", order)).status,
    ]
    await other.http.close()

    assert statuses == [404] * 4


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"member_email": "nobody"}, "member_email"),
        ({"member_id": "a b"}, "member_id"),
        ({"member_name": ""}, "member_name"),
        ({"points": -5}, "points"),
        ({"phone_number": "call me"}, "phone_number"),
        ({"member_email": None}, "member_email"),
    ],
)
async def test_a_registration_that_cannot_be_names_the_field(
    api: WalletPass, changes: dict[str, Any], place: str
):
    body = MEMBER | {"member_id": "BAD-1"} | changes

    assert place in await api.refused(422, "POST", "v1/members/register", body)


async def test_errors_have_the_envelope_also_where_there_is_nothing(api: WalletPass):
    await api.refused(404, "GET", "v1/nothing")
    await api.refused(404, "GET", "v1/members/NOBODY")
    await api.refused(405, "DELETE", "v1/members/NOBODY")
    await api.refused(
        400, "POST", "v1/members/register", data=b"{", Content_Type="application/json"
    )
    await api.refused(400, "POST", "v1/members/register", data=b"x", Content_Type="text/plain")
    await api.refused(401, "GET", "v1/members/NOBODY", X_API_Key="wp_your_api_key")


async def test_a_key_works_with_any_prefix(api: WalletPass):
    member_id = await api.member()
    secret = api.http.headers["X-API-Key"].removeprefix("pw_")
    statuses = [
        (await api.ask("GET", f"v1/members/{member_id}", X_API_Key=f"{prefix}{secret}")).status
        for prefix in ("wp_", "wp_live_", "", "wp-")
    ]

    assert statuses == [200, 200, 200, 401]


# Hosts


@pytest.mark.parametrize("host", ["generate.example", "Member.Example:443"])
async def test_a_configured_host_serves_the_api_at_its_root(api: WalletPass, host: str):
    member_id = await api.member()
    headers = {"Host": host}
    order = {"member_id": member_id, "pass_type": "apple", "company_name": "X"}
    async with api.http.get(f"/v1/members/{member_id}", headers=headers) as response:
        read = (response.status, (await response.json())["data"]["member_id"])
    async with api.http.post(
        "/v1/passes/create-from-member", json=order, headers=headers
    ) as response:
        made = response.status
    async with api.http.get("/demo/google/linked-pass", headers=headers) as response:
        usage = (await response.json())["data"]["method"]
    async with api.http.get("/v1/templates", headers=headers) as response:
        ours = response.status, (await response.json())["status"]
    async with api.http.get("/health", headers=headers) as response:
        health = response.status

    assert read == (200, member_id)
    assert made == 201
    assert usage == "POST"
    assert ours == (404, "error")
    assert health == 200


async def test_other_hosts_have_our_own_api_there(api: WalletPass):
    member_id = await api.member()

    assert (await get(api.http, f"/v1/members/{member_id}"))["name"] == "Member 001"


async def test_a_style_date_and_fields_are_of_the_style(api: WalletPass):
    """W6, W13, W14: the printed style, used as printed; its date is the pass's."""
    style = await api.style(
        "Premium Style",
        brand_colors={
            "foreground_color": "rgb(255,255,255)",
            "background_color": "rgb(255, 107, 53)",
            "label_color": "rgb(255,255,255)",
        },
        barcode={"format": "PKBarcodeFormatQR"},
        primary_fields=[{"key": "tier", "label": "Membership", "value": "{tier}"}],
        expiration_date=FUTURE,
    )
    member_id = await api.member()
    made = await api.create(member_id, pass_style_id=style)
    content = await api.content(made["pass_id"])
    own = (clock.now() + timedelta(days=400)).isoformat(timespec="seconds")
    dated = await api.create(member_id, expect=200, pass_style_id=style, expiration_date=own)

    assert content["backgroundColor"] == "rgb(255, 107, 53)"
    assert content["expirationDate"] == FUTURE
    assert fields_of(content)["tier"]["label"] == "Membership"
    assert values_of(content)["tier"] == "bronze"
    assert (await api.content(dated["pass_id"]))["expirationDate"] == own
