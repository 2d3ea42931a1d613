from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha1
from typing import Any
from uuid import UUID

import orjson

from services.generator.clients import RenderPool
from services.generator.renderers.apple import (
    NO_IMAGES,
    ComposedWith,
    Earlier,
    IdentitySigner,
    OwnImages,
    RenderedPass,
    RenderJob,
    TemplateBundle,
    lay_over,
    put_back,
)
from services.generator.renderers.blanks import Blank
from shared.contracts.gateway import ImageReference
from shared.contracts.triggers import Pass
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.pass_json import AppleIssuer
from shared.passes.apple.tokens import PassTokens
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument

MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
NEWER, OLDER = (bytes([number]) * 32 for number in (2, 1))
TOKENS = PassTokens([NEWER, OLDER])


@cache
def authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create(MOMENT)


@cache
def a_signer(revision: int = 1) -> IdentitySigner:
    identity = authority().issue("pass.com.example", "TEAM123456", "Example", MOMENT)
    return IdentitySigner(identity, revision)


def a_bundle(revision: int = 1, identity_revision: int = 1) -> TemplateBundle:
    document = TemplateDocument.model_validate(
        {"pass": {"generic": {"headerFields": [{"key": "points", "value": 0}]}}}
    )
    return TemplateBundle(
        template_id=UUID(int=10),
        revision=revision,
        document=document,
        compiled=compile_template(document, name="Card", organization="Beans"),
        images={},
        files={},
        file_digests={},
        digests={"icon.png": "ab" * 20},
        issuer=AppleIssuer("pass.com.example", "TEAM123456", "https://p.example/wallet"),
        identity=a_signer(identity_revision),
        tokens=TOKENS,
    )


def a_pass(points: int = 1, *, version: int = 1, **rest: Any) -> Pass:
    return Pass(
        handle="handle0",
        account_id=UUID(int=1),
        template_id=UUID(int=10),
        serial_number="serial0",
        version=version,
        values={"structure_headerFields_points_value": points},
        created_at=MOMENT,
        updated_at=MOMENT,
        **rest,
    )


def render(
    bundle: TemplateBundle,
    pass_: Pass,
    earlier: Earlier | None = None,
    own: OwnImages = NO_IMAGES,
    *,
    sign: bool = True,
) -> RenderedPass:
    return RenderJob(bundle, pass_, earlier, own, sign).render(MOMENT)


def there(rendered: RenderedPass, *, version: int = 1, is_signed: bool = True) -> Earlier:
    """A stored content."""
    made_with = ComposedWith(1, 1, 0)
    return Earlier(version, rendered.manifest_digest, made_with, 1, is_signed, rendered.token_key)


def test_first_rendering_makes_every_part():
    rendered = render(a_bundle(), a_pass())

    assert rendered.pass_json is not None
    assert rendered.signature_value is not None
    assert set(orjson.loads(rendered.manifest or b"")) == {"icon.png", "pass.json"}


def test_same_bytes_are_not_signed_again():
    first = render(a_bundle(), a_pass())

    again = render(a_bundle(2), a_pass(), there(first))

    assert again == RenderedPass(first.manifest_digest)


def test_same_bytes_are_signed_again_by_a_renewed_identity():
    first = render(a_bundle(), a_pass())

    again = render(a_bundle(identity_revision=2), a_pass(), there(first))

    assert (again.manifest_digest, again.pass_json) == (first.manifest_digest, None)
    assert again.signature_value is not None


def test_nothing_is_signed_that_nobody_gets():
    first = render(a_bundle(), a_pass(), sign=False)

    assert first.pass_json is not None
    assert first.signature_value is None


def test_what_is_composed_is_only_signed():
    first = render(a_bundle(), a_pass(), sign=False)

    again = render(a_bundle(), a_pass(), there(first, is_signed=False))

    assert (again.manifest_digest, again.pass_json) == (first.manifest_digest, None)
    assert again.signature_value is not None


def test_voided_pass_has_other_bytes():
    first = render(a_bundle(), a_pass())

    voided = render(a_bundle(), a_pass(version=2, voided=True), there(first))

    assert voided.manifest_digest != first.manifest_digest
    assert orjson.loads(voided.pass_json or b"{}")["voided"] is True


def test_other_images_are_other_bytes():
    bundle = a_bundle()
    first = render(bundle, a_pass())

    other = replace(bundle, digests={"icon.png": "cd" * 20})
    again = render(other, a_pass(version=2), there(first))

    assert again.manifest_digest != first.manifest_digest


def test_a_packed_pass_is_the_same_to_the_byte_and_hardly_a_tenth_of_it():
    bundle = a_bundle()
    rendered = render(bundle, a_pass())
    files = [rendered.pass_json or b"", rendered.manifest or b""]

    packed = bundle.blank.pack(*files)

    assert bundle.blank.unpack(packed) == files
    assert len(packed) < len(b"".join(files)) / 3


def test_a_pass_longer_than_what_deflate_looks_back_is_packed_too():
    long = b'{"long":"%s"}' % b"".join(b"%d " % number for number in range(20_000))

    blank = Blank.of(long, b"{}")

    assert blank.unpack(blank.pack(long, b"{}")) == [long, b"{}"]


def test_the_blank_of_a_template_is_the_same_in_every_process():
    assert a_bundle().blank == a_bundle().blank
    assert b"serial0" not in a_bundle().blank.files


async def test_render_pool_keeps_the_order():
    pool = RenderPool(2)
    bundle = a_bundle()

    all_rendered = await pool.render(
        [RenderJob(bundle, a_pass(n), None, NO_IMAGES, sign=True) for n in range(30)], MOMENT
    )
    nothing = await pool.render([], MOMENT)
    await pool.close()

    assert nothing == []
    assert [
        orjson.loads(rendered.pass_json or b"")["generic"]["headerFields"][0]["value"]
        for rendered in all_rendered
    ] == list(range(30))


def test_the_token_on_a_pass_is_that_of_its_own_secret_for_life():
    newer, older = (PassTokens([secret]) for secret in (NEWER, OLDER))

    for key, tokens in ((TOKENS.newest_id, newer), (older.newest_id, older), (None, older)):
        rendered = render(a_bundle(), a_pass(token_key=key))
        token = tokens.issue(rendered.token_key, "pass.com.example", "serial0")
        whole = put_back(rendered.pass_json or b"", token, rendered.token_at or 0)
        written = orjson.loads(whole)
        assert written["authenticationToken"] == token
        assert written["webServiceURL"] == "https://p.example/wallet"
        assert orjson.loads(rendered.manifest or b"")["pass.json"] == sha1(whole).hexdigest()
        assert token.encode() not in (rendered.pass_json or b"")


def an_image(letter: str) -> ImageReference:
    return ImageReference(sha256=letter * 64, sha1=letter * 40, crc32=1, size=2)


def test_own_images_lie_over_the_template_s_and_end_the_plain_icon():
    files = {name: an_image("a") for name in ("icon.png", "icon@2x.png", "logo.png", "strip.png")}
    plain = replace(a_bundle(), images=files, plain_icon=frozenset({"icon.png", "icon@2x.png"}))

    own = lay_over(plain, OwnImages({"logo.png": an_image("b"), "icon.png": an_image("c")}))

    assert {name: image.sha1[0] for name, image in own.items()} == {
        "icon.png": "c",
        "logo.png": "b",
        "strip.png": "a",
    }
    assert lay_over(plain, NO_IMAGES) == files


def test_own_images_are_in_the_manifest():
    bundle = replace(a_bundle(), images={"icon.png": an_image("a")})

    rendered = render(bundle, a_pass(), own=OwnImages({"logo.png": an_image("b")}))

    manifest = orjson.loads(rendered.manifest or b"")
    assert (manifest["icon.png"], manifest["logo.png"]) == ("a" * 40, "b" * 40)


def test_own_images_are_so_in_every_language_and_strings_stay_beside_them():
    names = ("logo.png", "de.lproj/logo.png", "de.lproj/strip.png")
    strings = {"de.lproj/pass.strings": "d" * 40}
    images = {name: an_image("a") for name in names}
    bundle = replace(a_bundle(), images=images, file_digests=strings)

    rendered = render(bundle, a_pass(), own=OwnImages({"logo.png": an_image("b")}))

    manifest = orjson.loads(rendered.manifest or b"")
    assert manifest.keys() - {"pass.json"} == {"logo.png", "de.lproj/strip.png", *strings}
    assert manifest["logo.png"] == "b" * 40
