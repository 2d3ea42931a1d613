"""Styles and style groups: what passes look like in both wallets, and when holders hear of it."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.e2e.googling import add_issuer
from tests.e2e.phones import Held, link
from tests.e2e.test_journeys import download, events, get, patch, post, put
from tests.google.resources import Resource
from tests.google.server import FakeGoogle
from tests.system import System, poll
from tests.wallet.device import Device
from tests.wallet.fleet import Fleet

BRONZE, SILVER, GOLD = "rgb(205, 127, 50)", "rgb(192, 192, 192)", "rgb(255, 215, 0)"
PLAIN = "rgb(58, 36, 26)"
HEX = {BRONZE: "#cd7f32", SILVER: "#c0c0c0", GOLD: "#ffd700"}
TEMPLATE: dict[str, Any] = {
    "name": "Card",
    "pass": {
        "description": "Coffee card",
        "organizationName": "Beans",
        "logoText": "Beans",
        "backgroundColor": PLAIN,
        "storeCard": {"headerFields": [{"key": "level", "label": "Level", "value": "{code}"}]},
        "barcode": {"format": "PKBarcodeFormatQR"},
    },
    "properties": {"code": "A1"},
    "barcode_policy": "handle",
}


@dataclass
class Shop:
    """An account with three styles, a group of two of them, and a template."""

    http: aiohttp.ClientSession
    google: FakeGoogle
    styles: dict[str, str]
    group_id: str
    template_id: str

    async def member(self, points: int = 0, **fields: Any) -> str:
        member_id = f"ada-{secrets.token_hex(4)}"
        body = {"member_id": member_id, "name": "Ada", "points": points, **fields}
        await post(self.http, "/v1/members", body, expect=201)
        return member_id

    async def issue(self, **fields: Any) -> str:
        order = {"template_id": self.template_id, **fields}
        return (await post(self.http, "/v1/passes", order, expect=201))["handle"]

    async def want(self, handle: str) -> Resource:
        made = await post(self.http, f"/v1/passes/{handle}/google")
        return self.google.objects[made["object_id"]]

    async def colour(self, handle: str) -> str:
        """Read in which colour Apple Wallet gets a pass now."""
        return json.loads((await download(self.http, handle))["pass.json"])["backgroundColor"]

    async def until(self, handle: str, colour: str) -> None:
        async def shown() -> bool:
            return await self.colour(handle) == colour

        await poll(shown, f"{handle} in {colour}")

    def hex_of(self, object_: Resource) -> str:
        """Read in which colour Google Wallet shows a pass now."""
        return self.google.classes[object_.document["classId"]].document["hexBackgroundColor"]


async def a_style(http: aiohttp.ClientSession, colour: str) -> str:
    body = {"name": colour, "brand_colors": {"background_color": colour}}
    return (await post(http, "/v1/styles", body, expect=201))["style_id"]


@pytest.fixture
async def shop(system: System, google: FakeGoogle):
    body = {"name": "Shop", "organization_name": "Beans"}
    async with system.session() as session:
        api_key = (await post(session, "/v1/accounts", body, expect=201))["key"]
    async with system.session(api_key) as session:
        await add_issuer(session, google)
        styles = {colour: await a_style(session, colour) for colour in (BRONZE, SILVER, GOLD)}
        rules = [
            {"style_id": styles[BRONZE], "min_points": 0, "max_points": 100},
            {"style_id": styles[SILVER], "min_points": 101, "max_points": 200},
        ]
        group = await post(
            session, "/v1/style-groups", {"name": "Tier colours", "rules": rules}, expect=201
        )
        template = await post(session, "/v1/templates", TEMPLATE, expect=201)
        yield Shop(session, google, styles, group["style_group_id"], template["template_id"])


async def updates_of(shop: Shop, handle: str) -> int:
    log = await events(shop.http, handle)
    return sum(event["type"] == "pass.updated" for event in log)


async def held_on(system: System, device: Device, handle: str) -> Held:
    return Held(handle, device, await device.install(link(system, handle)))


def colour_of(held: Held) -> str:
    return held.card.content["backgroundColor"]


def pushes_of(fleet: Fleet, held: Held) -> int:
    return fleet.pushes[held.device.push_token, held.topic]


async def test_points_that_pass_a_limit_turn_the_pass_silver_in_both_wallets_by_one_push(
    shop: Shop, system: System, fleet: Fleet
):
    member = await shop.member(style_group_id=shop.group_id)
    [phone] = fleet.add()
    held = await held_on(system, phone, await shop.issue(member_id=member))
    object_ = await shop.want(held.handle)
    assert (colour_of(held), shop.hex_of(object_)) == (BRONZE, HEX[BRONZE])

    await post(shop.http, f"/v1/members/{member}/points", {"delta": 100}, expect=201)
    await post(shop.http, f"/v1/members/{member}/points", {"delta": 1}, expect=201)

    await poll(lambda: colour_of(held) == SILVER, "a silver pass on the phone")
    await poll(lambda: shop.hex_of(object_) == HEX[SILVER], "a silver pass at Google")
    await fleet.until_quiet()
    assert pushes_of(fleet, held) == 1
    assert object_.document["classId"].endswith(f"_s{shop.styles[SILVER].replace('-', '')}")


async def test_who_is_nearer_to_the_pass_says_what_it_looks_like(shop: Shop):
    template = {**TEMPLATE, "style_id": shop.styles[GOLD]}
    named = await post(shop.http, "/v1/templates", template, expect=201)
    shop.template_id = named["template_id"]
    nobody = await shop.issue()
    member = await shop.member(points=150, style_id=shop.styles[BRONZE])
    handle = await shop.issue(member_id=member)
    assert await shop.colour(nobody) == GOLD
    assert await shop.colour(handle) == BRONZE

    await patch(shop.http, f"/v1/members/{member}", {"style_group_id": shop.group_id})
    await shop.until(handle, SILVER)
    await patch(shop.http, f"/v1/passes/{handle}", {"style_id": shop.styles[GOLD]})
    assert await shop.colour(handle) == GOLD
    own = await get(shop.http, f"/v1/passes/{handle}")
    assert (own["style_id"], own["style_group_id"]) == (shop.styles[GOLD], None)
    await patch(shop.http, f"/v1/passes/{handle}", {"style_id": None})
    assert await shop.colour(handle) == SILVER
    await put(shop.http, f"/v1/members/{member}", {"name": "Ada"})
    await shop.until(handle, GOLD)


async def test_a_pass_is_issued_in_the_style_that_the_order_names(shop: Shop):
    one = await shop.issue(style_id=shop.styles[SILVER])
    many = await post(
        shop.http,
        "/v1/passes",
        {
            "template_id": shop.template_id,
            "passes": [{"style_group_id": shop.group_id}, {"style_id": shop.template_id}, {}],
        },
        expect=201,
    )

    grouped, refused, plain = many["passes"]
    assert await shop.colour(one) == SILVER
    assert await shop.colour(grouped["handle"]) == BRONZE
    assert refused["error"]["code"] == "style_unknown"
    assert await shop.colour(plain["handle"]) == PLAIN


async def test_a_changed_style_reaches_the_passes_that_show_it_and_no_others(
    shop: Shop, system: System, fleet: Fleet
):
    silver = shop.styles[SILVER]
    named = await post(shop.http, "/v1/templates", {**TEMPLATE, "style_id": silver}, expect=201)
    handles = [
        await shop.issue(style_id=silver),
        await shop.issue(member_id=await shop.member(style_id=silver)),
        await shop.issue(member_id=await shop.member(points=150), style_group_id=shop.group_id),
        await shop.issue(template_id=named["template_id"]),
    ]
    others = [await shop.issue(style_group_id=shop.group_id), await shop.issue()]
    phones = [
        await held_on(system, phone, handle)
        for handle, phone in zip([*handles, *others], fleet.add(6), strict=True)
    ]
    object_ = await shop.want(handles[1])
    assert [colour_of(held) for held in phones] == [*[SILVER] * 4, BRONZE, PLAIN]
    updates = [await updates_of(shop, handle) for handle in others]

    body = {"name": "Whiter", "brand_colors": {"background_color": "white"}}
    await put(shop.http, f"/v1/styles/{silver}", body)

    white = "rgb(255, 255, 255)"
    await poll(lambda: [colour_of(p) for p in phones[:4]] == [white] * 4, "the new colour")
    await poll(lambda: shop.hex_of(object_) == "#ffffff", "the new colour at Google")
    await fleet.until_quiet()
    assert [pushes_of(fleet, held) for held in phones] == [1, 1, 1, 1, 0, 0]
    assert [await updates_of(shop, handle) for handle in others] == updates


async def test_a_style_that_changes_nothing_to_be_seen_is_no_news(
    shop: Shop, system: System, fleet: Fleet
):
    [phone] = fleet.add()
    held = await held_on(system, phone, await shop.issue(style_id=shop.styles[GOLD]))

    body = {"name": "Renamed", "brand_colors": {"background_color": "gold"}}
    await put(shop.http, f"/v1/styles/{shop.styles[GOLD]}", body)

    async def gone_over() -> bool:
        return (await get(shop.http, f"/v1/passes/{held.handle}"))["version"] > 1

    await poll(gone_over, "the pass was gone over")
    await patch(shop.http, f"/v1/passes/{held.handle}", {"values": {"code": "B2"}})
    await poll(
        lambda: held.card.content["storeCard"]["headerFields"][0]["value"] == "B2", "the next push"
    )
    await fleet.until_quiet()
    assert pushes_of(fleet, held) == 1


async def test_a_changed_group_chooses_anew(shop: Shop):
    member = await shop.member(points=50, style_group_id=shop.group_id)
    handle = await shop.issue(member_id=member)
    object_ = await shop.want(handle)
    assert await shop.colour(handle) == BRONZE

    rules = [{"style_id": shop.styles[GOLD], "min_points": 10}]
    await put(shop.http, f"/v1/style-groups/{shop.group_id}", {"name": "Gold", "rules": rules})

    await poll(lambda: shop.hex_of(object_) == HEX[GOLD], "gold at Google")
    assert await shop.colour(handle) == GOLD


async def test_the_page_of_a_pass_has_its_colours(shop: Shop):
    handle = await shop.issue(style_id=shop.styles[SILVER])

    async with shop.http.get(f"/p/{handle}", headers={"Accept": "text/html"}) as response:
        page = await response.text()

    assert SILVER in page or HEX[SILVER] in page


async def test_what_is_in_use_is_not_deleted_and_what_is_not_is(shop: Shop):
    member = await shop.member(style_group_id=shop.group_id)
    handle = await shop.issue(style_id=shop.styles[GOLD])

    async def delete(path: str) -> tuple[int, str]:
        async with shop.http.delete(path) as response:
            return response.status, await response.text()

    assert (await delete(f"/v1/styles/{shop.styles[GOLD]}"))[0] == 409
    assert (await delete(f"/v1/styles/{shop.styles[BRONZE]}"))[0] == 409
    status, text = await delete(f"/v1/style-groups/{shop.group_id}")
    assert (status, json.loads(text)["code"]) == (409, "style_group_in_use")

    await patch(shop.http, f"/v1/passes/{handle}", {"style_id": None})
    await patch(shop.http, f"/v1/members/{member}", {"style_group_id": None})
    assert await delete(f"/v1/style-groups/{shop.group_id}") == (204, "")
    for style_id in shop.styles.values():
        assert await delete(f"/v1/styles/{style_id}") == (204, "")


async def test_members_who_cross_a_limit_at_once_follow_while_scans_go_on(shop: Shop):
    members = [await shop.member(style_group_id=shop.group_id) for _ in range(60)]
    orders = [{"member_id": member} for member in members]
    issued = await post(
        shop.http, "/v1/passes", {"template_id": shop.template_id, "passes": orders}, expect=201
    )
    handles = [row["handle"] for row in issued["passes"]]
    for handle in handles:
        await download(shop.http, handle)
    other = await shop.issue()

    rows = "\n".join(["member_id,points", *(f"{member},150" for member in members)])
    headers = {"Content-Type": "text/csv"}
    async with shop.http.post(
        "/v1/batches?kind=members", data=rows.encode(), headers=headers
    ) as response:
        assert response.status in (201, 202), await response.text()
    scans = [await post(shop.http, f"/v1/passes/{other}/scan") for _ in range(5)]

    assert [scan["version"] for scan in scans]
    for handle in (handles[0], handles[-1]):
        await shop.until(handle, SILVER)
    assert {await shop.colour(handle) for handle in handles} == {SILVER}
