"""Passcodes: what they guard, what they leave alone, and what becomes of wrong ones."""

import asyncio
import io
import json
import zipfile
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from services.gateway.catalogue.passcodes import ATTEMPTS, cookie_name
from shared.contracts.generator import Content, ReadContent
from shared.contracts.triggers import ChangePass, Pass, ReadPassSince
from shared.passes.schema.images import check_png
from tests.integration.gateway.conftest import AnAccount, Answer, Gateway
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import a_png, make_template, upload
from tests.integration.gateway.test_pages import BROWSER, POINTS, a_pass, rendered
from tests.integration.gateway.test_passsource import hash_of
from tests.integration.gateway.test_wallet import Device

PASSCODE = "open sesame"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PROGRAM = {"Accept": "*/*"}
NAMES = ("Coffee card", "Blue Bottle", "1234", "Ann")
"""What the pass shows of itself."""


@dataclass
class Guarded:
    """A pass with a passcode, and somebody who opens it from one network."""

    gateway: Gateway
    owners: Owners
    issued: Pass
    network: str = "192.0.2"
    cookie: str = ""

    @property
    def handle(self) -> str:
        return self.issued.handle

    def address(self, path: str) -> str:
        return path.format(self.handle)

    async def open(self, path: str = "/p/{}", method: str = "GET", **headers: str) -> Answer:
        """Open an address of the pass as a browser, or with other headers."""
        given = {**BROWSER, **self._usual, **{n.replace("_", "-"): v for n, v in headers.items()}}
        return await self.gateway.call(method, self.address(path), headers=given)

    async def give(self, passcode: str, then: str = "/p/{}", **headers: str) -> Answer:
        """Send the form."""
        given = {**BROWSER, **FORM, **self._usual}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = urlencode({"passcode": passcode, "then": self.address(then)}).encode()
        return await self.gateway.call("POST", f"/d/{self.handle}", data=data, headers=given)

    async def let_in(self) -> None:
        """Give the right passcode, and keep the cookie."""
        answer = await self.give(PASSCODE)
        assert answer.status == 303
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def change(self, **facts: Any) -> None:
        """Let the pass be another one from now on, as triggers does."""
        facts["version"] = self.issued.version + 1
        self.issued = self.issued.model_copy(update=facts)
        self.owners.passes[self.handle] = self.issued

    @property
    def _usual(self) -> dict[str, str]:
        given = {"X-Forwarded-For": f"{self.network}.7"}
        return {**given, "Cookie": self.cookie} if self.cookie else given


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    owners = Owners(gateway.transport)
    owners.answer(ReadContent, rendered({}))
    return owners


@pytest_asyncio.fixture
async def guarded(gateway: Gateway, an_account: AnAccount, owners: Owners) -> Guarded:
    template_id = await make_template(an_account)
    return Guarded(
        gateway,
        owners,
        a_pass(
            owners,
            an_account,
            template_id,
            values={POINTS: 1234},
            member={"name": "Ann"},
            passcode=await gateway.context.passcodes.hash(PASSCODE),
        ),
    )


def is_form(answer: Answer) -> bool:
    """Whether the answer asks for the passcode, and tells nothing else."""
    page = answer.content.decode(errors="replace")
    return 'type="password"' in page and not any(name in page for name in NAMES)


PUBLIC = (
    "/p/{}",
    "/d/{}",
    "/p/{}.pkpass",
    "/p.pkpasses?pass={}",
    "/pass/create.php?hashedSerialNumber={}&download=true",
    "/pass/create?hashedSerialNumber={}",
    "/pass/create?hashedSerialNumber={}&" + POINTS + "=5",
)


@pytest.mark.parametrize("path", PUBLIC)
async def test_who_has_not_given_the_passcode_sees_a_form_and_nothing_of_the_pass(
    guarded: Guarded, path: str
):
    page = await guarded.open(path)
    program = await guarded.open(path, **PROGRAM)
    known = await guarded.open(path, **PROGRAM, If_None_Match="*")

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert is_form(page)
    assert [(a.status, a.code) for a in (program, known)] == [(403, "passcode_needed")] * 2
    assert not any(name in program.content.decode() for name in NAMES)
    assert guarded.owners.asked_for(ReadContent) == guarded.owners.asked_for(ChangePass) == []


@pytest.mark.parametrize("path", PUBLIC)
async def test_who_has_given_it_sees_the_pass(guarded: Guarded, path: str):
    await guarded.let_in()

    answers = [await guarded.open(path), await guarded.open(path, **PROGRAM)]

    assert {answer.status for answer in answers} <= {200, 303}
    assert not any(is_form(answer) for answer in answers if answer.status == 200)


@pytest.mark.parametrize("path", PUBLIC[:4])
async def test_heads_tell_no_more(guarded: Guarded, path: str):
    page = await guarded.open(path, "HEAD")
    program = await guarded.open(path, "HEAD", **PROGRAM)

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert program.status == 403
    assert {"etag", "last-modified", "content-disposition"}.isdisjoint(page.headers)


async def test_the_page_at_pass2us_address_is_that_of_the_pass(guarded: Guarded):
    guarded.change(passcode=None)

    answer = await guarded.open("/d/{}")
    damaged = await guarded.open("/d/{}).")

    assert answer.status == 200
    assert all(name in answer.content.decode() for name in NAMES)
    assert damaged.headers["location"].endswith(f"/p/{guarded.handle}")


async def test_the_form_is_for_everybody(guarded: Guarded):
    english = (await guarded.open()).content.decode()
    answer = await guarded.open(Accept_Language="de-AT, en;q=0.5")
    german = answer.content.decode()

    for part in (
        f'<form class="panel" method="post" action="/d/{guarded.handle}">',
        '<label for="passcode">Passcode</label>',
        'autocomplete="off" required maxlength="100" autofocus',
        'aria-describedby="why"',
        f'name="then" value="/p/{guarded.handle}"',
    ):
        assert part in english
    assert "Code eingeben" in german
    assert "<script" not in english
    policy = answer.headers["content-security-policy"]
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Accept-Language, Accept"


async def test_the_right_passcode_leads_back_with_a_cookie(guarded: Guarded):
    answer = await guarded.give(PASSCODE, then="/p/{}.pkpass")

    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert (answer.status, answer.headers["location"]) == (303, f"/p/{guarded.handle}.pkpass")
    assert answer.headers["cache-control"] == "no-store"
    assert cookie.key == cookie_name(guarded.handle)
    assert (cookie["path"], cookie["max-age"], cookie["samesite"]) == ("/", "3600", "Lax")
    assert cookie["httponly"]
    assert cookie["secure"]
    assert not cookie["domain"]


async def test_the_form_leads_to_no_other_site(guarded: Guarded):
    answer = await guarded.give(PASSCODE, then="https://evil.example/p/{}")

    assert answer.headers["location"] == f"/d/{guarded.handle}"


async def test_a_wrong_passcode_is_answered_with_the_form_once_more(guarded: Guarded):
    page = await guarded.give("wrong", then="/p/{}.pkpass")
    program = await guarded.give("wrong", **PROGRAM)

    text = page.content.decode()
    assert page.status == 403
    assert is_form(page)
    assert 'aria-describedby="fault" aria-invalid="true"' in text
    assert 'id="fault"' in text
    assert "That is not the passcode" in text
    assert f'name="then" value="/p/{guarded.handle}.pkpass"' in text
    assert "set-cookie" not in page.headers
    assert (program.status, program.code) == (403, "passcode_wrong")


async def test_the_sixth_try_from_a_network_waits_while_another_network_may(guarded: Guarded):
    for _ in range(ATTEMPTS.most):
        assert (await guarded.give("wrong")).status == 403

    page = await guarded.give(PASSCODE)
    program = await guarded.give(PASSCODE, **PROGRAM)
    elsewhere = await guarded.give(PASSCODE, X_Forwarded_For="198.51.100.7")
    await guarded.gateway.query("UPDATE attempts SET occurred_at = occurred_at - interval '15 min'")
    later = await guarded.give(PASSCODE)

    assert page.status == 429
    assert is_form(page)
    assert b"quarter of an hour" in page.content
    assert 800 < int(page.headers["retry-after"]) <= 900
    assert (program.status, program.code) == (429, "too_many_attempts")
    assert elsewhere.status == later.status == 303


async def test_wrong_passcodes_of_one_pass_close_no_other(guarded: Guarded, an_account: AnAccount):
    kept = guarded.issued.passcode
    other = a_pass(guarded.owners, an_account, str(guarded.issued.template_id), passcode=kept)
    for _ in range(ATTEMPTS.most):
        await guarded.give("wrong")

    assert (await Guarded(guarded.gateway, guarded.owners, other).give(PASSCODE)).status == 303


async def test_right_passcodes_do_not_count(guarded: Guarded):
    answers = [await guarded.give(PASSCODE) for _ in range(ATTEMPTS.most + 1)]

    assert {answer.status for answer in answers} == {303}


async def test_of_many_wrong_ones_at_once_five_are_looked_at(guarded: Guarded):
    answers = await asyncio.gather(*(guarded.give("wrong") for _ in range(20)))

    statuses = [answer.status for answer in answers]
    assert (statuses.count(403), statuses.count(429)) == (ATTEMPTS.most, 20 - ATTEMPTS.most)


async def test_another_site_uses_up_no_tries_of_its_visitors(guarded: Guarded):
    for site in ("cross-site", "same-site") * ATTEMPTS.most:
        answer = await guarded.give("wrong", Sec_Fetch_Site=site)
        assert answer.status == 200
        assert is_form(answer)

    assert (await guarded.give(PASSCODE, Sec_Fetch_Site="same-origin")).status == 303


async def test_attempts_tell_neither_pass_nor_network(guarded: Guarded):
    await guarded.give("a guess")

    rows = str(await guarded.gateway.query("SELECT * FROM attempts"))

    assert not any(text in rows for text in (guarded.handle, "192.0.2", "a guess"))


async def test_another_passcode_ends_what_the_former_one_opened(guarded: Guarded):
    await guarded.let_in()
    before = await guarded.open("/p/{}.pkpass")
    guarded.change(passcode=await guarded.gateway.context.passcodes.hash(PASSCODE))

    page, file = await guarded.open(), await guarded.open("/p/{}.pkpass")
    guarded.change(passcode=None)
    free = await guarded.open("/p/{}.pkpass")

    assert before.headers["content-type"] == free.headers["content-type"]
    assert is_form(page)
    assert is_form(file)


async def test_what_was_served_before_is_guarded_from_the_moment_there_is_a_passcode(
    guarded: Guarded,
):
    kept = guarded.issued.passcode
    guarded.change(passcode=None)
    free = await guarded.open("/p/{}.pkpass")
    tag = {"If_None_Match": free.headers["etag"]}
    assert (await guarded.open("/p/{}.pkpass", **tag)).status == 304
    guarded.change(passcode=kept)

    answer = await guarded.open("/p/{}.pkpass", **PROGRAM, **tag)

    assert answer.code == "passcode_needed"


async def test_what_is_served_again_from_memory_is_guarded_as_well(guarded: Guarded):
    visitor = Guarded(guarded.gateway, guarded.owners, guarded.issued)
    await guarded.let_in()
    served = await guarded.open("/p/{}.pkpass")
    since = {"If_Modified_Since": served.headers["last-modified"]}
    asked = len(guarded.owners.asked_for(ReadPassSince))

    known = await guarded.open("/p/{}.pkpass", **since)
    refused = [await visitor.open("/p/{}.pkpass", **PROGRAM, **headers) for headers in (since, {})]

    assert known.status == 304
    assert [answer.code for answer in refused] == ["passcode_needed"] * 2
    assert len(guarded.owners.asked_for(ReadPassSince)) == asked + 3


async def test_a_content_that_is_newer_than_the_pass_that_was_read_says_nothing_of_its_passcode(
    guarded: Guarded,
):
    kept = guarded.issued.passcode
    guarded.change(passcode=None)
    answer = rendered({})

    def of_later(query: ReadContent) -> Content:
        """Give the content of the pass as it is once it has its passcode."""
        return answer(query).model_copy(update={"pass_version": query.version + 1})

    guarded.owners.answer(ReadContent, of_later)
    assert (await guarded.open("/p/{}.pkpass")).status == 200
    guarded.change(passcode=kept)

    assert is_form(await guarded.open("/p/{}.pkpass"))


async def test_a_bundle_with_one_guarded_pass_asks_for_its_passcode_and_then_is_whole(
    guarded: Guarded, an_account: AnAccount
):
    free = a_pass(guarded.owners, an_account, str(guarded.issued.template_id))
    path = f"/p.pkpasses?pass={free.handle}&pass={{}}"

    page = await guarded.open(path)
    asked = guarded.owners.asked_for(ReadContent)
    answer = await guarded.give(PASSCODE, then=path)
    await guarded.let_in()
    bundle = await guarded.open(path)

    assert is_form(page)
    assert f'action="/d/{guarded.handle}"' in page.content.decode()
    assert asked == []
    assert answer.headers["location"] == guarded.address(path)
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as archive:
        assert len(archive.namelist()) == 2


async def test_phones_and_api_keys_need_no_passcode(guarded: Guarded, an_account: AnAccount):
    device = Device(guarded.gateway, guarded.owners, guarded.issued)
    fetched = [await device.fetch(), await device.fetch()]
    read = await an_account.call("GET", f"/v1/passes/{guarded.handle}")
    scanned = await an_account.call("POST", f"/v1/passes/{guarded.handle}/scan")

    assert [answer.status for answer in (*fetched, read, scanned)] == [200] * 4
    assert "passcode" not in read.content.decode()
    assert str(guarded.issued.passcode) not in read.content.decode()


async def test_passsource_shows_and_changes_a_guarded_pass_only_for_who_has_a_right_to_it(
    guarded: Guarded, an_account: AnAccount, another_account: AnAccount
):
    icon = check_png(a_png()).sha256
    await upload(an_account, a_png())
    guarded.change(values={"images_icon": icon})
    calls = ("/api/imageForName?image=icon&", "/api/updatePassFields?mine=5&", "/pass/create?")
    own, foreign = await hash_of(an_account), await hash_of(another_account)

    async def told(client: str) -> list[bool]:
        answers = [
            await guarded.open(
                f"{call}hashedSerialNumber={{}}&clientHash={client}&download=true", **PROGRAM
            )
            for call in calls
        ]
        return [
            answer.json["success"] if "json" in answer.headers["content-type"] else True
            for answer in answers
            if answer.status == 200
        ]

    assert await told("") == await told(foreign) == [False, False]
    assert await told(own) == [True, True, True]
    await guarded.let_in()
    assert await told("") == [True, True, True]


async def test_passsource_tells_who_has_no_right_that_they_have_none_whatever_the_passcode(
    guarded: Guarded, another_account: AnAccount
):
    foreign = await hash_of(another_account)

    answer = await guarded.open(f"/api/passInfo?hashedSerialNumber={{}}&clientHash={foreign}")

    assert "nobody has a right" in answer.json["message"]


@pytest.mark.parametrize(
    ("data", "media", "status"),
    [
        (b"", FORM["Content-Type"], 422),
        (b"passcode=", FORM["Content-Type"], 422),
        (b"passcode=" + b"1" * 101, FORM["Content-Type"], 422),
        (b"passcode=1&passcode=2", FORM["Content-Type"], 422),
        (b"passcode=%00", FORM["Content-Type"], 422),
        (b"&".join(b"a%d=1" % n for n in range(101)), FORM["Content-Type"], 422),
        (json.dumps({"passcode": PASSCODE}).encode(), "application/json", 415),
        (b"passcode=" + b"1" * 5000, FORM["Content-Type"], 413),
    ],
)
async def test_what_is_no_form_is_refused_and_no_try(
    guarded: Guarded, data: bytes, media: str, status: int
):
    before = await guarded.gateway.query("SELECT FROM attempts")

    answer = await guarded.gateway.call(
        "POST", f"/d/{guarded.handle}", data=data or b"&", headers={"Content-Type": media}
    )

    assert answer.status == status
    assert await guarded.gateway.query("SELECT FROM attempts") == before


async def test_where_nothing_is_guarded_a_passcode_leads_on(guarded: Guarded):
    guarded.change(passcode=None)
    free = await guarded.give("whatever")
    guarded.owners.passes[guarded.handle].version = -1
    deleted = await guarded.give("whatever", **PROGRAM)
    del guarded.owners.passes[guarded.handle]
    unknown = await guarded.give("whatever", **PROGRAM)

    assert (free.status, free.headers["location"]) == (303, f"/p/{guarded.handle}")
    assert "set-cookie" not in free.headers
    assert (deleted.status, unknown.status) == (410, 404)
