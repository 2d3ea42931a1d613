"""While Google's API fails a link makes a small object by itself; it names nobody."""

from typing import Any

import jwt
import pytest

from shared.errors import NotReadyError
from tests.google.rules import PassType
from tests.google.server import FakeGoogle
from tests.integration.google.documents import object_of
from tests.integration.notifier.googling import Googling

BARCODE = {"type": "QR_CODE", "value": "4711"}


async def failing(googling: Googling, google: FakeGoogle, **of_object: Any) -> None:
    """A class is at Google, and then Google is away as a pass of it is wanted."""
    await googling.want("first", **{k: v for k, v in of_object.items() if k == "type_"})
    google.faults.away = True
    await googling.keep(googling.a_pass(**of_object))
    await googling.run()


def payload(link: str) -> dict[str, Any]:
    claims = jwt.decode(link.rpartition("/")[2], options={"verify_signature": False})
    [[content]] = claims["payload"].values()
    return content


async def test_a_pass_is_added_while_google_s_api_is_away_and_is_whole_once_it_is_back(
    googling: Googling, google: FakeGoogle
):
    await failing(googling, google, accountName="Ada Lovelace", barcode=BARCODE)

    made = await googling.link()
    [card] = await google.save(made.save_url)
    small = dict(card.object)
    google.faults.away = False
    await googling.until_sent()

    assert len(made.save_url) <= 1_800
    assert "Ada" not in str(payload(made.save_url))
    assert small["barcode"] == BARCODE
    assert googling.at_google()["accountName"] == "Ada Lovelace"
    assert "PATCH loyaltyObject 200" in googling.asked()


@pytest.mark.parametrize("secret", ["Ada", "ada@example.com", "handle"])
async def test_a_link_that_carries_an_object_holds_no_name_address_or_handle(
    googling: Googling, google: FakeGoogle, secret: str
):
    barcode = {**BARCODE, "value": f"card of {secret}"}
    await failing(googling, google, accountName="Ada", barcode=barcode)

    content = payload((await googling.link()).save_url)

    assert {"id", "classId", "state"} <= content.keys()
    assert f"card of {secret}" not in str(content)


async def test_a_link_is_never_too_long(googling: Googling, google: FakeGoogle):
    await failing(googling, google, barcode={**BARCODE, "value": "4" * 1_500})

    made = await googling.link()

    assert len(made.save_url) <= 1_800
    assert "barcode" not in payload(made.save_url)


@pytest.mark.parametrize("type_", ["generic", "giftCard", "flight", "transit", "eventTicket"])
async def test_what_a_link_carries_is_what_google_takes(
    googling: Googling, google: FakeGoogle, type_: PassType
):
    await failing(googling, google, type_=type_)

    made = await googling.link()
    [card] = await google.save(made.save_url)

    assert card.object["id"] == object_of(type_, id=made.object_id)["id"]
    assert len(made.save_url) <= 1_800


async def test_no_link_makes_a_class(googling: Googling, google: FakeGoogle):
    google.faults.away = True
    await googling.keep(googling.a_pass())
    await googling.run()

    with pytest.raises(NotReadyError):
        await googling.link()


async def test_no_link_carries_an_object_while_all_is_well(googling: Googling):
    await googling.want("first")
    await googling.keep(googling.a_pass())

    with pytest.raises(NotReadyError):
        await googling.link()


async def test_no_link_carries_what_its_issuer_may_not_send(googling: Googling, google: FakeGoogle):
    await googling.want("first")
    google.accounts.revoke(google.key_file["private_key_id"])
    await googling.keep(googling.a_pass())
    await googling.run()

    with pytest.raises(NotReadyError):
        await googling.link()
