"""Promise 28: whatever is written into a field, no page, no CSV file and no pass obeys it."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote
from zipfile import ZipFile

import aiohttp
import pytest
from yarl import URL

from shared.passes.schema.images import plain_icon
from shared.passes.schema.values import is_list, is_object
from tests.e2e.passsource import PassSource, log_in_as
from tests.e2e.test_journeys import POINTS
from tests.promises.conftest import Figure
from tests.system import System

HARMLESS: Final = "harmless"
HOSTILE: Final = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" onfocus="alert(1)" autofocus="',
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    "<form action=https://evil.example><input name=a>",
    '<!--<img src="--><img src=x onerror=alert(1)//">',
    "<![CDATA[<script>alert(1)</script>]]>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='https://ok.example' onclick=alert(1) style=position:fixed>x</a>",
    '<a href="java\tscript:alert(1)">x</a>',
    "<a href='&#106;avascript&colon;alert(1)'>x</a>",
    "<a href=data:text/html,<script>alert(1)</script>>x</a>",
    "javascript:alert(document.domain)",
    'https://ok.example/"onmouseover=alert(1)//',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "{{ 7 * 7 }}{% raw %}{{ config }}",
    "${7*7}#{7*7}<%= 7*7 %>",
    "{clientHash} {member_email} {psEditorURL}",
    "=1+1",
    '=HYPERLINK("https://evil.example","x")',
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "\uff1d1+1",
    '","=1+1","',
    'a\r\n=1+1,"=2+2"',
    "x\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>",
    "x\nLocation: https://evil.example",
    '"; filename="evil.exe',
    "../../etc/passwd\x00.png",
    "\u202egnp.exe \u2066\u2069\u200f",
    "\u2028alert(1)\u2029",
    "]]>*/--><x>",
    "\\u003cscript\\u003e",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") + "<b>",
)  # fmt: skip
FORMULAS: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""How a cell begins that a spreadsheet may take for a formula."""
ADDRESSES: Final = ("https://", "http://", "mailto:", "tel:", "/", "#")

FIELD: Final = {
    "label": "{T}",
    "value": {"value": "{T}", "editable": True, "label": "{T}"},
    "changeMessage": "{T} %@",
}
TEMPLATE: Final[dict[str, Any]] = {
    "name": "{T}",
    "pass": {
        "description": "{T}",
        "logoText": "{T}",
        "storeCard": {
            "headerFields": [{"key": "points", **FIELD}],
            "primaryFields": [{"key": "first", **FIELD}],
            "secondaryFields": [{"key": "name", "label": "Name", "value": "{member_name}"}],
            "auxiliaryFields": [{"key": "tier", "label": "{T}", "value": "{member_tier}"}],
            "backFields": [
                {"key": "back", **FIELD},
                {"key": "markup", "label": "{T}", "value": "{T}", "attributedValue": "{T}"},
            ],
        },
        "barcode": {"format": "PKBarcodeFormatQR", "message": "{T}", "altText": "{T}"},
        "userInfo": {"note": "{T}"},
    },
    "properties": {
        "note": "{T}",
        "psExportPaths": f"hashedSerialNumber,note,{POINTS},structure_primaryFields_first_value",
    },
    "localizations": {"de": {"Name": "{T}"}},
    "barcode_policy": "template",
}
VALUES: Final = (
    "note",
    POINTS,
    "structure_primaryFields_first_value",
    "structure_backFields_back_value",
    "structure_backFields_markup_attributedValue",
)


class Tags(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.others: list[str] = []
        """Comments, declarations and instructions."""
        self.feed(page)
        self.close()

    @property
    def kinds(self) -> set[tuple[str, tuple[str, ...]]]:
        return {(tag, tuple(sorted(attributes))) for tag, attributes in self.elements}

    @property
    def addresses(self) -> set[str]:
        return {
            attributes.get(name) or "/"
            for _, attributes in self.elements
            for name in ("href", "src", "action")
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        is_style = self.elements and self.elements[-1][0] == "style"
        (self.styles if is_style and data.strip() else self.texts).append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


@dataclass
class Shop:
    """An account with a template, a member and a pass, in all of whose fields is one text."""

    api: PassSource
    key: str
    text: str
    refused: list[str] = field(default_factory=list[str])
    taken: int = 0
    """Fields that took the text."""
    template_id: str = ""
    template_hash: str = ""
    handle: str = ""

    async def send(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        url = URL(path, encoded=True)
        async with self.api.http.request(
            method, url, json=body, headers={"X-API-Key": self.key}
        ) as response:
            check_headers(response)
            assert response.status < 500, (method, path, self.text, await response.text())
            return response.status, await response.json() if response.status != 204 else None

    async def must(self, method: str, path: str, body: Any) -> Any:
        status, answer = await self.send(method, path, body)
        assert status in {200, 201}, answer
        return answer

    async def fill(self) -> None:
        """Write the text into each field that takes it, and what is harmless into the others."""
        template = await self._fill(TEMPLATE, "/v1/templates/check", "findings")
        self.template_id = (await self.must("POST", "/v1/templates", template))["template_id"]
        listed = await self.api.do("templates")
        self.template_hash = listed["templates"][0]["templateHash"]
        member: dict[str, Any] = {}
        for name in ("name", "email", "phone", "external_id", "tier"):
            status, _ = await self.send("PUT", "/v1/members/m", {**member, name: self.text})
            self._note(name, is_taken=status < 400)
            if status < 400:
                member[name] = self.text
        await self.must("PUT", "/v1/members/m", member)
        await self.send("PUT", f"/v1/members/{quote(self.text, safe='')}", {"name": self.text})
        order = {"template_id": self.template_id, "member_id": "m"}
        self.handle = (await self.must("POST", "/v1/passes", order))["handle"]
        for path in VALUES:
            body = {"values": {path: self.text}}
            status, _ = await self.send("PATCH", f"/v1/passes/{self.handle}", body)
            self._note(path, is_taken=status < 400)
        form = aiohttp.FormData()
        name = self.text.translate(CONTROL)
        form.add_field("icon", plain_icon()["icon.png"], filename=name, content_type="image/png")
        await self.api.ask("uploadTemplateImages", templateHash=self.template_hash, data=form)

    async def _fill(self, body: dict[str, Any], check: str, findings: str) -> dict[str, Any]:
        """Leave the text out of places where a template may not have it."""
        places = [place for place, text in leaves(body) if "{T}" in text]
        for place in places:
            one = replaced(body, {other: HARMLESS for other in places if other != place}, self.text)
            status, answer = await self.send("POST", check, one)
            errors = status >= 400 or any(
                found["severity"] == "error" for found in answer[findings]
            )
            self._note(str(place), is_taken=not errors)
        bad = {place: HARMLESS for place in places if str(place) in self.refused}
        return replaced(body, bad, self.text)

    def _note(self, place: str, *, is_taken: bool) -> None:
        self.taken += is_taken
        if not is_taken:
            self.refused.append(place)


Place = tuple[str | int, ...]


def leaves(value: Any, place: Place = ()) -> Iterable[tuple[Place, str]]:
    if is_object(value):
        for name, inner in value.items():
            yield from leaves(inner, (*place, name))
    elif is_list(value):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*place, number))
    elif isinstance(value, str):
        yield place, value


def replaced(value: Any, others: dict[Place, str], text: str, place: Place = ()) -> Any:
    """Put the text in its places, and other texts in those that have one."""
    if is_object(value):
        return {n: replaced(inner, others, text, (*place, n)) for n, inner in value.items()}
    if is_list(value):
        return [replaced(inner, others, text, (*place, n)) for n, inner in enumerate(value)]
    if isinstance(value, str):
        return value.replace("{T}", others.get(place, text))
    return value


@pytest.fixture
async def http(system: System) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(system.base_url) as session:
        yield session


async def a_shop(system: System, http: aiohttp.ClientSession, text: str) -> Shop:
    """Make an account that is named by the text, where it may be."""
    names = {"name": text, "organization_name": text[:64]}
    headers = {"X-API-Key": system.api_key}
    async with http.post("/v1/accounts", json=names, headers=headers) as response:
        assert response.status in {201, 422}, await response.text()
        made = await response.json()
    if "key" not in made:
        names = {"name": HARMLESS, "organization_name": HARMLESS}
        async with http.post("/v1/accounts", json=names, headers=headers) as response:
            made = await response.json()
    shop = Shop(await log_in_as(http, made["key"]), made["key"], text)
    await shop.fill()
    return shop


@dataclass
class Seen:
    """What a shop shows to people and programs."""

    pages: dict[str, Tags]
    files: dict[str, list[list[str]]]
    document: dict[str, Any]


async def look(shop: Shop) -> Seen:
    text = quote(shop.text.encode("utf-8", "replace"), safe="")
    mine = f"templateHash={quote(shop.template_hash)}&clientHash={quote(shop.api.client_hash)}"
    addresses = {
        "pass": f"/p/{shop.handle}",
        "unknown pass": f"/p/{text}",
        "unknown page": f"/pass/{text}",
        "page to come": f"/pass/register.php?{text}={text}",
        "bad link": f"/pass/create.php?templateHash={text}&{text}={text}",
        "bad value": f"/pass/create.php?{mine}&{POINTS}={text}&voided={text}&generate={text}",
        "bad export": f"/pass/export.php?{mine}&start={text}",
        "start": f"/?{text}",
        "docs": f"/docs?{text}={text}",
        "nowhere": f"/{text}",
    }
    pages = {name: await a_page(shop, address) for name, address in addresses.items()}
    pages["pass in German"] = await a_page(shop, f"/p/{shop.handle}", "de")
    files = {
        "v1": await a_csv(shop, f"/v1/passes.csv?template_id={shop.template_id}"),
        "all": await a_csv(shop, "/v1/passes.csv"),
        "export": await a_csv(shop, f"/pass/export.php?{mine}"),
    }
    async with shop.api.http.get(f"/p/{shop.handle}.pkpass") as response:
        check_headers(response)
        disposition = response.headers["Content-Disposition"]
        assert disposition == 'attachment; filename="pass.pkpass"'
        archive = ZipFile(io.BytesIO(await response.read()))
    return Seen(pages, files, json.loads(archive.read("pass.json")))


async def a_page(shop: Shop, address: str, language: str = "en") -> Tags:
    """Fetch an address as a browser does; an empty page where the answer is none."""
    headers = {"Accept": "text/html", "Accept-Language": language}
    headers["X-Request-Id"] = shop.text.encode("ascii", "replace").decode().translate(CONTROL)
    url = URL(address, encoded=True)
    async with shop.api.http.get(url, headers=headers, allow_redirects=False) as response:
        check_headers(response)
        assert response.status < 500, (address, await response.text())
        if response.content_type != "text/html":
            assert response.content_type in {"application/problem+json", "text/plain"}, address
            return Tags("")
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        return Tags(await response.text())


async def a_csv(shop: Shop, address: str) -> list[list[str]]:
    url = URL(address, encoded=True)
    async with shop.api.http.get(url, headers={"X-API-Key": shop.key}) as response:
        check_headers(response)
        assert response.status == 200, await response.text()
        assert response.headers["Content-Disposition"] == 'attachment; filename="passes.csv"'
        return list(csv.reader(io.StringIO(await response.text(), newline="")))


CONTROL: Final = dict.fromkeys([*range(32), 127])


def check_headers(response: aiohttp.ClientResponse) -> None:
    """No header that is not ours, and nobody guesses at kinds of content."""
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert {name.lower() for name in response.headers} <= OUR_HEADERS, response.headers
    assert all(len(response.headers.getall(name)) == 1 for name in response.headers)
    location = response.headers.get("Location", "/")
    assert location.startswith(("/", "http://localhost")), location


OUR_HEADERS: Final = frozenset(
    {
        "allow", "cache-control", "content-disposition", "content-encoding", "content-language",
        "content-length",
        "content-security-policy", "content-type", "date", "etag", "idempotent-replayed",
        "last-modified", "location", "referrer-policy", "server", "transfer-encoding", "vary",
        "x-content-type-options", "x-request-id", "x-robots-tag",
    }
)  # fmt: skip


def check_pages(seen: Seen, usual: Seen) -> None:
    """Every element, attribute and style is one that the page has with a harmless text, too."""
    for name, page in seen.pages.items():
        known = usual.pages[name].kinds | {("a", ("href", "rel"))}
        if page.elements and not usual.pages[name].elements:
            known = usual.pages["unknown pass"].kinds
        assert page.kinds <= known, (name, page.kinds - known)
        assert page.others == usual.pages[name].others, name
        if name.startswith("pass"):
            assert page.styles == usual.pages[name].styles
        strange = page.addresses - usual.pages[name].addresses
        assert all(address.startswith(ADDRESSES) for address in strange), (name, strange)


def check_files(seen: Seen, text: str) -> int:
    """No cell begins as a formula, each row has its columns; how many cells hold the text."""
    for name, rows in seen.files.items():
        for row in rows:
            assert len(row) == len(rows[0]), (name, row)
            bad = [cell for cell in row if cell.lstrip(" \u00a0\u200b\ufeff")[:1] in set(FORMULAS)]
            assert bad == [], name
    cells = [cell for rows in seen.files.values() for row in rows[1:] for cell in row]
    return sum(cell in {text, f"'{text}"} for cell in cells)


def check_document(seen: Seen, usual: Seen) -> None:
    """pass.json has the keys that it has with a harmless text, and no link leads to a script."""
    assert [place for place, _ in leaves(seen.document)] == [
        place for place, _ in leaves(usual.document)
    ]
    for place, text in leaves(seen.document):
        if "attributedValue" in place:
            links = [attributes.get("href") or "" for _, attributes in Tags(text).elements]
            scripts = ("javascript:", "data:", "vbscript:", "file:")
            plain = ["".join(link.split()).lower() for link in links]
            assert not any(link.startswith(scripts) for link in plain), text


async def test_hostile_texts_in_every_field_stay_texts(
    system: System, http: aiohttp.ClientSession, figure: Figure
):
    usual = await look(await a_shop(system, http, HARMLESS))
    taken = shown = cells = 0
    for text in HOSTILE:
        shop = await a_shop(system, http, text)
        seen = await look(shop)
        check_pages(seen, usual)
        check_document(seen, usual)
        cells += check_files(seen, text)
        shown += text in "".join(seen.pages["pass"].texts)
        taken += shop.taken

    assert shown > len(HOSTILE) // 2
    assert cells > len(HOSTILE)
    figure(
        f"{len(HOSTILE)} texts in {taken:,} fields that took them: no element, attribute, header,"
        f" formula or key that is not ours; {cells} cells with the text"
    )
