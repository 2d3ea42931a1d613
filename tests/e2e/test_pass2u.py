"""Pass2U's API call by call, as its reference describes it: R1 to R10 and R62 to R84.

The numbers count the statements of /work/shared's `pass2u-api-2.txt` from its beginning.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp
import pytest

from services.demo_model import EXAMPLE_HEX, MODEL
from shared import clock
from tests.e2e.pass2u import ATTRIBUTES, OFFSET, Model, Pass2U, fields_of, open_shop
from tests.e2e.phones import link
from tests.e2e.test_journeys import get, patch
from tests.e2e.test_pass_images import a_png
from tests.system import System, poll
from tests.wallet.files import PASS_MEDIA, open_pass, verify_signature
from tests.wallet.fleet import Fleet

PAST: Final = "2018-12-31T23:00:15+08:00"
FUTURE: Final = "2039-12-31T23:00:15+08:00"

CREATED: Final = ["barcodeMessage", "modelId", "passId", "createdTime", "expirationDate"]
UPDATED: Final = ["barcodeMessage", "modelId", "passId", "updatedTime", "expirationDate"]

EXAMPLE: Final = """{
"expirationDate":"2018-12-31T23:00:15+08:00",
"foregroundColor":"rgb(51, 50, 46)",
"backgroundColor":"rgb(237, 219, 21)",
"labelColor":"rgb(196, 54, 39)",
"sharingProhibited":true,
"barcode":{
"message":"1234567890",
"altText":"1234567890"
},
"fields":[
{
"key":"name",
"value":"Fi-Lin,Chen"
},{
"key":"birth",
"value":"Dec’10 1999"
},
{
"key":"level",
"value":"GOLD"
}
],
"images":[
{
"type":"thumbnail",
"hex":"d33b9f1426d363340c2946557f173c402cd74014"
}
],
"locations":[
{
"latitude":25.0413093,
"longitude":121.55269329999999,
"relevantText":"Store nearby on 1st and Main."
},
{
"latitude":12.0413093,
"longitude":81.3226,
"relevantText":"Take a break with Bistro Coffee"
}
]}"""  # noqa: RUF001 - as the reference prints it
"""The reference's body of a create."""

EXAMPLE_UPDATE: Final = """{
"expirationDate":"2019-12-31T23:00:15+08:00",
"foregroundColor":"rgb(51, 50, 46)",
"backgroundColor":"rgb(211, 79, 46)",
"labelColor":"rgb(196, 54, 39)",
"fields":[
{
"key":"level",
"value":"DIAMOND",
"changeMessage":"You get highest and most rewarding level %@"
}
],
}"""
"""The reference's body of an update, with its comma too many."""


@pytest.fixture
async def demo(system: System) -> AsyncIterator[tuple[Pass2U, str, str]]:
    """An account with the demo's model: its API, the model's number, and the example's image.

    Only `make run` makes a demo; elsewhere an account makes the same model.
    """
    if system.template_id:
        api = Pass2U(system, system.session())
        model_id, named = system.extra["pass2u_model_id"], EXAMPLE_HEX
    else:
        api = await open_shop(system)
        model = await api.model_of(MODEL, ("icon", "thumbnail"))
        model_id, named = str(model.model_id), await api.upload(a_png("white", (180, 180)))
    yield api, model_id, named
    await api.http.close()


# Passes are created from models


async def test_a_pass_of_a_model_is_created_and_updated_by_its_id(model: Model):
    """R1, R2, R10: created with custom data, updated with what changes, managed by its passId."""
    first = await model.create(fields=[{"key": "name", "value": "Ada"}], logoText="Mine")
    second = await model.create()
    await first.update(fields=[{"key": "level", "value": "GOLD"}])
    fields = fields_of(await first.content())

    assert (fields["name"]["value"], fields["level"]["value"]) == ("Ada", "GOLD")
    assert await first.shown("logoText") == "Mine"
    assert (await second.field("level"))["value"] == "BRONZE"
    assert first.pass_id != second.pass_id


@pytest.mark.parametrize("style", ["generic", "coupon", "storeCard", "eventTicket", "boardingPass"])
async def test_the_models_style_is_that_of_its_passes(shop: Pass2U, style: str):
    """R3: the model's style determines the default appearance of the passes."""
    model = await shop.model(style)
    content = await (await model.create()).content()

    assert style in content
    assert content["backgroundColor"] == ATTRIBUTES["backgroundColor"]
    assert fields_of(content)["name"]["value"] == "Guest"


async def test_replicable_messages_are_given_to_many(shop: Pass2U):
    """R7: a dynamic barcode that is assigned by API, replicable."""
    model = await shop.model(policy="data")
    passes = [await model.create(barcode={"message": "4711"}) for _ in range(2)]

    assert [one.answer["barcodeMessage"] for one in passes] == ["4711"] * 2


async def test_non_replicable_messages_are_given_once_in_a_model(shop: Pass2U):
    """R8: a dynamic barcode that is assigned by API, non-replicable."""
    model, other = await shop.model(policy="unique"), await shop.model(policy="unique")
    await model.create(barcode={"message": "4711"})
    await other.create(barcode={"message": "4711"})

    assert await model.refused(409, barcode={"message": "4711"})


async def test_of_fifty_who_want_a_message_at_once_one_gets_it(shop: Pass2U):
    """R8: non-replicable, also for those who ask in the same moment."""
    model = await shop.model(policy="unique")
    body = {"barcode": {"message": "4711"}}
    replies = await asyncio.gather(*(shop.ask("POST", model.path, body) for _ in range(50)))

    assert Counter(reply.status for reply in replies) == {200: 1, 409: 49}


async def test_random_messages_have_eight_digits_and_differ(shop: Pass2U):
    """R9: a unique random 8-digit number for every pass."""
    model = await shop.model(policy="random")
    passes = await asyncio.gather(*(model.create(barcode=None) for _ in range(20)))
    messages = {one.answer["barcodeMessage"] for one in passes}
    shown = await passes[0].shown("barcode")
    told = (await model.create(barcode={"message": "4711"})).answer

    assert len(messages) == 20
    assert all(re.fullmatch(r"\d{8}", message) for message in messages)
    assert shown["message"] == passes[0].answer["barcodeMessage"]
    assert told["barcodeMessage"] != "4711"
    assert told["warnings"] == ["barcode.message: made up for each pass, ignored"]


async def test_a_fixed_message_is_the_models(shop: Pass2U):
    """R5: what is fixed in the model is the same on all passes, the barcode's message too."""
    model = await shop.model(policy="template")
    copy = await model.create(barcode={"message": "4711", "altText": "Mine"})
    barcode = await copy.shown("barcode")

    assert (barcode["message"], barcode["altText"]) == ("FIXED", "Mine")
    assert copy.answer["barcodeMessage"] == "FIXED"
    assert copy.answer["warnings"] == ["barcode.message: fixed by the model, ignored"]


@pytest.mark.parametrize("policy", ["data", "unique"])
@pytest.mark.parametrize("barcode", [None, [], {}, {"message": ""}, {"altText": "4711"}])
async def test_a_message_that_data_must_give_is_needed(shop: Pass2U, policy: str, barcode: Any):
    """R7, R8: where the message is assigned by API, a pass without one is a Bad Request."""
    model = await shop.model(policy=policy)

    assert "barcode.message" in await model.refused(400, barcode=barcode)


# Create pass


async def test_a_created_pass_is_told_as_printed(model: Model):
    """R67 to R72: the keys of the answer, their order, and what they say."""
    before = clock.now().replace(microsecond=0)
    body = {"barcode": {"message": "12"}, "expirationDate": FUTURE}
    reply = await model.api.ask("POST", model.path, body, Accept="application/json")
    created = datetime.fromisoformat(reply.body["createdTime"])

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert list(reply.body) == CREATED
    assert (reply.body["barcodeMessage"], reply.body["modelId"]) == ("12", model.model_id)
    assert reply.body["expirationDate"] == FUTURE
    assert re.fullmatch(r"[0-9A-Za-z_-]+", reply.body["passId"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", reply.body["createdTime"])
    assert before <= created <= clock.now()


async def test_times_have_the_accounts_offset(system: System):
    """R71, R77: the example's times have an offset: UTC's unless the account has another."""
    api = await open_shop(system, utc_offset=None)
    async with api.http:
        copy = await (await api.model()).create()
        await patch(api.http, "/v1/account", {"utc_offset": "-03:30"})
        told = await copy.update(logoText="x")

    assert copy.answer["createdTime"].endswith("+00:00")
    assert told["updatedTime"].endswith("-03:30")


async def test_a_pass_without_a_date_of_its_own_expires_as_its_model(shop: Pass2U):
    """R72: expirationDate is the date when the pass expires, also by its model; or none."""
    dated, undated = await shop.model(), await shop.model(expirationDate=None)

    assert (await dated.create()).answer["expirationDate"] == ATTRIBUTES["expirationDate"]
    assert (await undated.create()).answer["expirationDate"] is None


async def test_a_model_id_is_a_text_in_the_path(model: Model):
    """R63, R69: modelId is a string of the path and a number in answers: the template's."""
    template = await get(model.api.http, f"/v1/templates/{model.template_id}")
    copy = await model.create()

    assert (template["model_id"], copy.answer["modelId"]) == (model.model_id, model.model_id)


async def test_channels_are_counted_when_passes_are_issued_and_installed(
    system: System, fleet: Fleet, shop: Pass2U
):
    """R64: utm_source tracks the issuing amount of a channel."""
    model, [phone] = await shop.model(), fleet.add()
    today = clock.now().date()
    copies = [
        await model.create(query)
        for query in ("?utm_source=app", "?utm_source=app", "?utm_source=a%20b", "?other=1", "")
    ]
    await phone.install(link(system, copies[0].pass_id))
    path = f"/v1/templates/{model.template_id}/sources"

    async def counted() -> Any:
        found = (await get(shop.http, path))["data"]
        return found if any(one["installed"] for one in found) else None

    found = await poll(counted, "installed pass of a channel")
    totals = {(one["source"], one["issued"], one["installed"]) for one in found}
    if clock.now().date() == today:  # not on both sides of midnight
        assert totals == {("app", 2, 1), ("a b", 1, 0)}
        assert {one["day"] for one in found} == {today.isoformat()}
    assert await model.api.refused(400, "POST", f"{model.path}?utm_source={'x' * 81}", {})


async def test_the_examples_of_the_reference_work_as_printed(demo: tuple[Pass2U, str, str]):
    """R65 to R67, R75, R76: both bodies, but for the comma of which the 400 says where it is."""
    api, model_id, named = demo
    headers = {"Accept": "application/json", "Content_Type": "application/json"}
    path, example = f"models/{model_id}/passes", EXAMPLE.replace(EXAMPLE_HEX, named)
    created = await api.do("POST", path, data=example.encode(), **headers)
    path = f"{path}/{created['passId']}"
    comma = await api.refused(400, "PUT", path, data=EXAMPLE_UPDATE.encode(), **headers)
    update = "".join(EXAMPLE_UPDATE.rsplit(",", 1))
    updated = await api.do("PUT", path, data=update.encode(), **headers)
    file = open_pass((await api.ask("GET", path)).content)
    fields = fields_of(file.content)

    assert list(created) == CREATED
    assert (created["barcodeMessage"], created["modelId"]) == ("1234567890", int(model_id))
    assert created["expirationDate"] == "2018-12-31T23:00:15+08:00"
    assert list(updated) == UPDATED
    assert updated["expirationDate"] == "2019-12-31T23:00:15+08:00"
    assert "trailing comma at line 13" in comma
    assert {key: fields[key]["value"] for key in ("name", "birth", "level")} == {
        "name": "Fi-Lin,Chen", "birth": "Dec’10 1999", "level": "DIAMOND"  # noqa: RUF001
    }  # fmt: skip
    assert fields["level"]["changeMessage"] == "You get highest and most rewarding level %@"
    assert file.content["backgroundColor"] == "rgb(211, 79, 46)"
    assert file.content["sharingProhibited"] is True
    assert file.content["locations"] == json.loads(example)["locations"]
    assert "thumbnail@2x.png" in file.entries


async def test_anybody_downloads_a_pass_at_its_public_address(system: System, model: Model):
    """R73: the publicly accessible address for downloading the pass is /d/{passId}."""
    copy = await model.create(logoText="Mine")
    address = f"{system.base_url}/d/{copy.pass_id}"
    async with aiohttp.request("GET", address) as response:
        page = await response.text()

    assert (response.status, response.content_type) == (200, "text/html")
    assert "Mine" in page
    assert f"/p/{copy.pass_id}.pkpass" in page


# Expiry


async def test_a_pass_is_voided_when_its_date_passes(shop: Pass2U):
    """R72: after the expiration date the pass is automatically voided, until it has a later one."""
    model = await shop.model(voids=True)
    soon = (clock.now() + timedelta(seconds=1)).isoformat(timespec="seconds")
    copies = [await model.create(expirationDate=date) for date in (PAST, soon, FUTURE)]
    for copy in copies[:2]:
        await poll(lambda copy=copy: copy.shown("voided"), "voided pass")
    lasting = await copies[2].shown("voided")
    await copies[0].update(expirationDate=FUTURE)
    await copies[1].reset("attributes/expirationDate")

    assert not lasting
    assert not await copies[0].shown("voided")
    assert not await copies[1].shown("voided")


# Update pass


async def test_an_updated_pass_is_told_as_printed(model: Model):
    """R76, R77: the keys of the answer, their order, and what they say."""
    copy, before = await model.create(), clock.now().replace(microsecond=0)
    told = await copy.update(expirationDate=FUTURE, logoText="x")
    updated = datetime.fromisoformat(told["updatedTime"])

    assert list(told) == UPDATED
    assert told["barcodeMessage"] == copy.answer["barcodeMessage"]
    assert (told["modelId"], told["passId"]) == (model.model_id, copy.pass_id)
    assert told["expirationDate"] == FUTURE
    assert told["updatedTime"].endswith(OFFSET)
    assert before <= updated <= clock.now()


async def test_an_update_without_anything_changes_nothing(model: Model):
    """R74: an update changes what it names."""
    copy = await model.create(logoText="Mine")
    before = await copy.file()
    told = await copy.update()

    assert list(told) == UPDATED
    assert (await copy.file()).content == before.content


@pytest.mark.parametrize(
    "what",
    [
        "attributes/logoText", "attributes/locations", "attributes/fields", "attributes/voided",
        "fields/name", "fields/name/attributes/label",
    ],
)  # fmt: skip
async def test_whoever_holds_the_pass_is_told_of_updates_and_deletes(
    system: System, fleet: Fleet, model: Model, what: str
):
    """R74, R78, R79, R81: a notification goes to the pass holder's device, of resets too."""
    [phone] = fleet.add()
    copy = await model.create()
    card = await phone.install(link(system, copy.pass_id))
    field = {"key": "name", "value": "Ada", "label": "WHO"}
    place = [{"latitude": 1, "longitude": 1}]
    await copy.update(logoText="Mine", locations=place, fields=[field], voided=True)
    await poll(lambda: card.content["logoText"] == "Mine", "push of the update")
    updated = card.content
    await copy.reset(what)
    await poll(lambda: card.content != updated, "push of the reset")

    assert (updated["locations"], updated["voided"]) == (place, True)
    assert fields_of(updated)["name"] == field
    assert card.content == await copy.content()


# Delete pass attribute, custom field, field attribute


async def test_a_delete_says_nothing_but_200(model: Model):
    """R78 to R81: success is 200, of the type application/json, and without a body."""
    copy = await model.create(logoText="Mine")

    for path in ("attributes/logoText", "fields/name", "fields/name/attributes/value"):
        reply = await model.api.ask("DELETE", f"{copy.path}/{path}", Accept="application/json")
        assert (reply.status, reply.content) == (200, b"")
        assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "what",
    [
        "attributes/nonsense", "attributes/logotext", "attributes/images_logo", "attributes/hex",
        "fields/nobody", "fields/nobody/attributes/label", "fields/name/attributes/key",
        "fields/name/attributes/nonsense", "fields",
    ],
)  # fmt: skip
async def test_there_is_nothing_else_to_delete(model: Model, what: str):
    """R78, R80, R81: an attribute that no table has, or a field that the model lacks: 404."""
    copy = await model.create()

    await model.api.refused(404, "DELETE", f"{copy.path}/{what}")


async def test_a_deleted_field_is_the_models(model: Model):
    """R79: the default field data of the model is used, the field's and its attributes'."""
    own = {"value": "X", "label": "Y", "changeMessage": "%@!"}
    fields = [{"key": key, **own} for key in ("name", "level")]
    copy = await model.create(fields=fields)
    await copy.reset("fields/level")

    assert await copy.field("level") == {
        "key": "level", "label": "LEVEL", "value": "BRONZE", "changeMessage": "Now %@"
    }  # fmt: skip
    assert await copy.field("name") == {"key": "name", **own}


async def test_all_fields_are_reset_as_an_attribute(model: Model):
    """R78: fields is a lower-level key attribute too."""
    fields = [{"key": key, "value": "X"} for key in ("name", "level")]
    copy = await model.create(fields=fields)
    await copy.reset("attributes/fields")
    shown = fields_of(await copy.content())

    assert (shown["name"]["value"], shown["level"]["value"]) == ("Guest", "BRONZE")


@pytest.mark.parametrize("name", ["label", "value", "changeMessage"])
async def test_a_deleted_attribute_of_a_field_is_the_models(model: Model, name: str):
    """R81: only that attribute is the model's again."""
    own = {"key": "level", "value": "X", "label": "Y", "changeMessage": "%@!"}
    default = {"key": "level", "label": "LEVEL", "value": "BRONZE", "changeMessage": "Now %@"}
    copy = await model.create(fields=[own])
    await copy.reset(f"fields/level/attributes/{name}")

    assert await copy.field("level") == own | {name: default[name]}


# Get pkpass file


async def test_the_file_is_served_as_wallet_takes_it(system: System, model: Model):
    """R82, R84: the body is the pkpass file, of the type application/vnd.apple.pkpass."""
    copy = await model.create()
    reply = await model.api.ask("GET", copy.path, Accept=PASS_MEDIA, Content_Type=PASS_MEDIA)

    assert (reply.status, reply.headers["Content-Type"]) == (200, PASS_MEDIA)
    verify_signature(open_pass(reply.content).entries, system.root)


@pytest.mark.parametrize("accept", ["*/*", "application/*", f"text/html, {PASS_MEDIA};q=0.5", ""])
async def test_who_accepts_anything_gets_the_file(model: Model, accept: str):
    """R83: the file's type is what the request accepts."""
    copy = await model.create()

    assert (await model.api.ask("GET", copy.path, Accept=accept)).status == 200
