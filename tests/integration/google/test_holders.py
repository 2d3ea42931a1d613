"""Holders save what a link offers, see their cards change, and throw them away."""

import hashlib
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from tests.google.errors import LinkError
from tests.google.holders import HOLDER
from tests.google.resources import Change
from tests.google.server import ISSUER, FakeGoogle
from tests.integration.google.documents import (
    CLASS,
    OBJECT,
    TYPES,
    Document,
    class_of,
    image,
    object_of,
)
from tests.integration.google.issuer import IssuerServer, an_issuer_server

SKINNY: Document = {"loyaltyObjects": [{"id": OBJECT, "classId": CLASS}]}
FAT: Document = {
    "genericClasses": [class_of("generic")],
    "genericObjects": [object_of("generic")],
}


def open_page(issuer: IssuerServer, method: str, link: str):
    return issuer.http.request(method, link.removeprefix(issuer.google.url))


@pytest.mark.parametrize("type_", TYPES)
async def test_a_link_saves_an_object_of_each_type(
    google: FakeGoogle, issuer: IssuerServer, type_: str
):
    await issuer.insert_both(type_)

    (card,) = await google.save(issuer.link({f"{type_}Objects": [{"id": OBJECT}]}))

    assert str(card).startswith(str(google.holders.card(OBJECT)))
    assert google.resources.users[OBJECT] == {HOLDER}
    assert (await issuer.ask("GET", f"{type_}Object/{OBJECT}")).body["hasUsers"] is True


async def test_a_link_of_the_real_google_works_too(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    token = issuer.link(SKINNY).removeprefix(google.save_url)

    assert await google.save(f"https://pay.google.com/gp/v/save/{token}")


async def test_a_fat_link_makes_what_is_not_there(google: FakeGoogle, issuer: IssuerServer):
    await google.save(issuer.link(FAT))

    assert google.classes[CLASS].document == class_of("generic")
    assert google.objects[OBJECT].document == object_of("generic")


async def test_a_link_never_changes_what_is_there(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()

    payload = {"loyaltyObjects": [object_of(accountName="Grace")]}
    await google.save(issuer.link(payload))

    assert google.objects[OBJECT].document["accountName"] == "Ada"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "https://example.com"}, "JWT is invalid"),
        ({"typ": "savetoandroid"}, "typ"),
        ({"iat": None}, "JWT is invalid"),
        ({"iat": "1795767106"}, "iat"),
        ({"iat": timedelta(hours=1)}, "future"),
        ({"exp": timedelta(seconds=-1)}, "expired"),
        ({"exp": "soon"}, "exp"),
        ({"iss": "stranger@example.com"}, "iss"),
        ({"origins": "https://issuer.example"}, "origins"),
        ({"payload": {}}, "payload"),
        ({"payload": {"loyaltyCards": []}}, "loyaltyCards"),
        ({"payload": {"loyaltyObjects": [OBJECT]}}, "no document"),
    ],
    ids=str,
)
async def test_a_link_with_a_wrong_claim_does_not_work(
    google: FakeGoogle, issuer: IssuerServer, claims: Document, why: str
):
    await issuer.insert_both()

    with pytest.raises(LinkError, match=why):
        await google.save(issuer.link(SKINNY, **claims))


async def test_a_link_expires_on_googles_clock(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    link = issuer.link(SKINNY, exp=int(time.time()) + 3600)
    assert await google.save(link)

    google.clock.advance(hours=1)

    with pytest.raises(LinkError, match="expired"):
        await google.save(link)


async def test_a_link_signed_by_another_key_or_way_does_not_work(
    google: FakeGoogle, issuer: IssuerServer
):
    await issuer.insert_both()
    claims = jwt.decode(issuer.link(SKINNY).rpartition("/")[2], options={"verify_signature": False})
    other = google.accounts.create("other", "a-project", google.token_url)
    kid = {"kid": issuer.key_file["private_key_id"]}
    forged = [
        jwt.encode(claims, other["private_key"], "RS256", kid),
        jwt.encode(claims, issuer.key_file["private_key"], "RS512", kid),
        jwt.encode(claims, "a secret of thirty-two characters", "HS256", kid),
        jwt.encode(claims, "", "none", kid),
    ]

    for token in forged:
        with pytest.raises(LinkError, match="JWT is invalid"):
            await google.save(google.save_url + token)


async def test_a_link_of_a_revoked_key_does_not_work(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    google.accounts.revoke(issuer.key_file["private_key_id"])

    with pytest.raises(LinkError, match="JWT is invalid"):
        await google.save(issuer.link(SKINNY))


async def test_a_link_of_an_account_that_was_not_invited_does_not_work(
    google: FakeGoogle, issuer: IssuerServer
):
    await issuer.insert_both()
    async with an_issuer_server(google, google.invite("stranger", issuer="999")) as stranger:
        with pytest.raises(LinkError, match="has not made this pass available"):
            await google.save(stranger.link(SKINNY))


async def test_a_link_to_nothing_does_not_work(google: FakeGoogle, issuer: IssuerServer):
    with pytest.raises(LinkError, match="There is no object"):
        await google.save(issuer.link(SKINNY))


async def test_a_link_with_an_approved_class_inside_does_not_work(
    google: FakeGoogle, issuer: IssuerServer
):
    payload = {
        "loyaltyClasses": [class_of(reviewStatus="APPROVED")],
        "loyaltyObjects": [object_of()],
    }

    with pytest.raises(LinkError, match="Invalid review status"):
        await google.save(issuer.link(payload))


async def test_a_link_that_browsers_would_cut_does_not_work(
    google: FakeGoogle, issuer: IssuerServer
):
    modules = [{"id": "long", "body": "x" * 1000}]
    payload = FAT | {"genericObjects": [object_of("generic", textModulesData=modules)]}

    with pytest.raises(LinkError, match="more than 1800"):
        await google.save(issuer.link(payload))


async def test_what_is_no_link_does_not_work(google: FakeGoogle):
    with pytest.raises(LinkError, match="does not begin"):
        await google.save("https://example.com/save/x")


async def test_a_card_may_be_for_one_address_only(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    digest = hashlib.sha256(b"ada@example.com").hexdigest()
    only = {"saveRestrictions": {"restrictToEmailSha256": digest}}
    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", only)

    with pytest.raises(LinkError, match="another e-mail"):
        await google.save(issuer.link(SKINNY), "grace@example.com")
    assert await google.save(issuer.link(SKINNY), "ada@example.com")


async def test_a_card_for_one_user_is_saved_by_one(google: FakeGoogle, issuer: IssuerServer):
    one_user = class_of(multipleDevicesAndHoldersAllowedStatus="ONE_USER_ALL_DEVICES")
    await issuer.ask("POST", "loyaltyClass", one_user)
    await issuer.ask("POST", "loyaltyObject", object_of())
    await google.save(issuer.link(SKINNY), "ada@example.com")

    with pytest.raises(LinkError, match="somebody else"):
        await google.save(issuer.link(SKINNY), "grace@example.com")
    assert await google.save(issuer.link(SKINNY), "ada@example.com")


async def test_a_card_of_a_refused_class_is_not_saved(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    google.resources.review(CLASS, "REJECTED")

    with pytest.raises(LinkError, match="REJECTED"):
        await google.save(issuer.link(SKINNY))


async def test_a_picture_in_a_link_must_be_at_its_url(google: FakeGoogle, issuer: IssuerServer):
    google.images.are_fetched = True
    hero = object_of("generic", heroImage=image(f"{google.url}/nothing.png"))

    with pytest.raises(LinkError, match="Image cannot be loaded"):
        await google.save(issuer.link(FAT | {"genericObjects": [hero]}))


async def test_linked_cards_come_along(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    names = [f"{ISSUER}.one", f"{ISSUER}.two"]
    for id_ in names:
        await issuer.ask("POST", "loyaltyObject", object_of(id=id_))
    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"linkedObjectIds": names[:1]})

    await google.save(issuer.link(SKINNY))
    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"linkedObjectIds": names})

    assert [google.resources.users[id_] for id_ in names] == [{HOLDER}, {HOLDER}]


async def test_a_holder_sees_a_change_silently(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    await google.save(issuer.link(SKINNY))

    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": "Grace"})

    assert google.holders.changes == [Change(OBJECT, "")]
    assert "Grace" in str(google.holders.card(OBJECT))


@pytest.mark.parametrize(
    ("method", "path", "body", "notice"),
    [
        (
            "PATCH",
            f"loyaltyObject/{OBJECT}",
            {"loyaltyPoints": {"balance": {"int": 1}}, "notifyPreference": "NOTIFY_ON_UPDATE"},
            "loyaltyPoints",
        ),
        (
            "PATCH",
            f"loyaltyClass/{CLASS}",
            {"rewardsTier": "Gold", "notifyPreference": "NOTIFY_ON_UPDATE"},
            "rewardsTier",
        ),
        (
            "POST",
            f"loyaltyObject/{OBJECT}/addMessage",
            {"message": {"header": "News", "body": "Open", "messageType": "TEXT_AND_NOTIFY"}},
            "News",
        ),
        (
            "POST",
            f"loyaltyClass/{CLASS}/addMessage",
            {"message": {"header": "News", "body": "Open", "messageType": "TEXT_AND_NOTIFY"}},
            "News",
        ),
    ],
    ids=["points", "tier", "message", "message to all"],
)
async def test_a_holder_is_notified(  # noqa: PLR0917
    google: FakeGoogle, issuer: IssuerServer, method: str, path: str, body: Any, notice: str
):
    await issuer.insert_both()
    await google.save(issuer.link(SKINNY))

    await issuer.ask(method, path, body)

    assert google.holders.changes == [Change(OBJECT, notice)]


async def test_a_message_to_all_is_silent_for_whom_has_had_three(
    google: FakeGoogle, issuer: IssuerServer
):
    await issuer.insert_both()
    await google.save(issuer.link(SKINNY))
    news = {"message": {"header": "News", "body": "Open", "messageType": "TEXT_AND_NOTIFY"}}
    for _ in range(3):
        await issuer.ask("POST", f"loyaltyObject/{OBJECT}/addMessage", news)

    answer = await issuer.ask("POST", f"loyaltyClass/{CLASS}/addMessage", news)

    assert answer.status == 200
    assert google.holders.changes[-1] == Change(OBJECT, "")


async def test_nobody_sees_a_change_that_is_none(google: FakeGoogle, issuer: IssuerServer):
    await issuer.insert_both()
    unchanged = await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": "Ada"})
    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": "Grace"})
    await google.save(issuer.link(SKINNY))
    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": "Grace"})

    assert unchanged.body["version"] == "1"
    assert google.holders.changes == []


async def test_a_card_that_was_thrown_away_is_seen_no_more(
    google: FakeGoogle, issuer: IssuerServer
):
    await issuer.insert_both()
    await google.save(issuer.link(SKINNY))
    await google.remove(OBJECT)
    await issuer.ask("PATCH", f"loyaltyObject/{OBJECT}", {"accountName": "Grace"})

    assert google.holders.changes == []
    with pytest.raises(LinkError, match="has no card"):
        await google.remove(OBJECT)


async def test_the_page_of_a_link_shows_the_card_and_saves_it(
    google: FakeGoogle, issuer: IssuerServer
):
    link = issuer.link(FAT)
    async with open_page(issuer, "GET", link) as response:
        page, shown = await response.text(), response.status
    is_there = OBJECT in google.objects
    async with open_page(issuer, "POST", link) as response:
        saved = await response.text()
    async with open_page(issuer, "GET", google.save_url + "no.j.wt") as response:
        refused = response.status

    assert (shown, is_there, refused) == (200, False, 400)
    assert "Library" in page
    assert "<form method=post>" in page
    assert saved == str(google.holders.card(OBJECT))
