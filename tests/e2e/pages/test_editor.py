"""The editor: staff change one pass in a browser, without JavaScript."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.e2e.html import Page, open_page, send_form
from tests.e2e.pages.test_registration import CLUB, NAME
from tests.e2e.passsource import POINTS, PassSource, log_in
from tests.e2e.test_journeys import download
from tests.system import System

CODE = "s3cret code"
SHOP: dict[str, Any] = CLUB | {
    "psPassDescription": f"{{{NAME}}} <b>has</b> {{{POINTS}}}",
    "psEditorPaths": f"secret, {POINTS}, mail",
    "triggers": {
        "onEdit": [
            {
                "action": "PSActionSetValue",
                "targetPath": "psTriggerError",
                "value": "No {secret} here",
                "PSConditions": '{secret} = "bad"',
            },
            {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1},
        ],
        "onScan": [
            {"action": "PSActionSetValue", "targetPath": "psScanText", "value": "Come in, {secret}"}
        ],
    },
}
CODED: dict[str, Any] = SHOP | {"psEditCode": CODE}


async def editor(api: PassSource, handle: str, **query: str) -> Page:
    named = {"hashedSerialNumber": handle} | (query or {"clientHash": api.client_hash})
    return await open_page(api.http, "GET", f"/pass/editor?{urlencode(named)}")


async def by_code(api: PassSource, template: str, handle: str, code: str = CODE) -> Page:
    found = await api.do("templateInfo", templateHash=template)
    return await editor(api, handle, templateId=found["templateId"], psEditCode=code)


async def press(api: PassSource, page: Page, button: str, **typed: str) -> Page:
    return await send_form(api.http, page, typed | {"psAction": button})


async def test_the_paths_of_the_editor_are_its_fields_and_saving_is_an_edit(api: PassSource):
    """E1, E2, E4."""
    template = await api.template(SHOP)
    handle = await api.issued(template, **{NAME: "Ann"})

    form = await editor(api, handle)
    saved = await press(api, form, "save", secret="new", **{POINTS: "4"})
    fields = await api.fields(handle)

    assert [control["name"] for control in form.form.controls] == ["secret", POINTS, "mail"]
    assert form.form.fields["secret"] == "hidden"
    assert "clientHash" not in form.url
    assert "Saved." in saved.text
    assert (fields["secret"], fields[POINTS]) == ("new", 5)
    tracked = await api.do("passTracking", hashedSerialNumber=handle)
    assert [int(one["accessType"]) for one in tracked["tracking"]].count(8) == 1


async def test_without_editor_paths_the_editable_ones_are_its_fields(api: PassSource):
    """E2."""
    template = await api.template({k: v for k, v in SHOP.items() if k != "psEditorPaths"})
    handle = await api.issued(template)

    form = await editor(api, handle)

    names = {control["name"] for control in form.form.controls}
    assert names == {NAME, "mail", "size", "news", "cups"}


async def test_the_heading_has_buttons_and_what_stands_for_the_pass(api: PassSource):
    """E3, G9."""
    template = await api.template(SHOP)
    handle = await api.issued(template, **{NAME: "<i>Ann</i>"})
    own = await api.template(SHOP | {"psEditorHeader": "<h3 onclick='x'>{psButtons} {secret}</h3>"})
    other = await api.issued(own, secret="<script>")

    usual, written = await editor(api, handle), await editor(api, other)
    void = await press(api, usual, "void")
    valid = await press(api, void, "unvoid")
    scanned = await press(api, valid, "scan")

    assert "<h2>" in usual.source
    assert "<i>Ann</i> <b>has</b> 0" in usual.text
    buttons = [tag.get("value") for tag in usual.all("button") if tag.get("form") == "editor"]
    assert buttons == ["save", "void", "scan"]
    assert f"/p/{handle}" in usual.links()
    assert "onclick" not in written.source
    assert "<script>" in written.text
    assert len([tag for tag in written.all("button") if tag.get("form") == "editor"]) == 3
    assert "The pass is void now." in void.text
    assert "The pass is valid now." in valid.text
    assert "Come in, hidden" in scanned.text


async def test_a_trigger_error_saves_nothing_and_is_shown(api: PassSource):
    """E5."""
    template = await api.template(SHOP)
    handle = await api.issued(template)

    refused = await press(api, await editor(api, handle), "save", secret="bad", mail="a@b.example")
    fields = await api.fields(handle)

    assert refused.status == 422
    assert "No bad here" in refused.text
    assert refused.form.fields["secret"] == "bad"
    assert not {"secret", POINTS, "mail"} & fields.keys()


async def test_what_is_typed_is_checked_as_in_registration(api: PassSource):
    """V15, R7."""
    handle = await api.issued(await api.template(SHOP))

    refused = await press(api, await editor(api, handle), "save", mail="nobody", **{POINTS: "3"})

    assert refused.status == 422
    assert "That is not an e-mail address." in refused.text
    assert refused.form.fields[POINTS] == "3"
    assert POINTS not in await api.fields(handle)


async def test_a_code_edits_passes_of_its_template_and_nothing_else(
    api: PassSource, embedded: System
):
    """E1, E6, U1."""
    template, other = await api.template(CODED), await api.template(SHOP)
    mine, foreign = await api.issued(template), await api.issued(other)

    form = await by_code(api, template, mine)
    saved = await press(api, form, "save", secret="by code")
    grant = parse_qs(urlsplit(form.url).query)["grant"][0]
    elsewhere = await editor(api, foreign, grant=grant)
    portal = await open_page(api.http, "GET", f"/pass/portal?{urlencode({'grant': grant})}")
    wrong = await by_code(api, template, mine, "wrong")
    stranger = await log_in(embedded, api.http)
    strange = await editor(stranger, mine)

    assert CODE not in form.url
    assert "Saved." in saved.text
    assert (await api.fields(mine))["secret"] == "by code"
    assert (elsewhere.status, strange.status) == (404, 404)
    assert elsewhere.source == strange.source
    assert "Sign in" in portal.text
    assert "The code in this link is wrong" in wrong.text


async def test_brackets_act_for_a_client_hash_and_are_text_for_a_code(
    api: PassSource, embedded: System
):
    """E7."""
    template = await api.template(CODED | {"logoText": "{secret}"})
    by_hash, coded = await api.issued(template), await api.issued(template)

    await press(api, await editor(api, by_hash), "save", secret="{organizationName}")
    await press(api, await by_code(api, template, coded), "save", secret="{organizationName}")
    async with embedded.session() as session:
        acting = await download(session, by_hash)
        plain = await download(session, coded)

    assert b'"logoText":"Beans"' in acting["pass.json"].replace(b'": "', b'":"')
    assert b"{organizationName}" in plain["pass.json"]


async def test_who_saves_later_is_shown_what_changed_meanwhile(api: PassSource):
    """E8."""
    handle = await api.issued(await api.template(SHOP))
    first, second = await editor(api, handle), await editor(api, handle)

    await press(api, first, "save", secret="first", mail="first@beans.example")
    told = await press(api, second, "save", secret="second")
    between = await api.fields(handle)
    done = await press(api, told, "save")
    fields = await api.fields(handle)

    assert told.status == 422
    assert "Somebody else has changed this meanwhile. It is now: first" in told.text
    assert between["secret"] == "first"
    assert "Saved." in done.text
    assert (fields["secret"], fields["mail"]) == ("second", "first@beans.example")


async def test_a_form_that_is_sent_twice_edits_once(api: PassSource):
    """G5."""
    handle = await api.issued(await api.template(SHOP))
    form = await editor(api, handle)

    await press(api, form, "save", secret="once")
    await press(api, form, "save", secret="once")

    assert (await api.fields(handle))[POINTS] == 1


async def test_without_a_pass_the_editor_asks_which(api: PassSource):
    """E1."""
    handle = await api.issued(await api.template(SHOP))
    page = await open_page(
        api.http, "GET", f"/pass/editor.php?{urlencode({'clientHash': api.client_hash})}"
    )

    found = page.form.fields | {"hashedSerialNumber": f"{handle}."}
    form = await open_page(api.http, "GET", f"{page.form.action}?{urlencode(found)}")

    assert (page.form.method, "Which pass?" in page.text) == ("get", True)
    assert form.form.fields["secret"] == "hidden"
