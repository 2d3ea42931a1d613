"""Conditional requests of RFC 9110: whether the client has what it asks for already."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from aiohttp import ETag, hdrs, web

_IN_UTC: Final = re.compile(r".*\d\d:\d\d:\d\d(?: \d{4}| -0000)")
"""Dates that mean UTC without naming it: C's `asctime`, and an offset of RFC 5322."""


def has_tag(request: web.Request, tag: ETag) -> bool | None:
    """Whether If-None-Match names this tag, weak or strong, or any; None without that header."""
    known = request.if_none_match
    if known is None:
        return None
    return any(one.value in {tag.value, "*"} for one in known)


def modified_since(request: web.Request) -> datetime | None:
    """Read If-Modified-Since with the offset it names; a date that cannot be read is ignored."""
    text = request.headers.get(hdrs.IF_MODIFIED_SINCE)
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # Any other zone was not understood: taken for UTC it could give a false 304.
    return moment.replace(tzinfo=UTC) if _IN_UTC.fullmatch(text) else None
