"""Passes that somebody wants in Google Wallet come there, once, and are kept in step."""

from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest

from shared.errors import NotReadyError
from tests.google.server import ISSUER, FakeGoogle
from tests.integration.notifier.googling import CLASS, Googling, a_client, object_id
from tests.integration.notifier.partner import Notifier


@pytest.fixture
async def google() -> AsyncIterator[FakeGoogle]:
    async with FakeGoogle() as fake:
        fake.images.are_fetched = False
        fake.requests_a_second = None
        yield fake


@pytest.fixture
async def googling(
    notifier: Notifier, google: FakeGoogle, tmp_path: Path
) -> AsyncIterator[Googling]:
    async with a_client(google, tmp_path) as api:
        googling = Googling(notifier, google, api)
        await googling.keep_issuer()
        yield googling
        await googling.stop()


async def test_a_pass_that_is_wanted_is_sent_behind_its_class(googling: Googling):
    wanted = googling.a_pass()

    [kept] = await googling.keep(wanted)
    await googling.run()

    assert (kept.state, kept.object_id, kept.class_id) == ("waiting", object_id("handle"), CLASS)
    assert googling.asked() == ["POST loyaltyClass 200", "POST loyaltyObject 200"]
    assert googling.at_google() == wanted.object_document.body
    assert (await googling.state()).state == "there"
    assert await googling.jobs() == []


async def test_a_link_is_given_once_the_pass_is_there(googling: Googling, google: FakeGoogle):
    await googling.keep(googling.a_pass())
    with pytest.raises(NotReadyError):
        await googling.link()
    await googling.run()

    link = await googling.link(life_seconds=3600)

    [card] = await google.save(link.save_url)
    assert "Bean Club" in str(card)
    assert len(link.save_url) < 1_800
    assert link.expires_at is not None
    claims = jwt.decode(link.save_url.rpartition("/")[2], options={"verify_signature": False})
    assert claims["payload"] == {"loyaltyObjects": [{"id": object_id("handle"), "classId": CLASS}]}
    assert claims["origins"] == ["https://pass.example"]
    assert (claims["iss"], claims["aud"]) == (google.key_file["client_email"], "google")
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_change_patches_only_what_differs(googling: Googling, google: FakeGoogle):
    await googling.want("handle")

    await googling.build(googling.a_pass(version=2, accountName="Grace", accountId=None))
    await googling.run()

    [patch] = [one for one in googling.calls() if one.method == "PATCH"]
    assert patch.body == {"accountName": "Grace", "accountId": None}
    assert "accountId" not in googling.at_google()
    assert patch.path.endswith(f"loyaltyObject/{ISSUER}.p_handle")
