"""A page as a browser reads it: its texts, links and forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import MappingProxyType
from urllib.parse import urljoin

import aiohttp

VOID = {"br", "hr", "img", "input", "link", "meta", "path", "rect"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

Attributes = dict[str, str]


@dataclass
class PageForm:
    """One form, as it would be sent untouched."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict[str, str])
    controls: list[Attributes] = field(default_factory=list[Attributes])

    def control(self, name: str) -> Attributes:
        return next(control for control in self.controls if control.get("name") == name)


@dataclass
class Page:
    """What came for an address."""

    url: str
    status: int
    headers: dict[str, str]
    source: str
    text: str = ""
    """All that people can read."""
    tags: list[tuple[str, Attributes]] = field(default_factory=list[tuple[str, Attributes]])
    forms: list[PageForm] = field(default_factory=list[PageForm])
    options: list[Attributes] = field(default_factory=list[Attributes])

    @property
    def form(self) -> PageForm:
        """The form that is filled in: the first with fields of its own."""
        return next(form for form in self.forms if form.controls)

    def all(self, tag: str) -> list[Attributes]:
        return [attributes for name, attributes in self.tags if name == tag]

    def links(self) -> list[str]:
        return [link["href"] for link in self.all("a") if "href" in link]


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self._open: list[str] = []
        self._form: PageForm | None = None
        self._select = ""
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.page.tags.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "form":
            action = urljoin(self.page.url, attributes.get("action", ""))
            self._form = PageForm(attributes.get("method", "get"), action)
            self.page.forms.append(self._form)
        elif tag == "option":
            self.page.options.append({**attributes, "select": self._select})
            if "selected" in attributes and self._form is not None:
                self._form.fields[self._select] = attributes["value"]
        elif self._form is not None and tag in {"input", "select", "textarea"}:
            self._add_control(tag, attributes)

    def _add_control(self, tag: str, attributes: Attributes) -> None:
        assert self._form is not None
        name, kind = attributes.get("name", ""), attributes.get("type", "text")
        if kind != "hidden":
            self._form.controls.append({**attributes, "tag": tag})
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area = name
            self._form.fields[name] = ""
        elif kind != "file" and (kind != "checkbox" or "checked" in attributes):
            self._form.fields[name] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "form":
            self._form = None
        if tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None and self._form is not None:
            before = self._form.fields[self._area]
            self._form.fields[self._area] = before + (data if before else data.removeprefix("\n"))
        elif not {"style", "script", "title"} & set(self._open):
            self.page.text += data


def read_page(url: str, status: int, headers: dict[str, str], source: str) -> Page:
    page = Page(url, status, headers, source)
    _Reader(page).feed(source)
    return page


async def open_page(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    data: dict[str, str] | aiohttp.FormData | None = None,
) -> Page:
    """Open an address as a browser does, following where it leads."""
    sent = {**BROWSER, **(headers or {})}
    async with http.request(method, url, headers=sent, data=data) as answer:
        found = {name.lower(): value for name, value in answer.headers.items()}
        return read_page(str(answer.url), answer.status, found, await answer.text())


async def send_form(
    http: aiohttp.ClientSession,
    page: Page,
    typed: Mapping[str, str] = MappingProxyType({}),
    *,
    files: Mapping[str, bytes] = MappingProxyType({}),
    headers: dict[str, str] | None = None,
) -> Page:
    """Type into the page's form and send it."""
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in {**page.form.fields, **typed}.items():
        data.add_field(name, value)
    for name, content in files.items():
        data.add_field(name, content, filename="a.png", content_type="image/png")
    return await open_page(
        http, page.form.method.upper(), page.form.action, data=data, headers=headers
    )
