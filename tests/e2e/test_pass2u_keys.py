"""What a pass of Pass2U's API may say of itself, key by key: R15 to R61 of its reference.

The numbers count the statements of /work/shared's `pass2u-api-2.txt` from its beginning.
"""

from typing import Any, Final

import pytest

from tests.e2e.pass2u import (
    ATTRIBUTES,
    LATER_ATTRIBUTES,
    OTHER_ATTRIBUTES,
    Copy,
    Model,
    Pass2U,
    fields_of,
)
from tests.e2e.phones import link
from tests.e2e.test_journeys import get
from tests.system import System, poll
from tests.wallet.fleet import Fleet

UUID: Final = "22222222-2222-4222-8222-222222222222"
PLACE: Final = {"latitude": 25.0413093, "longitude": 121.55269329999999}
BESIDE: Final[dict[str, dict[str, Any]]] = {
    "beacons": {"proximityUUID": UUID},
    "locations": PLACE,
    "fields": {"key": "name"},
}
"""What an entry needs besides the key that a test is about."""


def placed(place: str, value: Any) -> dict[str, Any]:
    """The attributes that say a value at a place, such as `beacons[0].major`."""
    key, _, inner = place.partition(".")
    key, is_list = key.partition("[0]")[0], "[0]" in key
    entry = {**BESIDE.get(key, {}), inner: value} if inner else value
    return {key: [entry] if is_list else entry}


def seen(content: dict[str, Any], place: str) -> Any:
    """What a pass.json says at such a place."""
    key, _, inner = place.partition(".")
    key, is_list = key.partition("[0]")[0], "[0]" in key
    if key == "fields":
        return fields_of(content)["name"][inner]
    entry = content[key][0] if is_list else content[key]
    return entry[inner] if inner else entry


@pytest.fixture(scope="session")
async def changed(shop: Pass2U) -> Copy:
    """A pass with everything of its own, whose model was saved anew with all attributes others."""
    model = await shop.model()
    copy = await model.create(**OTHER_ATTRIBUTES)
    await model.save(**LATER_ATTRIBUTES)
    return copy


@pytest.fixture(scope="session")
async def ticket(shop: Pass2U) -> Model:
    return await shop.model("eventTicket")


# Top-level keys


async def test_what_is_not_given_is_the_models_also_later(shop: Pass2U):
    """R15: an attribute that is not specified is set by the model's."""
    model = await shop.model()
    copy = await model.create()
    before = await copy.content()
    await model.save(**LATER_ATTRIBUTES)
    after = await copy.content()

    assert {key: before[key] for key in ATTRIBUTES} == ATTRIBUTES
    assert {key: after[key] for key in ATTRIBUTES} == LATER_ATTRIBUTES


async def test_what_is_given_at_creation_is_customized(model: Model):
    """R16: a specified attribute is customized for the pass."""
    content = await (await model.create(**OTHER_ATTRIBUTES)).content()

    assert {key: content[key] for key in OTHER_ATTRIBUTES} == OTHER_ATTRIBUTES


async def test_what_an_update_gives_is_customized_and_the_rest_stays(model: Model):
    """R16: "Update pass" customizes too; what it leaves out stays as it was."""
    copy = await model.create(logoText="Mine", maxDistance=7)
    await copy.update(**OTHER_ATTRIBUTES | {"logoText": None})
    content = await copy.content()

    expected = OTHER_ATTRIBUTES | {"logoText": "Mine"}
    assert {key: content[key] for key in expected} == expected


async def test_what_equals_the_models_is_customized_all_the_same(shop: Pass2U):
    """R16: also a value that the model has too is the pass's own from then on."""
    model = await shop.model()
    created = await model.create(**ATTRIBUTES)
    updated = await model.create()
    await updated.update(**ATTRIBUTES)
    await model.save(**LATER_ATTRIBUTES)

    for copy in (created, updated):
        content = await copy.content()
        assert {key: content[key] for key in ATTRIBUTES} == ATTRIBUTES


async def test_brackets_are_plain_text(model: Model):
    """R16: a text is shown as it was given."""
    copy = await model.create(logoText="{description}")

    assert await copy.shown("logoText") == "{description}"


@pytest.mark.parametrize("key", OTHER_ATTRIBUTES)
async def test_a_deleted_attribute_is_the_models_of_today(changed: Copy, key: str):
    """R17: "Delete pass attribute" resets to the model's, also one that changed since."""
    before = await changed.shown(key)
    await changed.reset(f"attributes/{key}")

    assert (before, await changed.shown(key)) == (OTHER_ATTRIBUTES[key], LATER_ATTRIBUTES[key])


def texts(place: str, most: int) -> Any:
    """A text as long as it may be, and one that is longer."""
    return pytest.param(place, "x" * most, "x" * (most + 1), id=place)


def numbers(place: str, least: int, most: int) -> list[Any]:
    return [
        pytest.param(place, least, least - 1, id=f"{place}-least"),
        pytest.param(place, most, most + 1, id=f"{place}-most"),
    ]


EDGES: Final = [
    texts("description", 255),  # R18
    texts("organizationName", 100),  # R19
    *numbers("associatedStoreIdentifiers[0]", 0, 99_999_999_999),  # R21
    pytest.param("appLaunchURL", "app://" + "x" * 249, "app://" + "x" * 250, id="appLaunchURL"),
    pytest.param(
        "expirationDate", "2039-06-01T12:00:00.0000+02:00", "2039-06-01T12:00:00.00000+02:00"
    ),
    pytest.param(
        "relevantDate", "2039-06-01T12:00:00.0000+02:00", "2039-06-01T12:00:00.00000+02:00"
    ),
    pytest.param("maxDistance", 0, -1, id="maxDistance"),  # R27
    pytest.param("backgroundColor", "rgb(255, 255, 255)", "rgb(255, 255,  255)"),  # R29
    pytest.param("labelColor", "rgb(255, 255, 255)", "rgb(255, 255,  255)"),  # R32
    pytest.param(
        "foregroundColor", f"rgb(255, {' ' * 12}255, 255)", f"rgb(255, {' ' * 13}255, 255)"
    ),
    texts("logoText", 35),  # R33
    *numbers("beacons[0].major", 0, 65535),  # R40
    *numbers("beacons[0].minor", 0, 65535),  # R41
    pytest.param("beacons[0].proximityUUID", UUID, UUID + "2"),  # R42
    texts("beacons[0].relevantText", 255),  # R43
    *numbers("locations[0].latitude", -90, 90),  # R45
    *numbers("locations[0].longitude", -180, 180),
    texts("locations[0].relevantText", 255),  # R46
    texts("fields[0].label", 150),  # R58
    texts("fields[0].value", 5000),  # R59
    pytest.param("fields[0].value", "名" * 5000, "名" * 5001, id="fields[0].value-chinese"),
    pytest.param("fields[0].changeMessage", "%@" + "x" * 78, "%@" + "x" * 79),  # R60
]
"""R18 to R60: place, the last value that fits, and one that does not."""


@pytest.mark.parametrize(("place", "fits", "beyond"), EDGES)
async def test_a_key_takes_what_its_table_says_and_no_more(
    model: Model, place: str, fits: Any, beyond: Any
):
    """R18 to R60: type and length of a key are limits; the error names the key."""
    copy = await model.create(**placed(place, fits))
    shown = seen(await copy.content(), place)
    messages = (
        await model.refused(400, **placed(place, beyond)),
        await copy.refused(400, **placed(place, beyond)),
    )

    assert as_number(shown) == as_number(fits)
    assert all(message.startswith(f"{place}: ") for message in messages), messages


def as_number(value: Any) -> Any:
    """Without what may be written in more than one way: spaces in colours, a second's zeros."""
    return value.replace(" ", "").replace(".0000", "") if isinstance(value, str) else value


WRONG: Final[list[tuple[str, Any]]] = [
    *(
        (key, value)
        for key in (
            "description", "organizationName", "appLaunchURL", "androidAppLaunchURL",
            "backgroundColor", "foregroundColor", "labelColor", "logoText", "groupingIdentifier",
            "expirationDate", "relevantDate",
        )
        for value in (5, ["x"])
    ),
    ("associatedStoreIdentifiers", 1), ("associatedStoreIdentifiers[0]", "1"),
    ("associatedStoreIdentifiers[0]", 1.5), ("associatedPlayIdentifiers", "x"),
    ("associatedPlayIdentifiers[0]", 5), ("voided", "true"), ("voided", 1), ("maxDistance", "5"),
    ("backgroundColor", "nonsense"), ("foregroundColor", "rgb(1, 2)"),
    ("labelColor", "rgb(1,2,256)"),
    ("appLaunchURL", "no address"), ("beacons", {}), ("beacons[0].major", "1"),
    ("beacons[0].major", 1.5), ("beacons[0].proximityUUID", 5), ("beacons[0].relevantText", 5),
    ("locations", "here"), ("locations[0].latitude", "1"), ("locations[0].altitude", "1"),
    ("locations[0].longitude", None), ("images", "logo"), ("images[0]", "logo"),
    ("barcode", "1234"), ("barcode.message", 1234), ("barcode.altText", 5),
    ("fields", {"name": "x"}), ("fields[0]", "name"), ("fields[0].key", 5), ("fields[0].key", ""),
    ("fields[0].label", 5), ("fields[0].value", True), ("fields[0].value", ["x"]),
    ("fields[0].changeMessage", 5), ("logoText", "\0"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), WRONG)
async def test_a_wrong_type_is_refused_by_name(model: Model, place: str, value: Any):
    """R18 to R60: what is of another type than the table says is a Bad Request."""
    assert place in await model.refused(400, **placed(place, value))


@pytest.mark.parametrize("key", ["associatedStoreIdentifiers", "associatedPlayIdentifiers"])
async def test_only_one_app_is_associated(model: Model, key: str):
    """R21, R23: only one item is allowed."""
    item: Any = 1 if key == "associatedStoreIdentifiers" else "com.example"

    await model.create(**{key: [item]})
    await model.create(**{key: []})

    assert await model.refused(400, **{key: [item, item]}) == (
        f"{key}: List should have at most 1 item after validation, not 2"
    )


async def test_keys_of_android_are_kept(shop: Pass2U, model: Model):
    """R23, R24: associatedPlayIdentifiers and androidAppLaunchURL belong to the pass."""
    given = {"associatedPlayIdentifiers": ["x" * 255], "androidAppLaunchURL": "a://" + "x" * 251}
    copy = await model.create(**given)
    kept = (await get(shop.http, f"/v1/passes/{copy.pass_id}"))["values"]
    await copy.reset("attributes/androidAppLaunchURL")
    left = (await get(shop.http, f"/v1/passes/{copy.pass_id}"))["values"]

    assert {key: kept[key] for key in given} == given
    assert "androidAppLaunchURL" not in left
    assert "associatedPlayIdentifiers[0]" in await model.refused(
        400, associatedPlayIdentifiers=["x" * 256]
    )
    assert "androidAppLaunchURL" in await model.refused(400, androidAppLaunchURL="x" * 256)


@pytest.mark.parametrize("key", ["expirationDate", "relevantDate"])
@pytest.mark.parametrize(
    "date",
    [
        "2018-10-18T16:53:00", "2018-10-18T16:53+08:00", "2018-10-18", "2018-13-18T16:53:00+08:00",
        "2018-10-18T16:53:00+0800", "2018-10-18 16:53:00+08:00", "tomorrow", "", "1539853980",
    ],
)  # fmt: skip
async def test_a_date_is_complete(model: Model, key: str, date: str):
    """R25, R28: a complete date with hours, minutes, seconds and time zone is needed."""
    assert (await model.refused(400, **{key: date})).startswith(f"{key}: A complete date")


@pytest.mark.parametrize(
    "date", ["2039-10-18T16:53:00+08:00", "2039-10-18T16:53:00Z", "2039-10-18T16:53:00.5-03:30"]
)
async def test_an_expiration_date_comes_back_as_it_was_given(model: Model, date: str):
    """R25: a date in ISO 8601 with its zone, and nothing else is made of it."""
    copy = await model.create(expirationDate=date)

    assert copy.answer["expirationDate"] == date
    assert (await copy.update(expirationDate=date))["expirationDate"] == date


async def test_voided_is_false_unless_given(model: Model):
    """R26: a pass is not void by default; voided voids it, and false makes it valid again."""
    copy, void = await model.create(), await model.create(voided=True)
    states = [await copy.shown("voided"), await void.shown("voided")]
    await copy.update(voided=True)
    await void.update(voided=False)
    states += [await copy.shown("voided"), await void.shown("voided")]
    await copy.update(logoText="x")
    states.append(await copy.shown("voided"))
    await copy.reset("attributes/voided")

    assert [bool(state) for state in states] == [False, True, True, False, True]
    assert not await copy.shown("voided")


@pytest.mark.parametrize("style", ["eventTicket", "boardingPass"])
async def test_tickets_and_boarding_passes_are_grouped(shop: Pass2U, style: str):
    """R31: groupingIdentifier, of 50 characters at most, is for tickets and boarding passes."""
    model = await shop.model(style, groupingIdentifier="model")
    copy = await model.create(groupingIdentifier="x" * 50)
    shown = await copy.shown("groupingIdentifier")
    await copy.reset("attributes/groupingIdentifier")

    assert (shown, await copy.shown("groupingIdentifier")) == ("x" * 50, "model")
    assert "groupingIdentifier" in await model.refused(400, groupingIdentifier="x" * 51)


@pytest.mark.parametrize("style", ["generic", "coupon", "storeCard"])
async def test_other_styles_are_not_grouped(shop: Pass2U, style: str):
    """R31: otherwise groupingIdentifier is not allowed."""
    model = await shop.model(style)

    assert "groupingIdentifier" in await model.refused(400, groupingIdentifier="x")


async def test_without_a_label_colour_there_is_none(shop: Pass2U):
    """R32: if labelColor is omitted, the colour is determined automatically, by the wallet."""
    model = await shop.model(labelColor=None)
    copy = await model.create()

    assert await copy.shown("labelColor") is None


@pytest.mark.parametrize("key", ["logoText", "appLaunchURL"])
async def test_an_empty_attribute_is_a_value(model: Model, key: str):
    """R16: an empty text is a value too, not the model's."""
    copy = await model.create(**{key: ""})

    assert not await copy.shown(key)


async def test_an_unknown_attribute_is_ignored_and_named(model: Model):
    """R18 to R60: what is in no table changes nothing, and the answer says so."""
    copy = await model.create(
        logotext="x",
        barcode={"message": "1", "text": "x"},
        locations=[PLACE, PLACE | {"colour": "red"}],
        fields=[{"key": "name", "valeu": "x"}],
    )

    assert copy.answer["warnings"] == [
        f"{place}: unknown, ignored"
        for place in ("logotext", "locations[1].colour", "barcode.text", "fields[0].valeu")
    ]
    assert list(copy.answer)[-1] == "warnings"
    assert await copy.shown("locations") == [PLACE, PLACE]
    assert await copy.shown("logoText") == ATTRIBUTES["logoText"]


# Beacons and locations


@pytest.mark.parametrize("key", ["beacons", "locations"])
async def test_there_are_ten_places_at_most(model: Model, key: str):
    """R39, R44: up to 10 beacons and 10 locations a pass, taken as a whole."""
    copy = await model.create(**{key: [BESIDE[key]] * 10})
    ten = await copy.shown(key)
    await copy.update(**{key: [BESIDE[key]]})

    assert ten == [BESIDE[key]] * 10
    assert await copy.shown(key) == [BESIDE[key]]
    assert key in await model.refused(400, **{key: [BESIDE[key]] * 11})


async def test_no_places_are_a_value(model: Model):
    """R39, R44: an empty list is not the model's."""
    copy = await model.create(beacons=[], locations=[])

    assert (await copy.shown("beacons") or [], await copy.shown("locations") or []) == ([], [])


async def test_minor_may_be_written_as_the_guide_does(model: Model):
    """R41: minjor is minor."""
    copy = await model.create(beacons=[{"proximityUUID": UUID, "major": 1, "minjor": 65535}])

    assert await copy.shown("beacons") == [{"proximityUUID": UUID, "major": 1, "minor": 65535}]
    assert "minjor" in await model.refused(400, **placed("beacons[0].minjor", 65536))


@pytest.mark.parametrize(
    ("key", "needed"),
    [("beacons", "proximityUUID"), ("locations", "latitude"), ("locations", "longitude")],
)
async def test_a_place_without_its_name_is_refused(model: Model, key: str, needed: str):
    """R42, R45: Wallet needs the UUID of a beacon, and where a location is."""
    entry = {name: value for name, value in BESIDE[key].items() if name != needed}

    assert f"{key}[0].{needed}" in await model.refused(400, **{key: [entry]})


# The barcode


@pytest.mark.parametrize("shape", [dict[str, Any], list[Any]])
async def test_a_barcode_is_an_object_or_a_list(model: Model, shape: type[Any]):
    """R47: the table says an array, the example an object: both are taken."""
    barcode = {"message": "4711", "altText": "47-11"}
    copy = await model.create(barcode=[barcode] if shape == list[Any] else barcode)
    content = await copy.content()

    assert copy.answer["barcodeMessage"] == "4711"
    assert (content["barcode"]["message"], content["barcode"]["altText"]) == ("4711", "47-11")
    assert content["barcodes"][0]["message"] == "4711"


async def test_text_below_the_barcode_changes_and_is_reset(model: Model):
    """R48: altText has 35 characters at most; without one it is the model's."""
    copy = await model.create(barcode={"message": "1", "altText": "x" * 35})
    given = await copy.shown("barcode")
    await copy.update(barcode={"message": "1", "altText": ""})
    empty = await copy.shown("barcode")
    await copy.reset("attributes/barcode")
    reset = await copy.shown("barcode")

    assert (given["altText"], empty.get("altText", ""), reset["altText"]) == (
        "x" * 35,
        "",
        "Model's",
    )
    assert [barcode["message"] for barcode in (given, empty, reset)] == ["1"] * 3
    long = {"message": "1", "altText": "x" * 36}
    assert "barcode.altText" in await copy.refused(400, barcode=long)
    assert "barcode[0].altText" in await copy.refused(400, barcode=[long])


async def test_a_message_has_as_many_characters_as_a_code_can_hold(model: Model):
    """R49: message has 7089 characters at most."""
    copy = await model.create(barcode={"message": "7" * 7089})

    assert (await copy.shown("barcode"))["message"] == "7" * 7089
    assert "barcode.message" in await model.refused(400, barcode={"message": "7" * 7090})


@pytest.mark.parametrize("policy", ["data", "unique", "random"])
async def test_a_message_never_changes(shop: Pass2U, policy: str):
    """R50: a message cannot be changed; the same again is fine."""
    copy = await (await shop.model(policy=policy)).create()
    message = copy.answer["barcodeMessage"]

    again = await copy.update(barcode={"message": message, "altText": "new"})
    refused = await copy.refused(409, barcode={"message": message + "0"})
    await copy.refused(409, barcode={"message": ""})

    assert refused
    assert again["barcodeMessage"] == message
    barcode = await copy.shown("barcode")
    assert (barcode["message"], barcode["altText"]) == (message, "new")


# Fields


async def test_only_dynamic_fields_take_values(model: Model):
    """R4, R5, R51: a fixed field shows the same on all passes; who gives it one is told."""
    fields = [{"key": "city", "value": "Rome"}, {"key": "name", "value": "Ada"}]
    copy = await model.create(fields=fields)
    told = await copy.update(fields=[{"key": "city", "label": "TOWN"}])

    assert copy.answer["warnings"] == ["fields.city: fixed by the model, ignored"]
    assert told["warnings"] == copy.answer["warnings"]
    assert (await copy.field("city"))["value"] == "Taipei"
    assert (await copy.field("city"))["label"] == "CITY"
    assert (await copy.field("name"))["value"] == "Ada"


async def test_a_field_that_the_model_lacks_is_ignored_and_named(model: Model):
    """R51: fields are those that the model configures."""
    copy = await model.create(fields=[{"key": "nobody", "value": "x"}])

    assert copy.answer["warnings"] == ["fields.nobody: unknown, ignored"]
    assert "nobody" not in fields_of(await copy.content())


@pytest.mark.parametrize("key", ["points", "credits"])
async def test_what_counts_is_not_set(model: Model, key: str):
    """R6: "Points" and "Credits" fields cannot be used."""
    copy = await model.create()

    assert key in await model.refused(400, fields=[{"key": key, "value": 100}])
    assert key in await copy.refused(400, fields=[{"key": key, "value": 100}])
    for path in (f"{copy.path}/fields/{key}", f"{copy.path}/fields/{key}/attributes/value"):
        assert key in await model.api.refused(400, "DELETE", path)
    assert (await copy.field(key))["value"] in (5, 7)


async def test_what_a_field_is_not_given_is_the_models(model: Model):
    """R52, R53: fields and their attributes that are not given are the model's."""
    copy = await model.create(fields=[{"key": "level", "value": "GOLD"}])

    assert (await copy.field("name"))["value"] == "Guest"
    assert await copy.field("level") == {
        "key": "level", "label": "LEVEL", "value": "GOLD", "changeMessage": "Now %@"
    }  # fmt: skip


async def test_data_of_a_field_is_kept_when_the_model_changes(shop: Pass2U):
    """R54, R55: given data stays whatever the model does, until "Delete custom field"."""
    model = await shop.model()
    copy = await model.create(fields=[{"key": "name", "value": "Guest"}])
    await model.save(generic=generic("Visitor", "VISITOR"))
    kept = await copy.field("name")
    await copy.reset("fields/name")
    reset = await copy.field("name")

    assert (kept["value"], kept["label"]) == ("Guest", "VISITOR")
    assert (reset["value"], reset["label"]) == ("Visitor", "VISITOR")


async def test_data_of_a_field_is_kept_wherever_the_model_shows_it(shop: Pass2U):
    """R54, R57: the key is what identifies a field, not its place in the design."""
    model = await shop.model()
    own = {"key": "level", "value": "{name}", "label": "RANK", "changeMessage": "%@!"}
    copy = await model.create(fields=[own])
    dynamic = {"value": "Model's", "dynamic": True}
    moved = {"key": "level", "label": "LEVEL", "value": dynamic}
    await model.save(generic={"headerFields": [moved]})
    kept = await copy.field("level")
    await copy.update(fields=[{"key": "level", "label": "TIER"}])
    await model.save(generic={"backFields": [moved]})
    changed = await copy.field("level")
    await copy.reset("fields/level")
    reset = await copy.field("level")

    assert (kept, changed) == (own, own | {"label": "TIER"})
    assert reset == {"key": "level", "label": "LEVEL", "value": "Model's"}


def generic(value: str, label: str) -> dict[str, Any]:
    """The part of a model with one dynamic field, as it is saved anew."""
    name = {"key": "name", "label": label, "value": {"value": value, "dynamic": True}}
    return {"primaryFields": [name]}


async def test_an_empty_text_is_a_value(model: Model):
    """R56: an empty value given to an attribute of a field is its value."""
    empty = {"key": "level", "label": "", "value": "", "changeMessage": ""}
    copy = await model.create(fields=[empty])

    shown = await copy.field("level")

    assert (shown["value"], shown.get("label", ""), shown.get("changeMessage", "")) == ("", "", "")


async def test_the_key_of_a_field_has_up_to_100_characters(model: Model):
    """R57: key is the field's unique identifier in the model, of 100 characters at most."""
    copy = await model.create(fields=[{"key": "k" * 100, "value": "x"}])

    assert (await copy.field("k" * 100))["value"] == "x"
    assert "warnings" not in copy.answer
    assert "fields[0].key" in await model.refused(400, fields=[{"key": "k" * 101, "value": "x"}])
    twice = [{"key": "name", "value": "1"}, {"key": "name", "value": "2"}]
    assert "fields[1].key" in await model.refused(400, fields=twice)
    assert "fields[0].key" in await model.refused(400, fields=[{"value": "x"}])


@pytest.mark.parametrize("value", ["text", "2018-10-18T16:53:00+08:00", 7, 7.25, -1, 0])
async def test_a_value_is_a_text_a_date_or_a_number(model: Model, value: Any):
    """R59: a value is a string, an ISO 8601 date as a string, or a number."""
    copy = await model.create(fields=[{"key": "since", "value": value}])

    shown = (await copy.field("since"))["value"]

    assert (shown, type(shown)) == (value, type(value))


async def test_a_change_message_contains_the_new_value(model: Model):
    """R60: changeMessage must contain the escape %@."""
    wrong = [{"key": "name", "changeMessage": "Changed"}]

    assert "fields[0].changeMessage: It must contain %@" in await model.refused(400, fields=wrong)


async def test_what_changes_is_told_on_the_lock_screen(system: System, fleet: Fleet, model: Model):
    """R60, R61: with a change message the phone shows the change; without one it is silent."""
    [phone] = fleet.add()
    copy = await model.create()
    card = await phone.install(link(system, copy.pass_id))

    said = {"key": "since", "value": "2020", "changeMessage": "Get changed to %@"}
    await copy.update(fields=[said, {"key": "name", "value": "Ada"}])
    await poll(lambda: fields_of(card.content)["since"]["value"] == "2020", "push of the change")

    assert fields_of(card.content)["since"]["changeMessage"] == "Get changed to %@"
    assert "changeMessage" not in fields_of(card.content)["name"]
