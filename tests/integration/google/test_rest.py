"""Insert, get, list, patch, update and addMessage answer as Google's do."""

from typing import Any

import pytest

from tests.google.server import ISSUER, FakeGoogle
from tests.integration.google.documents import (
    CLASS,
    OBJECT,
    TYPES,
    class_of,
    image,
    object_of,
)
from tests.integration.google.issuer import IssuerServer, an_issuer_server


@pytest.mark.parametrize("type_", TYPES)
async def test_a_class_and_an_object_of_each_type_are_taken_and_shown(
    issuer: IssuerServer, type_: str
):
    made = await issuer.ask("POST", f"{type_}Class", class_of(type_))
    object_ = await issuer.ask("POST", f"{type_}Object", object_of(type_))
    got = await issuer.ask("GET", f"{type_}Object/{OBJECT}")

    assert (made.status, object_.status, got.status) == (200, 200, 200)
    assert got.body == object_.body
    assert object_of(type_).items() <= got.body.items()
    assert got.body["hasUsers"] is False
    if type_ != "generic":
        assert got.body["classReference"]["id"] == CLASS
        assert got.body["version"] == "1"


async def test_what_is_stored_is_what_was_sent(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()

    assert google.objects[OBJECT].document == object_of()


async def test_an_insert_of_what_is_there_is_a_conflict(issuer: IssuerServer):
    await issuer.insert_both()

    answers = [
        await issuer.ask("POST", "loyaltyClass", class_of()),
        await issuer.ask("POST", "loyaltyObject", object_of()),
        await issuer.ask("POST", "genericClass", class_of("generic")),
    ]

    assert [answer.status for answer in answers] == [409, 409, 409]
    assert answers[0].body["error"]["status"] == "ALREADY_EXISTS"


@pytest.mark.parametrize("path", [f"loyaltyClass/{CLASS}", f"loyaltyObject/{OBJECT}"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT"])
async def test_what_is_not_there_is_not_found(issuer: IssuerServer, method: str, path: str):
    answer = await issuer.ask(method, path, {})

    assert (answer.status, answer.reason) == (404, "resourceNotFound")
    assert answer.body["error"]["status"] == "NOT_FOUND"


async def test_a_resource_is_found_under_its_own_type_only(issuer: IssuerServer):
    await issuer.insert_both()

    assert (await issuer.ask("GET", f"offerObject/{OBJECT}")).status == 404
    assert (await issuer.ask("GET", f"loyaltyCard/{OBJECT}")).status == 404


async def test_an_object_needs_its_class_first(issuer: IssuerServer):
    answer = await issuer.ask("POST", "loyaltyObject", object_of())

    assert (answer.status, answer.reason) == (404, "classNotFound")


async def test_an_object_needs_a_class_of_its_type(issuer: IssuerServer):
    await issuer.ask("POST", "offerClass", class_of("offer"))

    answer = await issuer.ask("POST", "loyaltyObject", object_of())

    assert answer.reason == "classNotFound"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "loyaltyClass", class_of()),
        ("GET", f"loyaltyClass/{CLASS}", None),
        ("PATCH", f"loyaltyObject/{OBJECT}", {}),
        ("POST", f"loyaltyObject/{OBJECT}/addMessage", {}),
        ("GET", f"issuer/{ISSUER}", None),
    ],
)
async def test_an_account_that_was_not_invited_is_denied(
    google: FakeGoogle, issuer: IssuerServer, method: str, path: str, body: Any
):
    await issuer.insert_both()
    key_file = google.invite("stranger", issuer="3388000000000000002")
    async with an_issuer_server(google, key_file) as stranger:
        answer = await stranger.ask(method, path, body)

    assert (answer.status, answer.reason) == (403, "permissionDenied")
    assert answer.message == "Permission denied."
    assert answer.body["error"]["errors"][0]["domain"] == "walletobjects"


async def test_an_issuer_that_is_unknown_is_denied_too(issuer: IssuerServer):
    answer = await issuer.ask("POST", "loyaltyClass", class_of(id="999.class"))

    assert (answer.status, answer.reason) == (403, "permissionDenied")


async def test_an_object_of_another_issuers_class_is_denied(
    google: FakeGoogle, issuer: IssuerServer
):
    await issuer.ask("POST", "loyaltyClass", class_of())
    async with an_issuer_server(google, google.invite("other", issuer="999")) as other:
        answer = await other.ask("POST", "loyaltyObject", object_of(id="999.object"))

    assert answer.status == 403


async def test_an_account_sees_the_issuers_that_invited_it(
    google: FakeGoogle, issuer: IssuerServer
):
    google.issuer("999", "Somebody else")

    one = await issuer.ask("GET", f"issuer/{ISSUER}")
    listed = await issuer.ask("GET", "issuer")

    assert one.body == {"issuerId": ISSUER, "name": "An issuer"}
    assert listed.body == {"resources": [one.body]}


async def test_a_patch_keeps_what_it_does_not_name(issuer: IssuerServer):
    await issuer.insert_both()

    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": "Grace"})

    assert answer.body["accountName"] == "Grace"
    assert answer.body["accountId"] == "4711"
    assert answer.body["version"] == "2"


async def test_a_patch_merges_nested_documents(issuer: IssuerServer):
    await issuer.insert_both()

    points = {"loyaltyPoints": {"balance": {"int": 13}}}
    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", points)

    assert answer.body["loyaltyPoints"] == {"label": "beans", "balance": {"int": 13}}


async def test_a_patch_replaces_lists_as_a_whole(issuer: IssuerServer):
    modules = [{"id": "a", "body": "A"}, {"id": "b", "body": "B"}]
    await issuer.ask("POST", "loyaltyClass", class_of())
    await issuer.ask("POST", "loyaltyObject", object_of(textModulesData=modules))

    change = {"textModulesData": [{"id": "c", "body": "C"}]}
    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", change)

    assert answer.body["textModulesData"] == [{"id": "c", "body": "C"}]


async def test_null_in_a_patch_takes_a_key_away(issuer: IssuerServer):
    await issuer.insert_both()

    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": None})

    assert "accountName" not in answer.body


async def test_null_in_a_patch_does_nothing_when_google_is_so(
    google: FakeGoogle, issuer: IssuerServer
):
    await issuer.insert_both()
    google.switches.null_removes = False

    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": None})

    assert answer.body["accountName"] == "Ada"


async def test_an_update_replaces_everything(issuer: IssuerServer):
    await issuer.insert_both()
    new = {"id": OBJECT, "classId": CLASS, "state": "INACTIVE"}

    answer = await issuer.ask("PUT", f"loyaltyObject/{OBJECT}", new)

    assert answer.body["state"] == "INACTIVE"
    assert "accountName" not in answer.body


async def test_an_id_never_changes(issuer: IssuerServer):
    await issuer.insert_both()

    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"id": f"{ISSUER}.other"})

    assert (answer.status, answer.reason) == (400, "invalidResource")


async def test_an_object_moves_to_another_class_of_its_type(issuer: IssuerServer):
    await issuer.insert_both()
    other = f"{ISSUER}.gold"
    await issuer.ask("POST", "loyaltyClass", class_of(id=other))

    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"classId": other})

    assert answer.body["classReference"]["id"] == other


async def test_the_objects_of_a_class_are_listed_page_by_page(issuer: IssuerServer):
    await issuer.ask("POST", "loyaltyClass", class_of())
    ids = [f"{ISSUER}.object{number}" for number in range(5)]
    for id_ in ids:
        await issuer.ask("POST", "loyaltyObject", object_of(id=id_))

    seen: list[list[str]] = []
    query = {"classId": CLASS, "maxResults": "2"}
    while True:
        page = (await issuer.ask("GET", "loyaltyObject", **query)).body
        seen.append([one["id"] for one in page["resources"]])
        if "nextPageToken" not in page["pagination"]:
            break
        query["token"] = page["pagination"]["nextPageToken"]

    assert seen == [ids[0:2], ids[2:4], ids[4:5]]
    assert page["pagination"] == {"resultsPerPage": 1}


async def test_without_a_maximum_everything_is_listed(issuer: IssuerServer):
    await issuer.insert_both()

    classes = await issuer.ask("GET", "loyaltyClass", issuerId=ISSUER)
    others = await issuer.ask("GET", "offerClass", issuerId=ISSUER)

    assert [one["id"] for one in classes.body["resources"]] == [CLASS]
    assert others.body["resources"] == []


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("loyaltyClass", {}, 400),
        ("loyaltyObject", {}, 400),
        ("loyaltyObject", {"classId": CLASS, "maxResults": "0"}, 400),
        ("loyaltyObject", {"classId": CLASS, "maxResults": "many"}, 400),
        ("loyaltyObject", {"classId": CLASS, "token": "!"}, 400),
        ("loyaltyObject", {"classId": f"{ISSUER}.unknown"}, 404),
        ("loyaltyObject", {"classId": "999.class"}, 403),
    ],
)
async def test_a_list_needs_an_owner_and_a_page_that_exist(
    issuer: IssuerServer, path: str, query: dict[str, str], status: int
):
    await issuer.insert_both()

    assert (await issuer.ask("GET", path, **query)).status == status


@pytest.mark.parametrize(
    ("path", "id_"), [("loyaltyClass", CLASS), ("loyaltyObject", OBJECT)], ids=["class", "object"]
)
async def test_a_message_is_added_at_the_end(issuer: IssuerServer, path: str, id_: str):
    await issuer.insert_both()
    news = {"id": "1", "header": "News", "body": "We are open", "messageType": "TEXT"}

    for number in ("1", "2"):
        message = {"message": news | {"id": number}}
        answer = await issuer.ask("POST", f"{path}/{id_}/addMessage", message)

    assert [one["id"] for one in answer.body["resource"]["messages"]] == ["1", "2"]


async def test_the_eleventh_message_is_refused(issuer: IssuerServer):
    await issuer.insert_both()
    add = f"loyaltyObject/{OBJECT}/addMessage"
    for _ in range(10):
        assert (await issuer.ask("POST", add, {"message": {"body": "News"}})).status == 200

    assert (await issuer.ask("POST", add, {"message": {"body": "News"}})).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": {"header": "Only a header"}},
        {"message": {"body": "News", "messageType": "SHOUT"}},
        {"text": "News"},
    ],
)
async def test_a_message_that_is_none_is_refused(issuer: IssuerServer, body: Any):
    await issuer.insert_both()

    answer = await issuer.ask("POST", f"loyaltyObject/{OBJECT}/addMessage", body)

    assert answer.status == 400


async def test_a_class_is_approved_at_once(issuer: IssuerServer):
    answer = await issuer.ask("POST", "loyaltyClass", class_of())

    assert answer.body["reviewStatus"] == "APPROVED"


@pytest.mark.parametrize("status", ["APPROVED", "approved", "REJECTED"])
async def test_an_issuer_cannot_approve_a_class(issuer: IssuerServer, status: str):
    inserted = await issuer.ask("POST", "loyaltyClass", class_of(reviewStatus=status))
    await issuer.ask("POST", "loyaltyClass", class_of())
    sent_back = await issuer.ask("PATCH", f"loyaltyClass/{CLASS}", {"reviewStatus": status})

    assert [inserted.status, sent_back.status] == [400, 400]
    assert "Invalid review status" in sent_back.message


async def test_an_approved_class_is_changed_and_approved_again(issuer: IssuerServer):
    await issuer.ask("POST", "loyaltyClass", class_of())

    changes = {"programName": "Tea Club", "reviewStatus": "UNDER_REVIEW"}
    answer = await issuer.ask("PATCH", f"loyaltyClass/{CLASS}", changes)

    assert (answer.body["programName"], answer.body["reviewStatus"]) == ("Tea Club", "APPROVED")


async def test_a_draft_has_no_objects_and_comes_back_never(issuer: IssuerServer):
    await issuer.ask("POST", "loyaltyClass", class_of(reviewStatus="DRAFT"))
    too_early = await issuer.ask("POST", "loyaltyObject", object_of())
    await issuer.ask("PATCH", f"loyaltyClass/{CLASS}", {"reviewStatus": "UNDER_REVIEW"})
    in_time = await issuer.ask("POST", "loyaltyObject", object_of())
    back = await issuer.ask("PATCH", f"loyaltyClass/{CLASS}", {"reviewStatus": "DRAFT"})

    assert (too_early.status, in_time.status, back.status) == (400, 200, 400)


async def test_a_class_refused_by_review_takes_no_objects(google: FakeGoogle, issuer: IssuerServer):
    google.switches.review = "refuse"

    class_ = await issuer.ask("POST", "loyaltyClass", class_of())
    object_ = await issuer.ask("POST", "loyaltyObject", object_of())

    assert (class_.status, class_.body["reviewStatus"]) == (200, "REJECTED")
    assert object_.status == 400


async def test_review_may_refuse_a_class_later_and_says_why(
    google: FakeGoogle, issuer: IssuerServer
):
    google.switches.review = "wait"
    made = await issuer.ask("POST", "loyaltyClass", class_of())
    google.resources.review(CLASS, "REJECTED", "The logo is not yours.")

    answer = await issuer.ask("GET", f"loyaltyClass/{CLASS}")

    assert made.body["reviewStatus"] == "UNDER_REVIEW"
    assert answer.body["review"] == {"comments": "The logo is not yours."}


async def test_merchant_locations_are_for_allowed_issuers(google: FakeGoogle, issuer: IssuerServer):
    class_ = class_of(merchantLocations=[{"latitude": 47.4, "longitude": 8.5}])

    refused = await issuer.ask("POST", "loyaltyClass", class_)
    google.switches.takes_merchant_locations = True
    taken = await issuer.ask("POST", "loyaltyClass", class_)

    assert (refused.status, refused.reason) == (400, "invalidResource")
    assert refused.message.startswith("Issuer not allowlisted for Merchant Locations.")
    assert taken.status == 200


async def test_objects_are_linked_and_never_unlinked(issuer: IssuerServer):
    await issuer.insert_both()
    for name in ("one", "two"):
        await issuer.ask("POST", "loyaltyObject", object_of(id=f"{ISSUER}.{name}"))

    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"linkedObjectIds": [f"{ISSUER}.one"]})
    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"linkedObjectIds": [f"{ISSUER}.two"]})
    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"linkedObjectIds": []})

    assert answer.body["linkedObjectIds"] == [f"{ISSUER}.one", f"{ISSUER}.two"]


async def test_links_over_fifty_are_left_out_silently(google: FakeGoogle, issuer: IssuerServer):
    google.requests_a_second = None
    await issuer.insert_both()
    ids = [f"{ISSUER}.object{number}" for number in range(51)]
    for id_ in ids:
        await issuer.ask("POST", "loyaltyObject", object_of(id=id_))

    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"linkedObjectIds": ids})

    assert (answer.status, answer.body["linkedObjectIds"]) == (200, ids[:50])


@pytest.mark.parametrize(
    ("linked", "status"),
    [(f"{ISSUER}.unknown", 404), ("999.object", 400), (OBJECT, 400), (f"{ISSUER}.nest", 400)],
)
async def test_a_link_to_what_cannot_be_linked_is_refused(
    issuer: IssuerServer, linked: str, status: int
):
    await issuer.insert_both()
    await issuer.ask("POST", "loyaltyObject", object_of(id=f"{ISSUER}.leaf"))
    nest = object_of(id=f"{ISSUER}.nest", linkedObjectIds=[f"{ISSUER}.leaf"])
    await issuer.ask("POST", "loyaltyObject", nest)

    answer = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"linkedObjectIds": [linked]})

    assert answer.status == status


async def test_a_jwt_may_be_inserted_too(google: FakeGoogle, issuer: IssuerServer):
    payload = {"genericClasses": [class_of("generic")], "genericObjects": [object_of("generic")]}
    token = issuer.link(payload).rpartition("/")[2]

    answer = await issuer.ask("POST", "jwt", {"jwt": token})
    refused = await issuer.ask("POST", "jwt", {"jwt": "no.j.wt"})

    assert answer.body["saveUri"] == google.save_url + token
    assert [one["id"] for one in answer.body["resources"]["genericObjects"]] == [OBJECT]
    assert OBJECT in google.objects
    assert refused.status == 400


async def test_each_request_is_on_record(google: FakeGoogle, issuer: IssuerServer):
    google.clock.stop()
    await issuer.ask("POST", "loyaltyClass", class_of())
    await issuer.ask("GET", f"loyaltyObject/{OBJECT}")

    made, missing = google.requests[-2:]

    assert (made.method, made.path) == ("POST", "/walletobjects/v1/loyaltyClass")
    assert (made.body, made.status, made.reason) == (class_of(), 200, "")
    assert (missing.status, missing.reason) == (404, "resourceNotFound")
    assert made.email == issuer.key_file["client_email"]
    assert made.at == google.clock.now()


async def test_a_picture_must_be_at_its_url(google: FakeGoogle, issuer: IssuerServer):
    google.images.are_fetched = True
    nowhere, elsewhere = f"{google.url}/picture.png", f"{google.url}/gp/m/issuer/keys"

    for url in (nowhere, elsewhere, "no url"):
        answer = await issuer.ask("POST", "loyaltyClass", class_of(programLogo=image(url)))

        assert (answer.status, answer.reason) == (400, "invalidResource")
        assert answer.message.startswith("Image cannot be loaded.")


async def test_a_picture_is_fetched_when_it_is_first_named(
    google: FakeGoogle, issuer: IssuerServer
):
    google.images.are_fetched = True
    logo = class_of(programLogo=image(issuer.picture_url))
    await issuer.ask("POST", "loyaltyClass", logo)
    await issuer.ask("PUT", f"loyaltyClass/{CLASS}", logo)
    hero = {"heroImage": image(f"{issuer.picture_url}?2")}
    await issuer.ask("PATCH", f"loyaltyClass/{CLASS}", hero)

    assert issuer.pictures_fetched == ["", "2"]


@pytest.mark.parametrize("body", [[], "text", 1], ids=str)
async def test_a_body_must_be_a_document(issuer: IssuerServer, body: Any):
    answer = await issuer.ask("POST", "loyaltyClass", body)

    assert (answer.status, answer.reason) == (400, "badRequest")
