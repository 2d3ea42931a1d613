"""Passes at Google Wallet: composed when somebody wants them there, told when they differ."""

import asyncio

from services.generator.domain import ContentGoneError
from shared.contracts.generator import GooglePass
from shared.errors import NotFoundError, NotReadyError
from tests.google_schema import validate
from tests.integration.generator.generating import (
    HANDLE,
    OTHER_ACCOUNT,
    POINTS,
    Generator,
    a_pass,
    good,
    template_saved,
)

MEMBER = {"name": "Ada", "email": None, "points": 3, "tier": "Gold", "external_id": None}


def shown(google_pass: GooglePass) -> str:
    """All that the object says, as one text."""
    return str(google_pass.object_document.body)


async def wanted(generator: Generator, **rest: object) -> GooglePass:
    found = good((await generator.want_at_google(HANDLE, **rest))[0])  # type: ignore[arg-type]
    assert isinstance(found, GooglePass)
    return found


async def test_what_google_is_to_have_of_a_pass_is_what_google_takes(generator: Generator):
    await generator.build([a_pass(member=MEMBER, member_id="ada")])

    found = await wanted(generator)

    assert found.class_document is not None
    validate(found.class_document.type, "class", found.class_document.body)
    validate(found.object_document.type, "object", found.object_document.body)
    assert found.object_document.body["classId"] == found.class_id == found.class_document.id
    assert found.object_document.id.startswith("33.p_")
    assert HANDLE not in found.model_dump_json(include={"class_document", "object_document"})
    assert (found.member_id, "Ada" in shown(found)) == ("ada", True)


async def test_a_pass_that_nobody_wants_at_google_is_not_composed_for_it(generator: Generator):
    await generator.build([a_pass()], [a_pass(2)])

    assert generator.google_built == []


async def test_a_pass_that_is_wanted_at_google_is_told_whenever_it_differs(generator: Generator):
    await generator.build([a_pass()])
    first = await wanted(generator)

    await generator.build([a_pass(2, {POINTS: 1, "hidden": 7})])
    same = list(generator.google_built)
    await generator.build([a_pass(3, {POINTS: 41})])
    [other] = generator.google_built
    await generator.build([a_pass(4, {POINTS: 41}, voided=True)])
    [void] = generator.google_built

    assert same == []
    assert (other.version, "41" in shown(other)) == (3, True)
    assert other.class_document is None
    assert other.object_document.id == first.object_document.id
    assert void.object_document.body["state"] == "INACTIVE"


async def test_another_class_goes_along_with_a_pass_that_differs(generator: Generator):
    await generator.build([a_pass()])
    await wanted(generator)
    await generator.keep(template_saved(2, description="Tea card"))

    await generator.build([a_pass(2, template_revision=2)])

    [told] = generator.google_built
    assert told.class_document is not None
    assert "Tea card" in str(told.class_document.body)


async def test_a_version_that_has_not_arrived_is_waited_for(generator: Generator):
    early = await generator.want_at_google(HANDLE)
    await generator.build([a_pass()])

    later = await generator.want_at_google(HANDLE, version=2)

    assert [type(one) for one in (*early, *later)] == [NotReadyError, NotReadyError]
    await generator.build([a_pass(2)])
    assert generator.google_built == []  # nobody got it: it is not followed


async def test_other_accounts_and_deleted_passes_get_nothing(generator: Generator):
    await generator.build([a_pass()])

    foreign = await generator.want_at_google(HANDLE, account_id=OTHER_ACCOUNT)
    await generator.delete()
    gone = await generator.want_at_google(HANDLE)

    assert [type(one) for one in (*foreign, *gone)] == [NotFoundError, ContentGoneError]


async def test_many_who_want_a_pass_at_once_get_the_same(generator: Generator):
    await generator.build([a_pass()])
    others = [Generator(generator.database) for _ in range(6)]

    found = await asyncio.gather(*(other.want_at_google(HANDLE) for other in others))

    assert len({good(one).model_dump_json() for [one] in found}) == 1


async def test_fields_that_announce_their_change_are_watched(generator: Generator):
    points = {"key": "points", "label": "Points", "value": 0, "changeMessage": "Now %@ points"}
    quiet = {"key": "note", "label": "Note", "value": "x", "changeMessage": "No placeholder"}
    template = template_saved(2)
    fields = {"headerFields": [points], "backFields": [quiet]}
    document = {**template.document, "pass": {"description": "Card", "storeCard": fields}}
    await generator.keep(template.model_copy(update={"document": document}))
    await generator.build([a_pass(values={POINTS: 5})])

    found = await wanted(generator)

    assert found.watched == {"points": ("5", "Now %@ points")}
