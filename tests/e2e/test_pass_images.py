"""Passes with images of their own, by PassSource's API, by links and by /v1."""

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from PIL import Image

from tests.e2e.passsource import LOYALTY, PassSource, log_in, log_in_as
from tests.e2e.test_journeys import download, send
from tests.system import System, poll, run_command
from tests.wallet.files import verify_signature

PATHS = ("images_logo", "images_logo@2x")


def a_png(colour: str, size: tuple[int, int] = (640, 200)) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", size, colour).save(output, "PNG")
    return output.getvalue()


def look(png: bytes) -> tuple[tuple[int, int], tuple[int, int, int]]:
    """Its size, and the colour in its middle."""
    with Image.open(io.BytesIO(png)) as image:
        plain = image.convert("RGB")
        colour = plain.getpixel((plain.width // 2, plain.height // 2))
        assert isinstance(colour, tuple)
        return image.size, (int(colour[0]), int(colour[1]), int(colour[2]))


class Gallery:
    """A server of pictures, which counts how often each was fetched."""

    def __init__(self) -> None:
        self.pictures = {
            "red.png": a_png("red"),
            "blue.png": a_png("blue"),
            "note.txt": b"not a picture",
            "wide.png": a_png("red", (2049, 1)),
            "long.png": b"\x89PNG" + bytes(4 * 1024 * 1024),
        }
        self.fetched: Counter[str] = Counter()
        self.url = ""

    async def give(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.fetched[name] += 1
        if name not in self.pictures:
            raise web.HTTPNotFound
        return web.Response(body=self.pictures[name], content_type="image/png")


@pytest.fixture
async def gallery() -> AsyncIterator[Gallery]:
    gallery = Gallery()
    application = web.Application()
    application.router.add_get("/{name}", gallery.give)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gallery.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield gallery
    await runner.cleanup()


@pytest.fixture
async def api(system: System) -> AsyncIterator[PassSource]:
    async with aiohttp.ClientSession(
        system.base_url, timeout=aiohttp.ClientTimeout(total=40)
    ) as http:
        yield await log_in(system, http)


async def test_a_link_makes_a_pass_with_its_own_logo(
    system: System, api: PassSource, gallery: Gallery, tmp_path: Path
):
    logo = f"{gallery.url}/red.png"
    link = {
        "clientHash": api.client_hash,
        "templateHash": await api.template(),
        "images_logo": logo,
        "images_logo@2x": logo,
    }
    async with api.http.get("/pass/create.php", params=link) as response:
        page = await response.text()
        assert response.status == 200, page
        handle = response.url.name
    archive = await download(api.http, handle)
    fields = await api.fields(handle)
    named = await api.do("imageForName", hashedSerialNumber=handle, image="logo@2x")
    async with api.http.get(named["url"]) as response:
        shown = await response.read()

    verify_signature(archive, system.root)
    assert look(archive["logo.png"]) == ((160, 50), (255, 0, 0))
    assert look(archive["logo@2x.png"]) == ((320, 100), (255, 0, 0))
    assert gallery.fetched == {"red.png": 1}
    assert shown == archive["logo@2x.png"]
    assert fields["images_logo@2x"] == named["url"]
    assert f'src="/images/{named["url"].rpartition("/")[2]}"' in page


async def test_an_update_changes_the_image_and_takes_it_away(
    system: System, api: PassSource, gallery: Gallery, tmp_path: Path
):
    template = await api.template()
    icon = io.BytesIO(a_png("green", (38, 38)))
    await api.do("uploadTemplateImages", templateHash=template, data={"icon": icon})
    handle = await api.issued(template, images_logo=f"{gallery.url}/red.png")

    async def update(address: str) -> tuple[bool, dict[str, bytes], str]:
        answer = await api.do("updatePassFields", hashedSerialNumber=handle, images_logo=address)
        async with api.http.head(f"/p/{handle}.pkpass") as response:
            modified = response.headers["Last-Modified"]
        return answer["updated"], await download(api.http, handle), modified

    _, _, first = await update(f"{gallery.url}/red.png")
    same, _, unchanged = await update((await api.fields(handle))["images_logo"])
    changed, archive, second = await update(f"{gallery.url}/blue.png")
    gone, plain, _ = await update("")

    assert (same, changed, gone) == (False, True, True)
    assert (first == unchanged, first == second) == (True, False)
    assert look(archive["logo.png"]) == ((160, 50), (0, 0, 255))
    verify_signature(archive, system.root)
    verify_signature(plain, system.root)
    assert "logo.png" not in plain
    assert await api.fields(handle) == {}


async def test_users_set_only_the_images_that_the_template_lets_them(
    api: PassSource, gallery: Gallery
):
    template = await api.template(LOYALTY | {"images_strip": {"PSEditable": True}})
    values = {"images_logo": f"{gallery.url}/blue.png", "images_strip": f"{gallery.url}/red.png"}
    of_template = {"anonymous": True, "templateHash": template}

    made = await api.do("createPassFromTemplateFields", data=values, **of_template)
    handle = made["hashedSerialNumber"]
    archive = await download(api.http, handle)
    info = await api.do("templateInfo", templateHash=template)

    assert look(archive["strip.png"])[1] == (255, 0, 0)
    assert "logo.png" not in archive
    assert gallery.fetched == {"red.png": 1}
    assert info["passConstructor"]["images_strip"] == {"PSEditable": True}


async def test_an_image_that_cannot_be_used_is_told_why(api: PassSource, gallery: Gallery):
    template = await api.template()
    handle = await api.issued(template)

    for address, reason in (
        ("http://10.0.0.1/logo.png", "not a public one"),
        ("http://169.254.169.254/latest", "not a public one"),
        (f"{gallery.url}/none.png", "did not answer 200"),
        (f"{gallery.url}/note.txt", "not a complete PNG"),
        (f"{gallery.url}/wide.png", "2,048 pixels"),
        (f"{gallery.url}/long.png", "larger than 4 MiB"),
        ("x", "cannot be fetched"),
    ):
        message = await api.refused(
            "updatePassFields", hashedSerialNumber=handle, images_logo=address
        )
        assert "images_logo: " in message
        assert reason in message
    assert await api.fields(handle) == {}


async def test_v1_takes_addresses_and_uploaded_images(
    system: System, api: PassSource, gallery: Gallery, tmp_path: Path
):
    new = {"name": "Shop", "organization_name": "Shop"}
    headers = {"X-API-Key": system.api_key}
    account = await send(api.http, "POST", "/v1/accounts", new, 201, headers)
    shop, headers = await log_in_as(api.http, account["key"]), {"X-API-Key": account["key"]}
    template = (await shop.do("templateInfo", templateHash=await shop.template()))["templateId"]
    async with api.http.post(
        "/v1/images", data=a_png("lime", (300, 90)), headers=headers | {"Content-Type": "image/png"}
    ) as response:
        uploaded = (await response.json())["sha256"]
    values = {"images_strip": uploaded, "images_logo": f"{gallery.url}/red.png"}
    order = {"template_id": template, "passes": [{"values": values}] * 3}

    rows = (await send(api.http, "POST", "/v1/passes", order, 201, headers))["passes"]
    archives = await asyncio.gather(*(download(api.http, row["handle"]) for row in rows))
    path = f"/v1/passes/{rows[0]['handle']}"
    change = {"values": {"images_strip": None}}
    await send(api.http, "PATCH", path, change, 200, headers)
    state = await send(api.http, "GET", path, None, 200, headers)
    after = await download(api.http, rows[0]["handle"])

    assert gallery.fetched == {"red.png": 1}
    for archive in archives:
        assert look(archive["strip.png"]) == ((300, 90), (0, 255, 0))
        assert look(archive["logo.png"]) == ((160, 50), (255, 0, 0))
    assert list(state["values"]) == ["images_logo"]
    assert "strip.png" not in after
    verify_signature(after, system.root)


async def test_the_images_of_a_copied_template_can_be_a_pass_s_own(system: System, api: PassSource):
    template = await api.template()
    logo = {"logo": io.BytesIO(a_png("red"))}
    await api.do("uploadTemplateImages", templateHash=template, data=logo)
    await api.do("insertUpdateTemplate", templateHash=template, templatePublic="true")
    other = await log_in(system, api.http)
    copied = await other.do("insertUpdateTemplate", templateHash=template)
    found = await other.do("imageForName", templateHash=copied["templateHash"], image="logo")

    handle = await other.issued(copied["templateHash"], images_strip=found["url"])

    assert look((await download(api.http, handle))["strip.png"]) == ((160, 50), (255, 0, 0))


async def test_a_generator_that_lost_the_images_gets_them_again(
    distributed: System, gallery: Gallery
):
    async with aiohttp.ClientSession(distributed.base_url) as http:
        api = await log_in(distributed, http)
        handle = await api.issued(await api.template(), images_logo=f"{gallery.url}/red.png")
        before = await download(http, handle)
        connection = await asyncpg.connect(distributed.database_url)
        await connection.execute("DELETE FROM generator.images")
        await connection.close()
        await run_command(distributed.extra["environment"], "catalogue", "resend")

        async def is_there() -> bool:
            async with http.get(f"/p/{handle}.pkpass") as response:
                return response.status == 200

        await poll(is_there, "the pass with its image")

        assert await download(http, handle) == before
