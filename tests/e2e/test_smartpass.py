"""Links as PassKit has them: the walk-through of its guide, and every way a click can go."""

import asyncio
import csv
import io
import json
import secrets
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from services.gateway.routes.smartpass.clicks import REFUSAL_SECONDS
from shared import clock
from tests.batches import ended, result
from tests.batches import send as send_batch
from tests.e2e.test_journeys import (
    a_template,
    download,
    get,
    patch,
    post,
    send,
)
from tests.system import System, poll, run_command
from tests.wallet.fleet import Fleet

BROWSER: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
IPHONE: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1"
HTML: Final = {"Accept": "text/html"}
CLICKS: Final = 50
TIMER_SECONDS: Final = 0.001
"""So much too early a loop may wake up."""

LIST: Final = """person.displayName,person.emailAddress,members.points,utm_source
Percy PassKit,percy@passkit.example,5,mailing
Laura Loopy,laura@passkit.example,7,mailing
"""
"""As the guide's CSV has it: nothing in it is unique."""


@dataclass
class Click:
    """What somebody who clicked was answered."""

    status: int
    location: str
    text: str = field(repr=False)
    cache_control: str

    @property
    def handle(self) -> str:
        assert self.status == 303, (self.status, self.text[:500])
        return self.location.removeprefix("/p/").removesuffix(".pkpass")

    @property
    def notice(self) -> tuple[int, bool]:
        """The status, and whether the page says no more than that the link no longer works."""
        says_it = "<h1>This link no longer works</h1>" in self.text
        return self.status, says_it and "no-store" in self.cache_control


@dataclass
class Shop:
    """An account with a link program, and those who click."""

    session: aiohttp.ClientSession
    template_id: str
    program: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/v1/link-programs/{self.program['program_id']}"

    async def link(self, **said: Any) -> str:
        return (await post(self.session, f"{self.path}/links", said, expect=201))["url"]

    async def change(self, **said: Any) -> None:
        await patch(self.session, self.path, said)

    async def revoke(self, **said: Any) -> None:
        await send(self.session, "POST", f"{self.path}/revocations", said, 204)

    async def click(self, url: str, method: str = "GET", **headers: str) -> Click:
        given = {"User-Agent": BROWSER, **HTML, **headers}
        async with self.session.request(
            method, url[url.index("/c/") :], headers=given, allow_redirects=False
        ) as answer:
            return Click(
                answer.status,
                answer.headers.get("Location", ""),
                await answer.text(),
                answer.headers.get("Cache-Control", ""),
            )

    async def passes(self) -> list[dict[str, Any]]:
        found = await get(self.session, f"/v1/passes?template_id={self.template_id}")
        return found["data"]

    async def members(self) -> list[dict[str, Any]]:
        return (await get(self.session, "/v1/members"))["data"]


@pytest.fixture
async def shop(system: System) -> AsyncGenerator[Shop]:
    async with a_shop(system) as shop:
        yield shop


@asynccontextmanager
async def a_shop(system: System) -> AsyncGenerator[Shop]:
    async with system.session() as session:
        names = {"name": "Links", "organization_name": "Links"}
        key = (await post(session, "/v1/accounts", names, expect=201))["key"]
    async with system.session(key) as session:
        template = await a_template(session)
        wanted = {"name": "Mailing", "template_id": template}
        program = await post(session, "/v1/link-programs", wanted, expect=201)
        yield Shop(session, template, program)


async def test_the_walk_through_of_the_guide(shop: Shop):
    program_id = shop.program["program_id"]
    begun = await send_batch(shop.session, LIST.encode(), kind="links", program_id=program_id)
    await ended(shop.session, begun["batch_id"])
    percy, laura = [row["link"] for row in await result(shop.session, begun["batch_id"])]
    assert await shop.members() == []

    # "The next pass created will have a different Pass ID": two separate members from one link.
    first, second = [(await shop.click(percy)).handle for _ in range(2)]
    members = await shop.members()
    assert first != second
    assert [(one["name"], one["points"]) for one in members] == [("Percy PassKit", 5)] * 2
    assert [one["external_id"] for one in members] == [None, None]

    # "Now I will enable the autofill option … I will use the email address as the unique ID."
    await shop.change(auto_fill_external_id="email")
    third, fourth = [(await shop.click(laura)).handle for _ in range(2)]
    assert third == fourth
    found = [one for one in await shop.members() if one["name"] == "Laura Loopy"]
    assert [(one["email"], one["external_id"]) for one in found] == [
        ("laura@passkit.example", "laura@passkit.example")
    ]
    details = await get(shop.session, f"/v1/members/{found[0]['member_id']}")
    (enrolment,) = details["enrolments"]["data"]
    assert (enrolment["handle"], enrolment["program_id"]) == (third, program_id)
    assert [one["handle"] for one in details["passes"]["data"]] == [third]
    assert len(await shop.passes()) == 3
    assert len(await shop.members()) == 3


async def test_fifty_clicks_at_once_of_one_person_make_one_pass(shop: Shop):
    url = await shop.link(external_id="4711", member={"name": "Percy"})

    clicks = await asyncio.gather(*(shop.click(url) for _ in range(CLICKS)))

    assert len({click.handle for click in clicks}) == 1
    assert len(await shop.passes()) == 1
    assert len(await shop.members()) == 1


async def test_a_link_without_external_id_makes_another_pass_at_each_click(shop: Shop):
    url = await shop.link(member={"name": "Percy"})

    clicks = [await shop.click(url) for _ in range(2)]

    assert len({click.handle for click in clicks}) == 2
    assert len(await shop.members()) == 2


async def test_an_external_id_leads_to_one_pass_from_whatever_link_and_device(shop: Shop):
    one = await shop.link(external_id="4711", member={"name": "Percy"})
    other = await shop.link(external_id="4711", values={"number": "8"})

    first, second = await shop.click(one), await shop.click(other, **{"User-Agent": IPHONE})

    assert second.location == f"/p/{first.handle}.pkpass"
    assert (await download(shop.session, first.handle)).keys() >= {"pass.json", "signature"}


@pytest.mark.parametrize(
    ("auto_fill", "one", "other"),
    [
        ("email", {"email": "Percy@PassKit.example "}, {"email": "percy@passkit.EXAMPLE"}),
        ("phone", {"phone": "+49 171 2345678"}, {"phone": "0171/2345678"}),
    ],
)
async def test_one_person_written_in_two_ways_is_one(
    auto_fill: str, one: dict[str, str], other: dict[str, str], shop: Shop
):
    await shop.change(auto_fill_external_id=auto_fill, default_region="DE")

    clicks = [await shop.click(await shop.link(member=person)) for person in (one, other)]

    assert len({click.handle for click in clicks}) == 1
    assert len(await shop.members()) == 1


async def test_an_expired_link_and_one_that_is_not_yet_valid_say_nothing_more(shop: Shop):
    now = clock.now()
    soon, later = (now + timedelta(seconds=1.2)).isoformat(), (now + timedelta(1)).isoformat()
    early = await shop.link(not_before=later)
    late = await shop.link(expires_at=soon)

    assert (await shop.click(early)).notice == (410, True)
    async with asyncio.timeout(10):
        while (click := await shop.click(late)).status == 303:
            pass
    assert click.notice == (410, True)


async def test_a_used_link_makes_no_pass_more(shop: Shop):
    url = await shop.link(max_uses=2)

    clicks = [await shop.click(url) for _ in range(3)]

    assert [click.status for click in clicks] == [303, 303, 410]
    assert clicks[2].notice == (410, True)
    assert len(await shop.passes()) == 2


async def test_a_one_time_link_goes_on_showing_the_pass_of_its_external_id(shop: Shop):
    await shop.change(one_time=True)
    named, unnamed = await shop.link(external_id="4711"), await shop.link()

    again = [await shop.click(named) for _ in range(3)]
    once = [await shop.click(unnamed) for _ in range(2)]

    assert len({click.handle for click in again}) == 1
    assert [click.status for click in once] == [303, 410]


async def test_links_campaigns_and_keys_are_revoked(shop: Shop):
    made = await post(shop.session, f"{shop.path}/links", {}, expect=201)
    autumn = await shop.link(campaign="autumn")
    kept = await shop.link(utm={"campaign": "winter"})
    await shop.revoke(link_id=made["link_id"])
    await shop.revoke(campaign="autumn")

    assert (await shop.click(made["url"])).notice == (410, True)
    assert (await shop.click(autumn)).notice == (410, True)
    assert (await shop.click(await shop.link(campaign="autumn"))).status == 303
    assert (await shop.click(kept)).status == 303

    former = shop.program["key_id"]
    rotated = await post(shop.session, f"{shop.path}/rotate", {})
    assert rotated["key_id"] != former
    assert (await shop.click(kept)).status == 303
    await shop.revoke(key_id=former)
    assert (await shop.click(kept)).notice == (410, True)
    assert (await shop.click(await shop.link())).status == 303


async def test_altered_links_and_those_of_other_programs_are_not_found(shop: Shop):
    other = await post(
        shop.session,
        "/v1/link-programs",
        {"name": "Other", "template_id": shop.template_id},
        expect=201,
    )
    url = await shop.link()
    base, token = url.split("?data=")
    foreign = f"{other['base_url']}?data={token}"
    altered = f"{url[:-5]}{'A' if url[-5] != 'A' else 'B'}{url[-4:]}"
    broken = [foreign, altered, base, f"{base}?data=", f"{base}?data=v1", f"{base}x?data={token}"]

    notices = [(await shop.click(each)).notice for each in broken]

    assert notices == [(404, True)] * len(broken)
    assert await shop.members() == []


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
        ("GET", {"User-Agent": "facebookexternalhit/1.1"}),
        ("GET", {"User-Agent": "WhatsApp/2.23.20.0"}),
        ("GET", {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}),
    ],
)
async def test_who_only_looks_makes_nothing_and_gets_a_button(
    method: str, headers: dict[str, str], shop: Shop
):
    url = await shop.link()

    click = await shop.click(url, method, **headers)

    assert click.status == 200
    assert method == "HEAD" or '<form class="panel" method="post">' in click.text
    assert await shop.members() == []
    assert await shop.passes() == []
    assert (await shop.click(url, "POST")).status == 303


async def test_a_program_may_ask_everybody_to_press_the_button(shop: Shop):
    await shop.change(create_on="button")
    url = await shop.link(external_id="4711")

    looked = await shop.click(url)
    pressed = [await shop.click(url, "POST") for _ in range(2)]

    assert looked.status == 200
    assert len({click.handle for click in pressed}) == 1


async def test_who_comes_for_a_deleted_pass_gets_a_new_one(shop: Shop):
    url = await shop.link(external_id="4711")
    first = (await shop.click(url)).handle
    await send(shop.session, "DELETE", f"/v1/passes/{first}", None, 204)

    second, third = [(await shop.click(url)).handle for _ in range(2)]

    assert first != second == third
    assert len(await shop.members()) == 1


async def test_a_member_deleted_between_two_clicks_is_a_new_one_with_a_new_pass(shop: Shop):
    url = await shop.link(external_id="4711", member={"name": "Percy"})
    first = (await shop.click(url)).handle
    (member,) = await shop.members()
    await send(shop.session, "DELETE", f"/v1/members/{member['member_id']}", None, 204)

    second = (await shop.click(url)).handle

    assert first != second
    assert [one["name"] for one in await shop.members()] == ["Percy"]


async def test_a_link_to_a_deleted_template_no_longer_works(shop: Shop):
    url = await shop.link(external_id="4711")
    await send(shop.session, "DELETE", f"/v1/templates/{shop.template_id}", None, 204)

    assert (await shop.click(url)).notice == (410, True)
    assert await shop.members() == []
    refused = await send(shop.session, "POST", f"{shop.path}/links", {}, 422)
    assert refused["code"] == "template_unknown"


async def test_values_of_a_link_are_on_its_pass_and_may_show_only_what_its_maker_saw(shop: Shop):
    whole = await shop.link(member={"name": "Percy"}, values={"number": "4711 {member_name}"})
    new = {"name": "less", "scopes": ["links:write"]}
    less = (await post(shop.session, "/v1/keys", new, expect=201))["key"]
    said = {"member": {"name": "Percy"}, "values": {"number": "4711 {member_name}"}}
    async with shop.session.post(
        f"{shop.path}/links", json=said, headers={"X-API-Key": less}
    ) as answer:
        withheld = (await answer.json())["url"]

    messages = [
        await barcode_of(shop.session, (await shop.click(url)).handle) for url in (whole, withheld)
    ]

    assert messages == ["4711 Percy", "4711 {member_name}"]


async def barcode_of(session: aiohttp.ClientSession, handle: str) -> str:
    content = json.loads((await download(session, handle))["pass.json"])
    return content["barcodes"][0]["message"]


async def test_links_that_were_made_without_the_server_work(
    shop: Shop, system: System, tmp_path: Path
):
    key_file = await get(shop.session, f"{shop.path}/key-file")
    (tmp_path / "key.json").write_text(json.dumps(key_file))
    (tmp_path / "list.csv").write_text(LIST)
    await run_command(
        system.extra["environment"],
        "links", str(tmp_path / "list.csv"),
        "--key", str(tmp_path / "key.json"),
        "--output", str(tmp_path / "links.csv"),
    )  # fmt: skip
    rows = csv.DictReader(io.StringIO((tmp_path / "links.csv").read_text("utf-8-sig"), newline=""))

    clicks = [await shop.click(row["link"]) for row in rows]

    assert len({click.handle for click in clicks}) == 2
    assert {one["name"] for one in await shop.members()} == {"Percy PassKit", "Laura Loopy"}


async def test_clicks_passes_and_installs_are_counted_by_campaign_and_source(
    shop: Shop, system: System, fleet: Fleet
):
    said = {"external_id": "4711", "campaign": "autumn", "utm": {"source": "mail"}}
    named, other = await shop.link(**said), await shop.link()
    for url in (named, named, other):
        handle = (await shop.click(url)).handle
    await shop.click(named, "HEAD")
    page = f"{system.base_url}/p/{handle}.pkpass"
    await fleet.install(list(zip(fleet.add(1), [page], strict=True)))

    async def counts() -> list[dict[str, Any]]:
        return (await get(shop.session, f"{shop.path}/counts"))["data"]

    async def all_counted() -> bool:
        found = await counts()
        return sum(one["clicks"] + one["installed"] for one in found) == 4

    await poll(all_counted, "clicks and installs")
    assert await counts() == [
        {"campaign": "", "source": "", "clicks": 1, "issued": 1, "installed": 1},
        {"campaign": "autumn", "source": "mail", "clicks": 2, "issued": 1, "installed": 0},
    ]
    first = await get(shop.session, f"{shop.path}/counts?limit=1")
    rest = await get(shop.session, f"{shop.path}/counts?limit=1&cursor={first['next_cursor']}")
    assert first["data"] + rest["data"] == await counts()
    assert rest["next_cursor"] is None


PASSKIT_KEY: Final = "f33332e108e3e5e040924d7dd7651f6f54b242525bf4e8733ea12ac3538af755"


def passkit_query(said: dict[str, str], helper: str) -> str:
    """Seal as PassKit's helpers for Node and Go do."""
    iv = secrets.token_bytes(16)
    padder = PKCS7(128).padder()
    padded = padder.update(json.dumps(said).encode()) + padder.finalize()
    encryptor = Cipher(AES256(bytes.fromhex(PASSKIT_KEY)), CBC(iv)).encryptor()
    data = encryptor.update(padded) + encryptor.finalize()
    if helper == "node":
        return f"data={b64encode(data).decode()}&iv={b64encode(iv).decode()}"
    return f"data={urlsafe_b64encode(data).rstrip(b'=').decode()}&iv={iv.hex()}"


@pytest.mark.parametrize("helper", ["node", "go"])
async def test_links_that_passkit_made_work_once_their_key_is_given(helper: str, shop: Shop):
    said = {
        "person.forename": "Percy",
        "person.surname": "PassKit",
        "members.member.externalId": "4711",
        "universal.info": "of no template",
        "meta.number": "{member_name}",
    }
    urls = [f"{shop.program['base_url']}?{passkit_query(said, helper)}" for _ in range(2)]
    before = (await shop.click(urls[0])).notice
    key = {"kind": "passkit", "key": PASSKIT_KEY}
    await post(shop.session, f"{shop.path}/legacy-keys", key, expect=201)

    first, second = [(await shop.click(url)).handle for url in urls]

    assert before == (404, True)
    assert first == second
    (member,) = await shop.members()
    assert (member["name"], member["external_id"]) == ("Percy PassKit", "4711")
    assert await barcode_of(shop.session, first) == "{member_name}"


async def test_wrong_padding_and_wrong_data_get_the_same_answer_in_the_same_time(shop: Shop):
    key = {"kind": "passkit", "key": PASSKIT_KEY}
    await post(shop.session, f"{shop.path}/legacy-keys", key, expect=201)
    query = passkit_query({"meta.number": "47", "person.displayName": "P" * 40}, "go")
    data, iv = query.removeprefix("data=").split("&iv=")
    base = shop.program["base_url"]
    wrong_padding = f"{base}?data={data[:-2]}{'A' if data[-2] != 'A' else 'B'}{data[-1]}&iv={iv}"
    wrong_data = f"{base}?data={data}&iv={'0' if iv[0] != '0' else '1'}{iv[1:]}"

    notices: dict[str, tuple[int, bool]] = {}
    times: dict[str, list[float]] = {wrong_padding: [], wrong_data: []}
    for url in [wrong_padding, wrong_data] * 10:
        started = time.perf_counter()
        notices[url] = (await shop.click(url)).notice
        times[url].append(time.perf_counter() - started)

    assert list(notices.values()) == [(404, True)] * 2
    assert all(min(each) > REFUSAL_SECONDS - TIMER_SECONDS for each in times.values())


@pytest.mark.parametrize("said", [{"external_id": "4711"}, {"max_uses": 1}])
@pytest.mark.parametrize("point", ["asks.answered:1", "asks.sending:2", "asks.answered:2"])
async def test_a_click_that_a_crash_cut_short_makes_no_second_pass(
    point: str, said: dict[str, Any], distributed: System
):
    gateway = distributed.processes["gateway"]
    async with a_shop(distributed) as shop:
        url = await shop.link(**said)
        await asyncio.to_thread(gateway.stop)
        gateway.start(PASSWRIGHT_CRASH_AT=point)
        await distributed.until_ready()
        with pytest.raises(aiohttp.ClientError):
            await shop.click(url)
        assert gateway.running is not None
        assert await asyncio.to_thread(gateway.running.wait) == -9
        gateway.start()
        await distributed.until_ready()

        first = (await shop.click(url)).handle
        second = await shop.click(url)

        assert [one["handle"] for one in await shop.passes()] == [first]
        assert len(await shop.members()) == 1
        assert second.status == 410 if "max_uses" in said else second.handle == first
