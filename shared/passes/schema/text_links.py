"""Links in the texts of fields: those that markup names, and those that Wallet finds by itself."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

SCHEMES: Final = frozenset({"https", "http", "mailto", "tel"})
"""Where a link of a pass may lead; anything else stays text."""

DETECT_LINKS: Final = "PKDataDetectorTypeLink"
DETECT_PHONES: Final = "PKDataDetectorTypePhoneNumber"

_SCRIPTS: Final = ("javascript:", "vbscript:", "data:", "file:", "blob:")
_MAX_LINK: Final = 2048
# Every repetition has a bound, so that reading a text costs time in step with its length.
_TAG: Final = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,15})(?=[\s/>])([^<>]{0,4096})>")
_HREF: Final = re.compile(
    r"""(?:^|\s)href\s{0,8}=\s{0,8}(?:"([^"]{0,2048})"|'([^']{0,2048})'|([^\s"']{1,2048}))""",
    re.IGNORECASE,
)
_HREF_START: Final = re.compile(r"href\s*=\s*[\"']?", re.IGNORECASE)
_MAX_SCHEME: Final = 128
"""Characters in which a scheme is looked for, with what browsers skip and entities in it."""
_BREAKS: Final = frozenset({"br", "p", "div", "li"})
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")
_WEB: Final = re.compile(r"(?<![\w@/.])(?:https?://|www\.)[^\s<>\"“”«»]{1,2040}", re.IGNORECASE)
_MAIL: Final = re.compile(
    r"(?<![\w.+@%-])[\w.+%-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}(?![\w@-])",
    re.IGNORECASE,
)
_PHONE: Final = re.compile(
    r"(?<![\w/+.,:-])[+(]?\d{1,15}\)?"
    r"(?:(?:(?:[ \u00a0]?[/-][ \u00a0]?|[. \u00a0])\(?|\(|(?<=\)))\d{1,15}\)?){0,8}(?![\w/])"
)
_DATE: Final = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}.*|\d{4}[./-]\d{1,2}[./-]\d{1,2}.*")
_NATIONAL: Final = re.compile(r"0\d{1,5}[ /-].*|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|\(0?\d{2,5}\).*")
_TRAILING: Final = ".,;:!?'\N{RIGHT SINGLE QUOTATION MARK}"
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text, and where it leads if it is a link; both are to be escaped."""

    text: str
    href: str | None = None


def read_markup(text: str) -> list[Span]:
    """Return the text of `attributedValue`: links stay links, of other elements their text."""
    spans: list[Span] = []
    href: str | None = None
    end = 0
    for tag in _TAG.finditer(text):
        _add(spans, html.unescape(text[end : tag.start()]), href)
        end = tag.end()
        name = tag[2].lower()
        if name == "a":
            href = None if tag[1] else _href(tag[3])
        elif name in _BREAKS and (name == "br" or tag[1]):
            _add(spans, "\n", href)
    _add(spans, html.unescape(text[end:]), href)
    return spans


def without_scripts(text: str) -> str:
    """Return markup in which no link leads to a script, to data or to a file; others stay."""
    if "<" not in text:
        return text
    text = _TAG.sub(lambda tag: "<a>" if _leads_to_script(tag) else tag[0], text)
    # An address may hold "<" or ">", and then `_TAG` does not see its tag.
    return _HREF_START.sub(_unless_script, text)


def _unless_script(start: re.Match[str]) -> str:
    address = start.string[start.end() : start.end() + _MAX_SCHEME]
    return "" if _is_script(address) else start[0]


def _leads_to_script(tag: re.Match[str]) -> bool:
    if tag[1] or tag[2].lower() != "a":
        return False
    found = _HREF.search(tag[3])
    return found is not None and _is_script(found[1] or found[2] or found[3] or "")


def _is_script(address: str) -> bool:
    # Browsers skip control characters and spaces in front of and within a scheme.
    return _CONTROL.sub("", html.unescape(address)).lower().startswith(_SCRIPTS)


def find_links(text: str, detectors: frozenset[str]) -> list[Span]:
    """Return the text with web and mail addresses and phone numbers as links, as asked for."""
    spans: list[Span] = []
    end = 0
    for start, found, href in _found(text, detectors):
        if start >= end:
            _add(spans, text[end:start], None)
            _add(spans, found, href)
            end = start + len(found)
    _add(spans, text[end:], None)
    return spans


def safe_link(address: str) -> str | None:
    """Return an address that a page may link to, or None."""
    address = address.strip()
    if len(address) > _MAX_LINK or _CONTROL.search(address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    is_web = parts.scheme in {"http", "https"}
    return address if parts.scheme in SCHEMES and (parts.netloc or not is_web) else None


def _add(spans: list[Span], text: str, href: str | None) -> None:
    if text:
        spans.append(Span(text, href))


def _href(attributes: str) -> str | None:
    found = _HREF.search(attributes)
    return safe_link(html.unescape(found[1] or found[2] or found[3] or "")) if found else None


def _found(text: str, detectors: frozenset[str]) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    if DETECT_LINKS in detectors:
        found += _matches(_WEB, text, _web)
        found += _matches(_MAIL, text, lambda address: f"mailto:{address}")
    if DETECT_PHONES in detectors:
        found += _matches(_PHONE, text, _phone)
    return sorted(found)


def _matches(
    pattern: re.Pattern[str], text: str, lead: Callable[[str], str | None]
) -> Iterator[tuple[int, str, str]]:
    for matched in pattern.finditer(text):
        found = _without_punctuation(matched[0])
        href = lead(found)
        if href is not None:
            yield matched.start(), found, href


def _web(address: str) -> str | None:
    return safe_link(address if "://" in address else f"https://{address}")


def _phone(number: str) -> str | None:
    digits = re.sub(r"\D", "", number.replace("(0)", "") if number[0] == "+" else number)
    is_number = number[0] == "+" or (_NATIONAL.fullmatch(number) and not _DATE.fullmatch(number))
    if not is_number or not 7 <= len(digits) <= 15:  # noqa: PLR2004 - E.164 has at most 15
        return None
    return f"tel:+{digits}" if number[0] == "+" else f"tel:{digits}"


def _without_punctuation(text: str) -> str:
    """Take off what ends the sentence rather than the address."""
    while text:
        last = text[-1]
        opening = _PAIRS.get(last)
        is_open = opening is not None and text.count(opening) < text.count(last)
        if last not in _TRAILING and not is_open:
            return text
        text = text[:-1]
    return text
