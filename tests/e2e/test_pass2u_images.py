"""Images of passes by Pass2U's API: R34 to R38 and R85 to R90 of its reference.

The numbers count the statements of /work/shared's `pass2u-api-2.txt` from its beginning.
"""

import io
import random
import zlib
from typing import Final

import aiohttp
import pytest
from PIL import Image

from tests.e2e.pass2u import IMAGES, Model, Pass2U
from tests.e2e.test_pass_images import a_png, look

RED: Final = (255, 0, 0)
MEBIBYTES_4: Final = 4 * 1024 * 1024
TYPES: Final = ("icon", "logo", "strip", "background", "thumbnail", "footer")
UNKNOWN: Final = "01474ead01d4b4ee6ad3bda2b15013888e74c866"


def as_image(name: str, image: bytes) -> bytes:
    """An image in another file format."""
    output = io.BytesIO()
    with Image.open(io.BytesIO(image)) as picture:
        picture.save(output, name)
    return output.getvalue()


def a_png_of(size: int) -> bytes:
    """A PNG that is so many bytes long: most of them say nothing of the picture."""
    png, kind = a_png("red", (10, 10)), b"teSt"
    content = random.Random(7).randbytes(size - len(png) - 12)
    chunk = kind + content
    padding = len(content).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return png[:33] + padding + png[33:]  # behind the header


def a_form(content: bytes, name: str | None = "photo.png") -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("comment", "mine")
    form.add_field("image", io.BytesIO(content), filename=name, content_type="image/png")
    return form


@pytest.fixture(scope="session")
async def red(shop: Pass2U) -> str:
    return await shop.upload(a_png("red", (180, 180)))


# Which images a pass shows


async def test_without_images_the_models_are_shown(model: Model):
    """R34: without an image array the pass uses the model's images."""
    copy = await model.create()

    assert await copy.images() == {"icon@2x.png", "logo@2x.png", "thumbnail@2x.png"}


async def test_images_replace_all_but_the_icon(model: Model, red: str):
    """R35: images that are not specified are not displayed, even if the model has them."""
    copy = await model.create(images=[{"type": "thumbnail", "hex": red}])
    first, shown = await copy.images(), (await copy.file()).entries["thumbnail@2x.png"]
    await copy.update(images=[{"type": "logo", "hex": red.upper()}])
    second = await copy.images()
    await copy.update(logoText="x")
    kept = await copy.images()
    await copy.update(images=[])
    none = await copy.images()
    await copy.reset("attributes/images")

    assert look(shown) == ((180, 180), RED)
    assert first == {"icon@2x.png", "thumbnail@2x.png"}
    assert second == kept == {"icon@2x.png", "logo@2x.png"}
    assert none == {"icon@2x.png"}
    assert await copy.images() == {"icon@2x.png", "logo@2x.png", "thumbnail@2x.png"}


async def test_an_icon_of_its_own_replaces_the_models(model: Model, red: str):
    """R35: the icon stays the model's, unless it is specified."""
    copy = await model.create(images=[{"type": "icon", "hex": red}])
    entries = (await copy.file()).entries

    assert await copy.images() == {"icon@2x.png"}
    assert look(entries["icon@2x.png"])[1] == RED


async def test_an_image_stays_when_the_model_changes(shop: Pass2U, red: str):
    """R35: given images are customized; those of a later model are not shown."""
    model = await shop.model()
    copy = await model.create(images=[{"type": "logo", "hex": red}])
    before = await copy.file()
    model.body["images"] = {"icon@2x": shop.images["icon"], "thumbnail@2x": shop.images["logo"]}
    await model.save()
    after = await copy.file()
    await copy.reset("attributes/images")

    assert images_in(before.entries) == images_in(after.entries)
    assert await copy.images() == {"icon@2x.png", "thumbnail@2x.png"}


def images_in(entries: dict[str, bytes]) -> dict[str, bytes]:
    return {name: entry for name, entry in entries.items() if name.endswith(".png")}


@pytest.mark.parametrize("style", IMAGES)
async def test_the_style_controls_which_images_a_pass_has(shop: Pass2U, red: str, style: str):
    """R36, R85: the images that each style supports are taken, others are refused."""
    model = await shop.model(style)
    copy = await model.create(images=[{"type": name, "hex": red} for name in IMAGES[style]])

    assert await copy.images() == {f"{name}@2x.png" for name in IMAGES[style]}
    for name in set(TYPES) - set(IMAGES[style]):
        images = [{"type": "icon", "hex": red}, {"type": name, "hex": red}]
        assert "images[1].type" in await model.refused(400, images=images)


@pytest.mark.parametrize("name", ["Logo", "logo@2x", "primaryLogo", "", "x" * 35, None])
async def test_a_type_is_one_of_six(model: Model, red: str, name: str):
    """R37: type must be one of icon, logo, strip, background, thumbnail, footer."""
    assert "images[0].type" in await model.refused(400, images=[{"type": name, "hex": red}])


async def test_each_type_is_named_once(model: Model, red: str):
    """R35: of two images of a type nobody could say which is displayed."""
    images = [{"type": "logo", "hex": red}] * 2

    assert "images[1].type: logo is given twice" in await model.refused(400, images=images)


@pytest.mark.parametrize("named", [UNKNOWN, "", "x" * 50, "x" * 51, None])
async def test_a_hex_is_of_an_image_that_was_uploaded(model: Model, named: str):
    """R38: hex is what "Upload image" responded, of 50 characters at most."""
    images = [{"type": "logo", "hex": named}]
    message = await model.refused(400, images=images)

    assert "images[0].hex" in message
    assert ("50 characters" in message) == (named == "x" * 51)
    assert "images[0].hex" in await (await model.create()).refused(400, images=images)


async def test_an_image_of_another_account_is_not_known(shop: Pass2U, red: str):
    """R38: nor is what another account uploaded."""
    async with shop.system.session() as http:
        stranger = Pass2U(shop.system, http)
        model = await stranger.model()

        assert "images[0].hex" in await model.refused(400, images=[{"type": "logo", "hex": red}])


# Upload image


async def test_the_same_image_has_the_same_hex(shop: Pass2U, model: Model):
    """R86, R90: the body is the image, the answer its unique hex, and nothing else."""
    image = a_png("blue", (90, 90))
    headers = {"Content_Type": "image/png", "Accept": "application/json"}
    first = await shop.ask("POST", "images", data=image, **headers)
    again, other = await shop.upload(image), await shop.upload(a_png("blue", (91, 90)))
    copy = await model.create(images=[{"type": "logo", "hex": again}])

    assert (first.status, first.headers["Content-Type"]) == (200, "application/json")
    assert first.body == {"hex": again}
    assert (len(again), int(again, 16) > 0, other != again) == (40, True, True)
    assert look((await copy.file()).entries["logo@2x.png"]) == ((90, 90), (0, 0, 255))


@pytest.mark.parametrize("name", ["photo.png", None])
async def test_an_image_may_come_with_a_field_name(shop: Pass2U, name: str | None):
    """R86: the image binary data with field name, as forms have it."""
    image = a_png("blue", (90, 90))

    assert (await shop.do("POST", "images", data=a_form(image, name)))["hex"] == await shop.upload(
        image
    )


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP"])
async def test_only_png_is_supported(shop: Pass2U, kind: str):
    """R87, R97: other image formats are refused, whatever they call themselves."""
    image = as_image(kind, a_png("red", (9, 9)))

    for media in ("image/png", f"image/{kind.lower()}"):
        await shop.refused(415, "POST", "images", data=image, Content_Type=media)
    await shop.refused(415, "POST", "images", data=a_form(image))
    await shop.refused(415, "POST", "images", {"image": "x"})


@pytest.mark.parametrize("size", [8, 33, 60, -1])
async def test_a_broken_png_is_a_bad_request(shop: Pass2U, size: int):
    """R87, R91: a PNG that is not complete."""
    broken = a_png("red", (90, 90))[:size]

    await shop.refused(400, "POST", "images", data=broken, Content_Type="image/png")
    await shop.refused(400, "POST", "images", data=a_form(broken))


async def test_a_form_without_an_image_is_a_bad_request(shop: Pass2U):
    """R86, R91: a form that has no file, or is none."""
    form = aiohttp.FormData({"comment": "mine"}, default_to_multipart=True)

    await shop.refused(400, "POST", "images", data=form)
    for media in ("multipart/form-data", "multipart/form-data; boundary=x"):
        await shop.refused(400, "POST", "images", data=b"no form", Content_Type=media)


async def test_a_form_with_two_images_is_a_bad_request(shop: Pass2U):
    """R86, R91: one answer has room for one hash."""
    form = a_form(a_png("red", (9, 9)))
    form.add_field("other", io.BytesIO(a_png("blue", (9, 9))), filename="b.png")

    assert "one file" in await shop.refused(400, "POST", "images", data=form)


@pytest.mark.parametrize("is_form", [False, True])
async def test_an_image_has_four_megabytes_at_most(shop: Pass2U, *, is_form: bool):
    """R88: the maximum file size is 4 MB."""

    async def upload(size: int) -> int:
        image = a_png_of(size)
        form, headers = a_form(image), {} if is_form else {"Content_Type": "image/png"}
        data = form if is_form else io.BytesIO(image)
        return (await shop.ask("POST", "images", data=data, **headers)).status

    assert [await upload(MEBIBYTES_4), await upload(MEBIBYTES_4 + 1)] == [200, 400]


@pytest.mark.parametrize("size", [(1025, 1), (1, 1025)])
async def test_an_image_has_1024_pixels_a_side(shop: Pass2U, size: tuple[int, int]):
    """R89: the maximum image dimensions are 1024 px x 1024 px."""
    png = {"Content_Type": "image/png"}

    assert await shop.upload(a_png("red", (1024, 1024)))
    assert "1024" in await shop.refused(400, "POST", "images", data=a_png("red", size), **png)
