"""The portal: numbers, lists and quick updates of a template in a browser."""

import html
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from services.gateway.routes.passsource import portal
from tests.e2e.html import Page, open_page, read_page, send_form
from tests.e2e.pages.test_registration import CLUB, NAME
from tests.e2e.passsource import POINTS, PassSource
from tests.e2e.test_journeys import download
from tests.system import System, poll
from tests.wallet.fleet import Fleet, open_fleet

NEWS = "structure_backFields_news_value"
SHOP: dict[str, Any] = CLUB | {
    "storeCard": CLUB["storeCard"]
    | {
        "backFields": [
            {
                "key": "news",
                "label": "News",
                "value": {"PSValue": "None yet, {secret}", "PSLabel": "Latest news"},
                "changeMessage": "%@",
            }
        ]
    },
    "psPassDescription": f"{{{NAME}}} has {{{POINTS}}}",
    "psPortalUpdatePaths": f"{NEWS}, mail",
    "psExportPaths": f"hashedSerialNumber, {NAME}",
    "psPortalHeader": "<h2>Our shop {organizationName}</h2><script>x</script>{psEditorURL}",
}


@pytest.fixture
async def fleet_here(embedded: System) -> AsyncIterator[Fleet]:
    assert embedded.apple is not None
    async with open_fleet(embedded.root, embedded.apple) as fleet:
        yield fleet


async def opened(api: PassSource, **query: str) -> Page:
    query = {"clientHash": api.client_hash} | query
    return await open_page(api.http, "GET", f"/pass/portal.php?{urlencode(query)}")


async def follow(api: PassSource, page: Page, text: str) -> Page:
    """Follow the first link whose text has these words."""
    links = page.source.split("<a ")[1:]
    [link, *_] = [one for one in links if text in one.partition("</a>")[0]]
    address = link.partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    return await open_page(api.http, "GET", address)


async def test_numbers_lead_to_their_passes_and_these_to_the_editor(api: PassSource):
    """P2, P3, G2."""
    template = await api.template(SHOP)
    ann, bob = [await api.issued(template, **{NAME: name}) for name in ("Ann", "Bob")]
    await api.do("trackPassAccess", hashedSerialNumber=bob, accessType="onScan")

    page = await opened(api, templateHash=template)
    created, scanned = await follow(api, page, "Created"), await follow(api, page, "Scanned")
    editor = await follow(api, created, "Ann has 0")
    foreign = await opened(api, templateHash=template[:-1])

    numbers = [part for part in page.text.split() if part.isdigit()][:6]
    assert numbers == ["2", "0", "0", "0", "1", "0"]
    assert api.client_hash not in page.source
    assert ("Ann has 0" in created.text, "Bob has 0" in created.text) == (True, True)
    assert ("Ann has 0" in scanned.text, "Bob has 0" in scanned.text) == (False, True)
    assert f"hashedSerialNumber={ann}" in editor.url
    assert editor.form.fields[NAME] == "Ann"
    assert foreign.status == 404


async def test_lists_are_pages_whose_address_says_where_they_are(
    api: PassSource,
):
    """G10."""
    template = await api.template(SHOP)
    for number in range(portal.PAGE + 1):
        await api.issued(template, **{NAME: f"member{number:02}"})

    first = await follow(api, await opened(api, templateHash=template), "Created")
    second = await follow(api, first, "Next page")

    assert ("member49" in first.text, "member50" in first.text) == (True, False)
    assert ("member49" in second.text, "member50" in second.text) == (False, True)
    assert "list=created" in second.url
    assert "after=" in second.url
    assert "Next page" not in second.text


async def test_a_quick_update_writes_the_template_and_reaches_the_phone(
    api: PassSource, embedded: System, fleet_here: Fleet
):
    """P4: with progress; own values of passes stay."""
    template = await api.template(SHOP)
    first, own = await api.issued(template), await api.issued(template, mail="own@beans.example")
    (phone,) = fleet_here.add()
    card = await phone.install(f"{embedded.base_url}/p/{first}")

    form = await opened(api, templateHash=template)
    sent = await send_form(
        api.http,
        form,
        {NEWS: "Open {organizationName}", "mail": "us@beans.example", "psAction": "save"},
    )
    again = await send_form(
        api.http,
        form,
        {NEWS: "Open {organizationName}", "mail": "us@beans.example", "psAction": "save"},
    )
    await poll(lambda: "Open Beans" in str(card.file.content), "the news on the phone")
    async with embedded.session() as session:
        kept = await download(session, own)
    done = await poll(lambda: pushed(api, sent.url), "the end of the push")

    assert form.form.fields[NEWS] == "None yet, {secret}"
    assert "psJob=" in sent.url
    assert again.url.partition("psJob=")[2] == sent.url.partition("psJob=")[2]
    assert "1 of 1" in done.text
    assert b"Open Beans" in kept["pass.json"]
    assert (await api.fields(own))["mail"] == "own@beans.example"
    assert phone.pushes.total() == 1


async def pushed(api: PassSource, url: str) -> Page | None:
    page = await open_page(api.http, "GET", url)
    return page if "All passes are pushed" in page.text else None


async def test_what_a_template_cannot_take_changes_nothing(api: PassSource):
    """V15, R7."""
    template = await api.template(SHOP)

    form = await opened(api, templateHash=template)
    refused = await send_form(api.http, form, {"mail": "nobody", NEWS: "x", "psAction": "save"})
    found = await api.do("templateInfo", templateHash=template)

    assert refused.status == 422
    assert "That is not an e-mail address." in refused.text
    assert refused.form.fields[NEWS] == "x"
    assert "None yet" in str(found["passConstructor"])


async def test_all_passes_are_pushed_without_a_change(api: PassSource):
    """P5: with nothing on a phone there is nothing to push."""
    template = await api.template(SHOP)
    await api.issued(template)

    form = await opened(api, templateHash=template)
    done = await send_form(api.http, form, {"psAction": "push"})

    assert "nothing to push" in done.text


async def test_the_heading_is_the_author_s_and_names_no_pass(api: PassSource):
    """P1, P8, G9."""
    usual = await api.template({k: v for k, v in SHOP.items() if k != "psPortalHeader"})
    own = await api.template(SHOP)

    plain, written = await opened(api, templateHash=usual), await opened(api, templateHash=own)

    assert "Template Information" in plain.text
    assert "Our shop Beans" in written.text
    assert "<script" not in written.source
    assert "/pass/editor?grant=" in written.text
    assert api.client_hash not in written.source
    assert "hashedSerialNumber" not in written.text


async def test_data_are_exported_where_paths_for_it_are_named(api: PassSource):
    """P6, X1."""
    template = await api.template(SHOP)
    other = await api.template({k: v for k, v in SHOP.items() if k != "psExportPaths"})
    handle = await api.issued(template, **{NAME: "Ann"})

    page, without = await opened(api, templateHash=template), await opened(api, templateHash=other)
    export = await follow(api, page, "Export data")

    assert export.source.lstrip("\ufeff").splitlines() == [
        f'"hashedSerialNumber","{NAME}"',
        f'"{handle}","Ann"',
    ]
    assert "Export data" not in without.text


async def test_what_goes_onto_a_site_is_there_to_copy(api: PassSource):
    """P9, C7."""
    template = await api.template(SHOP)

    page = await opened(api, templateHash=template)
    widget = [tag for tag in page.all("textarea") if tag.get("id") == "widget"]
    code = page.source.partition('id="widget"')[2].partition("</textarea>")[0].partition(">")[2]
    form = read_page(
        page.url, 200, {}, code.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"')
    )
    values = [tag.get("value") for tag in page.all("input")]

    assert len(widget) == 1
    assert template in values
    assert f"{page.url.partition('/pass')[0]}/pass/register?templateHash={template}" in values
    assert (form.form.method, form.form.fields["templateHash"]) == ("get", template)
    assert NAME in form.form.fields


async def test_a_label_is_a_text_in_the_form_for_one_s_own_site(api: PassSource):
    """P9, G9."""
    mail = {"PSValue": "", "PSEditable": True, "PSLabel": "<script>alert(1)</script>"}
    template = await api.template(SHOP | {"mail": mail})

    page = await opened(api, templateHash=template)

    code = html.unescape(page.source.partition('id="widget"')[2].partition("</textarea>")[0])
    assert "<script" not in code
    assert "&lt;script&gt;alert(1)" in code


async def test_without_a_template_the_portal_lists_them(api: PassSource):
    """P1."""
    template = await api.template(SHOP, templateName="Bean Club 2027")

    page = await open_page(
        api.http, "GET", f"/pass/portal?{urlencode({'clientHash': api.client_hash})}"
    )
    portal_page = await follow(api, page, "Bean Club 2027")

    assert f"templateHash={template}" in portal_page.url
