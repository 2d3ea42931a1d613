"""What the public sees: a pass on its page, and its file."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientPayloadError
from PIL import Image
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.gateway.routes.pages.codes import draw_qr
from services.gateway.usecases.passes import PIECE_BYTES
from shared import clock
from shared.contracts.gateway import ImageReference
from shared.contracts.generator import Content, ReadContent
from shared.contracts.triggers import Pass, ReadPass
from shared.errors import GoneError, InternalError, UnavailableError
from shared.identifiers import new_handle, new_serial
from shared.passes.apple.manifest import compose_manifest
from shared.passes.schema.images import check_png
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import a_png, make_template, upload

MADE = datetime(2026, 11, 21, 12, tzinfo=UTC)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
POINTS = "structure_headerFields_points_value"


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


def a_pass(owners: Owners, account: AnAccount, template_id: str, **facts: Any) -> Pass:
    """A pass that triggers knows."""
    moment = clock.now()
    found = Pass.model_validate(
        {
            "handle": new_handle(),
            "account_id": account.account_id,
            "template_id": template_id,
            "serial_number": new_serial(),
            "version": 3,
            "values": {},
            "created_at": moment,
            "updated_at": moment,
            **facts,
        }
    )
    owners.passes[found.handle] = found
    return found


def rendered(pngs: dict[str, bytes]) -> Callable[[ReadContent], Content]:
    """A generator that has made its content at noon."""
    kept = {name: check_png(png) for name, png in pngs.items()}

    def answer(query: ReadContent) -> Content:
        unchanged = query.modified_since is not None and query.modified_since >= MADE
        content = Content(
            handle=query.handle,
            content_number=4,
            pass_version=query.version,
            last_modified=MADE,
            not_modified=unchanged,
        )
        if unchanged:
            return content
        pass_json = json.dumps({"serialNumber": query.handle}).encode()
        hashes = {name: png.sha1 for name, png in kept.items()}
        content.pass_json = pass_json
        content.manifest = compose_manifest(pass_json, hashes)
        content.signature = b"signed" * 100
        content.images = {
            name: ImageReference(sha256=png.sha256, sha1=png.sha1, crc32=png.crc32, size=png.size)
            for name, png in kept.items()
        }
        return content

    return answer


async def test_page_shows_the_pass(gateway: Gateway, an_account: AnAccount, owners: Owners):
    logo = await upload(an_account, a_png())
    sharp = await upload(an_account, a_png(size=(320, 100)))
    template_id = await make_template(an_account, images={"logo": logo, "logo@2x": sharp})
    values = {POINTS: 1234}
    found = a_pass(owners, an_account, template_id, values=values, member={"name": "Ann"})

    answer = await gateway.call("GET", f"/p/{found.handle}")

    page = answer.content.decode()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for part in (
        "Coffee card",
        "Blue Bottle",
        "<dd>1234</dd>",
        "<dd>Ann</dd>",
        "--pass: rgb(19, 49, 92)",
        f'src="/images/{sharp}.png"',
        f'href="/p/{found.handle}.pkpass"',
        f'<code class="small">{found.handle}</code>',
        'href="https://beans.example/"',
        "a phone will not accept it",
    ):
        assert part in page
    assert "<script" not in page
    assert "no longer valid" not in page
    assert logo not in page
    assert owners.asked_for(ReadPass)[0].account_id is None


async def test_page_is_for_its_reader_only(gateway: Gateway, an_account: AnAccount, owners: Owners):
    found = a_pass(owners, an_account, await make_template(an_account))

    first = await gateway.call("GET", f"/p/{found.handle}")
    second = await gateway.call("GET", f"/p/{found.handle}")

    headers = first.headers
    policy = headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert policy.startswith("default-src 'none'; img-src 'self'; style-src 'self' 'nonce-")
    assert "unsafe" not in policy
    assert second.headers["content-security-policy"] != policy


async def test_values_cannot_break_out_of_the_page(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    template_id = await make_template(an_account)
    attack = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    values = {
        POINTS: attack,
        "logoText": attack,
        "backgroundColor": "red;} body{display:none",
        "structure_backFields_terms_value": f"javascript:alert(1) https://a.example/'{attack}",
    }
    found = a_pass(owners, an_account, template_id, values=values, member={"name": attack})

    answer = await gateway.call("GET", f"/p/{found.handle}")

    page = answer.content.decode()
    assert answer.status == 200
    assert "<script" not in page
    assert "<img src=x" not in page
    assert 'href="javascript' not in page
    assert "display:none" not in page


async def test_saved_template_is_shown_at_once(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    template_id = await make_template(an_account)
    found = a_pass(owners, an_account, template_id)
    before = await gateway.call("GET", f"/p/{found.handle}")
    skeleton: dict[str, Any] = {"logoText": "Green Bottle", "storeCard": {}}

    saved = await an_account.call(
        "PUT", f"/v1/templates/{template_id}", {"name": "Card", "pass": skeleton}
    )
    after = await gateway.call("GET", f"/p/{found.handle}")

    assert saved.status == 200
    assert b"Blue Bottle" in before.content
    assert b"Green Bottle" in after.content


async def test_voided_pass_says_so(gateway: Gateway, an_account: AnAccount, owners: Owners):
    found = a_pass(owners, an_account, await make_template(an_account), voided=True)

    answer = await gateway.call("GET", f"/p/{found.handle}")

    assert answer.status == 200
    assert b"This pass is no longer valid." in answer.content


async def test_what_cannot_be_shown_has_a_friendly_page(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    await make_template(an_account)

    for suffix in ("", ".pkpass"):
        unknown = await gateway.call("GET", f"/p/nothing{suffix}", headers=BROWSER)
        owners.answer(ReadPass, lambda _: GoneError())
        gone = await gateway.call("GET", f"/p/{new_handle()}{suffix}", headers=BROWSER)
        owners.answer(ReadPass, lambda _: UnavailableError())
        away = await gateway.call("GET", f"/p/{new_handle()}{suffix}", headers=BROWSER)
        owners.answer(ReadPass, lambda _: InternalError())
        broken = await gateway.call("GET", f"/p/{new_handle()}{suffix}", headers=BROWSER)
        owners.answer(ReadPass, owners.read_pass)

        answers = (unknown, gone, away, broken)
        assert [answer.status for answer in answers] == [404, 410, 503, 500]
        assert {answer.headers["content-type"] for answer in answers} == {
            "text/html; charset=utf-8"
        }
        assert b"There is no such pass" in unknown.content
        assert b"This pass is gone" in gone.content
        assert b"Try again" in away.content
        assert away.headers["retry-after"] == "1"
        assert unknown.headers["cache-control"] == "no-store"


async def test_machines_get_problems_where_browsers_get_pages(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    await make_template(an_account)

    for address in ("/p/nothing", "/p/nothing.pkpass", "/p/a/b", "/pass/nothing.php"):
        page = await gateway.call("GET", address, headers=BROWSER)
        problem = await gateway.call("GET", address)
        head = await gateway.call("HEAD", address, headers=BROWSER)

        assert (page.status, problem.status, head.status) == (404, 404, 404)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "accept" in page.headers["vary"].lower().split(", ")
        assert problem.headers["content-type"] == "application/problem+json"
    owners.answer(ReadPass, lambda _: GoneError())
    gone = await gateway.call("GET", f"/p/{new_handle()}", headers={"Accept": "application/json"})
    assert (gone.status, gone.json["code"]) == (410, "gone")
    api = await gateway.call("GET", "/v1/nothing", headers=BROWSER)
    assert api.headers["content-type"] == "application/problem+json"


async def test_unknown_foreign_and_malformed_are_one_page_and_every_error_has_one(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    """G6."""
    await make_template(an_account)
    unknown = await gateway.call("GET", f"/p/{new_handle()}", headers=BROWSER)
    malformed = await gateway.call("GET", "/p/nothing", headers=BROWSER)
    by_hash = await gateway.call("GET", "/pass/create?templateHash=nothing", headers=BROWSER)
    of_hash = await gateway.call("GET", "/pass/create?hashedSerialNumber=x", headers=BROWSER)
    elsewhere = await gateway.call("GET", "/nothing", headers=BROWSER)
    method = await gateway.call("DELETE", f"/p/{new_handle()}", headers=BROWSER)

    pages = {answer.content for answer in (unknown, malformed, by_hash, of_hash)}
    assert len(pages) == 1
    assert b"There is no such page" in elsewhere.content
    assert method.status == 405
    for answer in (unknown, malformed, by_hash, of_hash, elsewhere, method):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "script-src" not in answer.headers["content-security-policy"]


LOCALIZED = {
    "changes": {
        "description": "Flight",
        "storeCard": {
            "headerFields": [{"key": "gate", "label": "gate_str", "value": "B6"}],
            "backFields": [{"key": "n", "label": "note_str", "value": "note_text_str"}],
        },
    },
    "localizations": {
        "de": {"gate_str": "Tor", "note_str": "Hinweis", "note_text_str": "Bitte pünktlich"},
        "en": {"gate_str": "Gate", "note_str": "Note", "note_text_str": "Be on time"},
        "ar": {"gate_str": "البوابة"},
    },
}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("de", ['<html lang="de" dir="ltr">', "<dt>Tor</dt>", "Bitte pünktlich", "hinzufügen"]),
        ("de-AT,en;q=0.5", ['<html lang="de" dir="ltr">', "<dt>Tor</dt>"]),
        ("de;q=0.3, en;q=0.9", ['<html lang="en" dir="ltr">', "<dt>Gate</dt>", "Be on time"]),
        ("fr;q=1, de;q=0", ['<html lang="en" dir="ltr">', "<dt>Gate</dt>", "Add to Apple"]),
        ("ar", ['<html lang="ar" dir="rtl">', "<dt>البوابة</dt>", "Add to Apple"]),
        (",;q=x,de;q=9," + "x," * 900, ['<html lang="en" dir="ltr">', "<dt>Gate</dt>"]),
        ("", ['<html lang="en" dir="ltr">', "<dt>Gate</dt>", "Add to Apple"]),
    ],
)
async def test_page_speaks_its_readers_language(
    gateway: Gateway, an_account: AnAccount, owners: Owners, wanted: str, expected: list[str]
):
    found = a_pass(owners, an_account, await make_template(an_account, **LOCALIZED))

    answer = await gateway.call("GET", f"/p/{found.handle}", headers={"Accept-Language": wanted})

    page = answer.content.decode()
    assert answer.headers["vary"] == "Accept-Language, User-Agent"
    assert f'<html lang="{answer.headers["content-language"]}"' in page
    for part in expected:
        assert part in page


async def test_page_shows_the_images_of_its_language(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    common = await upload(an_account, a_png("red", (320, 100)))
    german = await upload(an_account, a_png("green"))
    images = {"logo@2x": common, "de.lproj/logo": german}
    found = a_pass(owners, an_account, await make_template(an_account, images=images))

    pages = [
        (await gateway.call("GET", f"/p/{found.handle}", headers={"Accept-Language": tag})).content
        for tag in ("de", "fr")
    ]

    assert [german.encode() in page for page in pages] == [True, False]
    assert [common.encode() in page for page in pages] == [False, True]


async def test_page_writes_values_and_links_as_wallet_does(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    moment = "2027-01-31T23:30:00Z"
    short = "PKDateStyleShort"
    skeleton: dict[str, Any] = {
        "storeCard": {
            "secondaryFields": [
                {"key": "p", "label": "Off", "value": 0.2, "numberStyle": "PKNumberStylePercent"},
                {"key": "d", "value": moment, "dateStyle": short, "timeStyle": short},
                {
                    "key": "f",
                    "value": "front https://front.example",
                    "textAlignment": "PKTextAlignmentCenter",
                },
            ],
            "backFields": [
                {
                    "key": "a",
                    "label": "Terms",
                    "value": "withheld",
                    "attributedValue": "<a href='https://example.com'>Terms</a>"
                    "<a href='javascript:alert(1)'>bad</a><img src=x>",
                },
                {"key": "c", "label": "Contact", "value": "+49 30 1234567, help@beans.example"},
                {"key": "n", "value": "https://none.example", "dataDetectorTypes": []},
            ],
        }
    }
    found = a_pass(owners, an_account, await make_template(an_account, skeleton))

    page = (await gateway.call("GET", f"/p/{found.handle}")).content.decode()

    assert "<dd>20%</dd>" in page
    assert "1/31/27, 11:30\N{NARROW NO-BREAK SPACE}PM UTC</dd>" in page
    assert 'class="field to-center"' in page
    rel = 'rel="noopener noreferrer nofollow"'
    assert f'<a href="https://example.com" {rel}>Terms</a>bad</dd>' in page
    assert f'<a href="tel:+49301234567" {rel}>+49 30 1234567</a>' in page
    assert f'<a href="mailto:help@beans.example" {rel}>' in page
    for part in (
        'href="https://none',
        'href="https://front',
        "javascript",
        "<img src=x",
        "withheld",
    ):
        assert part not in page


async def test_desktop_page_has_a_code_that_leads_to_itself(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    found = a_pass(owners, an_account, await make_template(an_account))
    address = f"https://passes.example/p/{found.handle}"

    page = (await gateway.call("GET", f"/p/{found.handle}")).content.decode()

    code = draw_qr(address.encode(), "QR code of this page")
    assert code is not None
    assert code in page
    assert "Open on your phone" in page


async def test_expired_pass_says_so(gateway: Gateway, an_account: AnAccount, owners: Owners):
    template_id = await make_template(an_account, {"expirationDate": "2026-01-01T00:00:00Z"})
    expired = a_pass(owners, an_account, template_id)
    own = a_pass(owners, an_account, template_id, values={"expirationDate": "2999-01-01T00:00Z"})

    english = await gateway.call("GET", f"/p/{expired.handle}")
    german = await gateway.call("GET", f"/p/{expired.handle}", headers={"Accept-Language": "de"})
    valid = await gateway.call("GET", f"/p/{own.handle}")

    assert b"This pass has expired." in english.content
    assert "Diese Karte ist abgelaufen." in german.content.decode()
    assert b"expired" not in valid.content


async def test_pass_whose_template_is_deleted_is_gone(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    template_id = await make_template(an_account)
    found = a_pass(owners, an_account, template_id)
    await an_account.call("DELETE", f"/v1/templates/{template_id}")

    page = await gateway.call("GET", f"/p/{found.handle}")
    file = await gateway.call("GET", f"/p/{found.handle}.pkpass")

    assert (page.status, file.status) == (410, 410)


async def test_file_is_a_whole_pass(gateway: Gateway, an_account: AnAccount, owners: Owners):
    pngs = {"icon.png": a_png("red"), "icon@2x.png": a_png("red"), "logo.png": a_png("blue")}
    for png in pngs.values():
        await upload(an_account, png)
    found = a_pass(owners, an_account, await make_template(an_account))
    owners.answer(ReadContent, rendered(pngs))

    answer = await gateway.call("GET", f"/p/{found.handle}.pkpass")

    headers = answer.headers
    assert answer.status == 200
    assert headers["content-type"] == "application/vnd.apple.pkpass"
    assert headers["content-length"] == str(len(answer.content))
    assert headers["last-modified"] == "Sat, 21 Nov 2026 12:00:00 GMT"
    assert headers["content-disposition"] == 'attachment; filename="pass.pkpass"'
    assert headers["cache-control"] == "private, no-cache"
    assert headers["etag"].startswith('"4-')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    assert set(files) == {"pass.json", "manifest.json", "signature", *pngs}
    assert manifest == {
        name: sha1(files[name], usedforsecurity=False).hexdigest() for name in ("pass.json", *pngs)
    }
    (question,) = owners.asked_for(ReadContent)
    assert (question.account_id, question.version) == (an_account.account_id, 3)
    assert (question.template_id, question.template_revision) == (found.template_id, 1)
    assert question.modified_since is None


async def test_unchanged_file_is_not_sent_again(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    found = a_pass(owners, an_account, await make_template(an_account))
    owners.answer(ReadContent, rendered({}))
    address = f"/p/{found.handle}.pkpass"
    first = await gateway.call("GET", address)

    for condition in (
        {"If-Modified-Since": first.headers["last-modified"]},
        {"If-None-Match": first.headers["etag"]},
        {"If-None-Match": '"0-1", ' + first.headers["etag"]},
        {"If-None-Match": "W/" + first.headers["etag"]},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Sat, 21 Nov 2026 13:00:00 +0100"},
        {"If-Modified-Since": "Sat Nov 21 12:00:00 2026"},
        {"If-Modified-Since": "Sat, 21 Nov 2026 12:00:00 -0000"},
    ):
        again = await gateway.call("GET", address, headers=condition)
        assert (again.status, again.content) == (304, b"")
        assert again.headers["last-modified"] == first.headers["last-modified"]
        assert again.headers["etag"] == first.headers["etag"]
    other = {"If-None-Match": '"3-1"', "If-Modified-Since": first.headers["last-modified"]}
    changed = await gateway.call("GET", address, headers=other)
    old = {"If-Modified-Since": "Sat, 21 Nov 2026 11:59:59 GMT"}
    newer = await gateway.call("GET", address, headers=old)
    for odd in (
        "Fri, 31 Dec 9999 23:59:59 -0100",
        "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "Sat, 21 Nov 2026 12:00:00 +01:00",
        "Sat, 21 Nov 2026 12:00:00 GMT+1",
        "Sat, 21 Nov 2026 12:00:00 CET",
        "never",
    ):
        ignored = await gateway.call("GET", address, headers={"If-Modified-Since": odd})
        assert ignored.status == 200
    ahead = {"If-Modified-Since": "Sat, 21 Nov 2026 12:00:00 +0100"}  # 11:00 GMT
    elsewhere = await gateway.call("GET", address, headers=ahead)
    assert (changed.status, newer.status, elsewhere.status) == (200, 200, 200)


@pytest.mark.parametrize("behind", [".", ")", "%20", "%0D%0A", "/", ",", "%22%3E", "%E2%80%9C"])
async def test_address_with_what_mail_programs_put_behind_it_leads_to_the_pass(
    gateway: Gateway, an_account: AnAccount, owners: Owners, behind: str
):
    found = a_pass(owners, an_account, await make_template(an_account))

    page = await gateway.call("GET", f"/p/{found.handle}{behind}")
    file = await gateway.call("GET", f"/p/{found.handle}.pkpass{behind}")

    assert (page.status, file.status) == (302, 302)
    assert page.headers["location"].endswith(f"/p/{found.handle}")
    assert file.headers["location"].endswith(f"/p/{found.handle}.pkpass")


async def test_address_of_a_file_is_taken_in_any_case(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    found = a_pass(owners, an_account, await make_template(an_account))

    answer = await gateway.call("GET", f"/p/{found.handle}.PKPASS")

    assert answer.headers["location"].endswith(f"/p/{found.handle}.pkpass")


@pytest.mark.parametrize("address", ["nothing", "a" * 33, "a/b/c", "W" * 32])
async def test_address_of_no_pass_has_a_page(gateway: Gateway, address: str):
    answer = await gateway.call("GET", f"/p/{address}", headers=BROWSER)

    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_head_tells_the_size_without_the_file(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    png = a_png("green")
    await upload(an_account, png)
    found = a_pass(owners, an_account, await make_template(an_account))
    owners.answer(ReadContent, rendered({"icon.png": png}))
    address = f"/p/{found.handle}.pkpass"

    head = await gateway.call("HEAD", address)
    page = await gateway.call("HEAD", f"/p/{found.handle}")
    file = await gateway.call("GET", address)

    assert (head.status, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(file.content))
    assert (page.status, page.content) == (200, b"")


async def test_half_a_file_is_never_taken_for_a_whole_one(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    found = a_pass(owners, an_account, await make_template(an_account))
    large = a_noisy_png()
    await upload(an_account, large)
    missing = a_png("pink")  # never uploaded
    owners.answer(ReadContent, rendered({"background.png": large, "icon.png": missing}))

    with pytest.raises(ClientPayloadError):
        await gateway.call("GET", f"/p/{found.handle}.pkpass")


@pytest.mark.parametrize(("age", "told"), [(5, []), (90, ["content_overdue"])])
async def test_content_that_is_long_overdue_is_told_to_operators(
    gateway: Gateway, an_account: AnAccount, owners: Owners, age: int, told: list[str]
):
    changed = clock.now() - timedelta(seconds=age)
    issued = a_pass(owners, an_account, await make_template(an_account), updated_at=changed)
    owners.answer(ReadContent, lambda _: UnavailableError())
    counted = overdue_contents()

    with capture_logs() as lines:
        answer = await gateway.call("GET", f"/p/{issued.handle}.pkpass")

    assert answer.status == 503
    assert [line["event"] for line in lines if line["event"] != "request"] == told
    assert overdue_contents() - counted == len(told)


def a_noisy_png() -> bytes:
    """Make an image so large that what stands before the next one is sent at once."""
    output = io.BytesIO()
    Image.effect_noise((400, 400), 100).save(output, "PNG")
    assert len(output.getvalue()) > PIECE_BYTES
    return output.getvalue()


def overdue_contents() -> float:
    return REGISTRY.get_sample_value("passwright_content_overdue_total") or 0.0
