"""Creating and registering in a browser: PassSource's pages without their own code."""

import asyncio
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from shared.passes.schema.images import plain_icon
from tests.e2e.html import Page, open_page, send_form
from tests.e2e.passsource import POINTS, PassSource, log_in_as
from tests.e2e.test_journeys import download, send
from tests.system import System

NAME = "structure_primaryFields_member_value"
IPHONE = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)"}
PREVIEWER = {"User-Agent": "WhatsApp/2.23"}
CLUB: dict[str, Any] = {
    "formatVersion": 1,
    "description": "Bean Club",
    "organizationName": "Beans",
    "backgroundColor": "rgb(58, 36, 26)",
    "foregroundColor": "white",
    "storeCard": {
        "headerFields": [{"key": "points", "label": "Points", "value": {"PSValue": 0}}],
        "primaryFields": [
            {
                "key": "member",
                "label": "Member",
                "value": {
                    "PSValue": "",
                    "PSEditable": True,
                    "PSLabel": "Your name",
                    "PSValidation": "VRequired",
                },
            }
        ],
    },
    "mail": {"PSValue": "", "PSEditable": True, "PSLabel": "E-mail", "PSValidation": "VEmail"},
    "size": {
        "PSValue": "S",
        "PSEditable": True,
        "PSAttributeType": "PSAttributeTypeDropdown",
        "PSOptions": {"Small": "S", "Large": "L"},
    },
    "news": {"PSValue": True, "PSEditable": True, "PSAttributeType": "PSAttributeTypeCheckbox"},
    "cups": {"PSValue": 2, "PSEditable": True, "PSAttributeType": "PSAttributeTypeStepper"},
    "secret": "hidden",
    "psRegistrationPaths": "mail",
    "psRegistrationMessage": "<h2>Welcome to {organizationName}</h2><script>alert(1)</script>",
    "psRegisteredMessage": "",
    "triggers": {
        "onRegister": [
            {
                "action": "PSActionSetValue",
                "targetPath": "psTriggerError",
                "value": "We know no {mail}",
                "PSConditions": '{mail} = "nobody@beans.example"',
            },
            {
                "action": "PSActionIncrementValue",
                "targetPath": POINTS,
                "amount": 25,
                "PSConditions": "!registered",
            },
            {"action": "PSActionIncrementValue", "targetPath": POINTS, "amount": 1},
            {
                "action": "PSActionSetValue",
                "targetPath": "psRegisteredMessage",
                "value": f"<p>Thanks, <b>{{{NAME}}}</b>!</p>",
            },
        ]
    },
}


async def opened(
    api: PassSource, page: str, headers: dict[str, str] | None = None, **query: str
) -> Page:
    return await open_page(api.http, "GET", f"/pass/{page}?{urlencode(query)}", headers=headers)


def handle_of(page: Page) -> str:
    return page.url.partition("hashedSerialNumber=")[2]


async def issued_of(api: PassSource, template: str) -> list[dict[str, Any]]:
    found = await api.do("templatePasses", templateHash=template, accessType="1")
    return found["passes"]


# Register


@pytest.mark.parametrize("suffix", ["", ".php"])
async def test_a_form_that_is_filled_in_makes_a_registered_pass(api: PassSource, suffix: str):
    """R1, R6, R8, R9."""
    template = await api.template(CLUB)

    form = await opened(api, f"register{suffix}", templateHash=template)
    done = await send_form(api.http, form, {NAME: "Ann", "mail": "ann@beans.example"})

    names = [control["name"] for control in form.form.controls]
    assert names[:2] == ["mail", NAME]
    assert "secret" not in names
    assert form.form.fields["size"] == "S"
    assert "Your name" in form.text
    assert "size" in form.text
    assert "Welcome to Beans" in form.text
    assert "<script" not in form.source
    assert done.url.partition("?")[0].endswith("/pass/registered")
    assert "Thanks, Ann!" in done.text
    assert f"/p/{handle_of(done)}.pkpass" in done.links()
    fields = await api.fields(handle_of(done))
    assert (fields[NAME], fields[POINTS]) == ("Ann", 26)
    tracked = await api.do("passTracking", hashedSerialNumber=handle_of(done))
    assert [event["accessType"] for event in tracked["tracking"]] == [1, 4]


async def test_a_pass_is_registered_again_by_its_hash_alone(api: PassSource):
    """R2, R3, R11."""
    template = await api.template(CLUB)
    handle = await api.issued(template, **{NAME: "Ann", "secret": "mine"})

    for name in ("Bea", "Bea"):
        form = await opened(api, "register.php", hashedSerialNumber=handle)
        before = form.form.fields[NAME]
        done = await send_form(api.http, form, {NAME: name, "secret": "stolen", POINTS: "999"})

    fields = await api.fields(handle)
    assert before == "Bea"
    assert handle_of(done) == handle
    assert (fields[NAME], fields["secret"], fields[POINTS]) == ("Bea", "mine", 27)


async def test_a_form_that_is_sent_twice_has_one_effect(api: PassSource):
    """G5."""
    template = await api.template(CLUB)
    form = await opened(api, "register", templateHash=template)

    done = await asyncio.gather(*(send_form(api.http, form, {NAME: "Ann"}) for _ in range(5)))

    assert len({handle_of(page) for page in done}) == 1
    assert len(await issued_of(api, template)) == 1
    assert (await api.fields(handle_of(done[0])))[POINTS] == 26


async def test_a_template_without_editable_paths_leads_to_the_pass(api: PassSource):
    """R4."""
    template = await api.template({**CLUB, "storeCard": {}, "mail": "", "size": "", "news": "",
                                   "cups": 0})  # fmt: skip

    page = await opened(api, "register", templateHash=template)

    assert "/p/" in page.url
    assert "Bean Club" in page.text


@pytest.mark.parametrize("way", ["GET", "POST", "JSON"])
async def test_a_link_fills_editable_paths_and_sends_nothing(api: PassSource, way: str):
    """R5."""
    template = await api.template(CLUB)
    values = {NAME: "Ann & Bea", "secret": "stolen", "size": "L"}
    address = f"/pass/register?templateHash={template}"

    if way == "GET":
        page = await open_page(api.http, "GET", f"{address}&{urlencode(values)}")
    else:
        data = values if way == "POST" else {"JSON": json.dumps(values)}
        page = await open_page(api.http, "POST", address, data=data)

    assert (page.form.fields[NAME], page.form.fields["size"]) == ("Ann & Bea", "L")
    assert "stolen" not in page.source
    assert "Ann" not in page.form.action, "G11"
    assert await issued_of(api, template) == []


async def test_a_mark_of_another_template_sends_nothing(api: PassSource):
    """R5."""
    mine, other = await api.template(CLUB), await api.template(CLUB)
    form = await opened(api, "register", templateHash=mine)
    form.form.action = form.form.action.replace(mine, other)

    page = await send_form(api.http, form, {NAME: "Ann"})

    assert page.status == 200
    assert page.form.fields[NAME] == "Ann"
    assert await issued_of(api, other) == []


async def test_a_faulty_form_comes_back_with_what_was_typed(api: PassSource):
    """R7, V15."""
    template = await api.template(CLUB)
    form = await opened(api, "register", templateHash=template)

    page = await send_form(
        api.http, form, {"mail": "ann", "size": "XL", "news": "true", "cups": "9"}
    )

    faulty = [c for c in page.form.controls if c.get("aria-invalid") == "true"]
    summary = [link.partition("#")[2] for link in page.links() if "#input-" in link]
    assert page.status == 422
    assert page.form.fields["mail"] == "ann"
    assert page.form.fields["cups"] == "9"
    assert {control["name"] for control in faulty} == {"mail", NAME, "size"}
    assert {control["id"] for control in faulty} == set(summary)
    for control in faulty:
        assert any(p.get("id") == control["aria-describedby"] for p in page.all("p"))
    assert "That is not an e-mail address." in page.text
    german = await open_page(
        api.http, "POST", page.form.action, data=page.form.fields,
        headers={"Accept-Language": "de-AT"},
    )  # fmt: skip
    assert "Das ist keine E-Mail-Adresse." in german.text
    assert await issued_of(api, template) == []


async def test_a_rule_that_refuses_shows_its_text_and_the_filled_form(api: PassSource):
    """R10."""
    template = await api.template(CLUB)
    form = await opened(api, "register", templateHash=template)

    page = await send_form(api.http, form, {NAME: "Ann", "mail": "nobody@beans.example"})
    (made,) = await issued_of(api, template)
    handle = made["hashedSerialNumber"]
    before = await api.do("passTracking", hashedSerialNumber=handle)
    done = await send_form(api.http, page, {"mail": "ann@beans.example"})

    assert page.status == 422
    assert "We know no nobody@beans.example" in page.text
    assert page.form.fields[NAME] == "Ann"
    assert [event["accessType"] for event in before["tracking"]] == [1]
    assert handle_of(done) == handle
    assert len(await issued_of(api, template)) == 1
    assert (await api.fields(handle))["mail"] == "ann@beans.example"


async def test_brackets_that_are_typed_stay_text_everywhere(api: PassSource):
    """R12."""
    template = await api.template(CLUB)
    form = await opened(api, "register", templateHash=template)
    typed = "{templateHash} <b>{secret}</b>"

    done = await send_form(api.http, form, {NAME: typed})
    again = await opened(api, "register", hashedSerialNumber=handle_of(done))
    content = json.loads((await download(api.http, handle_of(done)))["pass.json"])

    assert typed in await _page_text(api, handle_of(done))
    assert again.form.fields[NAME] == typed
    assert content["storeCard"]["primaryFields"][0]["value"] == typed
    assert "hidden" not in done.text
    assert template not in done.text


async def _page_text(api: PassSource, handle: str) -> str:
    return (await open_page(api.http, "GET", f"/p/{handle}")).text


async def test_what_was_set_whole_gives_way_to_what_users_edit(api: PassSource):
    """R13."""
    handle = await api.issued(await api.template(CLUB))
    whole = [{"key": "member", "label": "Boss", "value": "Ann"}]
    await api.do(
        "updatePassFields", data={"JSON": json.dumps({"structure_primaryFields": whole})},
        hashedSerialNumber=handle,
    )  # fmt: skip

    form = await opened(api, "register", hashedSerialNumber=handle)
    seen = await api.fields(handle)
    await send_form(api.http, form)

    assert form.form.fields[NAME] == "Ann"
    assert "structure_primaryFields" in seen
    fields = await api.fields(handle)
    assert fields[NAME] == "Ann"
    assert "structure_primaryFields" not in fields


async def test_an_editable_image_takes_a_file_or_an_address(api: PassSource):
    """R14."""
    template = await api.template({**CLUB, "images_thumbnail": {"PSValue": "", "PSEditable": True}})
    form = await opened(api, "register", templateHash=template)
    png = plain_icon()["icon.png"]

    done = await send_form(api.http, form, {NAME: "Ann"}, files={"images_thumbnail": png})
    by_file = (await api.fields(handle_of(done)))["images_thumbnail"]
    other = await opened(api, "register", templateHash=template)
    done = await send_form(api.http, other, {NAME: "Ann", "images_thumbnail{address}": by_file})
    broken = await send_form(api.http, other, {NAME: "Ann", "images_thumbnail{address}": "nothing"})

    assert "/images/" in by_file
    assert "/images/" in (await api.fields(handle_of(done)))["images_thumbnail"]
    assert broken.status == 422


async def test_a_stepper_steps_without_scripts(api: PassSource):
    """I6, G7."""
    form = await opened(api, "register", templateHash=await api.template(CLUB))

    more = await send_form(api.http, form, {"psStep": "+cups", "mail": "half a"})
    less = await send_form(api.http, more, {"psStep": "-cups"})

    assert (form.form.fields["cups"], more.form.fields["cups"]) == ("2", "3")
    assert (less.form.fields["cups"], less.form.fields["mail"]) == ("2", "half a")
    assert more.status == 200


async def test_what_fills_every_field_registers_nothing(api: PassSource):
    template = await api.template(CLUB)
    form = await opened(api, "register", templateHash=template)

    page = await send_form(api.http, form, {NAME: "Ann", "psWebsite": "https://spam.example"})

    assert page.status == 422
    assert await issued_of(api, template) == []


async def test_another_site_may_send_the_form(api: PassSource):
    """G4."""
    form = await opened(api, "register", templateHash=await api.template(CLUB))
    foreign = {"Origin": "https://blog.example", "Sec-Fetch-Site": "cross-site"}

    done = await send_form(api.http, form, {NAME: "Ann"}, headers=foreign)

    assert "Thanks, Ann!" in done.text


# The policy of the pages


async def test_a_page_of_a_holder_is_small_and_runs_nothing(api: PassSource):
    """G8, G12."""
    template = await api.template(CLUB)
    form = await opened(api, "register", templateHash=template)
    done = await send_form(api.http, form, {NAME: "Ann"})
    shown = await open_page(api.http, "GET", f"/p/{handle_of(done)}")

    for page in (form, done, shown):
        styles = [link["href"] for link in page.all("link") if link.get("rel") == "stylesheet"]
        policy = page.headers["content-security-policy"]
        size = len(page.source.encode())
        for style in styles:
            async with api.http.get(style) as answer:
                assert answer.status == 200
                size += len(await answer.read())
        assert size <= 60 * 1024
        assert page.all("script") == []
        assert "script-src" not in policy
        assert "default-src 'none'" in policy
        assert all("nonce" in style for style in page.all("style"))
        assert not [tag for tag, attributes in page.tags if any(a[:2] == "on" for a in attributes)]
    assert "style-src-attr 'unsafe-inline'" in form.headers["content-security-policy"]
    assert "img-src 'self' https:" in done.headers["content-security-policy"]
    assert "unsafe-inline" not in shown.headers["content-security-policy"]


# Create


async def test_a_link_makes_a_pass_of_editable_values(api: PassSource):
    """C1, C2, C3."""
    template = await api.template(CLUB)
    values = {NAME: "Ann", "secret": "stolen", POINTS: "999"}
    address = f"/pass/create.php?templateHash={template}"

    by_get = await open_page(api.http, "GET", f"{address}&{urlencode(values)}")
    by_post = await open_page(api.http, "POST", address, data=values)
    by_json = await open_page(api.http, "POST", address, data={"JSON": json.dumps(values)})
    packed = quote(json.dumps(values))
    by_query = await open_page(api.http, "GET", f"{address}&JSON={packed}")

    for page in (by_get, by_post, by_json, by_query):
        handle = page.url.rpartition("/")[2]
        assert await api.fields(handle) == {NAME: "Ann"}
        shown = await opened(api, "create", hashedSerialNumber=handle)
        assert shown.url == page.url
        assert "Ann" in shown.text


async def test_a_link_with_an_image_address_takes_it(api: PassSource):
    """C4."""
    editable = {"PSValue": "", "PSEditable": True}
    template = await api.template({**CLUB, "images_logo": editable, "images_logo@2x": editable})
    icon = plain_icon()["icon.png"]
    form = await opened(api, "register", templateHash=template)
    done = await send_form(api.http, form, {NAME: "x"}, files={"images_logo": icon})
    picture = (await api.fields(handle_of(done)))["images_logo"]

    page = await opened(
        api, "create", templateHash=template, images_logo=picture, **{"images_logo@2x": picture}
    )

    fields = await api.fields(page.url.rpartition("/")[2])
    assert fields.keys() == {"images_logo", "images_logo@2x"}


async def test_an_iphone_gets_the_file_and_programs_the_hash(api: PassSource):
    """C5, C6."""
    template = await api.template(CLUB)
    link = f"/pass/create?templateHash={template}"

    async with api.http.get(link, headers=IPHONE) as file:
        assert file.content_type == "application/vnd.apple.pkpass"
    async with api.http.get(f"{link}&download=true") as file:
        assert file.content_type == "application/vnd.apple.pkpass"
    async with api.http.get(f"{link}&generate=true&clientHash={api.client_hash}") as answer:
        handle = await answer.text()
    assert (await open_page(api.http, "GET", f"/p/{handle}")).status == 200


async def test_a_form_on_any_site_works_as_a_widget(api: PassSource):
    """C7, G4."""
    template = await api.template(CLUB)
    widget = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}

    page = await opened(api, "create.php", widget, templateHash=template, **{NAME: "Ann"})

    assert "Ann" in page.text
    assert "/p/" in page.url


@pytest.mark.parametrize(
    "headers", [PREVIEWER, {"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Mode": "no-cors"}]
)
async def test_who_only_looks_at_a_link_gets_a_button(api: PassSource, headers: dict[str, str]):
    """G1."""
    template = await api.template(CLUB)

    page = await opened(api, "create", headers, templateHash=template, **{NAME: "Ann"})
    before = await issued_of(api, template)
    address = page.url
    pressed = await open_page(api.http, "POST", address)
    async with api.http.head(address) as head:
        assert head.status == 200

    assert (page.status, before) == (200, [])
    assert [form.method for form in page.forms] == ["post"]
    assert "Ann" in pressed.text
    assert len(await issued_of(api, template)) == 1


async def test_forms_and_thanks_of_nothing_are_one_page(api: PassSource):
    """G6."""
    template = await api.template(CLUB)
    handle = await api.issued(template)
    await api.do("deletePass", hashedSerialNumber=handle)

    unknown = [
        await opened(api, "register", templateHash="nothing"),
        await opened(api, "register", templateHash=template[:-1]),
        await opened(api, "register", hashedSerialNumber="nothing"),
        await opened(api, "registered.php", hashedSerialNumber="nothing"),
    ]
    gone = await opened(api, "register", hashedSerialNumber=handle)
    async with api.http.get("/pass/register?templateHash=nothing") as answer:
        assert answer.content_type == "application/problem+json"

    assert {page.status for page in unknown} == {404}
    assert len({page.source for page in unknown}) == 1
    assert gone.status == 410


@pytest.mark.parametrize("language", ["en", "de"])
async def test_the_page_at_the_address_shows_the_demo_and_leads_to_pages_that_are_there(
    api: PassSource, embedded: System, language: str
):
    """G6: what this installation is, and no link to nowhere."""
    page = await open_page(api.http, "GET", "/", headers={"Accept-Language": language})
    led = [await open_page(api.http, "GET", link) for link in page.links()]

    assert ("Wallet" in page.text, "Passwright Coffee" in page.text) == (True, True)
    assert f"/p/{embedded.extra['pass_handle']}" in page.links()
    assert "/pass/portal" in page.links()
    assert {one.status for one in led} == {200}


# The way into pages of issuers and tills


@pytest.mark.parametrize("name", ["editor", "scan", "batch", "configure.php"])
async def test_a_page_of_staff_without_credentials_shows_a_sign_in_form(api: PassSource, name: str):
    """G2b."""
    page = await opened(api, name, hashedSerialNumber="x")
    wrong = await send_form(api.http, page, {"email": api.email, "password": "wrong one"})
    async with api.http.post(
        page.form.action,
        data={"email": api.email, "password": api.password},
        allow_redirects=False,
    ) as right:
        address = right.headers["Location"]
    entered = await open_page(api.http, "GET", address)
    async with api.http.get(f"/pass/{name}") as machine:
        assert machine.content_type == "application/problem+json"

    assert (page.status, wrong.status, right.status) == (200, 401, 303)
    assert {control["type"] for control in page.form.controls} == {"email", "password"}
    assert "password is wrong" in wrong.text
    assert "grant=" in address
    assert "hashedSerialNumber=x" in address
    assert "Set-Cookie" not in right.headers
    assert ("There is no such pass" if name == "editor" else "not available yet") in entered.text


async def test_a_client_hash_in_an_address_gives_way_to_a_grant(api: PassSource):
    """G2, G11."""
    query = urlencode({"clientHash": api.client_hash, "hashedSerialNumber": "x"})
    async with api.http.get(f"/pass/editor.php?{query}", allow_redirects=False) as answer:
        address = answer.headers["Location"]

    entered = await open_page(api.http, "GET", address)
    elsewhere = await open_page(api.http, "GET", address.replace("editor", "portal"))
    forged = await open_page(api.http, "GET", address + "x")
    ended = await opened(api, "editor", clientHash="nothing")

    assert answer.status == 303
    assert api.client_hash not in address
    assert "hashedSerialNumber=x" in address
    assert "There is no such pass" in entered.text
    assert all("Sign in" in page.text for page in (elsewhere, forged, ended))
    assert "no longer works" in ended.text


async def test_a_grant_ends_with_the_password_it_came_from(embedded: System, api: PassSource):
    """G2."""
    body = {"name": "Shop", "organization_name": "Shop"}
    admin = {"X-API-Key": embedded.api_key}
    key = (await send(api.http, "POST", "/v1/accounts", body, 201, admin))["key"]
    shop = await log_in_as(api.http, key)
    async with api.http.get(
        f"/pass/scan?{urlencode({'clientHash': shop.client_hash})}", allow_redirects=False
    ) as answer:
        address = answer.headers["Location"]
    change = {"password": "another one", "current_password": shop.password}
    await send(api.http, "PATCH", "/v1/account", change, 200, {"X-API-Key": key})

    page = await open_page(api.http, "GET", address)

    assert "Sign in" in page.text


async def test_an_edit_code_opens_pages_of_its_template_and_cannot_be_guessed(api: PassSource):
    """G2, U1."""
    template = await api.template({**CLUB, "psEditCode": "4711"})
    other = await api.template({**CLUB, "psEditCode": "4711"})
    ids = {t["templateHash"]: t["templateId"] for t in (await api.do("templates"))["templates"]}
    link = {"templateId": ids[template], "psEditCode": "4711"}

    async with api.http.get(f"/pass/editor?{urlencode(link)}", allow_redirects=False) as answer:
        address = answer.headers["Location"]
    entered = await open_page(api.http, "GET", address)
    portal = await opened(api, "portal", templateId=ids[template], psEditCode="4711")
    wrong = [
        await opened(api, "scan", templateId=ids[other], psEditCode=str(guess))
        for guess in range(6)
    ]
    form = {
        "templateName": "Club",
        "templateId": ids[template],
        "passConstructor": json.dumps({**CLUB, "psEditCode": "0815"}),
    }
    await api.do("insertUpdateTemplate", templateHash=template, data=form)
    changed = await open_page(api.http, "GET", address)

    assert "4711" not in address
    assert "Which pass?" in entered.text
    assert "Sign in" in portal.text
    assert [page.status for page in wrong] == [403] * 5 + [429]
    assert "not available yet" not in changed.text
