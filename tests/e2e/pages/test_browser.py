"""Journeys in a browser: what nobody sees who only reads pages."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, expect

from tests.e2e.pages.test_registration import CLUB, NAME
from tests.e2e.passsource import PassSource
from tests.system import System

SIZES = {"phone": (390, 844), "desk": (1280, 900)}


@pytest.fixture(params=list(SIZES))
async def window(
    browser: Browser, embedded: System, request: pytest.FixtureRequest
) -> AsyncIterator[BrowserContext]:
    """A window of its own, without scripts: pages of holders have none."""
    width, height = SIZES[request.param]
    opened = await browser.new_context(
        base_url=embedded.base_url,
        viewport={"width": width, "height": height},
        java_script_enabled=False,
        locale="en-GB",
    )
    yield opened
    await opened.close()


async def test_whoever_registers_goes_on_with_the_file_of_the_pass(
    window: BrowserContext, api: PassSource
):
    """R7, R8, R9, G7, G8."""
    template = await api.template(CLUB)
    page = await window.new_page()
    told: list[str] = []

    def note(message: ConsoleMessage) -> None:
        told.append(message.text)

    page.on("console", note)
    await page.goto(f"/pass/register?templateHash={template}")
    await page.get_by_label("Your name").fill(" ")
    await page.get_by_role("button", name="Register").click()
    await page.get_by_role("link", name="Your name").click()
    await expect(page.get_by_label("Your name")).to_be_in_viewport()
    await page.get_by_label("Your name").fill("Ann")
    await page.get_by_role("button", name="More: cups").click()
    await expect(page.get_by_label("cups", exact=True)).to_have_value("3")
    await page.get_by_role("button", name="Register").click()
    await expect(page.get_by_text("Thanks, Ann!")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Add to Apple Wallet").click()
    path = await (await download.value).path()

    with zipfile.ZipFile(io.BytesIO(Path(path).read_bytes())) as file:
        content = json.loads(file.read("pass.json"))
    assert content["storeCard"]["primaryFields"][0]["value"] == "Ann"
    assert not [text for text in told if "Content Security Policy" in text]


async def test_no_page_of_a_holder_is_wider_than_its_window(
    window: BrowserContext, api: PassSource
):
    template = await api.template(CLUB)
    name = "Wolfeschlegelsteinhausenbergerdorff-Maximiliana " * 3
    handle = await api.issued(template, **{NAME: name})
    page = await window.new_page()

    for path in (
        f"/p/{handle}",
        f"/pass/register?hashedSerialNumber={handle}",
        f"/pass/registered?hashedSerialNumber={handle}",
        "/p/nothing",
        "/pass/portal",
    ):
        await page.goto(path)
        box = await page.locator("main").bounding_box()
        assert box is not None
        assert page.viewport_size is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"], path
