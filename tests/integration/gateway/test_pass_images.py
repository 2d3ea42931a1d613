"""Images of single passes at the gateway: which are taken, and what is told of them."""

import io
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
import pytest_asyncio
from PIL import Image

from services.gateway.catalogue.resending import resend_catalogue
from services.gateway.usecases.pass_images import MAX_ADDRESSES
from shared.contracts.gateway import ImagesSaved
from shared.contracts.triggers import ChangePass, CreatePass
from tests.integration.gateway.conftest import PUBLIC_URL, AnAccount, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import a_png, make_template, upload
from tests.integration.gateway.test_passsource import ask, hash_of

PRIVATE = "https://10.0.0.1/logo.png"
CONSTRUCTOR = {
    "generic": {},
    "mine": {"PSValue": "", "PSEditable": True},
    "images_strip": {"PSEditable": True},
    "psExportPaths": "images_logo,images_strip",
}


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


@pytest_asyncio.fixture
async def template_id(an_account: AnAccount) -> str:
    return await make_template(an_account)


async def a_template_hash(gateway: Gateway, client: str) -> str:
    form = {"templateName": "Card", "passConstructor": orjson.dumps(CONSTRUCTOR).decode()}
    saved = await ask(gateway, "insertUpdateTemplate", urlencode(form).encode(), clientHash=client)
    return saved["templateHash"]


async def told(gateway: Gateway) -> list[dict[str, Any]]:
    """All images that were announced."""
    rows = await gateway.query(
        """
        SELECT body
        FROM (
            SELECT message_id, name, body
            FROM outbox
            UNION
            SELECT message_id, name, body
            FROM messaging.messages
        ) AS both_ways
        WHERE name = $1
        """,
        ImagesSaved.name,
    )
    return [saved for row in rows for saved in orjson.loads(row["body"])["images"]]


async def test_an_uploaded_image_is_named_by_its_hash(
    an_account: AnAccount, template_id: str, owners: Owners
):
    sha256 = await upload(an_account, a_png("red"))
    values = {"images_logo": sha256}
    made = await an_account.call(
        "POST", "/v1/passes", {"template_id": template_id, "values": values}
    )

    for nothing in (None, ""):
        change = {"values": {"images_logo": nothing}}
        path = f"/v1/passes/{made.json['handle']}"
        assert (await an_account.call("PATCH", path, change)).status == 200

    (created,) = owners.asked_for(CreatePass)
    assert created.values == values
    assert [c.values for c in owners.asked_for(ChangePass)] == [{"images_logo": None}] * 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("b" * 64, "Upload this image first."),
        (PRIVATE, "The image logo@2x cannot be fetched: "),
        (PRIVATE, "its address is not a public one."),
        ("https://127.0.0.1/a.png", "not a public one"),
        ("ftp://beans.example/a.png", "it must begin with https://"),
        ("logo.png", "cannot be fetched"),
        (f"{PUBLIC_URL}/images/{'c' * 64}.png", "There is no such image."),
    ],
)
async def test_an_image_that_cannot_be_had_is_422(
    an_account: AnAccount, template_id: str, owners: Owners, value: str, reason: str
):
    order = {"template_id": template_id, "values": {"images_logo@2x": value}}

    answer = await an_account.call("POST", "/v1/passes", order)

    assert (answer.status, answer.code) == (422, "image_not_fetched")
    assert list(answer.faults) == ["/values/images_logo@2x"]
    assert reason in answer.faults["/values/images_logo@2x"]
    assert owners.asked == []


async def test_the_image_of_another_account_is_not_taken(
    an_account: AnAccount, another_account: AnAccount, template_id: str, owners: Owners
):
    sha256 = await upload(another_account, a_png("green"))
    order = {"template_id": template_id, "values": {"images_logo": sha256}}

    answer = await an_account.call("POST", "/v1/passes", order)

    assert answer.status == 422
    assert owners.asked == []


async def test_of_many_rows_the_one_with_a_bad_image_fails_alone(
    an_account: AnAccount, template_id: str, owners: Owners
):
    sha256 = await upload(an_account, a_png("blue"))
    values: list[dict[str, str]] = [{"images_logo": sha256}, {"images_logo": PRIVATE}, {}]
    rows = [{"values": row} for row in values]

    answer = await an_account.call(
        "POST", "/v1/passes", {"template_id": template_id, "passes": rows}
    )

    good, bad, plain = answer.json["passes"]
    assert bad["error"]["errors"][0]["pointer"] == "/passes/1/values/images_logo"
    assert {good["handle"], plain["handle"]} == {c.handle for c in owners.asked_for(CreatePass)}


async def test_one_request_names_only_so_many_addresses(
    an_account: AnAccount, template_id: str, owners: Owners
):
    rows = [{"values": {"images_logo": f"{PRIVATE}?{n}"}} for n in range(MAX_ADDRESSES + 1)]
    order = {"template_id": template_id, "passes": rows}

    answer = await an_account.call("POST", "/v1/passes", order)
    same = [{"values": {"images_logo": PRIVATE}}] * (MAX_ADDRESSES + 1)
    again = await an_account.call("POST", "/v1/passes", order | {"passes": same})

    assert (answer.status, answer.code) == (422, "too_many_images")
    assert again.status == 201
    assert owners.asked == []


async def test_our_own_address_of_an_image_needs_no_network(
    an_account: AnAccount, template_id: str, owners: Owners
):
    large = await upload(an_account, a_png(size=(320, 100)))
    address = f"{PUBLIC_URL}/images/{large}.png"
    values = {"images_logo": address, "images_logo@2x": address}

    await an_account.call("POST", "/v1/passes", {"template_id": template_id, "values": values})

    (created,) = owners.asked_for(CreatePass)
    assert created.values["images_logo@2x"] == large
    small = await an_account.gateway.call("GET", f"/images/{created.values['images_logo']}.png")
    with Image.open(io.BytesIO(small.content)) as image:
        assert image.size == (160, 50)


async def test_a_stranger_sets_only_images_that_users_may_set(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    template = await a_template_hash(gateway, await hash_of(an_account))
    fixed = urlencode({"images_logo": PRIVATE, "mine": "1"}).encode()

    made = await ask(gateway, "createPassFromTemplateFields", fixed, templateHash=template)
    handle = made["hashedSerialNumber"]
    changed = await ask(gateway, "updatePassFields", fixed, hashedSerialNumber=handle)
    refused = await ask(
        gateway, "updatePassFields", hashedSerialNumber=handle, images_strip=PRIVATE
    )
    link = await gateway.call(
        "GET", f"/pass/create.php?{urlencode({'templateHash': template, 'images_strip': PRIVATE})}"
    )

    assert changed["success"]
    assert [command.values for command in owners.asked_for(CreatePass)] == [{"mine": "1"}]
    assert [command.values for command in owners.asked_for(ChangePass)] == [{"mine": "1"}]
    assert "images_strip: The image strip cannot be fetched" in refused["message"]
    assert link.status == 422
    assert b"not a public one" in link.content


async def test_own_images_are_read_back_as_addresses(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    own = await upload(an_account, a_png("purple"))
    client = await hash_of(an_account)
    template = await a_template_hash(gateway, client)
    made = await ask(
        gateway, "createPassFromTemplateFields",
        clientHash=client, templateHash=template, images_logo=own,
    )  # fmt: skip
    handle: str = made["hashedSerialNumber"]

    info = await ask(gateway, "passInfo", clientHash=client, hashedSerialNumber=handle)
    image = await ask(gateway, "imageForName", image="logo", hashedSerialNumber=handle)
    none = await ask(gateway, "imageForName", image="logo", templateHash=template)
    page = await gateway.call("GET", f"/p/{handle}")

    url = f"{PUBLIC_URL}/images/{own}.png"
    assert owners.asked_for(CreatePass)[0].values == {"images_logo": own}
    assert info["userFields"] == {"images_logo": url}
    assert image == {"success": True, "url": url}
    assert not none["success"]
    assert f'src="/images/{own}.png"' in page.content.decode()


async def test_images_are_announced_once_and_again_when_asked(
    gateway: Gateway, an_account: AnAccount
):
    png = a_png("orange")
    sha256 = await upload(an_account, png)
    await upload(an_account, png)

    def is_ours(saved: dict[str, Any]) -> bool:
        return saved["account_id"] == str(an_account.account_id)

    (saved,) = filter(is_ours, await told(gateway))
    await resend_catalogue(gateway.context.database)
    again = list(filter(is_ours, await told(gateway)))

    assert saved["image"]["sha256"] == sha256
    assert saved["image"]["size"] > 0
    assert again == [saved, saved]
