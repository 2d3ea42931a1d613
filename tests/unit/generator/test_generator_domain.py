from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha1
from typing import Any
from uuid import UUID

import orjson

from services.generator.clients import PressRoom
from services.generator.domain import (
    NO_IMAGES,
    Earlier,
    Plate,
    Seal,
    Sheet,
    lay_over,
    press,
    put_back,
)
from shared.contracts.gateway import ImageReference
from shared.contracts.triggers import Pass
from shared.passes.development import DevelopmentAuthority
from shared.passes.document import TemplateDocument
from shared.passes.state import IssuerFacts
from shared.passes.template import compile_template
from shared.passes.tokens import PassTokens

MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
NEWER, OLDER = (bytes([number]) * 32 for number in (2, 1))
TOKENS = PassTokens([NEWER, OLDER])


@cache
def authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create(MOMENT)


@cache
def a_seal(revision: int = 1) -> Seal:
    identity = authority().issue("pass.com.example", "TEAM123456", "Example", MOMENT)
    return Seal(identity, revision)


def a_plate(revision: int = 1, identity_revision: int = 1) -> Plate:
    document = TemplateDocument.model_validate(
        {"pass": {"generic": {"headerFields": [{"key": "points", "value": 0}]}}}
    )
    return Plate(
        template_id=UUID(int=10),
        revision=revision,
        compiled=compile_template(document, name="Card", organization="Beans"),
        images={},
        files={},
        file_digests={},
        digests={"icon.png": "ab" * 20},
        facts=IssuerFacts("pass.com.example", "TEAM123456", "Beans", "https://p.example/wallet"),
        seal=a_seal(identity_revision),
        tokens=TOKENS,
    )


def a_pass(points: int = 1, **rest: Any) -> Pass:
    return Pass(
        handle="handle0",
        account_id=UUID(int=1),
        template_id=UUID(int=10),
        serial_number="serial0",
        version=1,
        values={"structure_headerFields_points_value": points},
        created_at=MOMENT,
        updated_at=MOMENT,
        **rest,
    )


def pressed(sheet: Sheet) -> Earlier:
    return Earlier(1, sheet.manifest, 1, 1, 1, is_deleted=False)


def test_first_pressing_makes_every_part():
    sheet = press(a_plate(), a_pass(), None, MOMENT)

    assert sheet.pass_json is not None
    assert sheet.signature_value is not None
    assert set(orjson.loads(sheet.manifest)) == {"icon.png", "pass.json"}


def test_same_bytes_are_not_signed_again():
    first = press(a_plate(), a_pass(), None, MOMENT)

    again = press(a_plate(2), a_pass(), pressed(first), MOMENT)

    assert again == Sheet(first.manifest, None, None)


def test_same_bytes_are_signed_again_by_a_renewed_identity():
    first = press(a_plate(), a_pass(), None, MOMENT)

    again = press(a_plate(identity_revision=2), a_pass(), pressed(first), MOMENT)

    assert (again.manifest, again.pass_json) == (first.manifest, None)
    assert again.signature_value is not None


def test_voided_pass_has_other_bytes():
    first = press(a_plate(), a_pass(), None, MOMENT)

    voided = press(a_plate(), a_pass(voided=True), pressed(first), MOMENT)

    assert voided.manifest != first.manifest
    assert orjson.loads(voided.pass_json or b"{}")["voided"] is True


def test_other_images_are_other_bytes():
    plate = a_plate()
    first = press(plate, a_pass(), None, MOMENT)

    other = replace(plate, digests={"icon.png": "cd" * 20})
    again = press(other, a_pass(), pressed(first), MOMENT)

    assert again.manifest != first.manifest


async def test_press_room_keeps_the_order():
    room = PressRoom(2)
    plate = a_plate()

    sheets = await room.press([(plate, a_pass(n), None, NO_IMAGES) for n in range(30)], MOMENT)
    nothing = await room.press([], MOMENT)
    await room.close()

    assert nothing == []
    assert [
        orjson.loads(sheet.pass_json or b"")["generic"]["headerFields"][0]["value"]
        for sheet in sheets
    ] == list(range(30))


def test_the_token_on_a_pass_is_that_of_its_own_secret_for_life():
    newer, older = (PassTokens([secret]) for secret in (NEWER, OLDER))

    for key, tokens in ((TOKENS.newest_id, newer), (older.newest_id, older), (None, older)):
        sheet = press(a_plate(), a_pass(token_key=key), None, MOMENT)
        token = tokens.issue(sheet.token_key, "pass.com.example", "serial0")
        whole = put_back(sheet.pass_json or b"", token, sheet.token_at or 0)
        written = orjson.loads(whole)
        assert written["authenticationToken"] == token
        assert written["webServiceURL"] == "https://p.example/wallet"
        assert orjson.loads(sheet.manifest)["pass.json"] == sha1(whole).hexdigest()
        assert token.encode() not in (sheet.pass_json or b"")


def an_image(letter: str) -> ImageReference:
    return ImageReference(sha256=letter * 64, sha1=letter * 40, crc32=1, size=2)


def test_own_images_lie_over_the_template_s_and_end_the_plain_icon():
    files = {name: an_image("a") for name in ("icon.png", "icon@2x.png", "logo.png", "strip.png")}
    plain = replace(a_plate(), images=files, plain_icon=frozenset({"icon.png", "icon@2x.png"}))

    own = lay_over(plain, {"logo.png": an_image("b"), "icon.png": an_image("c")})

    assert {name: image.sha1[0] for name, image in own.items()} == {
        "icon.png": "c",
        "logo.png": "b",
        "strip.png": "a",
    }
    assert lay_over(plain, NO_IMAGES) == files


def test_own_images_are_in_the_manifest():
    plate = replace(a_plate(), images={"icon.png": an_image("a")})

    sheet = press(plate, a_pass(), None, MOMENT, {"logo.png": an_image("b")})

    manifest = orjson.loads(sheet.manifest)
    assert (manifest["icon.png"], manifest["logo.png"]) == ("a" * 40, "b" * 40)


def test_own_images_are_so_in_every_language_and_strings_stay_beside_them():
    names = ("logo.png", "de.lproj/logo.png", "de.lproj/strip.png")
    strings = {"de.lproj/pass.strings": "d" * 40}
    images = {name: an_image("a") for name in names}
    plate = replace(a_plate(), images=images, file_digests=strings)

    sheet = press(plate, a_pass(), None, MOMENT, {"logo.png": an_image("b")})

    manifest = orjson.loads(sheet.manifest)
    assert manifest.keys() - {"pass.json"} == {"logo.png", "de.lproj/strip.png", *strings}
    assert manifest["logo.png"] == "b" * 40
