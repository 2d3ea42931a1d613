"""WalletPass.ai's API: styles, placeholders, style groups, assets, updates; W11 to W19, W41 to W63.

The numbers count the statements of /work/shared's `walletpass-ai-pass-generation.txt` from its
beginning.
"""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image

from tests.e2e.test_pass_images import a_png
from tests.e2e.walletpass import (
    WalletPass,
    open_walletpass,
    open_without_google,
    values_of,
)
from tests.google.server import FakeGoogle
from tests.system import System, poll
from tests.wallet.device import Card, Device
from tests.wallet.fleet import Fleet

BRONZE, SILVER = "rgb(205, 127, 50)", "rgb(192, 192, 192)"
HEX = {BRONZE: "#cd7f32", SILVER: "#c0c0c0"}
NOTHING = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
async def api(system: System, google: FakeGoogle) -> AsyncIterator[WalletPass]:
    api = await open_walletpass(system, google)
    yield api
    await api.http.close()


async def a_group(api: WalletPass) -> tuple[str, str, str]:
    """Do steps 1 and 2 as printed: a bronze and a silver style, and a group of both."""
    bronze = await api.style("Bronze", brand_colors={"background_color": BRONZE})
    silver = await api.style("Silver", brand_colors={"background_color": SILVER})
    group = await api.group((bronze, 0, 100), (silver, 101, 200))
    return group, bronze, silver


# Style groups, the four steps


async def test_the_four_steps_end_with_a_silver_pass_in_both_wallets_by_one_push(
    api: WalletPass, fleet: Fleet
):
    """W42 to W46, W53 to W57: as printed; after points pass 100 the phone was pushed once."""
    member_id = await api.member()
    group, _, _ = await a_group(api)  # steps 1 and 2
    await api.do("PUT", f"v1/members/{member_id}", {"style_group_id": group})  # step 3
    order = {
        "member_id": member_id,
        "company_name": "My Company",
        "style_group_id": group,
    }
    path = "v1/passes/stylegroup/create-from-member"
    made = await api.do("POST", path, order | {"pass_type": "apple"}, 201)  # step 4
    at_google = await api.do("POST", path, order | {"pass_type": "google"}, 201)
    [phone] = fleet.add()
    card = await phone.install(f"{made['download_url']}?")
    object_ = await api.object_of(at_google["pass_id"])
    bronze_class = await api.class_of(at_google["pass_id"])
    assert (card.content["backgroundColor"], bronze_class["hexBackgroundColor"]) == (
        BRONZE,
        HEX[BRONZE],
    )

    await api.points(member_id, 150, "add")

    await poll(lambda: card.content["backgroundColor"] == SILVER, "silver card on the phone")
    await poll(
        lambda: (
            api.google.classes[object_.document["classId"]].document["hexBackgroundColor"]
            == HEX[SILVER]
        ),
        "silver card at Google",
    )
    await fleet.until_quiet()
    assert values_of(card.content)["points"] == "150"
    assert object_.document["loyaltyPoints"]["balance"] == {"int": 150}
    assert list(phone.pushes.values()) == [1]


async def test_a_new_pass_has_the_style_of_the_points_of_now(api: WalletPass):
    """W46: the style is selected by the member's current points."""
    group, _, _ = await a_group(api)
    seen: list[str] = []
    for points in (0, 100, 101, 250):
        made = await api.create(await api.member(points=points), style_group_id=group)
        seen.append((await api.content(made["pass_id"]))["backgroundColor"])

    assert seen == [BRONZE, BRONZE, SILVER, SILVER]


async def test_a_group_of_the_member_styles_passes_that_choose_none(api: WalletPass):
    """W44: step 3 by itself; null takes the group away."""
    group, _, silver = await a_group(api)
    member_id = await api.member(points=150)
    plain = await api.create(member_id)
    before = (await api.content(plain["pass_id"]))["backgroundColor"]
    changed = await api.do("PUT", f"v1/members/{member_id}", {"style_group_id": group})
    own = await api.create(member_id, pass_style_id=silver)
    await _until_coloured(api, plain["pass_id"], SILVER)
    await api.do("PUT", f"v1/members/{member_id}", {"style_group_id": None})
    await _until_coloured(api, plain["pass_id"], before)

    assert changed["style_group_id"] == group
    assert (await api.content(own["pass_id"]))["backgroundColor"] == SILVER


async def test_the_group_of_a_pass_goes_before_its_style(api: WalletPass):
    group, bronze, silver = await a_group(api)
    member_id = await api.member(points=150)
    made = await api.create(member_id, pass_style_id=bronze, style_group_id=group)

    assert (await api.content(made["pass_id"]))["backgroundColor"] == SILVER
    assert silver != bronze


async def test_rules_that_overlap_are_a_warning_and_the_first_wins(api: WalletPass):
    bronze = await api.style(brand_colors={"background_color": BRONZE})
    silver = await api.style(brand_colors={"background_color": SILVER})
    rules = [
        {"pass_style_id": bronze, "min_points": 0, "max_points": 100},
        {"pass_style_id": silver, "min_points": 100},
    ]
    reply = await api.ask("POST", "v1/style-groups", {"name": "Overlap", "rules": rules})
    made = await api.create(await api.member(points=100), style_group_id=reply.data["id"])

    assert reply.status == 201
    assert [warning.startswith("rules[1]: overlaps") for warning in reply.body["warnings"]] == [
        True
    ]
    assert (await api.content(made["pass_id"]))["backgroundColor"] == BRONZE


# Styles


async def test_placeholders_stand_for_the_members_values(api: WalletPass):
    """W15 to W19: {tier}, {points}, {member_name}, {member_id}; other braces stay text."""
    texts = ["{tier}", "{points}", "{member_name}", "{member_id}", "{member_email} {x}", "{}"]
    fields = [{"key": f"f{at}", "label": "Label", "value": text} for at, text in enumerate(texts)]
    style = await api.style(secondary_fields=fields)
    member_id = await api.member(tier="gold", points=5)
    made = await api.create(member_id, pass_style_id=style)
    values = values_of(await api.content(made["pass_id"]))
    read = await api.do("GET", f"v1/pass-styles/{style}")

    assert [values[f"f{at}"] for at in range(4)] == ["gold", "5", "Member 001", member_id]
    assert values["f4"].replace("\N{WORD JOINER}", "") == "{member_email} {x}"
    assert values["f5"] == "{}"
    assert [field["value"] for field in read["secondary_fields"]] == texts


async def test_a_style_lies_over_both_wallets(api: WalletPass):
    """W12, W14: colours and fields of a style, on Google's class and object too."""
    primary = [{"key": "points", "label": "Points", "value": "{points}"}]
    style = await api.style(
        brand_colors={"background_color": SILVER}, primary_fields=primary, header_fields=[]
    )
    member_id = await api.member(points=9)
    made = await api.create(member_id, pass_style_id=style)
    at_google = await api.create(member_id, "google", pass_style_id=style)
    content = await api.content(made["pass_id"])

    assert content["backgroundColor"] == SILVER
    assert [one["value"] for one in content["storeCard"]["primaryFields"]] == ["9"]
    assert (await api.class_of(at_google["pass_id"]))["hexBackgroundColor"] == HEX[SILVER]


async def test_a_changed_style_changes_the_passes_that_have_it(api: WalletPass):
    style = await api.style(brand_colors={"background_color": BRONZE})
    made = await api.create(await api.member(), pass_style_id=style)
    body = {"name": "Now silver", "brand_colors": {"background_color": SILVER}}
    changed = await api.do("PUT", f"v1/pass-styles/{style}", body)

    await _until_coloured(api, made["pass_id"], SILVER)
    assert changed["name"] == "Now silver"


async def test_a_style_in_use_is_not_deleted(api: WalletPass):
    group, bronze, _ = await a_group(api)
    alone = await api.style()
    made = await api.create(await api.member(), style_group_id=group)

    assert (await api.ask("DELETE", f"v1/pass-styles/{bronze}")).status == 409
    assert (await api.ask("DELETE", f"v1/style-groups/{group}")).status == 409
    assert await api.do("DELETE", f"v1/pass-styles/{alone}") == {"id": alone}
    assert (await api.ask("GET", f"v1/pass-styles/{alone}")).status == 404
    assert made["pass_id"]


async def test_a_group_is_read_changed_and_deleted(api: WalletPass):
    group, bronze, silver = await a_group(api)
    rules = [{"pass_style_id": silver, "min_points": 0, "max_points": None}]
    changed = await api.do("PUT", f"v1/style-groups/{group}", {"name": "Silver", "rules": rules})

    assert await api.do("GET", f"v1/style-groups/{group}") == changed
    assert (changed["name"], changed["rules"]) == ("Silver", rules)
    await api.do("DELETE", f"v1/style-groups/{group}")
    await api.refused(404, "GET", f"v1/style-groups/{group}")
    assert bronze


# Bad input


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"name": ""}, "name"),
        ({}, "name"),
        ({"brand_colors": {"background_color": "reddish"}}, "brand_colors.background_color"),
        ({"barcode": {"format": "QR"}}, "barcode.format"),
        ({"expiration_date": "2018-01-01T00:00:00Z"}, "expiration_date"),
        ({"primary_fields": [{"label": "No key"}]}, "primary_fields[0].key"),
        ({"assets": {"apple": {"logo": "nothing.png"}}}, "assets.apple.logo"),
        ({"assets": {"google": {"hero": "a" * 64}}}, "assets.google.hero"),
        ({"assets": {"google": {"logo": "https://127.0.0.1:1/a.png"}}}, "assets.google.logo"),
    ],
)
async def test_a_style_that_cannot_be_names_the_field(api: WalletPass, body: Any, place: str):
    named = {"name": "Style", **body} if body else {}

    assert place in await api.refused(422, "POST", "v1/pass-styles", named)


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ([], "rules"),
        ([{"min_points": 0}], "rules[0].pass_style_id"),
        ([{"min_points": 100, "max_points": 1}], "rules[0].max_points"),
        ([{"min_points": -1}], "rules[0].min_points"),
        ([{"min_points": 0, "max_points": "many"}], "rules[0].max_points"),
    ],
)
async def test_a_group_that_cannot_be_names_the_field(api: WalletPass, rules: Any, place: str):
    style = await api.style()
    given = [
        rule if "pass_style_id" in place else {"pass_style_id": style, **rule} for rule in rules
    ]

    assert place in await api.refused(
        422, "POST", "v1/style-groups", {"name": "Bad", "rules": given}
    )


async def test_styles_and_groups_of_another_account_are_unknown(
    api: WalletPass, system: System, google: FakeGoogle
):
    group, bronze, _ = await a_group(api)
    other = await open_without_google(system, google)
    member_id = await other.member()
    order = {"member_id": member_id, "pass_type": "apple", "company_name": "X"}
    rules = [{"pass_style_id": bronze, "min_points": 0}]
    path = "v1/passes/create-from-member"
    faults = [
        await other.refused(404, "POST", path, order | {"pass_style_id": bronze}),
        await other.refused(404, "POST", path, order | {"style_group_id": group}),
        await other.refused(404, "PUT", f"v1/members/{member_id}", {"style_group_id": group}),
        await other.refused(404, "POST", "v1/style-groups", {"name": "X", "rules": rules}),
        await other.refused(404, "GET", f"v1/pass-styles/{bronze}"),
        await other.refused(404, "DELETE", f"v1/style-groups/{group}"),
        await other.refused(404, "GET", f"v1/style-groups/{NOTHING}"),
        await other.refused(404, "PUT", "v1/pass-styles/nothing", {"name": "X"}),
    ]
    await other.http.close()

    assert [list(fault) for fault in faults] == [
        ["pass_style_id"],
        ["style_group_id"],
        ["style_group_id"],
        ["rules[0].pass_style_id"],
        [],
        [],
        [],
        [],
    ]


async def test_extra_keys_of_styles_and_groups_are_named(api: WalletPass):
    body = {"name": "X", "colour": 1, "brand_colors": {"accent": "red"}}
    style = await api.ask("POST", "v1/pass-styles", body)
    rules = [{"pass_style_id": style.data["id"], "min_points": 0, "bonus": 5}]
    group = await api.ask("POST", "v1/style-groups", {"name": "X", "rules": rules})

    assert style.body["warnings"] == [
        "colour: unknown, ignored",
        "brand_colors.accent: unknown, ignored",
    ]
    assert group.body["warnings"] == ["rules[0].bonus: unknown, ignored"]


# Assets


async def upload(api: WalletPass, name: str, size: tuple[int, int], kind: str = "PNG") -> Any:
    reply = await api.ask("PUT", f"v1/assets/{name}", data=_image(size, kind))
    assert reply.status in {200, 201}, reply.content
    return reply


async def test_assets_of_the_advised_sizes_are_shown_in_each_wallet(api: WalletPass):
    """W11, W47 to W52: logo, icon and strip at Apple, logo and hero at Google."""
    made = {
        name: await upload(api, name, size)
        for name, size in (
            ("logo.png", (320, 100)),
            ("icon.png", (58, 58)),
            ("strip.png", (624, 245)),
            ("google-logo.png", (660, 660)),
            ("hero.png", (1032, 336)),
        )
    }
    assets = {
        "apple": {"logo": "logo.png", "icon": "icon.png", "strip": "strip.png"},
        "google": {"logo": "google-logo.png", "hero": made["hero.png"].data["sha256"]},
    }
    style = await api.ask("POST", "v1/pass-styles", {"name": "Assets", "assets": assets})
    member_id = await api.member()
    apple = await api.create(member_id, pass_style_id=style.data["id"])
    at_google = await api.create(member_id, "google", pass_style_id=style.data["id"])
    entries = (await api.file(apple["pass_id"])).entries
    class_ = await api.class_of(at_google["pass_id"])

    assert all("warnings" not in reply.body for reply in (style, *made.values()))
    assert {"logo@2x.png", "icon@2x.png", "strip@2x.png"} <= entries.keys()
    assert made["google-logo.png"].data["sha256"] in class_["programLogo"]["sourceUri"]["uri"]
    assert made["hero.png"].data["sha256"] in class_["heroImage"]["sourceUri"]["uri"]
    shown = (await api.do("GET", f"v1/pass-styles/{style.data['id']}"))["assets"]
    assert shown["apple"]["logo"] == made["logo.png"].data["sha256"]


async def test_an_asset_of_an_odd_size_is_a_warning(api: WalletPass):
    reply = await upload(api, "strip-small.png", (10, 10))
    assets = {"google": {"logo": "strip-small.png"}}
    style = await api.ask("POST", "v1/pass-styles", {"name": "Odd", "assets": assets})

    assert reply.body["warnings"] == [
        "strip-small.png: 10 x 10 pixels; advised are about 624 x 245 for Apple Wallet"
    ]
    assert style.body["warnings"] == [
        "assets.google.logo: 10 x 10 pixels; advised are about 660 x 660 for Google Wallet"
    ]


async def test_a_jpeg_is_made_a_png(api: WalletPass):
    reply = await upload(api, "photo.jpg", (660, 660), "JPEG")
    async with api.http.get(reply.data["url"].removeprefix(api.system.base_url)) as response:
        content = await response.read()

    assert content.startswith(b"\x89PNG")


async def test_a_name_comes_to_mean_another_image(api: WalletPass):
    first = await upload(api, "name.png", (58, 58))
    second = await upload(api, "name.png", (87, 87))

    assert (first.status, second.status) == (201, 200)
    assert first.data["sha256"] != second.data["sha256"]


async def test_what_is_no_image_or_no_name_is_refused(api: WalletPass):
    await api.refused(422, "PUT", "v1/assets/logo.png", data=b"no image")
    assert "name" in await api.refused(422, "PUT", "v1/assets/.hidden", data=a_png("white"))


# Updates


async def test_a_tier_and_a_name_reach_both_wallets(api: WalletPass, fleet: Fleet):
    """W58, W59: passes are rebuilt when tier or information changes; each push is one."""
    member_id = await api.member()
    card, phone = await _held(api, fleet, member_id)
    object_ = await api.object_of((await api.create(member_id, "google"))["pass_id"])
    await api.do("PUT", f"v1/members/{member_id}", {"tier": "gold", "member_name": "Ada"})

    await poll(lambda: values_of(card.content)["tier"] == "gold", "tier on the phone")
    await poll(lambda: object_.document["accountName"] == "Ada", "name at Google")
    await fleet.until_quiet()
    assert values_of(card.content)["member_name"] == "Ada"
    assert list(phone.pushes.values()) == [1]


async def test_what_no_pass_shows_is_sent_to_nobody(api: WalletPass, fleet: Fleet):
    """W53 to W56: only what differs is pushed or patched."""
    member_id = await api.member()
    card, phone = await _held(api, fleet, member_id)
    object_ = await api.object_of((await api.create(member_id, "google"))["pass_id"])
    before = _patches(api, object_.id)
    await api.do("PUT", f"v1/members/{member_id}", {"phone_number": "+49 30 7654321"})
    await api.points(member_id, 3)
    await poll(lambda: values_of(card.content)["points"] == "3", "points on the phone")
    await poll(lambda: _patches(api, object_.id) > before, "points at Google")
    await fleet.until_quiet()

    patches = [
        one.body for one in api.google.requests if one.method == "PATCH" and object_.id in one.path
    ]
    assert [list(body) for body in patches] == [["loyaltyPoints"]]
    assert list(phone.pushes.values()) == [1]


def _image(size: tuple[int, int], kind: str) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", size, "white").save(output, kind)
    return output.getvalue()


def _patches(api: WalletPass, object_id: str) -> int:
    return sum(one.method == "PATCH" and object_id in one.path for one in api.google.requests)


async def _held(api: WalletPass, fleet: Fleet, member_id: str) -> tuple[Card, Device]:
    made = await api.create(member_id)
    [phone] = fleet.add()
    return await phone.install(f"{made['download_url']}?"), phone


async def _until_coloured(api: WalletPass, pass_id: str, colour: str) -> None:
    async def is_coloured() -> bool:
        return (await api.content(pass_id))["backgroundColor"] == colour

    await poll(is_coloured, f"pass in {colour}")
