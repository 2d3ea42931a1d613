import asyncio
import copy
from typing import Any
from uuid import UUID

import pytest

from services.gateway.catalogue.resending import resend_catalogue
from shared.contracts.gateway import IdentitySaved, TemplateDeleted, TemplateSaved
from shared.identifiers import new_id
from tests.google_schema import validate
from tests.integration.gateway.conftest import AnAccount, Answer, Gateway
from tests.integration.gateway.test_images import PNG, a_png

CARD: dict[str, Any] = {
    "name": "Coffee card",
    "pass": {
        "description": "Coffee card",
        "organizationName": "Blue Bottle",
        "storeCard": {
            "headerFields": [{"key": "points", "label": "Points", "value": 0}],
            "primaryFields": [{"key": "name", "label": "Name", "value": "{member_name}"}],
        },
    },
}


def a_card(**changes: object) -> dict[str, Any]:
    return {**copy.deepcopy(CARD), **changes}


async def saved_card(account: AnAccount, **changes: object) -> Answer:
    answer = await account.call("POST", "/v1/templates", a_card(**changes))
    assert answer.status == 201, answer.content
    return answer


async def upload(account: AnAccount, width: int = 4) -> str:
    answer = await account.call("POST", "/v1/images", data=a_png(width), headers=PNG)
    return answer.json["sha256"]


async def announced(account: AnAccount, name: str = TemplateSaved.name) -> list[dict[str, Any]]:
    events = await account.gateway.announced(account.account_id)
    return [body for event, body in events if event == name]


async def test_created_template_can_be_read(an_account: AnAccount):
    created = await saved_card(an_account)

    shown = await an_account.call("GET", created.headers["location"])

    assert created.json["revision"] == 1
    assert [warning["code"] for warning in created.json["warnings"]] == ["missing-icon"]
    assert shown.json["pass"] == CARD["pass"]
    assert shown.json["name"] == "Coffee card"
    assert shown.json["barcode_policy"] == "template"
    assert shown.headers["etag"] == '"1"'


async def test_created_template_is_announced_with_its_images(an_account: AnAccount):
    logo = await upload(an_account)
    created = await saved_card(an_account, images={"logo@2x": logo})

    (body,) = await announced(an_account)
    event = TemplateSaved.model_validate(body)

    assert str(event.template_id) == created.json["template_id"]
    assert event.organization_name == "Blue Bottle"
    assert event.document["pass"] == CARD["pass"]
    assert set(event.images) == {"logo@2x.png", "icon.png", "icon@2x.png", "icon@3x.png"}
    assert event.images["logo@2x.png"].sha256 == logo
    plain = await an_account.gateway.context.images.read_many(
        [image.sha256 for image in event.images.values()]
    )
    assert all(len(plain[image.sha256]) == image.size for image in event.images.values())


async def test_template_with_an_icon_gets_no_plain_one(an_account: AnAccount):
    icon = await upload(an_account)
    created = await saved_card(an_account, images={"icon@2x": icon})

    (body,) = await announced(an_account)

    assert created.json["warnings"] == []
    assert list(body["images"]) == ["icon@2x.png"]


async def test_order_of_keys_and_writing_of_numbers_stay(an_account: AnAccount):
    properties = {"zebra": 1.0, "a": 100000.0, "long name": "x", "b": {"value": 1, "label": "B"}}
    created = await saved_card(an_account, properties=properties)

    shown = await an_account.call("GET", created.headers["location"])

    assert list(shown.json["properties"]) == list(properties)
    assert isinstance(shown.json["properties"]["a"], float)


async def test_changed_template_is_the_next_revision(an_account: AnAccount):
    created = await saved_card(an_account)

    changed = await an_account.call("PUT", created.headers["location"], a_card(name="Tea card"))

    assert (changed.status, changed.json["revision"]) == (200, 2)
    assert changed.json["name"] == "Tea card"
    assert changed.json["updated_at"] > created.json["updated_at"]
    assert [(e["revision"], e["template_name"]) for e in await announced(an_account)] == [
        (1, "Coffee card"),
        (2, "Tea card"),
    ]


async def test_unchanged_template_is_no_revision_and_not_announced(an_account: AnAccount):
    created = await saved_card(an_account)

    again = await an_account.call("PUT", created.headers["location"], a_card())

    assert again.json == created.json
    assert len(await announced(an_account)) == 1


async def test_simultaneous_changes_are_revisions_one_after_the_other(an_account: AnAccount):
    created = await saved_card(an_account)

    answers = await asyncio.gather(
        *(
            an_account.call("PUT", created.headers["location"], a_card(name=f"Card {n}"))
            for n in range(6)
        )
    )

    assert sorted(answer.json["revision"] for answer in answers) == [2, 3, 4, 5, 6, 7]
    assert [event["revision"] for event in await announced(an_account)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("place", ["header", "body"])
async def test_change_based_on_an_old_revision_is_409(an_account: AnAccount, place: str):
    created = await saved_card(an_account)
    await an_account.call("PUT", created.headers["location"], a_card(name="Tea card"))
    headers = {"If-Match": created.headers["etag"]} if place == "header" else {}
    based_on = {"revision": 1} if place == "body" else {}
    body = a_card(name="Cocoa card", **based_on)

    answer = await an_account.call("PUT", created.headers["location"], body, headers=headers)

    assert (answer.status, answer.code) == (409, "revision_conflict")


async def test_change_based_on_the_present_revision_is_taken(an_account: AnAccount):
    created = await saved_card(an_account)
    headers = {"If-Match": created.headers["etag"]}

    answer = await an_account.call(
        "PUT", created.headers["location"], a_card(name="Tea"), headers=headers
    )

    assert answer.json["revision"] == 2


@pytest.mark.parametrize("etag", ["x", '"', "", '"99999999999"'])
async def test_odd_if_match_is_409(an_account: AnAccount, etag: str):
    created = await saved_card(an_account)

    answer = await an_account.call(
        "PUT", created.headers["location"], a_card(name="Tea"), headers={"If-Match": etag}
    )

    assert answer.status == 409


async def test_revisions_are_listed_and_read(an_account: AnAccount):
    created = await saved_card(an_account)
    path = created.headers["location"]
    for name in ("Tea", "Cocoa"):
        await an_account.call("PUT", path, a_card(name=name))

    first = await an_account.call("GET", f"{path}/revisions?limit=2")
    rest = await an_account.call(
        "GET", f"{path}/revisions?limit=2&cursor={first.json['next_cursor']}"
    )
    second = await an_account.call("GET", f"{path}/revisions/2")

    assert [(r["revision"], r["name"]) for r in first.json["data"]] == [(3, "Cocoa"), (2, "Tea")]
    assert [r["revision"] for r in rest.json["data"]] == [1]
    assert (second.json["name"], second.json["revision"]) == ("Tea", 2)


@pytest.mark.parametrize("revision", ["2", "0", "99999999999999999", "x"])
async def test_unknown_revision_is_404(an_account: AnAccount, revision: str):
    created = await saved_card(an_account)

    answer = await an_account.call("GET", f"{created.headers['location']}/revisions/{revision}")

    assert answer.status == 404


async def test_deleted_template_is_gone_and_announced(an_account: AnAccount):
    created = await saved_card(an_account)
    path = created.headers["location"]

    deleted = await an_account.call("DELETE", path)

    assert deleted.status == 204
    for method, address in (("GET", path), ("GET", f"{path}/revisions"), ("DELETE", path)):
        assert (await an_account.call(method, address)).status == 404
    assert (await an_account.call("PUT", path, a_card())).status == 404
    (event,) = await announced(an_account, TemplateDeleted.name)
    assert (event["template_id"], event["revision"]) == (created.json["template_id"], 2)


async def test_list_of_templates_has_pages_newest_first(an_account: AnAccount):
    for n in range(5):
        await saved_card(an_account, name=f"Card {n}")

    names: list[str] = []
    cursor = ""
    while cursor is not None:
        page = await an_account.call("GET", f"/v1/templates?limit=2{cursor}")
        names += [template["name"] for template in page.json["data"]]
        following = page.json["next_cursor"]
        cursor = f"&cursor={following}" if following else None

    assert names == [f"Card {n}" for n in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("cursor", ["x", "e30", "eyJhdCI6MX0", "eyJhdCI6IngifQ"])
async def test_foreign_cursor_is_422(an_account: AnAccount, cursor: str):
    answer = await an_account.call("GET", f"/v1/templates?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid_cursor")


async def test_template_of_another_account_is_404(
    an_account: AnAccount, another_account: AnAccount
):
    path = (await saved_card(another_account)).headers["location"]

    answers = [
        await an_account.call("GET", path),
        await an_account.call("GET", f"{path}/revisions"),
        await an_account.call("GET", f"{path}/revisions/1"),
        await an_account.call("PUT", path, a_card(name="Mine")),
        await an_account.call("DELETE", path),
    ]

    assert {answer.status for answer in answers} == {404}
    assert (await an_account.call("GET", "/v1/templates")).json["data"] == []
    assert (await another_account.call("GET", path)).json["revision"] == 1


async def test_errors_are_422_with_their_json_paths(an_account: AnAccount):
    card = a_card(images={"icon": "x", "picture": "0" * 64})
    card["pass"]["coupon"] = {}

    answer = await an_account.call("POST", "/v1/templates", card)

    assert (answer.status, answer.code) == (422, "template_invalid")
    assert {"$.pass", "$.images.icon", "$.images.picture"} <= set(answer.faults)


async def test_check_reports_and_saves_nothing(an_account: AnAccount):
    answer = await an_account.call("POST", "/v1/templates/check", {"pass": {}})

    assert answer.status == 200
    assert {finding["severity"] for finding in answer.json["findings"]} == {"error", "warning"}
    assert (await an_account.call("GET", "/v1/templates")).json["data"] == []


async def test_check_shows_a_sample_pass_in_both_wallets(an_account: AnAccount):
    answer = await an_account.call("POST", "/v1/templates/check", a_card())

    shown = answer.json["apple"]["pass"]
    assert shown["storeCard"]["primaryFields"][0]["value"] == "Ada Lovelace"
    assert shown["passTypeIdentifier"].startswith("pass.")
    assert "authenticationToken" not in shown
    class_, object_ = answer.json["google"]["class"], answer.json["google"]["object"]
    validate("loyalty", "class", class_)
    validate("loyalty", "object", object_)
    assert (class_["programName"], class_["issuerName"]) == ("Coffee card", "Blue Bottle")
    assert (object_["accountName"], object_["classId"]) == ("Ada Lovelace", class_["id"])
    assert "google" not in str(answer.json["findings"])


async def test_check_takes_values_and_member_of_the_sample(an_account: AnAccount):
    points = "structure_headerFields_points_value"
    sample = {"values": {points: 42}, "member": {"name": "Grace"}}

    answer = await an_account.call("POST", "/v1/templates/check", a_card(sample=sample))

    object_ = answer.json["google"]["object"]
    assert object_["loyaltyPoints"]["balance"] == {"int": 42}
    assert object_["accountName"] == "Grace"


@pytest.mark.parametrize("member", [None, {}])
async def test_a_sample_may_be_nobodys(an_account: AnAccount, member: dict[str, str] | None):
    card = a_card(sample={"member": member})

    answer = await an_account.call("POST", "/v1/templates/check", card)

    assert "accountName" not in answer.json["google"]["object"]


async def test_unfit_values_of_a_sample_are_found_and_left_out(an_account: AnAccount):
    card = a_card(sample={"values": {"nothing": 1}})

    answer = await an_account.call("POST", "/v1/templates/check", card)

    paths = [finding["path"] for finding in answer.json["findings"]]
    assert "$.sample.values.nothing" in paths
    assert answer.json["apple"]["pass"]["description"] == "Coffee card"


async def test_both_documents_are_shown_despite_errors(an_account: AnAccount):
    answer = await an_account.call("POST", "/v1/templates/check", {"pass": {}})

    assert answer.json["google"]["object"]["state"] == "ACTIVE"
    validate("generic", "class", answer.json["google"]["class"])


async def test_findings_name_the_wallet_that_minds(an_account: AnAccount):
    google = {"issuer_id": "1" * 21, "images": {"logo": "0" * 64}, "rows": [["stars"]]}

    answer = await an_account.call("POST", "/v1/templates", a_card(google=google))
    check = await an_account.call("POST", "/v1/templates/check", a_card(google=google))

    paths = {"$.google.issuer_id", "$.google.images.logo", "$.google.rows[0][0]"}
    wallets = {finding["path"]: finding["wallet"] for finding in check.json["findings"]}
    assert (answer.status, paths - set(answer.faults)) == (422, set())
    assert wallets["$.google.issuer_id"] == "google"
    assert wallets["$.images"] is None


async def test_a_section_for_google_is_kept_and_an_empty_one_left_out(an_account: AnAccount):
    google = {"issuer_id": "3388000000012345678", "rows": [["points"]]}
    with_google = await saved_card(an_account, google=google)
    without = await saved_card(an_account, google={})

    shown = await an_account.call("GET", with_google.headers["location"])
    path = without.headers["location"]
    same = await an_account.call("PUT", path, a_card())
    other = await an_account.call("PUT", path, a_card(google=google))

    assert shown.json["google"] == google
    assert (same.json["revision"], other.json["revision"]) == (1, 2)
    stored = [event["document"] for event in await announced(an_account)]
    assert sorted("google" in document for document in stored) == [False, True, True]


async def test_image_of_another_account_is_422(an_account: AnAccount, another_account: AnAccount):
    theirs = await upload(another_account, 11)

    answer = await an_account.call("POST", "/v1/templates", a_card(images={"logo": theirs}))

    assert (answer.status, list(answer.faults)) == (422, ["$.images.logo"])


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": 7}, "/name"),
        ({"pass": []}, "/pass"),
        ({"images": {"icon": 1}}, "/images/icon"),
        ({"identity_id": "x"}, "/identity_id"),
        ({"colour": "red"}, "/colour"),
        ({"barcode_policy": "sometimes"}, "/barcode_policy"),
    ],
)
async def test_wrong_types_are_422(an_account: AnAccount, changes: dict[str, object], pointer: str):
    answer = await an_account.call("POST", "/v1/templates", a_card(**changes))

    assert (answer.status, list(answer.faults)) == (422, [pointer])


@pytest.mark.parametrize("body", [b"", b"{", b'{"name": "x",}', b"[1, NaN]"])
async def test_broken_json_is_400(an_account: AnAccount, body: bytes):
    answer = await an_account.call(
        "POST", "/v1/templates", data=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status == 400


async def test_template_over_256_kib_is_422(an_account: AnAccount):
    answer = await an_account.call(
        "POST", "/v1/templates", a_card(properties={"x": "y" * (257 * 1024)})
    )

    assert answer.status == 422


async def test_body_over_the_limit_is_413(an_account: AnAccount):
    answer = await an_account.call(
        "POST", "/v1/templates", a_card(properties={"x": "y" * 1024 * 1024})
    )

    assert answer.status == 413


async def test_repeated_creation_makes_one_template(an_account: AnAccount):
    first, again = [
        await an_account.call("POST", "/v1/templates", a_card(), key="k") for _ in range(2)
    ]

    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["etag"] == '"1"'
    assert len((await an_account.call("GET", "/v1/templates")).json["data"]) == 1
    assert len(await announced(an_account)) == 1


async def test_reader_may_not_write(an_account: AnAccount):
    path = (await saved_card(an_account)).headers["location"]
    reader = await an_account.with_scopes("templates:read")

    assert (await reader.call("GET", path)).status == 200
    assert (await reader.call("POST", "/v1/templates", a_card())).status == 403
    assert (await reader.call("PUT", path, a_card(name="x"))).status == 403
    assert (await reader.call("DELETE", path)).status == 403


async def test_current_knows_living_templates_of_that_account_only(
    gateway: Gateway, an_account: AnAccount, another_account: AnAccount
):
    ids = [UUID((await saved_card(an_account)).json["template_id"]) for _ in range(3)]
    theirs = UUID((await saved_card(another_account)).json["template_id"])
    await an_account.call("PUT", f"/v1/templates/{ids[1]}", a_card(name="Tea"))
    await an_account.call("DELETE", f"/v1/templates/{ids[2]}")
    wanted = [*ids, theirs, new_id()]

    mine, other = await asyncio.gather(
        gateway.context.templates.current(an_account.account_id, wanted),
        gateway.context.templates.current(another_account.account_id, wanted),
    )

    assert mine == {ids[0]: 1, ids[1]: 2}
    assert other == {theirs: 1}


async def test_catalogue_is_announced_again_as_it_is(gateway: Gateway, an_account: AnAccount):
    kept = await saved_card(an_account, images={"logo": await upload(an_account)})
    await an_account.call("PUT", kept.headers["location"], a_card(name="Tea"))
    gone = await saved_card(an_account)
    await an_account.call("DELETE", gone.headers["location"])
    before = await gateway.query("SELECT count(*) AS n FROM messaging.messages")
    await gateway.query("TRUNCATE messaging.messages, outbox")

    count = await resend_catalogue(gateway.context.database)

    templates = await announced(an_account)
    assert before[0]["n"] > 0
    assert count >= 2
    assert [(e["template_name"], e["revision"]) for e in templates] == [("Tea", 2)]
    assert templates[0]["images"].keys() == {"icon.png", "icon@2x.png", "icon@3x.png"}
    assert len(await announced(an_account, IdentitySaved.name)) == 1


async def test_paths_of_a_template_say_what_a_pass_may_set(an_account: AnAccount):
    card = a_card(properties={"visits": {"value": 3, "editable": True, "label": "Visits"}})
    created = await an_account.call("POST", "/v1/templates", card)
    path = f"{created.headers['location']}/paths"

    first = await an_account.call("GET", f"{path}?limit=250")
    second = await an_account.call("GET", f"{path}?limit=250&cursor={first.json['next_cursor']}")
    listed = [*first.json["data"], *second.json["data"]]
    paths = {row["path"]: row for row in listed}

    assert second.json["next_cursor"] is None
    assert len(paths) == len(listed)
    assert paths["structure_headerFields_points_value"] == {
        "path": "structure_headerFields_points_value",
        "kind": "value",
        "words": [],
        "given": True,
        "editable": False,
        "read_only": False,
        "default": 0,
        "label": "structure_headerFields_points_value",
        "place": "$.pass.storeCard.headerFields[0].value",
    }
    assert paths["visits"]["editable"] is True
    assert paths["visits"]["label"] == "Visits"
    assert paths["visits"]["place"] == "$.properties.visits"
    assert paths["member_points"]["read_only"] is True
    assert paths["member_points"]["place"] is None
    assert paths["organizationName"]["default"] == "Blue Bottle"
    assert paths["passType"]["words"] == [
        "boardingPass",
        "coupon",
        "eventTicket",
        "generic",
        "storeCard",
    ]
    assert paths["images_logo"]["kind"] == "image"
    given = [row["given"] for row in listed]
    assert given == sorted(given, reverse=True)


async def test_paths_of_a_template_come_page_by_page(an_account: AnAccount):
    path = f"{(await saved_card(an_account)).headers['location']}/paths"
    whole = await an_account.call("GET", f"{path}?limit=250")

    first = await an_account.call("GET", f"{path}?limit=2")
    second = await an_account.call("GET", f"{path}?limit=2&cursor={first.json['next_cursor']}")

    assert [*first.json["data"], *second.json["data"]] == whole.json["data"][:4]


async def test_paths_of_another_account_s_template_are_404(
    an_account: AnAccount, another_account: AnAccount
):
    path = f"{(await saved_card(another_account)).headers['location']}/paths"

    assert (await an_account.call("GET", path)).status == 404
    assert (await an_account.call("GET", "/v1/templates/nothing/paths")).status == 404
