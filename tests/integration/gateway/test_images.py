import asyncio
import hashlib
from io import BytesIO

import pytest
from PIL import Image

from services.gateway.catalogue import images as catalogue
from services.gateway.catalogue.images import Images
from shared.database import Database, DatabaseAwayError
from tests.integration.gateway.conftest import PUBLIC_URL, AnAccount, Gateway

PNG = {"Content-Type": "image/png"}


def a_png(width: int = 4, height: int = 3, colour: int = 0) -> bytes:
    output = BytesIO()
    Image.new("RGB", (width, height), (colour % 256, colour // 256, 7)).save(output, "PNG")
    return output.getvalue()


async def test_uploaded_image_is_served_to_anybody(gateway: Gateway, an_account: AnAccount):
    uploaded = await an_account.call("POST", "/v1/images", data=a_png(), headers=PNG)
    sha256 = uploaded.json["sha256"]

    fetched = await gateway.call("GET", f"/images/{sha256}.png")

    assert uploaded.status == 201
    assert (uploaded.json["width"], uploaded.json["height"]) == (4, 3)
    assert uploaded.json["url"] == f"{PUBLIC_URL}/images/{sha256}.png"
    assert uploaded.headers["location"] == f"/images/{sha256}.png"
    assert hashlib.sha256(fetched.content).hexdigest() == sha256
    assert len(fetched.content) == uploaded.json["size"]
    assert fetched.headers["content-type"] == "image/png"
    assert "immutable" in fetched.headers["cache-control"]


async def test_known_image_is_not_sent_again(gateway: Gateway, an_account: AnAccount):
    uploaded = await an_account.call("POST", "/v1/images", data=a_png(), headers=PNG)
    etag = f'"{uploaded.json["sha256"]}"'

    answer = await gateway.call(
        "GET", uploaded.headers["location"], headers={"If-None-Match": etag}
    )

    assert (answer.status, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag


async def test_same_image_again_has_the_same_answer(an_account: AnAccount):
    first = await an_account.call("POST", "/v1/images", data=a_png(5), headers=PNG)
    again = await an_account.call("POST", "/v1/images", data=a_png(5), headers=PNG)

    assert (first.status, again.status) == (201, 200)
    assert first.content == again.content


async def test_same_image_of_two_accounts_is_kept_once(
    gateway: Gateway, an_account: AnAccount, another_account: AnAccount
):
    first = await an_account.call("POST", "/v1/images", data=a_png(6), headers=PNG)
    second = await another_account.call("POST", "/v1/images", data=a_png(6), headers=PNG)

    rows = await gateway.query("SELECT 1 FROM images WHERE sha256 = $1", first.json["sha256"])
    assert (first.status, second.status, len(rows)) == (201, 201, 1)


@pytest.mark.parametrize("content", [b"", b"GIF89a", a_png()[:-5], a_png() + b"x"])
async def test_broken_png_is_422(an_account: AnAccount, content: bytes):
    answer = await an_account.call("POST", "/v1/images", data=content, headers=PNG)

    assert (answer.status, answer.code) == (422, "image_broken")


async def test_image_of_too_many_pixels_is_422(an_account: AnAccount):
    answer = await an_account.call("POST", "/v1/images", data=a_png(2049, 1), headers=PNG)

    assert (answer.status, answer.code) == (422, "image_too_large")


async def test_image_over_four_mebibytes_is_413(an_account: AnAccount):
    answer = await an_account.call(
        "POST", "/v1/images", data=b"x" * (4 * 1024 * 1024 + 1), headers=PNG
    )

    assert (answer.status, answer.code) == (413, "too_large")


async def test_other_media_is_415(an_account: AnAccount):
    answer = await an_account.call(
        "POST", "/v1/images", data=a_png(), headers={"Content-Type": "image/jpeg"}
    )

    assert answer.status == 415


@pytest.mark.parametrize(
    "media", ["image/png; charset=binary", "image/x-png", "application/octet-stream"]
)
async def test_png_is_taken_under_all_its_names(an_account: AnAccount, media: str):
    answer = await an_account.call(
        "POST", "/v1/images", data=a_png(9), headers={"Content-Type": media}
    )

    assert answer.status in {200, 201}, answer.content


async def test_file_of_another_kind_is_named(an_account: AnAccount):
    webp = b"RIFF\x1a\0\0\0WEBPVP8L" + bytes(14)

    answer = await an_account.call("POST", "/v1/images", data=webp, headers=PNG)

    assert (answer.status, answer.json["detail"]) == (422, "This is WebP; send a PNG.")


async def test_same_key_with_another_image_is_422(an_account: AnAccount):
    await an_account.call("POST", "/v1/images", data=a_png(7), headers=PNG, key="k")

    answer = await an_account.call("POST", "/v1/images", data=a_png(8), headers=PNG, key="k")

    assert (answer.status, answer.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("name", ["0" * 64, "x", "A" * 64])
async def test_unknown_image_is_404(gateway: Gateway, name: str):
    assert (await gateway.call("GET", f"/images/{name}.png")).status == 404


async def test_many_are_read_and_unknown_ones_lack(gateway: Gateway, an_account: AnAccount):
    uploaded = [
        await an_account.call("POST", "/v1/images", data=a_png(9, colour=n), headers=PNG)
        for n in range(12)
    ]
    hashes = [answer.json["sha256"] for answer in uploaded]

    first, second = await asyncio.gather(
        gateway.context.images.read_many([*hashes, "0" * 64]),
        gateway.context.images.read_many(hashes),
    )

    assert first == second
    assert {hashlib.sha256(data).hexdigest() for data in first.values()} == set(hashes)


async def test_images_in_memory_are_bounded(
    gateway: Gateway, an_account: AnAccount, monkeypatch: pytest.MonkeyPatch
):
    uploaded = [
        (await an_account.call("POST", "/v1/images", data=a_png(10, colour=n), headers=PNG)).json
        for n in range(4)
    ]
    monkeypatch.setattr(catalogue, "MAX_REMEMBERED_BYTES", 2 * uploaded[0]["size"] + 10)
    database = Database(gateway.database_url, schema="gateway", size=1)
    await database.start()
    images = Images(database)
    for image in uploaded:
        await images.read(image["sha256"])
    await database.stop()

    for image in uploaded[2:]:
        assert await images.read(image["sha256"])
    for image in uploaded[:2]:
        with pytest.raises(DatabaseAwayError):
            await images.read(image["sha256"])
