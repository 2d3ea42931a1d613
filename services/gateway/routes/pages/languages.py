"""In which language a reader of a page is answered."""

import re
from typing import Final

from aiohttp import hdrs, web

from services.gateway.routes.pages.wording import WORDINGS
from shared.passes.schema.localization import choose_language

_MAX_LANGUAGES: Final = 20
_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4})\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)


def accepted_languages(request: web.Request) -> tuple[str, ...]:
    """Return the language tags of Accept-Language, the most wanted first, 20 at the most."""
    header = ",".join(request.headers.getall(hdrs.ACCEPT_LANGUAGE, []))
    ranges = [_RANGE.fullmatch(part) for part in header.split(",", _MAX_LANGUAGES)[:_MAX_LANGUAGES]]
    weights = {found[1]: float(found[2] or 1) for found in reversed(ranges) if found}
    wanted = [tag for tag in reversed(weights) if weights[tag] > 0]
    return tuple(sorted(wanted, key=lambda tag: -weights[tag]))


def wording_language(*tags: str) -> str:
    """Return the language of the page's own words: the first that there is, else English."""
    return choose_language(tags, WORDINGS)
