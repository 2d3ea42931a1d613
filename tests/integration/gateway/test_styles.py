"""Styles and style groups, in the words of /v1."""

from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from services.gateway.catalogue.resending import resend_catalogue
from shared.contracts.gateway import StyleGroupSaved, StyleSaved
from shared.contracts.member import MemberSaved, ReadMemberStyleUse, SaveMember, StyleUse
from shared.contracts.triggers import ChangePass, CreatePass, ReadPassStyleUse
from shared.identifiers import new_id
from tests.integration.gateway.conftest import AnAccount, Answer, Gateway
from tests.integration.gateway.owners import Owners, a_member
from tests.integration.gateway.test_templates import a_card, saved_card, upload

SILVER = {"name": "Silver", "brand_colors": {"background_color": "rgb(192, 192, 192)"}}


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    owners = Owners(gateway.transport)
    owners.answer(
        SaveMember,
        lambda command: MemberSaved(
            member=a_member(command.account_id, command.member_id, **command.fields), created=True
        ),
    )
    return owners


async def a_style(account: AnAccount, **parts: Any) -> str:
    answer = await account.call("POST", "/v1/styles", {**SILVER, **parts})
    assert answer.status == 201, answer.content
    return answer.json["style_id"]


async def a_group(account: AnAccount, *rules: tuple[str, int, int | None]) -> Answer:
    body = {
        "name": "Tiers",
        "rules": [
            {"style_id": style, "min_points": least, "max_points": most}
            for style, least, most in rules
        ],
    }
    return await account.call("POST", "/v1/style-groups", body)


async def test_a_style_is_saved_shown_and_announced(an_account: AnAccount):
    image = await upload(an_account)
    fields = [{"key": "tier", "label": "Membership", "value": "{member_tier}"}]
    body = {**SILVER, "primary_fields": fields, "assets": {"apple": {"logo": image}}}

    made = await an_account.call("POST", "/v1/styles", body)

    style_id = made.json["style_id"]
    assert made.status == 201
    assert made.headers["location"] == f"/v1/styles/{style_id}"
    shown = (await an_account.call("GET", f"/v1/styles/{style_id}")).json
    assert shown["primary_fields"] == fields
    assert shown["brand_colors"]["label_color"] is None
    [(_, told)] = await told_of(an_account, StyleSaved.name)
    assert (told["style_id"], told["revision"]) == (style_id, 1)
    assert told["images"]["logo.png"]["sha256"] == image


async def told_of(account: AnAccount, name: str) -> list[tuple[str, dict[str, Any]]]:
    events = await account.gateway.announced(account.account_id)
    return [event for event in events if event[0] == name]


async def test_a_change_is_a_revision_and_the_same_again_is_none(an_account: AnAccount):
    style_id = await a_style(an_account)
    path = f"/v1/styles/{style_id}"

    same = await an_account.call("PUT", path, SILVER)
    other = await an_account.call("PUT", path, {**SILVER, "name": "White", "revision": 1})
    late = await an_account.call("PUT", path, {**SILVER, "name": "Grey", "revision": 1})

    assert [same.json["revision"], other.json["revision"]] == [1, 2]
    assert (late.status, late.code) == (409, "revision_conflict")
    assert [told["revision"] for _, told in await told_of(an_account, StyleSaved.name)] == [1, 2]


async def test_a_repeat_with_its_key_makes_one_style(an_account: AnAccount):
    answers = [await an_account.call("POST", "/v1/styles", SILVER, key="once") for _ in range(2)]

    assert answers[0].json == answers[1].json
    listed = (await an_account.call("GET", "/v1/styles")).json["data"]
    assert [style["style_id"] for style in listed] == [answers[0].json["style_id"]]


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ({"brand_colors": {"label_color": "dull"}}, "$.brand_colors.label_color"),
        ({"barcode": {"format": "Maxi"}}, "$.barcode.format"),
        ({"assets": {"google": {"hero": "0" * 64}}}, "$.assets.google.hero"),
        ({"expiration_date": "soon"}, "$.expiration_date"),
        ({"primary_fields": [{"label": "No key"}]}, "$.primary_fields[0]"),
    ],
)
async def test_what_is_wrong_with_a_style_is_named(
    an_account: AnAccount, parts: dict[str, Any], pointer: str
):
    answer = await an_account.call("POST", "/v1/styles", {**SILVER, **parts})

    assert (answer.status, answer.code) == (422, "style_invalid")
    assert any(found.startswith(pointer) for found in answer.faults)


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {**SILVER, "colour": "red"}, {**SILVER, "name": "x" * 201}],
    ids=["nothing", "no name", "unknown key", "long name"],
)
async def test_what_is_no_style_is_refused(an_account: AnAccount, body: dict[str, Any]):
    answer = await an_account.call("POST", "/v1/styles", body)

    assert answer.status == 422


async def test_a_style_shows_no_more_than_its_writer_may_see(an_account: AnAccount):
    fields = [{"key": "name", "value": "{member_name}"}]
    writer = await an_account.with_scopes("templates:write")

    answer = await writer.call("POST", "/v1/styles", {**SILVER, "header_fields": fields})

    assert (answer.status, answer.code) == (403, "text_not_allowed")
    assert list(answer.faults) == ["/header_fields/0/value"]


async def test_overlapping_rules_are_a_warning_and_inverted_ones_an_error(an_account: AnAccount):
    style_id = await a_style(an_account)

    overlapping = await a_group(an_account, (style_id, 0, 100), (style_id, 100, None))
    inverted = await a_group(an_account, (style_id, 100, 0))

    assert overlapping.status == 201
    assert [found["path"] for found in overlapping.json["warnings"]] == ["$.rules[1]"]
    assert (inverted.status, inverted.code) == (422, "style_group_invalid")
    assert list(inverted.faults) == ["$.rules[0].max_points"]


async def test_a_group_with_a_style_of_another_account_is_refused(
    an_account: AnAccount, another_account: AnAccount
):
    own, foreign = await a_style(an_account), await a_style(another_account)

    answer = await a_group(an_account, (own, 0, 100), (foreign, 101, None))

    assert (answer.status, answer.code) == (422, "style_unknown")
    assert list(answer.faults) == ["$.rules[1].style_id"]


async def test_what_is_of_another_account_is_not_there(
    an_account: AnAccount, another_account: AnAccount
):
    style_id = await a_style(an_account)
    group_id = (await a_group(an_account, (style_id, 0, None))).json["style_group_id"]

    for path in (f"/v1/styles/{style_id}", f"/v1/style-groups/{group_id}"):
        for method in ("GET", "DELETE"):
            answer = await another_account.call(method, path)
            assert answer.status == 404, (method, path)
    answer = await another_account.call("PUT", f"/v1/styles/{style_id}", SILVER)
    assert (answer.status, answer.code) == (404, "style_not_found")


async def test_a_style_in_a_group_or_a_template_stays(an_account: AnAccount, owners: Owners):
    grouped, named = await a_style(an_account), await a_style(an_account)
    group_id = (await a_group(an_account, (grouped, 0, None))).json["style_group_id"]
    template = await saved_card(an_account, style_id=named)

    for style_id in (grouped, named):
        answer = await an_account.call("DELETE", f"/v1/styles/{style_id}")
        assert (answer.status, answer.code) == (409, "style_in_use")

    assert (await an_account.call("DELETE", f"/v1/style-groups/{group_id}")).status == 204
    assert (await an_account.call("DELETE", f"/v1/styles/{grouped}")).status == 204
    assert (await an_account.call("GET", f"/v1/styles/{grouped}")).status == 404
    path = f"/v1/templates/{template.json['template_id']}"
    assert (await an_account.call("PUT", path, a_card())).status == 200
    assert (await an_account.call("DELETE", f"/v1/styles/{named}")).status == 204
    [(_, group)] = [
        told for told in await told_of(an_account, StyleGroupSaved.name) if told[1].get("deleted")
    ]
    assert (group["style_group_id"], group["revision"]) == (group_id, 2)
    assert len(owners.asked_for(ReadPassStyleUse)) == 5


@pytest.mark.parametrize("query", [ReadMemberStyleUse, ReadPassStyleUse])
async def test_a_style_that_a_member_or_a_pass_names_stays(
    an_account: AnAccount, owners: Owners, query: type[ReadMemberStyleUse | ReadPassStyleUse]
):
    style_id = await a_style(an_account)
    owners.answer(query, lambda _: StyleUse(in_use=True))

    answer = await an_account.call("DELETE", f"/v1/styles/{style_id}")

    assert (answer.status, answer.code) == (409, "style_in_use")


async def test_a_template_names_only_styles_of_its_account(
    an_account: AnAccount, another_account: AnAccount
):
    foreign = await a_style(another_account)

    answer = await an_account.call("POST", "/v1/templates", a_card(style_id=foreign))

    assert (answer.status, answer.code) == (422, "template_invalid")
    assert list(answer.faults) == ["$.style_id"]


async def test_members_and_passes_name_only_styles_of_their_account(
    an_account: AnAccount, another_account: AnAccount, owners: Owners
):
    own, foreign = await a_style(an_account), await a_style(another_account)
    template_id = (await saved_card(an_account)).json["template_id"]
    order = {"template_id": template_id, "style_id": own}

    made = await an_account.call("POST", "/v1/passes", order)
    refused = [
        await an_account.call("POST", "/v1/passes", {**order, "style_id": foreign}),
        await an_account.call("POST", "/v1/members", {"style_id": foreign}),
        await an_account.call("POST", "/v1/members", {"style_group_id": str(new_id())}),
        await an_account.call("PATCH", f"/v1/passes/{made.json['handle']}", {"style_id": foreign}),
    ]

    assert [answer.status for answer in refused] == [422] * 4
    assert [list(answer.faults) for answer in refused] == [
        ["/style_id"], ["/style_id"], ["/style_group_id"], ["/style_id"],
    ]  # fmt: skip
    [created] = owners.asked_for(CreatePass)
    assert created.style_id == UUID(own)
    assert owners.asked_for(SaveMember) == []


async def test_a_change_says_of_a_pass_what_was_given_and_no_more(
    an_account: AnAccount, owners: Owners
):
    style_id = await a_style(an_account)
    template_id = (await saved_card(an_account)).json["template_id"]
    made = await an_account.call("POST", "/v1/passes", {"template_id": template_id})
    path = f"/v1/passes/{made.json['handle']}"

    await an_account.call("PATCH", path, {"style_id": style_id})
    await an_account.call("PATCH", path, {"style_group_id": None})
    await an_account.call("PATCH", path, {"values": {}})

    asked = [command.styles for command in owners.asked_for(ChangePass)]
    assert asked == [{"style_id": UUID(style_id)}, {"style_group_id": None}, {}]
    assert (await an_account.call("GET", path)).json["style_id"] == style_id


async def test_a_group_is_shown_at_any_number_of_points(an_account: AnAccount):
    bronze = await a_style(an_account, name="Bronze", brand_colors={"background_color": "#cd7f32"})
    silver = await a_style(an_account)
    group = await a_group(an_account, (bronze, 0, 100), (silver, 101, 200))
    template_id = (await saved_card(an_account)).json["template_id"]
    path = f"/v1/style-groups/{group.json['style_group_id']}/preview"

    shown = {
        points: (
            await an_account.call("POST", path, {"template_id": template_id, "points": points})
        ).json
        for points in (-5, 100, 101, 500)
    }

    names = {points: preview["style_name"] for points, preview in shown.items()}
    assert names == {-5: "Bronze", 100: "Bronze", 101: "Silver", 500: "Silver"}
    assert shown[500]["style_id"] == silver
    assert shown[500]["apple"]["pass"]["backgroundColor"] == "rgb(192, 192, 192)"
    assert shown[500]["google"]["class"]["hexBackgroundColor"] == "#c0c0c0"
    assert shown[100]["google"]["class"]["hexBackgroundColor"] == "#cd7f32"


async def test_a_preview_needs_a_template_of_the_account(
    an_account: AnAccount, another_account: AnAccount
):
    style_id = await a_style(an_account)
    group_id = (await a_group(an_account, (style_id, 0, None))).json["style_group_id"]
    foreign = (await saved_card(another_account)).json["template_id"]

    answer = await an_account.call(
        "POST", f"/v1/style-groups/{group_id}/preview", {"template_id": foreign, "points": 1}
    )

    assert (answer.status, answer.code) == (422, "template_unknown")


async def test_all_is_announced_again_as_it_is(an_account: AnAccount, gateway: Gateway):
    style_id = await a_style(an_account)
    await a_group(an_account, (style_id, 0, None))

    await resend_catalogue(gateway.context.database)

    rows = await gateway.query(
        "SELECT name, body FROM outbox WHERE name = ANY($1)",
        [StyleSaved.name, StyleGroupSaved.name],
    )
    told = sorted(row["name"] for row in rows if str(an_account.account_id) in str(row["body"]))
    assert told == [*[StyleGroupSaved.name] * 2, *[StyleSaved.name] * 2]


async def test_pages_of_styles_follow_each_other(an_account: AnAccount):
    made = [await a_style(an_account) for _ in range(3)]

    first = (await an_account.call("GET", "/v1/styles?limit=2")).json
    rest = (await an_account.call("GET", f"/v1/styles?cursor={first['next_cursor']}")).json

    listed = [style["style_id"] for page in (first, rest) for style in page["data"]]
    assert listed == made[::-1]
